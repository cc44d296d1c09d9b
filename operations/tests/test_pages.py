"""The pages of operations: list, one operation, dialogs, the parts of the SIM page; for each role and out of scope."""

from __future__ import annotations

import re
from typing import Any

import pytest

from core.models import AuditEntry
from operations.models import Operation, OperationAttempt
from operations.tests.helpers import KINDS, WISHES, make_due, run, run_to_end
from sims.models import TimelineEvent

HTMX = {"HX-Request": "true"}
ROLES = ("Viewer", "Agent", "Supervisor", "Administrator")


def text_of(response: Any) -> str:
    return response.content.decode()


def states_in(response: Any) -> list[str]:
    return re.findall(r'data-operation-state="([^"]*)"', text_of(response))


@pytest.fixture
def operation(carrier_sim, ask):
    """One that waits for a worker."""
    return ask(carrier_sim("suspend"), "suspend")


@pytest.fixture
def unclear(simulator, carrier_sim, ask):
    """A purchase that needs a person."""
    simulator.fault(call="add_plan", kind="reset", count=1)
    return run_to_end(ask(carrier_sim("add_plan"), "add_plan"))


@pytest.mark.parametrize("role", ROLES)
def test_everybody_may_read(role, operation, make_user, login):
    client = login(make_user(role))
    assert states_in(client.get(f"/operations/{operation.pk}/")) == ["queued"]
    page = text_of(client.get("/operations/"))
    assert f'data-operation="{operation.pk}"' in page
    assert page.count("data-result-count") == 1
    assert operation.sim.giccid in text_of(client.get(f"/sims/{operation.sim.giccid}/operations/now/"))


def test_a_stranger_is_asked_to_sign_in(operation, client):
    for address in (
        "/operations/",
        f"/operations/{operation.pk}/",
        f"/operations/{operation.pk}/badge/",
        f"/sims/{operation.sim.giccid}/operations/suspend/",
        f"/sims/{operation.sim.giccid}/operations/now/",
    ):
        response = client.get(address)
        assert (response.status_code, response.url.split("?")[0]) == (302, "/login/")


def test_out_of_scope_does_not_exist(carrier_sim, ask, scoped_agent, login):
    foreign = ask(carrier_sim("suspend", account="north_logistics"), "suspend")
    own = ask(carrier_sim("suspend"), "suspend")
    client = login(scoped_agent)
    for address in (f"/operations/{foreign.pk}/", f"/operations/{foreign.pk}/badge/"):
        assert client.get(address).status_code == 404
        assert client.get(address, headers=HTMX).status_code == 404
    settle = client.post(f"/operations/{foreign.pk}/settle/", {"happened": "yes", "reason": "x"})
    assert settle.status_code == 404
    page = text_of(client.get("/operations/"))
    assert f'data-operation="{own.pk}"' in page
    assert f'data-operation="{foreign.pk}"' not in page
    assert 'data-result-count="1"' in page
    assert foreign.sim.giccid not in text_of(client.get("/operations/", {"q": foreign.sim.giccid})).split("</form>")[-1]
    assert "north_logistics" not in page


@pytest.mark.parametrize("pk", ["0", "999999999", "99999999999999999999999999"])
def test_an_operation_that_is_not_there(pk, viewer, login):
    assert login(viewer).get(f"/operations/{pk}/").status_code == 404


def test_the_state_lives_and_polling_ends(operation, viewer, login):
    client = login(viewer)
    address = f"/operations/{operation.pk}/"
    page = text_of(client.get(address))
    poll = re.search(r'hx-get="([^"]+)" hx-trigger="every 1s"', page)
    assert poll is not None
    assert client.get(poll[1], headers=HTMX).status_code == 204, "nothing is new"
    run(operation)
    response = client.get(poll[1], headers=HTMX)
    assert response.status_code == 286
    assert states_in(response) == ["done"]
    assert "<html" not in text_of(response)
    assert "hx-trigger" not in text_of(response)
    assert client.get(f"{address}badge/").status_code == 286


