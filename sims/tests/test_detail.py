"""The page of one SIM: what it shows, its timeline, how an open page follows what happens; who may see it."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest
from django.utils import timezone

from sims.models import RatePlan, Sim, Subscription
from sims.services.timeline import record_operation, record_plain, record_push

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}


@pytest.fixture
def sim(make_sim) -> Sim:
    return make_sim(
        status="DEACTIVATED",
        imei="353270091234567",
        plan="EU-100M-M",
        data_usage=73_400_320,
        data_quota=104_857_600,
        quota_percent=70,
        online=True,
        country_code="DE",
        apns=[{"apn": "iot.example", "status": "DISABLED"}, {"apn": "odd", "status": "SLEEPING"}],
        custom2="Lift 7",
        observed_by="push",
    )


def page(client, sim, query="") -> str:
    answer = client.get(f"/sims/{sim.giccid}/{query}")
    assert answer.status_code == 200
    return answer.content.decode()


def events(html: str) -> list[str]:
    return re.findall(r'data-event-kind="([^"]*)"', html)


def live_url(html: str) -> str:
    [url] = re.findall(r'id="sim-live" hx-get="([^"]*)"', html)
    return unescape(url)


def older_url(html: str) -> str:
    [url] = re.findall(r'rel="next" href="([^"]*)"', html)
    return unescape(url)


def test_the_page_shows_what_the_mirror_holds(login, viewer, sim):
    Subscription.objects.create(
        sim=sim, carrier_id="s-1", plan=RatePlan.objects.create(code="TOP", name="Top-up 50 MB"), status="ACTIVE"
    )
    html = page(login(viewer), sim)
    assert re.findall(r'data-sim-status="([^"]*)"', html) == ["DEACTIVATED"]
    for text in (
        "EU-100M-M",
        "70 MB",
        "70 %",
        "iot.example",
        "SLEEPING",
        "Lift 7",
        "Top-up 50 MB",
        "Read after a push",
    ):
        assert text in html
    for identifier in (sim.giccid, sim.imsi, sim.msisdn, sim.imei):
        assert f'data-copy="{identifier}"' in html


def test_a_sim_of_which_little_is_known_has_a_page(login, viewer, make_sim):
    sim = make_sim(status="FROZEN", imsi="", msisdn="", imei="", apns=[])
    assert 'data-sim-status="FROZEN"' in page(login(viewer), sim)


def test_the_state_is_shown_with_who_why_and_ticket(login, viewer, agent, sim):
    for number, outcome in enumerate(["success", "failed"]):
        record_operation(
            sim=sim, kind="status", operation_id=7 + number, at=timezone.now(), from_value="ACTIVATED",
            to_value="DEACTIVATED", outcome=outcome, actor=agent, reason=f"unpaid {number}", ticket=f"T-{number}",
        )  # fmt: skip
    state = page(login(viewer), sim).split('id="sim-state"')[1].split("</div>")[0]
    assert "unpaid 0" in state
    assert "ticket T-0" in state
    assert "agent" in state
    assert "unpaid 1" not in state


def test_a_sim_that_the_carrier_no_longer_lists_says_so(login, viewer, make_sim):
    assert "no longer lists this SIM" in page(login(viewer), make_sim(missing_since=timezone.now()))


def test_the_timeline_is_newest_first_and_joins_its_sources(login, viewer, agent, sim):
    now = timezone.now()
    record_plain(sim=sim, kind="note", at=now - timedelta(days=90), detail={"text": "from long ago"})
    record_operation(
        sim=sim, kind="status", operation_id=7, at=now, from_value="ACTIVATED", to_value="DEACTIVATED",
        outcome="success", actor=agent, reason="unpaid", ticket="T-1",
    )  # fmt: skip
    record_push(sim=sim, kind="status", from_value="ACTIVATED", to_value="DEACTIVATED", push_key="p1", push_time=now)
    html = page(login(viewer), sim)
    assert events(html) == ["status", "note"]
    entry = html.split('data-event-kind="status"')[1].split("</li>")[0]
    for text in ("unpaid", "Ticket T-1", "agent", ">portal<", ">push<", "/operations/7/"):
        assert text in entry
    assert ">change log<" not in entry
    assert "from long ago" in html


def test_a_refusal_shows_what_the_carrier_said(login, viewer, agent, sim):
    record_operation(
        sim=sim, kind="status", operation_id=7, at=timezone.now(), to_value="RETIRED", outcome="failed",
        actor=agent, reason="old", ticket="", detail={"answer": "The carrier says no.", "code": "illegal_status"},
    )  # fmt: skip
    assert "The carrier says no." in page(login(viewer), sim)


def test_odd_events_do_no_harm(login, viewer, sim):
    now = timezone.now()
    for kind in ("custom_fields", "subscription", "plan", "imei", "apn", "sms", "notification", "note", "status"):
        for detail in (
            {},
            {"changes": 3},
            {"changes": {"custom1": "x"}},
            {"changes": {"custom1": [None, 1, 2]}},
            {"text": 3},
        ):
            record_plain(sim=sim, kind=kind, at=now, detail=detail)
            record_plain(sim=sim, kind=kind, at=now, from_value="<b>", to_value="<i>", subject="<u>", detail=detail)
    client = login(viewer)
    html = page(client, sim)
    for piece in (html, client.get(older_url(html)).content.decode()):
        assert len(events(piece)) == 20
        assert "<i>" not in piece
        assert "<u>" not in piece


def test_older_entries_come_piece_by_piece_each_once(login, viewer, sim):
    start = timezone.now()
    made = [
        record_plain(sim=sim, kind="note", at=start - timedelta(hours=n // 3), detail={"text": "x"}).pk
        for n in range(45)
    ]
    client, seen = login(viewer), []
    html = page(client, sim)
    while True:
        seen += [int(pk) for pk in re.findall(r'data-event-id="(\d+)"', html)]
        if 'rel="next"' not in html:
            break
        plain = client.get(older_url(html)).content.decode()
        html = client.get(older_url(html), headers=HTMX).content.decode()
        assert "<html" in plain
        assert "<html" not in html
        assert events(plain) == events(html)
    assert len(seen) == 45
    assert set(seen) == set(made)


def test_the_timeline_is_filtered_by_kind(login, viewer, sim):
    for kind in ["note", "imei"] * 25:
        record_plain(sim=sim, kind=kind, at=timezone.now(), to_value="x")
    client = login(viewer)
    html = page(client, sim, "?kind=imei&kind=no_such")
    assert set(events(html)) == {"imei"}
    assert set(events(client.get(older_url(html)).content.decode())) == {"imei"}
    record_plain(sim=sim, kind="note", at=timezone.now())
    assert client.get(live_url(html), headers=HTMX).status_code == 204
    assert set(events(page(client, sim, "?kind=imei&kind=note"))) == {"imei", "note"}


@pytest.mark.parametrize("query", ["?after=x", "?after=%00", "timeline/?after=W10"])
def test_a_mangled_place_in_the_timeline_shows_the_newest(login, viewer, sim, query):
    record_plain(sim=sim, kind="note", at=timezone.now())
    html = page(login(viewer), sim, query)
    assert events(html) == ["note"]
    assert "can not be read" in html


def test_an_open_page_is_told_nothing_while_nothing_changes(login, viewer, sim):
    client = login(viewer)
    record_plain(sim=sim, kind="note", at=timezone.now())
    url = live_url(page(client, sim))
    assert client.get(url, headers=HTMX).status_code == 204


def test_an_open_page_is_told_of_a_new_state_and_event(login, viewer, sim):
    client = login(viewer)
    for n in range(30):
        record_plain(sim=sim, kind="note", at=timezone.now() - timedelta(days=n))
    url = live_url(page(client, sim))
    Sim.objects.filter(pk=sim.pk).update(status="ACTIVATED", changed_at=timezone.now())
    record_plain(sim=sim, kind="status", at=timezone.now(), from_value="DEACTIVATED", to_value="ACTIVATED")
    answer = client.get(url, headers=HTMX)
    html = answer.content.decode()
    assert answer.status_code == 200
    assert re.findall(r'data-sim-status="([^"]*)"', html) == ["ACTIVATED"]
    assert events(html) == ["status", *["note"] * 20], (
        "the head keeps what it showed, and no piece loaded later is doubled"
    )
    assert "sim-changed" in answer["HX-Trigger"]
    assert client.get(live_url(html), headers=HTMX).status_code == 204


def test_a_reading_that_finds_nothing_new_only_says_how_fresh_the_page_is(login, viewer, sim):
    client = login(viewer)
    url = live_url(page(client, sim))
    Sim.objects.filter(pk=sim.pk).update(observed_at=timezone.now() + timedelta(seconds=1), observed_by="page")
    answer = client.get(url, headers=HTMX)
    assert "Read for this page" in answer.content.decode()
    assert 'id="sim-overview"' not in answer.content.decode()
    assert "HX-Trigger" not in answer


def test_an_event_that_changes_is_shown_anew(login, viewer, agent, sim):
    told = {"sim": sim, "kind": "status", "operation_id": 7, "at": timezone.now(), "to_value": "ACTIVATED"}
    record_operation(**told, outcome="unclear", actor=agent, reason="r", ticket="")
    client = login(viewer)
    url = live_url(page(client, sim))
    record_operation(**told, outcome="failed", actor=agent, reason="r", ticket="", detail={"answer": "No."})
    assert "No." in client.get(url, headers=HTMX).content.decode()


def test_a_forged_live_address_is_not_found(login, viewer, sim):
    client = login(viewer)
    assert client.get(f"/sims/{sim.giccid}/live/?until=x", headers=HTMX).status_code == 404
    assert client.get(f"/sims/{sim.giccid}/live/?sim=%00&events=x", headers=HTMX).status_code == 200


def test_opening_a_page_on_old_data_has_it_read_again(login, viewer, sim, valkey):
    client = login(viewer)
    page(client, sim)
    assert valkey.llen("agent") == 0
    Sim.objects.filter(pk=sim.pk).update(observed_at=timezone.now() - timedelta(days=1))
    page(client, sim)
    page(client, sim)
    assert valkey.llen("agent") == 1, "asked for once, though the page was opened twice"


@pytest.mark.parametrize("giccid", ["1", "letters", "8986011805021000049", "898601180502100004é", "%00", "x" * 300])
@pytest.mark.parametrize("below", ["", "timeline/", "live/"])
def test_an_unknown_giccid_is_not_found(login, viewer, sim, giccid, below):
    assert login(viewer).get(f"/sims/{giccid}/{below}").status_code == 404


@pytest.mark.parametrize("below", ["", "timeline/", "live/"])
@pytest.mark.parametrize("headers", [{}, HTMX])
def test_who_may_see_the_page(login, client, make_user, make_sim, sim, below, headers):
    url = f"/sims/{sim.giccid}/{below}"
    anonymous = client.get(url, headers=headers)
    assert "/login/" in (anonymous.headers.get("HX-Redirect") or anonymous["Location"])
    for role in ("Viewer", "Agent", "Supervisor", "Administrator"):
        assert login(make_user(role)).get(url, headers=headers).status_code == 200
    assert login(make_user("Agent", ["example_account"])).get(url, headers=headers).status_code == 200
    assert login(make_user("Agent", ["other_account"])).get(url, headers=headers).status_code == 404
    assert login(make_user("Administrator", [])).get(url, headers=headers).status_code == 404
    nobody = make_user("Viewer")
    nobody.groups.clear()
    assert login(nobody).get(url, headers=headers).status_code == 403


def test_each_changed_custom_field_stands_on_a_line_of_its_own(login, viewer, sim):
    record_operation(
        sim=sim, kind="custom_fields", operation_id=7, at=timezone.now(), outcome="success", actor=viewer,
        reason="", ticket="", detail={"changes": {"custom1": ["", "Site 12"], "custom2": ["Lift 6", "Lift 7"]}},
    )  # fmt: skip
    entry = page(login(viewer), sim).split('data-event-kind="custom_fields"')[1].split("</li>")[0]
    assert entry.count('class="changes"') == 1
    assert entry.split('class="changes"')[1].count('class="change"') == 2


def test_an_entry_leads_to_the_batch_job_of_its_operation(login, viewer, sim):
    told = {"sim": sim, "kind": "status", "at": timezone.now(), "to_value": "ACTIVATED", "outcome": "success"}
    told |= {"actor": viewer, "reason": "", "ticket": ""}
    record_operation(**told, operation_id=7, detail={"job": 72})
    entry = page(login(viewer), sim).split('data-event-kind="status"')[1].split("</li>")[0]
    assert 'href="/jobs/72/"' in entry
    assert "job: 72" not in entry
