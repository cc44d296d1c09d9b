"""The pages of outgoing webhooks and of what was sent: for administrators, keys shown once, answers readable."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from core.encryption import decrypt
from core.models import AuditEntry
from notifications.models import Delivery, Forward
from notifications.services import sending
from notifications.services.deliveries import store_test

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}
FORM = {"name": "Ticket system", "active": "on"}


@pytest.fixture
def admin(login, administrator):
    return login(administrator)


def key_in(answer) -> str:
    [key] = re.findall(r"data-forward-secret>([^<]+)<", answer.content.decode())
    return key


def test_a_webhook_is_made_its_key_shown_once_and_a_test_shows_the_answer(admin, receiver, loopback_allowed):
    answer = admin.post("/notifications/forwards/new/", {**FORM, "url": receiver.url()})
    key = key_in(answer)
    assert answer["Cache-Control"] == "no-store"
    forward = Forward.objects.get()
    assert decrypt(forward.secret) == key
    for address in ("/notifications/forwards/", f"/notifications/forwards/{forward.pk}/"):
        page = admin.get(address).content.decode()
        assert "Ticket system" in page
        assert key not in page
        assert forward.secret not in page
    answer = admin.post(f"/notifications/forwards/{forward.pk}/test/")
    assert answer.status_code == 303
    page = admin.get(answer["Location"]).content.decode()
    assert 'data-delivery-state="queued"' in page
    assert 'hx-trigger="every 1s"' in page
    receiver.answer = b"<b>welcome</b>"
    sending.send_forward(forward.pk)
    part = admin.get(answer["Location"], headers=HTMX)
    assert part.status_code == 286
    assert 'data-delivery-state="delivered"' in part.content.decode()
    assert "&lt;b&gt;welcome&lt;/b&gt;" in part.content.decode()
    assert 'data-delivery-status="200"' in part.content.decode()


def test_the_key_before_signs_along_and_the_page_says_until_when_and_ends_it(admin, forward):
    page, key = f"/notifications/forwards/{forward.pk}/", forward.key
    html = admin.get(page).content.decode()
    [seen] = re.findall(r'name="seen" value="([^"]+)"', html)
    assert "For 24 hours everything is signed with both keys" in html
    assert "Two keys sign now" not in html
    answer = admin.post(f"{page}key/", {"seen": seen})
    new = key_in(answer)
    assert "signed with the key before, too, until" in answer.content.decode()
    rotated = Forward.objects.get()
    assert (decrypt(rotated.secret), decrypt(rotated.previous_secret)) == (new, key)
    # A second click on the same page must not end the key that the receiver has.
    assert admin.post(f"{page}key/", {"seen": seen})["Location"] == page
    assert (Forward.objects.get().secret, Forward.objects.get().previous_secret) == (
        rotated.secret,
        rotated.previous_secret,
    )
    html = admin.get(page).content.decode()
    assert "Two keys sign now" in html
    assert rotated.previous_until is not None
    assert f'datetime="{rotated.previous_until.isoformat()[:16]}' in html
    for _ in range(2):
        assert admin.post(f"{page}end-key/").status_code == 303
    assert "Two keys sign now" not in admin.get(page).content.decode()
    actions = AuditEntry.objects.filter(action__startswith="forward.").order_by("pk").values_list("action", flat=True)
    assert list(actions) == ["forward.created", "forward.rotated", "forward.key_before_ended"]


def test_an_unusable_form_is_refused_with_a_word(admin, forward):
    bad = [
        {"name": "", "url": "https://hooks.example/"},
        {"name": "x", "url": "http://169.254.169.254/latest/"},
        {"name": "x", "url": "ftp://hooks.example/"},
        {"name": "x", "url": "https://me:secret@127.0.0.1/"},
        {"name": forward.name, "url": forward.url},
        {"name": "x\x00", "url": forward.url},
    ]
    for data in bad:
        answer = admin.post("/notifications/forwards/new/", data)
        assert answer.status_code == 422, data
        assert b'aria-invalid="true"' in answer.content
    assert Forward.objects.count() == 1
    answer = admin.post(f"/notifications/forwards/{forward.pk}/", {"name": "x", "url": "http://0.0.0.0/"})
    assert answer.status_code == 422
    assert (
        admin.post(f"/notifications/forwards/{forward.pk}/", {"name": "Other", "url": forward.url}).status_code == 303
    )
    forward.refresh_from_db()
    assert (forward.name, forward.active) == ("Other", False)


def test_the_list_says_how_each_does(admin, forward, receiver, store):
    for status in (200, 200, 200, 500):
        receiver.status = status
        store(forward)
        sending.send_forward(forward.pk)
    html = admin.get("/notifications/forwards/").content.decode()
    assert 'data-forward-state="failing"' in html
    assert "75 %" in html
    assert "1 failure in a row" in html
    Forward.objects.update(failures=12, closed_until=timezone.now() + sending.FIRST_BREAK)
    assert 'data-forward-state="paused"' in admin.get("/notifications/forwards/").content.decode()


def test_removing_asks_first_and_takes_the_log_along(admin, forward, store, make_rule):
    store(forward, name="Over quota")
    address = f"/notifications/forwards/{forward.pk}/delete/"
    for headers in ({}, HTMX):
        assert "Over quota" in admin.get(address, headers=headers).content.decode()
    assert Forward.objects.exists()
    assert admin.post(address).status_code == 303
    assert not Forward.objects.exists()
    assert not Delivery.objects.exists()


def test_the_log_is_filtered_and_takes_the_same_number_of_queries(admin, forward, receiver, store, administrator):
    [taken] = store(forward)
    sending.send_forward(forward.pk)
    receiver.status = 500
    [waiting, mail] = store(forward, emails=["noc@customer.example"])
    sending.send_forward(forward.pk)
    test = store_test(forward, actor=administrator)

    def shown(query: str) -> set[int]:
        html = admin.get(f"/notifications/deliveries/?{query}", headers={**HTMX, "HX-Target": "results"})
        return set(map(int, re.findall(r'data-delivery="(\d+)"', html.content.decode())))

    assert shown("") == {taken.pk, waiting.pk, mail.pk, test.pk}
    assert shown("state=delivered") == {taken.pk}
    assert shown("channel=email") == {mail.pk}
    assert shown("forward=Ticket+system") == {taken.pk, waiting.pk, test.pk}
    assert shown("kind=test") == {test.pk}
    assert shown(f"q={taken.uuid}") == {taken.pk}
    assert shown(f"q={waiting.event.sim.giccid}") == {waiting.pk, mail.pk}
    assert shown("q=nothing") == shown("state=%00") == set()
    counts = []
    for _ in range(2):
        for _ in range(3):
            store(forward, emails=["noc@customer.example"])
        with CaptureQueriesContext(connection) as queries:
            assert admin.get("/notifications/deliveries/").status_code == 200
            assert admin.get("/notifications/forwards/").status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_given_up_it_is_sent_again_from_its_page(admin, forward, receiver, store):
    receiver.status = 503
    [delivery] = store(forward)
    sending.send_forward(forward.pk)
    address = f"/notifications/deliveries/{delivery.pk}/"
    page = admin.get(address).content.decode()
    assert "Send again" not in page
    assert "The receiver answered 503." in page
    assert delivery.event.sim.giccid in page
    Delivery.objects.update(state="failed", next_attempt_at=None)
    assert "Send again" in admin.get(address).content.decode()
    assert admin.post(f"{address}resend/").status_code == 303
    delivery.refresh_from_db()
    assert delivery.state == "queued"
    assert admin.post(f"{address}resend/").status_code == 303
    assert admin.get("/notifications/deliveries/99999999999999999999/").status_code == 404


def test_only_administrators_and_only_of_their_accounts(login, client, make_user, forward, store, make_sim):
    [delivery] = store(forward)
    test = Delivery.objects.create(channel="webhook", forward=forward, kind="test", key="t", body="{}")
    paths = [
        ("get", "/notifications/forwards/"),
        ("get", "/notifications/forwards/new/"),
        ("get", f"/notifications/forwards/{forward.pk}/"),
        ("post", f"/notifications/forwards/{forward.pk}/key/"),
        ("post", f"/notifications/forwards/{forward.pk}/end-key/"),
        ("post", f"/notifications/forwards/{forward.pk}/test/"),
        ("get", f"/notifications/forwards/{forward.pk}/delete/"),
        ("post", f"/notifications/forwards/{forward.pk}/delete/"),
        ("get", "/notifications/deliveries/"),
        ("get", f"/notifications/deliveries/{delivery.pk}/"),
        ("post", f"/notifications/deliveries/{delivery.pk}/resend/"),
    ]
    for method, path in paths:
        assert getattr(client, method)(path).status_code == 302, path
        for role in ("Viewer", "Agent", "Supervisor"):
            assert getattr(login(make_user(role)), method)(path).status_code == 403, (role, path)
    scoped = login(make_user("Administrator", ["example_account"]))
    assert scoped.get(f"/notifications/deliveries/{delivery.pk}/").status_code == 200
    assert scoped.get(f"/notifications/deliveries/{test.pk}/").status_code == 404
    other = login(make_user("Administrator", ["other_account"]))
    assert other.get(f"/notifications/deliveries/{delivery.pk}/").status_code == 404
    assert other.post(f"/notifications/deliveries/{delivery.pk}/resend/").status_code == 404
    assert 'data-delivery="' not in other.get("/notifications/deliveries/").content.decode()
    for method, path in paths[3:6]:
        assert login(make_user("Administrator")).get(path).status_code == 405, (method, path)
