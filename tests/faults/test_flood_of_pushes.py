"""A flood of pushes while a worker is killed and another takes over: all are stored, each is done once in effect."""

from __future__ import annotations

import json
import os
import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from notifications.models import Push
from notifications.services import dispatch, sources
from notifications.services.wake import wake
from sims.models import TimelineEvent
from smarthub.values import format_time
from tests.faults.test_worker_killed import wait_for, worker

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True), pytest.mark.timeout(240)]

PUSHES = 500
SIMS = 100


def test_a_flood_with_a_killed_worker_is_done_once(
    transactional_db: None,
    simulator: Any,
    client: Any,
    portal_environment: dict[str, str],
    tmp_path: Path,
) -> None:
    sources.forget_cached()
    _, token = sources.create_source("flood")
    giccids = [sim["giccid"] for sim in simulator._seeded[:SIMS]]
    start = timezone.now() - timedelta(days=10)
    environment = {**portal_environment, "SMARTHUB_READ_TIMEOUT": "1", "SMARTHUB_CONNECT_TIMEOUT": "1"}
    log = tmp_path / "worker.log"

    def fire(number: int) -> None:
        turn = number // SIMS
        body = {
            "eventId": f"e-{number}",
            "eventType": "SIM_STATUS_CHANGE",
            "giccid": giccids[number % SIMS],
            # Hours apart, so that no two changes of a SIM can be taken for one.
            "eventTime": format_time(start + timedelta(hours=turn)),
            "originalStatus": ("ACTIVATED", "DEACTIVATED")[turn % 2],
            "targetStatus": ("DEACTIVATED", "ACTIVATED")[turn % 2],
        }
        path = f"/webhooks/smarthub/{token}/sim-status-change/"
        assert client.post(path, json.dumps(body), content_type="application/json").status_code == 200

    with worker(environment, log, queue="push") as process:
        for number in range(PUSHES // 2):
            fire(number)
        wait_for(lambda: Push.objects.filter(state="done").exists(), "a push that is done")
        for number in range(PUSHES // 2, PUSHES):
            fire(number)
            if number == PUSHES // 2 + 20:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(10)
    for number in range(0, PUSHES, 10):
        fire(number)

    # What the killed worker held is due once its lease is over; the test does not wait for that.
    past = timezone.now() - timedelta(seconds=1)
    Push.objects.filter(lease_until__isnull=False).update(lease_until=past, next_attempt_at=past)

    def ended() -> bool:
        wake()  # beat's part
        return not Push.objects.filter(next_attempt_at__isnull=False).exists()

    with worker(environment, log, queue="push"):
        wait_for(ended, log.read_text(), 150)

    assert Push.objects.filter(state="done").count() == PUSHES + PUSHES // 10
    assert Push.objects.filter(result__startswith="copy of").exists()
    entries = TimelineEvent.objects.filter(kind="status", push_key__isnull=False)
    assert entries.count() == entries.values("push_key").distinct().count() == PUSHES
    # Five pushes for each SIM, and copies: far fewer calls than pushes, and a drain is not one push after the other.
    assert len(simulator.calls("get_sim")) + len(simulator.calls("list_sims")) < PUSHES / 2
    assert dispatch.drain() == 0
