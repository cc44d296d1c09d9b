"""Counts over SIMs and events that pages show without counting: sums of what each change adds and takes away."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

QUOTA_BANDS: dict[str, tuple[int, int | None]] = {
    "0-50": (0, 50),
    "50-80": (50, 80),
    "80-100": (80, 100),
    "over": (100, None),
}
"""Percent of the quota, from and to under. Kept rounded down, so 100 is all of it, or more."""

NO_QUOTA = "none"
NEVER = "never"
"""Of a SIM that never had a session; some carriers tell 1970 for it."""


class SimTally(models.Model):
    """A part of the count of one value: what the count is, is the sum of all rows of the value.

    Whoever changes SIMs or events inserts what that adds and takes away (``sims.services.tallies``), in the same
    transaction; nobody changes a row that another may be changing. From time to time the rows of a value become one,
    of batch 0.
    """

    class Dimension(models.TextChoices):
        """What is counted: SIMs by one of their columns, or events of the timeline."""

        STATUS = "status", _("State")
        PLAN = "plan", _("Rate plan")
        POOL = "pool", _("Share pool")
        QUOTA = "quota", _("Quota used")
        SEEN = "seen", _("Day of the last session of activated SIMs")
        BECAME = "became", _("Changes of state by day")

    dimension = models.CharField(_("dimension"), max_length=10, choices=Dimension.choices)
    account_name = models.CharField(_("account"), max_length=120)
    value = models.TextField(
        _("value"),
        blank=True,
        help_text=_("A state, a code (empty: none), a band of the quota, a UTC day or never, a day/state."),
    )
    batch = models.BigIntegerField(
        _("batch"), default=0, help_text=_("0: the sum so far; else a number of the change that it is of.")
    )
    sims = models.BigIntegerField(_("SIMs, or events"), default=0)
    used = models.BigIntegerField(_("data used in the cycle, bytes"), default=0)
    quota = models.BigIntegerField(_("data quota of the cycle, bytes"), default=0)

    class Meta:
        verbose_name = _("tally")
        verbose_name_plural = _("tallies")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["dimension", "account_name", "value", "batch"], name="tally_once"),
        ]
        # What is still to be summed up: nothing, most of the time.
        indexes = [models.Index(fields=["id"], name="tally_unfolded", condition=~Q(batch=0))]

    def __str__(self) -> str:
        return f"{self.dimension} {self.account_name} {self.value}: {self.sims}"
