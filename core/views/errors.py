"""Error pages: plain words, the request id to quote, and the right status."""

from __future__ import annotations

import sys
from collections.abc import Callable

import structlog
from django.contrib.sessions.exceptions import SessionInterrupted
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.translation import gettext as _

from core.request_context import current_request
from core.storage import Trouble, trouble_of

log = structlog.get_logger(__name__)

RETRY_AFTER = 30
"""Seconds after which a program may try again what could not be stored."""


def _page(request: HttpRequest, status: int, template: str = "") -> HttpResponse:
    context = {"status": status, "request_id": current_request().request_id}
    return render(request, template or f"errors/{status}.html", context, status=status)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400, or 503 as :func:`server_error`. As bare as a 500: a malformed request may have no session to look at.

    A session that can't be stored is taken by Django for one that has ended meanwhile. What it was may be known from
    the error that it came of; the view was through by then.
    """
    if isinstance(exception, SessionInterrupted) and exception.__context__ is not None:
        trouble = trouble_of(exception.__context__.__context__)
        if trouble is not None:
            return _not_stored(trouble, surely=False)
    return _bare(400)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403: signed in, but the role does not reach."""
    return _page(request, 403)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403: the form's token is missing or old, mostly a page left open over a sign-out."""
    return _page(request, 403, "errors/csrf.html")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404: not there, or not for this user."""
    return _page(request, 404)


def server_error(request: HttpRequest) -> HttpResponse:
    """500, or 503 with ``Retry-After`` where the database or the disk takes nothing: then it may be tried again.

    Asks neither session nor database: one of them may be what has failed.
    """
    # Django calls this while it handles the exception, wherever that was raised.
    trouble = trouble_of(sys.exc_info()[1])
    # Who loses the database while it commits can't know which of both it did.
    surely = trouble not in (Trouble.AWAY, Trouble.BUSY)
    return _bare(500) if trouble is None else _not_stored(trouble, surely=surely)


def _not_stored(trouble: Trouble, *, surely: bool) -> HttpResponse:
    """503; ``surely`` where nothing can have been done."""
    title, text = _TROUBLES[trouble]()
    if surely:
        advice = _("What you asked for was not done. Please go back and try again in a minute.")
    else:
        advice = _("What you asked for may or may not have been done: please look before you try again in a minute.")
    log.warning("request.not_stored", trouble=str(trouble))
    response = _bare(503, title=title, text=text, advice=advice)
    response["Retry-After"] = str(RETRY_AFTER)
    return response


_TROUBLES: dict[Trouble, Callable[[], tuple[str, str]]] = {
    Trouble.READ_ONLY: lambda: (
        _("Nothing can be changed at the moment"),
        _("The portal’s database can only be read now. What is known is shown as usual."),
    ),
    Trouble.FULL: lambda: (
        _("Nothing can be stored at the moment"),
        _("The portal has no room left on its disk. What is known is shown as usual."),
    ),
    Trouble.AWAY: lambda: (
        _("The portal is not ready"),
        _("It can’t reach its database."),
    ),
    Trouble.BUSY: lambda: (
        _("The portal is too busy"),
        _("Its database could not take this in time."),
    ),
}


def _bare(status: int, **context: str) -> HttpResponse:
    request_id = current_request().request_id
    try:
        body = render_to_string(f"errors/{status}.html", {"request_id": request_id, **context})
    except Exception as error:  # the last page of all must come, in whatever form
        log.exception("error_page.failed", error=type(error).__name__)
        body = format_html(
            "<!DOCTYPE html><title>{0}</title><h1>{0}</h1><p>{1}</p>", _("Something went wrong"), request_id
        )
    return HttpResponse(body, status=status)
