"""Carrier accounts, rate plans and share pools. Their keys are the carrier's own names and codes."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Reference(models.Model):
    """What all of them share: a row made on sight of an unknown name is a stub until it was read."""

    fetched_at = models.DateTimeField(
        _("read at"), null=True, blank=True, help_text=_("Empty: only its name is known yet.")
    )
    asked_at = models.DateTimeField(
        _("asked for"), null=True, blank=True, help_text=_("When it was asked for by itself, being unknown; only once.")
    )
    raw = models.JSONField(_("as received"), default=dict, blank=True)

    class Meta:
        abstract = True


class Enterprise(Reference):
    """Whom the carrier's key belongs to: one row, of key 1, once it was read."""

    name = models.CharField(_("name"), max_length=200, blank=True)
    contact = models.JSONField(_("contact"), null=True, blank=True, help_text=_("As the carrier writes it."))

    class Meta:
        verbose_name = _("enterprise")
        verbose_name_plural = _("enterprises")
        default_permissions = ()

    def __str__(self) -> str:
        return self.name


class Account(Reference):
    """A carrier account."""

    name = models.CharField(_("name"), max_length=120, primary_key=True)
    status = models.CharField(_("status"), max_length=40, blank=True)
    currency = models.CharField(_("currency"), max_length=8, blank=True)
    balance = models.DecimalField(_("balance"), max_digits=16, decimal_places=4, null=True, blank=True)
    current_charge = models.DecimalField(_("current charge"), max_digits=16, decimal_places=4, null=True, blank=True)

    class Meta:
        verbose_name = _("account")
        verbose_name_plural = _("accounts")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class RatePlan(Reference):
    """A service package: the basic plan of a SIM, or one that is added to it."""

    class Kind(models.TextChoices):
        BASIC = "BASIC", _("Basic")
        SUPPLEMENTARY = "SUPPLEMENTARY", _("Supplementary")

    code = models.CharField(_("code"), max_length=80, primary_key=True)
    name = models.CharField(_("name"), max_length=200, blank=True)
    kind = models.CharField(
        _("kind"), max_length=40, blank=True, help_text=_("As the carrier writes it; empty while unknown.")
    )
    billing = models.CharField(_("billing"), max_length=40, blank=True)
    data_quota = models.BigIntegerField(_("data quota in bytes"), null=True, blank=True)
    sms_quota = models.IntegerField(_("SMS quota"), null=True, blank=True)
    validity_days = models.IntegerField(_("validity in days"), null=True, blank=True)
    price = models.DecimalField(_("price"), max_digits=12, decimal_places=4, null=True, blank=True)
    currency = models.CharField(_("currency"), max_length=8, blank=True)
    country_codes = models.JSONField(_("countries"), default=list, blank=True)
    accounts = models.ManyToManyField(
        Account,
        verbose_name=_("accounts"),
        blank=True,
        related_name="plans",
        help_text=_("Accounts that may use it."),
    )

    class Meta:
        verbose_name = _("rate plan")
        verbose_name_plural = _("rate plans")
        ordering = ["code"]

    def __str__(self) -> str:
        return self.name or self.code


class SharePool(Reference):
    """A pool of data that SIMs share."""

    code = models.CharField(_("code"), max_length=80, primary_key=True)
    name = models.CharField(_("name"), max_length=200, blank=True)
    account = models.ForeignKey(
        Account,
        verbose_name=_("account"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="pools",
    )
    plan = models.ForeignKey(
        RatePlan,
        verbose_name=_("rate plan"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
    )
    data_quota = models.BigIntegerField(_("data quota in bytes"), null=True, blank=True)
    data_usage = models.BigIntegerField(_("data used in bytes"), null=True, blank=True)
    sim_count = models.IntegerField(_("SIMs"), null=True, blank=True)
    cycle_start = models.DateTimeField(_("cycle start"), null=True, blank=True)
    cycle_end = models.DateTimeField(_("cycle end"), null=True, blank=True)

    class Meta:
        verbose_name = _("share pool")
        verbose_name_plural = _("share pools")
        ordering = ["code"]

    def __str__(self) -> str:
        return self.name or self.code
