"""Push sources: their pages, tokens that overlap, signatures, networks, limits, silence."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from core import events
from core.models import AuditEntry
from notifications.forms_sources import SourceForm
from notifications.models import Push, PushSource
from notifications.services import limits, pruning, silence, sources
from notifications.tasks import prune_pushes

BODY = {"eventId": "e-1", "eventType": "SIM_STATUS_CHANGE", "giccid": "8986011805021000040"}
KEY = "a key of sixteen characters"


def address_in(html: str) -> str:
    """The token of the address that a page shows."""
    return re.findall(r"data-push-address>http://testserver/webhooks/smarthub/([^/]+)/<", html)[0]


@pytest.mark.parametrize("role", ["Viewer", "Agent", "Supervisor"])
def test_sources_are_for_administrators(role, make_user, login, source):
    client = login(make_user(role))
    for path in ("", "new/", f"{source.pk}/"):
        assert client.get(f"/pushes/sources/{path}").status_code == 403
    for path in ("new/", f"{source.pk}/", f"{source.pk}/rotate/", f"{source.pk}/end-previous/", f"{source.pk}/key/"):
        assert client.post(f"/pushes/sources/{path}", {"name": "x"}).status_code == 403
    assert PushSource.objects.get().token_digest == source.token_digest


def test_from_an_empty_list_to_a_source_that_pushes(administrator, login, post, db):
    client = login(administrator)
    PushSource.objects.all().delete()
    assert "/pushes/sources/new/" in client.get("/pushes/sources/").content.decode()
    data = {"name": "Tenant A", "networks": "127.0.0.1\n2001:db8::/32", "silence_hours": "12"}
    made = client.post("/pushes/sources/new/", data)
    assert made.status_code == 200
    assert "no-store" in made["Cache-Control"]
    token = address_in(made.content.decode())
    source = PushSource.objects.get()
    assert (source.networks, source.silence_hours) == (["127.0.0.1/32", "2001:db8::/32"], 12)
    assert post(BODY, token=token).status_code == 200
    for path in ("", f"{source.pk}/"):
        html = client.get(f"/pushes/sources/{path}").content.decode()
        assert "Tenant A" in html
        assert "/pushes/?source=Tenant%20A&amp;state=received" in html
        assert token not in html
        assert source.token_digest not in html


@pytest.mark.parametrize(
    ("data", "wrong"),
    [
        ({"name": "TENANT"}, "Another source has this name."),
        ({"name": ""}, "required"),
        ({"networks": "192.0.2.1/24"}, "192.0.2.1/24 is no network"),
        ({"networks": "here"}, "here is no network"),
        ({"silence_hours": "-1"}, "greater than or equal to 0"),
    ],
)
def test_what_can_not_be_is_refused_in_words(data, wrong, administrator, login, source):
    answer = login(administrator).post("/pushes/sources/new/", {"name": "new", "silence_hours": "0", **data})
    assert answer.status_code == 422
    assert wrong in answer.content.decode()
    assert PushSource.objects.count() == 1


def test_changes_are_audited_without_a_secret(administrator, login, source, token, post):
    client = login(administrator)
    page = f"/pushes/sources/{source.pk}/"
    assert client.post(page, {"name": "renamed", "networks": "", "silence_hours": "0"}).status_code == 303
    assert post(BODY).status_code == 404, "switched off"
    assert client.post(page, {"name": "renamed", "silence_hours": "0", "active": "on"}).status_code == 303
    assert client.post(f"{page}key/", {"key": "short"}).status_code == 422
    assert client.post(f"{page}key/", {"key": KEY}).status_code == 303
    assert KEY not in client.get(page).content.decode()
    assert KEY not in PushSource.objects.get().hmac_key
    new = address_in(client.post(f"{page}rotate/", {"overlap_hours": "1"}).content.decode())
    assert client.post(f"{page}end-previous/").status_code == 303
    assert client.post(f"{page}key/", {"remove": "1"}).status_code == 303
    entries = list(AuditEntry.objects.filter(action__startswith="push_source.").order_by("pk"))
    assert [entry.action.split(".")[1] for entry in entries] == [
        "created",
        "changed",
        "changed",
        "key_set",
        "rotated",
        "rotation_ended",
        "key_removed",
    ]
    assert entries[1].before == {"name": "tenant", "active": True}
    written = json.dumps([[entry.before, entry.after, entry.reason] for entry in entries])
    for secret in (token, new, KEY, sources.digest(token), sources.digest(new)):
        assert secret not in written


def test_after_a_rotation_both_tokens_are_good_until_the_chosen_end(administrator, login, source, post, token):
    client = login(administrator)
    page = f"/pushes/sources/{source.pk}/"
    new = address_in(client.post(f"{page}rotate/", {"overlap_hours": "24"}).content.decode())
    assert [post(BODY, token=one).status_code for one in (token, new)] == [200, 200]
    PushSource.objects.update(previous_until=timezone.now() - timedelta(seconds=1))
    sources.forget_cached()
    assert [post(BODY, token=one).status_code for one in (token, new)] == [404, 200]
    newest = address_in(client.post(f"{page}rotate/", {"overlap_hours": "1"}).content.decode())
    assert [post(BODY, token=one).status_code for one in (token, new, newest)] == [404, 200, 200]
    assert "End it now" in client.get(page).content.decode()
    client.post(f"{page}end-previous/")
    assert [post(BODY, token=one).status_code for one in (new, newest)] == [404, 200]
    client.post(f"{page}rotate/", {"overlap_hours": "0"})
    assert post(BODY, token=newest).status_code == 404


def test_a_second_click_does_not_end_the_token_that_the_carrier_uses(administrator, login, source, post, token):
    client = login(administrator)
    page = f"/pushes/sources/{source.pk}/"
    seen = re.findall(r'name="seen" value="([^"]+)"', client.get(page).content.decode())[0]
    assert seen not in (source.token_digest, token)
    new = address_in(client.post(f"{page}rotate/", {"overlap_hours": "24", "seen": seen}).content.decode())
    again = client.post(f"{page}rotate/", {"overlap_hours": "24", "seen": seen})
    assert again.status_code == 422
    assert "This click has changed nothing." in again.content.decode()
    assert [post(BODY, token=one).status_code for one in (token, new)] == [200, 200]


def test_a_name_that_was_taken_after_the_look_is_said_at_its_field(administrator, login, source, monkeypatch):
    other, _token = sources.create_source("other")
    monkeypatch.setattr(SourceForm, "clean_name", lambda form: form.cleaned_data["name"])
    client = login(administrator)
    fields = {"name": source.name, "networks": "", "silence_hours": "0"}
    for path in ("new/", f"{other.pk}/"):
        answer = client.post(f"/pushes/sources/{path}", fields)
        assert answer.status_code == 422
        assert "Another source has this name." in answer.content.decode()
    assert PushSource.objects.count() == 2


def test_a_signature_is_asked_for_once_a_key_is_set(source, post, administrator, monkeypatch):
    sources.set_key(source, KEY, actor=administrator)
    raw = json.dumps(BODY).encode()
    good = "sha256=" + hmac.new(KEY.encode(), raw, hashlib.sha256).hexdigest()
    assert post(raw).status_code == 401
    for wrong in ("", "sha256=", good[:-1], good[7:], good.replace("sha256", "sha1"), "sha256=\xff"):
        assert post(raw, headers={"X-SmartHub-Signature": wrong}).status_code == 401
    assert post(raw + b" ", headers={"X-SmartHub-Signature": good}).status_code == 401
    assert not Push.objects.exists()
    assert post(raw, headers={"X-SmartHub-Signature": good}).status_code == 200
    monkeypatch.setitem(settings.CONFIG, "ENCRYPTION_KEYS", ["another"])
    sources.forget_cached()
    assert post(raw, headers={"X-SmartHub-Signature": good}).status_code == 503, "nobody can tell: send it again"
    monkeypatch.undo()
    sources.set_key(source, "", actor=administrator)
    assert post(raw).status_code == 200


@pytest.mark.parametrize(
    ("networks", "address", "forwarded", "proxy", "status"),
    [
        (["192.0.2.0/24"], "192.0.2.7", "", False, 200),
        (["192.0.2.0/24"], "192.0.3.7", "192.0.2.7", False, 404),
        (["192.0.2.0/24"], "10.0.0.1", "192.0.2.9, 192.0.3.7", True, 404),
        (["192.0.2.0/24"], "10.0.0.1", "192.0.3.7, 192.0.2.9", True, 200),
        (["192.0.2.0/24"], "::ffff:192.0.2.1", "", False, 200),
        (["2001:db8::/32"], "2001:db8:1::5", "", False, 200),
        (["2001:db8::/32"], "192.0.2.7", "", False, 404),
        (["2001:db8::/32"], "", "nonsense", True, 404),
    ],
)
def test_only_from_its_networks(networks, address, forwarded, proxy, status, source, post, monkeypatch):
    monkeypatch.setitem(settings.CONFIG, "BEHIND_PROXY", proxy)
    PushSource.objects.update(networks=networks)
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    assert post(BODY, REMOTE_ADDR=address, headers=headers).status_code == status
    assert Push.objects.count() == (status == 200)


def test_a_flood_of_one_source_is_told_to_come_again_and_holds_nobody_up(post, source, monkeypatch):
    monkeypatch.setitem(settings.CONFIG, "PUSH_RATE", 5)
    _, other = sources.create_source("other")
    answers = [post({**BODY, "eventId": str(n)}) for n in range(7)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 2
    assert 1 <= int(answers[-1]["Retry-After"]) <= 60
    assert post(BODY, token=other).status_code == 200
    monkeypatch.setitem(settings.CONFIG, "PUSH_RATE", 60)
    limits.forget()
    large = {"eventType": "X", "text": "x" * 40 * 4096}
    assert [post(large).status_code for _ in range(2)] == [200, 429], "large bodies are a flood sooner"


def test_what_other_processes_took_counts_too(source, monkeypatch):
    monkeypatch.setitem(settings.CONFIG, "PUSH_RATE", 30)
    monkeypatch.setattr(limits, "SHARE_EVERY", 0.0)
    monkeypatch.setattr(limits, "WINDOW", 3600 * 24 * 365)
    processes = [dict[int, limits._Meter]() for _ in range(3)]
    taken = 0
    for turn in range(60):
        monkeypatch.setattr(limits, "_meters", processes[turn % 3])
        taken += limits.wait_before(source.pk, 10) == 0
    assert taken == 30


def test_a_backlog_has_an_end(post, source, make_push, monkeypatch):
    monkeypatch.setitem(settings.CONFIG, "PUSH_BACKLOG", 3)
    monkeypatch.setattr(limits, "COUNT_EVERY", 2)
    for number in range(4):
        make_push({**BODY, "eventId": str(number)})
    answers = [post(BODY) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 429, 429]
    Push.objects.update(state="done", next_attempt_at=None)
    limits.forget()
    assert post(BODY).status_code == 200


def test_finished_pushes_go_after_their_time_or_when_they_are_too_many(make_push, monkeypatch):
    monkeypatch.setattr(pruning, "CHUNK", 2)
    old = timezone.now() - timedelta(days=31)
    very_old = timezone.now() - timedelta(days=91)
    for state, at in [("done", old)] * 5 + [("dead", very_old), ("rejected", very_old), ("ignored", very_old)]:
        make_push(BODY, state=state, next_attempt_at=None, received_at=at)
    kept = {
        make_push(BODY, state="done", next_attempt_at=None).pk,
        make_push(BODY, state="received", received_at=very_old).pk,
        make_push(BODY, state="dead", next_attempt_at=None, received_at=old).pk,
    }
    assert pruning.prune() == 8
    assert set(Push.objects.values_list("pk", flat=True)) == kept
    monkeypatch.setitem(settings.CONFIG, "PUSH_KEEP_MOST", 1)
    prune_pushes()
    assert set(Push.objects.values_list("state", flat=True)) == {"received", "dead"}


def test_a_silence_is_told_of_once_and_the_next_one_again(source, monkeypatch):
    told: list[events.Happening] = []
    monkeypatch.setattr(events, "_listeners", [told.extend])
    assert silence.check() == 0, "not watched"
    now = timezone.now()
    PushSource.objects.update(silence_hours=2, last_push_at=now - timedelta(hours=3))
    assert [silence.check(), silence.check()] == [1, 0]
    assert (told[0].kind, told[0].value, told[0].detail["source"]) == ("push_silence", 3.0, "tenant")
    PushSource.objects.update(last_push_at=now - timedelta(hours=1))
    assert silence.check() == 0, "it pushed again"
    PushSource.objects.update(last_push_at=now - timedelta(hours=2.5))
    assert silence.check() == 1
    assert told[0].key != told[1].key
    PushSource.objects.update(active=False, last_push_at=now - timedelta(hours=9))
    assert silence.check() == 0, "switched off"
