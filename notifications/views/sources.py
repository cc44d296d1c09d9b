"""Push sources, for administrators: who may push, with which address, signed or not, from where."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.db import IntegrityError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from notifications.forms_sources import KeyForm, RotateForm, SourceForm
from notifications.models import PushSource
from notifications.selectors import sources as selectors
from notifications.selectors.sources import SourceView
from notifications.services import sources
from notifications.services.reading import KINDS
from staff.sudo import sudo_required

VIEW, ADD, CHANGE = (f"notifications.{verb}_pushsource" for verb in ("view", "add", "change"))


@require_safe
@permission_required(VIEW, raise_exception=True)
def source_list(request: HttpRequest) -> HttpResponse:
    """All sources with their last day."""
    return render(request, "notifications/sources.html", {"views": selectors.list_sources(request.user)})


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required(ADD, raise_exception=True)
@sudo_required
def new(request: HttpRequest) -> HttpResponse:
    """Make a source; the answer shows its address, this once."""
    form = SourceForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            source, token = sources.create_source(actor=request.user, **form.cleaned_data)  # type: ignore[arg-type]  # signed in
        except IntegrityError:
            _refuse_name(form)
        else:
            return _address(request, source, token)
    status = 422 if form.errors else 200
    return render(request, "notifications/source_new.html", {"form": form}, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required(VIEW, raise_exception=True)
def detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One source. POST changes its name, networks, silence, and whether it may push."""
    view = _view_or_404(request, pk)
    if request.method != "POST":
        return _page(request, view)
    if not request.user.has_perm(CHANGE):
        return _page(request, view, status=403)
    form = SourceForm(request.POST, source=view.source)
    if not form.is_valid():
        return _page(request, view, status=422, form=form)
    try:
        changed = sources.change_source(view.source, actor=request.user, **form.cleaned_data)  # type: ignore[arg-type]  # signed in
    except IntegrityError:
        _refuse_name(form)
        return _page(request, view, status=422, form=form)
    if changed:
        messages.success(request, _("The source was changed."))
    return _back(view)


@require_POST
@permission_required(CHANGE, raise_exception=True)
@sudo_required
def rotate(request: HttpRequest, pk: int) -> HttpResponse:
    """Give it a new token; the answer shows its address, this once."""
    view = _view_or_404(request, pk)
    form = RotateForm(request.POST)
    if not form.is_valid():
        return _page(request, view, status=422, rotate_form=form)
    overlap = timedelta(hours=form.cleaned_data["overlap_hours"])
    seen = request.POST.get("seen", "")
    try:
        token = sources.rotate_token(view.source, actor=request.user, overlap=overlap, seen=seen)  # type: ignore[arg-type]  # signed in
    except sources.Replaced:
        form.add_error(None, _("A new address was made meanwhile, and shown once. This click has changed nothing."))
        return _page(request, view, status=422, rotate_form=form)
    return _address(request, PushSource.objects.get(pk=pk), token)


@require_POST
@permission_required(CHANGE, raise_exception=True)
def end_previous(request: HttpRequest, pk: int) -> HttpResponse:
    """End the token before the present one now."""
    view = _view_or_404(request, pk)
    if sources.end_previous(view.source, actor=request.user):  # type: ignore[arg-type]  # signed in
        messages.success(request, _("The token before this one has ended."))
    return _back(view)


@require_POST
@permission_required(CHANGE, raise_exception=True)
@sudo_required
def key(request: HttpRequest, pk: int) -> HttpResponse:
    """Set the signing key, or take it away (``remove``)."""
    view = _view_or_404(request, pk)
    if "remove" in request.POST:
        sources.set_key(view.source, "", actor=request.user)  # type: ignore[arg-type]  # signed in
        messages.success(request, _("Pushes of this source need no signature any more."))
        return _back(view)
    form = KeyForm(request.POST)
    if not form.is_valid():
        return _page(request, view, status=422, key_form=form)
    sources.set_key(view.source, form.cleaned_data["key"], actor=request.user)  # type: ignore[arg-type]  # signed in
    messages.success(request, _("From now on pushes of this source have to be signed with this key."))
    return _back(view)


def _refuse_name(form: SourceForm) -> None:
    """Somebody took the name between the look of the form and the writing, perhaps by a second click."""
    form.add_error("name", _("Another source has this name."))


def _view_or_404(request: HttpRequest, pk: int) -> SourceView:
    try:
        return selectors.get_source(request.user, pk)
    except (PushSource.DoesNotExist, OverflowError):
        raise Http404 from None


def _page(request: HttpRequest, view: SourceView, *, status: int = 200, **forms: Any) -> HttpResponse:
    context = {
        "view": view,
        "source": view.source,
        "form": SourceForm(source=view.source),
        "rotate_form": RotateForm(),
        "key_form": KeyForm(),
        "may_change": request.user.has_perm(CHANGE),
        "seen": sources.version(view.source),
        **forms,
    }
    return render(request, "notifications/source.html", context, status=status)


def _address(request: HttpRequest, source: PushSource, token: str) -> HttpResponse:
    """The address, as the answer to the form itself: a redirect would have to keep the token somewhere."""
    address = request.build_absolute_uri(reverse("notifications:webhook", args=[token]))
    kinds = [(kind, f"{address}{kind.lower().replace('_', '-')}/") for kind in KINDS]
    context = {"source": source, "address": address, "kinds": kinds}
    return render(request, "notifications/source_address.html", context)


def _back(view: SourceView) -> HttpResponse:
    response = redirect("notifications:source", view.source.pk)
    response.status_code = 303
    return response