def test_every_attempt_is_shown(simulator, operation, viewer, login):
    simulator.fault(call="deactivate", kind="rate_limit", retry_after=1, count=1)
    run(operation)
    make_due(operation)
    run(operation)
    page = text_of(login(viewer).get(f"/operations/{operation.pk}/"))
    assert page.count('data-attempt="send"') == 2
    assert page.count('data-attempt="read_back"') == 1
    assert "HTTP 429" in page
    assert operation.reason in page
    assert f"/sims/{operation.sim.giccid}/" in page


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", True), ("state=queued", True), ("state=done", False), ("state=done&state=queued", True),
        ("kind=suspend", True), ("kind=retire", False), ("who=supervisor", True), ("who=nobody", False),
        ("account=example_account", True), ("account=north_logistics", False), ("when=1h", True),
        ("when=never", False), ("q=T-1", True), ("q=%23{pk}", True), ("q={giccid}", True), ("q={end}", True),
        ("q=999999999999999999999999999999", False), ("state=%00", False), ("q=%00", False), ("state=nonsense", False),
        ("sort=nonsense", True), ("after=mangled", True),
    ],
)  # fmt: skip
def test_filters(query, found, operation, viewer, login):
    giccid = operation.sim.giccid
    grouped = " ".join(giccid[i : i + 4] for i in range(0, len(giccid), 4)).replace(" ", "%20")
    address = "/operations/?" + query.format(pk=operation.pk, giccid=grouped, end=giccid[-6:])
    response = login(viewer).get(address)
    assert response.status_code == 200
    assert (f'data-operation="{operation.pk}"' in text_of(response)) is found


def test_a_list_takes_the_same_queries_however_long_it_is(carrier_sim, ask, viewer, login, django_assert_num_queries):
    client = login(viewer)
    first = ask(carrier_sim("suspend"), "suspend")
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    client.get("/operations/")
    with CaptureQueriesContext(connection) as one:
        client.get("/operations/")
    Operation.objects.filter(pk=first.pk).update(state="done", next_attempt_at=None)
    for number in range(5):
        Operation.objects.create(
            sim=first.sim, kind="suspend", state="done", actor=first.actor, reason=str(number), next_attempt_at=None
        )
    with django_assert_num_queries(len(one)):
        client.get("/operations/")


@pytest.mark.parametrize("kind", KINDS)
def test_dialogs(kind, carrier_sim, supervisor, login):
    sim = carrier_sim(kind)
    client = login(supervisor)
    address = f"/sims/{sim.giccid}/operations/{kind}/"
    page, fragment = text_of(client.get(address)), text_of(client.get(address, headers=HTMX))
    label = Operation.Kind(kind).label
    for text in (page, fragment):
        assert re.search(rf'<button class="btn btn-primary[^"]*" type="submit">{label}</button>', text)
        assert f'action="/sims/{sim.giccid}/operations/"' in text
        for name in ("reason", "ticket", "kind", "nonce", *(["confirm"] if kind == "retire" else [])):
            assert f'name="{name}"' in text, name
        for name in set(WISHES[kind](sim)) - {"confirm"}:
            assert f'name="{name}"' in text, name
    assert "<html" in page
    assert "<html" not in fragment
    assert "hx-post" in fragment
    assert " style=" not in page


def test_a_dialog_of_no_kind(carrier_sim, supervisor, login):
    assert login(supervisor).get(f"/sims/{carrier_sim().giccid}/operations/explode/").status_code == 404


def test_a_dialog_for_another_role(carrier_sim, viewer, agent, login):
    sim = carrier_sim("retire")
    asking = text_of(login(agent).get(f"/sims/{sim.giccid}/operations/retire/"))
    assert "A supervisor approves it first." in asking
    assert login(viewer).get(f"/sims/{sim.giccid}/operations/activate/").status_code == 403


def test_old_and_new_plan_side_by_side(carrier_sim, supervisor, login):
    sim = carrier_sim("change_plan")
    new = WISHES["change_plan"](sim)["plan"]
    response = login(supervisor).get(
        f"/sims/{sim.giccid}/operations/change_plan/", {"plan": new}, headers={**HTMX, "HX-Target": "plan-compare"}
    )
    text = text_of(response)
    assert text.lstrip().startswith('<div id="plan-compare"')
    assert new in text
    assert sim.plan_id in text


