"""Which subscriptions to supplementary plans are in force."""

from __future__ import annotations

from django.db.models import Q
from django.utils import timezone


def in_force() -> Q:
    """The condition of a subscription that the carrier lists and that has not expired."""
    return Q(gone_since__isnull=True) & (Q(expires_at__isnull=True) | Q(expires_at__gt=timezone.now()))
