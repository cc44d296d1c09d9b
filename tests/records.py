"""A record of each sort, for tests that go through all addresses."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.utils import timezone

from core import audit
from core.models import AuditEntry, Export
from notifications.models import Delivery, Notification, Push
from notifications.services import forwards, sources
from notifications.tests.rule_helpers import make_event, make_rule
from operations.models import Operation
from operations.tests.job_rows import planned_job
from sims.models import RatePlan, Subscription
from sims.services.notes import add_note
from sims.services.timeline import record_plain
from sms.models import MessageTemplate
from staff.models import User


@pytest.fixture
def records(make_user: Any, make_sim: Any, agent: User, administrator: User, tmp_path: Any, monkeypatch: Any) -> dict:
    """A record of each sort, by the name that ``of`` has in the table: its key in an address."""
    monkeypatch.setitem(settings.CONFIG, "DATA_DIR", tmp_path)
    now, day = timezone.now(), {"read_at": timezone.now()}
    sim, waiting = (make_sim(plan="EU-PLAN", pool="EU-POOL", country_code="DE") for _ in range(2))
    account, plan, pool = sim.account, sim.plan, sim.pool
    type(pool).objects.filter(pk=pool.pk).update(account=account)
    plan.accounts.add(account)
    RatePlan.objects.filter(pk=plan.pk).update(fetched_at=now)

    def operation(**fields: Any) -> Operation:
        return Operation.objects.create(kind="suspend", actor=agent, reason="lost", next_attempt_at=None, **fields)

    done = operation(sim=sim, state="done", finished_at=now)
    wish = operation(sim=waiting, state="awaiting_approval", expires_at=now + timedelta(days=1))
    source, token = sources.create_source("tenant")
    forward, _secret = forwards.create_forward(name="Tickets", url="https://93.184.216.34/in", actor=administrator)
    rule, used = (make_rule(accounts=[account.name], automatic=n == 0, operation_kind="suspend") for n in range(2))
    event = make_event(sim)
    line = Notification.objects.create(
        rule=used,
        kind=event.kind,
        account_name=account.name,
        severity="warning",
        first_at=now,
        last_at=now,
        joins=False,
    )
    about = {"kind": event.kind, "account_name": account.name}
    delivery = Delivery.objects.create(
        channel="webhook", forward=forward, event=event, key="d", body="{}", state="failed", **about
    )
    push = Push.objects.create(source=source, giccid=sim.giccid, body="{}", state="dead", **about)
    audit.record(action="sim.looked_at", actor=agent, target=sim, account_name=account.name)
    (tmp_path / "exports").mkdir()
    (tmp_path / "exports" / "runs.csv").write_text("run\n")
    export = Export.objects.create(
        owner=administrator,
        exporter="sync_runs",
        format="csv",
        title="Runs",
        file_name="runs.csv",
        state="done",
        stored_as="runs.csv",
        expires_at=now + timedelta(days=1),
        next_attempt_at=None,
    )
    add_note(sim=sim, author=agent, text="a note")
    record_plain(sim=sim, kind="status", at=now, to_value="ACTIVATED")
    subscription = Subscription.objects.create(sim=sim, plan=plan, carrier_id="s-1")
    create = {
        "sms_message": {"sim": sim, "direction": "mo", "text": "hello"},
        "sims_enterprise": {"name": "Example"},
        "sims_accounthistory": {"account": account, "day": now.date(), **day},
        "sims_poolhistory": {"pool": pool, "day": now.date(), **day},
        "sims_countrymonth": {"account": account, "month": now.date(), "countries": 1, **day},
        "sims_countryusage": {"account": account, "month": now.date(), "country_code": "DE", **day},
        "sims_syncrun": {"kind": "full", "state": "done"},
        "axes_accessattempt": {"username": "x", "failures_since_start": 1},
        "axes_accesslog": {"username": "x"},
        "axes_accessfailurelog": {"username": "x"},
    }
    made = {
        name: apps.get_model(name.replace("_", "."))._default_manager.create(**fields).pk
        for name, fields in create.items()
    }
    of_admin = {
        name: apps.get_model(name.replace("_", "."))._default_manager.latest("pk").pk
        for name in ("sims_timelineevent", "sims_note")
    }
    return {
        "sim": sim.giccid, "account": account.name, "plan": plan.code, "pool": pool.code, "operation": done.pk,
        "wish": wish.pk, "job": planned_job(agent, [sim]).pk, "line": line.pk, "rule": rule.pk, "push": push.pk,
        "delivery": delivery.pk, "audit": AuditEntry.objects.get(action="sim.looked_at").pk, "source": source.pk,
        "forward": forward.pk, "template": MessageTemplate.objects.create(name="t", text="t", changed_by=agent).pk,
        "export": export.pk, "token": token, "word": "a-word", "app": "sims", "content": 1, "url": "no/such/page",
        "staff_user": make_user("Viewer").pk, "operations_operation": done.pk, "sims_sim": sim.pk,
        "sims_subscription": subscription.pk, "sims_account": account.pk, "sims_rateplan": plan.pk,
        "sims_sharepool": pool.pk, **made, **of_admin,
    }  # fmt: skip
