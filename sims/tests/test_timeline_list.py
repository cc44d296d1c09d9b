"""The timeline of all SIMs: who sees what of it, what narrows it, and what comes in while somebody reads."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from sims.models import Sim, TimelineEvent
from sims.services.mirror import Source, apply
from sims.services.timeline import record_operation, record_plain
from smarthub import contract

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 20, 0, 0, 30, tzinfo=UTC)
LIVE = {"HX-Request": "true", "HX-Trigger": "list-rows"}


@pytest.fixture
def told(make_sim, agent) -> dict[str, TimelineEvent]:
    """Some events of two SIMs in two accounts, by name."""
    here = make_sim(giccid="8986019900000000017", plan="EU-1")
    there = make_sim(giccid="8986019900000000025", account="north_logistics")

    def changed(sim: Sim, number: int, at: datetime, to: str, outcome: str = "success") -> TimelineEvent:
        return record_operation(
            sim=sim,
            kind="status",
            operation_id=number,
            at=at,
            from_value="ACTIVATED",
            to_value=to,
            outcome=outcome,
            actor=agent,
            reason="Customer asked",
            ticket=f"T-{number}",
        )

    return {
        "suspended": changed(here, 1, NOW - timedelta(seconds=20), "DEACTIVATED"),
        "retired": changed(there, 2, NOW - timedelta(seconds=40), "RETIRED"),
        "failed": changed(there, 3, NOW - timedelta(days=2), "DEACTIVATED", "failed"),
        "plan": record_plain(sim=here, kind="plan", at=NOW - timedelta(days=6), from_value="EU-1", to_value="EU-2"),
        "note": record_plain(sim=there, kind="note", at=NOW - timedelta(days=29, seconds=29), detail={"text": "Hello"}),
        "old": changed(here, 4, NOW - timedelta(days=29, seconds=31), "DEACTIVATED"),
    }


def shown(client: Any, query: str, told: dict[str, TimelineEvent]) -> list[str]:
    """Names of the events on the page, from above."""
    html = client.get(f"/timeline/?{query}").content.decode()
    names = {str(event.pk): name for name, event in told.items()}
    rows = [names[pk] for pk in re.findall(r'id="row-(\d+)"', html)]
    assert f'data-result-count="{len(rows)}"' in html
    return rows


def test_who_may_see_it(client, make_user, login, told):
    assert client.get("/timeline/").headers["Location"].startswith("/login/")
    for role in ("Viewer", "Agent", "Supervisor", "Administrator"):
        user = login(make_user(role))
        assert len(shown(user, "", told)) == 6
        assert shown(login(make_user(role, ["north_logistics"])), "", told) == ["retired", "failed", "note"]
        assert shown(login(make_user(role, [])), "", told) == []
    nobody = make_user("Viewer")
    nobody.groups.clear()
    assert login(nobody).get("/timeline/").status_code == 403


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["suspended", "retired", "failed", "plan", "note", "old"]),
        ("sort=at", ["old", "note", "plan", "failed", "retired", "suspended"]),
        ("kind=status", ["suspended", "retired", "failed", "old"]),
        ("kind=note&kind=plan", ["plan", "note"]),
        ("to=DEACTIVATED", ["suspended", "old"]),
        ("kind=status&to=DEACTIVATED&to=RETIRED&within=30d", ["suspended", "retired"]),
        ("outcome=failed", ["failed"]),
        ("within=1d", ["suspended"]),
        ("within=2d", ["suspended", "retired"]),
        ("within=30d", ["suspended", "retired", "failed", "plan", "note"]),
        ("within=0d", []),
        ("within=soon", []),
        ("account=north_logistics", ["retired", "failed", "note"]),
        ("account=north_logistics&within=7d", ["retired", "failed"]),
        ("q=8986 0199 0000 0000 017", ["suspended", "plan", "old"]),
        ("q=00025", ["retired", "failed", "note"]),
        ("q=nothing", []),
        ("q=x", []),
    ],
)
def test_what_narrows_it(query, expected, viewer, login, told):
    # Half a minute after midnight (UTC): an event of 40 seconds ago was yesterday.
    with time_machine.travel(NOW, tick=False):
        assert shown(login(viewer), query, told) == expected


def test_a_row_says_what_the_page_of_the_sim_says(viewer, login, told):
    html = login(viewer).get("/timeline/?to=RETIRED").content.decode()
    for part in ("/sims/8986019900000000025/", "Retired", "agent", "T-2", "portal", "north_logistics"):
        assert part in html
    failed = login(viewer).get("/timeline/?outcome=failed").content.decode()
    assert "badge-bad" in failed
    response = login(viewer).get("/timeline/?export=csv&kind=status&account=north_logistics")
    text = b"".join(response.streaming_content if response.streaming else [response.content]).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["giccid"], row["From"], row["To"], row["Outcome"], row["Ticket"]) for row in rows] == [
        ("8986019900000000025", "ACTIVATED", "RETIRED", "success", "T-2"),
        ("8986019900000000025", "ACTIVATED", "DEACTIVATED", "failed", "T-3"),
    ]


def test_what_happens_meanwhile_comes_in_at_the_head(viewer, login, told, make_sim, monkeypatch):
    client = login(viewer)
    poll = unescape(re.findall(r'id="list-rows" hidden hx-get="([^"]*)"', client.get("/timeline/").content.decode())[0])
    assert client.get(poll, headers=LIVE).status_code == 204
    sim = make_sim()
    late = record_plain(sim=sim, kind="note", at=NOW - timedelta(days=3))
    assert client.get(poll, headers=LIVE).status_code == 204
    fresh = record_plain(sim=sim, kind="note", at=NOW)
    html = client.get(poll, headers=LIVE).content.decode()
    assert f'id="row-{fresh.pk}"' in html
    assert f'id="row-{late.pk}"' not in html
    assert shown(client, "within=90d", told | {"late": late, "fresh": fresh})[0] == "fresh"


def test_events_go_with_their_sim_into_another_account(make_user, login, told):
    sim = told["suspended"].sim
    moved = contract.Sim.model_validate(
        {"giccid": sim.giccid, "accountName": "harbour", "status": "ACTIVATED", "imei": "353270091234567"}
    )
    apply([moved], source=Source.WALK, observed_at=datetime.now(UTC) + timedelta(hours=1))
    there = login(make_user("Viewer", ["harbour"]))
    assert there.get("/timeline/").content.decode().count('id="row-') == 4
    assert "example_account" not in there.get("/timeline/").content.decode()
    assert set(TimelineEvent.objects.filter(sim=sim).values_list("account_name", flat=True)) == {"harbour"}
    # One that says an account which its SIM has no more is shown to neither.
    TimelineEvent.objects.filter(sim=sim).update(account_name="example_account")
    assert there.get("/timeline/").content.decode().count('id="row-') == 0
    assert login(make_user("Viewer", ["example_account"])).get("/timeline/").content.decode().count('id="row-') == 0


def test_any_number_of_rows_takes_the_same_queries(viewer, login, make_sim):
    client = login(viewer)
    counts = []
    for _turn in range(2):
        for _ in range(20):
            sim = make_sim(plan="EU-1")
            record_plain(sim=sim, kind="plan", at=NOW, from_value="EU-1", to_value="EU-2")
        with CaptureQueriesContext(connection) as queries:
            client.get("/timeline/?kind=plan&within=9999d")
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 14
