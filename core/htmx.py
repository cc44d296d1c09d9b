"""Answers for htmx: fragments of a page, toasts, the end of polling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.cache import patch_vary_headers
from django.utils.html import format_html
from django.utils.safestring import mark_safe
from django_htmx.http import trigger_client_event
from django_htmx.middleware import HtmxDetails

STOP_POLLING = 286
"""The status by which htmx ends an ``hx-trigger="every …"``."""


def wants_fragment(request: HttpRequest) -> bool:
    """Whether htmx asks for a part of the page: not for a whole page by a boosted link or from its history."""
    htmx = cast(HtmxDetails, request.htmx)  # type: ignore[attr-defined]  # set by the middleware of django-htmx
    return bool(htmx) and not htmx.boosted and not htmx.history_restore_request


def render_fragment(
    request: HttpRequest,
    template: str,
    fragment: str,
    context: Mapping[str, Any] | None = None,
    *,
    status: int = 200,
) -> HttpResponse:
    """The page ``template``, or only its partial named ``fragment`` when htmx asks for a part.

    The server picks the fragment, so an address and its answer can be read in one place.
    """
    name = f"{template}#{fragment}" if wants_fragment(request) else template
    response = render(request, name, dict(context or {}), status=status)
    patch_vary_headers(response, ["HX-Request"])
    return response


def toast(response: HttpResponse, text: object, *, level: str = "success") -> HttpResponse:
    """Add a toast to an HTML answer for htmx. ``level``: success, info, warning or error. ``text`` is escaped."""
    body = mark_safe(render_to_string("components/toast.html", {"level": level, "text": text}))  # noqa: S308 - a template's output
    response.write(format_html('<div hx-swap-oob="beforeend:#toasts">{}</div>', body))
    return response


def stop_polling(response: HttpResponse) -> HttpResponse:
    """Have htmx swap this answer in and then ask no more."""
    response.status_code = STOP_POLLING
    return response


def close_dialog(response: HttpResponse) -> HttpResponse:
    """Have the page close its open dialog when the answer arrives."""
    return trigger_client_event(response, "dialog:close")


def move_to(request: HttpRequest, address: str) -> HttpResponse:
    """Have the browser go to ``address``: 303, or for htmx, which would swap what it is led to, the whole page."""
    if not request.htmx:  # type: ignore[attr-defined]  # set by the middleware of django-htmx
        return HttpResponse(status=303, headers={"Location": address})
    return HttpResponse(status=204, headers={"HX-Redirect": address})
