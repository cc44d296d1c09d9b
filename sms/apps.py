from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SmsConfig(AppConfig):
    name = "sms"
    verbose_name = _("SMS")

    def ready(self) -> None:
        """Take the pushes about messages, sending as a kind of operation, and places on other pages."""
        from core import facts, links, pushes, slots
        from operations import kinds
        from operations.services.jobs import forms as job_forms
        from sms.forms import SendSmsJobForm
        from sms.kinds import SendSms
        from sms.services import incoming
        from sms.views import job
        from sms.views import slots as own

        kinds.register(SendSms())
        job_forms.register(SendSms.name, SendSmsJobForm)
        pushes.register("MO_SMS", incoming.receive_message)
        pushes.register("MT_SMS_STATUS_REPORT", incoming.note_delivery)
        pushes.register_personal("MO_SMS", "messageText", "SMS_KEEP_DAYS")
        facts.register(own.MESSAGES, own.messages, place=facts.SIM)
        links.lead("sms.messagetemplate", links.page("sms:template"))
        slots.fill("sims.detail.messages", own.messages_card)
        slots.fill("sims.detail.version", own.version)
        slots.fill("operations.detail.side", own.operation_card)
        slots.fill("operations.job.below", job.job_card)
