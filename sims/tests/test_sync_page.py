"""The page about the sync: who may see it, who may start a run, and that nothing is started twice."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from core.models import AuditEntry
from sims.models import CarrierLink, SyncRun

pytestmark = pytest.mark.django_db

URL = "/sync/"
HTMX = {"HX-Request": "true"}


def queued(valkey) -> int:
    """Messages that wait for a worker of the sync."""
    return valkey.llen("sync")


def test_the_address_is_the_stable_one():
    assert reverse("sims:sync") == URL


@pytest.mark.parametrize("role", ["Viewer", "Agent", "Supervisor", "Administrator"])
def test_every_role_sees_it_and_only_administrators_get_the_forms(role, make_user, login):
    html = login(make_user(role)).get(URL).content.decode()
    for kind in ("full", "changes"):
        assert (f'name="kind" value="{kind}"' in html) == (role == "Administrator")


def test_without_sign_in_it_leads_to_the_sign_in(client):
    answer = client.get(URL)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/login/")


@pytest.mark.parametrize("role", ["Viewer", "Agent", "Supervisor"])
def test_others_may_not_start_a_run(role, make_user, login, valkey):
    answer = login(make_user(role)).post(URL, {"kind": "full"})
    assert answer.status_code == 403
    assert not SyncRun.objects.exists()
    assert queued(valkey) == 0


@pytest.mark.parametrize("kind", ["full", "changes"])
def test_an_administrator_starts_a_run(kind, administrator, login, valkey, django_capture_on_commit_callbacks):
    client = login(administrator)
    with django_capture_on_commit_callbacks(execute=True):
        answer = client.post(URL, {"kind": kind})
    assert (answer.status_code, answer["Location"]) == (303, URL)
    run = SyncRun.objects.get()
    assert (run.kind, run.trigger, run.requested_by) == (kind, "person", administrator)
    assert queued(valkey) == 1
    assert AuditEntry.objects.get(action="sync.requested").actor == administrator
    assert "was started" in client.get(URL).content.decode()


def test_a_second_start_is_told_so_and_nothing_is_doubled(
    administrator, login, valkey, django_capture_on_commit_callbacks
):
    client = login(administrator)
    with django_capture_on_commit_callbacks(execute=True):
        client.post(URL, {"kind": "full"})
        answer = client.post(URL, {"kind": "full"})
    assert answer.status_code == 409
    assert "under way already" in answer.content.decode()
    assert (SyncRun.objects.count(), queued(valkey)) == (1, 1)


@pytest.mark.parametrize("kind", ["", "reference", "everything"])
def test_an_unknown_kind_is_refused(kind, administrator, login):
    assert login(administrator).post(URL, {"kind": kind}).status_code == 422
    assert not SyncRun.objects.exists()


def test_htmx_gets_the_fragment(administrator, login):
    client = login(administrator)
    page, fragment = client.get(URL), client.get(URL, headers=HTMX)
    assert b"<html" in page.content
    assert b"<html" not in fragment.content
    assert fragment.content.strip().startswith(b"<div")
    started = client.post(URL, {"kind": "full"}, headers=HTMX)
    assert started.status_code == 200
    assert b"data-sync-running" in started.content


def test_a_running_walk_shows_its_progress_and_is_asked_for_often(viewer, login):
    client = login(viewer)
    assert b'hx-trigger="every 15s"' in client.get(URL).content
    now = timezone.now()
    SyncRun.objects.create(
        kind="full",
        trigger="schedule",
        lease_token="x",
        lease_until=now + timedelta(minutes=1),
        started_at=now - timedelta(seconds=10),
        total=2000,
        read=500,
        changed=7,
    )
    html = client.get(URL).content.decode()
    assert 'value="25"' in html
    assert "500 of 2,000 read" in html
    assert 'hx-trigger="every 2s"' in html


def test_a_failed_run_says_why_until_one_succeeds(viewer, login):
    SyncRun.objects.create(kind="full", state="failed", trigger="schedule", message="The carrier refuses <the> key.")
    html = login(viewer).get(URL).content.decode()
    assert "The carrier refuses &lt;the&gt; key." in html
    assert "banner-bad" in html
    SyncRun.objects.create(kind="full", state="done", trigger="schedule")
    assert "banner-bad" not in login(viewer).get(URL).content.decode()


def test_a_carrier_that_does_not_answer_is_told(viewer, login):
    link = CarrierLink.objects.create(pk=CarrierLink.ONLY, answered_at=timezone.now(), problem="status 503")
    assert "does not answer" not in login(viewer).get(URL).content.decode()
    CarrierLink.objects.filter(pk=link.pk).update(failing_since=timezone.now())
    assert "The carrier does not answer" in login(viewer).get(URL).content.decode()
    CarrierLink.objects.filter(pk=link.pk).update(problem="refused_key")
    assert "The carrier refuses the key" in login(viewer).get(URL).content.decode()


def test_older_runs_are_on_the_next_pages(viewer, login):
    SyncRun.objects.bulk_create(SyncRun(kind="changes", state="done", trigger="schedule") for _ in range(45))
    client = login(viewer)
    seen: set[bytes] = set()
    address, pages = URL, 0
    while address:
        html = client.get(address).content
        seen |= {part.split(b'"')[0] for part in html.split(b'data-sync-run="')[1:]}
        after = html.split(b'rel="next" href="')[1].split(b'"')[0].decode() if b'rel="next"' in html else ""
        address, pages = (URL + after if after else ""), pages + 1
    assert (len(seen), pages) == (45, 3)
    assert client.get(f"{URL}?after=mangled").status_code == 200


def test_the_number_of_queries_does_not_depend_on_the_runs(viewer, login, django_assert_max_num_queries):
    client = login(viewer)
    used = []
    for count in (5, 15):
        SyncRun.objects.bulk_create(
            SyncRun(kind="changes", state="done", trigger="person", requested_by=viewer) for _ in range(count)
        )
        with django_assert_max_num_queries(20) as captured:
            client.get(URL)
        used.append(len(captured))
    assert used[0] == used[1]


def test_the_page_stands_without_valkey(viewer, login, settings, with_carrier):
    client = login(viewer)
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    with with_carrier(SMARTHUB_RATE=10.0):
        html = client.get(URL).content.decode()
    assert "can’t be reached" in html


@pytest.mark.parametrize(
    "model", ["sim", "timelineevent", "account", "rateplan", "sharepool", "syncrun", "subscription", "note"]
)
def test_the_admin_site_shows_records_and_changes_none(model, make_user, login, make_sim):
    sim = make_sim()
    client = login(make_user("Administrator", is_staff=True))
    assert client.get(f"/admin/sims/{model}/").status_code == 200
    assert client.get(f"/admin/sims/{model}/?q={sim.giccid}").status_code in (200, 302)
    assert client.get(f"/admin/sims/{model}/add/").status_code == 403
    if model == "sim":
        page = client.get(f"/admin/sims/sim/{sim.pk}/change/")
        assert page.status_code == 200
        assert b'name="_save"' not in page.content
        assert client.post(f"/admin/sims/sim/{sim.pk}/change/", {"status": "RETIRED"}).status_code == 403
        assert client.post(f"/admin/sims/sim/{sim.pk}/delete/", {"post": "yes"}).status_code == 403