def test_a_purchase_shows_its_price(carrier_sim, supervisor, login):
    from sims.models import RatePlan

    sim = carrier_sim("add_plan")
    plan = RatePlan.objects.get(pk=WISHES["add_plan"](sim)["plan"])
    text = text_of(login(supervisor).get(f"/sims/{sim.giccid}/operations/add_plan/", {"plan": plan.code}, headers=HTMX))
    assert "This is a purchase" in text
    assert f"{plan.price:.2f} {plan.currency}" in text


def test_plans_can_be_searched(carrier_sim, supervisor, login):
    sim = carrier_sim("change_plan")
    wanted = WISHES["change_plan"](sim)["plan"]
    text = text_of(
        login(supervisor).get(f"/sims/{sim.giccid}/operations/change_plan/", {"plan_q": wanted}, headers=HTMX)
    )
    assert re.findall(r'<option value="([^"]+)"', text) == [wanted]


def test_after_sending_the_dialog_closes_and_the_page_lives(carrier_sim, agent, login):
    sim = carrier_sim("suspend")
    client = login(agent)
    data = {"kind": "suspend", "reason": "lost device"}
    response = client.post(f"/sims/{sim.giccid}/operations/", data, headers=HTMX)
    assert response.status_code == 200
    assert response.headers["HX-Trigger"] == "dialog:close" or "dialog:close" in response.headers["HX-Trigger"]
    text = text_of(response)
    assert text.count("hx-swap-oob") == 2
    assert 'id="sim-operations"' in text
    assert 'id="sim-actions"' in text
    poll = re.search(r'hx-get="([^"]+)" hx-trigger="every 1s', text)
    assert poll is not None
    assert client.get(poll[1].replace("&amp;", "&"), headers=HTMX).status_code == 204
    run(Operation.objects.get())
    news = client.get(poll[1].replace("&amp;", "&"), headers=HTMX)
    assert "every 1s" not in text_of(news)
    assert "Suspend: done." in text_of(news)
    assert 'id="action-activate"' in text_of(news), "the buttons follow the new state"


@pytest.mark.parametrize(("status", "fields"), [(422, {"reason": ""}), (409, {})])
def test_what_goes_wrong_stays_in_the_dialog(status, fields, carrier_sim, ask, agent, login):
    sim = carrier_sim("suspend")
    if status == 409:
        ask(sim, "set_custom_fields")
    data = {"kind": "suspend", "reason": "lost device", "nonce": "11111111-2222", **fields}
    response = login(agent).post(f"/sims/{sim.giccid}/operations/", data, headers=HTMX)
    assert response.status_code == status
    assert text_of(response).lstrip().startswith('<form class="dialog-frame"')
    assert "HX-Trigger" not in response.headers


def buttons(text: str) -> dict[str, bool]:
    """Name of each action on the SIM page, and whether it can be used."""
    found = re.findall(r"<button ([^>]*)>(?:<svg.*?</svg>)?([^<]+)</button>", text, re.DOTALL)
    return {name.strip(): "disabled" not in attributes for attributes, name in found}


CHANGES = {"Activate", "Suspend", "Retire", "Change rate plan", "Add plan", "APN", "Custom fields"}
ALL = CHANGES | {"Send SMS"}


@pytest.mark.parametrize(
    ("role", "status", "usable"),
    [
        ("Viewer", "ACTIVATED", set()),
        ("Agent", "ACTIVATED", ALL - {"Activate", "Retire"}),
        ("Agent", "DEACTIVATED", CHANGES - {"Suspend"}),
        ("Supervisor", "DEACTIVATED", CHANGES - {"Suspend"}),
        ("Supervisor", "ACTIVATED", ALL - {"Activate", "Retire"}),
        ("Administrator", "INVENTORY", CHANGES - {"Suspend", "Retire"}),
        ("Supervisor", "RETIRED", set()),
        ("Supervisor", "ON_HOLD", CHANGES - {"Activate", "Suspend", "Retire"}),
    ],
)
def test_buttons(role, status, usable, carrier_sim, make_user, login):
    sim = carrier_sim()
    sim.status = status
    sim.save(update_fields=["status"])
    text = text_of(login(make_user(role)).get(f"/sims/{sim.giccid}/operations/now/", headers=HTMX))
    found = buttons(text)
    assert set(found) == ALL
    assert {name for name, can in found.items() if can} == usable
    assert text.count('role="tooltip"') == len(ALL - usable), "each that can't be used says why"


