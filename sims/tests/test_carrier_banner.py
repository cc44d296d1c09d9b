"""The word on every page while the carrier is away: when, for whom, and how it goes by itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from sims import tasks
from sims.models import CarrierLink, SyncRun
from sims.services import carrier, link

pytestmark = pytest.mark.django_db


@pytest.fixture
def known() -> Any:
    """``known(failing_since=600, …)``: the row as it is, times as seconds ago."""

    def make(problem: str = "", **seconds: float) -> None:
        now = timezone.now()
        times = {name: now - timedelta(seconds=ago) for name, ago in seconds.items()}
        CarrierLink.objects.update_or_create(pk=CarrierLink.ONLY, defaults={"problem": problem, **times})

    return make


def banner(client: Any, address: str = "/profile/") -> str:
    html = client.get(address).content.decode()
    return html.partition('id="carrier-banner"')[2].partition("</div></div>")[0]


@pytest.mark.parametrize(
    ("problem", "state", "words"),
    [
        (link.NO_ANSWER, "no_answer", "Carrier unreachable since"),
        ("status 503", "errors", "HTTP 503"),
        (link.REFUSED_KEY, "refused_key", "until an administrator"),
    ],
)
def test_it_says_what_is_wrong_and_since_when(known, login, viewer, problem, state, words):
    known(problem, failing_since=720, failed_at=3)
    shown = banner(login(viewer))
    assert f'data-carrier="{state}"' in shown
    assert words in shown
    assert "(12 min)" in shown
    assert 'href="/sync/"' in shown


def test_one_lost_call_and_a_moment_of_429_are_no_news(known, login, viewer):
    known(link.NO_ANSWER, failing_since=300, failed_at=299)
    assert banner(login(viewer)).startswith(" hidden")
    known("", failing_since=300, failed_at=299, slowed_since=30, slowed_at=1)
    CarrierLink.objects.update(failing_since=None)
    assert banner(login(viewer)).startswith(" hidden")
    known("", slowed_since=90, slowed_at=1)
    assert 'data-carrier="slow"' in banner(login(viewer))
    known("", slowed_since=900, slowed_at=120)
    assert banner(login(viewer)).startswith(" hidden")


def test_open_pages_hear_of_its_coming_and_going(known, login, viewer):
    client = login(viewer)
    before = client.get("/live/").content.decode()
    known(link.NO_ANSWER, failing_since=60, failed_at=1)
    came = client.get("/live/" + before.partition("/live/")[2].partition('"')[0]).content.decode()
    assert 'id="carrier-banner" class="banner banner-warn banner-frame"' in came
    assert 'hx-swap-oob="true"' in came
    link.store("")
    gone = client.get("/live/" + came.partition("/live/")[2].partition('"')[0]).content.decode()
    assert '<div id="carrier-banner" hidden hx-swap-oob="true"></div>' in gone


def test_a_stranger_is_told_nothing(known, client):
    known(link.NO_ANSWER, failing_since=60, failed_at=1)
    assert "carrier-banner" not in client.get("/login/").content.decode()


@pytest.mark.django_db(transaction=True)
def test_the_answer_that_ends_a_failure_is_always_written():
    link.forget()
    link.note("")
    link._written = ("", 0.0)
    link.note(link.NO_ANSWER)
    assert CarrierLink.objects.get().failing_since is not None
    link.note("")
    assert CarrierLink.objects.get().failing_since is None


@pytest.mark.django_db(transaction=True)
def test_asking_to_slow_down_is_kept_with_its_beginning():
    for _ in range(2):
        link.forget()
        link.note("", slowed=True)
    row = CarrierLink.objects.get()
    assert row.slowed_since is not None
    assert row.slowed_at is not None
    assert row.slowed_since < row.slowed_at
    assert row.failing_since is None
    CarrierLink.objects.update(slowed_at=timezone.now() - link.CALM_AFTER * 2)
    link.forget()
    link.note("", slowed=True)
    assert CarrierLink.objects.filter(slowed_since__gt=row.slowed_since).exists()


def test_no_sync_is_begun_while_the_carrier_is_away(simulator, with_carrier):
    with with_carrier(BREAKER_FAILURES=1):
        breaker = carrier._shared_client().breaker
        assert breaker is not None
        breaker.failed(breaker.admit())
        tasks.follow_changes()
        tasks.resume_syncs()
        assert not SyncRun.objects.exists()
        assert simulator.calls() == []
