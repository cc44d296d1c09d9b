"""Two at once: people on one SIM, clicks on one form, workers on one operation."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from operations import tasks
from operations.errors import Conflict
from operations.models import Operation
from operations.services.dispatch import dispatch
from operations.services.requests import request_operation
from operations.tests.helpers import KINDS, WHAT, changes_of, make_due, run_to_end

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(count: int, act: Callable[[], Any]) -> list[Any]:
    """What ``act`` answers or raises in each of ``count`` threads that start together."""
    start = threading.Barrier(count)
    answers: list[Any] = []

    def one() -> None:
        start.wait(10)
        try:
            answers.append(act())
        except Exception as error:  # noqa: BLE001 - the test looks at it
            answers.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return answers


def test_two_people_on_one_sim(transactional_db, carrier_sim, agent):
    sim = carrier_sim("suspend")
    answers = at_once(
        4, lambda: request_operation(sim=sim, kind="suspend", params={}, actor=agent, reason="lost device")
    )
    taken = [answer for answer in answers if isinstance(answer, Operation)]
    refused = [answer for answer in answers if isinstance(answer, Conflict)]
    assert (len(taken), len(refused)) == (1, 3), answers
    assert all(error.operation == taken[0] for error in refused)


def test_many_clicks_on_one_form(transactional_db, carrier_sim, agent):
    sim, nonce = carrier_sim("suspend"), str(uuid.uuid4())
    answers = at_once(
        4, lambda: request_operation(sim=sim, kind="suspend", params={}, actor=agent, reason="lost", nonce=nonce)
    )
    assert {answer.pk for answer in answers} == {Operation.objects.get().pk}, answers


@pytest.mark.parametrize("kind", KINDS)
def test_many_workers_on_one_operation(transactional_db, kind, simulator, carrier_sim, ask):
    sim = carrier_sim(kind)
    operation = ask(sim, kind)
    answers = at_once(4, lambda: tasks.run_operation(operation.pk))
    assert answers == [None] * 4
    run_to_end(operation)
    assert operation.state == "done"
    assert [what for what, _to in changes_of(simulator, sim)] == [WHAT[kind]]
    assert operation.sends == 1


def test_many_dispatchers_at_a_lost_operation(transactional_db, simulator, carrier_sim, ask):
    sim = carrier_sim("suspend")
    operation = ask(sim, "suspend")
    Operation.objects.filter(pk=operation.pk).update(state="sending", sends=1)
    make_due(operation)
    assert not [answer for answer in at_once(4, dispatch) if isinstance(answer, Exception)]
    operation.refresh_from_db()
    assert operation.state == "unknown"
    assert run_to_end(operation).state == "done"
    assert len(changes_of(simulator, sim)) == 1
