"""``manage.py verify_audit``: is the audit trail what was written?"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, transaction

from core import audit, audit_chain, audit_verify

_EVERY = 50_000


class Command(BaseCommand):
    """Print each row that was changed, is missing, out of place or was not sealed; exit 1 when there is one."""

    help = "Verify the audit trail along its chain of digests. Keep the head that it prints in another place."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--head",
            default="",
            metavar="DIGEST",
            help="a head printed earlier: the chain must still hold it, so its end was not cut off",
        )
        parser.add_argument(
            "--accept",
            metavar="REASON",
            help="go on from what is there: seal what was not sealed, and build on a head that no known key signed",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Verify, print, note it in the trail."""
        if options["accept"] is not None:
            self._accept(options["accept"].strip())
        report = audit_verify.verify(expected=options["head"].strip().lower(), progress=self._progress(options))
        for problem in report.problems:
            self.stdout.write(f"{problem.kind}: {problem.where}")
        if report.found > len(report.problems):
            self.stdout.write(f"and {report.found - len(report.problems):,} more")
        self.stdout.write(f"sealed entries: {report.seals}")
        self.stdout.write(f"head: {report.head or '-'}")
        try:
            audit_verify.note(report)
        except DatabaseError as error:
            self.stderr.write(f"This could not be noted in the trail: {error}")
        if report.found:
            raise SystemExit(1)
        self.stdout.write("Nothing is changed, missing or out of place.")

    def _progress(self, options: Any) -> Any:
        if options["verbosity"] < 1:
            return None
        told = 0

        def tell(seals: int) -> None:
            nonlocal told
            if seals - told >= _EVERY:
                told = seals
                self.stderr.write(f"{seals:,} seals read")

        return tell

    def _accept(self, reason: str) -> None:
        if not reason:
            raise CommandError("Say why: --accept REASON.")
        left = list(audit_chain.unsealed().values_list("pk", flat=True)[:100])
        with transaction.atomic():
            audit.record(action="audit.accepted", actor=None, after={"unsealed": left}, reason=reason)
        self.stdout.write(f"Sealed {audit_chain.seal(seconds=float('inf'), accept=True)} entries.")
