from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from notifications import log_filter


class NotificationsConfig(AppConfig):
    name = "notifications"
    verbose_name = _("Notifications")

    def ready(self) -> None:
        """Keep tokens out of the log from the first request on."""
        log_filter.install()
