"""Background work that belongs to no app."""

from __future__ import annotations

from celery import shared_task


@shared_task
def make_export(export_id: int) -> None:
    """Write the file of one download; one that is not due is left alone."""
    from core import exports  # the services enqueue this task

    exports.make(export_id)


@shared_task
def dispatch_exports() -> int:
    """Hand over downloads that are due and take away those that are over; answers how many."""
    from core import exports

    return exports.dispatch()


@shared_task
def seal_audit() -> int:
    """Seal what came into the audit trail; answers how many entries."""
    from core import audit_chain

    return audit_chain.seal()


@shared_task
def verify_audit() -> None:
    """Verify the audit trail, once a day."""
    from core import audit_verify

    audit_verify.verify_daily()
