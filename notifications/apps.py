from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from notifications import log_filter


class NotificationsConfig(AppConfig):
    name = "notifications"
    verbose_name = _("Notifications")

    def ready(self) -> None:
        """Keep tokens out of the log from the first request on; hear of what happens; fill this app's places."""
        log_filter.install()
        from core import events, facts, links, slots
        from notifications import dashboard, gauges
        from notifications import slots as own
        from notifications.services import carrier_events
        from notifications.services.events import record

        carrier_events.register()
        events.listen(record)
        facts.register(own.UNREAD, own.unread)
        facts.register(own.OF_SIM, own.of_sim, place=facts.SIM)
        slots.fill("navigation.after_operations", own.navigation_entry, rank=1)
        slots.fill("live.badges", own.badge)
        slots.fill("lists.selection", own.selection)
        slots.fill("sims.detail.messages", own.sim_card)
        for model in ("push", "rule", "forward", "delivery"):
            links.lead(f"notifications.{model}", links.page(f"notifications:{model}"))
        links.lead("notifications.pushsource", links.page("notifications:source"))
        links.lead("notifications.notification", links.page("notifications:line"))
        dashboard.register()
        gauges.register()
