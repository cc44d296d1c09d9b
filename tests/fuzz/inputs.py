"""What somebody may send who means no good, or whose program is broken."""

from __future__ import annotations

import json
from urllib.parse import quote_from_bytes

from hypothesis import strategies as st

MARKER = "<x onq=1>"
"""Must never come back as it is: where it does, a script could."""

HOSTILE = [
    MARKER,
    f"\"'></script>{MARKER}",
    f"javascript:{MARKER}",
    "\x00",
    f"a\x00{MARKER}",
    "\ud800",
    "\udfff\ud800x",
    "\u202e\u2066\u200b\ufeff",
    "\ufffe\uffff",
    "x" * 201,
    "x" * 5000,
    "é😀" * 300,
    "9" * 19,
    "9" * 25,
    "9" * 5000,
    "-1",
    "-9223372036854775809",
    "9223372036854775808",
    "2147483648",
    "1e999",
    "NaN",
    "Infinity",
    "0x10",
    "1_0",
    "٣٤",
    "²",
    "0",
    "+1",
    "1.5",
    "true",
    "null",
    "[" * 3000,
    '{"a":' * 3000,
    json.dumps({"a": MARKER, "b": ["\u0000", 10**400]}),
    "0001-01-01",
    "9999-12-31",
    "9999-12-31T23:59:59+00:00",
    "0001-01-01T00:00",
    "10000-01-01",
    "2026-02-30",
    "2026-13",
    "9999-12",
    "2026-11-01T25:61",
    "%",
    "_%\\",
    "' OR 1=1 --",
    "{{7*7}}{%x%}",
    "%(name)s %s %d {} {0.__class__}",
    "{giccid}{0}{",
    "../../../etc/passwd",
    "//evil.example/",
    "https://evil.example/\r\nX-A: b",
    "/\\evil.example",
    "a\r\nSet-Cookie: a=b",
    "=cmd|'/c calc'!A0",
    ",;|\t\n" * 50,
    "a " * 2000,
    "W10",
    "WyJwayIsMV0",
    "WyItcGsiLDk5OTk5OTk5OTk5OTk5OTk5OTk5OV0",
    "csv",
    "xlsx",
    " ",
    "",
]

STRONG = [MARKER, "\x00", "\ud800", "²", "9" * 25, "9" * 5000, "//evil.example/", "1e999", "[" * 3000, "9999-12-31"]
"""One of each sort; every address is tried with them in all its fields at once."""

texts = st.one_of(
    st.sampled_from(STRONG),
    st.sampled_from(HOSTILE),
    st.text(st.characters(codec=None), max_size=40),
    st.integers(-(10**20), 10**20).map(str),
    st.datetimes().map(lambda moment: moment.isoformat()),
    st.binary(max_size=30).map(lambda raw: raw.decode("latin-1")),
)
"""Texts of a form or an address; lone surrogates among them."""


def urlencoded(pairs: list[tuple[str, str]]) -> str:
    """As a form or a query string; what is no UTF-8 stays what it is."""
    parts = ((quote_from_bytes(part.encode("utf-8", "surrogatepass")) for part in pair) for pair in pairs)
    return "&".join("=".join(pair) for pair in parts)


_leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(HOSTILE),
)
anything = st.recursive(
    _leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
"""Any value that JSON can write, and some that it can't (NaN)."""
