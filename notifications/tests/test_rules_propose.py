"""Operations that rules ask for: proposed, approved, sent once; without approval only as far as it was allowed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from core.models import AuditEntry
from notifications.models import Event, Notification, NotificationItem, Rule
from notifications.services import firing, proposals, rules
from notifications.tests.rule_helpers import make_event, make_rule
from operations.errors import NotAllowed
from operations.models import Operation
from operations.services.approval import approve
from operations.tests.helpers import changes_of, run_to_end
from staff.automation import automation_user
from staff.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_rules(db: None) -> None:
    Rule.objects.all().delete()


def fire(sim: Any, **fields: Any) -> Any:
    """What the rule made of an event of the SIM."""
    event = make_event(sim, **fields)
    assert firing.apply(event.pk)
    return NotificationItem.objects.get(event=event)


@pytest.fixture
def allowed(administrator: User) -> Rule:
    """A rule that suspends without approval, as the administrator has allowed."""
    rule = make_rule(operation_kind="suspend", automatic=True, threshold=100)
    rules.allow(rule, digest=proposals.digest(rule), actor=administrator)
    return Rule.objects.get()


def test_proposed_approved_by_a_supervisor_and_changed_once_at_the_carrier(
    simulator, carrier_sim, supervisor, agent, config
):
    sim = carrier_sim("suspend")
    rule = make_rule(operation_kind="suspend", name="Overuse")
    item = fire(sim, value=120, detail={"dataUsage": 120, "quota": 100})
    operation = item.operation
    assert (operation.state, operation.kind, operation.actor) == ("awaiting_approval", "suspend", automation_user())
    assert "Overuse" in operation.reason
    assert "120 %" in operation.reason
    assert not item.automatic
    assert changes_of(simulator, sim) == []
    with pytest.raises(NotAllowed):
        approve(operation, agent)
    approve(operation, supervisor)
    operation.refresh_from_db()
    assert run_to_end(operation).state == "done"
    # The same event once more, by hand, and the answer to another one while the SIM is in this state already.
    Event.objects.update(next_attempt_at=timezone.now())
    firing.apply_due()
    sim.refresh_from_db()
    again = fire(sim, value=130)
    assert again.operation is None
    assert again.proposal_refused
    assert len(changes_of(simulator, sim)) == 1
    assert rule.notifications.get().events == 2


def test_what_stands_against_it_is_told_in_words(make_sim, agent):
    make_rule(operation_kind="change_plan", operation_params={"plan": "NONE", "effective": "NOW"})
    busy = make_sim()
    assert fire(busy).proposal_refused == "This account has no such plan."
    Rule.objects.update(operation_kind="suspend", operation_params={})
    first = fire(busy)
    second = fire(busy)
    assert first.operation is not None
    assert str(first.operation.pk) in second.proposal_refused
    assert "retired" in fire(make_sim(status="RETIRED")).proposal_refused
    without = make_event()
    firing.apply(without.pk)
    assert NotificationItem.objects.get(event=without).proposal_refused == "", "there is nothing to change"
    assert Notification.objects.count() == 2


def test_only_kinds_that_can_be_taken_back(make_sim):
    make_rule(operation_kind="retire", operation_params={"confirm": "0000"})
    item = fire(make_sim(status="DEACTIVATED"))
    assert (item.operation, bool(item.proposal_refused)) == (None, True)
    assert not Operation.objects.exists()


def test_odd_words_of_the_carrier_do_not_stand_in_the_way(make_sim):
    make_rule(kinds=["PREPAID_SERVICE_PACKAGE_EXPIRED"], operation_kind="suspend")
    item = fire(
        make_sim(), kind="PREPAID_SERVICE_PACKAGE_EXPIRED", detail={"servicePackageCode": "A\x07\n\ud7ff" + "x" * 3000}
    )
    assert item.operation is not None, item.proposal_refused


def test_allowed_it_is_sent_without_approval_and_says_who_allowed_it(simulator, carrier_sim, allowed):
    sim = carrier_sim("suspend")
    item = fire(sim, value=100)
    assert item.automatic
    assert item.operation.state == "queued"
    assert "administrator" in item.operation.reason
    assert run_to_end(item.operation).state == "done"
    assert len(changes_of(simulator, sim)) == 1
    assert AuditEntry.objects.filter(action="rule.allowed", actor__username="administrator").exists()


def _take_role(rule: Rule) -> None:
    User.objects.get(username="administrator").groups.clear()


def _deactivate(rule: Rule) -> None:
    User.objects.filter(username="administrator").update(is_active=False)


def _limit_to_other_account(rule: Rule) -> None:
    User.objects.filter(username="administrator").update(all_accounts=False)


@pytest.mark.parametrize(
    "change",
    [
        lambda rule: Rule.objects.update(automatic=False),
        lambda rule: Rule.objects.update(threshold=50),
        lambda rule: Rule.objects.update(accounts=["example_account"]),
        lambda rule: Rule.objects.update(operation_kind="change_plan", operation_params={"plan": "X"}),
        lambda rule: Rule.objects.update(automatic_allowed_by=None),
        _take_role,
        _deactivate,
        _limit_to_other_account,
    ],
)
def test_the_allowance_holds_for_what_was_read_and_as_long_as_who_gave_it_may(change, allowed, make_sim):
    sim = make_sim()
    assert proposals.acts_alone(Rule.objects.get(), sim)
    change(allowed)
    assert not proposals.acts_alone(Rule.objects.get(), sim)
    item = fire(sim, value=200)
    assert not item.automatic
    assert item.operation is None or item.operation.state == "awaiting_approval"


def test_a_change_in_the_form_takes_the_allowance_away_and_a_new_name_does_not(allowed, administrator):
    values = rules.values_of(allowed)
    rules.save_rule(rule=allowed, values={**values, "name": "other", "emails": ["a@example.com"]}, actor=administrator)
    assert proposals.is_allowed(Rule.objects.get())
    rules.save_rule(rule=allowed, values={**values, "once_per": 60}, actor=administrator)
    rule = Rule.objects.get()
    assert (rule.automatic_allowed_by, rule.automatic_digest) == (None, "")
    # And changing it back does not bring it back.
    rules.save_rule(rule=rule, values=values, actor=administrator)
    assert not proposals.is_allowed(Rule.objects.get())


def test_allowing_needs_the_permission_and_the_rule_that_was_read(administrator, supervisor):
    rule = make_rule(operation_kind="suspend", automatic=True)
    digest = proposals.digest(rule)
    with pytest.raises(PermissionDenied):
        rules.allow(rule, digest=digest, actor=supervisor)
    Rule.objects.update(threshold=1)
    with pytest.raises(rules.Refused):
        rules.allow(rule, digest=digest, actor=administrator)
    Rule.objects.update(threshold=None, automatic=False)
    with pytest.raises(rules.Refused):
        rules.allow(rule, digest=digest, actor=administrator)
    assert not proposals.is_allowed(Rule.objects.get())


def test_where_another_administrator_has_to_allow_it_the_maker_can_not(
    administrator, make_user, login, make_sim, config
):
    other = make_user("Administrator")
    like = make_rule(operation_kind="suspend", automatic=True, active=False)
    values = rules.values_of(like)
    rule = rules.save_rule(rule=None, values={**values, "name": "suspend"}, actor=administrator)
    rules.switch(rule, on=True, actor=administrator)
    digest = proposals.digest(rule)
    # One administrator is enough, unless the setting says otherwise, and then also for what was allowed before.
    rules.allow(rule, digest=digest, actor=administrator)
    assert proposals.is_allowed(Rule.objects.get(pk=rule.pk))
    config(RULE_ALLOWED_BY_ANOTHER=True)
    assert not fire(make_sim(), value=100).automatic
    with pytest.raises(rules.Refused, match="another administrator"):
        rules.allow(rule, digest=digest, actor=administrator)
    page = f"/notifications/rules/{rule.pk}/"
    assert "another administrator allows it" in login(administrator).get(page).content.decode()
    assert "another administrator allows it" not in login(other).get(page).content.decode()
    rules.allow(rule, digest=digest, actor=other)
    assert fire(make_sim(), value=100).automatic
    # Who changes what it does has made it, and a new name is no such change.
    values = rules.values_of(Rule.objects.get(pk=rule.pk))
    rules.save_rule(rule=rule, values={**values, "name": "renamed"}, actor=other)
    assert proposals.is_allowed(Rule.objects.get(pk=rule.pk))
    changed = rules.save_rule(rule=rule, values={**values, "threshold": 5}, actor=other)
    with pytest.raises(rules.Refused, match="another administrator"):
        rules.allow(changed, digest=proposals.digest(changed), actor=other)


def test_beyond_the_limit_of_an_hour_it_is_proposed_and_told(allowed, make_sim, config):
    config(RULE_AUTOMATIC_PER_HOUR=2)
    items = [fire(make_sim(), value=100) for _ in range(4)]
    assert [item.automatic for item in items] == [True, True, False, False]
    assert [item.operation.state for item in items] == ["queued", "queued", *["awaiting_approval"] * 2]
    assert "2 operations" in items[2].operation.reason
    told = Event.objects.get(kind="rule_limit")
    assert (told.account_name, told.detail["name"]) == ("", allowed.name)
    Operation.objects.update(created_at=timezone.now() - timedelta(hours=1, minutes=1))
    assert fire(make_sim(), value=100).automatic
    config(RULE_AUTOMATIC_PER_HOUR=0)
    assert not fire(make_sim(), value=100).automatic


def test_the_service_user_can_not_sign_in_and_deactivated_it_asks_for_nothing(client, make_sim):
    user = automation_user()
    assert not user.has_usable_password()
    assert user.get_all_permissions() == {"operations.change_sim_state", "operations.change_sim_settings"}
    user.set_password("correct horse battery")
    user.save()
    response = client.post("/login/", {"username": "automation", "password": "correct horse battery"})
    assert response.status_code == 200, "the form again"
    assert "_auth_user_id" not in client.session
    User.objects.filter(pk=user.pk).update(is_active=False)
    make_rule(operation_kind="suspend")
    assert "deactivated" in fire(make_sim()).proposal_refused


def test_an_answer_to_what_operations_make_themselves_is_never_sent_without_approval(administrator):
    rule = make_rule(kinds=["SIM_STATUS_CHANGE"], operation_kind="suspend", automatic=True)
    with pytest.raises(rules.Refused):
        rules.allow(rule, digest=proposals.digest(rule), actor=administrator)
    digest = proposals.digest(rule)
    Rule.objects.update(automatic_allowed_by=administrator, automatic_digest=digest)
    assert not proposals.is_allowed(Rule.objects.get())
