"""The pages of rules: who may see them, the form and its errors, what can be done, the trial."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core.models import AuditEntry
from notifications.models import Event, Notification, NotificationItem, Rule
from notifications.rule_form import RuleForm
from notifications.selectors import rules as selectors
from notifications.services import firing, proposals
from notifications.tests.rule_helpers import DEVICE, USAGE, make_event, make_rule
from operations.models import Operation
from sims.models import Account, RatePlan

pytestmark = pytest.mark.django_db
BASE = "/notifications/rules/"
NOW = "2026-01-01T00:00Z"
FORM: dict[str, Any] = {
    "name": "Overuse",
    "kinds": [USAGE],
    "threshold": "120",
    "once_per": "86400",
    "group_within": "3600",
    "severity": "warning",
    "digest": "",
    "operation_kind": "",
    "effective": "NOW",
    "apn_status": "DISABLED",
}


@pytest.fixture(autouse=True)
def _no_rules(db: None) -> None:
    Rule.objects.all().delete()


@pytest.fixture
def admin(login, administrator):
    return login(administrator)


@pytest.mark.parametrize("role", ["Viewer", "Agent", "Supervisor", "Administrator"])
def test_rules_are_for_administrators(role, make_user, login):
    rule = make_rule(automatic=True, operation_kind="suspend", active=False)
    client = login(make_user(role))
    page = f"{BASE}{rule.pk}/"
    may = role == "Administrator"
    for address in (BASE, f"{BASE}new/", page, f"{page}edit/", f"{page}trial/?days=7"):
        assert client.get(address).status_code == (200 if may else 403), address
    for address, data in (
        (f"{BASE}new/", FORM),
        (f"{BASE}sentence/", FORM),
        (f"{page}edit/", {**FORM, "name": "x"}),
        (f"{page}switch/", {"on": "1"}),
        (f"{page}allow/", {"allow": "1", "digest": proposals.digest(rule)}),
        (f"{page}delete/", {}),
    ):
        assert client.post(address, data).status_code in ((200, 303) if may else (403,)), address
    assert Rule.objects.filter(pk=rule.pk).exists() is not may
    assert client.get(page).status_code == (404 if may else 403)


def test_without_sign_in_there_is_only_the_sign_in(client):
    rule = make_rule()
    for address in (BASE, f"{BASE}{rule.pk}/", f"{BASE}{rule.pk}/trial/"):
        assert client.get(address)["Location"].startswith("/login/")


def test_an_administrator_with_some_accounts_makes_rules_for_those_alone(make_user, login, make_sim):
    own, others = make_sim(), make_sim(account="other")
    client = login(make_user("Administrator", ["example_account"]))
    everywhere, mine = make_rule(), make_rule(accounts=["example_account"])
    html = client.get(BASE).content.decode()
    assert f'data-rule="{mine.pk}"' in html
    assert f'data-rule="{everywhere.pk}"' not in html
    for address in ("", "edit/", "trial/"):
        assert client.get(f"{BASE}{everywhere.pk}/{address}").status_code == 404
    for act in ("switch", "allow", "delete"):
        assert client.post(f"{BASE}{everywhere.pk}/{act}/").status_code == 404
    assert client.post(f"{BASE}new/", FORM).status_code == 422, "an account has to be named"
    assert client.post(f"{BASE}new/", {**FORM, "accounts": ["other"]}).status_code == 422
    assert client.post(f"{BASE}new/", {**FORM, "accounts": ["example_account"]}).status_code == 303
    for code, account in (("OWN-1", own.account), ("OTHERS-1", others.account)):
        RatePlan.objects.create(code=code, kind=RatePlan.Kind.BASIC, fetched_at=NOW).accounts.add(account)
    html = client.get(f"{BASE}new/").content.decode()
    assert html.count("OWN-1") >= 2
    assert "OTHERS-1" not in html
    for plans in ({"plans": ["OTHERS-1"]}, {"operation_kind": "change_plan", "plan": "OTHERS-1"}):
        assert client.post(f"{BASE}new/", {**FORM, "accounts": ["example_account"], **plans}).status_code == 422
    for sim in (own, others):
        make_event(sim)
    Rule.objects.filter(pk=mine.pk).update(accounts=["example_account"], kinds=[USAGE])
    assert 'data-trial="sims">1<' in client.get(f"{BASE}{mine.pk}/trial/?days=7").content.decode()


def test_made_switched_off_changed_and_in_the_audit_trail(admin, administrator, supervisor):
    answer = admin.post(f"{BASE}new/", {**FORM, "users": [supervisor.pk], "emails": "a@example.com\nA@example.com"})
    rule = Rule.objects.get()
    assert (answer.status_code, answer["Location"]) == (303, f"{BASE}{rule.pk}/")
    assert (rule.active, rule.threshold, rule.once_per, rule.group_within) == (False, 120, 86400, 3600)
    assert (rule.emails, list(rule.users.all())) == (["a@example.com"], [supervisor])
    admin.post(f"{BASE}{rule.pk}/switch/", {"on": "1"})
    html = admin.get(f"{BASE}{rule.pk}/edit/").content.decode()
    [seen] = [part.split('"')[0] for part in html.split('name="seen" value="')[1:]]
    changed = {**FORM, "seen": seen, "severity": "critical", "quiet_from": "22:00", "quiet_until": "06:00"}
    assert admin.post(f"{BASE}{rule.pk}/edit/", {**changed, "quiet_zone": "europe/berlin"}).status_code == 303
    rule.refresh_from_db()
    assert (rule.active, rule.severity, rule.quiet_zone, rule.emails) == (True, "critical", "Europe/Berlin", [])
    entry = AuditEntry.objects.get(action="rule.changed")
    assert (entry.actor, entry.before["severity"], entry.after["severity"]) == (administrator, "warning", "critical")
    assert entry.after["quiet_from"] == "22:00"
    assert "name" not in entry.after, "what did not change is not told"
    # Two people at the same form: the second is told.
    assert admin.post(f"{BASE}{rule.pk}/edit/", changed).status_code == 422
    assert [entry.action for entry in AuditEntry.objects.order_by("pk") if entry.action.startswith("rule.")] == [
        "rule.created",
        "rule.switched_on",
        "rule.changed",
    ]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"name": ""}, "This field is required."),
        ({"name": "taken"}, "There is a rule of this name already."),
        ({"kinds": []}, "Please tick at least one."),
        ({"kinds": ["nonsense"]}, "nonsense is not one of the available choices"),
        ({"kinds": [USAGE, DEVICE]}, "There is no figure in: Device changed."),
        ({"kinds": [USAGE, "NO_SESSION_CONNECTION"]}, "count different things"),
        ({"threshold": "much"}, "Enter a number."),
        ({"threshold": "nan"}, "Enter a number."),
        ({"quiet_from": "22:00"}, "Quiet hours need a start and an end."),
        ({"quiet_from": "22:00", "quiet_until": "22:00"}, "Quiet hours end at another time"),
        ({"quiet_zone": "Mars/Base"}, "There is no time zone of this name."),
        ({"emails": "nobody"}, "nobody is no e-mail address."),
        ({"severity": "grave"}, "Select a valid choice."),
        ({"once_per": "7"}, "Select a valid choice."),
        ({"operation_kind": "retire"}, "Select a valid choice."),
        ({"operation_kind": "change_plan"}, "Please choose a plan."),
        ({"operation_kind": "change_plan", "plan": "P1", "accounts": ["a", "b"]}, "no such plan: b."),
        ({"operation_kind": "set_apn"}, "Please name the APN."),
        ({"operation_kind": "suspend", "kinds": ["push_dead"], "threshold": ""}, "has no SIM that could be changed"),
        (
            {"operation_kind": "suspend", "kinds": ["SIM_STATUS_CHANGE"], "threshold": "", "automatic": "on"},
            "Operations lead to these events themselves",
        ),
    ],
)
def test_what_can_not_be_is_said_at_its_field(wrong, sentence, admin):
    make_rule(name="taken")
    first, _second = (Account.objects.create(name=name) for name in ("a", "b"))
    RatePlan.objects.create(code="P1", kind=RatePlan.Kind.BASIC, fetched_at="2026-01-01T00:00Z").accounts.add(first)
    answer = admin.post(f"{BASE}new/", {**FORM, **wrong})
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert Rule.objects.count() == 1


def test_the_parameters_of_the_operation_chosen_are_kept_and_no_others(admin):
    plan = RatePlan.objects.create(code="P1", kind=RatePlan.Kind.BASIC, fetched_at="2026-01-01T00:00Z")
    fields = {**FORM, "plan": plan.code, "effective": "NEXT_CYCLE", "apn": "iot.example"}
    for name, params in (
        ("suspend", {}),
        ("change_plan", {"plan": "P1", "effective": "NEXT_CYCLE"}),
        ("set_apn", {"apn": "iot.example", "apn_status": "DISABLED"}),
    ):
        answer = admin.post(f"{BASE}new/", {**fields, "name": name, "operation_kind": name})
        assert answer.status_code == 303, answer.content.decode()
        assert Rule.objects.get(name=name).operation_params == params


def test_the_sentence_follows_the_form_even_half_filled(admin):
    def said(**fields: Any) -> str:
        return " ".join(admin.post(f"{BASE}sentence/", {**FORM, **fields}).content.decode().split())

    text = said(accounts=["a"], operation_kind="suspend", quiet_from="22:00", quiet_until="06:00", emails="a@x.org")
    for part in ("Data usage of the cycle", "reaches 120 %", "24 hours", "Suspend", "22:00", "a@x.org"):
        assert part in text
    assert "approval" in text
    assert "Choose what the rule is about." in said(kinds=[], name="")
    assert not Rule.objects.exists()


def test_allowed_and_taken_back_by_its_page(admin, administrator):
    rule = make_rule(operation_kind="suspend", automatic=True)
    page = f"{BASE}{rule.pk}/"
    assert 'data-rule-allowed="no"' in admin.get(page).content.decode()
    admin.post(f"{page}allow/", {"allow": "1", "digest": "of another rule"})
    assert 'data-rule-allowed="no"' in admin.get(page).content.decode()
    admin.post(f"{page}allow/", {"allow": "1", "digest": proposals.digest(rule)})
    assert 'data-rule-allowed="yes"' in admin.get(page).content.decode()
    admin.post(f"{page}allow/", {"allow": "0"})
    assert 'data-rule-allowed="no"' in admin.get(page).content.decode()


def test_a_rule_that_made_something_is_switched_off_and_not_deleted(admin, make_sim):
    rule = make_rule()
    firing.apply(make_event(make_sim()).pk)
    html = admin.get(f"{BASE}{rule.pk}/").content.decode()
    assert "/delete/" not in html
    assert admin.post(f"{BASE}{rule.pk}/delete/").status_code == 303
    assert Rule.objects.exists()
    copy = admin.get(f"{BASE}new/?copy={rule.pk}").content.decode()
    assert f"Copy of {rule.name}" in copy
    assert admin.get(f"{BASE}new/?copy=999999").status_code == 404


def test_the_trial_shows_what_would_have_been_and_changes_nothing(admin, make_sim):
    rule = make_rule(
        active=False, threshold=100, once_per=3600, operation_kind="suspend", emails=["a@example.com", "b@example.com"]
    )
    sims = [make_sim(), make_sim(), make_sim(account="other")]
    for sim in sims:
        make_event(sim, ago=90_000, value=110, detail={"dataUsage": 110, "quota": 100})
    make_event(sims[0], ago=90_060, value=130)
    make_event(sims[0], ago=30, value=130)
    make_event(sims[1], ago=20, value=90)
    make_event(sims[1], ago=8 * 86400, value=190)
    make_event(sims[1], kind=DEVICE)
    before = list(Event.objects.values())
    html = admin.get(f"{BASE}{rule.pk}/trial/?days=7").content.decode()
    numbers = {
        name: html.split(f'data-trial="{name}">')[1].split("<")[0]
        for name in ("lines", "sims", "emails", "webhooks", "operations")
    }
    assert numbers == {"lines": "3", "sims": "3", "emails": "8", "webhooks": "0", "operations": "4"}
    assert html.count("data-trial-event=") == 4
    assert html.count("<meter") == 8
    assert sims[2].giccid in html
    fragment = admin.get(f"{BASE}{rule.pk}/trial/?days=30", headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in fragment
    assert 'data-trial="emails">10<' in fragment
    assert list(Event.objects.values()) == before
    assert not Notification.objects.exists()
    assert not NotificationItem.objects.exists()
    assert not Operation.objects.exists()


def test_the_list_takes_the_same_queries_for_any_number_of_rules(admin, make_sim):
    def queries(number: int) -> int:
        for _ in range(number - Rule.objects.count()):
            make_rule(operation_kind="suspend")
        firing.apply(make_event(make_sim()).pk)
        with CaptureQueriesContext(connection) as counted:
            assert admin.get(BASE).content.decode().count("data-rule=") == number
        return len(counted)

    queries(1)
    assert queries(2) == queries(12) < 15


def test_a_number_beyond_every_row_is_an_answer_to_the_form(admin):
    for name in ("roles", "users", "forwards"):
        for number in ("9" * 19, str(2**64), "9" * 5000):
            assert admin.post(f"{BASE}new/", {**FORM, name: number}).status_code == 422
    assert not Rule.objects.exists()


def test_what_somebody_else_was_faster_with_is_told_in_words(admin, administrator, monkeypatch):
    monkeypatch.setattr(RuleForm, "clean_name", lambda form: form.cleaned_data["name"])
    make_rule(name=FORM["name"])
    answer = admin.post(f"{BASE}new/", FORM)
    assert answer.status_code == 422
    assert "There is a rule of this name already." in answer.content.decode()
    gone = make_rule(name="gone", active=False)
    Rule.objects.filter(pk=gone.pk).delete()
    monkeypatch.setattr(selectors, "get_rule", lambda user, pk: gone)
    for path, data, status in (
        ("edit/", {**FORM, "name": "x"}, 422),
        ("switch/", {"on": "1"}, 404),
        ("delete/", {}, 303),
    ):
        assert admin.post(f"{BASE}{gone.pk}/{path}", data).status_code == status, path
    assert Rule.objects.count() == 1
