"""The dashboard: each figure is what the list behind its link counts, of what one may see, in few queries."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notifications.models import Notification, PushSource
from notifications.tests.rule_helpers import make_rule
from operations.models import BatchAccount, BatchJob, Operation
from operations.services.requests import request_operation
from sims.models import CarrierLink, Sim, SyncRun
from sims.services import link, sync, tallies
from sims.services.carrier import get_client
from smarthub import Lane
from smarthub.errors import SmartHubError
from staff.models import User

pytestmark = pytest.mark.django_db

FIGURE = re.compile(
    r'<a id="figure-\w+" class="[^"]*" href="(?P<url>[^"]*)" data-figure="(?P<name>\w+)" data-value="(?P<value>[^"]*)"'
)
POLL = re.compile(r'<div id="home-live" hidden hx-get="([^"]*)"')
ROLES = ["Viewer", "Agent", "Supervisor", "Administrator"]
HTMX = {"HX-Request": "true"}
IN_BYTES = {"data_used", "pools_used"}
MOST_QUERIES = 9


def shown(client: Client) -> dict[str, tuple[str, str]]:
    """The figures of the page: name → value and link."""
    html = client.get("/").content.decode()
    return {found["name"]: (found["value"], unescape(found["url"])) for found in FIGURE.finditer(html)}


def counted(client: Client, url: str) -> str:
    """What the list at ``url`` counts."""
    html = client.get(url).content.decode()
    if url == "/approvals/":
        return str(len(re.findall(r"data-approval-(?:job|operation)=", html)))
    [count] = re.findall(r'data-result-count="([^"]*)"', html)
    return str(count)


def make_job(actor: User, account: str, **fields: object) -> BatchJob:
    """A job of some age on SIMs of ``account``."""
    now = timezone.now()
    made = {"kind": "retire", "source": "text", "eligible": 9, "planned_at": now, "confirmed_at": now}
    job = BatchJob.objects.create(actor=actor, **{**made, **fields})
    BatchAccount.objects.create(job=job, account_name=account)
    return job


def make_line(account: str) -> Notification:
    """A notification that waits, by a rule for everybody."""
    at = timezone.now()
    fields = {"kind": "IMEI_CHANGE", "severity": "warning", "first_at": at, "last_at": at, "events": 1, "sims": 1}
    return Notification.objects.create(rule=make_rule(), account_name=account, **fields)


@pytest.fixture
def some_of_everything(make_sim, make_user) -> Callable[[int], None]:
    """``some_of_everything(n)``: n of whatever the page shows, in accounts ``north`` and ``south``."""
    asking = make_user("Agent", username="asking")
    numbers = itertools.count()

    def make(number: int) -> None:
        for n in itertools.islice(numbers, number):
            account = ("north", "south")[n % 2]
            sims = [make_sim(account=account, status="DEACTIVATED", plan=f"P{n}", pool=f"S{n}") for _ in range(2)]
            for sim, state in zip(sims, ("awaiting_approval", "needs_attention"), strict=True):
                Operation.objects.create(sim=sim, kind="retire", state=state, actor=asking)
            for state in ("running", "paused", "awaiting_approval"):
                make_job(asking, account, state=state, started_at=timezone.now(), pending=5, succeeded=4)
            make_line(account)
            PushSource.objects.create(name=f"source {n}", token_digest=str(n), last_push_at=timezone.now())
        tallies.mend()

    return make


def test_each_figure_is_what_its_list_counts(simulator, login, make_user, agent):
    """After a walk, and changes that the carrier's log told of; for one who sees all and one who sees an account."""
    account = "example_account"
    sync.run("full", trigger="test")
    for n in range(3):
        simulator.patch(simulator.pick("ACTIVATED", n=n), status="DEACTIVATED")
        simulator.patch(simulator.pick("DEACTIVATED", account=account, n=n), status="ACTIVATED")
    sync.run("changes", trigger="test")
    Sim.objects.filter(giccid__in=[simulator.pick(n=n) for n in range(10, 14)]).update(
        last_session_at=timezone.now() - timedelta(days=40), quota_percent=90
    )
    tallies.mend()
    for giccid in (simulator.pick("DEACTIVATED", account=account, n=5), simulator.pick("DEACTIVATED", n=6)):
        sim = Sim.objects.get(giccid=giccid)
        request_operation(sim=sim, kind="retire", params={"confirm": giccid[-4:]}, actor=agent, reason="broken")
    make_job(agent, account, state="awaiting_approval")
    make_job(agent, "north_logistics", state="running")
    make_job(agent, account, state="paused")
    Operation.objects.create(sim=Sim.objects.first(), kind="retire", state="needs_attention", actor=agent)
    people = [make_user("Administrator"), make_user("Supervisor", [account]), agent, make_user("Viewer", [])]
    lines = [make_line(account), make_line(account), make_line("north_logistics")]
    assert lines

    totals = []
    for person in people:
        client = login(person)
        figures = shown(client)
        for name, (value, url) in figures.items():
            if name in IN_BYTES:
                assert client.get(url).status_code == 200
            else:
                assert counted(client, url) == value, f"{name} for {person}: {url}"
        totals.append(int(figures.get("sims_total", ("0", ""))[0]))
        if person is people[0]:
            nothing = {name for name, (value, _url) in figures.items() if value == "0"}
            assert nothing <= {"retirements_30d"}
    mine = Sim.objects.filter(account=account).count()
    assert totals == [Sim.objects.count(), mine, Sim.objects.count(), 0]


