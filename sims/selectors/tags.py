"""Reading tags."""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib.auth.models import AnonymousUser
from django.db.models import Exists, OuterRef, QuerySet

from core.prepared import NUMBER, found_for, kept
from sims.models import Sim, SimTag, Tag
from staff.models import User
from staff.scopes import scoped, visible_accounts


def tag_names(sim_id: int) -> set[str]:
    """The names of the tags of one SIM, for rules; asks nobody's permission. Compare by ``tag_key``."""
    return set(Tag.objects.filter(sim_tags__sim_id=sim_id).values_list("name", flat=True))


def tags_of(sim: Sim) -> list[SimTag]:
    """The tags of a SIM that the user was shown to see already, in order, with who added each."""
    return _of_sim().models([(NUMBER, sim.pk)])


@kept
def _of_sim() -> QuerySet[SimTag]:
    return SimTag.objects.filter(sim=NUMBER).select_related("tag", "added_by").order_by("tag__key")


def tags_of_many(sim_ids: Iterable[int]) -> dict[int, list[str]]:
    """Names of the tags of each of the SIMs, in order, in one query; SIMs without any are left out."""
    found: dict[int, list[str]] = {}
    pairs = SimTag.objects.filter(sim_id__in=list(sim_ids)).order_by("tag__key").values_list("sim_id", "tag__name")
    for sim_id, name in pairs:
        found.setdefault(sim_id, []).append(name)
    return found


def known_tags(user: User | AnonymousUser) -> list[str]:
    """Names of the tags on SIMs that ``user`` may see, in order."""
    return [tag.name for tag in found_for(user, _worn)]


def _worn(user: User) -> QuerySet[Tag]:
    worn = SimTag.objects.filter(tag=OuterRef("pk"))
    if visible_accounts(user) is not None:
        worn = scoped(worn, user, account="sim__account_id")
    return Tag.objects.filter(Exists(worn)).order_by("key")
