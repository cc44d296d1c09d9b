"""The carrier's texts as our columns hold them: the mirror and the timeline must cut alike, or nothing joins."""

from __future__ import annotations

import hashlib
import re
from typing import Any

STATUS_LENGTH = 40
IDENTIFIER_LENGTH = 20
CODE_LENGTH = 80
ACCOUNT_LENGTH = 120
EVENT_VALUE_LENGTH = 250
EVENT_SUBJECT_LENGTH = 120

# No database stores these two in text: NUL, and half of a surrogate pair.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_DIGEST = 12


def clean(text: str) -> str:
    """``text`` without what a database refuses (replaced by U+FFFD)."""
    # Nearly every text: a look at it is a tenth of the search.
    if text.isascii() and "\0" not in text:
        return text
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def clip(text: str | None, length: int) -> str:
    """At most ``length`` characters of ``text``, clean; ``None`` is empty. The whole text stays in ``raw``."""
    return clean(text)[:length] if text else ""


def key(text: str | None, length: int) -> str:
    """A name used as a key: as it is, or cut with a digest of the whole, so that two long names stay two."""
    text = clean(text) if text else ""
    if len(text) <= length:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:_DIGEST]
    return f"{text[: length - _DIGEST - 1]}~{digest}"


def account_key(name: str | None) -> str:
    """The key of an account's row."""
    return key(name, ACCOUNT_LENGTH)


def code_key(code: str | None) -> str:
    """The key of a plan's or pool's row."""
    return key(code, CODE_LENGTH)


def clean_json(value: Any) -> Any:
    """A JSON value with clean texts, deep down."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [clean_json(item) for item in value]
    if isinstance(value, dict):
        return {clean(str(name)): clean_json(item) for name, item in value.items()}
    return value
