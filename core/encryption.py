"""Encryption of secrets that the portal has to read again, such as signing keys.

Fernet (AES-128-CBC with HMAC-SHA256). The keys come from ``ENCRYPTION_KEYS``: the first encrypts, all of them
decrypt, so a key is rotated by putting a new one in front. Without the setting the key is derived from
``SECRET_KEY``, and what was encrypted is lost with it.
"""

from __future__ import annotations

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class Undecipherable(Exception):
    """None of the keys fits: they were changed without keeping the old one."""


def encrypt(text: str) -> str:
    """``text`` in a form that only :func:`decrypt` reads."""
    return _fernet().encrypt(text.encode()).decode()


def decrypt(token: str) -> str:
    """What :func:`encrypt` was given. Raises :class:`Undecipherable`."""
    try:
        return _fernet().decrypt(token.encode()).decode()
    except InvalidToken:
        raise Undecipherable("No key of ENCRYPTION_KEYS fits.") from None


def _fernet() -> MultiFernet:
    secrets = settings.CONFIG["ENCRYPTION_KEYS"] or [settings.SECRET_KEY]
    return MultiFernet([Fernet(_key(secret)) for secret in secrets])


def _key(secret: str) -> bytes:
    """32 bytes of a secret that has enough of its own; the label keeps it apart from other uses of it."""
    return base64.urlsafe_b64encode(hashlib.sha256(b"portal field encryption\0" + secret.encode()).digest())
