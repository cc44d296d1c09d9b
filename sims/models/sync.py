"""Runs of the sync."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class SyncRun(models.Model):
    """One run of the sync: what it was to do, how far it is, what it found.

    At most one run of a kind is open; a run is alive while ``lease_until`` lies ahead. A run that was killed stays
    ``running`` with a lease that has passed and goes on from ``cursor``.
    """

    class Kind(models.TextChoices):
        FULL = "full", _("Full walk")
        CHANGES = "changes", _("Change logs")
        REFERENCE = "reference", _("Accounts, plans and pools")
        STATISTICS = "statistics", _("Usage by country")

    class State(models.TextChoices):
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")

    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.RUNNING)
    trigger = models.CharField(_("started by"), max_length=20, help_text=_("schedule, command or person."))
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("who"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
    )
    started_at = models.DateTimeField(_("started"), default=timezone.now)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    lease_until = models.DateTimeField(_("alive until"), null=True, blank=True)
    lease_token = models.CharField(_("lease"), max_length=36, blank=True, default="")
    cursor = models.JSONField(_("place to go on from"), default=dict, blank=True)
    watermark = models.DateTimeField(_("changes read up to"), null=True, blank=True)
    total = models.BigIntegerField(_("total"), null=True, blank=True)
    read = models.BigIntegerField(_("read"), default=0)
    changed = models.BigIntegerField(_("changed"), default=0)
    new = models.BigIntegerField(_("new"), default=0)
    missing = models.BigIntegerField(_("missing"), default=0)
    errors = models.BigIntegerField(_("errors"), default=0)
    resumed = models.IntegerField(_("times resumed"), default=0)
    message = models.TextField(_("message"), blank=True, default="")

    class Meta:
        verbose_name = _("sync run")
        verbose_name_plural = _("sync runs")
        default_permissions = ("view",)
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["kind"], condition=Q(state="running"), name="sync_one_of_a_kind"),
        ]
        indexes = [models.Index(fields=["kind", "state", "-id"], name="sync_kind_state")]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"
