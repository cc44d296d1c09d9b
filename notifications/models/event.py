"""What happened and may be worth a person's look, and the rules that decide whether it is."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Severity(models.TextChoices):
    """From the least to the gravest."""

    INFO = "info", _("Information")
    WARNING = "warning", _("Warning")
    CRITICAL = "critical", _("Critical")


class Event(models.Model):
    """One thing that happened, kept whether or not a rule made a notification of it, so that rules can be tried.

    Written by :func:`notifications.services.events.record` only, once however often it is told.
    """

    kind = models.CharField(_("kind"), max_length=60, help_text=_("A key of notifications.kinds.KINDS."))
    key = models.CharField(_("key"), max_length=120, help_text=_("The same for every telling of it."))
    at = models.DateTimeField(_("time"))
    recorded_at = models.DateTimeField(_("recorded"), default=timezone.now)
    sim = models.ForeignKey(
        "sims.Sim",
        verbose_name=_("SIM"),
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="+",
        db_index=False,
    )
    account_name = models.CharField(
        _("account"), max_length=120, blank=True, default="", help_text=_("Empty: it is the portal's own.")
    )
    plan_code = models.CharField(_("rate plan"), max_length=120, blank=True, default="", help_text=_("At that time."))
    value = models.FloatField(
        _("figure"), null=True, blank=True, help_text=_("What a threshold is compared with, in the kind's unit.")
    )
    detail = models.JSONField(_("detail"), default=dict, blank=True)
    push_id = models.BigIntegerField(_("push"), null=True, blank=True)
    next_attempt_at = models.DateTimeField(
        _("rules are due"), null=True, blank=True, default=timezone.now, help_text=_("Empty: they were applied.")
    )

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["kind", "key"], name="happening_once")]
        indexes = [
            models.Index(fields=["kind", "-at"], name="happening_kind"),
            models.Index(fields=["sim", "-at"], condition=Q(sim__isnull=False), name="happening_sim"),
            models.Index(fields=["recorded_at"], name="happening_recorded"),
            models.Index(fields=["push_id"], condition=Q(push_id__isnull=False), name="happening_push"),
            models.Index(fields=["next_attempt_at"], condition=Q(next_attempt_at__isnull=False), name="happening_due"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} #{self.pk}"


class Rule(models.Model):
    """Which events become notifications, who sees them, and what follows. Conditions left empty match everything."""

    class Digest(models.TextChoices):
        NONE = "", _("At once")
        HOURLY = "hourly", _("Collected, every hour")
        DAILY = "daily", _("Collected, every day")

    name = models.CharField(_("name"), max_length=80, unique=True)
    active = models.BooleanField(_("switched on"), default=False)

    kinds = models.JSONField(_("kinds"), default=list, help_text=_("At least one."))
    accounts = models.JSONField(_("accounts"), default=list, blank=True)
    plans = models.JSONField(_("rate plans"), default=list, blank=True)
    tags = models.JSONField(_("tags"), default=list, blank=True, help_text=_("SIMs that bear one of them."))
    threshold = models.FloatField(
        _("threshold"), null=True, blank=True, help_text=_("Events whose figure reaches it, in the kind's unit.")
    )
    once_per = models.PositiveIntegerField(
        _("at most one per SIM in"), default=0, help_text=_("Seconds; 0: every event counts.")
    )
    quiet_from = models.TimeField(_("quiet from"), null=True, blank=True)
    quiet_until = models.TimeField(_("quiet until"), null=True, blank=True)
    quiet_zone = models.CharField(_("time zone of the quiet hours"), max_length=60, blank=True, default="")

    severity = models.CharField(_("severity"), max_length=10, choices=Severity.choices, default=Severity.WARNING)
    group_within = models.PositiveIntegerField(
        _("one line for all within"), default=3600, help_text=_("Seconds after the first; 0: a line for each.")
    )
    roles = models.ManyToManyField(
        Group, verbose_name=_("roles that see it"), blank=True, related_name="+", help_text=_("None: every role.")
    )
    users = models.ManyToManyField(
        settings.AUTH_USER_MODEL, verbose_name=_("people who see it"), blank=True, related_name="+"
    )

    emails = models.JSONField(_("e-mail to"), default=list, blank=True)
    digest = models.CharField(_("e-mails"), max_length=10, choices=Digest.choices, blank=True, default=Digest.NONE)
    forwards = models.ManyToManyField(
        "notifications.Forward", verbose_name=_("webhooks"), blank=True, related_name="rules"
    )
    operation_kind = models.CharField(_("proposed operation"), max_length=20, blank=True, default="")
    operation_params = models.JSONField(_("its parameters"), default=dict, blank=True)
    automatic = models.BooleanField(
        _("without approval"), default=False, help_text=_("Only once an administrator has allowed it.")
    )
    automatic_allowed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("allowed by"),
        null=True,
        blank=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="+",
    )
    automatic_allowed_at = models.DateTimeField(_("allowed"), null=True, blank=True, editable=False)
    automatic_digest = models.CharField(
        _("what was allowed"),
        max_length=64,
        blank=True,
        default="",
        editable=False,
        help_text=_("Digest of conditions and operation: allowed is what was read, and nothing else."),
    )

    meant_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("who last said what it asks for"),
        null=True,
        blank=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="+",
    )

    created_at = models.DateTimeField(_("made"), default=timezone.now, editable=False)
    changed_at = models.DateTimeField(_("changed"), auto_now=True)

    class Meta:
        verbose_name = _("rule")
        verbose_name_plural = _("rules")
        permissions = [("allow_automatic_rule", _("Can allow rules to change SIMs without approval"))]
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
