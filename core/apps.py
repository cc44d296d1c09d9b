import gc

from django.apps import AppConfig
from django.db.backends.signals import connection_created
from django.utils.translation import gettext_lazy as _

YOUNG_OBJECTS = 20_000
"""New objects after which Python looks for cycles among them; its own 700 are less than one part of a job makes."""


class CoreConfig(AppConfig):
    name = "core"
    verbose_name = _("Core")

    def ready(self) -> None:
        """Look for garbage less often: on lists of thousands of rows that took a quarter of all computing.

        And say what is asked of the broker when ``/metrics`` is read, and how connections to the database begin.
        """
        gc.set_threshold(YOUNG_OBJECTS, 10, 10)
        from core import broker, gauges, large_lists  # settings are there from here on

        connection_created.connect(large_lists.keep_self_joins)
        gauges.register("broker", broker.gauges)
