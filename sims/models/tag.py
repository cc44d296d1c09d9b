"""Words that people put on SIMs, to find them by and to make rules for."""

from __future__ import annotations

import unicodedata

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from sims.models.sim import GiccidOfSim, Sim

TAG_LENGTH = 40
"""Characters of a tag at most."""


class Tag(models.Model):
    """A word for any number of SIMs. Kept when the last SIM loses it, so that whatever names it stays true."""

    name = models.CharField(_("name"), max_length=TAG_LENGTH, help_text=_("As it was first written."))
    key = models.CharField(_("key"), max_length=3 * TAG_LENGTH, unique=True, editable=False)

    class Meta:
        verbose_name = _("tag")
        verbose_name_plural = _("tags")
        default_permissions = ()
        permissions = [("tag_sim", _("Can tag SIMs"))]
        ordering = ["key"]

    def __str__(self) -> str:
        return self.name


class SimTag(models.Model):
    """One tag on one SIM."""

    sim = models.ForeignKey(
        Sim, verbose_name=_("SIM"), on_delete=models.CASCADE, related_name="sim_tags", db_index=False
    )
    giccid = GiccidOfSim()
    tag = models.ForeignKey(
        Tag, verbose_name=_("tag"), on_delete=models.PROTECT, related_name="sim_tags", db_index=False
    )
    added_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("added by"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
    )
    added_at = models.DateTimeField(_("added"), default=timezone.now)

    class Meta:
        verbose_name = _("tag of a SIM")
        verbose_name_plural = _("tags of SIMs")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["sim", "tag"], name="sim_tag_once"),
            # That a tag has a giccid once says the other, too. The database joins the two as they come for knowing it.
            models.UniqueConstraint(fields=["tag", "giccid"], name="sim_tag_giccid_once"),
        ]
        indexes = [models.Index(fields=["tag", "sim"], name="sim_tag_sims")]

    def __str__(self) -> str:
        return f"{self.tag_id} on {self.sim_id}"


def tag_key(name: str) -> str:
    """What two spellings of the same tag have in common: case and composition of letters do not count.

    Worked out here and not in the database, which may know upper case for ASCII alone (SQLite).
    """
    return unicodedata.normalize("NFC", name.casefold())
