"""What a device said leaves the inbox when its time is over, though the push may stay longer."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from notifications.models import Push
from notifications.services.pruning import remove_personal


@pytest.fixture
def kept_days(monkeypatch):
    """``kept_days(n)`` sets how long texts are kept."""
    return lambda days: monkeypatch.setitem(settings.CONFIG, "SMS_KEEP_DAYS", days)


def test_texts_of_messages_leave_old_pushes(make_push, kept_days):
    old = timezone.now() - timedelta(days=8)
    said = {"eventType": "MO_SMS", "smsMsgId": "1", "messageText": "Zażółć"}
    done, dead, nested, other, waiting, new = (
        make_push(said, kind="MO_SMS", received_at=old, state="done"),
        make_push(said, kind="MO_SMS", received_at=old, state="dead"),
        make_push({**said, "more": {"messageText": "x"}}, kind="MO_SMS", received_at=old, state="done"),
        make_push({**said, "eventType": "OTHER"}, kind="OTHER", received_at=old, state="ignored"),
        make_push(said, kind="MO_SMS", received_at=old, state="received"),
        make_push(said, kind="MO_SMS", state="done"),
    )
    broken = make_push(said, kind="MO_SMS", received_at=old, state="rejected")
    Push.objects.filter(pk=broken.pk).update(body='{"messageText": "half')
    kept_days(0)
    assert remove_personal() == 0
    kept_days(7)
    assert remove_personal() == 4
    assert remove_personal() == 0
    bodies = dict(Push.objects.values_list("pk", "body"))
    for push in (done, dead):
        assert json.loads(bodies[push.pk]) == {"eventType": "MO_SMS", "smsMsgId": "1"}
    assert bodies[nested.pk] == bodies[broken.pk] == ""
    for push in (other, waiting, new):
        assert json.loads(bodies[push.pk])["messageText"] == "Zażółć"
