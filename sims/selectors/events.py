"""Reading the timeline of all SIMs at once."""

from __future__ import annotations

from django.db.models import BooleanField, Case, QuerySet, Value, When

from sims.models import TimelineEvent
from sims.selectors.sims import AnyUser
from staff.scopes import scoped, visible_accounts


def list_events(user: AnyUser) -> QuerySet[TimelineEvent]:
    """Events of all SIMs that ``user`` may see, with their SIM and who asked for them; in no order.

    The event's own account leads to the newest ones of an account by an index. What may be seen is decided by the
    SIM's: an event that is still to follow its SIM into another account shows to nobody who is limited.
    """
    events = TimelineEvent.objects.select_related("sim", "actor").only(
        "sim__giccid",
        "actor__username",
        "actor__first_name",
        "actor__last_name",
        "account_name",
        "kind",
        "at",
        "from_value",
        "to_value",
        "subject",
        "outcome",
        "detail",
        "operation_id",
        "reason",
        "ticket",
        "log_time",
        "push_key",
        "push_time",
        "observed_at",
        "recorded_at",
    )
    accounts = visible_accounts(user)
    if accounts is None:
        return events
    # As a CASE, which PostgreSQL does not guess the effect of: it would take the two conditions for independent of
    # each other, and plan for a twentieth of what an account with a twentieth of the SIMs has.
    seen = Case(
        When(sim__account_id__in=sorted(accounts), then=Value(True)), default=Value(False), output_field=BooleanField()
    )
    return scoped(events, user, account="account_name").filter(seen)
