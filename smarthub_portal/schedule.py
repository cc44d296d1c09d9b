"""What runs in the background, how often, and in which queue."""

from __future__ import annotations

from typing import Any

# An agent's click never waits in a line behind a walk of the whole fleet: each lane of the carrier's call
# budget has its own queue.
ROUTES = {
    "core.tasks.*": {"queue": "bulk"},
    "staff.tasks.*": {"queue": "bulk"},
    "operations.tasks.*": {"queue": "agent"},
    "operations.job_tasks.*": {"queue": "bulk"},
    "sims.tasks.refresh_*": {"queue": "agent"},
    # A receiver of webhooks may be slow: nobody else's work waits behind it.
    "notifications.delivery_tasks.*": {"queue": "deliver"},
    "notifications.tasks.*": {"queue": "push"},
    # Asking for a message waits for the call budget behind everybody else; pushes should not wait with it.
    "sms.tasks.*": {"queue": "bulk"},
    "sims.tasks.*": {"queue": "sync"},
}


def beat_schedule(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The periodic tasks with their seconds. A message that no worker took by the next turn is dropped."""
    every = {
        "operations.tasks.dispatch_operations": config["OPERATION_DISPATCH_EVERY"],
        "operations.job_tasks.dispatch_jobs": config["OPERATION_DISPATCH_EVERY"],
        "core.tasks.dispatch_exports": 10,
        "core.tasks.seal_audit": 10,
        # Often asked, daily done, as check_tallies below.
        "core.tasks.verify_audit": 600,
        "staff.tasks.tidy_sign_ins": 3600,
        "notifications.tasks.drain_inbox": 5,
        "notifications.tasks.prune_pushes": 3600,
        "notifications.tasks.check_silence": 60,
        "notifications.tasks.apply_events": 10,
        "notifications.tasks.prune_notifications": 3600,
        "notifications.delivery_tasks.dispatch_deliveries": 10,
        "notifications.delivery_tasks.prune_deliveries": 3600,
        "sms.tasks.poll_deliveries": 10,
        "sms.tasks.remove_old_texts": 3600,
        "sims.tasks.refresh_link": config["BREAKER_PROBE_EVERY"],
        "sims.tasks.follow_changes": config["SYNC_CHANGES_EVERY"],
        "sims.tasks.full_walk": config["SYNC_FULL_EVERY"],
        "sims.tasks.resume_syncs": 30,
        "sims.tasks.read_reference": config["SYNC_REFERENCE_EVERY"],
        "sims.tasks.read_statistics": config["SYNC_STATISTICS_EVERY"],
        "sims.tasks.forget_old_runs": 3600,
        "sims.tasks.fetch_stubs": 30,
        "sims.tasks.close_usage_months": 60,
        "sims.tasks.fold_tallies": 10,
        # Hourly asked, daily done: a schedule of a whole day would begin anew with each start.
        "sims.tasks.check_tallies": 3600,
    }
    return {
        task: {"task": task, "schedule": float(seconds), "options": {"expires": max(float(seconds), 10.0)}}
        for task, seconds in every.items()
    }
