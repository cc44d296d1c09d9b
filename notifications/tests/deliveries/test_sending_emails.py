"""E-mails: at once or collected, once each, not in quiet hours, to addresses that are some."""

from __future__ import annotations

import smtplib
from datetime import UTC, datetime, time, timedelta

import pytest
from django.conf import settings
from django.core import mail
from django.core.exceptions import ValidationError
from django.core.mail.backends import locmem
from django.utils import timezone

from notifications.models import Delivery
from notifications.services import deliveries, emails, mailing
from notifications.tests.deliveries.receivers import let_pass

pytestmark = pytest.mark.django_db
State = Delivery.State
TO = ["noc@customer.example", "Anna@Customer.example"]


def test_each_address_gets_a_mail_with_what_happened_and_a_link(store):
    first, second = store(emails=[*TO, " ANNA@customer.example"], severity="critical", name="Over\nquota")
    assert mailing.send_emails() == 2
    assert mailing.send_emails() == 0
    one, two = mail.outbox
    assert (one.to, two.to) == ([TO[0]], [TO[1]])
    giccid = first.event.sim.giccid
    assert one.subject == f"[Critical] Data usage of the cycle: {giccid}"
    for text in ("112.5 % of the quota used", "EU-100M-M", "Hamburg 7", "Rule: Over quota", "/notifications/"):
        assert text in one.body
    assert one.extra_headers["Message-ID"].startswith(f"<{first.uuid}@")
    assert set(Delivery.objects.values_list("state", flat=True)) == {State.DELIVERED}
    assert second.tries.count() == 1


@pytest.mark.parametrize("digest", ["hourly", "daily"])
def test_collected_ones_are_one_mail_exactly_once(store, make_rule, administrator, digest):
    rule, other = make_rule(emails=TO[:1], digest=digest), make_rule(emails=TO[:1], digest=digest)
    stored = [*store(rule=rule), *store(rule=rule), *store(rule=other)]
    [single] = store(emails=TO[1:], digest=digest)
    assert mailing.send_emails() == 0
    longest = timedelta(hours=1) if digest == "hourly" else timedelta(days=1)
    assert all(timezone.now() < d.next_attempt_at <= timezone.now() + longest for d in stored)
    let_pass(days=1)
    assert emails.collect_due() == 2
    assert emails.collect_due() == 0
    assert mailing.send_emails() == 2
    assert mailing.send_emails() == 0
    by_address = {message.to[0]: message for message in mail.outbox}
    assert by_address[TO[0]].subject == "3 notifications"
    for delivery in stored:
        assert by_address[TO[0]].body.count(delivery.event.sim.giccid) == 1
        delivery.refresh_from_db()
        assert delivery.state == State.COLLECTED
        assert delivery.part_of.state == State.DELIVERED
    assert single.event.sim.giccid in by_address[TO[1]].body
    assert not deliveries.resend(stored[0], actor=administrator)


def test_one_worker_at_a_time_sends(store, valkey, monkeypatch):
    store(emails=TO[:1])
    seen = []
    monkeypatch.setattr(emails, "collect_due", lambda: seen.append(mailing.send_emails()))
    assert mailing.send_emails() == 1
    assert seen == [0]


def test_a_flood_is_one_mail(store, make_rule):
    rule = make_rule(emails=TO)
    for _ in range(emails.MOST_AT_ONCE + 1):
        store(rule=rule)
    assert mailing.send_emails() == 2
    assert [message.subject for message in mail.outbox] == ["21 notifications"] * 2
    store(rule=rule)
    assert mailing.send_emails() == 2
    assert mail.outbox[-1].subject.startswith("[Warning]")


def test_a_long_list_is_cut_and_counted(store, make_rule, monkeypatch):
    monkeypatch.setattr(emails, "MOST_IN_A_DIGEST", 2)
    rule = make_rule(emails=TO[:1], digest="hourly")
    for _ in range(3):
        store(rule=rule)
    let_pass(hours=1)
    mailing.send_emails()
    [message] = mail.outbox
    assert message.subject == "3 notifications"
    assert "And 1 more" in message.body


