"""Pushes from the carrier: who may send them, and each one as it came."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class PushSource(models.Model):
    """A sender of pushes: one SmartHub tenant or rule set. Its tokens are kept as SHA-256 digests only."""

    name = models.CharField(_("name"), max_length=80, unique=True)
    token_digest = models.CharField(_("token digest"), max_length=64, unique=True, editable=False)
    previous_digest = models.CharField(
        _("digest of the token before"), max_length=64, null=True, blank=True, unique=True, editable=False
    )
    previous_until = models.DateTimeField(_("the token before ends"), null=True, blank=True, editable=False)
    hmac_key = models.TextField(
        _("signing key"), blank=True, default="", editable=False, help_text=_("Encrypted; empty: no signature asked.")
    )
    networks = models.JSONField(
        _("networks"), default=list, blank=True, help_text=_("Networks it may push from; empty: any.")
    )
    silence_hours = models.PositiveIntegerField(
        _("silence"), default=0, help_text=_("Hours without a push that are worth a notification; 0: never.")
    )
    silent_since = models.DateTimeField(
        _("silent since"), null=True, blank=True, editable=False, help_text=_("The silence that was told of.")
    )
    active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(_("made"), default=timezone.now, editable=False)
    last_push_at = models.DateTimeField(_("last push"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("push source")
        verbose_name_plural = _("push sources")
        default_permissions = ("view", "add", "change")

    def __str__(self) -> str:
        return self.name


class Push(models.Model):
    """One push as it was received. The body is stored before the sender is answered."""

    class State(models.TextChoices):
        RECEIVED = "received", _("Received")
        DONE = "done", _("Done")
        IGNORED = "ignored", _("Ignored")
        FAILED = "failed", _("Failed")
        DEAD = "dead", _("Dead")
        REJECTED = "rejected", _("Rejected")

    # No constraint in the database: every push would lock the one row of its source. Sources are never deleted.
    # No index of its own either: that of the copies' key begins with it.
    source = models.ForeignKey(
        PushSource,
        verbose_name=_("source"),
        on_delete=models.PROTECT,
        related_name="pushes",
        db_constraint=False,
        db_index=False,
    )
    path_kind = models.CharField(_("kind in the address"), max_length=60, blank=True, default="")
    kind = models.CharField(
        _("kind"),
        max_length=80,
        blank=True,
        default="",
        help_text=_("The carrier's event type; empty until read."),
    )
    giccid = models.CharField(_("giccid"), max_length=40, blank=True, default="")
    account_name = models.CharField(_("account"), max_length=120, blank=True, default="")
    key = models.CharField(_("key"), max_length=80, blank=True, default="", help_text=_("The same for every copy."))
    body = models.TextField(_("body as received"))
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.RECEIVED)
    received_at = models.DateTimeField(_("received"), default=timezone.now)
    attempts = models.IntegerField(_("attempts"), default=0)
    next_attempt_at = models.DateTimeField(_("next attempt"), null=True, blank=True, default=timezone.now)
    lease_until = models.DateTimeField(_("claimed until"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    result = models.TextField(_("what it led to"), blank=True, default="")
    problem = models.TextField(_("what is wrong with it"), blank=True, default="")

    class Meta:
        verbose_name = _("push")
        verbose_name_plural = _("pushes")
        default_permissions = ("view",)
        permissions = [("replay_push", _("Can replay pushes"))]
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["state", "-id"], name="push_state"),
            models.Index(fields=["kind", "-id"], name="push_kind"),
            models.Index(fields=["giccid", "-id"], name="push_giccid"),
            models.Index(fields=["source", "key"], name="push_key"),
            models.Index(fields=["next_attempt_at"], condition=Q(next_attempt_at__isnull=False), name="push_due"),
        ]

    def __str__(self) -> str:
        return f"{self.kind or self.path_kind} #{self.pk}"
