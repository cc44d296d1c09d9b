"""From a selection to a stored plan."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import timedelta
from operator import attrgetter
from typing import Any

import structlog
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.db import IntegrityError, transaction
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext as _

from core import audit
from core.queue import enqueue_on_commit
from core.request_context import current_request
from operations import identifiers as reader
from operations import job_tasks
from operations.errors import Conflict, Invalid, NotAllowed
from operations.kinds import KINDS
from operations.models import BatchInput, BatchJob, BatchLine
from operations.services.jobs import choose, rules
from operations.services.jobs.choose import Chosen, Unusable
from operations.services.jobs.counts import recount
from operations.services.jobs.forms import PARAMS_FORMS, JobForm
from operations.services.jobs.writing import Writer, add_sim, recheck_lines
from sims.models import Sim
from staff.models import User
from staff.scopes import scoped

log = structlog.get_logger(__name__)

PLAN_AT_ONCE = 5_000
"""Lines up to which a plan is made in the request; larger ones are made by the task ``plan_job``."""

PLAN_LEASE = timedelta(seconds=60)
"""How long a plan may be without a sign of life before somebody else makes it."""

LONGEST_QUERY = 2000
"""Characters of a list's query that a job keeps."""

_NONCE = re.compile(r"[A-Za-z0-9-]{8,36}\Z")

Source = BatchJob.Source


def make_job(
    *,
    actor: User,
    kind: str,
    params: Mapping[str, Any],
    source: str,
    identifiers: str | None = None,
    file: UploadedFile | None = None,
    giccids: Sequence[str] | None = None,
    query: QueryDict | None = None,
    nonce: str | None = None,
) -> BatchJob:
    """Store a plan; nothing is sent. ``planned_at`` is empty while a large one is still being made.

    ``source`` is one of ``BatchJob.Source``: ``text`` takes ``identifiers``, ``file`` takes ``file``, ``ticked``
    takes ``giccids``, ``filter`` takes ``query`` (the SIM list's). ``params`` are the fields of
    :data:`operations.services.jobs.forms.PARAMS_FORMS`. The same form sent again, with the same
    ``nonce``, answers the job that is there; one that was changed since (the browser's way back) makes a new plan.

    Raises :class:`operations.errors.NotAllowed` and :class:`~operations.errors.Invalid` (a form with the errors by
    field: the parameters, or ``identifiers``, ``file``, ``__all__`` for the selection); then nothing was written.
    """
    sentence = rules.why_not_make(kind, actor)
    if sentence:
        raise NotAllowed(sentence)
    given = (kind, sorted(params.items()), source, identifiers, giccids, None if query is None else query.urlencode())
    nonce = _nonce_of(nonce, actor, given, file) if nonce and _NONCE.match(nonce) else None
    earlier = _made_before(nonce)
    if earlier is not None:
        return earlier
    form = PARAMS_FORMS[kind](params, user=actor)
    if not form.is_valid():
        raise Invalid(form)
    job = BatchJob(kind=kind, source=source, actor=actor, nonce=nonce)
    try:
        choice = _read_choice(job, identifiers, file, giccids, query)
        return store_job(job, len(choice), choice, form=form)
    except (Unusable, reader.IdentifiersRefused) as error:
        raise _unusable(form, error, source) from error
    except IntegrityError:
        # Two clicks on one form, this one the slower by a moment.
        earlier = _made_before(nonce)
        if earlier is None:
            raise
        return earlier


def store_job(job: BatchJob, size: int, choice: list[Any] | None = None, *, form: JobForm | None = None) -> BatchJob:
    """Store ``job`` and make its plan of about ``size`` lines, or have it made by the task when it is large.

    ``choice`` is what was read, where the job's own row does not say what it takes; ``form`` holds its parameters,
    where it does not have them yet.
    """
    is_large = size > PLAN_AT_ONCE
    job.request_id = current_request().request_id
    with transaction.atomic():
        if is_large:
            job.next_step_at = timezone.now()
        if form is not None:
            job.params = KINDS[job.kind].stored_params(form)
        job.save()
        audit.record(
            action="job.made",
            actor=job.actor,
            target=job,
            after={"kind": job.kind, "params": job.params, "source": job.source, "selection": job.selection},
        )
        if is_large:
            if choice is not None and job.source in _STORED:
                BatchInput.objects.create(job=job, lines=_as_json(choice))
            enqueue_on_commit(job_tasks.plan_job, job.pk)
            return job
        writer = Writer(job)
        for part in _parts(job, choice):
            writer.write(part)
        writer.finish()
    return job


