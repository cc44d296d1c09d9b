"""``manage.py erase_personal_data``: what the portal holds of a SIM, a number or a user who is gone.

It stands in the topmost app, which knows what each app below it holds. What is held where, what comes back with the
next reading of the carrier and what can't be erased stands in ``docs/personal-data.md``.
"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core import audit, personal
from core.erasing import Part, downloads, run
from notifications.services import erasing as of_notifications
from operations.services import erasing as of_operations
from sims.models import Sim
from sims.services import erasing as of_sims
from sms.services import erasing as of_sms
from staff import erasing as of_staff
from staff.models import User

NUMBERS = ("imsi", "msisdn", "imei")


class Command(BaseCommand):
    """Print what would be erased, by table; with ``--really`` erase it. Exit 1 while something could not go yet."""

    help = "Erase the personal data of a SIM, of a number, or of a user; without --really it only says what it would."

    def add_arguments(self, parser: CommandParser) -> None:
        """Whom it is about, and whether it is meant."""
        whom = parser.add_mutually_exclusive_group(required=True)
        whom.add_argument("--giccid", help="the SIM: its numbers, messages, notes, custom fields, pushes")
        for name in NUMBERS:
            whom.add_argument(f"--{name}", help=f"the SIMs with this {name.upper()}, and the number wherever it stands")
        whom.add_argument("--user", metavar="NAME", help="somebody who can't sign in any more")
        parser.add_argument("--really", action="store_true", help="do it; there is no way back but a backup")

    def handle(self, *args: Any, **options: Any) -> None:
        """Find, print, erase, note it in the audit trail."""
        self.really: bool = options["really"]
        if options["user"] is not None:
            self._user(options["user"])
            return
        [(by, value)] = [(n, options[n].strip()) for n in ("giccid", *NUMBERS) if options[n] is not None]
        if by != "giccid" and not (value.isdigit() and 8 <= len(value) <= 20):
            raise CommandError(f"--{by}: give 8 to 20 digits, as the carrier writes them.")
        sims = of_sims.find(**{by: value})
        if by == "giccid" and not sims:
            raise CommandError(f"The portal knows no SIM {value}.")
        subject = of_sims.subject_of(sims, [] if by == "giccid" else [value])
        for sim in sims:
            self.stdout.write(f"SIM {sim.giccid}")
        for number in subject.numbers:
            self.stdout.write(
                f"In the audit trail and in logs a number stands as {', '.join(personal.digests(number))}"
            )
        # The SIM's own come last: by them a run that was killed finds the numbers again.
        modules = (of_notifications, of_sms, of_operations, of_sims)
        parts = [downloads(), *(part for module in modules for part in module.parts(subject))]
        counts, waiting = self._see_to(parts)
        if self.really:
            targets: list[Sim | None] = [*sims] if sims else [None]
            for target in targets:
                self._note(target, counts, waiting, {} if sims else {by: personal.digest(value)})
        self._end(waiting)

    def _user(self, name: str) -> None:
        user = User.objects.filter(username=name).first()
        if user is None:
            raise CommandError("There is no user of this name.")
        if of_staff.may_sign_in(user):
            raise CommandError("This user can still sign in: deactivate the user first.")
        # Theirs come last: by the name that they take away the others are found.
        parts = [*of_operations.parts_of_user(user), *of_notifications.parts_of_user(user), *of_staff.parts(user)]
        counts, waiting = self._see_to(parts)
        if self.really:
            self._note(user, counts, waiting, {})
        self._end(waiting)

    def _see_to(self, parts: list[Part]) -> tuple[dict[str, int], int]:
        """Print each part that is not empty; answers the rows by table, and how many have to wait."""
        counts: dict[str, int] = {}
        waiting = 0
        for part in parts:
            left = part.waits.count() if part.waits is not None else 0
            number = run(part) if self.really else part.rows.count()
            waiting += left
            if number:
                counts[part.table] = counts.get(part.table, 0) + number
                self.stdout.write(f"{number:>8} {part.table}: {part.what}")
            if left:
                self.stdout.write(f"{left:>8} {part.table}: {part.what} – still worked with, LEFT")
        return counts, waiting

    def _note(self, target: Sim | User | None, counts: dict[str, int], waiting: int, more: dict[str, str]) -> None:
        after = {"rows": counts, "left": waiting, **more}
        if isinstance(target, Sim):
            after["giccid"] = target.giccid
        audit.record(
            action="personal_data.erased",
            actor=None,
            target=target,
            account_name=target.account_id if isinstance(target, Sim) else "",
            after=after,
        )

    def _end(self, waiting: int) -> None:
        self.stdout.write("Erased." if self.really else "Nothing was erased: add --really to do it.")
        if waiting and self.really:
            raise CommandError(f"{waiting} rows are still worked with: run this again when that is over.")
