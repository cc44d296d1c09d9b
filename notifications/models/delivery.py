"""What leaves the portal: outgoing webhooks and e-mails, each stored before it is sent."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from notifications.models.event import Event, Rule


class Forward(models.Model):
    """Another system that is told by a signed POST."""

    name = models.CharField(_("name"), max_length=80, unique=True)
    url = models.URLField(_("address"), max_length=500)
    secret = models.TextField(_("signing key"), editable=False, help_text=_("Encrypted; shown once."))
    previous_secret = models.TextField(
        _("signing key before"),
        blank=True,
        default="",
        editable=False,
        help_text=_("Encrypted; signs along for a while."),
    )
    previous_until = models.DateTimeField(_("the key before signs until"), null=True, blank=True, editable=False)
    active = models.BooleanField(_("switched on"), default=True)
    failures = models.PositiveIntegerField(_("failures in a row"), default=0, editable=False)
    closed_until = models.DateTimeField(
        _("not tried until"), null=True, blank=True, editable=False, help_text=_("Set by the circuit breaker.")
    )
    lease_until = models.DateTimeField(
        _("a worker sends until"), null=True, blank=True, editable=False, help_text=_("One worker at a time.")
    )
    last_delivered_at = models.DateTimeField(_("last taken"), null=True, blank=True, editable=False)
    secret_at = models.DateTimeField(_("key made"), default=timezone.now, editable=False)
    created_at = models.DateTimeField(_("made"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("outgoing webhook")
        verbose_name_plural = _("outgoing webhooks")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Delivery(models.Model):
    """One message to one receiver; retried until it is taken or too old."""

    class Channel(models.TextChoices):
        WEBHOOK = "webhook", _("Webhook")
        EMAIL = "email", _("E-mail")

    class State(models.TextChoices):
        QUEUED = "queued", _("Queued")
        DELIVERED = "delivered", _("Delivered")
        FAILED = "failed", _("Given up")
        COLLECTED = "collected", _("In a collected e-mail")

    uuid = models.UUIDField(_("id told to the receiver"), default=uuid.uuid4, unique=True, editable=False)
    channel = models.CharField(_("channel"), max_length=10, choices=Channel.choices)
    forward = models.ForeignKey(
        Forward, verbose_name=_("webhook"), null=True, blank=True, on_delete=models.CASCADE, related_name="deliveries"
    )
    email = models.EmailField(_("e-mail address"), blank=True, default="")
    rule = models.ForeignKey(
        Rule, verbose_name=_("rule"), null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    event = models.ForeignKey(
        Event, verbose_name=_("event"), null=True, blank=True, on_delete=models.CASCADE, related_name="deliveries"
    )
    key = models.CharField(
        _("key"), max_length=120, unique=True, help_text=_("Of what it tells to whom, so that it is stored once.")
    )
    kind = models.CharField(_("kind of event"), max_length=60, blank=True, default="")
    account_name = models.CharField(
        _("account"), max_length=120, blank=True, default="", help_text=_("Empty: the portal's own, or of several.")
    )
    digest = models.CharField(_("collected"), max_length=10, choices=Rule.Digest.choices, blank=True, default="")
    subject = models.CharField(_("subject"), max_length=200, blank=True, default="")
    body = models.TextField(_("body"), help_text=_("JSON of a webhook, text of an e-mail."))
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.QUEUED)
    created_at = models.DateTimeField(_("stored"), default=timezone.now)
    attempts = models.IntegerField(_("attempts"), default=0)
    next_attempt_at = models.DateTimeField(_("next attempt"), null=True, blank=True, default=timezone.now)
    give_up_at = models.DateTimeField(_("tried until"), null=True, blank=True)
    lease_until = models.DateTimeField(_("claimed until"), null=True, blank=True)
    part_of = models.ForeignKey(
        "self",
        verbose_name=_("collected e-mail"),
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="parts",
        db_index=False,
    )
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    problem = models.TextField(_("what went wrong"), blank=True, default="")

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        default_permissions = ("view",)
        permissions = [("resend_delivery", _("Can send deliveries again"))]
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["forward", "-id"], name="delivery_forward"),
            models.Index(fields=["state", "-id"], name="delivery_state"),
            models.Index(fields=["kind", "-id"], name="delivery_kind"),
            models.Index(fields=["created_at"], name="delivery_created"),
            models.Index(
                fields=["forward", "next_attempt_at"],
                condition=Q(next_attempt_at__isnull=False),
                name="delivery_forward_due",
            ),
            models.Index(fields=["part_of"], condition=Q(part_of__isnull=False), name="delivery_part"),
            models.Index(fields=["next_attempt_at"], condition=Q(next_attempt_at__isnull=False), name="delivery_due"),
        ]

    def __str__(self) -> str:
        return f"{self.channel} #{self.pk}"


class DeliveryAttempt(models.Model):
    """One try, with what the receiver answered."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="tries")
    at = models.DateTimeField(_("time"), default=timezone.now)
    milliseconds = models.PositiveIntegerField(_("milliseconds"), default=0)
    status = models.IntegerField(_("HTTP status"), null=True, blank=True)
    answer = models.TextField(_("answer"), blank=True, default="", help_text=_("Its first part."))
    problem = models.TextField(_("what went wrong"), blank=True, default="")

    class Meta:
        verbose_name = _("delivery attempt")
        verbose_name_plural = _("delivery attempts")
        default_permissions = ()
        ordering = ["id"]

    def __str__(self) -> str:
        return f"try of {self.delivery_id}"
