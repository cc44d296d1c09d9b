"""The SIM as the mirror holds it, its supplementary plans and the notes on it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from sims.models.indexes import list_indexes
from sims.models.reference import Account, RatePlan, SharePool

CUSTOM_FIELDS = ("custom1", "custom2", "custom3", "custom4", "custom5")


class Sim(models.Model):
    """One SIM card. Written by ``sims.mirror.apply``, emptied by ``sims.services.erasing``, and nobody else.

    Columns that lists sort by are never NULL where an empty text says the same. Data is in bytes.
    """

    class Status(models.TextChoices):
        """The statuses known to us; an unknown one from the carrier is kept and shown as it is."""

        INVENTORY = "INVENTORY", _("Inventory")
        TEST_READY = "TEST_READY", _("Test ready")
        ACTIVATED = "ACTIVATED", _("Activated")
        DEACTIVATED = "DEACTIVATED", _("Suspended")
        RETIRED = "RETIRED", _("Retired")

    class ApnState(models.TextChoices):
        """All APNs of a SIM in one word, so that a list can filter by it."""

        NONE = "", _("No APN")
        ENABLED = "ENABLED", _("Enabled")
        DISABLED = "DISABLED", _("Disabled")
        MIXED = "MIXED", _("Some enabled")

    giccid = models.CharField(_("giccid"), max_length=20, unique=True)
    imsi = models.CharField(_("IMSI"), max_length=20, blank=True, default="")
    msisdn = models.CharField(_("MSISDN"), max_length=20, blank=True, default="")
    imei = models.CharField(_("IMEI"), max_length=20, blank=True, default="")
    account = models.ForeignKey(
        Account, verbose_name=_("account"), on_delete=models.PROTECT, related_name="sims", db_index=False
    )
    status = models.CharField(_("status"), max_length=40)
    status_changed_at = models.DateTimeField(_("in this state since"), null=True, blank=True)
    activated_at = models.DateTimeField(_("activated"), null=True, blank=True)
    plan = models.ForeignKey(
        RatePlan,
        verbose_name=_("rate plan"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="sims",
        db_index=False,
    )
    pool = models.ForeignKey(
        SharePool,
        verbose_name=_("share pool"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="sims",
        db_index=False,
    )
    apns = models.JSONField(_("APNs"), default=list, blank=True, help_text=_('A list of {"apn", "status"}.'))
    apn_state = models.CharField(
        _("APN state"), max_length=10, choices=ApnState.choices, blank=True, default=ApnState.NONE
    )
    cycle_start = models.DateTimeField(_("cycle start"), null=True, blank=True)
    cycle_end = models.DateTimeField(_("cycle end"), null=True, blank=True)
    data_usage = models.BigIntegerField(_("data used in the cycle, bytes"), null=True, blank=True)
    data_quota = models.BigIntegerField(_("data quota of the cycle, bytes"), null=True, blank=True)
    quota_percent = models.IntegerField(
        _("quota used, percent"), null=True, blank=True, help_text=_("Rounded down; empty without a quota.")
    )
    usage_jump_on = models.DateField(
        _("unusual usage on"), null=True, blank=True, help_text=_("The last day (UTC) far above the SIM's usual ones.")
    )
    sms_usage = models.IntegerField(_("SMS in the cycle"), null=True, blank=True)
    online = models.BooleanField(_("online"), null=True, blank=True)
    last_session_at = models.DateTimeField(_("last session"), null=True, blank=True)
    country_code = models.CharField(_("country"), max_length=8, blank=True, default="")
    network = models.CharField(_("network"), max_length=40, blank=True, default="")
    rat_type = models.CharField(_("radio access"), max_length=40, blank=True, default="")
    ip_address = models.CharField(_("IP address"), max_length=45, blank=True, default="")
    custom1 = models.CharField(_("custom field 1"), max_length=200, blank=True, default="")
    custom2 = models.CharField(_("custom field 2"), max_length=200, blank=True, default="")
    custom3 = models.CharField(_("custom field 3"), max_length=200, blank=True, default="")
    custom4 = models.CharField(_("custom field 4"), max_length=200, blank=True, default="")
    custom5 = models.CharField(_("custom field 5"), max_length=200, blank=True, default="")
    search = models.TextField(
        _("search text"),
        blank=True,
        default="",
        help_text=_("Identifiers and custom fields in lower case, a line each."),
    )
    carrier_updated_at = models.DateTimeField(_("updated at the carrier"), null=True, blank=True)
    raw_digest = models.BigIntegerField(
        _("digest of what was received"), default=0, help_text=_("Tells whether a reading says anything new.")
    )
    observed_at = models.DateTimeField(_("observed"), help_text=_("When the newest reading of it was asked for."))
    observed_by = models.CharField(
        _("observed by"), max_length=20, blank=True, help_text=_("walk, changes, push, page, read_back.")
    )
    changed_at = models.DateTimeField(
        _("mirror changed"), default=timezone.now, help_text=_("When a reading last differed.")
    )
    first_seen_at = models.DateTimeField(_("first seen"), default=timezone.now)
    missing_since = models.DateTimeField(_("missing at the carrier since"), null=True, blank=True)

    class Meta:
        verbose_name = _("SIM")
        verbose_name_plural = _("SIMs")
        default_permissions = ("view",)
        permissions = [("run_sync", _("Can start a sync"))]
        indexes = list_indexes()

    def __str__(self) -> str:
        return self.giccid


class GiccidOfSim(models.CharField):
    """The giccid of the row's ``sim``, which fills itself in: lists are in its order, so that a table which has it
    finds a page of SIMs without looking up each of them."""

    def __init__(self, **extra: Any) -> None:
        defaults = {"max_length": 20, "null": True, "editable": False, "verbose_name": _("giccid")}
        super().__init__(**{**defaults, **extra})

    def pre_save(self, model_instance: Any, add: bool) -> Any:
        """What is there already, or the SIM's; nothing for a row without a SIM."""
        if getattr(model_instance, self.attname) is None and model_instance.sim_id is not None:
            setattr(model_instance, self.attname, model_instance.sim.giccid)
        return getattr(model_instance, self.attname)


