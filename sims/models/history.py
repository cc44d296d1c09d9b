"""What the carrier only shows as it is now, kept by day or month."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from sims.models.reference import Account, SharePool


class AccountHistory(models.Model):
    """An account as the last reading of a day (UTC) found it."""

    account = models.ForeignKey(
        Account, verbose_name=_("account"), on_delete=models.CASCADE, related_name="history", db_index=False
    )
    day = models.DateField(_("day"))
    balance = models.DecimalField(_("balance"), max_digits=16, decimal_places=4, null=True, blank=True)
    current_charge = models.DecimalField(_("current charge"), max_digits=16, decimal_places=4, null=True, blank=True)
    currency = models.CharField(_("currency"), max_length=8, blank=True)
    sim_count = models.IntegerField(_("SIMs"), null=True, blank=True)
    status_counts = models.JSONField(_("SIMs by state"), default=dict, blank=True)
    read_at = models.DateTimeField(_("read"))

    class Meta:
        verbose_name = _("day of an account")
        verbose_name_plural = _("days of accounts")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["account", "day"], name="account_day_once")]

    def __str__(self) -> str:
        return f"{self.account_id} {self.day}"


class PoolHistory(models.Model):
    """A share pool as the last reading of a day (UTC) found it. Data in bytes, of the cycle so far."""

    pool = models.ForeignKey(
        SharePool, verbose_name=_("share pool"), on_delete=models.CASCADE, related_name="history", db_index=False
    )
    day = models.DateField(_("day"))
    cycle_start = models.DateTimeField(_("cycle start"), null=True, blank=True)
    cycle_end = models.DateTimeField(_("cycle end"), null=True, blank=True)
    data_quota = models.BigIntegerField(_("data quota in bytes"), null=True, blank=True)
    data_usage = models.BigIntegerField(_("data used in bytes"), null=True, blank=True)
    sim_count = models.IntegerField(_("SIMs"), null=True, blank=True)
    read_at = models.DateTimeField(_("read"))

    class Meta:
        verbose_name = _("day of a share pool")
        verbose_name_plural = _("days of share pools")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["pool", "day"], name="pool_day_once")]

    def __str__(self) -> str:
        return f"{self.pool_id} {self.day}"


class CountryMonth(models.Model):
    """That the statistics of an account and month were read, and when; also of months without any usage."""

    account = models.ForeignKey(
        Account, verbose_name=_("account"), on_delete=models.CASCADE, related_name="statistics", db_index=False
    )
    month = models.DateField(_("month"), help_text=_("Its first day."))
    countries = models.IntegerField(_("countries"))
    read_at = models.DateTimeField(_("read"))

    class Meta:
        verbose_name = _("month of an account's statistics")
        verbose_name_plural = _("months of accounts' statistics")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["account", "month"], name="country_month_once")]

    def __str__(self) -> str:
        return f"{self.account_id} {self.month:%Y-%m}"


class CountryUsage(models.Model):
    """Data and SIMs of an account in one country and month. Data in bytes."""

    account = models.ForeignKey(
        Account, verbose_name=_("account"), on_delete=models.CASCADE, related_name="+", db_index=False
    )
    month = models.DateField(_("month"), help_text=_("Its first day."))
    country_code = models.CharField(_("country"), max_length=8)
    data_usage = models.BigIntegerField(_("data used in bytes"), null=True, blank=True)
    sim_count = models.IntegerField(_("SIMs"), null=True, blank=True)
    read_at = models.DateTimeField(_("read"))

    class Meta:
        verbose_name = _("usage in a country")
        verbose_name_plural = _("usage in countries")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["account", "month", "country_code"], name="country_usage_once"),
        ]
        indexes = [models.Index(fields=["month", "country_code"], name="country_usage_month")]

    def __str__(self) -> str:
        return f"{self.account_id} {self.month:%Y-%m} {self.country_code}"
