"""Taking a plan: confirm, schedule, pause, resume, cancel. ``hold`` makes its operations."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from core import audit
from core.queue import enqueue_on_commit
from operations import job_tasks, selectors_jobs
from operations.errors import Conflict, Invalid, PlanChanged
from operations.models import BatchJob
from operations.services.jobs import rules
from operations.services.jobs.counts import recount
from operations.services.jobs.forms import ConfirmForm
from operations.services.jobs.hold import cancel_unsent, hold_sims
from operations.services.jobs.plan import PLAN_AT_ONCE, recheck, recheck_later
from staff.models import User

__all__ = ["cancel", "cancel_unsent", "confirm", "hold_sims", "pause", "resume", "start_scheduled"]

State = BatchJob.State

CANCEL_AT_ONCE = 2_000
"""SIMs that the click on "Cancel" ends itself; the task ends the rest."""


def confirm(
    job: BatchJob,
    actor: User,
    reason: str,
    ticket: str,
    confirm_count: str | int | None = None,
    scheduled_for: datetime | None = None,
) -> BatchJob:
    """Take the plan: the job is then ``awaiting_approval``, ``scheduled`` or ``running``.

    ``confirm_count`` is the number of eligible SIMs, asked for a retire. Raises ``NotAllowed``, ``Invalid`` (form
    with ``reason``, ``ticket``, ``confirm``, ``scheduled_for``), ``Conflict``, and its subclass ``PlanChanged``
    when a plan that had become old was checked again and is not what the person saw. ``BatchJob.DoesNotExist`` for
    a job that the actor may not see.
    """
    job = selectors_jobs.get_job(actor, job.pk)
    rules.require(rules.confirming, job, actor)
    form = _read_form(job, reason, ticket, confirm_count, scheduled_for)
    _refresh(job)
    now = timezone.now()
    values: dict[str, Any] = {
        "reason": form.cleaned_data["reason"],
        "ticket": form.cleaned_data["ticket"],
        "scheduled_for": form.cleaned_data["scheduled_for"],
        "confirmed_at": now,
    }
    if rules.approval_needed(job):
        lapses = now + timedelta(seconds=settings.CONFIG["APPROVAL_LAPSES_AFTER"])
        values |= {"state": State.AWAITING_APPROVAL, "approval_lapses_at": lapses, "next_step_at": lapses}
    else:
        values |= going_on(values["scheduled_for"], now)
    with transaction.atomic():
        # The count is part of the condition: what was typed for a retire is what is taken.
        rows = BatchJob.objects.filter(pk=job.pk, state=State.PLANNED, eligible=job.eligible, planned_at__isnull=False)
        if not rows.update(**values):
            raise Conflict(_("This plan is confirmed or cancelled already."))
        audit.record(
            action="job.confirmed",
            actor=actor,
            target=job,
            before={"state": State.PLANNED},
            after={"state": values["state"], "kind": job.kind, "params": job.params, "sims": job.eligible},
            reason=values["reason"],
            ticket=values["ticket"],
        )
        wake(values["state"], job.pk)
    job.refresh_from_db()
    return recount(job)


def going_on(scheduled_for: datetime | None, now: datetime) -> dict[str, Any]:
    """The columns of a job that nothing stands against any more: it waits for its time, or starts."""
    if scheduled_for is not None and scheduled_for > now:
        return {"state": State.SCHEDULED, "next_step_at": scheduled_for, "lease_until": None}
    return {"state": State.RUNNING, "started_at": now, "next_step_at": now, "lease_until": None}


def wake(state: str, job_id: int) -> None:
    """Have a running job looked at as soon as this is committed."""
    if state == State.RUNNING:
        enqueue_on_commit(job_tasks.run_job, job_id)


def start_scheduled(job_id: int) -> bool:
    """For ``run_job``: a ``scheduled`` job that is due becomes ``running``; ``False`` when it is not due.

    Each SIM is checked again as it is held (:func:`hold_sims`).
    """
    now = timezone.now()
    with transaction.atomic():
        rows = BatchJob.objects.filter(pk=job_id, state=State.SCHEDULED, next_step_at__lte=now)
        if not rows.update(**going_on(None, now)):
            return False
        job = BatchJob.objects.get(pk=job_id)
        _tell(job, None, "job.started", State.SCHEDULED)
    recount(job)
    return True


def pause(job: BatchJob, actor: User) -> BatchJob:
    """``running`` to ``paused``: nothing more is sent; what the carrier has goes on. ``NotAllowed``, ``Conflict``."""
    job = selectors_jobs.get_job(actor, job.pk)
    rules.require(rules.pausing, job, actor)
    return _turn(job, actor, State.RUNNING, State.PAUSED, "job.paused")


def resume(job: BatchJob, actor: User) -> BatchJob:
    """``paused`` to ``running``. ``NotAllowed``, ``Conflict``."""
    job = selectors_jobs.get_job(actor, job.pk)
    rules.require(rules.resuming, job, actor)
    return _turn(job, actor, State.PAUSED, State.RUNNING, "job.resumed")


def cancel(job: BatchJob, actor: User, reason: str = "") -> BatchJob:
    """Send nothing more of it. Before its start the job is ``cancelled`` at once.

    A running one gets ``cancelled_at``; what is at the carrier is followed to its end, then it is ``cancelled``.
    """
    job = selectors_jobs.get_job(actor, job.pk)
    rules.require(rules.cancelling, job, actor)
    now = timezone.now()
    message = _("Cancelled by %(who)s. %(reason)s") % {"who": actor.get_username(), "reason": reason}
    started = job.state in (State.RUNNING, State.PAUSED)
    values: dict[str, Any] = {"cancelled_at": now, "message": message.strip()}
    if started:
        # Also a paused one: it has to be followed to its end.
        values |= {"state": State.RUNNING, "next_step_at": now}
    else:
        values |= {"state": State.CANCELLED, "finished_at": now, "next_step_at": None, "lease_until": None}
    with transaction.atomic():
        if not BatchJob.objects.filter(pk=job.pk, state=job.state, cancelled_at__isnull=True).update(**values):
            raise Conflict(_("The job has gone on meanwhile. Please look again."))
        _tell(job, actor, "job.cancel_requested" if started else "job.cancelled", job.state, reason)
        if started:
            enqueue_on_commit(job_tasks.run_job, job.pk)
    if started:
        cancel_unsent(job.pk, most=CANCEL_AT_ONCE)
    job.refresh_from_db()
    return recount(job)


def _turn(job: BatchJob, actor: User, before: str, after: str, action: str) -> BatchJob:
    with transaction.atomic():
        rows = BatchJob.objects.filter(pk=job.pk, state=before, cancelled_at__isnull=True)
        if not rows.update(state=after, next_step_at=timezone.now()):
            raise Conflict(_("The job has gone on meanwhile. Please look again."))
        _tell(job, actor, action, before)
        wake(after, job.pk)
    job.refresh_from_db()
    return job


def _tell(job: BatchJob, actor: User | None, action: str, before: str, reason: str = "") -> None:
    after = {"state": BatchJob.objects.values_list("state", flat=True).get(pk=job.pk)}
    audit.record(
        action=action,
        actor=actor,
        target=job,
        before={"state": before},
        after=after,
        reason=reason or job.reason,
        ticket=job.ticket,
    )


def _read_form(
    job: BatchJob, reason: str, ticket: str, confirm_count: str | int | None, scheduled_for: datetime | None
) -> ConfirmForm:
    count = "" if confirm_count is None else str(confirm_count)
    data = {"reason": reason, "ticket": ticket, "confirm": count, "scheduled_for": scheduled_for}
    form = ConfirmForm(data, job=job)
    if not form.is_valid():
        raise Invalid(form)
    return form


def _refresh(job: BatchJob) -> None:
    """Check a plan again that is too old to be taken as it stands. Raises :class:`PlanChanged`."""
    age = timezone.now() - (job.planned_at or job.created_at)
    if age <= timedelta(seconds=settings.CONFIG["BATCH_RECHECK_AFTER"]):
        return
    if job.lines > PLAN_AT_ONCE:
        recheck_later(job)
        raise PlanChanged(_("This plan is old, so it is being checked again. Please confirm it when that is done."))
    changes = recheck(job)
    if any(changes.values()):
        raise PlanChanged(_("This plan was old, so it was checked again. %(what)s") % {"what": _what_changed(changes)})


def _what_changed(changes: dict[str, int]) -> str:
    sentences = []
    if changes["refused"]:
        sentences.append(
            ngettext(
                "%(number)s SIM can't be changed any more.",
                "%(number)s SIMs can't be changed any more.",
                changes["refused"],
            )
            % {"number": changes["refused"]}
        )
    if changes["eligible"]:
        sentences.append(
            ngettext("%(number)s SIM has come in.", "%(number)s SIMs have come in.", changes["eligible"])
            % {"number": changes["eligible"]}
        )
    if changes["changed"]:
        sentences.append(
            ngettext(
                "%(number)s SIM starts from another value now.",
                "%(number)s SIMs start from another value now.",
                changes["changed"],
            )
            % {"number": changes["changed"]}
        )
    return " ".join([*sentences, _("Please look at it again and confirm.")])
