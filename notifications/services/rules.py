"""Making and changing rules; each act leaves its audit entry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError
from django.utils import timezone
from django.utils.translation import gettext as _

from core import audit
from notifications.models import Notification, Rule
from notifications.services import proposals
from staff.models import User
from staff.scopes import visible_accounts

COLUMNS = (
    "name",
    "kinds",
    "accounts",
    "plans",
    "tags",
    "threshold",
    "once_per",
    "quiet_from",
    "quiet_until",
    "quiet_zone",
    "severity",
    "group_within",
    "emails",
    "digest",
    "operation_kind",
    "operation_params",
    "automatic",
)
MANY = ("roles", "users", "forwards")
NEW_LINE = ("severity", "group_within")
"""Columns that a line of the centre takes from its rule when it is opened."""


class Refused(Exception):
    """Nothing was written; ``str()`` is a sentence for the person who asked."""


def values_of(rule: Rule) -> dict[str, Any]:
    """All that a person sets of a rule, by the names of :data:`COLUMNS` and :data:`MANY` (lists of rows)."""
    values: dict[str, Any] = {name: getattr(rule, name) for name in COLUMNS}
    return {**values, **{name: list(getattr(rule, name).all()) for name in MANY}}


def save_rule(*, rule: Rule | None, values: Mapping[str, Any], actor: User, seen: str = "") -> Rule:
    """Make a rule, switched off, or change one. ``values`` are as :func:`values_of` has them, already checked.

    ``seen`` is the :func:`version` that the person had before her; another one raises :class:`Refused`. A change of
    what the rule changes, or of which SIMs, takes the allowance away. Raises :class:`PermissionDenied` for a user who
    may not, or not for these accounts.
    """
    _check(actor, "change_rule" if rule is not None else "add_rule")
    _check_accounts(values["accounts"], actor)
    with transaction.atomic():
        before = {}
        if rule is not None:
            rule = _locked(rule, actor)
            if seen and seen != version(rule):
                raise Refused(_("Somebody has changed this rule meanwhile. Please look at it again."))
            before = _told(rule)
        kept = rule if rule is not None else Rule(active=False)
        anew = any(getattr(kept, name) != values[name] for name in NEW_LINE)
        meant = proposals.digest(kept)
        for name in COLUMNS:
            setattr(kept, name, values[name])
        if kept.automatic_digest and (not kept.automatic or kept.automatic_digest != proposals.digest(kept)):
            _forget_allowance(kept)
        if not before or meant != proposals.digest(kept):
            kept.meant_by = actor
        try:
            with transaction.atomic():
                kept.save()
        except IntegrityError:
            # The form has looked; a second click on the same button is faster than that.
            raise Refused(_("There is a rule of this name already.")) from None
        for name in MANY:
            getattr(kept, name).set(values[name])
        if anew or meant != proposals.digest(kept):
            Notification.objects.filter(rule=kept, joins=True).update(joins=False)
        _tell("rule.changed" if before else "rule.created", actor, kept, before, _told(kept))
    return kept


def switch(rule: Rule, *, on: bool, actor: User) -> bool:
    """Switch it on or off; ``False`` when it was so already. Raises :class:`Refused` for one that is gone."""
    _check(actor, "change_rule")
    with transaction.atomic():
        rule = _locked(rule, actor)
        if rule.active == on:
            return False
        rule.active = on
        rule.save(update_fields=["active", "changed_at"])
        _tell("rule.switched_on" if on else "rule.switched_off", actor, rule, {"active": not on}, {"active": on})
    return True


def allow(rule: Rule, *, digest: str, actor: User) -> None:
    """Let the rule send its operations without approval. ``digest`` is that of the rule as the person read it.

    Raises :class:`Refused` when the rule is another one by now, or asks for nothing of the kind, or for who made it
    where another has to allow it.
    """
    _check(actor, "allow_automatic_rule")
    with transaction.atomic():
        rule = _locked(rule, actor)
        if not rule.automatic or not rule.operation_kind:
            raise Refused(_("This rule does not ask for operations without approval."))
        if proposals.answers_itself(rule.operation_kind, rule.kinds):
            raise Refused(_("Operations lead to these events themselves, so an answer to them waits for a person."))
        if not proposals.may_allow(rule, actor.pk):
            raise Refused(_("What this rule does was said by you, so another administrator allows it."))
        if digest != proposals.digest(rule):
            raise Refused(_("Somebody has changed this rule meanwhile. Please look at it again."))
        rule.automatic_allowed_by, rule.automatic_allowed_at = actor, timezone.now()
        rule.automatic_digest = digest
        rule.save(update_fields=["automatic_allowed_by", "automatic_allowed_at", "automatic_digest", "changed_at"])
        _tell("rule.allowed", actor, rule, {}, _told(rule))


def disallow(rule: Rule, *, actor: User) -> bool:
    """Take the allowance away: from now on the rule proposes; ``False`` when there was none."""
    _check(actor, "allow_automatic_rule")
    with transaction.atomic():
        rule = _locked(rule, actor)
        if not rule.automatic_digest:
            return False
        before = _told(rule)
        _forget_allowance(rule)
        rule.save(update_fields=["automatic_allowed_by", "automatic_allowed_at", "automatic_digest", "changed_at"])
        _tell("rule.disallowed", actor, rule, before, _told(rule))
    return True


def delete_rule(rule: Rule, *, actor: User) -> None:
    """Delete a rule that never made anything; raises :class:`Refused` for others, which can be switched off."""
    _check(actor, "delete_rule")
    with transaction.atomic():
        rule = _locked(rule, actor)
        before, key = _told(rule), rule.pk
        try:
            with transaction.atomic():
                rule.delete()
        except ProtectedError:
            raise Refused(_("This rule has made notifications, which name it. Switch it off instead.")) from None
        rule.pk = key
        _tell("rule.deleted", actor, rule, before, {})


def version(rule: Rule) -> str:
    """Differs after each change."""
    return rule.changed_at.isoformat()


def _forget_allowance(rule: Rule) -> None:
    rule.automatic_allowed_by, rule.automatic_allowed_at, rule.automatic_digest = None, None, ""


def _locked(rule: Rule, actor: User) -> Rule:
    """The rule as it is now, with what is applied at this moment behind it."""
    found = Rule.objects.select_for_update().filter(pk=rule.pk).first()
    if found is None:
        raise Refused(_("Somebody has deleted this rule meanwhile."))
    _check_accounts(found.accounts, actor)
    return found


def _check(actor: User, permission: str) -> None:
    if not actor.has_perm(f"notifications.{permission}"):
        raise PermissionDenied


def _check_accounts(accounts: Iterable[str], actor: User) -> None:
    """Who sees some accounts alone makes rules for those alone."""
    allowed = visible_accounts(actor)
    wanted = set(accounts)
    if allowed is not None and (not wanted or not wanted <= allowed):
        raise PermissionDenied


def _told(rule: Rule) -> dict[str, Any]:
    """The rule for the audit trail; JSON, and nothing in it is secret."""
    told = values_of(rule)
    for name in ("quiet_from", "quiet_until"):
        told[name] = told[name].isoformat("minutes") if told[name] else None
    for name in MANY:
        told[name] = sorted(str(row) for row in told[name])
    told["active"] = rule.active
    told["allowed_by"] = rule.automatic_allowed_by.get_username() if rule.automatic_allowed_by else None
    return told


def _tell(action: str, actor: User, rule: Rule, before: dict[str, Any], after: dict[str, Any]) -> None:
    """Of two readings only what differs."""
    if before and after:
        changed = {name for name in after if before.get(name) != after[name]}
        before = {name: value for name, value in before.items() if name in changed}
        after = {name: value for name, value in after.items() if name in changed}
    audit.record(action=action, actor=actor, target=rule, before=before, after=after)
