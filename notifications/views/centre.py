"""The notification centre: the list, which keeps itself up to date, and the page of one line."""

from __future__ import annotations

import hashlib
from typing import Any

from django.contrib.auth.decorators import permission_required
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe
from django_htmx.http import reswap, trigger_client_event

from core.filters import address
from core.htmx import wants_fragment
from core.listing import TEMPLATE, Listing, ListView
from core.paging import BadCursor, Order, paginate
from core.tables import BaseTable
from notifications import kinds
from notifications.filters_centre import NotificationFilter
from notifications.models import Notification, NotificationItem
from notifications.selectors import centre
from notifications.services.centre import mark_read
from notifications.tables_centre import NotificationTable, severity_badge, size_of, state_of
from operations.selectors import list_operations

HANDLE = "notifications.handle_notification"
PAGE = "notifications/centre_line.html"
EVENTS_ORDER = Order("at", ("at", "pk"), descending=True)
EVENTS_SHOWN = 25
_NAMES = ("username", "first_name", "last_name")
_COLUMNS = (
    *(field.attname for field in Notification._meta.concrete_fields),
    *(f"assigned_to__{name}" for name in _NAMES),
    *(f"closed_by__{name}" for name in _NAMES),
)
"""What the table shows: all of a line, and what the people concerned are called."""
_EMPTY = "none"
"""How the version of a page without rows begins."""


class Centre(ListView):
    """What waits for somebody, the newest first."""

    name = "notifications"
    template_name = "notifications/centre.html"
    permission_required = "notifications.view_notification"
    table_class = NotificationTable
    filterset_class = NotificationFilter
    orders = {"last": "last_at"}
    default_sort = "-last"
    keeps_statements = True
    noun = _("notification")
    noun_plural = _("notifications")
    selectable = True
    copies_ticked = False

    def get_queryset(self) -> QuerySet[Any]:
        """What the user may see; the filter leaves what is open unless the address says otherwise."""
        lines = centre.list_notifications(self.request.user).only(*_COLUMNS)
        return centre.with_newest(lines)

    def decorate(self, rows: list[Any]) -> None:
        """With the newest event of each."""
        newest = centre.newest_events(rows)
        for row in rows:
            row.newest = newest.get(row.pk)

    def get(self, request: HttpRequest) -> HttpResponseBase:
        """The list; with ``version`` its rows for a page that is open, 204 while they are as that page has them.

        A page without rows takes the whole; one whose rows are all gone is told to ask for it. With ``hold``, while the
        pointer or the focus is among the rows, none comes or goes under it: it is only said that they differ.
        """
        if "version" not in request.GET:
            return super().get(request)
        listing, version = self.build(request), request.GET["version"]
        if version == _version(listing):
            return HttpResponse(status=204)
        if "hold" in request.GET and _which(version) != _which(_version(listing)):
            place = self.place(listing)
            waiting = render(request, "notifications/centre_waiting.html", {"url": address(listing.path, place)})
            return reswap(waiting, "none")
        if version and not version.startswith(_EMPTY) and not listing.page.rows:
            return trigger_client_event(HttpResponse(status=204), "list-renewed")
        context = {"listing": listing, "is_fragment": True, **self.extra_context(listing)}
        return render(request, f"{TEMPLATE}#results", context)

    def place(self, listing: Listing) -> QueryDict:
        """The address's state with the place in the list."""
        place = listing.state.copy()
        for parameter in ("after", "before"):
            if self.request.GET.get(parameter):
                place[parameter] = self.request.GET[parameter]
        return place

    def extra_context(self, listing: Listing) -> dict[str, Any]:
        """Where to ask for news, and what an empty list says."""
        place = self.place(listing)
        context: dict[str, Any] = {}
        for name, version in (("list_poll", _version(listing)), ("list_renew", "")):
            place["version"] = version
            context[name] = address(listing.path, place)
        if self.request.user.has_perm("notifications.view_rule"):
            context |= {
                "empty_title": _("Nothing waits"),
                "empty_text": _("Rules say what becomes a notification. See what they are made for, or add one."),
                "empty_url": _link("notifications:rules"),
                "empty_action": _("See the rules"),
            }
        else:
            context |= {
                "empty_title": _("Nothing waits"),
                "empty_text": _("What needs a look appears here by itself. What was closed is still there."),
                "empty_url": f"{listing.path}?state=closed",
                "empty_action": _("See what was closed"),
            }
        return context

    def _table(self, request: HttpRequest, rows: list[Any], order: Order) -> BaseTable:
        table = super()._table(request, rows, order)
        assert isinstance(table, NotificationTable)  # tells the type checker
        table.may_handle = request.user.has_perm(HANDLE)
        return table


