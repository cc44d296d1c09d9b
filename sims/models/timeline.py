"""The timeline: everything that happened to a SIM, kept for ever."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from sims.models.sim import Sim


class TimelineEvent(models.Model):
    """One thing that happened, whoever told of it.

    The same change may be told by an operation of ours, a change-log entry, a push and a reading that differs.
    Each has its place in the row (``operation_id``, ``log_time``, ``push_key``, ``observed_at``), so that the four
    are one event; ``sims.services.timeline`` is the only writer and ``sims.services.joining`` holds the rules.
    """

    class Kind(models.TextChoices):
        STATUS = "status", _("State")
        PLAN = "plan", _("Rate plan")
        SUBSCRIPTION = "subscription", _("Supplementary plan")
        IMEI = "imei", _("Device")
        APN = "apn", _("APN")
        CUSTOM_FIELDS = "custom_fields", _("Custom fields")
        SMS = "sms", _("SMS")
        NOTIFICATION = "notification", _("Notification")
        NOTE = "note", _("Note")

    class Outcome(models.TextChoices):
        SUCCESS = "success", _("Done")
        SCHEDULED = "scheduled", _("Accepted for later")
        FAILED = "failed", _("Failed")
        UNCLEAR = "unclear", _("Unclear")

    sim = models.ForeignKey(Sim, verbose_name=_("SIM"), on_delete=models.CASCADE, related_name="events", db_index=False)
    account_name = models.CharField(
        _("account"),
        max_length=120,
        default="",
        blank=True,
        help_text=_("The SIM's, wherever it goes: the newest events of an account are found by one index."),
    )
    kind = models.CharField(_("kind"), max_length=20, choices=Kind.choices)
    at = models.DateTimeField(_("time"), help_text=_("The carrier's time where it told one, else ours."))
    from_value = models.CharField(_("from"), max_length=250, blank=True, default="")
    to_value = models.CharField(_("to"), max_length=250, blank=True, default="")
    subject = models.CharField(
        _("subject"),
        max_length=120,
        blank=True,
        default="",
        help_text=_("What of the SIM: the APN, the subscription id."),
    )
    outcome = models.CharField(_("outcome"), max_length=10, choices=Outcome.choices, default=Outcome.SUCCESS)
    detail = models.JSONField(_("detail"), default=dict, blank=True)

    operation_id = models.BigIntegerField(_("operation"), null=True, blank=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("who"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
    )
    reason = models.TextField(_("reason"), blank=True, default="")
    ticket = models.CharField(_("ticket"), max_length=60, blank=True, default="")

    log_time = models.DateTimeField(_("time in the change log"), null=True, blank=True)
    push_key = models.CharField(_("push"), max_length=80, null=True, blank=True)
    push_time = models.DateTimeField(_("time in the push"), null=True, blank=True)
    observed_after = models.DateTimeField(_("last reading before it"), null=True, blank=True)
    observed_at = models.DateTimeField(_("first reading after it"), null=True, blank=True)
    tellings = models.JSONField(
        _("who told what"),
        default=list,
        blank=True,
        help_text=_("What each source told, as it told it: the joining is worked out from this anew."),
    )
    recorded_at = models.DateTimeField(_("recorded"), auto_now_add=True)

    class Meta:
        verbose_name = _("timeline event")
        verbose_name_plural = _("timeline")
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["operation_id"], condition=Q(operation_id__isnull=False), name="event_operation_once"
            ),
            models.UniqueConstraint(
                fields=["sim", "kind", "push_key"],
                condition=Q(push_key__isnull=False),
                name="event_push_once",
            ),
            models.UniqueConstraint(
                fields=["sim", "kind", "from_value", "to_value", "log_time"],
                condition=Q(log_time__isnull=False),
                name="event_log_once",
            ),
        ]
        indexes = [
            models.Index(fields=["sim", "-at", "-id"], name="event_sim_at"),
            # The list of all SIMs' events, newest first: whole, of a kind, of what a SIM became, of an account.
            models.Index(fields=["at", "id"], name="event_at"),
            models.Index(fields=["kind", "at", "id"], name="event_kind_at"),
            # Kind and outcome are the same in all of this one's rows: SQLite takes the index that has most of what is
            # asked for.
            models.Index(
                fields=["kind", "outcome", "to_value", "at", "id"],
                name="event_became_at",
                condition=Q(kind="status", outcome="success"),
            ),
            models.Index(fields=["account_name", "at", "id"], name="event_account_at"),
            # The few that did not simply happen.
            models.Index(fields=["outcome", "at", "id"], name="event_outcome_at", condition=~Q(outcome="success")),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.from_value} → {self.to_value}"
