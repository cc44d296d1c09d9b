"""The calm after the storm: nothing breaks any more, and what is open is waited for by looking at it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from django.core.management import call_command
from django.db import DatabaseError, connection
from django.utils import timezone

from chaos import people
from chaos.people import Office
from chaos.stage import Stage
from chaos.stuck import open_now

LOOK_EVERY = 1.0
HURRY_EVERY = 15.0
STILL_FOR = 150.0
"""Seconds without any change of what is open after which it is stuck."""

Say = Callable[[str], None]


def calm(stage: Stage, office: Office, say: Say) -> dict[str, int]:
    """Wait until nothing is open, then bring the mirror up to the moment; answers what stayed open, by its name."""
    from operations.models import BatchJob, Operation

    last: dict[str, int] = {}
    moved = told = time.monotonic()
    hurried = 0.0
    while True:
        stage.revive(everything=True)
        try:
            for number in Operation.objects.filter(state=Operation.State.AWAITING_APPROVAL).values_list(
                "pk", flat=True
            ):
                people.decision(office, number, "supervisor-1", "refuse")
            waiting = BatchJob.objects.filter(state=BatchJob.State.AWAITING_APPROVAL).values_list(
                "pk", "actor__username"
            )
            for number, maker in waiting:
                other = "supervisor-2" if maker == "supervisor-1" else "supervisor-1"
                office.click(other, f"/jobs/{number}/approve/", {}, act="job approve", job=number)
            for number in BatchJob.objects.filter(state=BatchJob.State.PAUSED).values_list("pk", flat=True):
                office.click("supervisor-1", f"/jobs/{number}/resume/", {}, act="job resume", job=number)
            if time.monotonic() - hurried > HURRY_EVERY:
                hurried = time.monotonic()
                _hurry(stage)
            now_open = open_now()
        except DatabaseError:
            connection.close()
            now_open = {"database that does not answer": 1}
        pending = stage.simulator.control("GET", "pushes", params={"state": "pending", "limit": 1})["total"]
        now_open |= {"pushes that the carrier still sends": pending} if pending else {}
        now = time.monotonic()
        if not now_open:
            break
        if now_open != last:
            last, moved = now_open, now
        if now - moved > STILL_FOR:
            break
        if now - told > 15:
            told = now
            say(f"  still open: {', '.join(f'{count} {name}' for name, count in now_open.items())}")
        time.sleep(LOOK_EVERY)
    _last_look(stage)
    return now_open


def _hurry(stage: Stage) -> None:
    """Waits that are only long because a fault made them long end now, as if the time had gone by."""
    from notifications.models import Delivery, Forward, Push
    from sms.models import Message

    now = timezone.now()
    stage.simulator.control("POST", "pushes/hurry")
    Push.objects.filter(state=Push.State.FAILED, lease_until=None).update(next_attempt_at=now)
    Message.objects.filter(next_poll_at__gt=now).update(next_poll_at=now)
    Delivery.objects.filter(next_attempt_at__gt=now, lease_until=None).update(next_attempt_at=now)
    Forward.objects.filter(closed_until__gt=now).update(closed_until=now)


def _last_look(stage: Stage) -> None:
    """The carrier's time stands still, and the portal walks once more: from here on both can be compared."""
    from sims.services import tallies

    stage.stop("beat")
    stage.simulator.control("POST", "clock", {"speed": 0})
    with open(os.devnull, "w") as nowhere:
        for kind in ("changes", "full"):
            call_command("sync", f"--{kind}", stdout=nowhere, stderr=nowhere)
    tallies.fold()
    stage.truth.follow()
