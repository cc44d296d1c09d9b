"""Handling notifications, one or many: in a dialog where there is something to say, at once otherwise."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRedirect, trigger_client_event

from core.htmx import close_dialog, render_fragment, wants_fragment
from notifications.forms_centre import AssignForm, CloseForm, SnoozeForm
from notifications.models import Notification
from notifications.selectors import centre as selectors
from notifications.services import centre
from notifications.views.centre import HANDLE

TEMPLATE = "notifications/centre_act.html"
_NUMBERS = re.compile(r"\d{1,18}")


@dataclass(frozen=True)
class Act:
    """One thing to do. ``form`` is what is asked before, if anything; ``run`` gets its cleaned data."""

    title: str | Promise
    run: Callable[[Any, list[int], dict[str, Any]], int]
    form: type[forms.Form] | None = None
    needs: str = HANDLE


def _read(user: Any, ids: list[int], data: dict[str, Any]) -> int:
    return centre.mark_read(user, ids)


def _wake(user: Any, ids: list[int], data: dict[str, Any]) -> int:
    return centre.wake(user, ids)


def _reopen(user: Any, ids: list[int], data: dict[str, Any]) -> int:
    return centre.reopen(user, ids)


def _snooze(user: Any, ids: list[int], data: dict[str, Any]) -> int:
    return centre.snooze(user, ids, data["moment"])


def _assign(user: Any, ids: list[int], data: dict[str, Any]) -> int:
    return centre.assign(user, ids, data["person"])


def _close(user: Any, ids: list[int], data: dict[str, Any]) -> int:
    return centre.close(user, ids, data["note"])


ACTS = {
    "read": Act(_("Mark as read"), _read, needs="notifications.view_notification"),
    "wake": Act(_("Bring back now"), _wake),
    "reopen": Act(_("Reopen"), _reopen),
    "snooze": Act(_("Snooze"), _snooze, SnoozeForm),
    "assign": Act(_("Assign"), _assign, AssignForm),
    "close": Act(_("Close"), _close, CloseForm),
}


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("notifications.view_notification", raise_exception=True)
def act(request: HttpRequest, name: str) -> HttpResponse:
    """Do ``name`` to the lines ``ids`` (numbers with anything between them): 303 to the list, or to the page of the
    line with ``next=line``; 422 with the form when something is wrong with it.

    GET, or POST with ``ask`` (for more lines than an address takes), answers the form.
    """
    wanted = ACTS.get(name)
    if wanted is None:
        raise Http404
    if not request.user.has_perm(wanted.needs):
        raise PermissionDenied
    given = request.POST if request.method == "POST" else request.GET
    ids = [int(number) for number in dict.fromkeys(_NUMBERS.findall(given.get("ids") or given.get("giccids") or ""))]
    lines = list(selectors.visible(request.user).filter(pk__in=ids[: centre.MOST]).order_by("-last_at"))
    if not lines:
        raise Http404
    found = [line.pk for line in lines]
    asks = wanted.form is not None and (request.method != "POST" or "ask" in request.POST)
    form = _form(wanted, lines, None if asks else request.POST)
    if request.method != "POST" and not asks:
        raise Http404
    if asks or (form is not None and not form.is_valid()):
        return _show(request, name, wanted, lines, form, status=200 if asks else 422)
    try:
        number = wanted.run(request.user, found, form.cleaned_data if form is not None else {})
    except ValidationError as error:
        if form is None:
            raise PermissionDenied from error
        form.add_error(None, error)
        return _show(request, name, wanted, lines, form, status=422)
    return _done(request, name, lines, number)


@require_POST
@permission_required("notifications.view_notification", raise_exception=True)
def read_all(request: HttpRequest) -> HttpResponse:
    """Mark all that waits as read: 303 to the list."""
    centre.mark_all_read(request.user)  # type: ignore[arg-type]  # signed in
    response = redirect("notifications:centre")
    response.status_code = 303
    return response


def _form(wanted: Act, lines: list[Notification], data: Any) -> forms.Form | None:
    if wanted.form is None:
        return None
    if wanted.form is AssignForm:
        people = selectors.may_handle(lines)
        first = {line.assigned_to_id for line in lines}
        return AssignForm(
            data, people=people, auto_id="act_%s", initial={"person": first.pop() if len(first) == 1 else None}
        )
    return wanted.form(data, auto_id="act_%s")


def _show(
    request: HttpRequest, name: str, wanted: Act, lines: list[Notification], form: forms.Form | None, *, status: int
) -> HttpResponse:
    given = request.POST if request.method == "POST" else request.GET
    context = {
        "act": name,
        "title": wanted.title,
        "form": form,
        "lines": lines,
        "ids": ",".join(str(line.pk) for line in lines),
        "next": "line" if given.get("next") == "line" else "",
        "back": _back(given.get("next"), lines),
    }
    return render_fragment(request, TEMPLATE, "dialog", context, status=status)


def _back(where: str | None, lines: list[Notification]) -> str:
    if where == "line" and len(lines) == 1:
        return reverse("notifications:line", args=[lines[0].pk])
    return reverse("notifications:centre")


def _done(request: HttpRequest, name: str, lines: list[Notification], number: int) -> HttpResponse:
    if name != "read":
        _say(request, name, number)
    back = _back(request.POST.get("next"), lines)
    if not wants_fragment(request):
        see_other = redirect(back)
        see_other.status_code = 303
        return see_other
    if request.POST.get("next") == "line":
        return HttpResponseClientRedirect(back)
    # The list asks for its rows, and the badges for their numbers.
    response = trigger_client_event(HttpResponse(""), "list-changed")
    return close_dialog(trigger_client_event(response, "live-changed"))


def _say(request: HttpRequest, name: str, number: int) -> None:
    if not number:
        messages.warning(request, _("Nothing to change: somebody else was faster."))
        return
    words = {
        "wake": ngettext("%(number)s notification is back.", "%(number)s notifications are back.", number),
        "reopen": ngettext("%(number)s notification reopened.", "%(number)s notifications reopened.", number),
        "snooze": ngettext("%(number)s notification snoozed.", "%(number)s notifications snoozed.", number),
        "assign": ngettext("%(number)s notification assigned.", "%(number)s notifications assigned.", number),
        "close": ngettext("%(number)s notification closed.", "%(number)s notifications closed.", number),
    }
    messages.success(request, words[name] % {"number": number})
