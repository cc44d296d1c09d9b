"""However pushes, change logs and readings of a SIM fall among each other, doubled, late, lost and sent again: in the
end the mirror shows the carrier's state, the timeline holds each change exactly once, and the figures count just that.

A history goes through no transition twice: the carrier tells whole seconds, so that equal transitions within a test's
second are one to anybody (``sims.services.joining`` says what holds beyond that). ``INTERLEAVINGS=200`` tries more.
"""

from __future__ import annotations

import itertools
import json
import os
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from notifications.models import Push
from notifications.services import dispatch, inbox
from sims.models import Sim, SyncRun, TimelineEvent
from sims.services import sync, tallies
from sims.services.mirror import Source
from sims.services.refresh import read_sims
from smarthub import Lane

STATUSES = ("ACTIVATED", "DEACTIVATED", "TEST_READY", "INVENTORY")
WHAT = {"status": "status", "imei": "imei", "apn": "apn"}
EXAMPLES = int(os.environ.get("INTERLEAVINGS", "5"))
_numbers = itertools.count()


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[str, Any]]:
    """Changes at the carrier with anything the portal may learn of them in between."""
    steps: list[tuple[str, Any]] = []
    status, gone, imeis, apns = "ACTIVATED", set(), 0, 0
    for _ in range(draw(st.integers(1, 6))):
        kind = draw(st.sampled_from(["status", "status", "imei", "apn", "silently"]))
        ways = [(status, to) for to in STATUSES if to != status and (status, to) not in gone]
        if kind == "status" and ways:
            way = draw(st.sampled_from(ways))
            gone.add(way)
            status = way[1]
            steps.append(("change", {"status": status}))
        elif kind == "apn" and apns < 2:
            apns += 1
            steps.append(("apn", None))
        elif kind == "silently":
            account = draw(st.sampled_from(["example_account", "north_logistics"]))
            steps.append(("silently", {"accountName": account, "addUsage": draw(st.integers(1, 10**9))}))
        else:
            imeis += 1
            steps.append(("change", {"imei": f"35327009000{imeis:04d}"}))
        steps += draw(st.lists(_LEARNING, max_size=3))
    return steps


_LEARNING = st.one_of(
    st.tuples(st.just("push"), st.lists(st.integers(0, 7), min_size=1, max_size=4)),
    st.tuples(st.sampled_from(["logs", "reading"]), st.none()),
)


@pytest.mark.slow
@pytest.mark.django_db
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=histories(), rest=st.permutations(range(8)))
def test_any_interleaving_ends_in_the_carriers_state_with_each_change_once(steps, rest, simulator, mirrored, source):
    giccid = simulator.pick(n=next(_numbers) % 100)
    simulator.patch(giccid, status="ACTIVATED", log=False, push=False)
    sim = mirrored(giccid)
    began = timezone.now() - timedelta(seconds=2)
    logged, pushed = len(simulator.changes(giccid)), len(_bodies(simulator, giccid))

    def deliver(numbers: list[int]) -> None:
        """Pushes in this order, as far as there are so many by now; those left out are lost for the time being."""
        bodies = _bodies(simulator, giccid)[pushed:]
        for number in numbers:
            if number < len(bodies):
                inbox.receive(source_id=source.pk, path_kind="", raw=json.dumps(bodies[number]).encode())
        dispatch.drain()

    for what, value in steps:
        if what == "change":
            simulator.patch(giccid, **value)
        elif what == "silently":
            # What nobody tells of but a reading: the account, which takes the SIM's events along, and the usage.
            simulator.patch(giccid, **value, log=False, push=False)
        elif what == "apn":
            apn, *others = simulator.sim(giccid)["apns"]
            turned = "DISABLED" if apn["status"] == "ENABLED" else "ENABLED"
            simulator.patch(giccid, apns=[{"apn": apn["apn"], "status": turned}, *others])
        elif what == "push":
            deliver(value)
        elif what == "logs":
            sync.run(SyncRun.Kind.CHANGES, trigger="test")
        else:
            read_sims([giccid], lane=Lane.SYNC, source=Source.WALK)
    deliver(rest)
    sync.run(SyncRun.Kind.CHANGES, trigger="test")
    read_sims([giccid], lane=Lane.SYNC, source=Source.WALK)

    truth = simulator.sim(giccid)
    sim = Sim.objects.get(pk=sim.pk)
    assert (sim.status, sim.imei) == (truth["status"], truth.get("imei") or "")
    assert sim.apns == truth["apns"]
    made = [(WHAT[c["what"]], _value(c["from"]), _value(c["to"])) for c in simulator.changes(giccid)[logged:]]
    told = TimelineEvent.objects.filter(sim=sim, at__gte=began, kind__in=WHAT.values())
    assert sorted(told.values_list("kind", "from_value", "to_value")) == sorted(made)
    assert not Push.objects.exclude(state=Push.State.DONE).exists()
    # And the figures are what one would count, of SIMs and of changes of state.
    assert tallies.differences() == []
    assert set(sim.events.values_list("account_name", flat=True)) <= {sim.account_id}


def _bodies(simulator: Any, giccid: str) -> list[dict[str, Any]]:
    """What the carrier would have pushed about the SIM, oldest first; there is no target, so it kept them."""
    return [row["body"] for row in simulator.control("GET", "pushes", params={"giccid": giccid})["data"]]


def _value(value: Any) -> str:
    """A state, an IMEI (a SIM may have had none), or the state of the one APN that changed."""
    if value is None:
        return ""
    return value if isinstance(value, str) else str(next(iter(value.values())))
