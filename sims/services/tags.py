"""Putting tags on SIMs and taking them off."""

from __future__ import annotations

import unicodedata

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from core import audit
from sims.models import Sim, SimTag, Tag
from sims.models.tag import TAG_LENGTH, tag_key
from staff.models import User
from staff.scopes import visible_accounts

MOST = 50
"""Tags on one SIM."""


def clean_tag(text: str) -> str:
    """``text`` as a tag's name: one line, single spaces, composed letters.

    Raises :class:`~django.core.exceptions.ValidationError` for nothing, too much, or characters that can't be seen.
    """
    name = unicodedata.normalize("NFC", " ".join(text.split()))
    if not name:
        raise ValidationError(_("Please write a tag."))
    if len(name) > TAG_LENGTH:
        raise ValidationError(_("A tag has at most %(number)s characters.") % {"number": TAG_LENGTH})
    if not name.isprintable():
        raise ValidationError(_("A tag is made of characters that can be seen."))
    return name


def add_tag(*, sim: Sim, actor: User, name: str) -> Tag:
    """Put the tag ``name`` on ``sim``; one that is there already stays as it is. In the audit trail.

    Raises :class:`~django.core.exceptions.ValidationError` for a name that is none or one too many for the SIM, and
    :class:`~django.core.exceptions.PermissionDenied` for an actor who may not, or may not see the SIM.
    """
    _check(sim, actor)
    name = clean_tag(name)
    with transaction.atomic():
        tag, _made = Tag.objects.get_or_create(key=tag_key(name), defaults={"name": name})
        if SimTag.objects.filter(sim=sim).exclude(tag=tag).count() >= MOST:
            raise ValidationError(_("A SIM has at most %(number)s tags.") % {"number": MOST})
        _worn, added = SimTag.objects.get_or_create(sim=sim, tag=tag, defaults={"added_by": actor})
        if added:
            _show_everywhere(sim)
            audit.record(
                action="tag.added", actor=actor, target=sim, account_name=sim.account_id, after={"tag": tag.name}
            )
    return tag


def remove_tag(*, sim: Sim, actor: User, name: str) -> bool:
    """Take the tag ``name`` off ``sim``; whether it was there. In the audit trail.

    Raises :class:`~django.core.exceptions.PermissionDenied` as :func:`add_tag` does.
    """
    _check(sim, actor)
    with transaction.atomic():
        removed, _each = SimTag.objects.filter(sim=sim, tag__key=tag_key(name)).delete()
        if removed:
            _show_everywhere(sim)
            audit.record(
                action="tag.removed", actor=actor, target=sim, account_name=sim.account_id, before={"tag": name}
            )
    return bool(removed)


def _show_everywhere(sim: Sim) -> None:
    """Open pages and lists look at this column to see whether a SIM has something new to show."""
    Sim.objects.filter(pk=sim.pk).update(changed_at=timezone.now())


def _check(sim: Sim, actor: User) -> None:
    accounts = visible_accounts(actor)
    if not actor.has_perm("sims.tag_sim") or (accounts is not None and sim.account_id not in accounts):
        raise PermissionDenied
