"""A SIM of the simulated carrier for each kind of change, with the plans its account may use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from operations.models import Operation
from operations.services.requests import request_operation
from operations.tests.helpers import WISHES
from sims.models import Account, RatePlan, Sim
from sims.services.carrier import get_client
from smarthub import Lane


@pytest.fixture
def plans(simulator: Any, db: None) -> Callable[[str], None]:
    """``plans(account)`` puts the carrier's plans of that account into the mirror."""

    def read(account_name: str) -> None:
        account, _created = Account.objects.get_or_create(name=account_name)
        page = get_client(Lane.AGENT).list_plans(account_name, size=100)
        for plan in page.data:
            row, _created = RatePlan.objects.update_or_create(
                code=plan.code,
                defaults={
                    "name": plan.name or "",
                    "kind": plan.type or "",
                    "price": plan.price,
                    "currency": plan.currency or "",
                    "fetched_at": timezone.now(),
                },
            )
            row.accounts.add(account)

    return read


@pytest.fixture
def carrier_sim(simulator: Any, mirrored: Callable[[str], Sim], plans: Callable[[str], None]) -> Callable[..., Sim]:
    """``carrier_sim(kind)``: a SIM of the carrier, in the mirror, whose state allows that kind."""

    def pick(kind: str = "suspend", *, account: str = "example_account", n: int = 0) -> Sim:
        status = {"activate": "DEACTIVATED", "retire": "DEACTIVATED"}.get(kind, "ACTIVATED")
        sim = mirrored(simulator.pick(status=status, account=account, n=n))
        plans(account)
        return sim

    return pick


@pytest.fixture
def ask(supervisor: Any) -> Callable[..., Operation]:
    """``ask(sim, kind, **params)``: an operation as the supervisor asks for it; sound parameters unless given."""

    def request(sim: Sim, kind: str, *, actor: Any = None, nonce: str | None = None, **params: Any) -> Operation:
        return request_operation(
            sim=sim,
            kind=kind,
            params={**WISHES[kind](sim), **params},
            actor=actor or supervisor,
            reason="the customer asked for it",
            ticket="T-1",
            nonce=nonce,
        )

    return request
