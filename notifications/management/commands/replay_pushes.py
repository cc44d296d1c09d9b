"""Have pushes done again, after what made them fail is mended."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.http import HttpRequest, QueryDict

from notifications.filters import PushFilter
from notifications.models import Push
from notifications.services import dispatch

FILTERS = ("state", "kind", "source", "giccid")


class Command(BaseCommand):
    help = "Have pushes done again: those given by number, or all that match (dead ones unless told otherwise)."

    def add_arguments(self, parser: CommandParser) -> None:
        """The filters of the page of pushes, each repeatable, and ``--id``."""
        states = [str(state) for state in dispatch.REPLAYABLE]
        parser.add_argument("--state", choices=states, action="append", help="Pushes in this state (default: dead).")
        parser.add_argument("--kind", action="append", help="Only pushes of this kind, such as IMEI_CHANGE.")
        parser.add_argument("--source", action="append", help="Only pushes of the source with this name.")
        parser.add_argument("--giccid", action="append", help="Only pushes about this SIM.")
        parser.add_argument("--id", type=int, action="append", help="The push of this number.")
        parser.add_argument("--dry-run", action="store_true", help="Say how many it would be, and do nothing.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print how many are being done again; fail when a number is unknown or can't be replayed."""
        pushes = Push.objects.all()
        if options["id"]:
            pushes = pushes.filter(pk__in=options["id"])
        elif not options["state"]:
            options["state"] = [str(Push.State.DEAD)]
        query = QueryDict(mutable=True)
        for name in FILTERS:
            query.setlist(name, options[name] or [])
        request = HttpRequest()
        request.GET = query  # type: ignore[assignment]  # it is only read
        filters = PushFilter(data=query, queryset=pushes, request=request)
        if filters.problems:
            raise CommandError(" ".join(filters.problems))
        if options["dry_run"]:
            count = filters.qs.filter(state__in=dispatch.REPLAYABLE, lease_until__isnull=True).count()
            self.stdout.write(f"{count} pushes would be done again.")
            return
        count = dispatch.replay(filters.qs, actor=None)
        self.stdout.write(f"{count} pushes are being done again.")
        if options["id"] and count < len(set(options["id"])):
            raise CommandError("Some were left: unknown, rejected, filtered out, or waiting for a worker as it is.")
