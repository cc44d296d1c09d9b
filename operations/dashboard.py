"""What this app puts on the dashboard: what waits for a decision, what a person has to settle, jobs under way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.db.models import Case, CharField, F, IntegerField, QuerySet, Value, When
from django.db.models.expressions import Combinable
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from core import dashboard, facts, slots
from core.facts import CountOf
from core.paging import COUNT_LIMIT, Count
from core.templatetags.portal import grouped
from operations import selectors, selectors_jobs
from operations.job_summary import progress_of
from operations.models import BatchJob, Operation
from operations.slots import APPROVE, approvals_waiting
from operations.tables_jobs import job_badge, job_bar

SEES, SEES_JOBS = "operations.view_operation", "operations.view_batchjob"
SHOWN = 4
_JOB, _SINGLE = Value("operations:job", CharField()), Value("operations:detail", CharField())
_OPEN_JOBS = (BatchJob.State.RUNNING, BatchJob.State.PAUSED, BatchJob.State.SCHEDULED)
_ASKED_OPERATIONS, _ASKED_JOBS = "operations.asked_operations", "operations.asked_jobs"
_ATTENTION, _RUNNING, _UNDER_WAY = "operations.attention", "operations.running_jobs", "operations.open_jobs"


@dataclass(frozen=True)
class Wish:
    """Something that waits for this user's decision."""

    url: str
    label: str
    about: str
    who: str
    asked_at: datetime


def register() -> None:
    """Take this app's places on the page, and have asked what they need."""
    for name, permission, question in (
        (_ATTENTION, SEES, lambda user: CountOf(_operations(user, "needs_attention"), COUNT_LIMIT + 1)),
        (_ASKED_OPERATIONS, SEES, lambda user: CountOf(_operations(user, "awaiting_approval").filter(actor=user))),
        (_ASKED_JOBS, SEES_JOBS, lambda user: CountOf(_jobs(user, "awaiting_approval").filter(actor=user))),
        (_RUNNING, SEES_JOBS, lambda user: CountOf(_jobs(user, "running"))),
        (_UNDER_WAY, SEES_JOBS, lambda user: CountOf(_jobs(user, *_OPEN_JOBS))),
    ):
        facts.register(name, _for(permission, question), place=dashboard.PLACE)
    for part in (approvals_tile, attention_tile, jobs_tile):
        slots.fill(dashboard.NOW, part)
    slots.fill(dashboard.WORK, approvals)
    slots.fill(dashboard.WORK, jobs)


def _for(permission: str, question: Callable[[Any], Combinable]) -> facts.Question:
    return lambda user: question(user) if user.has_perm(permission) else None


def _operations(user: Any, state: str) -> QuerySet[Operation]:
    return selectors.list_operations(user).filter(state=state)


def _jobs(user: Any, *states: str) -> QuerySet[BatchJob]:
    return selectors_jobs.list_jobs(user).filter(state__in=states)


# What needs somebody ----------------------------------------------------------------------------------------------


def approvals_tile(request: HttpRequest) -> SafeString:
    """How many wishes wait for who asks, if they may decide at all."""
    if not request.user.has_perm(APPROVE):
        return SafeString("")
    number = approvals_waiting(request)
    return dashboard.tile(
        "approvals_waiting",
        number,
        str(number),
        url=reverse("operations:approvals"),
        label=_("To approve"),
        icon_name="user-check",
        note=_("Others wait for you") if number else _("Nobody waits for you"),
        tone="info",
    )


def attention_tile(request: HttpRequest) -> SafeString:
    """Operations whose end a person has to tell."""
    if not request.user.has_perm(SEES):
        return SafeString("")
    counted: int = facts.answer(request, _ATTENTION)
    number = Count(min(counted, COUNT_LIMIT), counted > COUNT_LIMIT)
    return dashboard.tile(
        "operations_attention",
        number.token if number.number else 0,
        number.text,
        url=f"{reverse('operations:list')}?state=needs_attention",
        label=_("Needs attention"),
        icon_name="circle-alert",
        note=_("A person has to say how they ended") if number.number else _("No operation is unclear"),
        tone="bad",
    )