@pytest.mark.parametrize("role", [*ROLES, "limited"])
def test_ten_queries_are_too_many_however_much_there_is(role, some_of_everything, login, make_user):
    user = make_user("Supervisor", ["north"]) if role == "limited" else make_user(role)
    client = login(user)
    numbers = []
    for more in (2, 8):
        some_of_everything(more)
        with CaptureQueriesContext(connection) as queries:
            assert client.get("/").status_code == 200
        numbers.append(len(queries))
    assert numbers[0] == numbers[1] <= MOST_QUERIES
    asked = " ".join(row["sql"] for row in queries.captured_queries)
    assert not re.search(r'FROM "sims_(sim|timelineevent)"', asked), "the fleet is not gone through"


def test_the_frame_costs_four_queries(login, make_user):
    """Session, user, what the user was given, and the numbers of the badges."""
    client = login(make_user("Supervisor", ["north"]))
    with CaptureQueriesContext(connection) as queries:
        assert "data-approvals" in client.get("/live/", headers=HTMX).content.decode()
    assert len(queries) == 4


def test_without_sign_in_it_leads_to_the_sign_in(client):
    answer = client.get("/")
    assert (answer.status_code, answer["Location"]) == (302, "/login/?next=/")


@pytest.mark.parametrize(
    ("role", "decides"), [("Viewer", False), ("Agent", False), ("Supervisor", True), ("Administrator", True)]
)
def test_each_role_gets_its_cards(role, decides, some_of_everything, login, make_user):
    some_of_everything(2)
    client = login(make_user(role))
    html = client.get("/").content.decode()
    assert ("approvals_waiting" in shown(client)) == decides
    assert ('<section id="home-approvals"' in html) == decides
    assert ('href="/pushes/sources/"' in html) == (role == "Administrator")
    for card in ("home-jobs", "home-notifications", "home-fleet", "home-watch", "home-activity", "home-usage"):
        assert f'<section id="{card}"' in html


def test_who_asked_for_something_sees_that_it_waits(some_of_everything, login):
    some_of_everything(3)
    client = login(User.objects.get(username="asking"))
    figures = shown(client)
    assert {name: figures[name][0] for name in ("asked_operations", "asked_jobs")} == {
        "asked_operations": "3",
        "asked_jobs": "3",
    }
    assert [counted(client, figures[name][1]) for name in ("asked_operations", "asked_jobs")] == ["3", "3"]
    assert "approvals_waiting" not in figures


def test_who_has_no_role_is_told(login, db):
    html = login(User.objects.create(username="nobody")).get("/").content.decode()
    assert "Nothing here for you yet" in html
    assert "data-figure" not in html


@pytest.mark.parametrize(
    ("accounts", "words"), [(None, "No SIM cards yet"), (["north"], "No SIM cards in your accounts")]
)
def test_an_empty_fleet_says_what_to_do(accounts, words, login, make_user):
    html = login(make_user("Agent", accounts)).get("/").content.decode()
    assert words in html
    assert 'class="btn" href="/sync/"' in html


