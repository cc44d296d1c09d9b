"""Encryption of secrets that the portal has to read again, such as signing keys.

Fernet (AES-128-CBC with HMAC-SHA256). The keys come from ``ENCRYPTION_KEYS``: the first encrypts, all of them
decrypt, so a key is rotated by putting a new one in front; ``manage.py reencrypt_secrets`` then writes what is
stored anew. Without the setting the keys are derived from ``SECRET_KEY`` and ``SECRET_KEY_FALLBACKS``.
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


def renewed(token: str) -> str:
    """``token`` encrypted with the newest key; as it is where that is the case already. Raises
    :class:`Undecipherable`."""
    newest = Fernet(_fernet_keys()[0])
    try:
        newest.decrypt(token.encode())
    except InvalidToken:
        return encrypt(decrypt(token))
    return token


def keys_for(purpose: str) -> list[bytes]:
    """Keys of 32 bytes for one purpose, the newest first: secrets that have enough of their own, kept apart from
    other uses of them by the purpose."""
    secrets = settings.CONFIG["ENCRYPTION_KEYS"] or [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return [hashlib.sha256(f"portal {purpose}\0{secret}".encode()).digest() for secret in secrets]


def _fernet() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in _fernet_keys()])


def _fernet_keys() -> list[bytes]:
    return [base64.urlsafe_b64encode(key) for key in keys_for("field encryption")]
