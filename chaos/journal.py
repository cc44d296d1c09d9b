"""What people asked for and what they were answered, on disk: the portal has no part in it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Journal:
    """Lines of JSON in a file, one for each answer (or its lack); safe to write from any thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._file = path.open("a", encoding="utf-8")

    def write(self, **entry: Any) -> None:
        """Add a line; with the operating system when this returns."""
        line = json.dumps({"at": round(time.time(), 3), **entry}, ensure_ascii=False)
        with self._lock:
            self._file.write(line + "\n")
            self._file.flush()

    def read(self) -> Iterator[dict[str, Any]]:
        """All lines, oldest first."""
        with self.path.open(encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line)

    def close(self) -> None:
        """Write no more."""
        self._file.close()
