"""Writing the audit trail."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import models

from core.bulk import insert
from core.models import AuditEntry
from core.personal import masked
from core.request_context import current_request


def record(
    *,
    action: str,
    actor: AbstractBaseUser | None,
    target: models.Model | None = None,
    account_name: str = "",
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    reason: str = "",
    ticket: str = "",
) -> AuditEntry:
    """Write one entry, in the caller's transaction: no act without its entry, no entry without its act.

    ``target`` is the record acted on. Address and request id come from the running request, if there is one.
    ``before`` and ``after`` hold JSON values and never a secret. Nothing can be erased here, so numbers of devices and
    subscribers in them and in the reason stand as digests (:mod:`core.personal`).
    """
    context = current_request()
    return AuditEntry.objects.create(
        action=action,
        actor_id=actor.pk if actor is not None else None,
        object_type=target._meta.label_lower if target is not None else "",
        object_id=str(target.pk) if target is not None else "",
        account_name=account_name,
        before=masked(before or {}),
        after=masked(after or {}),
        reason=masked(reason),
        ticket=ticket,
        address=context.address,
        request_id=context.request_id,
    )


@dataclass(frozen=True)
class Acted:
    """One record of many that the same act reached."""

    object_id: int
    account_name: str
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)


def record_many(
    *,
    action: str,
    actor: AbstractBaseUser | None,
    model: type[models.Model],
    acted: Iterable[Acted],
    reason: str = "",
    ticket: str = "",
) -> None:
    """Write an entry for each of ``acted``, rows of ``model``, as :func:`record` does, in a few statements."""
    context = current_request()
    insert(
        AuditEntry,
        {
            "action": action,
            "actor_id": actor.pk if actor is not None else None,
            "object_type": model._meta.label_lower,
            "reason": masked(reason),
            "ticket": ticket,
            "address": context.address,
            "request_id": context.request_id,
        },
        ("object_id", "account_name", "before", "after"),
        ((str(one.object_id), one.account_name, masked(one.before), masked(one.after)) for one in acted),
    )
