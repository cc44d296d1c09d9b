"""Asking for a change: who may, what is refused with which status, and that a refusal writes nothing."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from core.models import AuditEntry
from operations.models import Operation
from operations.tests.helpers import KINDS, WISHES, make_due, other_plan, run, run_to_end, some_supplement
from sims.models import RatePlan, TimelineEvent

ROLE_MAY = {
    "Viewer": set(),
    "Agent": set(KINDS),
    "Supervisor": set(KINDS),
    "Administrator": set(KINDS),
}


def body(sim: Any, kind: str, **fields: str) -> dict[str, str]:
    """What a browser posts for a sound wish, with ``fields`` in place of its own."""
    return {"kind": kind, **WISHES[kind](sim), "reason": "the customer asked", "ticket": "T-7", **fields}


def post(client: Any, sim: Any, data: dict[str, str], **headers: str) -> Any:
    return client.post(f"/sims/{sim.giccid}/operations/", data, headers=headers or None)


def nothing_written() -> bool:
    return not (
        Operation.objects.exists()
        or AuditEntry.objects.filter(action__startswith="operation.").exists()
        or TimelineEvent.objects.filter(operation_id__isnull=False).exists()
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("role", ROLE_MAY)
def test_roles(role, kind, carrier_sim, make_user, login):
    sim = carrier_sim(kind)
    response = post(login(make_user(role)), sim, body(sim, kind))
    if kind in ROLE_MAY[role]:
        operation = Operation.objects.get()
        assert (response.status_code, response.url) == (303, f"/operations/{operation.pk}/")
        state = "awaiting_approval" if (role, kind) == ("Agent", "retire") else "queued"
        assert (operation.state, operation.reason, operation.ticket) == (state, "the customer asked", "T-7")
        entry = AuditEntry.objects.get(action="operation.requested")
        assert (entry.actor, entry.object_id, entry.reason) == (operation.actor, str(operation.pk), operation.reason)
    else:
        assert response.status_code == 403
        assert nothing_written()


def test_a_stranger_is_asked_to_sign_in(carrier_sim, client):
    sim = carrier_sim()
    response = post(client, sim, body(sim, "suspend"))
    assert response.status_code == 302
    assert response.url.startswith("/login/")
    assert nothing_written()


def test_another_accounts_sim_does_not_exist(carrier_sim, scoped_agent, login):
    sim = carrier_sim(account="north_logistics")
    client = login(scoped_agent)
    assert post(client, sim, body(sim, "suspend")).status_code == 404
    assert client.get(f"/sims/{sim.giccid}/operations/suspend/").status_code == 404
    assert client.get(f"/sims/{sim.giccid}/operations/now/").status_code == 404
    assert nothing_written()


@pytest.mark.parametrize(
    "giccid",
    [
        "8986019999999999999",
        "letters",
        "89860118050210000ab",
        "9" * 60,
        "%00",
        "８９８６０１１８０５０２１００００４０",
    ],
)
def test_a_giccid_that_is_not_there(giccid, supervisor, login):
    response = login(supervisor).post(f"/sims/{giccid}/operations/", {"kind": "suspend", "reason": "x"})
    assert response.status_code == 404
    assert nothing_written()


@pytest.mark.parametrize(
    ("kind", "fields", "field"),
    [
        ("suspend", {"reason": ""}, "reason"),
        ("suspend", {"reason": "   \n "}, "reason"),
        ("suspend", {"reason": "x" * 10_000}, "reason"),
        ("suspend", {"reason": "x" * 1_001}, "reason"),
        ("suspend", {"reason": "bell\x07"}, "reason"),
        ("suspend", {"reason": "nul\x00"}, "reason"),
        ("suspend", {"ticket": "T" * 61}, "ticket"),
        ("suspend", {"ticket": "T\x00"}, "ticket"),
        ("retire", {"confirm": ""}, "confirm"),
        ("retire", {"confirm": "0000x"}, "confirm"),
        ("change_plan", {"plan": "NO-SUCH-PLAN"}, "plan"),
        ("change_plan", {"plan": ""}, "plan"),
        ("change_plan", {"plan": "x\x00"}, "plan"),
        ("change_plan", {"plan": "P" * 5_000}, "plan"),
        ("change_plan", {"effective": "SOME_DAY"}, "effective"),
        ("add_plan", {"plan": "NO-SUCH-PLAN"}, "plan"),
        ("set_apn", {"apn": "no.such.apn"}, "apn"),
        ("set_apn", {"apn_status": "MAYBE"}, "apn_status"),
        ("set_apn", {"apn_status": ""}, "apn_status"),
        ("set_custom_fields", {"custom3": "x" * 101}, "custom3"),
        ("set_custom_fields", {"custom3": "tab\there"}, "custom3"),
        ("set_custom_fields", {"custom3": "nul\x00"}, "custom3"),
    ],
)
def test_bad_input(kind, fields, field, carrier_sim, supervisor, login):
    sim = carrier_sim(kind)
    response = post(login(supervisor), sim, body(sim, kind, **fields))
    assert response.status_code == 422
    assert field in response.context["form"].errors
    assert 'aria-invalid="true"' in response.content.decode() or f"operation_{field}_error" in response.content.decode()
    assert nothing_written()


def test_what_was_typed_is_still_there_after_bad_input(carrier_sim, supervisor, login):
    sim = carrier_sim("set_custom_fields")
    page = post(
        login(supervisor), sim, body(sim, "set_custom_fields", custom3="Gate <7>", reason="", ticket="T-99")
    ).content.decode()
    assert "Gate &lt;7&gt;" in page
    assert "T-99" in page


def test_an_unknown_kind(carrier_sim, supervisor, login):
    sim = carrier_sim()
    assert post(login(supervisor), sim, {"kind": "explode", "reason": "x"}).status_code == 422
    assert post(login(supervisor), sim, {}).status_code == 422
    assert nothing_written()


def test_nothing_changed_in_the_custom_fields(carrier_sim, supervisor, login):
    sim = carrier_sim()
    same = {f"custom{n}": getattr(sim, f"custom{n}") for n in range(1, 6)}
    assert post(login(supervisor), sim, {**body(sim, "set_custom_fields"), **same}).status_code == 422
    assert nothing_written()


def test_only_what_differs_is_sent(simulator, carrier_sim, supervisor, login):
    sim = carrier_sim()
    page = {f"custom{n}": getattr(sim, f"custom{n}") for n in range(1, 6)}
    post(login(supervisor), sim, {**body(sim, "set_custom_fields"), **page, "custom4": "new"})
    operation = Operation.objects.get()
    assert operation.params == {"custom4": "new"}
    simulator.patch(sim.giccid, custom1="of somebody else", push=False)
    assert run(operation).state == "done"
    assert simulator.sim(sim.giccid)["customFields"]["custom1"] == "of somebody else"


def test_a_custom_field_can_be_emptied(simulator, carrier_sim, ask):
    sim = carrier_sim()
    run(ask(sim, "set_custom_fields", custom3="for a while"))
    sim.refresh_from_db()
    operation = run(ask(sim, "set_custom_fields", custom3=""))
    assert operation.state == "done"
    assert not simulator.sim(sim.giccid).get("customFields", {}).get("custom3")


def test_the_same_plan_is_bad_input(carrier_sim, supervisor, login):
    sim = carrier_sim("change_plan")
    response = post(login(supervisor), sim, body(sim, "change_plan", plan=sim.plan_id))
    assert response.status_code == 422
    assert "has this plan already" in response.content.decode()


def test_plans_of_the_wrong_kind_or_account_or_only_known_by_name(carrier_sim, supervisor, login):
    sim = carrier_sim("change_plan")
    client = login(supervisor)
    supplement = some_supplement(sim)
    stub = RatePlan.objects.create(code="STUB", kind="BASIC")
    stub.accounts.add(sim.account_id)
    elsewhere = RatePlan.objects.get(pk=other_plan(sim))
    elsewhere.accounts.clear()
    for code in (supplement, "STUB", elsewhere.code):
        assert post(client, sim, body(sim, "change_plan", plan=code)).status_code == 422, code
    assert post(client, sim, body(sim, "add_plan", plan=other_plan(sim))).status_code == 422
    assert nothing_written()


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("activate", "ACTIVATED"),
        ("activate", "RETIRED"),
        ("activate", "ON_HOLD"),
        ("suspend", "DEACTIVATED"),
        ("suspend", "INVENTORY"),
        ("suspend", "TEST_READY"),
        ("suspend", "RETIRED"),
        ("retire", "ACTIVATED"),
        ("retire", "INVENTORY"),
        ("retire", "RETIRED"),
        ("change_plan", "RETIRED"),
        ("add_plan", "RETIRED"),
        ("set_apn", "RETIRED"),
        ("set_custom_fields", "RETIRED"),
    ],
)
def test_a_state_that_does_not_allow_it(kind, status, carrier_sim, supervisor, login):
    sim = carrier_sim(kind)
    sim.status = status
    sim.save(update_fields=["status"])
    client = login(supervisor)
    response = post(client, sim, body(sim, kind))
    assert response.status_code == 409
    assert response.context["conflict"] in response.content.decode()
    assert client.get(f"/sims/{sim.giccid}/operations/{kind}/").status_code == 409
    assert nothing_written()


def test_a_sim_that_is_missing_at_the_carrier(simulator, carrier_sim, supervisor, login):
    sim = carrier_sim("suspend")
    simulator.control("DELETE", f"sims/{sim.giccid}")
    sim.missing_since = sim.observed_at
    sim.save(update_fields=["missing_since"])
    assert post(login(supervisor), sim, body(sim, "suspend")).status_code == 409
    assert nothing_written()


def test_an_apn_that_is_so_already(carrier_sim, supervisor, login):
    sim = carrier_sim("set_apn")
    apn = sim.apns[0]
    fields = {"apn": apn["apn"], "apn_status": apn["status"]}
    assert post(login(supervisor), sim, body(sim, "set_apn", **fields)).status_code == 409


def test_one_open_operation_a_sim(carrier_sim, ask, agent, login):
    sim = carrier_sim("suspend")
    first = ask(sim, "suspend")
    response = post(login(agent), sim, body(sim, "set_custom_fields"))
    assert response.status_code == 409
    assert f"/operations/{first.pk}/" in response.content.decode()
    assert Operation.objects.get() == first


def test_no_purchase_while_another_is_in_doubt(simulator, carrier_sim, ask, supervisor, login):
    sim = carrier_sim("add_plan")
    simulator.fault(call="add_plan", kind="reset", count=1)
    first = run_to_end(ask(sim, "add_plan"))
    assert first.state == "needs_attention"
    response = post(login(supervisor), sim, body(sim, "add_plan"))
    assert response.status_code == 409
    assert post(login(supervisor), sim, body(sim, "suspend")).status_code == 303, "other changes go on"


def test_the_same_form_sent_twice_is_one_operation(simulator, carrier_sim, agent, login):
    sim = carrier_sim("suspend")
    client, nonce = login(agent), str(uuid.uuid4())
    one = post(client, sim, body(sim, "suspend", nonce=nonce))
    two = post(client, sim, body(sim, "suspend", nonce=nonce))
    assert one.url == two.url
    run(Operation.objects.get())
    assert post(client, sim, body(sim, "suspend", nonce=nonce)).url == one.url, "also when it is done long since"
    assert len(simulator.changes(sim.giccid)) == 1


def test_custom_fields_sent_twice_after_they_are_done(carrier_sim, agent, login):
    sim = carrier_sim()
    client, nonce = login(agent), str(uuid.uuid4())
    one = post(client, sim, body(sim, "set_custom_fields", nonce=nonce))
    run(Operation.objects.get())
    two = post(client, sim, body(sim, "set_custom_fields", nonce=nonce))
    assert (two.status_code, two.url) == (303, one.url)


def test_a_used_form_with_another_wish_is_refused(carrier_sim, agent, login):
    sim = carrier_sim("change_plan")
    client, nonce = login(agent), str(uuid.uuid4())
    post(client, sim, body(sim, "change_plan", nonce=nonce))
    first = Operation.objects.get()
    run(first)
    response = post(client, sim, body(sim, "change_plan", nonce=nonce, effective="NEXT_CYCLE"))
    assert response.status_code == 409
    assert Operation.objects.get() == first


def test_nobody_gets_anothers_operation_by_its_nonce(carrier_sim, agent, supervisor, login):
    nonce = str(uuid.uuid4())
    post(login(agent), one := carrier_sim(n=0), body(one, "suspend", nonce=nonce))
    response = post(login(supervisor), one, body(one, "suspend", nonce=nonce))
    assert response.status_code == 409


def test_a_lost_broker_is_no_error_for_the_person(carrier_sim, agent, login, monkeypatch):
    sim = carrier_sim()
    from kombu.exceptions import OperationalError

    from operations import tasks

    def away(*_args: object, **_kwargs: object) -> None:
        raise OperationalError

    monkeypatch.setattr(tasks.run_operation, "apply_async", away)
    assert post(login(agent), sim, body(sim, "suspend")).status_code == 303
    operation = Operation.objects.get()
    monkeypatch.undo()
    make_due(operation)
    assert run(operation).state == "done"


def test_get_is_no_way_to_change_anything(carrier_sim, supervisor, login):
    sim = carrier_sim()
    assert login(supervisor).get(f"/sims/{sim.giccid}/operations/").status_code == 405


def test_a_post_without_csrf_token_is_refused(carrier_sim, supervisor):
    from django.test import Client

    sim = carrier_sim()
    client = Client(enforce_csrf_checks=True)
    client.force_login(supervisor)
    assert post(client, sim, body(sim, "suspend")).status_code == 403
    assert nothing_written()
