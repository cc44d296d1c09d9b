"""How things stand with the carrier and the mirror, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Max
from django.utils import timezone

from core import gauges
from core.gauges import Gauge
from sims.models import CarrierLink, SyncRun
from sims.services.carrier import get_budget


def budget() -> Iterable[Gauge]:
    """The call budget of all processes together. Raises :class:`BudgetUnavailable` while Valkey is away."""
    state = get_budget().state()
    waiting = [([lane], number) for lane, number in state["waiting"].items()]
    used = [([lane], number) for lane, number in state["used_by_lane"].items()]
    yield Gauge("portal_budget_calls_last_minute", "Calls to the carrier in the last 60 seconds.", ["lane"], used)
    yield Gauge("portal_budget_waiting", "Calls that wait for their turn.", ["lane"], waiting)
    if state["rate"] is not None:
        share = state["used"] / (60 * state["set_rate"])
        yield Gauge("portal_budget_used_ratio", "Share of SMARTHUB_RATE used in the last minute.", [], [([], share)])
        yield Gauge("portal_budget_rate", "Calls a second allowed now; less after a 429.", [], [([], state["rate"])])


def sync() -> Iterable[Gauge]:
    """Ages in seconds of what the mirror holds, and how long the carrier has not answered."""
    now = timezone.now()
    done = SyncRun.objects.filter(state=SyncRun.State.DONE)
    ages = []
    for kind in SyncRun.Kind.values:
        # Its start, or up to where it has read: what came later it may not have seen.
        newest = done.filter(kind=kind).order_by("-id").values_list("watermark", "started_at").first()
        if newest:
            ages.append(([kind], (now - (newest[0] or newest[1])).total_seconds()))
    yield Gauge("portal_sync_age_seconds", "Age of the last complete sync of a kind.", ["kind"], ages)
    failing = CarrierLink.objects.filter(pk=CarrierLink.ONLY).aggregate(since=Max("failing_since"))["since"]
    seconds = (now - failing).total_seconds() if failing else 0.0
    yield Gauge("portal_carrier_failing_seconds", "Time without an answer of the carrier.", [], [([], seconds)])


def register() -> None:
    """Have them asked when ``/metrics`` is read."""
    gauges.register("budget", budget)
    gauges.register("sync", sync)
