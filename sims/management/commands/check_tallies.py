"""`manage.py check_tallies`: do the figures say what the lists count?"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from sims.services import tallies, timeline_store

_SHOWN = 50


class Command(BaseCommand):
    """Print where a tally differs from a count; exit 1 when one does and it was not to be mended."""

    help = "Count SIMs and changes of state anew and compare with the kept tallies, which the dashboard shows."

    def add_arguments(self, parser: CommandParser) -> None:
        """Whether to mend."""
        parser.add_argument("--mend", action="store_true", help="bring the tallies to what was counted")

    def handle(self, *args: Any, **options: Any) -> None:
        """Compare, and mend."""
        if options["mend"]:
            timeline_store.mend_accounts()
        found = tallies.differences()
        for difference in found[:_SHOWN]:
            self.stdout.write(
                f"{difference.dimension} {difference.account} {difference.value or '-'}: {difference.sims:+} SIMs, "
                f"{difference.used:+} and {difference.quota:+} bytes are missing"
            )
        if len(found) > _SHOWN:
            self.stdout.write(f"and {len(found) - _SHOWN} more")
        if not found:
            self.stdout.write("Each tally is what was counted.")
        elif options["mend"]:
            self.stdout.write(f"Mended {tallies.mend()}.")
        else:
            raise SystemExit(1)