def test_quiet_hours_hold_mails_back_but_nothing_grave(store):
    now = timezone.now()
    quiet = {
        "quiet_from": (now - timedelta(hours=1)).time(),
        "quiet_until": (now + timedelta(hours=2)).time(),
        "quiet_zone": "UTC",
    }
    [waits] = store(emails=TO[:1], **quiet)
    assert timedelta(hours=1, minutes=59) < waits.next_attempt_at - now < timedelta(hours=2, minutes=1)
    store(emails=TO[:1], severity="critical", **quiet)
    assert mailing.send_emails() == 1
    assert "[Critical]" in mail.outbox[0].subject


def test_the_next_full_hour_and_the_hour_of_the_day():
    at = datetime(2026, 11, 22, 7, 59, 59, tzinfo=UTC)
    assert deliveries.digest_time("hourly", at) == datetime(2026, 11, 22, 8, tzinfo=UTC)
    assert deliveries.digest_time("daily", at) == datetime(2026, 11, 22, 8, tzinfo=UTC)
    assert deliveries.digest_time("daily", at + timedelta(seconds=1)) == datetime(2026, 11, 23, 8, tzinfo=UTC)
    assert time(settings.CONFIG["DIGEST_HOUR"]) == time(8)


class Failing(locmem.EmailBackend):
    """Raises what the test says."""

    error: Exception | None = None

    def send_messages(self, messages):
        if Failing.error is not None:
            raise Failing.error
        return super().send_messages(messages)


@pytest.mark.parametrize(
    "error",
    [ConnectionRefusedError(111, "refused"), smtplib.SMTPRecipientsRefused({}), smtplib.SMTPServerDisconnected()],
)
def test_a_mail_server_that_fails_is_tried_again(store, settings, error):
    settings.EMAIL_BACKEND = f"{__name__}.Failing"
    [delivery] = store(emails=TO[:1])
    Failing.error = error
    assert mailing.send_emails() == 1
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == (State.QUEUED, 1)
    assert delivery.next_attempt_at > timezone.now()
    assert type(error).__name__ in delivery.problem
    Failing.error = None
    let_pass(seconds=60)
    assert mailing.send_emails() == 1
    assert len(mail.outbox) == 1
    [late] = store(emails=TO[:1])
    Failing.error = error
    let_pass(hours=25)
    mailing.send_emails()
    late.refresh_from_db()
    assert late.state == State.FAILED
    Failing.error = None


def test_without_a_mail_server_it_waits_and_says_so(store, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    [delivery] = store(emails=TO[:1])
    mailing.send_emails()
    delivery.refresh_from_db()
    assert (delivery.state, "EMAIL_URL" in delivery.problem) == (State.QUEUED, True)


BAD = [
    "",
    "x",
    "a@b",
    "a@b.example\nBcc: c@d.example",
    "a@b.example, c@d.example",
    "A <a@b.example>",
    7,
    "a\x00@b.example",
]


def test_addresses_that_are_none_are_refused_in_forms_and_passed_over_later(store, make_sim):
    assert emails.clean_addresses([" a@b.example ", "", "A@B.example"]) == ["a@b.example"]
    for bad in BAD[1:]:
        if isinstance(bad, str):
            with pytest.raises(ValidationError):
                emails.clean_addresses([bad])
    with pytest.raises(ValidationError, match="At most"):
        emails.clean_addresses([f"a{n}@b.example" for n in range(51)])
    stored = [bad for bad in BAD if "\x00" not in str(bad)]  # which PostgreSQL does not keep
    assert [d.email for d in store(emails=[*stored, TO[0]])] == [TO[0]]
    assert emails.usable_addresses([*BAD, TO[0]]) == [TO[0]]
    assert store(emails="a@b.example") == []


def test_no_value_begins_a_header_or_a_line_of_its_own(store, make_rule, make_sim, make_event):
    sim = make_sim(custom1="a\r\nBcc: evil@x.example", plan="P\n1")
    rule = make_rule(emails=TO[:1], name="R\r\nBcc: evil@x.example")
    event, line = make_event(rule, sim=sim, kind="K\r\nBcc: evil@x.example", detail={"x": "\r\n.\r\n"})
    deliveries.store(rule=rule, event=event, notification=line)
    assert mailing.send_emails() == 1
    [message] = mail.outbox
    assert message.recipients() == TO[:1]
    assert "\n" not in message.subject
    assert not any(text.startswith("Bcc") for text in message.body.splitlines())
