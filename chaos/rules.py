"""The rules of a run: one that takes every event, one that tells another system of some."""

from __future__ import annotations

EVERYTHING, TOLD = "everything", "told outside"
TOLD_KINDS = ("MO_SMS", "IMEI_CHANGE", "operation_needs_attention", "job_ended")


def make_rules(url: str) -> None:
    """Make both, switched on; ``url`` takes the webhooks of the second."""
    from core.encryption import encrypt
    from notifications import kinds
    from notifications.models import Forward, Rule
    from notifications.services.signing import new_secret

    Rule.objects.create(name=EVERYTHING, kinds=list(kinds.KINDS), active=True)
    told = Rule.objects.create(name=TOLD, kinds=list(TOLD_KINDS), active=True)
    told.forwards.add(Forward.objects.create(name="another system", url=url, secret=encrypt(new_secret())))
