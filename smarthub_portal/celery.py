"""The Celery application; its queues and schedule are in ``schedule.py``."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "smarthub_portal.settings")

app = Celery("smarthub_portal")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
