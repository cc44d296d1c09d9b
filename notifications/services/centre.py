"""What people do with lines of the notification centre: read, snooze, assign, close, reopen.

Each takes a set of lines and reaches those of them that the actor may see and that the act changes, all or nothing,
with an audit entry for each; answers how many these were.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from core import audit
from notifications.models import Notification, ReadMark, ReadUpTo
from notifications.selectors import centre
from staff.models import User

State = Notification.State

MOST = 1000
"""Lines that one act takes."""
LONGEST_SNOOZE = timedelta(days=90)
_LATE = timedelta(minutes=10)
"""A line may be committed so long after the time that it bears."""


def mark_read(user: User, ids: Collection[int]) -> int:
    """Note that ``user`` has read these lines as they are now. Nothing else about them changes, so nothing is audited.

    Raises :class:`PermissionDenied` for somebody who may not see notifications.
    """
    _check(user, "notifications.view_notification")
    with transaction.atomic():
        lines = centre.unread(user).filter(pk__in=_limited(ids)).values_list("pk", "last_at")
        # The time of the line and not of the clock: what comes in this very moment stays unread.
        marks = [ReadMark(user=user, notification_id=pk, read_at=last_at) for pk, last_at in lines]
        ReadMark.objects.bulk_create(
            marks, update_conflicts=True, unique_fields=["user", "notification"], update_fields=["read_at"]
        )
    _move_read_up_to(user)
    return len(marks)


def mark_all_read(user: User) -> None:
    """Note that ``user`` has read whatever waits now."""
    _check(user, "notifications.view_notification")
    latest = timezone.now() - _LATE
    # Marks for the newest, since one that is just being stored may bear an earlier time; the rest is covered at once.
    marked = Q(last_at__gt=latest) | Q(snoozed_until__isnull=False)
    while True:
        ids = list(centre.unread(user).filter(marked).values_list("pk", flat=True)[:MOST])
        if not ids or not mark_read(user, ids):
            break
    _read_up_to(user, latest)


def _move_read_up_to(user: User) -> None:
    """Bring the time up to which everything is read as far as it goes: to the oldest line that is unread."""
    oldest = centre.unread(user).filter(snoozed_until=None).order_by("last_at").values_list("last_at", flat=True)
    latest = timezone.now() - _LATE
    first = oldest.first()
    _read_up_to(user, latest if first is None else min(latest, first - timedelta(microseconds=1)))


def _read_up_to(user: User, at: datetime) -> None:
    """Only ever forwards, whoever comes in between."""
    if not ReadUpTo.objects.filter(user=user, at__lt=at).update(at=at) and at > user.date_joined:
        ReadUpTo.objects.get_or_create(user=user, defaults={"at": at})


def snooze(user: User, ids: Collection[int], until: datetime) -> int:
    """Hide open lines until ``until`` (aware); then they come back, unread for everybody.

    Raises :class:`ValidationError` for a time that is over or more than 90 days away.
    """
    now = timezone.now()
    if until <= now:
        raise ValidationError(_("This time is over. Choose one to come."))
    if until > now + LONGEST_SNOOZE:
        raise ValidationError(_("Choose a time within 90 days."))

    def before_and_after(line: Notification) -> tuple[dict[str, Any], dict[str, Any]]:
        return {"snoozed_until": _iso(line.snoozed_until)}, {"snoozed_until": _iso(until)}

    return _act(user, ids, "notification.snoozed", Q(state=State.OPEN), before_and_after, snoozed_until=until)


def wake(user: User, ids: Collection[int]) -> int:
    """Bring snoozed lines back now."""
    now = timezone.now()

    def before_and_after(line: Notification) -> tuple[dict[str, Any], dict[str, Any]]:
        return {"snoozed_until": _iso(line.snoozed_until)}, {"snoozed_until": None}

    return _act(user, ids, "notification.woken", centre.snoozed(now), before_and_after, snoozed_until=now)


def assign(user: User, ids: Collection[int], person: User | None) -> int:
    """Have ``person`` look after open lines; ``None``: nobody in particular.

    Raises :class:`ValidationError` when they may not see or not handle one of them.
    """
    with transaction.atomic():
        lines = list(centre.visible(user).filter(pk__in=_limited(ids), state=State.OPEN))
        if person is not None and lines and person not in centre.may_handle(lines):
            raise ValidationError(_("%(who)s may not see or handle all of these.") % {"who": person.get_username()})

        def before_and_after(line: Notification) -> tuple[dict[str, Any], dict[str, Any]]:
            return {"assigned_to": line.assigned_to_id}, {"assigned_to": person.pk if person else None}

        wanted = Q(state=State.OPEN) & (
            ~Q(assigned_to=person) | Q(assigned_to=None) if person else Q(assigned_to__isnull=False)
        )
        return _act(user, ids, "notification.assigned", wanted, before_and_after, assigned_to=person)


def close(user: User, ids: Collection[int], note: str) -> int:
    """Close open lines with a word about why; what happens from now on opens new ones.

    Raises :class:`ValidationError` without a note.
    """
    note = note.strip()
    if not note:
        raise ValidationError(_("Please say what was done about it."))

    def before_and_after(line: Notification) -> tuple[dict[str, Any], dict[str, Any]]:
        return {"state": State.OPEN}, {"state": State.CLOSED}

    values: dict[str, Any] = {"closed_by": user, "closed_at": timezone.now(), "note": note}
    values |= {"joins": False, "state": State.CLOSED}
    return _act(user, ids, "notification.closed", Q(state=State.OPEN), before_and_after, reason=note, **values)


def reopen(user: User, ids: Collection[int]) -> int:
    """Open closed lines again. Their note goes; it stays in the audit trail. New events do not join them."""

    def before_and_after(line: Notification) -> tuple[dict[str, Any], dict[str, Any]]:
        return {"state": State.CLOSED, "note": line.note}, {"state": State.OPEN}

    values: dict[str, Any] = {"closed_by": None, "closed_at": None, "note": ""}
    values |= {"snoozed_until": None, "state": State.OPEN}
    return _act(user, ids, "notification.reopened", Q(state=State.CLOSED), before_and_after, **values)


def _act(
    user: User,
    ids: Collection[int],
    action: str,
    wanted: Q,
    before_and_after: Callable[[Notification], tuple[dict[str, Any], dict[str, Any]]],
    *,
    reason: str = "",
    **values: Any,
) -> int:
    _check(user, "notifications.handle_notification")
    with transaction.atomic():
        lines = centre.visible(user).filter(wanted, pk__in=_limited(ids))
        locked = list(lines.select_for_update(of=("self",), no_key=True).order_by("pk"))
        reached = [line.pk for line in locked]
        Notification.objects.filter(pk__in=reached).update(**values)
        if "snoozed_until" in values and values["snoozed_until"] is not None:
            ReadMark.objects.filter(notification__in=reached).delete()
        acted = [audit.Acted(line.pk, line.account_name, *before_and_after(line)) for line in locked]
        audit.record_many(action=action, actor=user, model=Notification, acted=acted, reason=reason)
    return len(reached)


def _check(user: User, permission: str) -> None:
    if not user.has_perm(permission):
        raise PermissionDenied


def _limited(ids: Collection[int]) -> list[int]:
    if len(ids) > MOST:
        raise ValidationError(_("Take at most %(number)s at a time.") % {"number": MOST})
    return list(ids)


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
