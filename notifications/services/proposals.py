"""Operations that rules ask for: proposed for approval, or sent at once where an administrator has allowed it.

Only kinds that can be taken back are offered. Retiring is final, buying a plan and sending a message cost money and
can't be undone: those are decisions of a person who looks at the SIM.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import timedelta

from django.conf import settings
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from core.events import Happening, emit
from notifications import kinds
from notifications.models import Event, NotificationItem, Rule
from operations.errors import OperationRefused
from operations.kinds import KINDS as OPERATION_KINDS
from operations.models import Operation
from operations.services.requests import request_operation
from sims.models import Sim
from staff.automation import automation_user
from staff.scopes import visible_accounts

KINDS = ("suspend", "activate", "change_plan", "set_apn")
"""Kinds of operation that a rule may ask for."""
_CAUSED = {
    "activate": frozenset({"SIM_STATUS_CHANGE"}),
    "suspend": frozenset({"SIM_STATUS_CHANGE"}),
    "set_apn": frozenset({"SIM_APN_STATUS_CHANGE"}),
}
_AFTER_OPERATIONS = frozenset({"operation_needs_attention", "job_ended"})
ALLOW = "notifications.allow_automatic_rule"
LONGEST_WORDS = 500
"""Characters of what happened in the reason of an operation."""


def propose(rule: Rule, event: Event, item: NotificationItem) -> Operation | None:
    """Ask for the rule's operation on the event's SIM, in the caller's transaction, and note it in ``item``.

    ``None`` when the rule asks for none, the event has no SIM, or something stands against it: then the sentence is
    in ``item.proposal_refused``. Once per rule and event. The caller holds the lock of the rule, by which the number
    of operations without approval is exact.
    """
    if not rule.operation_kind or event.sim is None:
        return None
    alone, held_back = acts_alone(rule, event.sim), False
    if alone and limit_reached(rule):
        alone, held_back = False, True
        _tell_of_limit(rule)
    try:
        operation = _request(rule, event, event.sim, waits=not alone, held_back=held_back)
    except OperationRefused as refusal:
        item.proposal_refused = str(refusal)
        item.save(update_fields=["proposal_refused"])
        return None
    item.operation, item.automatic = operation, alone
    item.save(update_fields=["operation", "automatic"])
    return operation


def digest(rule: Rule) -> str:
    """Of all that decides which SIMs the rule changes and how; what an allowance holds for."""
    said = {
        "kinds": sorted(rule.kinds),
        "accounts": sorted(rule.accounts),
        "plans": sorted(rule.plans),
        "tags": sorted(rule.tags),
        "threshold": None if rule.threshold is None else float(rule.threshold),
        "once_per": rule.once_per,
        "operation": rule.operation_kind,
        "params": rule.operation_params,
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def answers_itself(operation_kind: str, codes: Iterable[str]) -> bool:
    """Whether operations lead to events of these kinds: a rule that answers them alone could go on for ever."""
    return not (_CAUSED.get(operation_kind, frozenset()) | _AFTER_OPERATIONS).isdisjoint(codes)


def may_allow(rule: Rule, user_id: int) -> bool:
    """Whether the rule is not this administrator's own, where that counts (``RULE_ALLOWED_BY_ANOTHER``)."""
    return not settings.CONFIG["RULE_ALLOWED_BY_ANOTHER"] or rule.meant_by_id != user_id


def is_allowed(rule: Rule) -> bool:
    """Whether the rule may act without approval now: it says so, an administrator has allowed just this, and still
    may."""
    allower = rule.automatic_allowed_by
    return (
        rule.automatic
        and allower is not None
        and rule.automatic_digest == digest(rule)
        and allower.has_perm(ALLOW)
        and may_allow(rule, allower.pk)
        and rule.operation_kind in OPERATION_KINDS
        and not answers_itself(rule.operation_kind, rule.kinds)
        and allower.has_perm(OPERATION_KINDS[rule.operation_kind].permission)
    )


def acts_alone(rule: Rule, sim: Sim) -> bool:
    """Whether it may do so with this SIM: who allowed it sees the SIM's account."""
    if rule.automatic_allowed_by is None or not is_allowed(rule):
        return False
    accounts = visible_accounts(rule.automatic_allowed_by)
    return accounts is None or sim.account_id in accounts


def limit_reached(rule: Rule) -> bool:
    """Whether the rule has sent as many operations without approval as one may in an hour."""
    most: int = settings.CONFIG["RULE_AUTOMATIC_PER_HOUR"]
    if most <= 0:
        return True
    sent = NotificationItem.objects.filter(rule=rule, automatic=True).order_by("-pk")
    nth = sent.values_list("operation__created_at", flat=True)[most - 1 : most].first()
    return nth is not None and nth > timezone.now() - timedelta(hours=1)


def _request(rule: Rule, event: Event, sim: Sim, *, waits: bool, held_back: bool) -> Operation:
    actor = automation_user()
    if rule.operation_kind not in KINDS:
        raise OperationRefused(_("A rule can't ask for this operation."))
    if not actor.is_active:
        raise OperationRefused(_("The user “%(name)s” is deactivated, so rules change nothing.") % {"name": actor})
    try:
        return request_operation(
            sim=sim,
            kind=rule.operation_kind,
            params=rule.operation_params,
            actor=actor,
            reason=_reason(rule, event, waits=waits, held_back=held_back),
            nonce=_nonce(rule, event),
            waits=waits,
        )
    except Sim.DoesNotExist:
        raise OperationRefused(_("The portal does not know this SIM any more.")) from None


def _nonce(rule: Rule, event: Event) -> str:
    """The same for the same event, and no form can claim it before."""
    return salted_hmac("notifications.proposals", f"{rule.pk}:{event.pk}").hexdigest()[:36]


def _reason(rule: Rule, event: Event, *, waits: bool, held_back: bool) -> str:
    """What a person reads in the approvals, in the timeline and in the audit trail."""
    words = ": ".join(
        part for part in (kinds.label_of(event.kind), kinds.describe(event.kind, event.value, event.detail)) if part
    )
    # What happened may quote the carrier, who may say anything; a reason is plain text.
    plain = "".join(character if character.isprintable() else " " for character in words)[:LONGEST_WORDS]
    reason = _("Rule “%(name)s”: %(words)s.") % {"name": rule.name, "words": plain}
    if held_back:
        most = settings.CONFIG["RULE_AUTOMATIC_PER_HOUR"]
        note = _("It waits for approval because the rule has sent %(number)s operations within an hour.")
        return f"{reason} {note % {'number': most}}"
    if not waits:
        note = _("Sent without approval, as %(who)s has allowed.")
        return f"{reason} {note % {'who': rule.automatic_allowed_by}}"
    return reason


def _tell_of_limit(rule: Rule) -> None:
    """Once an hour, as the portal's own affair."""
    now = timezone.now()
    most: int = settings.CONFIG["RULE_AUTOMATIC_PER_HOUR"]
    emit(
        Happening(
            kind="rule_limit",
            key=f"{rule.pk}:{now:%Y%m%d%H}",
            at=now,
            value=most,
            detail={"rule": rule.pk, "name": rule.name},
        )
    )
