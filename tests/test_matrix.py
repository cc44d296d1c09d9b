"""Every address × method × role, as a page and for htmx, against the table in ``tests/matrix.py``."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.db import transaction
from django.template.backends.django import Template
from django.test import Client
from django.urls import URLResolver, get_resolver, reverse
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
from tests.matrix import ACTORS, ADMINISTRATOR, OF_ACCOUNT, TABLE, Right

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true", "HX-Target": "results"}
MOST_TOLD = 400
OTHER_METHODS = ("PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
BODY = {"reason": "as the table says", "ticket": "T-1"}


def names_of_addresses() -> Iterator[str]:
    """Each address that there is, by its name in the table."""

    def walk(found: Any, path: str, namespace: str) -> Iterator[str]:
        for entry in found:
            here = path + str(entry.pattern)
            if isinstance(entry, URLResolver):
                yield from walk(entry.url_patterns, here, f"{entry.namespace}:" if entry.namespace else namespace)
                continue
            # Of the admin site, a record's short address has no name, nor has whatever is no page.
            parts = here.split("/")
            yield namespace + (entry.name or (f"{parts[1]}_{parts[2]}" if len(parts) > 3 else "other"))

    yield from walk(get_resolver().url_patterns, "", "")


def test_every_address_has_its_row() -> None:
    names = set(names_of_addresses())
    missing, gone = sorted(names - set(TABLE)), sorted(set(TABLE) - names)
    assert not missing, f"Say in tests/matrix.py who may open these: {missing}"
    assert not gone, f"Rows of tests/matrix.py whose address is gone: {gone}"


@pytest.fixture
def records(make_user: Any, make_sim: Any, agent: User, administrator: User, tmp_path: Any, monkeypatch: Any) -> dict:
    """A record of each sort, by the name that ``of`` has in the table: its key in an address."""
    monkeypatch.setitem(settings.CONFIG, "DATA_DIR", tmp_path)
    monkeypatch.setattr(forwards, "clean_url", lambda url: url)  # looks the name up
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
    forward, _secret = forwards.create_forward(name="Tickets", url="https://example.com/in", actor=administrator)
    rule, used = (make_rule(accounts=[account.name], automatic=n == 0, operation_kind="suspend") for n in range(2))
    event = make_event(sim)
    line = Notification.objects.create(
        rule=used, kind=event.kind, account_name=account.name, severity="warning", first_at=now, last_at=now, joins=False
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
        owner=administrator, exporter="sync runs", format="csv", title="Runs", file_name="runs.csv", state="done",
        stored_as="runs.csv", expires_at=now + timedelta(days=1), next_attempt_at=None,
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
    made = {name: apps.get_model(*name.split("_"))._default_manager.create(**fields).pk for name, fields in create.items()}
    of_admin = {name: apps.get_model(*name.split("_"))._default_manager.latest("pk").pk for name in ("sims_timelineevent", "sims_note")}
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


@pytest.fixture
def _unwritten(monkeypatch: Any) -> Iterator[None]:
    """Nothing is rendered and nothing logged: pages are looked at in the tests of their apps, here they cost minutes."""
    monkeypatch.setattr(Template, "render", lambda *args, **kwargs: "")
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def clients(make_user: Any, agent: User, administrator: User, make_sim: Any) -> dict[str, Client]:
    """Somebody of each sort, signed in a moment ago."""
    make_sim(account="north_logistics")
    people = {
        "nobody": User.objects.create(username="nobody", all_accounts=True),
        "viewer": make_user("Viewer"),
        "agent": agent,
        "supervisor": make_user("Supervisor"),
        "administrator": administrator,
        "limited": make_user("Administrator", ["example_account"]),
        "outsider": make_user("Administrator", ["north_logistics"]),
    }
    assert ["anonymous", *people] == list(ACTORS)
    clients = {name: Client(raise_request_exception=False) for name in ACTORS}
    for name, person in people.items():
        clients[name].force_login(person)
    return clients


def expected(right: Right, actor: str, *, htmx: bool) -> int:
    """What the table says."""
    if actor == "anonymous":
        return right.public or (204 if htmx else 302)
    if actor in right.but:
        return right.but[actor]
    limited = actor in ("limited", "outsider")
    if ACTORS[actor] < right.least or (limited and right.beyond):
        return 403
    if actor == "outsider" and right.of in OF_ACCOUNT:
        return 404
    return (right.htmx if htmx else 0) or right.status


def address(name: str, records: dict[str, Any]) -> str:
    """Where the record lies that the table names for this address."""
    [of] = {right.of for right in TABLE[name].values()}
    if name == "notifications:act":
        return f"{reverse(name, args=['close'])}?ids={records[of]}"
    if name == "admin:other":
        return "/admin/no/such/page/"
    if name == f"admin:{of}":
        return f"/admin/{of.replace('_', '/')}/{records[of]}/"
    return reverse(name, args=[*([records[of]] if of else []), *MORE.get(name, ())])


MORE = {
    "notifications:webhook_kind": ["imei-change"],
    "operations:dialog": ["suspend"],
    "admin:view_on_site": [1],
}
"""What an address holds beside the record."""


def answer(client: Client, method: str, path: str, body: dict[str, Any], headers: dict[str, str] | None) -> int:
    """The status; what the request changed is taken back, in the browser, too."""
    cookies = client.cookies.copy()
    with transaction.atomic():
        if method == "POST":
            status: int = client.post(path, body, headers=headers).status_code
        else:
            status = client.generic(method, path, headers=headers).status_code
        transaction.set_rollback(True)
    client.cookies = cookies
    return status


@pytest.mark.usefixtures("_unwritten")
def test_each_is_answered_as_the_table_says(records: dict[str, Any], clients: dict[str, Client]) -> None:
    body = {"ids": records["line"], "giccid": "", **BODY}
    wrong = []
    for name, rights in TABLE.items():
        path = address(name, records)
        for actor, client in clients.items():
            for method, right in rights.items():
                for headers in (None, HTMX):
                    said = answer(client, method, path, body, headers)
                    wanted = expected(right, actor, htmx=headers is not None)
                    if said != wanted:
                        wrong.append(f"{name} {method} {'htmx ' if headers else ''}as {actor}: {said}, not {wanted}")
    assert not wrong, f"{len(wrong)} answers differ:\n" + "\n".join(wrong[:MOST_TOLD])
