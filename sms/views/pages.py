"""What the pages of messages share: finding a SIM, and a message as it is shown."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from core.badges import MESSAGE_STATES
from core.paging import BadCursor, Order, paginate
from core.per_language import per_language
from operations.selectors import visible_sim
from sims.models import Sim
from sms.models import Message
from sms.selectors import messages_of
from sms.services.texts import CODING_NAMES, Coding, readable, validity_words

PAGE_SIZE = 30
ORDER = Order("at", ("at", "id"), descending=True)


def sim_or_404(request: HttpRequest, giccid: str) -> Sim:
    """The SIM, for a user who may see it."""
    try:
        return visible_sim(request.user, giccid)
    except Sim.DoesNotExist:
        raise Http404 from None


def dress(messages: list[Any]) -> list[Any]:
    """Give messages that came with their ``state`` what a page shows beside their columns."""
    for message in messages:
        message.badge = state_badge(message.state)
        text = readable(message.text, message.coding) if message.direction == Message.Direction.MO else message.text
        message.is_bytes = text is None
        message.shown_text = message.text if text is None else text
        message.coding_name = CODING_NAMES.get(Coding(message.coding)) if message.coding in (1, 4) else ""
        message.validity_words = validity_words(message.validity) if message.validity is not None else ""
    return messages


@per_language
def state_badge(state: str) -> SafeString:
    """The state as coloured dot and word."""
    look = MESSAGE_STATES[state]
    return format_html('<span class="badge badge-{}"><span class="dot"></span>{}</span>', look.tone, look.label)


def messages_context(request: HttpRequest, sim: Sim, *, newest: bool = False) -> dict[str, Any]:
    """A page of messages, oldest first; the newest page whatever the address says when ``newest``."""
    rows = messages_of(request.user, sim)
    after = "" if newest else request.GET.get("after", "")
    try:
        page = paginate(rows, ORDER, after=after, size=PAGE_SIZE)
    except BadCursor:
        after = ""
        page = paginate(rows, ORDER, size=PAGE_SIZE)
    shown = dress(page.rows[::-1])
    version = hashlib.blake2b(repr([(m.pk, m.state, m.text_removed_at) for m in shown]).encode(), digest_size=8)
    here = reverse("sms:conversation", args=[sim.giccid])
    hurry = any(message.state in ("queued", "sending") for message in shown)
    return {
        "sim": sim,
        "sms_list": shown,
        "is_newest": not after,
        "version": version.hexdigest(),
        "every": "1s" if hurry else "4s",
        "older_url": f"{here}?{urlencode({'after': page.next})}" if page.next else "",
    }
