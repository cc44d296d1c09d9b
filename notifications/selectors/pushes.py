"""Reading the inbox, always for a user."""

from __future__ import annotations

import json

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import QuerySet

from notifications.models import Push
from sims.models import Sim, TimelineEvent
from staff.models import User
from staff.scopes import scoped


def list_pushes(user: User | AnonymousUser | AbstractBaseUser) -> QuerySet[Push]:
    """The pushes that ``user`` may see, with their source, in no order.

    A user who is limited to accounts sees the pushes of those; one that names no account is for the unlimited.
    """
    return scoped(Push.objects.select_related("source"), user, account="account_name")  # type: ignore[arg-type]  # every user of the portal is a staff.User


def get_push(user: User | AnonymousUser | AbstractBaseUser, push_id: int) -> Push:
    """One push; raises :class:`Push.DoesNotExist` when it is not there or not for this user."""
    return list_pushes(user).get(pk=push_id)


def formatted_body(push: Push) -> str:
    """The body as indented JSON, in the order it came in; as it is when it is no JSON."""
    try:
        text = json.dumps(json.loads(push.body.removeprefix("\ufeff")), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return push.body
    # An escaped lone surrogate is valid JSON and can't be sent to a browser.
    return text.encode("utf-8", "replace").decode()


def sim_of(user: User | AnonymousUser | AbstractBaseUser, push: Push) -> Sim | None:
    """The SIM a push is about; ``None`` when the mirror does not know it or the user may not see it."""
    return scoped(Sim.objects.filter(giccid=push.giccid), user).first() if push.giccid else None  # type: ignore[arg-type]  # every user of the portal is a staff.User


def events_of(push: Push) -> list[TimelineEvent]:
    """The timeline entries that the push told of, oldest first; at most ten."""
    if not push.giccid or not push.key:
        return []
    told = TimelineEvent.objects.filter(sim__giccid=push.giccid, push_key=push.key)
    return list(told.order_by("at")[:10])
