"""The timeline: each change of the carrier is one entry, that of its operation where it had one."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from chaos.checks.findings import Finding
from chaos.checks.matching import Matched

_KINDS = {
    "status": "status",
    "plan": "plan",
    "next_plan": "plan",
    "subscription": "subscription",
    "apn": "apn",
    "custom_fields": "custom_fields",
    "sms": "sms",
    "imei": "imei",
}
_OF_CHANGES = ("status", "plan", "subscription", "apn", "custom_fields", "imei")
_UNTOLD = ("cancelled", "awaiting_approval", "queued")
_MARGIN = 2.0


def missing(matched: Matched) -> Iterator[Finding]:
    """Each operation that was told of has its entry, and the entry says how it ended."""
    from sims.models import TimelineEvent

    columns = ("operation_id", "kind", "outcome", "sim_id")
    rows = TimelineEvent.objects.exclude(operation_id=None).values_list(*columns)
    entries = {row[0]: row[1:] for row in rows}
    lapsed = 0
    for wish in matched.wishes.values():
        entry = entries.get(wish.id)
        if entry is None:
            if wish.changes or (wish.state not in _UNTOLD and wish.row["first_sent_at"]):
                yield Finding.offender(f"no entry: {wish}")
            lapsed += 1
            continue
        yield Finding.checked("timeline entries of operations", 1)
        kind, outcome, sim_id = entry
        if kind != _KINDS[wish.what] or sim_id != wish.row["sim_id"]:
            yield Finding.offender(f"its entry is another's ({kind} of SIM {sim_id}): {wish}")
        if wish.state == "done" and outcome not in _told_as(wish.kind):
            yield Finding.offender(f"its entry says {outcome}: {wish}")
        if outcome == "success" and wish.state != "done" and not wish.changes:
            yield Finding.offender(f"its entry says that it happened: {wish}")
    yield Finding.checked("operations never sent, without an entry", lapsed)


def _told_as(kind: str) -> tuple[str, ...]:
    # A message that was sent may not have arrived.
    return ("success", "scheduled", "failed") if kind == "send_sms" else ("success", "scheduled")


def doubled(matched: Matched) -> Iterator[Finding]:
    """No entry of a change is without its operation, but for the changes of others, which have one each."""
    from sims.models import TimelineEvent

    first = min((change.unix for change in matched.truth.changes), default=0.0) - _MARGIN
    others: Counter[tuple[str, str, str]] = Counter(
        (change.giccid, _KINDS[change.what], str(change.after))
        for change in matched.truth.changes
        if not change.is_ours
    )
    found: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    columns = ("pk", "sim__giccid", "kind", "to_value", "at")
    rows = TimelineEvent.objects.filter(operation_id=None, kind__in=_OF_CHANGES).values_list(*columns)
    for pk, giccid, kind, to_value, at in rows:
        if at.timestamp() >= first:
            found[giccid, kind, to_value].append(pk)
    for key, count in others.items():
        yield Finding.checked("timeline entries of others' changes", count)
        if len(found.pop(key, [])) != count:
            yield Finding.offender(f"{count} changes of others, but other entries: {key}")
    for key, pks in found.items():
        for event in TimelineEvent.objects.filter(pk__in=pks):
            yield Finding.offender(
                f"an entry of no change: {key}, entry {event.pk} at {event.at}, told by "
                f"{[(telling['source'], telling['time']) for telling in event.tellings]}"
            )
