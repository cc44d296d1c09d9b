"""Whether it is the database or the disk that failed, and whether they take anything now.

A full disk, a database that only reads and one that is away are no faults of the portal: what failed can be tried
again, and nothing of it was kept, since what belongs together is one transaction.
"""

from __future__ import annotations

import errno
import sqlite3
import tempfile
from enum import StrEnum
from pathlib import Path

from django.conf import settings
from django.db import Error as DatabaseProblem
from django.db import InterfaceError, OperationalError, connection

_PROBE = 64 * 1024
"""Bytes that are written to see whether there is room."""


class Trouble(StrEnum):
    """What the matter is, in the words of ``/readyz``."""

    READ_ONLY = "read-only"
    FULL = "full"
    AWAY = "unreachable"
    BUSY = "busy"


_ERRNO = {
    errno.ENOSPC: Trouble.FULL,
    errno.EDQUOT: Trouble.FULL,
    errno.EFBIG: Trouble.FULL,
    errno.EROFS: Trouble.READ_ONLY,
}
_SQLSTATE = {
    "25006": Trouble.READ_ONLY,
    "53100": Trouble.FULL,
    "53": Trouble.BUSY,
    "55P03": Trouble.BUSY,
    "57014": Trouble.BUSY,
    "40": Trouble.BUSY,
    "08": Trouble.AWAY,
    "57P": Trouble.AWAY,
    "58": Trouble.AWAY,
}
"""By PostgreSQL's code of the error, or its beginning."""
_SQLITE = {
    "SQLITE_READONLY": Trouble.READ_ONLY,
    "SQLITE_FULL": Trouble.FULL,
    "SQLITE_IOERR": Trouble.FULL,
    "SQLITE_BUSY": Trouble.BUSY,
    "SQLITE_LOCKED": Trouble.BUSY,
    "SQLITE_CANTOPEN": Trouble.AWAY,
}
"""By the beginning of SQLite's name of the error. It calls a table that is missing an operational error, too."""


def trouble_of(error: BaseException | None) -> Trouble | None:
    """What stood in the way where ``error`` came of the database or the disk; ``None`` for every other error."""
    if isinstance(error, OSError):
        return _ERRNO.get(error.errno or 0)
    if not isinstance(error, DatabaseProblem):
        return None
    cause = error.__cause__
    if isinstance(cause, sqlite3.Error):
        return _first(_SQLITE, getattr(cause, "sqlite_errorname", ""))
    code = getattr(cause, "sqlstate", None)
    if code:
        return _first(_SQLSTATE, code)
    # No code: PostgreSQL never got as far as answering.
    return Trouble.AWAY if isinstance(error, OperationalError | InterfaceError) else None


def database_state() -> str:
    """``ok``, ``unreachable`` or ``read-only``. That its disk is full a database says only when it is written."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT current_setting('transaction_read_only')")
            return "ok" if cursor.fetchone() == ("off",) else str(Trouble.READ_ONLY)
        cursor.execute("SELECT 1")
    return "ok"


def disk_state() -> str:
    """``ok``, ``full``, ``read-only`` or ``unreachable``: whether ``DATA_DIR`` takes a small file."""
    try:
        Path(settings.CONFIG["DATA_DIR"]).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=settings.CONFIG["DATA_DIR"]) as file:
            file.write(bytes(_PROBE))
            file.flush()
    except OSError as error:
        return str(trouble_of(error) or Trouble.AWAY)
    return "ok"


def _first(known: dict[str, Trouble], code: str) -> Trouble | None:
    return next((trouble for start, trouble in known.items() if code.startswith(start)), None)
