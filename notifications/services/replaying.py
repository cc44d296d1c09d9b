"""Having all pushes done again that a list of them shows, in the background where they are many."""

from __future__ import annotations

from django.contrib.auth.models import AbstractBaseUser
from django.db.models import Max, QuerySet
from django.http import HttpRequest, QueryDict

from core import audit
from core.queue import enqueue
from notifications.filters import PushFilter
from notifications.models import Push
from notifications.selectors import list_pushes
from notifications.services.dispatch import BATCH, REPLAYABLE, replay
from staff.models import User


def matching(user: AbstractBaseUser, query: QueryDict) -> QuerySet[Push]:
    """The pushes of the list with this address that can be replayed, as far as ``user`` may see them."""
    request = HttpRequest()
    request.GET, request.user = query, user  # type: ignore[assignment]  # every user of the portal is a staff.User
    found: QuerySet[Push] = PushFilter(data=query, queryset=list_pushes(user), request=request).qs
    return found.filter(state__in=REPLAYABLE, lease_until__isnull=True)


def request_replay(user: AbstractBaseUser, query: QueryDict) -> int | None:
    """Replay all pushes of the list with this address; answers how many, ``None`` when a worker sees to them.

    What is received after this is left alone. The wish and each push are in the audit trail.
    """
    pushes = matching(user, query)
    up_to = Push.objects.aggregate(newest=Max("pk"))["newest"] or 0
    audit.record(action="push.replay_requested", actor=user, after={"filter": query.urlencode(), "up_to": up_to})
    if len(pushes.order_by("pk").values_list("pk", flat=True)[: BATCH + 1]) <= BATCH:
        return replay(pushes, actor=user)
    from notifications.tasks import replay_matching as task  # the tasks import the services

    # Without a broker it is done here and now: slow for this one click, and nothing is forgotten.
    return None if enqueue(task, query.urlencode(), user.pk, up_to) else replay(pushes, actor=user)


def replay_matching(query: str, *, user_id: int, up_to: int) -> int:
    """What :func:`request_replay` left to a worker, in chunks; a user who is gone meanwhile replays nothing."""
    user = User.objects.filter(pk=user_id, is_active=True).first()
    if user is None or not user.has_perm("notifications.replay_push"):
        return 0
    return replay(matching(user, QueryDict(query)).filter(pk__lte=up_to), actor=user)
