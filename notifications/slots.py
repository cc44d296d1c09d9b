"""What this app puts into other pages: the entry of the navigation with its badge, the notifications of a SIM."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, QuerySet
from django.db.models.expressions import Combinable
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from core import facts, navigation
from core.listing import Listing
from core.prepared import found_for
from notifications import kinds
from notifications.models import NotificationItem
from notifications.selectors import centre
from sims.models import Sim

UNREAD, OF_SIM = "notifications.unread", "notifications.of_sim"
SHOWN = 5
_PERMISSION = "notifications.view_notification"


def navigation_entry(request: HttpRequest) -> SafeString:
    """The way to the notification centre, with the number of unread lines."""
    if not request.user.has_perm(_PERMISSION):
        return SafeString("")
    match = request.resolver_match
    parts = ("centre", "line", "act", "rule", "forward", "deliver")
    current = match is not None and match.app_name == "notifications" and (match.url_name or "").startswith(parts)
    return navigation.entry(
        url=reverse("notifications:centre"),
        icon_name="bell",
        label=_("Notifications"),
        count=_count(request),
        current=current,
    )


def badge(request: HttpRequest) -> SafeString:
    """For pages that are open: the number as it is now, and a word about it to screen readers."""
    if not request.user.has_perm(_PERMISSION):
        return SafeString("")
    number = _number(request)
    said = format_html('<div hx-swap-oob="innerHTML:#announce">{}</div>', _label(number)) if number else ""
    return format_html("{}{}", _count(request, out_of_band=True), said)


def _count(request: HttpRequest, *, out_of_band: bool = False) -> SafeString:
    number = _number(request)
    return navigation.count_badge(
        "notifications", number, text=text_of(number), label=_label(number), out_of_band=out_of_band
    )


def unread(user: Any) -> Combinable | None:
    """The number of unread lines, for who may see any."""
    return centre.unread_count(user) if user.has_perm(_PERMISSION) else None


def _number(request: HttpRequest) -> int:
    return facts.answer(request, UNREAD)


def text_of(number: int) -> str:
    """The number for the eye, which goes no further than it was counted."""
    return f"{centre.MOST_COUNTED}+" if number > centre.MOST_COUNTED else str(number)


def _label(number: int) -> str:
    words = ngettext("%(number)s unread notification", "%(number)s unread notifications", number)
    return words % {"number": text_of(number)}


def selection(request: HttpRequest, *, listing: Listing) -> SafeString | str:
    """For the bar of ticked lines: what can be done with them."""
    if listing.name != "notifications":
        return ""
    acts = [
        ("snooze", "alarm-clock", _("Snooze")),
        ("assign", "user-plus", _("Assign")),
        ("close", "check", _("Close")),
    ]
    context = {"acts": acts, "may_handle": request.user.has_perm("notifications.handle_notification")}
    return render_to_string("notifications/centre_selection.html", context, request=request)


def of_sim(user: Any) -> Combinable | None:
    """Whether there are notifications about the SIM of a page."""
    return Exists(centre.of_sim(user, facts.SUBJECT)) if user.has_perm(_PERMISSION) else None


def _newest_of_sim(user: Any) -> QuerySet[NotificationItem]:
    return centre.of_sim(user, facts.SUBJECT)[:SHOWN]


def sim_card(request: HttpRequest, *, sim: Sim) -> SafeString | str:
    """The last notifications of a SIM as a card for its page; nothing while there is none."""
    if not request.user.has_perm(_PERMISSION):
        return ""
    if not facts.about(request, OF_SIM, sim.pk):
        return ""
    newest = found_for(request.user, _newest_of_sim, sim.pk)
    rows = [
        {
            "item": item,
            "icon": kinds.icon_of(item.event.kind),
            "label": kinds.label_of(item.event.kind),
            "words": kinds.describe(item.event.kind, item.event.value, item.event.detail),
        }
        for item in newest
    ]
    return render_to_string("notifications/centre_sim_card.html", {"sim": sim, "rows": rows}, request=request)
