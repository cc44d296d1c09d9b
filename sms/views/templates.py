"""Templates of messages: supervisors write them, whoever sends picks them."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from sms.forms import MAX_TEXT, TemplateForm
from sms.models import MessageTemplate
from sms.placeholders import has_any
from sms.services.templates import delete_template, save_template
from sms.services.texts import compose

MAY_MANAGE = permission_required("sms.manage_templates", raise_exception=True)
_LARGEST = 2**63 - 1


@require_safe
@permission_required("sms.send_message", raise_exception=True)
def template_list(request: HttpRequest) -> HttpResponse:
    """All templates, by name."""
    rows: list[Any] = list(MessageTemplate.objects.select_related("changed_by"))
    for row in rows:
        row.composed, row.varies = compose(row.text), has_any(row.text)
    return render(request, "sms/templates.html", {"templates": rows})


@require_http_methods(["GET", "HEAD", "POST"])
@MAY_MANAGE
def edit(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    """A new template, or one to change: 303 to the list, 422 with what is wrong."""
    template = None if pk is None else _found(pk)
    user: Any = request.user
    form = TemplateForm(request.POST if request.method == "POST" else None, instance=template)
    if request.method == "POST" and form.is_valid():
        save_template(form, user)
        messages.success(request, _("The template is stored."))
        return _to_list()
    context = {"form": form, "template": template}
    return render(request, "sms/template.html", context, status=422 if form.is_bound else 200)


@require_POST
@MAY_MANAGE
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Take one away: 303 to the list."""
    user: Any = request.user
    delete_template(_found(pk), user)
    messages.success(request, _("The template is gone. Messages made of it keep their text."))
    return _to_list()


@require_safe
@permission_required("sms.send_message", raise_exception=True)
def text(request: HttpRequest) -> HttpResponse:
    """The text field of a batch job with that of ``?template=``; placeholders stay, each SIM has its own values."""
    pk = request.GET.get("template", "")
    known = pk.isascii() and pk.isdigit() and len(pk) < 18
    template = MessageTemplate.objects.filter(pk=pk).first() if known else None
    context = {"text": template.text if template else "", "max_text": MAX_TEXT}
    return render(request, "sms/job_text.html", context)


def _found(pk: int) -> MessageTemplate:
    return get_object_or_404(MessageTemplate, pk=min(pk, _LARGEST))


def _to_list() -> HttpResponse:
    response = redirect("sms:templates")
    response.status_code = 303
    return response
