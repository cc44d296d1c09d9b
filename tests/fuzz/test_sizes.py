"""Every text that somebody can send has a length at which it is refused or cut, before the database sees it.

A ``CharField`` of a model has its length. A ``TextField`` or ``JSONField`` has none: below stands what limits each.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django import forms
from django.apps import apps
from django.conf import settings
from django.db import models
from django.test import Client
from django.urls import get_resolver

OURS = {"core", "staff", "sims", "operations", "sms", "notifications"}
BY_OTHER_MEANS = {
    "identifiers": "lines and their length are counted by operations.identifiers; the request has 12 MB at most",
    "username": "the form takes the model's length when it is made, and looks at it (staff.forms)",
    "password": "only compared with a digest; the request has 12 MB at most",
    "password1": "as above",
    "password2": "as above",
}


LONG = {
    "the length of the form's field": """
        core.AuditEntry.reason sims.Note.text sims.TimelineEvent.reason operations.Operation.reason
        operations.BatchJob.reason operations.BatchJob.decision_reason sms.Draft.text sms.MessageTemplate.text
        notifications.Notification.note notifications.PushSource.networks notifications.PushSource.hmac_key
        notifications.Rule.emails
    """,
    "choices that are known, or fields of a form with their lengths; at most 1,000 of them in a request": """
        operations.Operation.params operations.BatchJob.params operations.BatchLine.params notifications.Rule.kinds
        notifications.Rule.accounts notifications.Rule.plans notifications.Rule.tags notifications.Rule.operation_params
        staff.User.preferences
    """,
    "the number and length of lines: operations.identifiers, BATCH_MAX_LINES": """
        operations.BatchInput.lines operations.BatchLine.candidates
    """,
    "the head of a request, where the query of a list stands": "core.Export.params",
    "PUSH_MAX_BYTES": "notifications.Push.body sms.Message.text",
    "an answer of the carrier, 16 MB for a page of its list: kept as it came, its columns cut": """
        sims.Enterprise.raw sims.Enterprise.contact sims.Account.raw sims.AccountHistory.status_counts
        sims.RatePlan.raw sims.RatePlan.country_codes sims.SharePool.raw sims.SimReading.raw sims.Sim.apns
        operations.Operation.before operations.Operation.result
    """,
    "cut by who writes it: facts of a push, words of the carrier, answers of receivers": """
        notifications.Event.detail notifications.Push.result notifications.Push.problem
        notifications.Delivery.problem notifications.DeliveryAttempt.answer notifications.DeliveryAttempt.problem
        operations.Operation.message operations.OperationAttempt.detail operations.BatchJob.message
        operations.BatchChunk.message sims.SyncRun.message core.Export.message
    """,
    "made by the portal of columns and of the above": """
        core.AuditEntry.before core.AuditEntry.after core.Export.accounts sims.Sim.search sims.SimTally.value
        sims.SyncRun.cursor sims.TimelineEvent.detail sims.TimelineEvent.tellings operations.BatchJob.cost_before
        operations.BatchJob.cost_after notifications.Delivery.body notifications.Forward.secret
        notifications.Forward.previous_secret notifications.NotificationItem.proposal_refused
    """,
}


def _forms(base: type[Any]) -> Iterator[type[Any]]:
    for form in base.__subclasses__():
        yield form
        yield from _forms(form)


def test_every_field_of_text_has_its_length() -> None:
    assert get_resolver().url_patterns  # all views, and with them all forms, are there
    endless = {
        f"{form.__module__}.{form.__qualname__}.{name}"
        for form in _forms(forms.BaseForm)
        if form.__module__.split(".")[0] in OURS
        for name, field in getattr(form, "base_fields", {}).items()
        if isinstance(field, forms.CharField) and field.max_length is None and name not in BY_OTHER_MEANS
    }
    assert not endless, f"Give these a max_length: {sorted(endless)}"


def test_each_long_text_of_the_models_has_its_limit() -> None:
    there = {
        f"{model._meta.label}.{field.name}"
        for model in apps.get_models()
        if model._meta.app_label in OURS
        for field in model._meta.concrete_fields
        if isinstance(field, models.TextField | models.JSONField)
    }
    listed = [name for names in LONG.values() for name in names.split()]
    assert sorted(listed) == sorted(there)


@pytest.mark.django_db
def test_a_request_has_its_limits(client: Client) -> None:
    kind = "application/x-www-form-urlencoded"
    too_long = "x=" + "a" * settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    too_many = "x=1&" * (settings.DATA_UPLOAD_MAX_NUMBER_FIELDS + 1)
    for body in (too_long, too_many):
        assert client.post("/login/", body, content_type=kind).status_code == 400
