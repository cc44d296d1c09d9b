"""Outgoing webhooks: made, changed, given a new key, removed. All of it is in the audit trail."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from core import audit
from core.encryption import encrypt
from notifications.models import Delivery, Forward
from notifications.services import delivery_signals
from notifications.services.addresses import Forbidden, Unresolvable, check_url, resolve
from notifications.services.signing import new_secret
from staff.models import User


def clean_url(url: str) -> str:
    """``url`` when the portal may send to it, as far as its host can be found now.

    A host without an address is let pass, since it may get one. Raises
    :class:`~django.core.exceptions.ValidationError`.
    """
    url = url.strip()
    try:
        resolve(check_url(url))
    except Forbidden as problem:
        raise ValidationError(str(problem)) from None
    except Unresolvable:
        pass
    return url


def create_forward(*, name: str, url: str, active: bool = True, actor: User) -> tuple[Forward, str]:
    """Make a webhook and answer it with its signing key, which can't be read again.

    Raises :class:`~django.core.exceptions.ValidationError` for a name that is taken or an unusable address, and
    :class:`~django.core.exceptions.PermissionDenied`.
    """
    _check(actor, "add")
    url, secret = clean_url(url), new_secret()
    try:
        with transaction.atomic():
            forward = Forward.objects.create(name=name, url=url, active=active, secret=encrypt(secret))
            audit.record(action="forward.created", actor=actor, target=forward, after=_told(name, url, active))
    except IntegrityError:
        raise ValidationError({"name": _("There is a webhook of this name already.")}) from None
    return forward, secret


def change_forward(forward: Forward, *, name: str, url: str, active: bool, actor: User) -> None:
    """Change a webhook. A new address is tried at once; what waits for one that is switched off is given up.

    Raises as :func:`create_forward` does.
    """
    _check(actor, "change")
    url = clean_url(url) if url != forward.url else url
    if (name, url, active) == (forward.name, forward.url, forward.active):
        return
    before, after = _told(forward.name, forward.url, forward.active), _told(name, url, active)
    if url != forward.url:
        after["address"] = "changed"
    try:
        with transaction.atomic():
            changed = Forward.objects.select_for_update().get(pk=forward.pk)
            changed.name, changed.url, changed.active = name, url, active
            fields = ["name", "url", "active"]
            if url != forward.url or (active and not forward.active):
                changed.failures, changed.closed_until = 0, None
                fields += ["failures", "closed_until"]
            changed.save(update_fields=fields)
            if not active:
                give_up_waiting(forward.pk)
            elif "failures" in fields:
                resume_waiting(forward.pk)
            audit.record(action="forward.changed", actor=actor, target=forward, before=before, after=after)
    except IntegrityError:
        raise ValidationError({"name": _("There is a webhook of this name already.")}) from None


def rotate_secret(forward: Forward, *, actor: User, seen: str = "") -> str:
    """Give the webhook a new signing key and answer it; from now on everything is signed with it.

    The key before signs along for ``FORWARD_KEY_OVERLAP_HOURS``, so that a receiver that knows only one of the two
    refuses nothing; the one before that ends. ``seen`` is the :func:`key_mark` of the page with the button: where
    another key has been made since, it raises :class:`~django.core.exceptions.ValidationError`, so that a second click
    does not end the key that the receiver has. Raises :class:`~django.core.exceptions.PermissionDenied`.
    """
    _check(actor, "change")
    secret, now = new_secret(), timezone.now()
    overlap = timedelta(hours=settings.CONFIG["FORWARD_KEY_OVERLAP_HOURS"])
    with transaction.atomic():
        row = Forward.objects.select_for_update().get(pk=forward.pk)
        if seen and seen != key_mark(row):
            raise ValidationError(_("A key has been made since you opened the page. Make another one if you need it."))
        row.previous_secret, row.previous_until = (row.secret, now + overlap) if overlap else ("", None)
        row.secret, row.secret_at = encrypt(secret), now
        row.save(update_fields=["secret", "secret_at", "previous_secret", "previous_until"])
        until = row.previous_until.isoformat() if row.previous_until else None
        audit.record(action="forward.rotated", actor=actor, target=forward, after={"key_before_until": until})
    return secret


def key_mark(forward: Forward) -> str:
    """Differs for each signing key, and tells nothing of it."""
    return forward.secret_at.isoformat()


def end_previous_secret(forward: Forward, *, actor: User) -> bool:
    """Sign with the present key alone from now on; ``False`` where that is so already.

    Raises :class:`~django.core.exceptions.PermissionDenied`.
    """
    _check(actor, "change")
    with transaction.atomic():
        two = Forward.objects.filter(pk=forward.pk, previous_until__gt=timezone.now())
        if not two.update(previous_secret="", previous_until=None):
            return False
        audit.record(action="forward.key_before_ended", actor=actor, target=forward)
    return True


def forget_ended_secrets() -> int:
    """Remove keys that sign no more; answers of how many webhooks."""
    ended = Forward.objects.filter(previous_until__lte=timezone.now())
    return ended.update(previous_secret="", previous_until=None)


def delete_forward(forward: Forward, *, actor: User) -> None:
    """Remove the webhook with all that was or is to be sent to it; rules lose it.

    Raises :class:`~django.core.exceptions.PermissionDenied`.
    """
    _check(actor, "delete")
    with transaction.atomic():
        rules = [rule.name for rule in forward.rules.order_by("name")]
        before = {**_told(forward.name, forward.url, forward.active), "rules": rules}
        audit.record(action="forward.deleted", actor=actor, target=forward, before=before)
        forward.delete()


def give_up_waiting(forward_id: int) -> None:
    """Give up what waits for a webhook that is switched off; a test goes out all the same."""
    waiting = Delivery.objects.filter(forward_id=forward_id, state=Delivery.State.QUEUED).exclude(kind="test")
    waiting.update(
        state=Delivery.State.FAILED,
        next_attempt_at=None,
        lease_until=None,
        finished_at=timezone.now(),
        problem=_("The webhook was switched off."),
    )


def resume_waiting(forward_id: int) -> None:
    """Have all that waits for the webhook tried now, once the transaction is committed."""
    now = timezone.now()
    Delivery.objects.filter(
        forward_id=forward_id, state=Delivery.State.QUEUED, lease_until__isnull=True, next_attempt_at__gt=now
    ).update(next_attempt_at=now)
    delivery_signals.wake_forward_on_commit(forward_id)


def _told(name: str, url: str, active: bool) -> dict[str, object]:
    """For the audit trail: path and query of an address may be what lets one in, and stay out of it."""
    return {"name": name, "host": urlsplit(url).netloc, "active": active}


def _check(actor: User, what: str) -> None:
    if not actor.has_perm(f"notifications.{what}_forward"):
        raise PermissionDenied
