"""Writing notes on SIMs."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from core import audit
from sims.models import Note, Sim, TimelineEvent
from sims.services.timeline import record_plain
from staff.models import User
from staff.scopes import visible_accounts


def add_note(*, sim: Sim, author: User, text: str) -> Note:
    """Keep ``text`` as a note on ``sim``, in its timeline and in the audit trail.

    Raises :class:`~django.core.exceptions.PermissionDenied` for an author who may not, or may not see the SIM.
    """
    accounts = visible_accounts(author)
    if not author.has_perm("sims.add_note") or (accounts is not None and sim.account_id not in accounts):
        raise PermissionDenied
    now = timezone.now()
    with transaction.atomic():
        note = Note.objects.create(sim=sim, author=author, text=text, created_at=now)
        record_plain(sim=sim, kind=TimelineEvent.Kind.NOTE, at=now, actor=author, detail={"text": text})
        audit.record(
            action="note.added",
            actor=author,
            target=sim,
            account_name=sim.account_id,
            # Its text may be about people and stays where it can be removed: nothing leaves the trail again.
            after={"note": note.pk},
        )
    return note
