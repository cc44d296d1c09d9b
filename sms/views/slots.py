"""What this app puts into other apps' pages."""

from __future__ import annotations

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from sims.models import Sim
from sms import selectors

SHOWN = 20


def messages_card(request: HttpRequest, *, sim: Sim) -> SafeString | str:
    """The newest messages of a SIM as a card for its page; nothing while there is none."""
    newest = list(selectors.messages_of(request.user, sim)[: SHOWN + 1])
    if not newest:
        return ""
    context = {"sms_list": newest[:SHOWN], "more": len(newest) > SHOWN, "shown": min(len(newest), SHOWN)}
    return render_to_string("sms/messages_card.html", context, request=request)
