"""What is old goes, and nothing that somebody may still want."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from notifications.models import Event, Notification, NotificationItem, ReadMark
from notifications.services import centre, retention

pytestmark = pytest.mark.django_db


def test_closed_notifications_go_and_take_their_events_along(make_line, make_sim, agent, monkeypatch):
    monkeypatch.setattr(retention, "CHUNK", 2)
    old = [make_line([make_sim()]) for _ in range(5)]
    fresh, still_open = make_line([make_sim()]), make_line([make_sim()])
    centre.mark_read(agent, [line.pk for line in old])
    centre.close(agent, [line.pk for line in [*old, fresh]], "done")
    long_ago = timezone.now() - timedelta(days=181)
    Event.objects.update(recorded_at=long_ago)
    Notification.objects.filter(pk__in=[line.pk for line in old]).update(closed_at=long_ago)
    assert retention.prune() == 5 + 5
    assert set(Notification.objects.all()) == {fresh, still_open}
    assert Event.objects.count() == NotificationItem.objects.count() == 2, "named ones stay, however old"
    assert not ReadMark.objects.exists()
    assert retention.prune() == 0


def test_events_that_nobody_names_go_after_their_days_unless_the_rules_are_due():
    now = timezone.now()
    for number, (days, due) in enumerate([(91, None), (91, now), (89, None)]):
        Event.objects.create(
            kind="IMEI_CHANGE", key=str(number), at=now, recorded_at=now - timedelta(days=days), next_attempt_at=due
        )
    assert retention.prune() == 1
    assert set(Event.objects.values_list("key", flat=True)) == {"1", "2"}
