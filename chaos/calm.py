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
SAY_EVERY = 15.0
STILL_FOR = 150.0
"""Seconds without any change of what is open after which it is stuck."""

Say = Callable[[str], None]


def calm(stage: Stage, office: Office, say: Say) -> dict[str, int]:
    """Wait until nothing is open, bring the mirror up to the moment; answers what stayed open, by its name.

    From then on the carrier's time stands still and beat is gone, so that both sides can be compared.
    """
    _wait(stage, office, say)
    stage.simulator.control("POST", "clock", {"speed": 0})
    with open(os.devnull, "w") as nowhere:
        for kind in ("changes", "full"):
            call_command("sync", f"--{kind}", stdout=nowhere, stderr=nowhere)
    left = _wait(stage, office, say)
    stage.stop("beat")
    stage.truth.follow()
    return left


def _wait(stage: Stage, office: Office, say: Say) -> dict[str, int]:
    """Return when nothing is open, or when nothing has changed for :data:`STILL_FOR`, with what is left."""
    last: dict[str, int] = {}
    moved = told = time.monotonic()
    hurried = float("-inf")
    while True:
        stage.revive(everything=True)
        now = time.monotonic()
        try:
            _decide_what_waits(office)
            if now - hurried > HURRY_EVERY:
                hurried = now
                _hurry(stage)
            left = open_now()
        except DatabaseError:
            connection.close()
            left = {"database that does not answer": 1}
        pending = stage.simulator.control("GET", "pushes", params={"state": "pending", "limit": 1})["total"]
        left |= {"pushes that the carrier still sends": pending} if pending else {}
        if left != last:
            last, moved = left, now
        if not left or now - moved > STILL_FOR:
            return left
        if now - told > SAY_EVERY:
            told = now
            say(f"  still open: {', '.join(f'{count} {name}' for name, count in left.items())}")
        time.sleep(LOOK_EVERY)


def _decide_what_waits(office: Office) -> None:
    """What a lost answer left without anybody who knows of it."""
    from operations.models import BatchJob, Operation

    for number in Operation.objects.filter(state=Operation.State.AWAITING_APPROVAL).values_list("pk", flat=True):
        people.decision(office, number, "supervisor-1", "refuse")
    jobs = BatchJob.objects.values_list("pk", "actor__username")
    for number, maker in jobs.filter(state=BatchJob.State.AWAITING_APPROVAL):
        other = "supervisor-2" if maker == "supervisor-1" else "supervisor-1"
        office.click(other, f"/jobs/{number}/approve/", {}, act="job approve", job=number)
    for number, maker in jobs.filter(state=BatchJob.State.PAUSED):
        office.click(maker, f"/jobs/{number}/resume/", {}, act="job resume", job=number)


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
