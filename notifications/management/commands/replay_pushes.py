"""Have pushes done again, after what made them fail is mended."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from notifications.models import Push
from notifications.services import dispatch


class Command(BaseCommand):
    help = "Have pushes done again: those given by number, or all of a state (dead ones unless told otherwise)."

    def add_arguments(self, parser: CommandParser) -> None:
        """``--state``, ``--kind`` and ``--id``."""
        states = [str(state) for state in dispatch.REPLAYABLE]
        parser.add_argument("--state", choices=states, help="Pushes in this state (default: dead).")
        parser.add_argument("--kind", help="Only pushes of this kind, such as IMEI_CHANGE.")
        parser.add_argument("--id", type=int, action="append", help="The push of this number; repeatable.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print how many are being done again; fail when a number is unknown or can't be replayed."""
        pushes = Push.objects.all()
        if options["id"]:
            pushes = pushes.filter(pk__in=options["id"])
        if options["state"] or not options["id"]:
            pushes = pushes.filter(state=options["state"] or Push.State.DEAD)
        if options["kind"]:
            pushes = pushes.filter(kind=options["kind"])
        count = dispatch.replay(pushes, actor=None)
        self.stdout.write(f"{count} pushes are being done again.")
        if options["id"] and count < len(set(options["id"])):
            raise CommandError("Some were left: unknown, rejected, filtered out, or waiting for a worker as it is.")
