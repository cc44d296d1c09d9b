"""SIMs as pages of other apps name them: by their key, or by what somebody typed (:mod:`core.links`)."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from django.urls import reverse

from sims.models import Sim
from staff.scopes import scoped

_BETWEEN_DIGITS = re.compile(r"[\s\-.]+")


def giccid_of(text: str) -> str:
    """What was typed, without what stands between the digits of an identifier."""
    return _BETWEEN_DIGITS.sub("", text)


def sim_page(key: str) -> str:
    """The page of a SIM by its key in the database; empty for one that is not there."""
    giccid = Sim.objects.filter(pk=int(key)).values_list("giccid", flat=True).first() if key.isdecimal() else None
    return reverse("sims:detail", args=[giccid]) if giccid else ""


def find_sim(user: Any, text: str) -> tuple[str, Collection[Any]]:
    """The SIM with this giccid, if the user may see it."""
    return "sims.sim", scoped(Sim.objects.filter(giccid=giccid_of(text)), user).values_list("pk", flat=True)
