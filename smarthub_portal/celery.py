"""The Celery application; its queues and schedule are in ``schedule.py``."""

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging

from core import task_trail
from core.heartbeat import SignOfLife

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "smarthub_portal.settings")

app = Celery("smarthub_portal")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.autodiscover_tasks(related_name="job_tasks")
app.autodiscover_tasks(related_name="delivery_tasks")
app.steps["worker"].add(SignOfLife)
task_trail.connect()


@setup_logging.connect
def keep_logging(**_: Any) -> None:
    """Celery sets up no logging of its own where somebody listens to this: lines look as the settings say."""
