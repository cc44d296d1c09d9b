"""What people are told: lines of the notification centre, and the events that each stands for."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from notifications.models.event import Event, Rule, Severity


class Notification(models.Model):
    """One line for the events of one rule, kind and account within the rule's window.

    Written by :mod:`notifications.services.firing` (new events) and :mod:`notifications.services.centre` (people).
    """

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        CLOSED = "closed", _("Closed")

    rule = models.ForeignKey(Rule, verbose_name=_("rule"), on_delete=models.PROTECT, related_name="notifications")
    kind = models.CharField(_("kind"), max_length=60)
    account_name = models.CharField(_("account"), max_length=120, blank=True, default="")
    severity = models.CharField(_("severity"), max_length=10, choices=Severity.choices)
    first_at = models.DateTimeField(_("first"), help_text=_("When the first of its events was recorded."))
    last_at = models.DateTimeField(_("last"), help_text=_("When the last of its events was recorded."))
    events = models.PositiveIntegerField(_("events"), default=0)
    sims = models.PositiveIntegerField(_("SIMs"), default=0)
    joins = models.BooleanField(
        _("new events join it"), default=True, help_text=_("Until its window is over or it is closed.")
    )

    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.OPEN)
    assigned_to = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("assigned to"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
    )
    snoozed_until = models.DateTimeField(_("snoozed until"), null=True, blank=True)
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("closed by"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
    )
    closed_at = models.DateTimeField(_("closed"), null=True, blank=True)
    note = models.TextField(_("note"), blank=True, default="")

    class Meta:
        verbose_name = _("notification")
        verbose_name_plural = _("notifications")
        default_permissions = ("view",)
        permissions = [("handle_notification", _("Can assign, snooze and close notifications"))]
        constraints = [
            models.UniqueConstraint(
                fields=["rule", "kind", "account_name"],
                condition=Q(joins=True),
                name="notification_one_joins",
            )
        ]
        indexes = [
            # With what decides who sees a line beside it: what waits is counted by the index alone.
            models.Index(
                fields=["state", "-last_at", "-id"],
                name="notification_state",
                include=["rule", "snoozed_until", "account_name"],
            ),
            models.Index(fields=["kind", "-last_at"], name="notification_kind"),
            models.Index(fields=["account_name", "-last_at"], name="notification_account"),
            models.Index(fields=["assigned_to", "-last_at"], name="notification_assigned"),
            models.Index(
                fields=["state", "snoozed_until"],
                condition=Q(snoozed_until__isnull=False),
                name="notification_snoozed",
            ),
            models.Index(fields=["closed_at"], condition=Q(closed_at__isnull=False), name="notification_closed"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} #{self.pk}"


class NotificationItem(models.Model):
    """One event that a rule took: a rule takes an event once, whatever is killed in between."""

    notification = models.ForeignKey(
        Notification, verbose_name=_("notification"), on_delete=models.CASCADE, related_name="items", db_index=False
    )
    rule = models.ForeignKey(Rule, verbose_name=_("rule"), on_delete=models.PROTECT, related_name="+", db_index=False)
    event = models.ForeignKey(Event, verbose_name=_("event"), on_delete=models.CASCADE, related_name="items")
    sim = models.ForeignKey(
        "sims.Sim", verbose_name=_("SIM"), null=True, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    at = models.DateTimeField(_("time"))
    operation = models.ForeignKey(
        "operations.Operation",
        verbose_name=_("operation proposed or sent"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
    )
    proposal_refused = models.TextField(
        _("why no operation"), blank=True, default="", help_text=_("The sentence that stood against it.")
    )
    automatic = models.BooleanField(_("sent without approval"), default=False)

    class Meta:
        verbose_name = _("event of a notification")
        verbose_name_plural = _("events of notifications")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["rule", "event"], name="item_rule_event_once")]
        indexes = [
            models.Index(fields=["notification", "-at", "-id"], name="item_notification"),
            models.Index(fields=["rule", "sim", "-at"], name="item_rule_sim"),
            models.Index(fields=["rule", "-at"], name="item_rule_at"),
            models.Index(fields=["rule", "-id"], condition=Q(automatic=True), name="item_automatic"),
            models.Index(fields=["sim", "-at"], condition=Q(sim__isnull=False), name="item_sim"),
        ]

    def __str__(self) -> str:
        return f"#{self.event_id} of {self.notification_id}"


class ReadMark(models.Model):
    """Up to when a person has read a notification; what came later makes it unread again."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    notification = models.ForeignKey(Notification, on_delete=models.CASCADE, related_name="read_marks")
    read_at = models.DateTimeField(_("read"))

    class Meta:
        verbose_name = _("read mark")
        verbose_name_plural = _("read marks")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["user", "notification"], name="read_mark_once")]

    def __str__(self) -> str:
        return f"{self.user_id} read {self.notification_id}"


class ReadUpTo(models.Model):
    """Up to when a person has read everything: what marks say of older lines is taken as said.

    So counting what is unread never goes through all that was read in the past. A line that was snoozed is not
    covered: it comes back unread when its time is over.
    """

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    at = models.DateTimeField(_("read up to"))

    class Meta:
        verbose_name = _("read up to")
        verbose_name_plural = _("read up to")
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.user_id} up to {self.at}"
