"""What this app puts on the dashboard: unread notifications, the last that wait, and when the carrier last pushed."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, QuerySet
from django.db.models.expressions import Combinable
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from core import dashboard, facts, slots
from core.prepared import found_for
from core.templatetags.portal import exact_time, relative_time
from notifications import kinds
from notifications.models import Notification, PushSource
from notifications.selectors import centre
from notifications.slots import UNREAD, text_of
from notifications.tables_centre import severity_badge, size_of
from sims.selectors.health import PERMISSION as SEES_SYNC

SEES = "notifications.view_notification"
SHOWN = 4
_LAST_PUSH, _SOURCES, _WAITING = "notifications.last_push", "notifications.sources", "notifications.waiting"


def register() -> None:
    """Take this app's places on the page, and have asked what they need."""
    facts.register(_LAST_PUSH, _last_push, place=dashboard.PLACE)
    facts.register(_SOURCES, _sources, place=dashboard.PLACE)
    facts.register(_WAITING, _waiting, place=dashboard.PLACE)
    slots.fill(dashboard.HEALTH, push, rank=1)
    slots.fill(dashboard.NOW, unread_tile, rank=1)
    slots.fill(dashboard.FLEET, last, rank=1)


def _last_push(user: Any) -> Combinable | None:
    pushed = PushSource.objects.filter(active=True, last_push_at__isnull=False).order_by("-last_push_at")
    return facts.newest(pushed, "last_push_at") if user.has_perm(SEES_SYNC) else None


def _sources(user: Any) -> Combinable | None:
    return facts.CountOf(PushSource.objects.filter(active=True)) if user.has_perm(SEES_SYNC) else None


def _waiting(user: Any) -> Combinable | None:
    return Exists(centre.visible(user).filter(centre.waiting())) if user.has_perm(SEES) else None


def push(request: HttpRequest) -> SafeString:
    """When the carrier last pushed anything; nobody's data, so everybody may know it."""
    if not request.user.has_perm(SEES_SYNC):
        return SafeString("")
    at = facts.answer(request, _LAST_PUSH)
    url = reverse("notifications:sources") if request.user.has_perm("notifications.view_pushsource") else ""
    if at is not None:
        words = _("Last push %(time)s") % {"time": relative_time(at)}
        return dashboard.health("push", "ok", words, url=url, title=exact_time(at))
    has_source = bool(facts.answer(request, _SOURCES))
    words = _("No push received yet") if has_source else _("No push source set up")
    return dashboard.health("push", "neutral", words, url=url)


def unread_tile(request: HttpRequest) -> SafeString:
    """What the user has not read."""
    if not request.user.has_perm(SEES):
        return SafeString("")
    number: int = facts.answer(request, UNREAD)
    text = text_of(number)
    return dashboard.tile(
        "notifications_unread",
        text if number else 0,
        text,
        url=f"{reverse('notifications:centre')}?read=unread",
        label=_("Unread"),
        icon_name="bell",
        note=_("New to you") if number else _("Everything is read"),
        tone="info",
    )


def _newest(user: Any) -> QuerySet[Notification]:
    return centre.list_notifications(user).filter(centre.waiting()).order_by("-last_at", "-pk")[:SHOWN]


def last(request: HttpRequest) -> SafeString:
    """The newest lines that wait."""
    if not request.user.has_perm(SEES):
        return SafeString("")
    if not facts.answer(request, _WAITING):
        return dashboard.nothing("home-notifications")
    rows = [
        {
            "line": line,
            "icon": kinds.icon_of(line.kind),
            "label": kinds.label_of(line.kind),
            "size": size_of(line),
            "severity": severity_badge(line.severity),
        }
        for line in found_for(request.user, _newest)
    ]
    return SafeString(render_to_string("notifications/home/last.html", {"rows": rows}, request=request))
