"""After a backup was put back: nothing that may have been sent since it was made is sent again by itself.

The database says what was to be done when the backup was made; what the portal did in the time that is missing, only
the carrier knows. So whatever could have left since is read back where the SIM tells, and given to a person where it
does not. What people or rules had still to begin is not begun. To be called while no process of the portal runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from operations.kinds import KINDS
from operations.models import BatchChunk, BatchJob, Operation, OperationAttempt
from operations.services.jobs.chunks import ChunkState
from operations.services.jobs.finish import Conclusion, conclude_many
from operations.services.readback import RESTORED
from operations.services.transitions import State

JobState = BatchJob.State
_IN_DOUBT = (State.QUEUED, State.SENDING, State.UNKNOWN)
_AT_ONCE = 500


@dataclass(frozen=True)
class Settled:
    """How many operations are read back now, went to a person, or were not approved yet; how many jobs ended."""

    read_back: int
    to_people: int
    lapsed: int
    jobs_ended: int


def settle_restored(made_at: datetime) -> Settled:
    """Put every operation and job in doubt that may have gone on since ``made_at``; once more changes nothing.

    What the carrier has taken (``accepted``, a chunk whose job it has named) is followed as before.
    """
    jobs = _end_jobs()
    waiting = list(Operation.objects.filter(state=State.AWAITING_APPROVAL).select_related("sim", "actor"))
    message = _("The database was restored from a backup. Please ask again if it is still wanted.")
    lapsed = conclude_many(
        [Conclusion(operation, State.CANCELLED, message, code=RESTORED) for operation in waiting],
        of=[State.AWAITING_APPROVAL],
    )
    to_people = _give_to_people()
    read_back = _have_read_back(made_at)
    return Settled(read_back=read_back, to_people=to_people, lapsed=lapsed, jobs_ended=jobs)


def _in_doubt() -> QuerySet[Operation]:
    """Open ones that may have been sent since; not those of a chunk that the carrier has, or that were done before."""
    at_carrier = Q(chunk__state=ChunkState.SUBMITTED)
    return Operation.objects.filter(state__in=_IN_DOUBT).exclude(carrier_code=RESTORED).exclude(at_carrier)


def _tells(operation: Operation) -> bool:
    """Whether a reading tells by itself if it was sent; of a purchase it does so only with what was noted before."""
    kind = KINDS[operation.kind]
    if not kind.can_be_read_back or kind.is_scheduled(operation):
        return False
    return kind.idempotent or operation.state != State.QUEUED


def _give_to_people() -> int:
    """Conclude those of which no reading tells whether they were sent."""
    message = _(
        "The database was restored from a backup, and nobody can tell whether this was sent in the time that is "
        "missing. Please find out, then say what happened. It is not sent again by itself."
    )
    untold = [operation for operation in _in_doubt().select_related("sim", "actor") if not _tells(operation)]
    return conclude_many(
        [Conclusion(operation, State.NEEDS_ATTENTION, message, code=RESTORED) for operation in untold], of=_IN_DOUBT
    )


def _have_read_back(made_at: datetime) -> int:
    """Have every other one read back, one by one: also those of jobs, whose chunks know nothing of the doubt."""
    message = _("The database was restored from a backup; the SIM is read to see whether the change was made since.")
    pks = list(_in_doubt().order_by("pk").values_list("pk", flat=True))
    now = timezone.now()
    for start in range(0, len(pks), _AT_ONCE):
        some = Operation.objects.filter(pk__in=pks[start : start + _AT_ONCE])
        with transaction.atomic():
            OperationAttempt.objects.filter(operation__in=some, finished_at__isnull=True).update(
                finished_at=now, outcome=State.UNKNOWN, code=RESTORED
            )
            # The change log is looked through from the first sending on.
            some.filter(first_sent_at__isnull=True).update(first_sent_at=made_at)
            some.update(
                state=State.UNKNOWN,
                chunk=None,
                readbacks=0,
                lease_until=None,
                next_attempt_at=now,
                carrier_code=RESTORED,
                message=message,
            )
    BatchChunk.objects.exclude(state__in=(ChunkState.DONE, ChunkState.SUBMITTED)).exclude(
        operations__state__in=Operation.OPEN_STATES
    ).update(state=ChunkState.DONE, finished_at=now, next_step_at=None, lease_until=None)
    return len(pks)


def _end_jobs() -> int:
    """Begin no job, and go on with none that had not stored what it changes: the rest of it may be done already."""
    now = timezone.now()
    message = _("The database was restored from a backup. What is left of it may have been done; please look.")
    ended: dict[str, object] = {"cancelled_at": now, "message": message}
    begun = BatchJob.objects.filter(
        state__in=(JobState.RUNNING, JobState.PAUSED), held_at__isnull=True, cancelled_at__isnull=True
    )
    not_begun = BatchJob.objects.filter(state__in=(JobState.AWAITING_APPROVAL, JobState.SCHEDULED))
    with transaction.atomic():
        number = begun.update(state=JobState.RUNNING, next_step_at=now, lease_until=None, **ended)
        return number + not_begun.update(
            state=JobState.CANCELLED, finished_at=now, next_step_at=None, lease_until=None, **ended
        )
