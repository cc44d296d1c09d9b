from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SmsConfig(AppConfig):
    name = "sms"
    verbose_name = _("SMS")

    def ready(self) -> None:
        """Take the pushes about messages, and a place on the SIM page."""
        from core import pushes, slots
        from sms.services import incoming
        from sms.views.slots import messages_card

        pushes.register("MO_SMS", incoming.receive_message)
        pushes.register("MT_SMS_STATUS_REPORT", incoming.note_delivery)
        slots.fill("sims.detail.messages", messages_card)
