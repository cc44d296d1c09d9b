"""Usage by day: one small row a SIM that is written again and again, and closed months packed by 192 SIMs.

What a row a SIM and day would cost, and what this costs instead, stands in ``docs/usage.md``. Days are days in UTC.
"""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from sims.models.sim import Sim


class SimUsage(models.Model):
    """The running history of one SIM: the days that are not yet packed away, the hours of the newest of them.

    There is a row once a SIM's usage has moved under the portal's eyes. Days are numbered from 1970-01-01; the packed
    columns are read and written by ``sims.services.usage.packing``. No column is nullable and none that changes with
    a reading is indexed, so that PostgreSQL writes it in place.
    """

    sim = models.OneToOneField(
        Sim, verbose_name=_("SIM"), primary_key=True, on_delete=models.CASCADE, related_name="usage"
    )
    counted = models.BigIntegerField(
        _("counted of the cycle, bytes"), help_text=_("The highest reading of the cycle that was taken into the days.")
    )
    usual = models.BigIntegerField(
        _("usual day, bytes"), default=-1, help_text=_("Median of the last days; -1 while too few are known.")
    )
    cycle = models.BigIntegerField(_("start of the cycle"), default=0, help_text=_("Unix time; 0 for unknown."))
    fell_at = models.BigIntegerField(
        _("below that since"), default=0, help_text=_("Unix time since which readings are lower; 0 for no such thing.")
    )
    since = models.IntegerField(_("first day here"))
    day = models.IntegerField(_("newest day"))
    hours = models.BinaryField(_("hours of the newest day"), default=b"")
    days = models.BinaryField(_("days before it"), default=b"")
    cycles = models.BinaryField(_("cycles that ended"), default=b"")

    class Meta:
        verbose_name = _("usage of a SIM")
        verbose_name_plural = _("usage of SIMs")
        default_permissions = ()
        indexes = [models.Index(fields=["since"], name="usage_since")]

    def __str__(self) -> str:
        return str(self.sim_id)


class UsageMonth(models.Model):
    """A closed month of up to 192 SIMs whose ids follow each other. Written once, and once more to be thinned."""

    block = models.BigIntegerField(_("block"), help_text=_("Id of the SIM divided by 192."))
    month = models.DateField(_("month"), help_text=_("Its first day."))
    packed = models.BinaryField(_("packed"))
    thinned = models.BooleanField(_("only totals are left"), default=False)

    class Meta:
        verbose_name = _("usage of a month")
        verbose_name_plural = _("usage of months")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["block", "month"], name="usage_month_once")]
        indexes = [models.Index(fields=["thinned", "month"], name="usage_month_thinned")]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m} {self.block}"
