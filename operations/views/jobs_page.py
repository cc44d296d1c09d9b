"""What the page of a batch job shows: buttons with the reason why not, summary, progress, chunks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from operations import selectors_jobs
from operations.job_outcomes import Outcome
from operations.job_summary import (
    Progress,
    changes_of,
    costs_of,
    failures_of,
    line_counts,
    progress_of,
    refusals_of,
)
from operations.kinds import KINDS
from operations.models import BatchChunk, BatchJob
from operations.services.jobs import rules
from operations.services.jobs.feed import stands_off_since
from operations.services.jobs.forms import ConfirmForm, ReasonForm
from operations.tables_jobs import job_badge, job_bar, value_badge
from sims.models import RatePlan

State = BatchJob.State
MAX_CHUNKS = 200
CONFIRM_IDS, REFUSE_IDS = "confirm_%s", "refuse_%s"
"""For ids of their own: forms on one page ask for the same."""

_LEGEND = (Outcome.SUCCEEDED, Outcome.FAILED, Outcome.UNKNOWN, Outcome.PENDING, Outcome.REFUSED)
_BEFORE = (State.PLANNED, State.AWAITING_APPROVAL, State.SCHEDULED)


@dataclass(frozen=True)
class Button:
    """One button of the page. ``why_not`` says why it can't be used now; empty when it can."""

    name: str
    label: str
    icon: str
    url: str
    why_not: str
    css: str = ""


def buttons_of(job: BatchJob, user: Any) -> list[Button]:
    """The buttons that apply in the job's state, beside the forms of Confirm and Refuse."""

    def button(name: str, label: str, icon: str, why_not: str, css: str = "") -> Button:
        return Button(name, label, icon, reverse(f"operations:job_{name}", args=[job.pk]), why_not, css)

    found = []
    if job.state == State.RUNNING and job.cancelled_at is None:
        found.append(button("pause", _("Pause"), "pause", rules.why_not_pause(job, user)))
    if job.state == State.PAUSED:
        found.append(button("resume", _("Resume"), "play", rules.why_not_resume(job, user), "btn-primary"))
    if job.state not in BatchJob.FINAL_STATES:
        found.append(button("cancel", _("Cancel"), "x", rules.why_not_cancel(job, user)))
    elif job.started_at is not None:
        found.append(button("retry", _("Retry failed"), "rotate-ccw", rules.why_not_retry(job, user)))
        found.append(button("undo", _("Undo"), "undo-2", rules.why_not_undo(job, user)))
    return found


def version_of(job: BatchJob) -> str:
    """Changes when anything of the page does, from the job's columns and its newest chunk step."""
    counts = "-".join(str(getattr(job, outcome)) for outcome in Outcome.values)
    planned = int(job.planned_at.timestamp() * 1000) if job.planned_at else 0
    newest = BatchChunk.objects.filter(job=job).exclude(state=BatchChunk.State.WAITING)
    steps = "".join(state[:2] for state in newest.order_by("number").values_list("state", flat=True)[:MAX_CHUNKS])
    return f"{job.state}-{counts}-{job.lines}-{planned}-{int(job.cancelled_at is not None)}-{steps}"


def job_context(request: HttpRequest, job: BatchJob, **forms: Any) -> dict[str, Any]:
    """All that the live part shows. ``forms`` are bound ones that were refused: ``confirm_form``, ``refuse_form``."""
    user: Any = request.user
    context = {
        "job": job,
        "kind": KINDS[job.kind],
        "buttons": buttons_of(job, user),
        "version": version_of(job),
        "is_live": job.state not in BatchJob.FINAL_STATES,
        "every": _pace(job),
        "counts": [(value, label, getattr(job, value)) for value, label in Outcome.choices],
        "changes_params": _params_in_words(job),
        "badge": job_badge(job.state),
        "is_batch": job.kind in selectors_jobs.BATCH_KINDS,
    }
    if job.planned_at is None:
        return context
    begun = job.started_at is not None
    return {**context, **(_running(job) if begun else _planned(job, user, forms)), "begun": begun}


def _pace(job: BatchJob) -> str:
    """How often the page asks: quickly while something moves by itself."""
    if job.planned_at is None:
        return "1s"
    return "2s" if job.state == State.RUNNING else "4s"


