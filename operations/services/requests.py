"""Taking an operation: everything that can stand against it is asked before anything is written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from core import audit
from core.queue import enqueue_on_commit
from core.request_context import current_request
from operations import selectors, tasks
from operations.errors import Conflict, Invalid, NotAllowed
from operations.forms import OperationForm
from operations.kinds import KINDS, Kind
from operations.models import Operation
from sims.models import Sim
from staff.models import User

_NONCE = re.compile(r"[A-Za-z0-9-]{8,36}\Z")


def request_operation(
    *,
    sim: Sim,
    kind: str,
    params: Mapping[str, Any],
    actor: User,
    reason: str,
    ticket: str = "",
    nonce: str | None = None,
    waits: bool = False,
) -> Operation:
    """Store a change of ``sim`` that a worker will send, and answer its row.

    Where the actor's role only reaches as far as asking for it, or with ``waits``, it is ``awaiting_approval`` first.
    ``params`` are the fields of the kind's form (see ``operations.forms``), ``confirm`` for ``retire`` among them.
    The same ``nonce`` with the same wish answers the row that is there. Raises :class:`NotAllowed`,
    :class:`Invalid` or :class:`Conflict`, and :class:`Sim.DoesNotExist` for a SIM outside of the actor's accounts;
    in each case nothing was written. ``kind`` is a key of :data:`operations.kinds.KINDS`.
    """
    sim = selectors.visible_sim(actor, sim.giccid)
    entry = KINDS[kind]
    if not entry.may_ask(actor):
        check_permission(actor, entry)
    nonce = nonce if nonce and _NONCE.match(nonce) else None
    earlier = _sent_before(nonce, sim, entry, actor, params)
    if earlier is not None:
        return earlier
    try:
        form = read_form(entry, sim, {**params, "reason": reason, "ticket": ticket})
        _check_conflicts(entry, sim, form)
        return _store(entry, sim, actor, form, nonce, waits=waits or entry.only_asks(actor))
    except (Invalid, Conflict, IntegrityError) as error:
        # Somebody was faster by a moment: another click on the same form, or another person.
        earlier = _sent_before(nonce, sim, entry, actor, params)
        if earlier is not None:
            return earlier
        if isinstance(error, IntegrityError) and entry.exclusive:
            _check_open(sim)
        raise


def check_permission(actor: User, kind: Kind) -> None:
    """Raise :class:`NotAllowed` unless the actor's role may do this kind of change."""
    if not actor.has_perm(kind.permission):
        raise NotAllowed(_("Your role does not allow “%(action)s”.") % {"action": kind.label})


def read_form(kind: Kind, sim: Sim, data: Mapping[str, Any]) -> OperationForm:
    """The kind's form, bound to ``data`` and valid. Raises :class:`Invalid`."""
    form = kind.form(data, sim=sim)
    if not form.is_valid():
        raise Invalid(form)
    return form


def _sent_before(nonce: str | None, sim: Sim, kind: Kind, actor: User, params: Mapping[str, Any]) -> Operation | None:
    """The operation that the same form made before. Raises :class:`Conflict` when the form now says another thing.

    Asked before the form is read: what the first sending changed would make the second one bad input.
    """
    earlier = Operation.objects.filter(nonce=nonce).first() if nonce is not None else None
    if earlier is None:
        return None
    same = (earlier.sim_id, earlier.actor_id, earlier.kind) == (sim.pk, actor.pk, kind.name)
    if same and kind.said_before(earlier, params):
        return earlier
    raise Conflict(_("This form was sent before. Please open it again."))


def _check_conflicts(kind: Kind, sim: Sim, form: OperationForm) -> None:
    if kind.exclusive:
        _check_open(sim)
    sentence = kind.refusal(sim) or kind.conflict(sim, form.params())
    if sentence:
        raise Conflict(sentence)
    unclear = selectors.unclear_purchase(sim) if kind.is_purchase else None
    if unclear is not None:
        raise Conflict(
            _("Nobody knows yet whether operation %(id)s bought a plan for this SIM. Please settle it first.")
            % {"id": unclear.pk},
            unclear,
        )


def _check_open(sim: Sim) -> None:
    other = selectors.open_operation(sim)
    if other is not None:
        raise Conflict(open_sentence(other), other)


def open_sentence(other: Operation) -> str:
    """Says which operation a SIM is busy with."""
    return _("Operation %(id)s (%(kind)s) on this SIM has not ended yet.") % {
        "id": other.pk,
        "kind": other.get_kind_display(),
    }


def _store(kind: Kind, sim: Sim, actor: User, form: OperationForm, nonce: str | None, *, waits: bool) -> Operation:
    now = timezone.now()
    name = "APPROVAL_LAPSES_AFTER" if waits else "OPERATION_EXPIRES_AFTER"
    expires = now + timedelta(seconds=settings.CONFIG[name])
    with transaction.atomic():
        operation = Operation.objects.create(
            sim=sim,
            kind=kind.name,
            state=Operation.State.AWAITING_APPROVAL if waits else Operation.State.QUEUED,
            params=kind.stored_params(form),
            exclusive=kind.exclusive,
            actor=actor,
            reason=form.cleaned_data["reason"],
            ticket=form.cleaned_data["ticket"],
            nonce=nonce,
            request_id=current_request().request_id,
            before=kind.before(sim),
            created_at=now,
            # What nobody approves is looked at once more, when it lapses.
            next_attempt_at=expires if waits else now,
            expires_at=expires,
        )
        kind.requested([operation], form)
        audit.record(
            action="operation.requested",
            actor=actor,
            target=operation,
            account_name=sim.account_id,
            before=operation.before,
            after={
                "kind": operation.kind,
                "giccid": sim.giccid,
                "params": operation.params,
                "state": operation.state,
            },
            reason=operation.reason,
            ticket=operation.ticket,
        )
        if not waits:
            enqueue_on_commit(tasks.run_operation, operation.pk)
    return operation
