"""Single values as they stand on the wire: times, giccids, path segments."""

import re
from datetime import UTC, datetime
from urllib.parse import quote

_GICCID = re.compile(r"[0-9]{19,20}\Z")
# The documented form, and what Java and ISO 8601 writers make of it: "Z", "+08:00", fractions of a second.
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d(?::?\d\d)?)\Z", re.ASCII)


def parse_time(text: str) -> datetime:
    """Read a time of the carrier (documented: `yyyy-MM-dd'T'HH:mm:ssZ`) as an aware UTC datetime.

    Also takes `Z`, `+08:00` and fractions of a second. Raises ValueError for anything else, a time
    without a zone included: guessing a zone would store a wrong moment.
    """
    if not isinstance(text, str) or not _TIME.match(text):
        raise ValueError("not a time with a zone")
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except OverflowError:
        raise ValueError("time out of range") from None


def format_time(moment: datetime) -> str:
    """Write an aware datetime as the carrier documents it, in UTC and whole seconds.

    Raises ValueError for a naive datetime.
    """
    if moment.tzinfo is None:
        raise ValueError("a time sent to the carrier needs a zone")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")


def is_giccid(value: object) -> bool:
    """Whether this is a giccid as documented: text of 19 or 20 digits (the check digit is not looked at)."""
    return isinstance(value, str) and _GICCID.match(value) is not None


def check_giccid(value: str) -> str:
    """Return the giccid unchanged, or raise ValueError; nothing else may reach a path or a body."""
    if not is_giccid(value):
        raise ValueError("a giccid is text of 19 or 20 digits")
    return value


def path_segment(value: str, what: str) -> str:
    """Quote a name for use as one path segment.

    Raises ValueError for empty text and for the dot segments, which URL libraries fold away and which
    would so address another resource.
    """
    if not isinstance(value, str) or not value or value in {".", ".."}:
        raise ValueError(f"{what} is not usable in a path")
    return quote(value, safe="")