def test_it_brings_itself_up_to_date_part_by_part(some_of_everything, login, agent):
    some_of_everything(2)
    client = login(agent)
    html = client.get("/").content.decode()
    [poll] = POLL.findall(html)
    assert client.get(unescape(poll), headers=HTMX).status_code == 204
    Operation.objects.filter(state="needs_attention").first().delete()
    answer = client.get(unescape(poll), headers=HTMX).content.decode()
    assert re.findall(r'<(?:a|section|div|span) id="([\w-]+)"[^>]* hx-swap-oob="true"', answer) == [
        "figure-operations_attention"
    ]
    [poll] = POLL.findall(answer)
    assert client.get(unescape(poll), headers=HTMX).status_code == 204


class TestHealth:
    def signs(self, client: Client) -> dict[str, tuple[str, str]]:
        found = re.findall(
            r'data-health="(\w+)" data-tone="(\w+)"[^>]*>(?:<a [^>]*>)?<span class="dot"></span>([^<]*)<',
            client.get("/").content.decode(),
        )
        return {name: (tone, words) for name, tone, words in found}

    def test_nothing_is_known_yet(self, login, viewer):
        assert self.signs(login(viewer)) == {
            "carrier": ("neutral", "Carrier not asked yet"),
            "walk": ("warn", "Fleet not read yet"),
            "changes": ("neutral", "Changes not read yet"),
            "push": ("neutral", "No push source set up"),
        }

    def test_fresh_and_late(self, login, viewer):
        now = timezone.now()
        client = login(viewer)
        PushSource.objects.create(name="carrier", token_digest="x", last_push_at=now - timedelta(minutes=3))
        link.store("")
        walk = SyncRun.objects.create(kind="full", state="done", started_at=now - timedelta(hours=11))
        changes = SyncRun.objects.create(kind="changes", state="done", watermark=now)
        signs = self.signs(client)
        assert {name: tone for name, (tone, _words) in signs.items()} == dict.fromkeys(signs, "ok")
        assert [words.replace("\xa0", " ") for _tone, words in signs.values()] == [
            "Carrier answers",
            "Fleet read 11 hours ago",
            "Changes read just now",
            "Last push 3 minutes ago",
        ]
        SyncRun.objects.filter(pk=walk.pk).update(started_at=now - timedelta(hours=13))
        SyncRun.objects.filter(pk=changes.pk).update(watermark=now - timedelta(minutes=3))
        SyncRun.objects.create(kind="statistics", state="failed")
        CarrierLink.objects.update(answered_at=now - timedelta(minutes=3))
        assert {name: tone for name, (tone, _words) in self.signs(client).items()} == {
            "carrier": "warn",
            "walk": "warn",
            "changes": "warn",
            "failed": "bad",
            "push": "ok",
        }
        SyncRun.objects.create(kind="full", read=40, total=80)
        assert self.signs(client)["walk"] == ("busy", "Fleet is being read: 50 %")

    def test_a_carrier_that_stops_answering(self, login, viewer):
        link.store("")
        link.store(link.NO_ANSWER)
        since = CarrierLink.objects.get().failing_since
        link.store(link.problem_of(503))
        row = CarrierLink.objects.get()
        assert (row.failing_since, row.problem) == (since, "status 503")
        tone, words = self.signs(login(viewer))["carrier"]
        assert tone == "bad"
        assert words.startswith("Carrier has not answered since ")
        link.store("")
        assert CarrierLink.objects.get().failing_since is None

    @pytest.mark.parametrize(
        ("status", "problem"),
        [(200, ""), (404, ""), (429, ""), (401, "refused_key"), (500, "status 500"), (None, "no_answer")],
    )
    def test_what_an_answer_says_of_the_link(self, status, problem):
        assert link.problem_of(status) == problem

    @pytest.mark.django_db(transaction=True)
    def test_calls_tell_it_and_few_of_them_write(self, simulator):
        client = get_client(Lane.AGENT)
        link.forget()
        with CaptureQueriesContext(connection) as queries:
            for _ in range(5):
                client.get_sim(simulator.pick())
        assert CarrierLink.objects.get().failing_since is None
        assert len(queries) == 2, "one that finds no row, one that makes it"
        link.forget()
        simulator.fault(call="get_sim", kind="error", status=503)
        with pytest.raises(SmartHubError):
            client.get_sim(simulator.pick())
        assert CarrierLink.objects.get().problem == "status 503"
