"""The carrier's own log and the portal's operations, change by change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from chaos.checks.findings import Finding
from chaos.checks.matching import Matched

_ONCE = ("add_plan", "send_sms")
_NOTHING_HAPPENED = ("failed", "expired", "cancelled")


def ends() -> Iterator[Finding]:
    """Everything has ended, and what a person has to look at says why."""
    from operations.models import BatchJob, Operation

    open_ = Operation.objects.filter(state__in=Operation.OPEN_STATES)
    for operation in open_:
        yield Finding.offender(f"operation {operation.pk} is {operation.state}: {operation.message}")
    for operation in Operation.objects.filter(state="needs_attention"):
        if not operation.message.strip():
            yield Finding.offender(f"operation {operation.pk} needs attention and does not say why")
    for state, count in Counter(Operation.objects.values_list("state", flat=True)).items():
        yield Finding.checked(f"operations {state}", count)
    for job in BatchJob.objects.exclude(state__in=BatchJob.FINAL_STATES).exclude(state=BatchJob.State.PLANNED):
        yield Finding.offender(f"job {job.pk} is {job.state}: {job.message}")
    items = Operation.objects.filter(job__isnull=False).count()
    yield Finding.checked("jobs", BatchJob.objects.count())
    yield Finding.checked("operations of jobs", items)


def lost(matched: Matched) -> Iterator[Finding]:
    """What the portal calls done is in the carrier's log, once; but for what was so already."""
    for wish in matched.wishes.values():
        if wish.state != "done":
            continue
        if wish.changes:
            yield Finding.checked("changes done, found in the carrier's log", 1)
        elif matched.was_so(wish):
            yield Finding.checked("changes done that were so already", 1)
        else:
            yield Finding.offender(f"done, but the carrier made no such change: {wish}")


def doubled(matched: Matched) -> Iterator[Finding]:
    """No change belongs to nobody, and none was made twice."""
    for change in matched.nobodys:
        yield Finding.offender(f"nobody asked for it then: {change}")
    for wish in matched.wishes.values():
        if len(wish.changes) > 1:
            yield Finding.offender(f"{len(wish.changes)} times: {wish}; {'; '.join(map(str, wish.changes))}")
    ours = sum(change.is_ours for change in matched.truth.changes)
    yield Finding.checked("changes of ours in the carrier's log", ours)
    yield Finding.checked("changes of others in the carrier's log", len(matched.truth.changes) - ours)


def denied(matched: Matched) -> Iterator[Finding]:
    """What is told as failed, expired or cancelled did not happen."""
    for wish in matched.wishes.values():
        if wish.state not in _NOTHING_HAPPENED:
            continue
        if wish.changes:
            yield Finding.offender(f"{wish}; {'; '.join(map(str, wish.changes))}")
        else:
            yield Finding.checked("changes told as not made, and not made", 1)


def bought_and_sent(matched: Matched) -> Iterator[Finding]:
    """Messages and purchases: once, or a person is asked, and told the truth."""
    from sms.models import Message

    sent = {change.after for change in matched.truth.changes if change.what == "sms" and change.is_ours}
    known = dict(Message.objects.filter(direction="mt").exclude(carrier_id="").values_list("carrier_id", "operation"))
    words = dict(Message.objects.filter(carrier_id__in=known).values_list("carrier_id", "delivery"))
    for carrier_id, word in words.items():
        if carrier_id in sent and (status := matched.truth.simulator.message(carrier_id)["status"]).lower() != word:
            yield Finding.offender(f"message {carrier_id} is {word}, the carrier says {status}")
    for carrier_id in known.keys() - sent:
        yield Finding.offender(f"message {carrier_id} of operation {known[carrier_id]} was never sent by the carrier")
    for wish in matched.wishes.values():
        if wish.kind not in _ONCE:
            continue
        yield Finding.checked(f"{wish.kind}: {wish.state}, {len(wish.changes)} at the carrier", 1)
        if wish.state == "done" and len(wish.changes) != 1:
            yield Finding.offender(f"{len(wish.changes)} at the carrier: {wish}")
        if wish.kind == "send_sms" and wish.state == "done" and wish.row["result"].get("sms_id") not in known:
            yield Finding.offender(f"its message does not know its id: {wish}")
        if wish.row["sends"] > 1 and wish.state == "done" and len(wish.changes) != 1:
            yield Finding.offender(f"sent {wish.row['sends']} times: {wish}")