class SimReading(models.Model):
    """What the carrier last said of a SIM, whole. Apart from the SIM: lists and counts read those by the thousand, and
    this would be most of each row."""

    sim = models.OneToOneField(
        Sim, verbose_name=_("SIM"), primary_key=True, on_delete=models.CASCADE, related_name="reading"
    )
    raw = models.JSONField(_("as received"), default=dict, blank=True)

    class Meta:
        verbose_name = _("reading of a SIM")
        verbose_name_plural = _("readings of SIMs")
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.pk)


class Subscription(models.Model):
    """A supplementary rate plan bought for a SIM."""

    sim = models.ForeignKey(Sim, verbose_name=_("SIM"), on_delete=models.CASCADE, related_name="subscriptions")
    giccid = GiccidOfSim()
    carrier_id = models.CharField(_("subscription id"), max_length=80)
    plan = models.ForeignKey(
        RatePlan, verbose_name=_("rate plan"), on_delete=models.PROTECT, related_name="subscriptions"
    )
    status = models.CharField(_("status"), max_length=40, blank=True)
    activated_at = models.DateTimeField(_("activated"), null=True, blank=True)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    data_usage = models.BigIntegerField(_("data used, bytes"), null=True, blank=True)
    data_quota = models.BigIntegerField(_("data quota, bytes"), null=True, blank=True)
    gone_since = models.DateTimeField(_("no longer listed since"), null=True, blank=True)

    class Meta:
        verbose_name = _("supplementary plan of a SIM")
        verbose_name_plural = _("supplementary plans of SIMs")
        default_permissions = ("view",)
        constraints = [models.UniqueConstraint(fields=["sim", "carrier_id"], name="subscription_once")]
        indexes = [
            models.Index(
                fields=["plan", "giccid"],
                include=["expires_at"],
                condition=Q(gone_since__isnull=True),
                name="subscription_sims",
            )
        ]

    def __str__(self) -> str:
        return f"{self.plan_id} {self.carrier_id}"


class Note(models.Model):
    """What somebody wants the next one to know about a SIM."""

    sim = models.ForeignKey(Sim, verbose_name=_("SIM"), on_delete=models.CASCADE, related_name="notes")
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("author"), on_delete=models.PROTECT, related_name="+"
    )
    text = models.TextField(_("text"), max_length=4000)
    created_at = models.DateTimeField(_("written"), default=timezone.now)

    class Meta:
        verbose_name = _("note")
        verbose_name_plural = _("notes")
        default_permissions = ("view", "add")
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.text[:60]
