"""What people do with notifications: read, snooze, assign, close, reopen; each act once, audited, in their scope."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied, ValidationError
from django.utils import timezone

from core.models import AuditEntry
from notifications.forms_centre import SnoozeForm
from notifications.models import Notification, ReadMark, ReadUpTo
from notifications.selectors import centre as selectors
from notifications.services import centre
from notifications.tests.rule_helpers import make_rule, unread_count

pytestmark = pytest.mark.django_db


def audited(action):
    return list(AuditEntry.objects.filter(action=action).values_list("object_id", "account_name", "reason"))


def later(line, **by):
    """Something came to the line."""
    Notification.objects.filter(pk=line.pk).update(last_at=timezone.now() + timedelta(**by))


class TestWhoSees:
    def test_lines_of_ones_accounts_and_the_portals_own_only_without_limits(self, make_line, make_sim, make_user):
        everything, limited, nothing = make_user("Agent"), make_user("Agent", ["north"]), make_user("Agent", [])
        north, own = make_line([make_sim(account="north")]), make_line()
        assert set(selectors.visible(everything)) == {north, own}
        assert list(selectors.visible(limited)) == [north]
        assert not selectors.visible(nothing).exists()
        assert [unread_count(user) for user in (everything, limited, nothing)] == [2, 1, 0]

    def test_those_whom_the_rule_names(self, make_line, make_user):
        agent, named, supervisor = make_user("Agent"), make_user("Agent"), make_user("Supervisor")
        for_role = make_line(rule=make_rule(roles=[Group.objects.get(name="Supervisor")]))
        for_person = make_line(rule=make_rule(users=[named]))
        for_both = make_line(rule=make_rule(users=[named], roles=[Group.objects.get(name="Supervisor")]))
        assert not selectors.visible(agent).exists()
        assert set(selectors.visible(named)) == {for_person, for_both}
        assert set(selectors.visible(supervisor)) == {for_role, for_both}
        people = [named, supervisor]
        for line in (for_role, for_person, for_both):
            may = selectors.may_handle([line])
            assert [p for p in people if p in may] == [p for p in people if line in selectors.visible(p)]
            assert agent not in may


class TestReading:
    def test_read_by_one_is_unread_for_another_and_again_when_something_comes(self, make_line, make_sim, make_user):
        one, two = make_user("Viewer"), make_user("Viewer")
        line = make_line([make_sim()])
        assert centre.mark_read(one, [line.pk]) == 1
        assert centre.mark_read(one, [line.pk]) == 0
        assert [unread_count(user) for user in (one, two)] == [0, 1]
        later(line, seconds=1)
        assert unread_count(one) == 1
        assert centre.mark_read(one, [line.pk]) == 1
        assert ReadMark.objects.count() == 1
        assert not AuditEntry.objects.filter(action__startswith="notification").exists()

    def test_what_is_closed_or_snoozed_is_not_unread(self, make_line, agent):
        closed, snoozed = make_line(), make_line()
        centre.close(agent, [closed.pk], "done")
        centre.snooze(agent, [snoozed.pk], timezone.now() + timedelta(hours=1))
        assert unread_count(agent) == 0

    def test_a_count_goes_no_further_than_it_shows(self, make_line, agent):
        for _ in range(3):
            make_line()
        Notification.objects.bulk_create(
            Notification(rule=make_line().rule, kind="push_dead", severity="info", joins=False, first_at=at, last_at=at)
            for at in [timezone.now()] * 120
        )
        assert unread_count(agent) == selectors.MOST_COUNTED + 1

    def test_all_read_also_what_came_just_now_and_nothing_that_comes_next(self, make_line, make_user):
        agent = make_user("Agent", date_joined=timezone.now() - timedelta(days=9))
        old, new = make_line(at=timezone.now() - timedelta(days=3)), make_line()
        assert unread_count(agent) == 2
        centre.mark_all_read(agent)
        assert unread_count(agent) == 0
        assert ReadUpTo.objects.get(user=agent).at > old.last_at
        assert list(ReadMark.objects.values_list("notification", flat=True)) == [new.pk]
        make_line()
        # One whose commit came late bears an earlier time than the reading.
        make_line(at=timezone.now() - timedelta(minutes=1))
        assert unread_count(agent) == 2

    def test_how_far_all_is_read_moves_up_to_the_oldest_unread(self, make_line, make_user):
        agent = make_user("Agent", date_joined=timezone.now() - timedelta(days=9))
        days = [make_line(at=timezone.now() - timedelta(days=day)) for day in (5, 4, 3)]
        centre.mark_read(agent, [days[0].pk, days[2].pk])
        assert days[0].last_at < ReadUpTo.objects.get(user=agent).at < days[1].last_at
        centre.mark_read(agent, [days[1].pk])
        assert ReadUpTo.objects.get(user=agent).at > days[2].last_at
        ReadMark.objects.all().delete()
        assert unread_count(agent) == 0, "marks are not needed for what lies before"
        later(days[0], seconds=0)
        assert unread_count(agent) == 1

    def test_what_was_before_somebody_came_is_not_theirs_to_read(self, make_line, make_user):
        make_line(at=timezone.now() - timedelta(days=1))
        assert unread_count(make_user("Agent")) == 0


class TestSnoozing:
    def test_hidden_until_its_time_then_back_and_unread_for_everybody(self, make_line, agent, viewer):
        line = make_line()
        centre.mark_read(viewer, [line.pk])
        until = timezone.now() + timedelta(hours=1)
        assert centre.snooze(agent, [line.pk], until) == 1
        assert audited("notification.snoozed") == [(str(line.pk), "", "")]
        for user in (agent, viewer):
            assert not selectors.visible(user).filter(selectors.waiting()).exists()
        later(line, minutes=5)
        assert not selectors.visible(agent).filter(selectors.waiting()).exists(), "what comes does not wake it"
        with time_machine.travel(until + timedelta(seconds=1)):
            assert [unread_count(user) for user in (agent, viewer)] == [1, 1]

    def test_bringing_it_back_now(self, make_line, agent):
        line = make_line()
        centre.snooze(agent, [line.pk], timezone.now() + timedelta(hours=1))
        assert centre.wake(agent, [line.pk]) == 1
        assert centre.wake(agent, [line.pk]) == 0
        assert unread_count(agent) == 1

    @pytest.mark.parametrize("by", [timedelta(seconds=-1), timedelta(days=91)])
    def test_neither_in_the_past_nor_for_ever(self, by, make_line, agent):
        with pytest.raises(ValidationError):
            centre.snooze(agent, [make_line().pk], timezone.now() + by)

    def test_tomorrow_at_eight_by_the_users_clock_also_where_it_changes(self):
        # In Berlin the clock went from 2:00 to 3:00 on 29 March 2026.
        evening = datetime(2026, 3, 28, 20, 0, tzinfo=UTC)
        with time_machine.travel(evening), timezone.override("Europe/Berlin"):
            form = SnoozeForm({"length": "tomorrow"})
            assert form.is_valid()
            assert form.cleaned_data["moment"].astimezone(UTC) == datetime(2026, 3, 29, 6, 0, tzinfo=UTC)
            form = SnoozeForm({"length": "chosen", "until": "2026-03-30T12:30"})
            assert form.is_valid()
            assert form.cleaned_data["moment"].astimezone(UTC) == datetime(2026, 3, 30, 10, 30, tzinfo=UTC)
            assert "until" in SnoozeForm({"length": "chosen"}).errors


class TestAssigning:
    def test_to_somebody_who_may_see_it(self, make_line, make_sim, make_user, agent):
        line = make_line([make_sim(account="north")])
        north, south, viewer = make_user("Agent", ["north"]), make_user("Agent", ["south"]), make_user("Viewer")
        assert selectors.may_handle([line]) == sorted([agent, north], key=lambda user: user.username)
        assert centre.assign(agent, [line.pk], north) == 1
        assert centre.assign(agent, [line.pk], north) == 0, "they have it"
        for person in (south, viewer):
            with pytest.raises(ValidationError):
                centre.assign(agent, [line.pk], person)
        line.refresh_from_db()
        assert line.assigned_to == north
        assert audited("notification.assigned") == [(str(line.pk), "north", "")]
        assert centre.assign(agent, [line.pk], None) == 1

    def test_for_many_only_those_who_may_see_all(self, make_line, make_sim, make_user, agent):
        lines = [make_line([make_sim(account=name)]) for name in ("north", "south")]
        both = make_user("Agent", ["north", "south"])
        make_user("Agent", ["north"])
        assert set(selectors.may_handle(lines)) == {agent, both}


class TestClosing:
    def test_with_a_word_and_back_again(self, make_line, agent):
        line = make_line(joins=True)
        with pytest.raises(ValidationError):
            centre.close(agent, [line.pk], "  ")
        assert centre.close(agent, [line.pk], " Called the customer ") == 1
        assert centre.close(agent, [line.pk], "again") == 0
        line.refresh_from_db()
        assert (line.state, line.closed_by, line.note, line.joins) == ("closed", agent, "Called the customer", False)
        assert audited("notification.closed") == [(str(line.pk), "", "Called the customer")]
        assert centre.reopen(agent, [line.pk]) == 1
        line.refresh_from_db()
        assert (line.state, line.closed_by, line.note, line.joins) == ("open", None, "", False)
        assert AuditEntry.objects.get(action="notification.reopened").before["note"] == "Called the customer"

    def test_many_at_once_but_only_ones_own(self, make_line, make_sim, make_user):
        mine, other = make_line([make_sim(account="north")]), make_line([make_sim(account="south")])
        assert centre.close(make_user("Agent", ["north"]), [mine.pk, other.pk, 0], "done") == 1
        other.refresh_from_db()
        assert other.state == "open"

    def test_not_by_those_who_may_only_look(self, make_line, viewer):
        line = make_line()
        until = timezone.now() + timedelta(hours=1)
        for act in (
            lambda: centre.close(viewer, [line.pk], "done"),
            lambda: centre.snooze(viewer, [line.pk], until),
            lambda: centre.assign(viewer, [line.pk], None),
            lambda: centre.reopen(viewer, [line.pk]),
            lambda: centre.wake(viewer, [line.pk]),
        ):
            with pytest.raises(PermissionDenied):
                act()
        assert not AuditEntry.objects.filter(action__startswith="notification").exists()
