"""Asked again right before the sending: whether a change is still allowed, and still makes sense."""

from __future__ import annotations

from django.utils.translation import gettext as _

from operations.kinds import KINDS
from operations.models import Operation, OperationAttempt
from staff.models import User
from staff.scopes import visible_accounts


def why_not_send(operation: Operation) -> str:
    """Why it is not to be sent, as a sentence; empty when it is: who asked for it, and the SIM as the mirror has it."""
    sentence = why_not_for(operation.actor, operation.kind, operation.sim.account_id)
    if sentence or _was_in_doubt(operation):
        # After a sending in doubt the carrier is asked instead of the mirror.
        return sentence
    kind = KINDS[operation.kind]
    return kind.refusal(operation.sim) or kind.conflict(operation.sim, operation.params)


def why_not_for(actor: User, kind: str, account: str) -> str:
    """Why a change that ``actor`` asked for is not theirs to ask for any more; empty while it is."""
    who = {"who": actor.get_username()}
    if not actor.is_active:
        return _("%(who)s, who asked for it, may not use the portal any more.") % who
    if not KINDS[kind].may_ask(actor):
        return _("The role of %(who)s, who asked for it, does not allow it any more.") % who
    accounts = visible_accounts(actor)
    if accounts is not None and account not in accounts:
        return _("%(who)s, who asked for it, may not see this account any more.") % who
    return ""


def _was_in_doubt(operation: Operation) -> bool:
    if not operation.sends:
        return False
    sent = operation.attempts.filter(step=OperationAttempt.Step.SEND)
    return sent.exclude(outcome=Operation.State.QUEUED).exists()
