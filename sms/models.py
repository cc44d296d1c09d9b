"""Messages between devices and the portal. Their text is personal data: it stands here and nowhere else."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Message(models.Model):
    """One SMS of a SIM. ``mo`` came from the device, ``mt`` goes to it and is sent by its operation."""

    class Direction(models.TextChoices):
        MO = "mo", _("From the device")
        MT = "mt", _("To the device")

    class Delivery(models.TextChoices):
        PENDING = "pending", _("On its way")
        CARRIER_UNKNOWN = "carrier_unknown", _("Unknown to the carrier")
        EXPIRED = "expired", _("Expired")
        FAILED = "failed", _("Not delivered")
        DELIVERED = "delivered", _("Delivered")

    sim = models.ForeignKey(
        "sims.Sim", verbose_name=_("SIM"), on_delete=models.CASCADE, related_name="messages", db_index=False
    )
    direction = models.CharField(_("direction"), max_length=2, choices=Direction.choices)
    carrier_id = models.CharField(_("carrier's id"), max_length=80, blank=True, default="")
    text = models.TextField(_("text"), help_text=_("As the carrier gave it, or as it is to be read by the device."))
    text_removed_at = models.DateTimeField(_("text removed"), null=True, blank=True)
    coding = models.IntegerField(_("data coding"), null=True, blank=True)
    at = models.DateTimeField(_("time"), default=timezone.now)

    operation = models.OneToOneField(
        "operations.Operation",
        verbose_name=_("operation"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="message_sent",
    )
    validity = models.IntegerField(
        _("validity, minutes"), null=True, blank=True, help_text=_("Empty: as long as the carrier chooses.")
    )
    delivery = models.CharField(
        _("delivery"), max_length=20, choices=Delivery.choices, blank=True, default="", help_text=_("Once it was sent.")
    )
    delivered_at = models.DateTimeField(_("delivered"), null=True, blank=True, help_text=_("The carrier's time."))
    reported_at = models.DateTimeField(_("last word of the carrier"), null=True, blank=True)
    next_poll_at = models.DateTimeField(_("next question"), null=True, blank=True)
    polls = models.IntegerField(_("times asked"), default=0)

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        default_permissions = ("view",)
        permissions = [
            ("send_message", _("Can send messages to SIMs")),
            ("manage_templates", _("Can manage templates of messages")),
        ]
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["direction", "carrier_id"], condition=~Q(carrier_id=""), name="message_carrier_id_once"
            )
        ]
        indexes = [
            models.Index(fields=["sim", "-at", "-id"], name="message_sim_at"),
            models.Index(fields=["next_poll_at"], condition=Q(next_poll_at__isnull=False), name="message_to_ask"),
            models.Index(fields=["at"], condition=Q(text_removed_at__isnull=True), name="message_with_text"),
        ]

    def __str__(self) -> str:
        return f"{self.direction} #{self.pk}"


class Conversation(models.Model):
    """A SIM that has messages, with its newest one: what the list of conversations is sorted by."""

    sim = models.OneToOneField(
        "sims.Sim", verbose_name=_("SIM"), on_delete=models.CASCADE, primary_key=True, related_name="conversation"
    )
    last = models.ForeignKey(
        Message, verbose_name=_("newest message"), on_delete=models.CASCADE, related_name="+", db_index=False
    )
    last_at = models.DateTimeField(_("time of it"))

    class Meta:
        verbose_name = _("conversation")
        verbose_name_plural = _("conversations")
        default_permissions = ()
        indexes = [models.Index(fields=["-last_at", "-sim"], name="conversation_newest")]

    def __str__(self) -> str:
        return f"conversation of {self.sim_id}"


class Draft(models.Model):
    """What a batch job sends, before the placeholders are filled in for each SIM."""

    text = models.TextField(_("text"))
    text_removed_at = models.DateTimeField(_("text removed"), null=True, blank=True)
    coding = models.IntegerField(_("data coding"), null=True, blank=True, help_text=_("Empty: as each text needs."))
    validity = models.IntegerField(_("validity, minutes"), null=True, blank=True)
    created_at = models.DateTimeField(_("made"), default=timezone.now)

    class Meta:
        verbose_name = _("text of a job")
        verbose_name_plural = _("texts of jobs")
        default_permissions = ()

    def __str__(self) -> str:
        return f"draft #{self.pk}"


class MessageTemplate(models.Model):
    """A text that people pick instead of typing it; ``{giccid}`` and the like stand for values of the SIM."""

    name = models.CharField(_("name"), max_length=80, unique=True)
    text = models.TextField(_("text"), max_length=1000)
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("changed by"), on_delete=models.PROTECT, related_name="+"
    )
    changed_at = models.DateTimeField(_("changed"), default=timezone.now)

    class Meta:
        verbose_name = _("template")
        verbose_name_plural = _("templates")
        default_permissions = ()
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
