"""The audit trail: who did what, from where, why and for which ticket."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class AuditEntry(models.Model):
    """One act of a person or of the portal itself. Written once, never changed: the database refuses it, too
    (:mod:`core.audit_guard`)."""

    at = models.DateTimeField(_("time"), default=timezone.now, editable=False)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("who"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,  # the index by who and time has it
    )
    action = models.CharField(_("action"), max_length=60, help_text=_("Dotted, such as operation.requested."))
    object_type = models.CharField(_("record"), max_length=40, blank=True)
    object_id = models.CharField(_("record id"), max_length=40, blank=True)
    account_name = models.CharField(_("carrier account"), max_length=120, blank=True)
    before = models.JSONField(_("before"), default=dict, blank=True)
    after = models.JSONField(_("after"), default=dict, blank=True)
    reason = models.TextField(_("reason"), blank=True)
    ticket = models.CharField(_("ticket"), max_length=60, blank=True)
    address = models.GenericIPAddressField(_("from address"), null=True, blank=True)
    request_id = models.CharField(_("request id"), max_length=36, blank=True)

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit trail")
        ordering = ["-id"]
        default_permissions = ("view",)
        indexes = [
            models.Index(fields=["object_type", "object_id", "-id"], name="audit_object"),
            # One for each filter of the page, which is ordered by time.
            models.Index(fields=["at", "id"], name="audit_at"),
            models.Index(fields=["actor", "at", "id"], name="audit_who"),
            models.Index(fields=["action", "at", "id"], name="audit_action"),
            models.Index(fields=["account_name", "at", "id"], name="audit_account"),
            models.Index(fields=["ticket", "at", "id"], name="audit_ticket"),
            models.Index(fields=["request_id"], name="audit_request"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.object_type} {self.object_id}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert only: an entry that exists is refused with :class:`TypeError`."""
        if not self._state.adding:
            raise TypeError("An audit entry is never changed.")
        super().save(*args, **kwargs)


class AuditSeal(models.Model):
    """A link of the chain over the audit trail: one for each entry, in the order in which they were sealed.

    Written by :mod:`core.audit_chain` alone, never changed. What the digest is made of stands there.
    """

    sequence = models.BigIntegerField(_("place in the chain"), primary_key=True)
    entry = models.OneToOneField(
        AuditEntry,
        verbose_name=_("audit entry"),
        on_delete=models.DO_NOTHING,
        related_name="seal",
        # A link stays when its entry is gone: that is how it is missed. And a check would lock each entry once more.
        db_constraint=False,
    )
    previous = models.CharField(_("digest before"), max_length=64, blank=True)
    digest = models.CharField(_("digest"), max_length=64)
    signature = models.CharField(
        _("signature"), max_length=64, blank=True, default="", help_text=_("Of the digest; on the last of each run.")
    )

    class Meta:
        verbose_name = _("seal")
        verbose_name_plural = _("seals")
        ordering = ["sequence"]
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.sequence} {self.digest}"


class AuditChain(models.Model):
    """How far the sealing is: one row, which a sealer locks. It only saves looking; lost, all is looked at again."""

    settled = models.BigIntegerField(
        _("settled"), default=0, help_text=_("Every entry up to this id is sealed, and none of them is still to come.")
    )
    seen = models.BigIntegerField(_("seen"), default=0, help_text=_("The newest id when it was looked last."))
    seen_at = models.DateTimeField(_("seen at"), null=True, blank=True, help_text=_("By the clock of the database."))

    class Meta:
        verbose_name = _("state of the audit chain")
        verbose_name_plural = _("state of the audit chain")
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.settled)


class Export(models.Model):
    """A file that is made in the background for one person, and fetched by that person alone."""

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")

    OPEN_STATES = (State.WAITING, State.RUNNING)

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("who"), on_delete=models.CASCADE, related_name="+", db_index=False
    )
    exporter = models.CharField(_("of what"), max_length=60, help_text=_("A name of the registry in core/exports.py."))
    params = models.JSONField(_("parameters"), default=dict, blank=True)
    format = models.CharField(_("format"), max_length=4)
    title = models.CharField(_("title"), max_length=200)
    file_name = models.CharField(_("name of the file"), max_length=200)
    accounts = models.JSONField(
        _("accounts"), null=True, blank=True, help_text=_("Those that the owner saw when it was made; empty: all.")
    )
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.WAITING)
    message = models.TextField(_("message"), blank=True, default="")
    rows_done = models.IntegerField(_("rows written"), default=0)
    rows_total = models.IntegerField(_("rows"), default=0)
    size = models.BigIntegerField(_("bytes"), default=0)
    stored_as = models.CharField(_("stored as"), max_length=80, blank=True, default="")
    attempts = models.IntegerField(_("times begun"), default=0)
    created_at = models.DateTimeField(_("asked for"), default=timezone.now)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    expires_at = models.DateTimeField(_("kept until"))
    next_attempt_at = models.DateTimeField(_("next attempt"), null=True, blank=True, default=timezone.now)
    lease_until = models.DateTimeField(_("claimed until"), null=True, blank=True)

    class Meta:
        verbose_name = _("download")
        verbose_name_plural = _("downloads")
        default_permissions = ()
        indexes = [
            models.Index(fields=["owner", "-id"], name="export_owner"),
            models.Index(fields=["expires_at"], name="export_expires"),
            models.Index(
                fields=["next_attempt_at"], condition=models.Q(next_attempt_at__isnull=False), name="export_due"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.title} ({self.format})"

    @property
    def percent(self) -> int:
        """How much is written, rounded down."""
        return min(100, self.rows_done * 100 // self.rows_total) if self.rows_total else 0
