"""Reading the inbox, always for a user."""

from __future__ import annotations

import json

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import Exists, OuterRef, QuerySet

from notifications.models import Notification, Push
from notifications.selectors import centre
from notifications.services import reading
from sims.models import Sim, TimelineEvent
from sms.models import Message
from staff.models import User
from staff.scopes import scoped, visible_accounts

LONGEST_FORMATTED = 1_000_000
"""Characters beyond which a body is shown as it came: indents can make many times as much of a nested one."""

AnyUser = User | AnonymousUser | AbstractBaseUser


def list_pushes(user: AnyUser) -> QuerySet[Push]:
    """The pushes that ``user`` may see, with their source, in no order.

    A user who is limited to accounts sees the pushes of those; one that names no account is for the unlimited. Nor
    does such a user see a push about a SIM of another account, whatever account its sender claims: the claim stands
    in the row until a worker has come to it.
    """
    accounts = visible_accounts(user)  # type: ignore[arg-type]  # every user of the portal is a staff.User
    pushes = Push.objects.select_related("source")
    if accounts is None:
        return pushes
    others = Sim.objects.filter(giccid=OuterRef("giccid")).exclude(account__in=accounts)
    return pushes.filter(~Exists(others), account_name__in=sorted(accounts))


def get_push(user: AnyUser, push_id: int) -> Push:
    """One push; raises :class:`Push.DoesNotExist` when it is not there or not for this user."""
    return list_pushes(user).get(pk=push_id)


def formatted_body(push: Push) -> str:
    """The body as indented JSON, in the order it came in; as it is when it is no JSON, or would be too long."""
    try:
        text = json.dumps(json.loads(push.body.removeprefix("\ufeff")), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return push.body
    if len(text) > LONGEST_FORMATTED:
        return push.body
    # An escaped lone surrogate is valid JSON and can't be sent to a browser.
    return text.encode("utf-8", "replace").decode()


def lines_of(user: AnyUser, push: Push) -> list[Notification]:
    """The notifications that came of the push, as far as ``user`` may see them; at most ten."""
    return list(centre.visible(user).filter(items__event__push_id=push.pk).distinct().order_by("pk")[:10])


def message_of(user: AnyUser, push: Push) -> Message | None:
    """The message that the push brought or reported of, for somebody who may read messages."""
    if push.kind not in ("MO_SMS", "MT_SMS_STATUS_REPORT") or not user.has_perm("sms.view_message"):  # type: ignore[union-attr]  # every user of the portal is a staff.User
        return None
    try:
        carrier_id = reading.parse_text(push.body).get("smsMsgId")
    except reading.NotAPush:
        return None
    if not isinstance(carrier_id, str | int) or not str(carrier_id).strip():
        return None
    direction = Message.Direction.MO if push.kind == "MO_SMS" else Message.Direction.MT
    found = Message.objects.filter(carrier_id=str(carrier_id).strip()[:80], direction=direction)
    return scoped(found.select_related("sim"), user, account="sim__account_id").first()  # type: ignore[arg-type]  # as above


def sim_of(user: AnyUser, push: Push) -> Sim | None:
    """The SIM a push is about; ``None`` when the mirror does not know it or the user may not see it."""
    return scoped(Sim.objects.filter(giccid=push.giccid), user).first() if push.giccid else None  # type: ignore[arg-type]  # every user of the portal is a staff.User


def events_of(push: Push) -> list[TimelineEvent]:
    """The timeline entries that the push told of, oldest first; at most ten."""
    if not push.giccid or not push.key:
        return []
    told = TimelineEvent.objects.filter(sim__giccid=push.giccid, push_key=push.key)
    return list(told.order_by("at")[:10])
