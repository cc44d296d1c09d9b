"""``manage.py after_restore``: to be run once after a backup was put back, before any process starts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from core.broker import queues
from core.heartbeat import queues_without_worker
from operations.services.restored import settle_restored
from sims.services.sync_runs import end_restored


class Command(BaseCommand):
    help = "After a backup was put back: has read back what may have been sent since, and sends none of it again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "made_at",
            type=datetime.fromisoformat,
            help="when the backup was begun, with its zone: 2026-01-31T03:00:00+00:00",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        made_at: datetime = options["made_at"]
        if timezone.is_naive(made_at):
            raise CommandError("Say the zone of that time, too: 2026-01-31T03:00:00+00:00")
        if made_at > timezone.now():
            raise CommandError("That time is still to come.")
        self._check_nobody_works()
        settled = settle_restored(made_at)
        runs = end_restored()
        self.stdout.write(
            f"{settled.read_back} operations will be read back, {settled.to_people} need a person, "
            f"{settled.lapsed} wait for approval no longer; {settled.jobs_ended} jobs ended; {runs} syncs begin anew."
        )
        self.stdout.write("Start the portal now, then: manage.py sync --full")

    def _check_nobody_works(self) -> None:
        try:
            alive = set(queues()) - set(queues_without_worker(queues()))
        except Exception:  # noqa: BLE001 - without a Valkey no worker takes anything either
            return
        if alive:
            raise CommandError(f"A worker still takes from {', '.join(sorted(alive))}: stop every process first.")
