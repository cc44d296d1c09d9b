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


def keys_for(purpose: str) -> list[bytes]:
    """Keys of 32 bytes for one purpose, the newest first: secrets that have enough of their own, kept apart from
    other uses of them by the purpose."""
    secrets = settings.CONFIG["ENCRYPTION_KEYS"] or [settings.SECRET_KEY]
    return [hashlib.sha256(f"portal {purpose}\0{secret}".encode()).digest() for secret in secrets]


def _fernet() -> MultiFernet:
    return MultiFernet([Fernet(base64.urlsafe_b64encode(key)) for key in keys_for("field encryption")])
