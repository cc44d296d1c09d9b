"""Whether the carrier answers."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.utils.translation import gettext_lazy as _


class CarrierLink(models.Model):
    """What the portal's own calls find out about the way to the carrier: one row, for all processes together.

    Written by :mod:`sims.services.link`, every few seconds at most, so its times may be that much behind.
    """

    ONLY = 1
    """The key of the row."""

    answered_at = models.DateTimeField(_("last answer"), null=True, blank=True)
    failed_at = models.DateTimeField(_("last call without an answer"), null=True, blank=True)
    failing_since = models.DateTimeField(
        _("no answer since"), null=True, blank=True, help_text=_("The first failure after the last answer.")
    )
    problem = models.CharField(
        _("what was wrong"), max_length=80, blank=True, default="", help_text=_("no_answer, refused_key or status 503.")
    )
    slowed_since = models.DateTimeField(
        _("asked to slow down since"),
        null=True,
        blank=True,
        help_text=_("The first such answer (429) after some minutes without one."),
    )
    slowed_at = models.DateTimeField(_("last asked to slow down"), null=True, blank=True)

    class Meta:
        verbose_name = _("link to the carrier")
        verbose_name_plural = _("link to the carrier")
        default_permissions = ()

    def __str__(self) -> str:
        return f"failing since {self.failing_since}" if self.failing_since else f"answered {self.answered_at}"

    @property
    def heard_at(self) -> datetime | None:
        """When anything was last known of it."""
        return max(filter(None, (self.answered_at, self.failed_at)), default=None)
