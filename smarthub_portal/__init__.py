"""The Django project: wiring only."""

from smarthub_portal.celery import app as celery_app

__all__ = ("celery_app",)