def jobs_tile(request: HttpRequest) -> SafeString:
    """Batch jobs that run now."""
    if not request.user.has_perm(SEES_JOBS):
        return SafeString("")
    number, under_way = facts.answer(request, _RUNNING), facts.answer(request, _UNDER_WAY)
    others = under_way - number
    words = ngettext("%(number)s paused or scheduled", "%(number)s paused or scheduled", others)
    return dashboard.tile(
        "jobs_running",
        number,
        str(number),
        url=f"{reverse('operations:jobs')}?state=running",
        label=_("Jobs running"),
        icon_name="list-checks",
        note=words % {"number": others} if others else _("None is paused or scheduled"),
        tone="info",
    )


# What is under way ------------------------------------------------------------------------------------------------


def approvals(request: HttpRequest) -> SafeString:
    """The oldest wishes that wait for who asks, and how many of theirs wait for somebody else."""
    user: Any = request.user
    if not (user.has_perm(APPROVE) or user.has_perm(SEES)):
        return SafeString("")
    waiting = approvals_waiting(request)
    who = {"state": "awaiting_approval", "who": user.get_username()}
    asked = [
        (name, number, f"{reverse(view)}?{urlencode(who)}")
        for name, fact, view in (
            ("asked_operations", _ASKED_OPERATIONS, "operations:list"),
            ("asked_jobs", _ASKED_JOBS, "operations:jobs"),
        )
        if (number := facts.answer(request, fact))
    ]
    if not waiting and not asked:
        return dashboard.nothing("home-approvals")
    context = {
        "wishes": _wishes(user) if waiting else [],
        "more": max(0, waiting - SHOWN),
        "asked": [
            (
                dashboard.figure(name, number, str(number), url=url),
                ngettext("change of yours waits", "changes of yours wait", number)
                if name == "asked_operations"
                else ngettext("batch job of yours waits", "batch jobs of yours wait", number),
            )
            for name, number, url in asked
        ],
        "may_approve": user.has_perm(APPROVE),
    }
    return SafeString(render_to_string("operations/home/approvals.html", context, request=request))


def _wishes(user: Any) -> list[Wish]:
    """The oldest of both kinds; one query."""
    queue = selectors_jobs.approval_queue(user)
    jobs: Any = queue.jobs.order_by()
    single: Any = queue.operations.order_by()
    same = {"number": F("pk"), "change": F("kind"), "asked_by": F("actor__username")}
    jobs = jobs.values(**same, view=_JOB, asked_at=F("confirmed_at"), many=F("eligible"), giccid=Value("", CharField()))
    single = single.values(
        **same, view=_SINGLE, asked_at=F("created_at"), many=Value(1, IntegerField()), giccid=F("sim__giccid")
    )
    return [
        Wish(
            url=reverse(row["view"], args=[row["number"]]),
            label=str(Operation.Kind(row["change"]).label),
            about=grouped(row["giccid"]) if row["giccid"] else _many(row["many"]),
            who=row["asked_by"],
            asked_at=row["asked_at"],
        )
        for row in jobs.union(single, all=True).order_by("asked_at", "number")[:SHOWN]
    ]


def _many(sims: int) -> str:
    return ngettext("%(number)s SIM", "%(number)s SIMs", sims) % {"number": number_format(sims, force_grouping=True)}


def jobs(request: HttpRequest) -> SafeString:
    """Jobs under way with their bars, running ones first."""
    if not request.user.has_perm(SEES_JOBS):
        return SafeString("")
    under_way = facts.answer(request, _UNDER_WAY)
    if not under_way:
        return dashboard.nothing("home-jobs")
    turn = Case(*(When(state=state, then=n) for n, state in enumerate(_OPEN_JOBS)), output_field=IntegerField())
    rows = list(_jobs(request.user, *_OPEN_JOBS).order_by(turn, "-pk")[:SHOWN])
    context = {
        "jobs": [(job, job_badge(job.state), job_bar(job), progress_of(job)) for job in rows],
        "more": max(0, under_way - len(rows)),
        "more_url": f"{reverse('operations:jobs')}?{urlencode({'state': _OPEN_JOBS}, doseq=True)}",
    }
    return SafeString(render_to_string("operations/home/jobs.html", context, request=request))
