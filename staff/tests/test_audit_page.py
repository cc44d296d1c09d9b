"""The page of the audit trail: who may see it and which entries, what is found, what a file of it holds."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from core import audit, audit_chain, audit_verify, links
from core.models import AuditEntry
from operations.models import Operation
from staff.roles import ADMINISTRATOR

pytestmark = pytest.mark.django_db

PAGE = "/audit/"


@pytest.fixture
def trail(make_sim, administrator, agent):
    """An operation of a SIM of ``north``, a change of a user, and something the portal did."""
    sim = make_sim(account="north", giccid="8986011805021000001")
    operation = Operation.objects.create(sim=sim, kind="suspend", actor=agent, reason="Lost", ticket="T-7")
    return [
        audit.record(
            action="operation.requested",
            actor=agent,
            target=operation,
            account_name="north",
            before={"status": "ACTIVATED"},
            after={"kind": "suspend", "params": {"when": "now"}},
            reason="Lost",
            ticket="T-7",
        ),
        audit.record(action="user.changed", actor=administrator, target=agent, after={"role": "<b>Viewer</b>"}),
        audit.record(action="job.started", actor=None, account_name="south"),
    ]


@pytest.fixture
def admin(login, administrator) -> Client:
    return login(administrator)


def shown(client: Client, query: str = "") -> list[str]:
    """The actions that the list shows, but for the sign-in of the test itself."""
    response = client.get(PAGE + query)
    assert response.status_code == 200
    rows = response.context["listing"].page.rows
    return [entry.action for entry in rows if entry.action != "user.signed_in"]


def test_administrators_alone_see_it(trail, login, viewer, agent, supervisor, administrator):
    others = [login(user) for user in (viewer, agent, supervisor)]
    for address in ("", f"{trail[0].pk}/", f"{trail[0].pk}/record/", "?export=csv", "?panel=action"):
        assert Client().get(PAGE + address).status_code == 302
        assert [client.get(PAGE + address).status_code for client in others] == [403] * 3, address
        assert login(administrator).get(PAGE + address, follow=True).status_code == 200
        assert {client.post(PAGE + address).status_code for client in others} <= {403, 405}, address


def test_who_sees_some_accounts_sees_their_entries_alone(trail, login, make_user):
    limited = login(make_user(ADMINISTRATOR, ["north"]))
    assert shown(limited) == ["operation.requested"]
    assert "south" not in limited.get(f"{PAGE}?panel=account").content.decode()
    assert "user.changed" not in b"".join(limited.get(f"{PAGE}?export=csv")).decode()
    of_others = [f"{PAGE}{entry.pk}/{rest}" for entry in trail[1:] for rest in ("", "record/")]
    assert [limited.get(address).status_code for address in of_others] == [404] * 4
    assert limited.get(f"{PAGE}{trail[0].pk}/").status_code == 200


FOUND = {
    "?who=agent": ["operation.requested"],
    "?who=-": ["job.started"],
    "?who=agent&who=-": ["job.started", "operation.requested"],
    "?action=user.changed": ["user.changed"],
    "?account=north": ["operation.requested"],
    "?record=operations.operation:{operation}": ["operation.requested"],
    "?ticket=T-7": ["operation.requested"],
    "?q=T-7": ["operation.requested"],
    "?q=8986 0118 0502 1000 001": ["operation.requested"],
    "?q=agent": ["user.changed", "operation.requested"],
    "?q=nothing": [],
    "?within=1d": ["job.started", "user.changed", "operation.requested"],
    "?since=2020-01-01&until=2020-12-31": [],
    "?since=2020-01-01": ["job.started", "user.changed", "operation.requested"],
    "?since=tomorrow": [],
    "?within=0d": [],
    "?who=nobody": [],
}


def test_what_filters_and_search_find(trail, admin):
    asked = {query: query.format(operation=trail[0].object_id) for query in FOUND}
    assert {query: shown(admin, address) for query, address in asked.items()} == FOUND


def test_entries_of_one_request_are_found_by_it(admin):
    admin.post("/profile/theme/", {"theme": "dark"}, headers={"X-Request-ID": "aaaaaaaa-1111"})
    admin.post("/profile/theme/", {"theme": "light"}, headers={"X-Request-ID": "bbbbbbbb-2222"})
    assert shown(admin, "?request_id=aaaaaaaa-1111") == shown(admin, "?q=aaaaaaaa-1111") == ["user.profile"]


def test_a_filter_offers_what_there_is(trail, admin):
    html = admin.get(f"{PAGE}?panel=action").content.decode()
    assert [action in html for action in ("operation.requested", "user.changed", "job.started")] == [True] * 3
    assert "south" in admin.get(f"{PAGE}?panel=account").content.decode()


def test_an_entry_shows_before_and_after_and_leads_to_its_record(trail, admin):
    audit_chain.seal()
    html = admin.get(f"{PAGE}{trail[0].pk}/").content.decode()
    assert "params.when" in html
    assert "Sound" in html
    assert "&lt;b&gt;Viewer" in admin.get(f"{PAGE}{trail[1].pk}/").content.decode()
    operation = reverse("operations:detail", args=[trail[0].object_id])
    assert admin.get(f"{PAGE}{trail[0].pk}/record/")["Location"] == operation
    assert admin.get(f"{PAGE}{trail[2].pk}/record/").status_code == 404, "it is about no record"


def test_records_lead_to_their_pages(make_sim):
    sim = make_sim()
    assert links.address_of("sims.sim", str(sim.pk)) == f"/sims/{sim.giccid}/"
    assert [model for model in links.known() if not links.address_of(model, "1")] == (
        ["sims.sim"] if sim.pk != 1 else []
    )
    assert links.address_of("operations.operation", "no number") == links.address_of("gone.model", "1") == ""


def test_what_a_user_sets_for_himself_is_in_it(admin, administrator):
    admin.post(PAGE, {"columns": ["reason"]})
    admin.post(PAGE, {"columns": ["reason"]})
    admin.post(PAGE, {"reset": "1"})
    first, last = AuditEntry.objects.filter(action="user.columns", actor=administrator).order_by("pk")
    assert (first.before, first.after) == (last.after, last.before)
    assert (last.before, last.after) == (
        {"list": "audit", "columns": ["reason"]},
        {"list": "audit", "columns": None},
    )


def test_the_state_of_the_chain_stands_above(trail, admin):
    assert "never" in admin.get(PAGE).content.decode()
    audit_chain.seal()
    audit_verify.note(audit_verify.verify())
    html = admin.get(PAGE).content.decode()
    head = audit_chain.head()
    assert head is not None
    assert (head.digest in html, ">Sound<" in html) == (True, True)
    audit_verify.note(audit_verify.Report(seals=3, found=2))
    assert "The audit trail is not what was written" in admin.get(PAGE).content.decode()


def test_a_file_holds_before_and_after_and_is_itself_in_the_trail(trail, admin):
    text = b"".join(admin.get(f"{PAGE}?export=csv&ticket=T-7")).decode()
    assert '"{""kind"": ""suspend"", ""params"": {""when"": ""now""}}"' in text
    assert AuditEntry.objects.latest("pk").after["list"] == PAGE
