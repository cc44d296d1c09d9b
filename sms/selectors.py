"""Reading messages, always for a user."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db.models import Case, CharField, Count, F, OuterRef, QuerySet, Subquery, Value, When

from operations.models import BatchJob, Operation
from sims.models import Sim
from sms.models import Conversation, Message
from staff.models import User
from staff.scopes import scoped

AnyUser = User | AnonymousUser

_SHOWN = (
    "last_at",
    "sim__giccid",
    "sim__msisdn",
    "sim__account_id",
    "last__direction",
    "last__text",
    "last__text_removed_at",
    "last__coding",
    "last__validity",
)
"""What the list of conversations shows: a SIM has fifty columns more."""
_State = Operation.State
_OPERATION_STATES: dict[str, tuple[str, ...]] = {
    "queued": (_State.AWAITING_APPROVAL, _State.QUEUED),
    "sending": (_State.SENDING, _State.UNKNOWN, _State.ACCEPTED),
    "needs_attention": (_State.NEEDS_ATTENTION,),
    "failed": (_State.FAILED, _State.CANCELLED),
    "expired": (_State.EXPIRED,),
}


def state_expression() -> Case:
    """One of :data:`core.badges.MESSAGE_STATES`, worked out from a message and its operation.

    What a person settled as sent has no id, so nobody can tell whether it arrived.
    """
    whens = [When(operation__state__in=states, then=Value(state)) for state, states in _OPERATION_STATES.items()]
    return Case(
        When(direction=Message.Direction.MO, then=Value("received")),
        *whens,
        When(carrier_id="", delivery__in=["", Message.Delivery.PENDING], then=Value("carrier_unknown")),
        When(delivery="", then=Value("pending")),
        default=F("delivery"),
        output_field=CharField(),
    )


def with_state(messages: QuerySet[Message]) -> QuerySet[Any]:
    """``messages`` with their ``state`` and what a page shows of their operations."""
    related = messages.select_related("operation__actor")
    return related.annotate(state=state_expression())


def messages_of(user: AnyUser, sim: Sim | int) -> QuerySet[Any]:
    """The messages of ``sim`` with their ``state``, newest first; none when the SIM is out of the user's scope."""
    messages = scoped(Message.objects.filter(sim=sim), user, account="sim__account_id")
    return with_state(messages).order_by("-at", "-id")


def states_of_job(job: BatchJob) -> dict[str, int]:
    """How many messages of ``job`` are in which state, for a user who was shown to see the job; others are left out."""
    rows = Message.objects.filter(operation__job=job).annotate(state=state_expression())
    return dict(rows.order_by().values_list("state").annotate(Count("pk")))


def conversations(user: AnyUser) -> QuerySet[Any]:
    """SIMs with messages that ``user`` may see, in no order, with the newest message and its ``state``."""
    rows = Conversation.objects.select_related("sim", "last").only(*_SHOWN)
    # A question of its own for each row that is shown, and no join that every row is counted by.
    newest = Message.objects.filter(pk=OuterRef("last_id")).annotate(state=state_expression())
    return scoped(rows.annotate(state=Subquery(newest.values("state"))), user, account="sim__account_id")