def test_no_change_while_an_operation_is_under_way(operation, supervisor, login):
    text = text_of(login(supervisor).get(f"/sims/{operation.sim.giccid}/operations/now/", headers=HTMX))
    assert {name for name, can in buttons(text).items() if can} == {"Send SMS"}, "a message changes nothing of it"
    assert f"Operation {operation.pk}" in text


def test_the_slots_of_the_sim_page(operation, supervisor, login):
    page = text_of(login(supervisor).get(f"/sims/{operation.sim.giccid}/"))
    assert 'id="sim-actions"' in page
    assert 'id="sim-operations"' in page


@pytest.mark.parametrize(("said", "state", "outcome"), [("yes", "done", "success"), ("no", "failed", "failed")])
def test_a_person_decides(said, state, outcome, unclear, agent, login):
    client = login(agent)
    assert "It did not happen" in text_of(client.get(f"/operations/{unclear.pk}/"))
    response = client.post(
        f"/operations/{unclear.pk}/settle/", {"happened": said, "reason": "asked the carrier's help desk"}
    )
    assert (response.status_code, response.url) == (303, f"/operations/{unclear.pk}/")
    unclear.refresh_from_db()
    assert unclear.state == state
    step = unclear.attempts.get(step=OperationAttempt.Step.PERSON)
    assert "help desk" in step.detail
    assert TimelineEvent.objects.get(operation_id=unclear.pk).outcome == outcome
    entry = AuditEntry.objects.get(action="operation.settled")
    assert (entry.actor, entry.reason) == (agent, "asked the carrier's help desk")
    again = client.post(f"/operations/{unclear.pk}/settle/", {"happened": "yes", "reason": "twice"})
    assert again.status_code == 409


def test_who_may_not_decide(unclear, viewer, agent, login):
    address = f"/operations/{unclear.pk}/settle/"
    assert login(viewer).post(address, {"happened": "yes", "reason": "x"}).status_code == 403
    assert "It did not happen" not in text_of(login(viewer).get(f"/operations/{unclear.pk}/"))
    for data in (
        {"happened": "yes"},
        {"happened": "perhaps", "reason": "x"},
        {"reason": "x"},
        {"happened": "no", "reason": "x" * 1001},
    ):
        assert login(agent).post(address, data).status_code == 422, data
    unclear.refresh_from_db()
    assert unclear.state == "needs_attention"
    assert login(agent).get(address).status_code == 405


def test_the_admin_site_shows_and_changes_nothing(operation, administrator, login):
    administrator.is_staff = True
    administrator.save()
    client = login(administrator)
    assert client.get("/admin/operations/operation/").status_code == 200
    address = f"/admin/operations/operation/{operation.pk}/change/"
    assert client.get(address).status_code == 200
    assert client.post(address, {"state": "done"}).status_code == 403
    assert client.get("/admin/operations/operation/add/").status_code == 403
    operation.refresh_from_db()
    assert operation.state == "queued"


def test_the_list_has_a_search_box(operation, viewer, login):
    page = login(viewer).get("/operations/?q=nothing").content.decode()
    box = re.search(r'<input[^>]*id="operation-search"[^>]*>', page)
    assert box
    assert 'name="q"' in box[0]
    assert 'value="nothing"' in box[0]


def test_a_dialog_belongs_to_the_sims_in_the_navigation(carrier_sim, supervisor, login):
    page = login(supervisor).get(f"/sims/{carrier_sim().giccid}/operations/set_custom_fields/").content.decode()
    current = re.findall(r'<a class="nav-link" href="([^"]+)" aria-current="page">', page)
    assert current == ["/sims/"]
