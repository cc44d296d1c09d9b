"""The file of a list made in the background: the list is built anew by its address, for the person who asked."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, QueryDict
from django.urls import resolve
from django.utils import timezone
from django.utils.translation import gettext as _

from core.exports import NotAvailable
from core.listing import ListView
from core.spreadsheets import Table
from core.zones import zone_of


def table(user: Any, params: dict[str, Any]) -> Table:
    """The file of the list at ``params["path"]`` with ``params["query"]``, of the columns ``params["columns"]``.

    As ``user`` may see it now: role and scope are looked at again. Raises :class:`core.exports.NotAvailable`.
    """
    try:
        view = _view(user, params)
        if not view.has_permission():
            raise NotAvailable(_("Your role does not allow it any more."))
        with timezone.override(zone_of(user)):
            return view.file_table(view.request, in_background=True)
    except Http404:
        raise NotAvailable(_("What the list is of is not open to you any more.")) from None


def _view(user: Any, params: dict[str, Any]) -> ListView:
    request = HttpRequest()
    request.method = "GET"
    request.path = request.path_info = params["path"]
    request.GET = QueryDict(params["query"])
    request.user = user
    request.htmx = False  # type: ignore[attr-defined]  # as django-htmx sets it
    request.resolver_match = match = resolve(params["path"])
    view_class = getattr(match.func, "view_class", None)
    if view_class is None or not issubclass(view_class, ListView):
        raise Http404
    view: ListView = view_class(**match.func.view_initkwargs)  # type: ignore[attr-defined]  # of ``as_view``
    view.setup(request, *match.args, **match.kwargs)
    view.columns_wanted = [str(name) for name in params["columns"]]
    return view
