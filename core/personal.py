"""Numbers of devices and subscribers (IMSI, IMEI, MSISDN) in what can't be erased later: audit trail and logs.

They are written as a keyed digest instead: the same number is the same digest, so that whoever has the number finds
where it was, and nobody reads it from there. A giccid stays: it names a SIM, has 18 digits or more, and is what an
auditor needs.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Any

from core.encryption import keys_for

_SHORTEST = 10
_BOUNDARY = "0-9A-Za-z"
_NUMBER = re.compile(
    # At its start, behind a %20 of an address too, but not the last group of a UUID.
    rf"(?:(?<=%[0-9A-Fa-f]{{2}})|(?<![{_BOUNDARY}%])(?<![0-9A-Fa-f]{{4}}-))\d{{{_SHORTEST},17}}(?![{_BOUNDARY}])"
)


def digest(number: str) -> str:
    """What stands for ``number``: ``#`` and 12 hexadecimal digits, keyed as stored secrets are (the newest key)."""
    return _digest(keys_for("personal digests")[0], number)


def digests(number: str) -> list[str]:
    """:func:`digest` with each key that is still known, the newest first: what older entries may have."""
    return [_digest(key, number) for key in keys_for("personal digests")]


def masked(value: Any) -> Any:
    """``value`` with digests in place of numbers of 10 to 17 digits in its texts; dictionaries and lists are gone
    through, numbers that are no text stay as they are."""
    if isinstance(value, str):
        # Most texts are shorter than a number; a job writes thousands of entries.
        return value if len(value) < _SHORTEST else _NUMBER.sub(lambda found: digest(found[0]), value)
    if isinstance(value, dict):
        return {name: masked(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [masked(inner) for inner in value]
    return value


def _digest(key: bytes, number: str) -> str:
    return "#" + hmac.new(key, number.encode(), hashlib.sha256).hexdigest()[:12]
