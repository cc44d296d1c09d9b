"""The list of conversations."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from core.listing import Listing
from core.live_rows import LiveListView
from sms import selectors
from sms.filters import ConversationFilter
from sms.tables import ConversationTable
from sms.views.pages import dress


class ConversationList(LiveListView):
    """SIMs with messages, the newest message first; its rows stay true by themselves."""

    name = "conversations"
    template_name = "sms/list.html"
    permission_required = "sms.view_message"
    table_class = ConversationTable
    filterset_class = ConversationFilter
    orders = {"last": "last_at"}
    unique_key = "sim_id"
    default_sort = "-last"
    keeps_statements = True
    live_fields = ("last_id", "state")
    noun = _("conversation")
    noun_plural = _("conversations")

    def get_queryset(self) -> QuerySet[Any]:
        """With their SIMs and newest messages."""
        return selectors.conversations(self.request.user)

    def decorate(self, rows: list[Any]) -> None:
        """The newest messages, ready to be shown."""
        for row in rows:
            row.last.state = row.state
        dress([row.last for row in rows])

    def extra_context(self, listing: Listing) -> dict[str, Any]:
        """What an empty list says."""
        return {
            "empty_title": _("No messages yet"),
            "empty_text": _(
                "What devices send shows here by itself. To write to one, open its SIM and choose “Send SMS”."
            ),
            "empty_url": reverse("sims:list"),
            "empty_action": _("To the SIM cards"),
        }