def make_plan(job_id: int) -> bool:
    """For the task ``plan_job``: make (or check again) the plan of a job whose ``next_step_at`` is due.

    ``False`` when it was not due or somebody else has it. Dying in it leaves a row that is due when the lease ends.
    """
    job = _claim(job_id)
    if job is None:
        return False
    is_made = not BatchInput.objects.filter(job=job).exists() and job.lines > 0
    if is_made:
        recheck_lines(job, keep=_keep)
        return True
    try:
        _make(job)
    except _ClaimLost:
        log.info("plan.claim_lost", job=job_id)
    except (Unusable, reader.IdentifiersRefused) as error:
        _give_up(job, str(error))
    return True


def recheck(job: BatchJob) -> dict[str, int]:
    """Check every line of a plan again against the mirror; answers how many came to be ``eligible`` and ``refused``.

    What was chosen stays; only what can be done with it is asked anew. ``changed`` are those whose change is another
    now. All are 0 when nothing has changed.
    """
    return recheck_lines(job)


def recheck_later(job: BatchJob) -> None:
    """Have a large plan checked again by the task; ``planned_at`` is empty meanwhile."""
    with transaction.atomic():
        rows = BatchJob.objects.filter(pk=job.pk, state=BatchJob.State.PLANNED, planned_at__isnull=False)
        if rows.update(planned_at=None, next_step_at=timezone.now()):
            enqueue_on_commit(job_tasks.plan_job, job.pk)
    job.refresh_from_db()


def choose_candidate(job: BatchJob, line_number: int, giccid: str, actor: User) -> BatchJob:
    """Say which SIM an ambiguous line of one's own plan means. Raises ``NotAllowed`` or ``Conflict``."""
    if job.actor_id != actor.pk:
        raise NotAllowed(_("Only who made this plan can choose."))
    with transaction.atomic():
        job = BatchJob.objects.select_for_update(no_key=True, of=("self",)).select_related("actor").get(pk=job.pk)
        if job.state != BatchJob.State.PLANNED or job.planned_at is None:
            raise Conflict(_("This plan can't be changed now."))
        line = BatchLine.objects.filter(job=job, number=line_number, outcome=BatchLine.Outcome.AMBIGUOUS).first()
        sim = scoped(Sim.objects.filter(giccid=giccid), actor).only("pk").first()
        if line is None or sim is None or giccid not in line.candidates:
            raise Conflict(_("This line offers no such SIM."))
        same = BatchLine.objects.filter(job=job, sim_id=sim.pk).order_by("number").first()
        if same is not None:
            line.outcome = BatchLine.Outcome.DUPLICATE
            line.note = _("The same SIM as line %(number)s.") % {"number": same.number}
            line.save(update_fields=["outcome", "note"])
        else:
            line.outcome = BatchLine.Outcome.FOUND
            line.note = _("Chosen out of %(number)s.") % {"number": len(line.candidates)}
            line.sim = sim
            add_sim(job, line)
        recount(job)
        after = {"line": line.number, "giccid": giccid, "candidates": line.candidates}
        audit.record(action="job.line_chosen", actor=actor, target=job, after=after)
    return job


def _made_before(nonce: str | None) -> BatchJob | None:
    """The job that the same form made."""
    return BatchJob.objects.filter(nonce=nonce).first() if nonce is not None else None


def _nonce_of(nonce: str, actor: User, given: tuple[Any, ...], file: UploadedFile | None) -> str:
    """The form's number together with who sent it and what it said, so that one that says another thing is another."""
    digest = hashlib.blake2b(repr((nonce, actor.pk, given)).encode("utf-8", "backslashreplace"), digest_size=16)
    if file is not None:
        for chunk in file.chunks():
            digest.update(chunk)
        file.seek(0)
    return digest.hexdigest()


def _read_choice(
    job: BatchJob,
    identifiers: str | None,
    file: UploadedFile | None,
    giccids: Iterable[str] | None,
    query: QueryDict | None,
) -> list[Any]:
    """What was given, read but not looked up. Raises :class:`Unusable` and the reader's refusals."""
    choice: list[Any]
    if job.source == Source.FILTER and query is not None:
        job.selection = choose.list_query(query)
        if len(job.selection) > LONGEST_QUERY:
            raise Unusable(_("This search is too long to be kept. Please use fewer filters."))
        choice = choose.matching(QueryDict(job.selection), job.actor)
    elif job.source == Source.TEXT:
        choice = reader.read_text(identifiers or "")
    elif job.source == Source.FILE and file is not None:
        job.selection = (file.name or "")[:200]
        choice = reader.read_file(file.name or "", file)
    else:
        choice = list(dict.fromkeys(giccid for giccid in giccids or () if giccid))
        if len(choice) > settings.CONFIG["BATCH_MAX_LINES"]:
            raise Unusable(choose.too_many())
    if not choice:
        raise Unusable(_("No SIM was chosen."))
    return choice


