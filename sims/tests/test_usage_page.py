"""The usage of a SIM as people see it: charts with their figures, asked for only when they come into sight."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from sims.models import Sim
from sims.services import mirror
from sims.services.mirror import Source
from smarthub import contract

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true", "HX-Target": "usage"}
NOW = datetime(2026, 11, 22, 15, tzinfo=UTC)
MB = 1024 * 1024


@pytest.fixture
def sim():
    """Read every six hours since the fifth of November, with 1 MB each time; October's last reading is known too."""
    body = {"giccid": "89860120000000000017", "accountName": "example_account", "status": "ACTIVATED"}
    moments = [datetime(2026, 10, 31, hour, tzinfo=UTC) for hour in (6, 18)]
    moments += [datetime(2026, 11, 5, tzinfo=UTC) + timedelta(hours=6 * number) for number in range(71)]
    used = 0
    for at in moments:
        used = used + MB if at.day != 5 or at.hour else MB
        usage = {"dataUsage": used, "dataQuota": 80 * MB, "cycleStart": f"{at:%Y-%m}-01T00:00:00+0000"}
        usage["cycleEnd"] = f"{at.replace(day=1) + timedelta(days=32):%Y-%m}-01T00:00:00+0000"
        with time_machine.travel(at, tick=False):
            snapshot = contract.Sim.model_validate({**body, "cycleUsage": usage})
            mirror.apply([snapshot], source=Source.WALK, observed_at=at)
    with time_machine.travel(NOW, tick=False):
        yield Sim.objects.get()


def chart(html: str, name: str) -> dict:
    [data] = re.findall(rf'<script id="chart-{name}" type="application/json">(.*?)</script>', html)
    return json.loads(data)


def test_the_sim_page_only_says_where_its_usage_is(sim, login, viewer):
    html = login(viewer).get(f"/sims/{sim.giccid}/").content.decode()
    assert f'hx-get="/sims/{sim.giccid}/usage/"' in html
    assert 'hx-trigger="revealed"' in html
    assert "<figure" not in html


def test_days_stand_in_the_chart_and_exactly_in_the_table(sim, login, viewer):
    answer = login(viewer).get(f"/sims/{sim.giccid}/usage/", headers=HTMX)
    html = answer.content.decode()
    assert "<html" not in html
    assert "HX-Request" in answer["Vary"]
    data = chart(html, "usage-days")
    assert (data["unit"], data["labels"][-1], len(data["labels"])) == ("bytes", "22 Nov", 23)
    [used] = data["series"]
    assert used["values"][6:-1] == [4 * MB] * 16
    assert used["marks"][1:5] == [True] * 4
    assert data["limits"] == [{"label": "Usual day", "value": 4 * MB}]
    assert html.count(f'<data value="{4 * MB}" title="4,194,304 bytes">4 MB</data>') >= 16
    assert "style=" not in html
    older = login(viewer).get(f"/sims/{sim.giccid}/usage/?days=92").content.decode()
    assert "<html" in older
    assert 'aria-current="true" href="/sims/89860120000000000017/usage/?show=days&amp;days=92"' in older


def test_the_running_cycle_shows_quota_and_projection(sim, login, viewer):
    html = login(viewer).get(f"/sims/{sim.giccid}/usage/?show=cycle", headers=HTMX).content.decode()
    data = chart(html, "usage-cycle")
    used, ahead = data["series"]
    assert len(data["labels"]) == 30
    assert (used["values"][21], used["values"][22]) == (71 * MB, None)
    assert used["values"][20] - used["values"][19] == 4 * MB
    [at_end] = re.findall(r'data-usage-projection="(\d+)"', html)
    assert (ahead["values"][21], ahead["values"][-1]) == (71 * MB, int(at_end))
    assert int(at_end) == 71 * MB + int(4 * MB * 8.5)
    assert data["limits"] == [{"label": "Quota", "value": 80 * MB}]
    assert "quota full on" in html


def test_cycles_and_the_hours_of_today(sim, login, viewer):
    client = login(viewer)
    data = chart(client.get(f"/sims/{sim.giccid}/usage/?show=cycles", headers=HTMX).content.decode(), "usage-cycles")
    assert [series["values"] for series in data["series"]] == [[2 * MB, 71 * MB], [80 * MB, 80 * MB]]
    hours = chart(client.get(f"/sims/{sim.giccid}/usage/?show=today", headers=HTMX).content.decode(), "usage-hours")
    assert sum(hours["series"][0]["values"]) == 2 * MB
    assert hours["labels"][0] == "00:00"


def test_a_sim_without_figures_says_what_to_expect(make_sim, login, viewer):
    sim = make_sim()
    for show in ("days", "cycle", "cycles", "today", "nonsense"):
        html = login(viewer).get(f"/sims/{sim.giccid}/usage/?show={show}&days=x", headers=HTMX).content.decode()
        assert "told no usage" in html


@pytest.mark.parametrize("role", ["Viewer", "Agent", "Supervisor", "Administrator"])
def test_every_role_sees_it_within_its_accounts(role, make_sim, make_user, login, client):
    address = f"/sims/{make_sim().giccid}/usage/"
    assert login(make_user(role)).get(address).status_code == 200
    assert login(make_user(role, ["another"])).get(address).status_code == 404
    assert client.get(address).status_code == 302
