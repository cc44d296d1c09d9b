"""Who may do what with a job, and when.

``why_not_…`` is a sentence, empty when it is possible. The services ask the same functions through :func:`require`,
so a button and its service never disagree. That the user may see the job at all is the selectors' matter.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from operations.errors import Conflict, NotAllowed, OperationRefused
from operations.kinds import KINDS
from operations.models import BatchJob, Operation
from operations.services.jobs.choose import RETRIED
from operations.services.jobs.inverse import INVERSE_KIND
from staff.models import User

AnyUser: TypeAlias = User | AnonymousUser
State = BatchJob.State

RUN, APPROVE = "operations.run_batch_job", "operations.approve_operation"


def require(rule: Callable[[BatchJob, AnyUser], OperationRefused | None], job: BatchJob, user: AnyUser) -> None:
    """Raise what stands against it."""
    refusal = rule(job, user)
    if refusal is not None:
        raise refusal


def why_not_make(kind: str, user: AnyUser) -> str:
    """Making a plan of this kind: needs ``run_batch_job`` and the kind's permission, or that to ask for it."""
    if user.has_perm(RUN) and KINDS[kind].may_ask(user):
        return ""
    return _("Your role does not allow “%(action)s” for many SIMs.") % {"action": KINDS[kind].label}


def approval_needed(job: BatchJob) -> str:
    """Why the job will wait for a second person (design, section 6), as a sentence; empty when it goes through."""
    most = settings.CONFIG["BATCH_SUPERVISOR_LIMIT"]
    if job.kind == Operation.Kind.RETIRE:
        return _("Retiring by a job is approved by a second person.")
    if job.eligible > most:
        return ngettext(
            "A job over %(number)s SIM is approved by a second person.",
            "A job over %(number)s SIMs is approved by a second person.",
            most,
        ) % {"number": most}
    if job.actor.has_perm(APPROVE):
        return ""
    if _takes_back(job):
        return _("Taking a job back is approved by a supervisor.")
    most = settings.CONFIG["BATCH_AGENT_LIMIT"]
    if job.eligible > most:
        return ngettext(
            "A job over %(number)s SIM is approved by a supervisor.",
            "A job over %(number)s SIMs is approved by a supervisor.",
            most,
        ) % {"number": most}
    return ""


def _takes_back(job: BatchJob) -> bool:
    """An undo, or what tries the rest of one again."""
    step: BatchJob | None = job
    while step is not None and step.source == BatchJob.Source.RETRY:
        step = step.parent
    return step is not None and step.source == BatchJob.Source.UNDO


def confirming(job: BatchJob, user: AnyUser) -> OperationRefused | None:
    """Only who made the plan confirms it, once, and something must be in it."""
    if job.actor_id != user.pk:
        return NotAllowed(_("Only who made this plan can confirm it."))
    sentence = why_not_make(job.kind, user)
    if sentence:
        return NotAllowed(sentence)
    if job.state != State.PLANNED:
        return Conflict(_("This plan is confirmed or cancelled already."))
    if job.planned_at is None:
        return Conflict(_("The plan is still being made."))
    if not job.eligible:
        return Conflict(_("No SIM of this plan can be changed."))
    return None


def deciding(job: BatchJob, user: AnyUser) -> OperationRefused | None:
    """Approve or refuse: another person who may approve and may do such a change."""
    refusal = deciding_at_all(job.actor_id, job.kind, user)
    if refusal is not None:
        return refusal
    return None if job.state == State.AWAITING_APPROVAL else Conflict(_("This job does not wait for an approval."))


def deciding_at_all(actor_id: int, kind: str, user: AnyUser) -> OperationRefused | None:
    """The part of it that holds for single operations, too."""
    if not user.has_perm(APPROVE) or not user.has_perm(KINDS[kind].permission):
        return NotAllowed(_("Your role does not allow approving this."))
    if actor_id == user.pk:
        return NotAllowed(_("Nobody approves what they asked for themselves."))
    return None


def _steering(job: BatchJob, user: AnyUser) -> OperationRefused | None:
    """Its maker, or who may approve."""
    if not user.has_perm(RUN) or not (job.actor_id == user.pk or user.has_perm(APPROVE)):
        return NotAllowed(_("Only who made this job or a supervisor can do this."))
    return None


def cancelling(job: BatchJob, user: AnyUser) -> OperationRefused | None:
    """Its maker or a supervisor, while it has not ended and was not cancelled."""
    refusal = _steering(job, user)
    if refusal is not None:
        return refusal
    if job.state in BatchJob.FINAL_STATES:
        return Conflict(_("This job has ended."))
    return Conflict(_("This job is being cancelled already.")) if job.cancelled_at is not None else None


def pausing(job: BatchJob, user: AnyUser) -> OperationRefused | None:
    """As for cancelling, while it runs."""
    refusal = _steering(job, user)
    if refusal is not None:
        return refusal
    if job.state != State.RUNNING:
        return Conflict(_("This job is not running."))
    return Conflict(_("This job is being cancelled already.")) if job.cancelled_at is not None else None


def resuming(job: BatchJob, user: AnyUser) -> OperationRefused | None:
    """As for cancelling, while it is paused."""
    return _steering(job, user) or (None if job.state == State.PAUSED else Conflict(_("This job is not paused.")))


def retrying(job: BatchJob, user: AnyUser) -> OperationRefused | None:
    """After its end, when something failed; whoever may make such a job."""
    sentence = why_not_make(job.kind, user)
    if sentence:
        return NotAllowed(sentence)
    if job.state not in BatchJob.FINAL_STATES:
        return Conflict(_("This job has not ended yet."))
    if not job.failed:
        return Conflict(_("Nothing failed in this job."))
    if job.cancelled_at is not None and not Operation.objects.filter(job=job, state__in=RETRIED).exists():
        return Conflict(_("Nothing of this job failed; what was cancelled was not tried."))
    return None


def undoing(job: BatchJob, user: AnyUser) -> OperationRefused | None:
    """After its end, when something succeeded and the kind can be taken back."""
    inverse = INVERSE_KIND.get(job.kind)
    sentence = why_not_make(inverse or job.kind, user)
    if sentence:
        return NotAllowed(sentence)
    if inverse is None:
        return Conflict(_("“%(action)s” can't be taken back.") % {"action": KINDS[job.kind].label})
    if job.state not in BatchJob.FINAL_STATES:
        return Conflict(_("This job has not ended yet."))
    return None if job.succeeded else Conflict(_("Nothing was changed by this job."))


def why_not_confirm(job: BatchJob, user: AnyUser) -> str:
    """For the button "Confirm"."""
    return _sentence(confirming(job, user))


def why_not_decide(job: BatchJob, user: AnyUser) -> str:
    """For "Approve" and "Refuse"."""
    return _sentence(deciding(job, user))


def why_not_cancel(job: BatchJob, user: AnyUser) -> str:
    """For "Cancel"."""
    return _sentence(cancelling(job, user))


def why_not_pause(job: BatchJob, user: AnyUser) -> str:
    """For "Pause"."""
    return _sentence(pausing(job, user))


def why_not_resume(job: BatchJob, user: AnyUser) -> str:
    """For "Resume"."""
    return _sentence(resuming(job, user))


def why_not_retry(job: BatchJob, user: AnyUser) -> str:
    """For "Retry failed"."""
    return _sentence(retrying(job, user))


def why_not_undo(job: BatchJob, user: AnyUser) -> str:
    """For "Undo"."""
    return _sentence(undoing(job, user))


def _sentence(refusal: OperationRefused | None) -> str:
    return str(refusal) if refusal is not None else ""
