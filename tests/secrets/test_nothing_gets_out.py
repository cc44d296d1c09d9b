"""A whole life of the portal, and then a look everywhere: no secret, and no number or text of a person, where none
belongs. What goes to Sentry has a test of its own (tests/running/test_errors_told_to_sentry.py)."""

from __future__ import annotations

import base64
import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from core import audit_chain
from core.encryption import encrypt
from core.models import AuditEntry
from notifications.models import Event, Push
from notifications.services import dispatch, sending, sources
from notifications.tests.deliveries.conftest import (
    forward,
    loopback_allowed,
    make_event,
    make_rule,
    receiver,
    store,
)
from operations.models import Operation
from operations.services.requests import request_operation
from operations.tasks import run_operation
from sims.models import Sim
from smarthub_portal import config, logs
from sms.models import Message
from staff import second_factor
from tests.fixtures import PASSWORD

__all__ = ["forward", "loopback_allowed", "make_event", "make_rule", "receiver", "store"]

OF_CONFIG = {
    option.name: f"canary-of-{option.name.lower()}"
    for option in config.OPTIONS
    if option.secret and option.name not in ("REDIS_URL", "DATABASE_URL", "SMARTHUB_API_KEY", "EMAIL_URL")
}
"""Given to the settings; the three left out are in use by the test and are looked for as they are."""
SAID, SENT, TYPED = "canary said by a device", "canary sent to a device", "canary-typed-as-password"
MISPLACED = "canary-password-in-the-field-of-the-name"
TOTP, HMAC_KEY = "CANARYTOTPKEYABC", "canary-of-the-signing-key"
PAGES = """
/ /sims/ /operations/ /jobs/ /jobs/new/ /approvals/ /sms/ /sms/templates/ /notifications/ /notifications/rules/
/notifications/forwards/ /notifications/deliveries/ /pushes/ /pushes/sources/ /sync/ /audit/ /timeline/ /exports/
/profile/ /profile/second-factor/ /accounts/ /plans/ /statistics/ /admin/ /admin/staff/user/ /readyz /live/
/audit/?export=csv /sims/?export=csv /pushes/?export=csv /nowhere/ /login/
"""


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """All that is logged from DEBUG on, in both formats, by the portal's own rules for libraries."""
    text, root = io.StringIO(), logging.getLogger()
    handlers, levels = [], {}
    for form in ("json", "line"):
        told = logs.logging_settings(level="DEBUG", form=form)
        made = {name: value for name, value in told["formatters"]["line"].items() if name != "()"}
        handlers.append(handler := logging.StreamHandler(text))
        handler.setFormatter(structlog.stdlib.ProcessorFormatter(**made))
        root.addHandler(handler)
    for name, rule in {"": {"level": "DEBUG"}, **told["loggers"]}.items():
        levels[name] = logging.getLogger(name).level
        logging.getLogger(name).setLevel(rule["level"])
    yield text
    for handler in handlers:
        root.removeHandler(handler)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


