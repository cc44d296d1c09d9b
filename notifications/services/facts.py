"""What the database knows of events that the conditions of rules ask for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from notifications.models import Event, Rule
from notifications.services.matching import Facts
from sims.models import SimTag
from sims.models.tag import tag_key


def facts_of(events: Sequence[Event], rules: Iterable[Rule]) -> list[Facts]:
    """The facts of each event, in one query for the tags of their SIMs and none where no rule asks for tags."""
    tags = _tags({event.sim_id for event in events if event.sim_id is not None}, rules)
    return [
        Facts(
            kind=event.kind,
            account_name=event.account_name,
            plan_code=event.plan_code,
            tags=frozenset(tags.get(event.sim_id or 0, ())),
            value=event.value,
        )
        for event in events
    ]


def _tags(sims: set[int], rules: Iterable[Rule]) -> dict[int, set[str]]:
    wanted = {tag_key(tag) for rule in rules for tag in rule.tags}
    found: dict[int, set[str]] = {}
    if wanted and sims:
        worn = SimTag.objects.filter(sim_id__in=sims, tag__key__in=wanted)
        for sim_id, key in worn.values_list("sim_id", "tag__key"):
            found.setdefault(sim_id, set()).add(key)
    return found
