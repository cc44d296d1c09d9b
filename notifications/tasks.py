"""Background work of the inbox."""

from __future__ import annotations

from celery import shared_task

from notifications.services import dispatch, events, pruning, retention, silence


@shared_task(name="notifications.tasks.drain_inbox")
def drain_inbox() -> None:
    """Do the pushes that are due; see :func:`notifications.services.dispatch.drain`. Beat starts one now and then,
    for retries, leases that ran out, and signals that were lost."""
    dispatch.drain()


@shared_task(name="notifications.tasks.replay_matching")
def replay_matching(query: str, user_id: int, up_to: int) -> None:
    """Have many pushes done again; see :func:`notifications.services.replaying.replay_matching`."""
    from notifications.services.replaying import replay_matching as work

    work(query, user_id=user_id, up_to=up_to)


@shared_task(name="notifications.tasks.prune_pushes")
def prune_pushes() -> None:
    """Delete what is kept no longer, and personal data sooner; see :mod:`notifications.services.pruning`."""
    pruning.prune()
    pruning.remove_personal()


@shared_task(name="notifications.tasks.check_silence")
def check_silence() -> None:
    """Tell of sources that have not pushed for too long; see :func:`notifications.services.silence.check`."""
    silence.check()


@shared_task(name="notifications.tasks.apply_events")
def apply_events() -> None:
    """Bring what happened before the rules; see :func:`notifications.services.events.apply_due`."""
    events.apply_due()


@shared_task(name="notifications.tasks.prune_notifications")
def prune_notifications() -> None:
    """Delete old closed notifications and old events; see :func:`notifications.services.retention.prune`."""
    retention.prune()
