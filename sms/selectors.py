"""Reading messages, always for a user."""

from __future__ import annotations

from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet

from sims.models import Sim
from sms.models import Message
from staff.models import User
from staff.scopes import scoped


def messages_of(user: User | AnonymousUser, sim: Sim) -> QuerySet[Message]:
    """The messages of ``sim``, newest first; none when the SIM is out of the user's scope."""
    return scoped(Message.objects.filter(sim=sim), user, account="sim__account_id").order_by("-at", "-id")