def _planned(job: BatchJob, user: Any, forms: dict[str, Any]) -> dict[str, Any]:
    groups, others = changes_of(job)
    lines = line_counts(job)
    seconds = selectors_jobs.expected_seconds(job)
    context: dict[str, Any] = {
        "groups": [
            {"before": value_badge(group.before), "after": value_badge(group.after), "number": group.number}
            for group in groups
        ],
        "others": others,
        "refusals": refusals_of(job) if job.refused else [],
        "line_counts": lines,
        "not_usable": lines["not_found"] + lines["ambiguous"],
        "costs": costs_of(job),
        "expected": length_text(seconds) if seconds is not None else "",
        "approval": rules.approval_needed(job) if job.state in _BEFORE else "",
    }
    if job.state == State.PLANNED:
        why_not = rules.why_not_confirm(job, user)
        context["why_not_confirm"] = why_not
        context["before_confirming"] = KINDS[job.kind].before_confirming(job.eligible)
        context["confirm_form"] = forms.get("confirm_form") or (
            None if why_not else ConfirmForm(job=job, auto_id=CONFIRM_IDS)
        )
    if job.state == State.AWAITING_APPROVAL:
        why_not = rules.why_not_decide(job, user)
        context["why_not_decide"] = why_not
        context["refuse_form"] = forms.get("refuse_form") or (None if why_not else ReasonForm(auto_id=REFUSE_IDS))
    return context


def _running(job: BatchJob) -> dict[str, Any]:
    progress = progress_of(job)
    return {
        "bar": job_bar(job),
        "legend": [(value.value, value.label, getattr(job, value.value)) for value in _LEGEND],
        "progress": progress,
        "rate_text": _rate_text(progress.rate),
        "left_text": _left_text(job, progress),
        "failures": failures_of(job),
        "waits": selectors_jobs.why_it_waits(job) if job.state == State.RUNNING else "",
    }


def chunks_context(job: BatchJob) -> dict[str, Any]:
    """The batch jobs at the carrier, as far as one reads them."""
    chunks = list(BatchChunk.objects.filter(job=job).order_by("number")[: MAX_CHUNKS + 1])
    return {"chunks": chunks[:MAX_CHUNKS], "more_chunks": len(chunks) > MAX_CHUNKS}


def length_text(seconds: float) -> str:
    """A length of time in the one or two units that matter."""
    whole = max(1, round(seconds))
    if whole < 90:
        return ngettext("%(number)s second", "%(number)s seconds", whole) % {"number": whole}
    minutes = round(whole / 60)
    if minutes < 90:
        return ngettext("%(number)s minute", "%(number)s minutes", minutes) % {"number": minutes}
    return _("%(hours)s h %(minutes)s min") % {"hours": minutes // 60, "minutes": minutes % 60}


def _rate_text(rate: float | None) -> str:
    if rate is None:
        return ""
    if rate >= 1:
        return _("%(number)s SIMs a second") % {"number": number_format(round(rate), force_grouping=True)}
    return _("%(number)s SIMs a minute") % {"number": number_format(rate * 60, decimal_pos=0 if rate > 0.1 else 1)}


def _left_text(job: BatchJob, progress: Progress) -> str:
    """What can honestly be said of the end; nothing is promised before some SIMs have ended."""
    if job.finished_at is not None and job.started_at is not None:
        return _("took %(length)s") % {"length": length_text((job.finished_at - job.started_at).total_seconds())}
    if job.state == State.PAUSED:
        return _("paused; nothing more is sent until it is resumed")
    if not job.pending:
        return ""
    if job.state == State.RUNNING and stands_off_since(job) is not None:
        return _("the carrier gives no clear answer, so only one is tried each minute")
    if progress.left is None:
        return _("too early to tell how long it takes")
    return _("about %(length)s left at this rate") % {"length": length_text(progress.left.total_seconds())}


def _params_in_words(job: BatchJob) -> list[tuple[str, str]]:
    """What is to be changed, as pairs of name and value."""
    params = job.params if isinstance(job.params, dict) else {}
    words = []
    if params.get("plan"):
        plan = RatePlan.objects.filter(pk=params["plan"]).first()
        words.append((_("Plan"), f"{plan.name} · {plan.code}" if plan and plan.name else str(params["plan"])))
    if params.get("effective"):
        late = params["effective"] == "NEXT_CYCLE"
        words.append((_("Takes effect"), _("with the next billing cycle") if late else _("now")))
    if params.get("apn"):
        on = params.get("apn_status") == "ENABLED"
        words.append((_("APN"), f"{params['apn']} → {_('on') if on else _('off')}"))
    for name, value in params.items():
        if name.startswith("custom"):
            words.append((_("Custom field %(number)s") % {"number": name[-1]}, str(value) or _("(emptied)")))
    return words + KINDS[job.kind].in_words(params)
