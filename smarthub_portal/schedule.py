"""What runs in the background, how often, and in which queue."""

from __future__ import annotations

from typing import Any

# An agent's click never waits in a line behind a walk of the whole fleet: each lane of the carrier's call
# budget has its own queue.
ROUTES = {
    "core.tasks.*": {"queue": "bulk"},
    "operations.tasks.*": {"queue": "agent"},
    "operations.job_tasks.*": {"queue": "bulk"},
    "sims.tasks.refresh_*": {"queue": "agent"},
    "notifications.tasks.*": {"queue": "push"},
    "sms.tasks.*": {"queue": "push"},
    "sims.tasks.*": {"queue": "sync"},
}


def beat_schedule(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The periodic tasks with their seconds. A message that no worker took by the next turn is dropped."""
    every = {
        "operations.tasks.dispatch_operations": config["OPERATION_DISPATCH_EVERY"],
        "operations.job_tasks.dispatch_jobs": config["OPERATION_DISPATCH_EVERY"],
        "core.tasks.dispatch_exports": 10,
        "notifications.tasks.dispatch_pushes": 10,
        "sims.tasks.follow_changes": config["SYNC_CHANGES_EVERY"],
        "sims.tasks.full_walk": config["SYNC_FULL_EVERY"],
        "sims.tasks.resume_syncs": 30,
        "sims.tasks.read_reference": config["SYNC_REFERENCE_EVERY"],
    }
    return {
        task: {"task": task, "schedule": float(seconds), "options": {"expires": max(float(seconds), 10.0)}}
        for task, seconds in every.items()
    }
