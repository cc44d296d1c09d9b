"""Signing outgoing webhooks; docs/webhooks.md tells receivers how to check it."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable

VERSION = "v1"


def new_secret() -> str:
    """A signing key of 256 random bits, as text that its bytes are taken from in UTF-8."""
    return f"whsec_{secrets.token_urlsafe(32)}"


def signatures(keys: Iterable[str], timestamp: int, body: bytes) -> str:
    """The value of ``X-Portal-Signature``: for each key ``v1=`` and HMAC-SHA256 over ``<timestamp>.<body>`` in hex,
    with commas between them."""
    signed = f"{timestamp}.".encode() + body
    return ",".join(f"{VERSION}={hmac.new(key.encode(), signed, hashlib.sha256).hexdigest()}" for key in keys)
