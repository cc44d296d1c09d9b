"""Reading what leaves the portal, always for a user."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from notifications.models import Delivery, DeliveryAttempt, Forward
from notifications.services.deliveries import SENT_AGAIN, TEST
from staff.models import User
from staff.scopes import scoped

AnyUser = User | AnonymousUser | AbstractBaseUser
MOST_TRIES = 50


@dataclass(frozen=True)
class ForwardState:
    """A webhook and how it does. ``word`` is a key of ``core.badges.FORWARD_STATES``."""

    forward: Forward
    word: str
    tried: int = 0
    """Deliveries of the last 24 hours that were tried, tests left out."""
    taken: int = 0
    """Those of them that the receiver took."""
    waiting: int = 0
    """All that are not over."""
    rules: int = 0
    """Rules switched on that send to it."""

    @property
    def percent(self) -> int | None:
        """How many of those tried were taken, rounded down; ``None`` where none was tried."""
        return self.taken * 100 // self.tried if self.tried else None


def list_forwards() -> list[ForwardState]:
    """All webhooks by name with how they do, in three queries. For who has the permission to see webhooks."""
    now = timezone.now()
    forwards = Forward.objects.annotate(active_rules=Count("rules", filter=Q(rules__active=True))).order_by("name")
    counts = _counts(now - timedelta(hours=24))
    waiting = dict(
        Delivery.objects.filter(state=Delivery.State.QUEUED, next_attempt_at__isnull=False, forward__isnull=False)
        .order_by()
        .values_list("forward_id")
        .annotate(Count("pk"))
    )
    return [
        ForwardState(
            forward,
            state_of(forward, now),
            *counts.get(forward.pk, (0, 0)),
            waiting=waiting.get(forward.pk, 0),
            rules=forward.active_rules,
        )
        for forward in forwards
    ]


def state_of(forward: Forward, now: datetime | None = None) -> str:
    """``off``, ``paused`` (left alone for a while), ``failing`` or ``working``."""
    if not forward.active:
        return "off"
    if forward.closed_until is not None and forward.closed_until > (now or timezone.now()):
        return "paused"
    return "failing" if forward.failures else "working"


def signs_with_two_keys(forward: Forward) -> bool:
    """Whether the key before the present one still signs along."""
    return forward.previous_until is not None and forward.previous_until > timezone.now()


def _counts(since: datetime) -> dict[int, tuple[int, int]]:
    tried = Delivery.objects.filter(created_at__gte=since, forward__isnull=False, attempts__gt=0).exclude(kind=TEST)
    taken = Count("pk", filter=Q(state=Delivery.State.DELIVERED))
    rows = tried.order_by().values("forward_id").annotate(tried=Count("pk"), taken=taken)
    return {row["forward_id"]: (row["tried"], row["taken"]) for row in rows}


def list_deliveries(user: AnyUser) -> QuerySet[Delivery]:
    """The deliveries that ``user`` may see, in no order.

    Somebody who is limited to accounts sees those about events of these; tests and collected e-mails of several
    accounts are for the unlimited.
    """
    found = Delivery.objects.select_related("forward", "rule", "event__sim").defer("body")
    return scoped(found, user, account="account_name")  # type: ignore[arg-type]  # every user of the portal is a staff.User


def get_delivery(user: AnyUser, pk: int) -> Delivery:
    """One delivery; raises :class:`Delivery.DoesNotExist` when it is not there or not for this user."""
    return list_deliveries(user).select_related("part_of").defer(None).get(pk=pk)


def tries_of(delivery: Delivery) -> list[DeliveryAttempt]:
    """The newest tries, newest first; at most :data:`MOST_TRIES`."""
    return list(delivery.tries.order_by("-pk")[:MOST_TRIES])


def formatted_body(delivery: Delivery) -> str:
    """The JSON of a webhook with indents; the text of an e-mail as it is."""
    if delivery.channel != Delivery.Channel.WEBHOOK:
        return delivery.body
    return json.dumps(json.loads(delivery.body), indent=2, ensure_ascii=False)


def can_be_resent(delivery: Delivery) -> bool:
    """Whether it is over and was something of its own."""
    return delivery.state in SENT_AGAIN and delivery.kind != TEST
