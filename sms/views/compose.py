"""Writing a message: the form as dialog, page and foot of a conversation; the count of what is left; the post."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from core.htmx import close_dialog, render_fragment, wants_fragment
from operations.errors import Conflict, Invalid, NotAllowed
from operations.kinds import KINDS
from operations.models import Operation
from operations.services.requests import request_operation
from operations.views.pages import why_not
from sims.models import Sim
from sms.forms import MAX_TEXT, SendSmsForm
from sms.models import MessageTemplate
from sms.placeholders import fill
from sms.services.texts import Composed, compose
from sms.views.pages import messages_context, sim_or_404

TEMPLATE = "sms/compose.html"
KIND = Operation.Kind.SEND_SMS
MAY_SEND = permission_required("sms.send_message", raise_exception=True)

_NOT_OF_THE_FORM = {"reason", "ticket", "nonce", "place", "csrfmiddlewaretoken"}


@require_http_methods(["GET", "HEAD", "POST"])
@MAY_SEND
def compose_message(request: HttpRequest, giccid: str) -> HttpResponse:
    """GET the form, 409 when the SIM can't receive. POST ``text``, ``coding``, ``validity`` stores the message: 303 to
    the conversation; 422, 409, 403 or 404 when it can't be. A post with ``count`` only counts."""
    sim = sim_or_404(request, giccid)
    if request.method == "POST" and "count" not in request.POST:
        return _send(request, sim)
    # What was typed so far, without a word on what is still wrong with it.
    form = _form(sim, initial=request.POST.dict())
    context = compose_context(request, sim, form, given=request.POST, place=_place(request))
    return _show(request, context, 409 if context["why_not"] else 200)


@require_POST
@MAY_SEND
def count(request: HttpRequest, giccid: str) -> HttpResponse:
    """What is left with the text as it is typed. A post, since no address may hold a text."""
    sim = sim_or_404(request, giccid)
    context = {"sim": sim, "composed": _composed(request.POST, sim)}
    return render(request, f"{TEMPLATE}#count", context)


@require_safe
@MAY_SEND
def text(request: HttpRequest, giccid: str) -> HttpResponse:
    """The field of the text with that of ``?template=``, filled in for this SIM."""
    sim = sim_or_404(request, giccid)
    chosen = _template(request.GET.get("template", ""))
    form = _form(sim, initial={"text": fill(chosen.text, sim) if chosen else ""})
    context = {"sim": sim, "form": form, "composed": compose(form.initial["text"])}
    return render(request, f"{TEMPLATE}#text", context)


def compose_context(
    request: HttpRequest,
    sim: Sim,
    form: BaseForm | None = None,
    *,
    given: Mapping[str, Any] = MappingProxyType({}),
    place: str,
    conflict: str = "",
) -> dict[str, Any]:
    """What the form shows; ``form`` is one that came back with what was ``given``. ``place`` is where it stands."""
    user: Any = request.user
    if not user.has_perm("sms.send_message"):
        return {"sim": sim, "may_send": False}
    sentence = why_not(request, KINDS[KIND], sim, None)
    return {
        "sim": sim,
        "may_send": True,
        "why_not": sentence,
        "conflict": conflict,
        # Shown where the form itself is gone: nobody should have to write it again.
        "unsent": str(given.get("text") or "")[:MAX_TEXT],
        "form": form or _form(sim),
        "composed": _composed(given, sim),
        # Also where the last one has just gone: an error at it must be seen.
        "has_templates": MessageTemplate.objects.exists() or (form is not None and "template" in form.errors),
        # A form that was refused sent nothing, so its number may be used again.
        "nonce": given.get("nonce") or str(uuid.uuid4()),
        "place": place,
    }


def _send(request: HttpRequest, sim: Sim) -> HttpResponse:
    place = _place(request)
    try:
        request_operation(
            sim=sim,
            kind=KIND,
            params={name: value for name, value in request.POST.items() if name not in _NOT_OF_THE_FORM},
            actor=request.user,  # type: ignore[arg-type]  # signed in
            reason=request.POST.get("reason", ""),
            ticket=request.POST.get("ticket", ""),
            nonce=request.POST.get("nonce", ""),
        )
    except NotAllowed as error:
        raise PermissionDenied from error
    except Invalid as error:
        context = compose_context(request, sim, error.form, given=request.POST, place=place)
        return _show(request, context, 422)
    except Conflict as error:
        form = _form(sim, data=request.POST)
        context = compose_context(request, sim, form, given=request.POST, place=place, conflict=str(error))
        return _show(request, context, 409)
    if not wants_fragment(request):
        messages.success(request, _("The message is on its way to the carrier."))
        response: HttpResponse = redirect("sms:conversation", sim.giccid)
        response.status_code = 303
        return response
    if place == "dialog":
        messages.success(request, _("The message is on its way to the carrier."))
        return close_dialog(HttpResponse())
    context = {**compose_context(request, sim, place=place), **messages_context(request, sim, newest=True)}
    _focus_text(context)
    return render(request, "sms/conversation.html#sent", context)


def _show(request: HttpRequest, context: dict[str, Any], status: int) -> HttpResponse:
    """Only the form where it stands in a conversation; else the dialog, or the page without htmx."""
    if context["place"] == "conversation" and wants_fragment(request):
        _focus_text(context)
        return render(request, f"{TEMPLATE}#form", context, status=status)
    return render_fragment(request, TEMPLATE, "dialog", context, status=status)


def _focus_text(context: dict[str, Any]) -> None:
    """The button that had the focus is swapped with its form; who writes by keyboard goes on in the text."""
    context["form"].fields["text"].widget.attrs["autofocus"] = True


def _place(request: HttpRequest) -> str:
    return "conversation" if request.POST.get("place") == "conversation" else "dialog"


def _form(sim: Sim, *, data: Any = None, initial: dict[str, Any] | None = None) -> SendSmsForm:
    return SendSmsForm(data, sim=sim, initial=initial or {})


def _composed(data: Any, sim: Sim) -> Composed:
    """The text that would be sent, of whatever was typed."""
    typed = str(data.get("text") or "")[: 2 * MAX_TEXT]
    if not typed.strip():
        chosen = _template(str(data.get("template") or ""))
        typed = chosen.text if chosen else ""
    coding = str(data.get("coding") or "")
    return compose(fill(typed, sim), int(coding) if coding in ("0", "1", "4") else None)


def _template(pk: str) -> MessageTemplate | None:
    known = pk.isascii() and pk.isdigit() and len(pk) < 18
    return MessageTemplate.objects.filter(pk=pk).first() if known else None