def _unusable(form: JobForm, error: Exception, source: str) -> Invalid:
    """The form with the sentence at the field that holds the selection."""
    field = {Source.TEXT: "identifiers", Source.FILE: "file"}.get(Source(source))
    form.add_error(field, str(error))
    return Invalid(form)


_LINE_FIELDS = [field.name for field in fields(reader.Line)]
_LINE_VALUES = attrgetter(*_LINE_FIELDS)
_STORED = (Source.TEXT, Source.FILE, Source.TICKED)


def _as_json(choice: list[Any]) -> list[Any]:
    return [_LINE_VALUES(one) if isinstance(one, reader.Line) else one for one in choice]


def _from_json(job: BatchJob, stored: list[Any]) -> list[Any]:
    if job.source == Source.TICKED:
        return stored
    lines = [dict(zip(_LINE_FIELDS, values, strict=True)) for values in stored]
    for line in lines:
        line["repairs"] = tuple(line["repairs"])
    return [reader.Line(**line) for line in lines]


def _parts(job: BatchJob, choice: list[Any] | None, alive: Callable[[], None] | None = None) -> Iterator[list[Chosen]]:
    """The lines in parts. ``choice`` is what was read, or ``None`` where the job itself says what it takes.

    ``alive`` is called now and then before the first part.
    """
    if job.source == Source.FILTER:
        found = choice if choice is not None else choose.matching(QueryDict(job.selection), job.actor)
        return choose.of_matching(found)
    if job.source == Source.TICKED:
        return choose.of_giccids(choice or [], job.actor)
    if job.source in (Source.RETRY, Source.UNDO):
        assert job.parent is not None  # such a job is made of another
        return choose.of_failed(job.parent) if job.source == Source.RETRY else choose.of_done(job.parent)
    return choose.of_lines(choice or [], job.actor, alive)


def _claim(job_id: int) -> BatchJob | None:
    now = timezone.now()
    until = now + PLAN_LEASE
    due = BatchJob.objects.filter(pk=job_id, state=BatchJob.State.PLANNED, next_step_at__lte=now)
    if not due.update(lease_until=until, next_step_at=until):
        return None
    job = BatchJob.objects.select_related("actor", "parent").get(pk=job_id)
    return job if job.lease_until == until else None


def _keep(job: BatchJob) -> bool:
    """A sign of life; ``False`` when the job is somebody else's by now, or not a plan any more."""
    until = timezone.now() + PLAN_LEASE
    rows = BatchJob.objects.filter(pk=job.pk, state=BatchJob.State.PLANNED, lease_until=job.lease_until)
    if not rows.update(lease_until=until, next_step_at=until):
        return False
    job.lease_until = until
    return True


class _ClaimLost(Exception):
    """Somebody else makes the plan now, or it is not wanted any more."""


def _make(job: BatchJob) -> None:
    stored = BatchInput.objects.filter(job=job).first()
    choice = _from_json(job, stored.lines) if stored is not None else None
    # What an earlier try left, which died in the middle.
    BatchLine.objects.filter(job=job).delete()
    writer = Writer(job)

    def alive() -> None:
        if not _keep(job):
            raise _ClaimLost

    for part in _parts(job, choice, alive):
        with transaction.atomic():
            alive()
            writer.write(part)
    with transaction.atomic():
        alive()
        writer.finish()
        BatchInput.objects.filter(job=job).delete()


def _give_up(job: BatchJob, sentence: str) -> None:
    """The choice can't be taken after all, such as a filter that matches too many by now."""
    now = timezone.now()
    with transaction.atomic():
        rows = BatchJob.objects.filter(pk=job.pk, state=BatchJob.State.PLANNED, lease_until=job.lease_until)
        if rows.update(
            state=BatchJob.State.CANCELLED,
            message=sentence,
            planned_at=now,
            finished_at=now,
            next_step_at=None,
            lease_until=None,
        ):
            audit.record(action="job.cancelled", actor=None, target=job, after={"message": sentence})
            BatchLine.objects.filter(job=job).delete()
            BatchInput.objects.filter(job=job).delete()
