"""What this app puts into other apps' pages."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, QuerySet
from django.db.models.expressions import Combinable
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from core import facts
from core.prepared import found_for
from operations.models import Operation
from sims.models import Sim
from sms import selectors
from sms.views.pages import dress

SHOWN = 6
MESSAGES = "sms.messages"


def messages(user: Any) -> Combinable | None:
    """Whether the SIM of a page has messages, for who may read them."""
    return Exists(selectors.messages_of(user, facts.SUBJECT)) if user.has_perm("sms.view_message") else None


def messages_card(request: HttpRequest, *, sim: Sim) -> SafeString | str:
    """The newest messages of a SIM as a card for its page; nothing while there is none."""
    if not facts.about(request, MESSAGES, sim.pk):
        return ""
    newest = found_for(request.user, _newest, sim.pk)
    context = {"sim": sim, "sms_list": dress(newest[:SHOWN]), "more": len(newest) > SHOWN}
    return render_to_string("sms/messages_card.html", context, request=request)


def version(request: HttpRequest, *, sim: Sim) -> str:
    """Differs when a message came or one of the newest is in another state."""
    if not facts.about(request, MESSAGES, sim.pk):
        return ""
    return str([(message.pk, message.state) for message in found_for(request.user, _newest, sim.pk)[:SHOWN]])


def _newest(user: Any) -> QuerySet[Any]:
    """One more than are shown, of the SIM of a page."""
    return selectors.messages_of(user, facts.SUBJECT)[: SHOWN + 1]


def operation_card(request: HttpRequest, *, operation: Operation) -> SafeString | str:
    """On the page of an operation that sends a message: the message itself, for who may read messages."""
    if operation.kind != Operation.Kind.SEND_SMS or not request.user.has_perm("sms.view_message"):
        return ""
    found = list(selectors.messages_of(request.user, operation.sim).filter(operation=operation))
    if not found:
        return ""
    context = {"sim": operation.sim, "message": dress(found)[0]}
    return render_to_string("sms/operation_card.html", context, request=request)
