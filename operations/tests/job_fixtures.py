"""Running jobs over SIMs of the simulated carrier."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings

from operations.models import BatchJob
from operations.tests.helpers import WISHES
from operations.tests.job_helpers import running_job
from sims.models import Sim
from sims.services.mirror import Source
from sims.services.refresh import read_sims
from smarthub import Lane


@pytest.fixture
def config() -> Any:
    """``config(BATCH_CHUNK_SIZE=5)`` sets options of the portal until the test ends."""
    before = dict(settings.CONFIG)

    def change(**values: Any) -> None:
        settings.CONFIG.update(values)

    yield change
    settings.CONFIG.clear()
    settings.CONFIG.update(before)


@pytest.fixture
def carrier_sims(simulator: Any, plans: Callable[[str], None]) -> Callable[..., list[Sim]]:
    """``carrier_sims(kind, count)``: that many SIMs of the carrier, in the mirror, whose state allows that kind."""

    def pick(
        kind: str = "suspend", count: int = 6, *, account: str | None = "example_account", first: int = 0
    ) -> list[Sim]:
        status = {"activate": "DEACTIVATED", "retire": "DEACTIVATED"}.get(kind, "ACTIVATED")
        giccids = [simulator.pick(status=status, account=account, n=n) for n in range(first, first + count)]
        read_sims(giccids, lane=Lane.AGENT, source=Source.PAGE)
        sims = list(Sim.objects.filter(giccid__in=giccids).order_by("giccid"))
        for name in {sim.account_id for sim in sims}:
            plans(name)
        return sims

    return pick


@pytest.fixture
def start_job(carrier_sims: Callable[..., list[Sim]], supervisor: Any) -> Callable[..., BatchJob]:
    """``start_job(kind, count)``: a job over that many SIMs, confirmed and running; sound parameters unless given."""

    def start(kind: str = "suspend", count: int = 6, *, params: Any = None, sims: list[Sim] | None = None) -> BatchJob:
        sims = carrier_sims(kind, count) if sims is None else sims
        if params is None and kind == "change_plan":
            params = _plan_for_all(sims)
        elif params is None:
            params = [{k: v for k, v in WISHES[kind](sim).items() if k != "confirm"} for sim in sims]
        return running_job(kind=kind, sims=sims, actor=supervisor, params=params)

    return start


def _plan_for_all(sims: list[Sim]) -> dict[str, str]:
    from operations.forms import plans_for
    from sims.models import RatePlan

    held = {sim.plan_id for sim in sims}
    plan = plans_for(sims[0], RatePlan.Kind.BASIC).exclude(code__in=held).first()
    assert plan is not None
    return {"plan": plan.code, "effective": "NOW"}
