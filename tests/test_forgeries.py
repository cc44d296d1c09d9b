"""What a form was never meant to say: fields that are not its own, ids of others, two at once.

What single apps refuse is tested with them; docs/security.md lists where.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from typing import Any

import pytest
from django.apps import apps
from django.db import models, transaction

from notifications.models import Forward, Rule
from notifications.tests.test_rule_pages import FORM as RULE
from operations.models import Operation
from operations.services import approval
from operations.tests.test_races import at_once
from sms.models import MessageTemplate
from staff.models import User
from tests.records import records

__all__ = ["records"]

OURS = ("core", "staff", "sims", "operations", "sms", "notifications")
WHY = {"reason": "the customer asked", "ticket": "T-1"}
OF_FORMS = {
    "profile": "first_name last_name email time_zone theme",
    "operation": "kind reason ticket nonce",
    "job": "kind source identifiers giccid giccids query select file nonce prepare plan "
    # Filters of the list of SIMs, by which SIMs are chosen.
    "status account pool country_code q tag tags",
    "confirm": "reason ticket confirm scheduled_for",
    "user": "username first_name last_name email is_active role all_accounts time_zone password",
    "source": "name networks silence_hours active",
    "forward": "name url active",
    "rule": " ".join(
        [*RULE, "accounts plans tags roles users forwards emails plan apn quiet_from quiet_until quiet_zone automatic"]
    ),
    "message": "text coding validity template reason ticket nonce place count",
    "template": "name text",
    "note": "text",
    "tag": "tag",
}
"""The fields that each form has. Whatever else a model is made of is not for the form to set."""


def columns() -> set[str]:
    """Names of the fields of every model of the portal."""
    found: set[str] = {"pk", "groups", "user_permissions", "is_superuser", "is_staff"}
    for app in OURS:
        for model in apps.get_app_config(app).get_models():
            for field in model._meta.get_fields():
                found |= {field.name, getattr(field, "attname", field.name)}
    return found


def stored() -> Counter[str]:
    """All rows of the portal, without times, keys of their own and what is random."""
    rows: Counter[str] = Counter()
    for app in OURS:
        for model in apps.get_app_config(app).get_models():
            kept = [
                field.attname
                for field in model._meta.concrete_fields
                if not isinstance(field, models.DateTimeField)
                and not field.primary_key
                and field.name not in ("request_id", "token_digest", "secret", "uuid", "session_key", "nonce")
            ]
            rows.update(f"{model.__name__} {row}" for row in model._default_manager.values(*kept))
    return rows


@pytest.mark.skipif(
    os.environ.get("TEST_DATABASE") == "postgres", reason="the same on either; keys differ after a rollback"
)
def test_no_form_sets_a_field_that_is_not_its_own(
    records: dict, make_user: Any, login: Any, agent: Any, administrator: Any
) -> None:
    sim, user = records["sim"], records["staff_user"]
    who = {"agent": login(agent), "administrator": login(administrator)}
    forms: list[tuple[str, str, str, dict[str, Any]]] = [
        ("profile", "agent", "/profile/", {"first_name": "Ann", "theme": "dark"}),
        ("operation", "agent", f"/sims/{sim}/operations/", {"kind": "suspend", **WHY}),
        ("operation", "agent", f"/sims/{sim}/operations/", {"kind": "set_custom_fields", "custom3": "Gate", **WHY}),
        ("job", "agent", "/jobs/new/", {"kind": "suspend", "identifiers": sim}),
        ("confirm", "agent", f"/jobs/{records['job']}/confirm/", WHY),
        ("message", "agent", f"/sims/{sim}/sms/", {"text": "hello"}),
        ("note", "agent", f"/sims/{sim}/notes/", {"text": "hello"}),
        ("tag", "agent", f"/sims/{sim}/tags/", {"tag": "hello"}),
        ("template", "administrator", "/sms/templates/new/", {"name": "hello", "text": "hello"}),
        ("source", "administrator", "/pushes/sources/new/", {"name": "other", "silence_hours": "24", "active": "on"}),
        ("forward", "administrator", "/notifications/forwards/new/", {
            "name": "o", "url": "https://example.com/o", "active": "on",
        }),
        ("rule", "administrator", "/notifications/rules/new/", RULE),
        ("user", "administrator", f"/admin/staff/user/{user}/change/", {
            "username": "renamed", "role": "Agent", "is_active": "on",
            "account_scopes-TOTAL_FORMS": "0", "account_scopes-INITIAL_FORMS": "0",
        }),
    ]  # fmt: skip
    for form, person, address, body in forms:
        extra = dict.fromkeys(columns() - set(OF_FORMS[form].split()) - set(body), "1")
        if body.get("kind") == "set_custom_fields":
            extra = {name: value for name, value in extra.items() if not name.startswith("custom")}
        results = []
        for sent in (body, {**extra, **body}):
            with transaction.atomic():
                before = stored()
                answer = who[person].post(address, sent)
                assert answer.status_code in (200, 302, 303), (form, answer.status_code)
                results.append((stored() - before, before - stored()))
                transaction.set_rollback(True)
        assert results[0] != (Counter(), Counter()), f"{form} does something"
        assert results[1] == results[0], form


@pytest.mark.django_db
def test_who_is_limited_to_accounts_gives_a_rule_no_webhook_and_no_person_of_others(make_user: Any, login: Any) -> None:
    limited = make_user("Administrator", ["example_account"])
    mate, stranger = make_user("Agent", ["example_account"]), make_user("Agent", ["north_logistics"])
    forward = Forward.objects.create(name="Tickets", url="https://example.com/in", secret="s")
    client, rule = login(limited), {**RULE, "accounts": ["example_account"]}
    page = client.get("/notifications/rules/new/").content.decode()
    assert mate.username in page
    assert not [word for word in (stranger.username, "Tickets") if word in page]
    address = "/notifications/rules/new/"
    assert client.post(address, {**rule, "users": [stranger.pk]}).status_code == 422
    assert client.post(address, {**rule, "forwards": [forward.pk]}).status_code == 422
    assert client.post(address, {**rule, "users": [mate.pk]}).status_code == 303
    # What somebody else gave it stays when only the name is changed.
    made = Rule.objects.get(name=rule["name"])
    made.forwards.set([forward])
    made.users.set([stranger])
    changed = {**rule, "name": "Renamed", "users": [stranger.pk], "forwards": [forward.pk]}
    assert client.post(f"/notifications/rules/{made.pk}/edit/", changed).status_code == 303
    assert (list(made.forwards.all()), list(made.users.all())) == ([forward], [stranger])


@pytest.mark.django_db
def test_names_of_people_of_other_accounts_are_not_offered(make_user: Any, login: Any, administrator: Any) -> None:
    limited, stranger = make_user("Administrator", ["example_account"]), make_user("Agent", ["north_logistics"])
    for address in ("/operations/?panel=who", "/audit/?panel=who"):
        assert stranger.username in login(administrator).get(address).content.decode(), address
        assert stranger.username not in login(limited).get(address).content.decode(), address


@pytest.mark.django_db
def test_a_limit_is_not_lifted_by_whom_it_limits(make_user: Any, login: Any) -> None:
    limited = make_user("Administrator", ["example_account"])
    client = login(limited)
    everything = {"username": limited.username, "role": "Administrator", "is_active": "on", "all_accounts": "on"}
    for person in (limited, make_user("Viewer")):
        assert client.post(f"/admin/staff/user/{person.pk}/change/", everything).status_code == 403
    assert client.post("/admin/staff/user/add/", {**everything, "username": "second"}).status_code == 403
    assert not User.objects.get(pk=limited.pk).all_accounts
    assert client.post("/sms/templates/new/", {"name": "x", "text": "x"}).status_code == 403
    assert not MessageTemplate.objects.exists()


@pytest.mark.django_db
def test_custom_fields_that_somebody_changed_meanwhile_are_not_put_back(make_sim: Any, agent: Any, login: Any) -> None:
    sim, client = make_sim(custom1="old", custom2="Gate 7"), login(agent)
    page = client.get(f"/sims/{sim.giccid}/operations/set_custom_fields/").content.decode()
    shown = dict(re.findall(r'name="((?:initial-)?custom\d)"(?: value="([^"]*)")?', page))
    assert (shown["initial-custom1"], shown["custom2"]) == ("old", "Gate 7")
    type(sim).objects.filter(pk=sim.pk).update(custom1="new")
    address, wish = f"/sims/{sim.giccid}/operations/", {"kind": "set_custom_fields", **shown, **WHY}
    assert client.post(address, {**wish, "custom1": "mine"}).status_code == 422, "what was not seen is not overwritten"
    assert client.post(address, wish).status_code == 422, "nothing was changed"
    assert client.post(address, {**wish, "custom2": "Gate 8"}).status_code == 303
    assert Operation.objects.get().params == {"custom2": "Gate 8"}


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_two_agents_at_once_change_a_sim_and_two_supervisors_decide(
    transactional_db: None, make_user: Any, make_sim: Any, login: Any
) -> None:
    sim = make_sim(status="ACTIVATED")
    clients = [login(make_user("Agent")) for _ in range(4)]
    wishes = iter([(client, {"kind": "suspend", **WHY}) for client in clients])
    answers = at_once(4, lambda: _posted(*next(wishes), f"/sims/{sim.giccid}/operations/"))
    assert sorted(answers) == [303, 409, 409, 409]
    asked = Operation.objects.get()
    Operation.objects.filter(pk=asked.pk).update(state="awaiting_approval")
    deciders = iter(
        [approval.approve, lambda wish, who: approval.refuse(wish, who, "no"), approval.approve, approval.approve]
    )
    people = iter([make_user("Supervisor") for _ in range(4)])
    decided = at_once(4, lambda: next(deciders)(asked, next(people)))
    assert [type(one).__name__ for one in decided].count("Conflict") == 3, decided
    assert Operation.objects.get().state in ("queued", "cancelled")


def _posted(client: Any, body: dict[str, str], address: str) -> int:
    status: int = client.post(address, body).status_code
    return status
