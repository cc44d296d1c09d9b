"""Background work around sign-in."""

from __future__ import annotations

from celery import shared_task


@shared_task
def tidy_sign_ins() -> int:
    """Remove sessions that are over, and failed sign-ins that count no more; answers how many sessions' rows."""
    from staff import lockout, sessions  # the apps are ready when a task runs

    lockout.forget_old()
    return sessions.tidy()
