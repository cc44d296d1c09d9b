"""Finds the system's Chromium; as a command, says on one line how to get one where there is none."""

from __future__ import annotations

import os
import shutil
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find() -> str | None:
    """Path of a Chromium: ``CHROMIUM`` in the environment, else the first on the path."""
    return os.environ.get("CHROMIUM") or next((path for name in NAMES if (path := shutil.which(name))), None)


if __name__ == "__main__":
    if find() is None:
        sys.exit("Browser journeys skipped: no Chromium found. To get one: sudo apt-get install chromium")
    print("Browser journeys")  # noqa: T201 - a command's output
