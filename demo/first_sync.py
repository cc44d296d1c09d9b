"""A demo's first walk of the carrier's list, and the past of what it found: ``python -m demo.first_sync 2000``."""

from __future__ import annotations

import sys

import django


def main() -> None:
    """Walk, then remember. May be run again when it was ended in the middle."""
    django.setup()
    from django.core.management import execute_from_command_line

    from demo.past import remember

    # As from the terminal: it ends the process unless the walk is complete, and hears a SIGTERM.
    execute_from_command_line(["manage.py", "sync", "--full"])
    number = remember(int(sys.argv[1]))
    print(f"{number:,} SIMs have a past")


if __name__ == "__main__":
    main()
