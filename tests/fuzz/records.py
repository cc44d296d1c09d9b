"""One record of each sort, so that every address leads to something."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.apps import apps
from django.utils import timezone

from core import audit
from core.models import AuditEntry
from notifications.models import Delivery, Notification, Push
from notifications.services import forwards, sources
from notifications.tests.rule_helpers import make_event, make_rule
from operations.models import Operation
from operations.tests.job_rows import planned_job
from sims.services.notes import add_note
from sims.services.timeline import record_plain
from sms.models import MessageTemplate


def records(make_sim: Any, administrator: Any, agent: Any) -> dict[str, list[Any]]:
    """Keys of records by the beginning of the addresses that they have a place in; the longest beginning counts."""
    now = timezone.now()
    sim, waiting = (make_sim(plan="EU-PLAN", pool="EU-POOL", country_code="DE") for _ in range(2))
    type(sim.pool).objects.update(account=sim.account)
    sim.plan.accounts.add(sim.account)
    asked: dict[str, Any] = {"kind": "suspend", "actor": agent, "reason": "lost", "next_attempt_at": None}
    done = Operation.objects.create(sim=sim, state="done", finished_at=now, **asked)
    wish = Operation.objects.create(sim=waiting, state="awaiting_approval", expires_at=now + timedelta(days=1), **asked)
    source, _token = sources.create_source("tenant")
    forward, _secret = forwards.create_forward(name="Tickets", url="https://93.184.216.34/in", actor=administrator)
    rule = make_rule(accounts=[sim.account.name], operation_kind="suspend")
    event = make_event(sim)
    about = {"kind": event.kind, "account_name": sim.account.name}
    line = Notification.objects.create(rule=rule, severity="warning", first_at=now, last_at=now, joins=False, **about)
    delivery = Delivery.objects.create(
        channel="webhook", forward=forward, event=event, key="d", body="{}", state="failed", **about
    )
    push = Push.objects.create(source=source, giccid=sim.giccid, body="{}", state="dead", **about)
    audit.record(action="sim.looked_at", actor=agent, target=sim, account_name=sim.account.name)
    add_note(sim=sim, author=agent, text="a note")
    record_plain(sim=sim, kind="status", at=now, to_value="ACTIVATED")
    template = MessageTemplate.objects.create(name="t", text="hello {custom1}", changed_by=agent)
    job = planned_job(administrator, [sim])
    found = {
        "/": [1],
        "/sims/": [sim.giccid, "suspend"],
        "/accounts/": [sim.account.name],
        "/pools/": [sim.pool.code],
        "/plans/": [sim.plan.code],
        "/operations/": [wish.pk],
        "/operations/<int:pk>/badge": [done.pk],
        "/jobs/": [job.pk],
        "/sms/": [sim.giccid],
        "/sms/templates/": [template.pk],
        "/sms/jobs/": [job.pk],
        "/audit/": [AuditEntry.objects.latest("pk").pk],
        "/notifications/": [line.pk],
        "/notifications/act/": ["close"],
        "/notifications/rules/": [rule.pk],
        "/notifications/forwards/": [forward.pk],
        "/notifications/deliveries/": [delivery.pk],
        "/pushes/": [push.pk],
        "/pushes/sources/": [source.pk],
        "/profile/confirm/": ["a-word"],
    }
    for model in apps.get_models():
        row = model._default_manager.order_by("-pk").first()
        if row is not None:
            found[f"/admin/{model._meta.app_label}/{model._meta.model_name}/"] = [row.pk]
    return found


def path_of(route: str, keys: list[Any]) -> str:
    """``route`` with ``keys`` in its places."""
    for key in [*keys, *["x"] * 3]:
        start, place, rest = route.partition("<")
        if not place:
            break
        route = f"{start}{key}{rest.partition('>')[2]}"
    return route