def _version(listing: Listing) -> str:
    """Differs when a row of this page differs, or comes, or goes; its first part only when one comes, goes or moves."""
    facts = [
        (row.pk, row.last_at, row.events, row.unread, state_of(row), row.assigned_to_id, row.snoozed_until, row.note)
        for row in listing.page.rows
    ]
    which = _digest([fact[0] for fact in facts])
    return f"{which if facts else _EMPTY}-{_digest([listing.count.token, *facts])}"


def _which(version: str) -> str:
    return version.partition("-")[0]


def _digest(facts: list[Any]) -> str:
    return hashlib.blake2b(repr(facts).encode(), digest_size=8).hexdigest()


def _link(name: str, *args: object) -> str:
    """The address of a page; empty where this portal has none."""
    try:
        return reverse(name, args=args)
    except NoReverseMatch:
        return ""


def line_or_404(request: HttpRequest, pk: int) -> Notification:
    """The line, for a user who may see it."""
    try:
        return centre.get_notification(request.user, pk)
    except (Notification.DoesNotExist, OverflowError):
        raise Http404 from None


@require_safe
@permission_required("notifications.view_notification", raise_exception=True)
def line(request: HttpRequest, pk: int) -> HttpResponse:
    """One line with its events; opening it marks it as read. For htmx the next piece of the events."""
    found = line_or_404(request, pk)
    items = centre.items_of(found)
    try:
        page = paginate(items, EVENTS_ORDER, after=request.GET.get("after", ""), size=EVENTS_SHOWN)
    except BadCursor:
        page = paginate(items, EVENTS_ORDER, size=EVENTS_SHOWN)
    context = {
        "line": found,
        "entries": _entries(request, page.rows),
        "older_url": f"{request.path}?after={page.next}" if page.next else "",
    }
    if wants_fragment(request):
        return render(request, f"{PAGE}#older", context)
    if request.method == "GET" and found.unread:  # type: ignore[attr-defined]  # annotated by the selector
        mark_read(request.user, [found.pk])  # type: ignore[arg-type]  # signed in
    return render(request, PAGE, {**context, **_about(request, found)})


def _entries(request: HttpRequest, items: list[NotificationItem]) -> list[dict[str, Any]]:
    """The events in words, each with the links that this user may follow."""
    sees_pushes = request.user.has_perm("notifications.view_push")
    wanted = [item.operation_id for item in items if item.operation_id]
    seen: set[int] = set()
    if wanted and request.user.has_perm("operations.view_operation"):
        seen = set(list_operations(request.user).filter(pk__in=wanted).values_list("pk", flat=True))
    return [
        {
            "item": item,
            "event": item.event,
            "icon": kinds.icon_of(item.event.kind),
            "label": kinds.label_of(item.event.kind),
            "words": kinds.describe(item.event.kind, item.event.value, item.event.detail),
            "rule_name": item.event.detail.get("ruleName") if isinstance(item.event.detail, dict) else "",
            "push": item.event.push_id if sees_pushes else None,
            "operation": item.operation if item.operation_id in seen else None,
            "related": _related(request, item),
        }
        for item in items
    ]


def _related(request: HttpRequest, item: NotificationItem) -> tuple[str, str] | None:
    """The record of the portal that an event of its own is about: its address and what it is called."""
    detail = item.event.detail if isinstance(item.event.detail, dict) else {}
    for name, permission, view, words in (
        ("operation_id", "operations.view_operation", "operations:detail", _("Operation %(number)s")),
        ("job", "operations.view_batchjob", "operations:job", _("Batch job %(number)s")),
    ):
        number = detail.get(name)
        if isinstance(number, int) and request.user.has_perm(permission):
            return _link(view, number), str(words) % {"number": number}
    return None


def _about(request: HttpRequest, found: Notification) -> dict[str, Any]:
    """What stands beside the events."""
    sees_rules = request.user.has_perm("notifications.view_rule")
    return {
        "label": kinds.label_of(found.kind),
        "icon_name": kinds.icon_of(found.kind),
        "severity": severity_badge(found.severity),
        "size": size_of(found),
        "now": state_of(found),
        "may_handle": request.user.has_perm(HANDLE),
        "rule_url": _link("notifications:rule", found.rule_id) if sees_rules else "",
        "shows_rule": sees_rules,
    }