@pytest.fixture
def secrets_given(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    for name, value in OF_CONFIG.items():
        whole = [value] if isinstance(settings.CONFIG[name], list) else value
        monkeypatch.setitem(settings.CONFIG, name, whole)
    settings.SECRET_KEY = OF_CONFIG["SECRET_KEY"]


def broker(valkey: Any) -> str:
    """Everything that lies in Valkey: cache, queues with the tasks' arguments, budget, locks."""
    found = []
    read = {
        b"string": valkey.get,
        b"hash": valkey.hgetall,
        b"set": valkey.smembers,
        b"list": lambda key: valkey.lrange(key, 0, -1),
        b"zset": lambda key: valkey.zrange(key, 0, -1),
    }
    for key in valkey.scan_iter():
        value = read[valkey.type(key)](key)
        found.append(f"{key} {value}")
        messages = value if isinstance(value, list) else []
        found += [base64.b64decode(json.loads(message)["body"]).decode() for message in messages]
    return "\n".join(found)


def tables(texts: dict[str, str]) -> set[tuple[str, str]]:
    """Which of ``texts`` stands in which table."""
    found = set()
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            rows = str(cursor.fetchall())
            found |= {(table, what) for what, text in texts.items() if text in rows}
    return found


@pytest.mark.usefixtures("secrets_given")
def test_a_whole_life(
    logged: io.StringIO,
    simulator: Any,
    mirrored: Callable[[str], Sim],
    administrator: Any,
    make_user: Callable[..., Any],
    forward: Any,
    receiver: Any,
    store: Any,
    valkey: Any,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any,
) -> None:
    seen: list[str] = []
    sim = mirrored("8986011805021000040")
    source, token = sources.create_source("tenant")
    sources.set_key(source, HMAC_KEY, actor=administrator)
    factor = {"secret": encrypt(TOTP)}
    person = make_user("Viewer", username="with.factor")
    Authenticator.objects.create(user=person, type=second_factor.APP, data=factor)
    codes = second_factor.new_recovery_codes(person)

    browser = Client(raise_request_exception=False)
    with django_capture_on_commit_callbacks(execute=True):
        browser.get("/login/")
        seen.append(browser.post("/login/", {"username": "administrator", "password": TYPED}).content.decode())
        browser.post("/login/", {"username": MISPLACED, "password": TYPED})
        assert browser.post("/login/", {"username": "administrator", "password": PASSWORD}).status_code == 302
        two = Client()
        two.post("/login/", {"username": "with.factor", "password": PASSWORD})
        two.post("/login/code/", {"code": codes[0]})

        # Pushes: a message, one unsigned, one to a token that is none, one that breaks the receiver.
        said = {"eventType": "MO_SMS", "eventId": "e", "giccid": sim.giccid, "messageText": SAID, "msisdn": sim.msisdn}
        body = json.dumps(said | {"fromGiccid": sim.giccid, "smsMsgId": "m"})
        _plain, plain_token = sources.create_source("plain")
        addresses = [f"/webhooks/smarthub/{known}/" for known in (plain_token, token, f"{token}x")]
        seen += [browser.post(to, body, content_type="application/json").content.decode() for to in addresses]
        seen.append(browser.get(f"/webhooks/smarthub/{token}/").content.decode())
        with monkeypatch.context() as patch:
            patch.setattr("notifications.services.inbox.receive", _broken)
            answer = browser.post(f"/webhooks/smarthub/{plain_token}/", body, content_type="application/json")
            assert answer.status_code >= 500
            seen.append(answer.content.decode())
        dispatch.drain()
        assert Message.objects.filter(text=SAID).exists()

        # Changes: one that works, one that the carrier refuses, one that breaks, a message.
        for params in ({"custom1": sim.msisdn}, {"custom1": "refused"}):
            wish = {
                "kind": "set_custom_fields",
                "params": params,
                "actor": administrator,
                "reason": f"{sim.imsi} called",
            }
            operation = request_operation(sim=sim, **wish)
            run_operation.apply(args=(operation.pk,))
            simulator.fault(call="set_custom_fields", kind="error", status=422, code=f"no_{sim.msisdn}")
        sent = request_operation(
            sim=sim, kind="send_sms", params={"text": SENT}, actor=administrator, reason=f"to {sim.msisdn}"
        )
        run_operation.apply(args=(sent.pk,))
        simulator.clear_faults()
        store(forward)
        receiver.answer = b"canary of an answer"
        sending.send_forward(forward.pk)
        Event.objects.create(
            kind="IMEI_CHANGE", key="k", at=timezone.now(), sim=sim, detail={"targetImei": "490154203237518"}
        )

        own = [f"/sims/{sim.giccid}/", f"/sms/{sim.giccid}/", f"/pushes/sources/{source.pk}/"]
        own += [f"/pushes/{pk}/" for pk in Push.objects.values_list("pk", flat=True)]
        own += [f"/operations/{pk}/" for pk in Operation.objects.values_list("pk", flat=True)]
        own += [f"/notifications/forwards/{forward.pk}/", f"/sims/?q={sim.imsi}&export=csv"]
        pages = {path: _whole(browser.get(path)) for path in [*PAGES.split(), *own]}
        pages["/metrics"] = _whole(
            browser.get("/metrics", headers={"authorization": f"Bearer {OF_CONFIG['METRICS_TOKEN']}"})
        )
        pages["/metrics refused"] = _whole(browser.get("/metrics", headers={"authorization": f"Bearer {TYPED}"}))
        with monkeypatch.context() as patch:
            patch.setattr("core.views.home.home", _broken)
            patch.setattr("sims.views.list.SimListView.get_queryset", _broken)
            patch.setattr("sims.views.list.SimListView.get", _broken)
            broke = browser.get(f"/sims/?q={sim.imsi}")
            assert broke.status_code == 500
            pages["500"] = _whole(broke)
        pages["403"] = _whole(Client(enforce_csrf_checks=True).post("/login/", {"username": "x", "password": TYPED}))
    audit_chain.seal()
    verified = io.StringIO()
    call_command("verify_audit", stdout=verified)

    session, csrf = browser.cookies["sessionid"].value, browser.cookies["csrftoken"].value
    secrets = {
        **OF_CONFIG,
        "SMARTHUB_API_KEY": simulator.api_key,
        "REDIS_URL": settings.REDIS_URL,
        "password": PASSWORD,
        "wrong password": TYPED,
        "misplaced password": MISPLACED,
        "push token": token,
        "push token in use": plain_token,
        "push key": HMAC_KEY,
        "webhook key": forward.key,
        "totp": TOTP,
        "recovery code": codes[1],
        "used recovery code": codes[0],
        "session": session,
        "csrf": csrf,
        "digest of a password": administrator.password,
    }
    personal = {"imsi": sim.imsi, "msisdn": sim.msisdn, "said": SAID, "sent": SENT, "reporter": "490154203237518"}
    assert all(personal.values())
    log, tasks = logged.getvalue(), broker(valkey)
    assert log.count("request.answered") > 50, "the log was listened to"
    assert f'[[{sent.pk}], {{}}, {{"callbacks"' in tasks, "and the queues hold the arguments of tasks"
    assert sim.msisdn in pages[f"/sims/{sim.giccid}/"], "and the pages show what they are for"
    told = {"the log": log, "Valkey": tasks, "what verify_audit says": verified.getvalue()}
    everything = {**secrets, **personal}
    found = [(w, place, heard.index(t)) for w, t in everything.items() for place, heard in told.items() if t in heard]
    assert not [(what, told[place][max(0, at - 200) : at + 100]) for what, place, at in found]
    for what, text in secrets.items():
        where = [path for path, page in pages.items() if text in page] + [page for page in seen if text in page]
        assert not where, f"{what} on {where}"
    assert tables(secrets) - KEPT == set()
    assert not {table for table, _what in tables(personal)} & {"core_auditentry", "core_auditseal"}
    assert AuditEntry.objects.filter(reason__startswith="#", action="operation.requested").count() == 2


KEPT = {
    ("django_session", "session"),
    ("staff_usersession", "session"),
    ("staff_user", "digest of a password"),
    # Failures are counted by the name that was typed, and forgotten after a day.
    ("axes_accessattempt", "misplaced password"),
}
"""What has to know it."""


def _broken(*arguments: Any, **named: Any) -> Any:
    raise RuntimeError("the inside of it")


def _whole(response: Any) -> str:
    body = b"".join(response.streaming_content) if response.streaming else response.content
    return f"{response.headers} {body.decode(errors='replace')}"
