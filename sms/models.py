"""Messages between devices and the portal."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Message(models.Model):
    """One SMS of a SIM. ``mo`` came from the device, ``mt`` goes to it."""

    class Direction(models.TextChoices):
        MO = "mo", _("From the device")
        MT = "mt", _("To the device")

    sim = models.ForeignKey(
        "sims.Sim", verbose_name=_("SIM"), on_delete=models.CASCADE, related_name="messages", db_index=False
    )
    direction = models.CharField(_("direction"), max_length=2, choices=Direction.choices)
    carrier_id = models.CharField(_("carrier's id"), max_length=80, blank=True, default="")
    text = models.TextField(_("text"))
    coding = models.IntegerField(_("data coding"), null=True, blank=True)
    state = models.CharField(_("state"), max_length=20)
    at = models.DateTimeField(_("time"), default=timezone.now)

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        default_permissions = ("view",)
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["direction", "carrier_id"],
                condition=~models.Q(carrier_id=""),
                name="message_carrier_id_once",
            )
        ]
        indexes = [models.Index(fields=["sim", "-at", "-id"], name="message_sim_at")]

    def __str__(self) -> str:
        return f"{self.direction} #{self.pk}"
