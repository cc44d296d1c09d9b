"""Outgoing webhooks, for administrators: how they do, making and changing them, their keys, a test."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from core.htmx import wants_fragment
from notifications.forward_form import ForwardForm
from notifications.models import Forward
from notifications.selectors import deliveries as selectors
from notifications.services import deliveries, forwards
from staff.sudo import sudo_required

VIEW, ADD, CHANGE, DELETE = (f"notifications.{verb}_forward" for verb in ("view", "add", "change", "delete"))


@require_safe
@permission_required(VIEW, raise_exception=True)
def list_page(request: HttpRequest) -> HttpResponse:
    """All webhooks with how they do."""
    return render(request, "notifications/forwards.html", {"forwards": selectors.list_forwards()})


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required(ADD, raise_exception=True)
@sudo_required
def new(request: HttpRequest) -> HttpResponse:
    """The form; POST makes a webhook and answers with its key, this once. An unusable form is 422."""
    form = ForwardForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            forward, secret = forwards.create_forward(**form.cleaned_data, actor=_user(request))
        except ValidationError as problem:
            _add_problem(form, problem)
        else:
            return _secret_page(request, forward, secret, is_new=True)
    return _form_page(request, form, None)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required(CHANGE, raise_exception=True)
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """The form of one webhook; POST changes it and answers 303 to the list. An unusable form is 422."""
    forward = _forward_or_404(pk)
    values = {"name": forward.name, "url": forward.url, "active": forward.active}
    form = ForwardForm(request.POST if request.method == "POST" else None, initial=values)
    if request.method == "POST" and form.is_valid():
        try:
            forwards.change_forward(forward, **form.cleaned_data, actor=_user(request))
        except ValidationError as problem:
            _add_problem(form, problem)
        else:
            messages.success(request, _("The webhook is changed."))
            return _to("notifications:forwards")
    return _form_page(request, form, forward)


@require_POST
@permission_required(CHANGE, raise_exception=True)
@sudo_required
def rotate(request: HttpRequest, pk: int) -> HttpResponse:
    """A new key, shown this once; the one before signs along for a while.

    303 to the page of the webhook where another key was made since that page (``seen``).
    """
    forward = _forward_or_404(pk)
    try:
        secret = forwards.rotate_secret(forward, actor=_user(request), seen=request.POST.get("seen", ""))
    except ValidationError as problem:
        messages.error(request, problem.message)
        return _to("notifications:forward", pk)
    return _secret_page(request, _forward_or_404(pk), secret, is_new=False)


@require_POST
@permission_required(CHANGE, raise_exception=True)
def end_key(request: HttpRequest, pk: int) -> HttpResponse:
    """Sign with the present key alone from now on; 303 to the page of the webhook."""
    if forwards.end_previous_secret(_forward_or_404(pk), actor=_user(request)):
        messages.success(request, _("From now on the present key signs alone."))
    return _to("notifications:forward", pk)


@require_POST
@permission_required(CHANGE, raise_exception=True)
def send_test(request: HttpRequest, pk: int) -> HttpResponse:
    """Send a test; answers 303 to the page of its delivery, which shows the answer when it comes."""
    delivery = deliveries.store_test(_forward_or_404(pk), actor=_user(request))
    return _to("notifications:delivery", delivery.pk)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required(DELETE, raise_exception=True)
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Asks, in a dialog or on a page of its own; POST removes the webhook with its log."""
    forward = _forward_or_404(pk)
    if request.method == "POST":
        forwards.delete_forward(forward, actor=_user(request))
        messages.success(request, _("The webhook is removed."))
        return _to("notifications:forwards")
    context = {"forward": forward, "rules": list(forward.rules.order_by("name")[:20])}
    part = "#dialog" if wants_fragment(request) else ""
    return render(request, f"notifications/forward_delete.html{part}", context)


def _form_page(request: HttpRequest, form: ForwardForm, forward: Forward | None) -> HttpResponse:
    context: dict[str, Any] = {"form": form, "forward": forward}
    if forward is not None:
        context |= {"key_mark": forwards.key_mark(forward), "two_keys": selectors.signs_with_two_keys(forward)}
        context["overlap_hours"] = settings.CONFIG["FORWARD_KEY_OVERLAP_HOURS"]
    return render(request, "notifications/forward_form.html", context, status=422 if form.errors else 200)


def _secret_page(request: HttpRequest, forward: Forward, secret: str, *, is_new: bool) -> HttpResponse:
    """The key in the answer to the form itself: a redirect would have to keep it somewhere."""
    context = {"forward": forward, "secret": secret, "is_new": is_new}
    response = render(request, "notifications/forward_secret.html", context)
    response["Cache-Control"] = "no-store"
    return response


def _add_problem(form: ForwardForm, problem: ValidationError) -> None:
    """What the service found: about a field it names, else about the address."""
    form.add_error(None if hasattr(problem, "error_dict") else "url", problem)


def _forward_or_404(pk: int) -> Forward:
    try:
        return Forward.objects.get(pk=pk)
    except (Forward.DoesNotExist, OverflowError):
        raise Http404 from None


def _user(request: HttpRequest) -> Any:
    return request.user


def _to(view: str, *args: int) -> HttpResponse:
    response = redirect(view, *args)
    response.status_code = 303
    return response
