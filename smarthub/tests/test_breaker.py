"""The breaker: opens after failures in a row, lets one probe out at a time, closes with the first answer."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from smarthub import Breaker, Budget, errors
from smarthub.breaker import CLOSED, OPEN, PROBE
from smarthub.tests.conftest import MakeClient
from smarthub.tests.samples import GICCID, SIM
from smarthub.tests.scripted_server import ScriptedServer, problem, reply

STATE = "{smarthub:breaker}:state"


def open_it(breaker: Breaker) -> None:
    """Fail as often as it takes."""
    for _ in range(breaker.failures):
        breaker.failed(breaker.admit())
    assert breaker.opened_at() is not None


def pass_time(valkey: redis.Redis) -> None:
    """Make the next probe due."""
    valkey.hset(STATE, "probe_at", "1")


def paths(server: ScriptedServer) -> list[str]:
    return [seen.target for seen in server.seen]


def test_it_opens_after_failures_in_a_row_and_an_answer_closes_it(valkey: redis.Redis):
    breaker = Breaker(valkey, failures=3)
    for _ in range(2):
        assert not breaker.failed(breaker.admit())
    breaker.answered(breaker.admit())
    assert [breaker.failed(breaker.admit()) for _ in range(3)] == [False, False, True]

    refused = breaker.admit()
    assert refused.state == OPEN
    assert 9 < refused.wait <= 10
    pass_time(valkey)
    probe = breaker.admit()
    assert probe.state == PROBE
    assert breaker.admit().state == OPEN, "the next probe comes later"
    assert breaker.answered(probe)
    assert breaker.admit().state == CLOSED
    assert breaker.opened_at() is None


def test_a_failure_of_a_call_that_left_before_the_last_answer_does_not_count(valkey: redis.Redis):
    breaker = Breaker(valkey, failures=3)
    hanging = [breaker.admit() for _ in range(10)]
    open_it(breaker)
    pass_time(valkey)
    breaker.answered(breaker.admit())
    assert not any(breaker.failed(admission) for admission in hanging)
    assert breaker.admit().state == CLOSED


def test_many_callers_at_once_get_one_probe(valkey: redis.Redis):
    breaker = Breaker(valkey)
    open_it(breaker)
    pass_time(valkey)
    start = threading.Barrier(16)

    def ask(_: int) -> int:
        start.wait(10)
        return breaker.admit().state

    with ThreadPoolExecutor(16) as pool:
        states = list(pool.map(ask, range(16)))
    assert sorted(states) == [OPEN] * 15 + [PROBE]


def test_a_client_stops_calling_and_finds_out_by_itself(
    valkey: redis.Redis, server: ScriptedServer, make_client: MakeClient
):
    events: list[str] = []
    outcomes: list[str] = []
    budget = Budget(valkey, rate=100.0)
    client = make_client(
        breaker=Breaker(valkey, failures=3),
        budget=budget,
        on_breaker=events.append,
        on_call=lambda *told: outcomes.append(told[2]),
    )
    server.script(*[reply(503)] * 3)
    with pytest.raises(errors.Transient):
        client.get_sim(GICCID)
    for _ in range(2):
        with pytest.raises(errors.OutcomeUnknown):
            client.activate(GICCID)
    for call in (client.get_sim, client.activate):
        with pytest.raises(errors.CarrierAway) as caught:
            call(GICCID)
        assert isinstance(caught.value, errors.Transient), "certainly not sent"
        assert caught.value.retry_after
    with pytest.raises(errors.CarrierAway):
        client.with_turn()
    assert len(server.seen) == 3
    assert events == ["opened"]
    assert outcomes[3:] == ["carrier_away"] * 3

    pass_time(valkey)
    server.script(reply(503))
    with pytest.raises(errors.CarrierAway):
        client.activate(GICCID)
    assert paths(server) == ["/"], "a write is no probe"
    pass_time(valkey)
    server.script(reply(200, {}), reply(200, SIM))
    client.get_sim(GICCID)
    assert [path.rpartition("/")[2] for path in paths(server)] == ["", GICCID]
    assert events == ["opened", "closed"]
    assert budget.state()["rate"] < 60, "a carrier that is back is met gently"


def test_a_carrier_that_says_no_answers(valkey: redis.Redis, server: ScriptedServer, make_client: MakeClient):
    client = make_client(breaker=Breaker(valkey, failures=2))
    server.script(problem(404, "missing"), problem(401), problem(422, "illegal_status"), reply(429), problem(400))
    for _ in range(5):
        with pytest.raises((errors.Rejected, errors.RateLimited)):
            client.activate(GICCID)
    server.script(reply(200, SIM))
    client.get_sim(GICCID)


def test_a_flapping_carrier_gets_its_calls(valkey: redis.Redis, server: ScriptedServer, make_client: MakeClient):
    client = make_client(breaker=Breaker(valkey, failures=3))
    server.script(*[reply(503), reply(502), reply(200, SIM)] * 6)
    answered = 0
    for _ in range(18):
        try:
            client.get_sim(GICCID)
            answered += 1
        except errors.CarrierAway:
            raise
        except errors.Transient:
            continue
    assert answered == 6


@pytest.mark.parametrize("away", [True, False])
def test_without_valkey_or_switched_off_it_is_closed(away: bool, valkey: redis.Redis):
    nowhere: Any = redis.Redis(host="127.0.0.1", port=1, retry=Retry(NoBackoff(), 0))
    breaker = Breaker(nowhere if away else valkey, failures=2 if away else 0)
    for _ in range(5):
        admission = breaker.admit()
        assert admission.state == CLOSED
        assert not breaker.failed(admission)
    assert breaker.opened_at() is None
