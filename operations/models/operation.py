"""Changes sent to the carrier: one row for each, written before anything is sent."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Operation(models.Model):
    """One change of one SIM, from the wish to the result."""

    class Kind(models.TextChoices):
        ACTIVATE = "activate", _("Activate")
        SUSPEND = "suspend", _("Suspend")
        RETIRE = "retire", _("Retire")
        CHANGE_PLAN = "change_plan", _("Change rate plan")
        ADD_PLAN = "add_plan", _("Add plan")
        SET_APN = "set_apn", _("APN")
        SET_CUSTOM_FIELDS = "set_custom_fields", _("Custom fields")
        SEND_SMS = "send_sms", _("Send SMS")

    class State(models.TextChoices):
        AWAITING_APPROVAL = "awaiting_approval", _("Awaiting approval")
        QUEUED = "queued", _("Queued")
        SENDING = "sending", _("Sending")
        ACCEPTED = "accepted", _("Accepted")
        UNKNOWN = "unknown", _("Checking")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")
        NEEDS_ATTENTION = "needs_attention", _("Needs attention")
        CANCELLED = "cancelled", _("Cancelled")
        EXPIRED = "expired", _("Expired")

    OPEN_STATES = (State.AWAITING_APPROVAL, State.QUEUED, State.SENDING, State.ACCEPTED, State.UNKNOWN)
    """While an exclusive operation is in one of these, its SIM takes no other."""

    CARRIER_AWAY = "carrier_away"
    """``carrier_code`` of what was not sent because the portal knows that the carrier is away."""
    AWAY_CODES = (CARRIER_AWAY, "connect")
    """``carrier_code`` of what certainly was not sent because nobody answers at the carrier."""

    sim = models.ForeignKey(
        "sims.Sim", verbose_name=_("SIM"), on_delete=models.PROTECT, related_name="operations", db_index=False
    )
    kind = models.CharField(_("kind"), max_length=20, choices=Kind.choices)
    params = models.JSONField(_("parameters"), default=dict, blank=True)
    exclusive = models.BooleanField(
        _("exclusive"), default=True, help_text=_("Holds its SIM; a message, which changes nothing of it, does not.")
    )
    state = models.CharField(_("state"), max_length=20, choices=State.choices, default=State.QUEUED)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("who"), on_delete=models.PROTECT, related_name="+"
    )
    reason = models.TextField(_("reason"), blank=True)
    ticket = models.CharField(_("ticket"), max_length=60, blank=True, default="")
    nonce = models.CharField(
        _("form"),
        max_length=36,
        null=True,
        blank=True,
        unique=True,
        help_text=_("Of the form it came with: sent twice is one operation."),
    )
    request_id = models.CharField(_("request id"), max_length=36, blank=True, default="")
    before = models.JSONField(
        _("before"), default=dict, blank=True, help_text=_("What the mirror held when it was asked for.")
    )
    result = models.JSONField(
        _("result"), default=dict, blank=True, help_text=_("What the carrier named, such as the subscription bought.")
    )

    job = models.ForeignKey(
        "operations.BatchJob",
        verbose_name=_("batch job"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="operations",
        db_index=False,
    )
    chunk = models.ForeignKey(
        "operations.BatchChunk",
        verbose_name=_("chunk"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="operations",
    )

    created_at = models.DateTimeField(_("asked for"), default=timezone.now)
    next_attempt_at = models.DateTimeField(_("next attempt"), null=True, blank=True, default=timezone.now)
    lease_until = models.DateTimeField(_("claimed until"), null=True, blank=True)
    expires_at = models.DateTimeField(_("sent by then or not at all"), null=True, blank=True)
    first_sent_at = models.DateTimeField(_("first sent"), null=True, blank=True)
    last_sent_at = models.DateTimeField(_("last sent"), null=True, blank=True)
    accepted_at = models.DateTimeField(_("accepted by the carrier"), null=True, blank=True)
    effective_at = models.DateTimeField(_("takes effect"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    sends = models.IntegerField(_("times sent"), default=0)
    readbacks = models.IntegerField(_("times read back"), default=0)
    carrier_code = models.CharField(_("carrier's code"), max_length=80, blank=True, default="")
    message = models.TextField(_("message"), blank=True, default="")

    class Meta:
        verbose_name = _("operation")
        verbose_name_plural = _("operations")
        default_permissions = ("view",)
        permissions = [
            ("change_sim_state", _("Can activate and suspend SIMs")),
            ("change_sim_settings", _("Can change plans, APNs and custom fields of SIMs")),
            ("retire_sim", _("Can retire SIMs")),
            ("approve_operation", _("Can approve operations of others")),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["sim"],
                condition=Q(exclusive=True)
                & Q(state__in=["awaiting_approval", "queued", "sending", "accepted", "unknown"]),
                name="operation_one_open_per_sim",
            )
        ]
        indexes = [
            models.Index(fields=["sim", "exclusive", "-id"], name="operation_sim"),
            models.Index(fields=["job", "state", "id"], condition=Q(job__isnull=False), name="operation_job"),
            models.Index(fields=["state", "-id"], name="operation_state"),
            models.Index(fields=["kind", "-id"], name="operation_kind"),
            models.Index(fields=["actor", "-id"], name="operation_actor"),
            models.Index(fields=["created_at"], name="operation_created"),
            models.Index(fields=["next_attempt_at"], condition=Q(next_attempt_at__isnull=False), name="operation_due"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} #{self.pk}"

    @property
    def waits_for_carrier(self) -> bool:
        """Whether it was to be sent, and is not, because the carrier does not answer."""
        return self.state == self.State.QUEUED and self.carrier_code in self.AWAY_CODES


class OperationAttempt(models.Model):
    """One step towards the carrier: a call that sends, or a reading that tells what became of it."""

    class Step(models.TextChoices):
        SEND = "send", _("Sent")
        READ_BACK = "read_back", _("Read back")
        PERSON = "person", _("Decided by a person")

    operation = models.ForeignKey(
        Operation, verbose_name=_("operation"), on_delete=models.CASCADE, related_name="attempts"
    )
    step = models.CharField(_("step"), max_length=10, choices=Step.choices)
    started_at = models.DateTimeField(_("started"), default=timezone.now)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    outcome = models.CharField(
        _("outcome"), max_length=20, blank=True, default="", help_text=_("State of the operation after it.")
    )
    status = models.IntegerField(_("HTTP status"), null=True, blank=True)
    code = models.CharField(_("code"), max_length=80, blank=True, default="")
    detail = models.TextField(_("detail"), blank=True, default="")

    class Meta:
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        default_permissions = ("view",)
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.step} of {self.operation_id}"

    @property
    def seconds(self) -> float | None:
        """How long it took; ``None`` while it has not ended."""
        return (self.finished_at - self.started_at).total_seconds() if self.finished_at else None

    @property
    def outcome_label(self) -> str:
        """The state after it in words; empty while it has not ended."""
        return str(Operation.State(self.outcome).label) if self.outcome in Operation.State.values else self.outcome
