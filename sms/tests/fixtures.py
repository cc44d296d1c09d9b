"""A SIM that can receive, a message to it, and what the pages say of that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from operations.models import Operation
from operations.services.requests import request_operation
from sims.models import Sim
from sms.models import Message
from sms.selectors import with_state

TEXT = "Private words 4711"


@pytest.fixture
def active_sim(simulator: Any, mirrored: Callable[[str], Sim]) -> Sim:
    """An activated SIM of the carrier, in the mirror."""
    return mirrored(simulator.pick(status="ACTIVATED", account="example_account"))


@pytest.fixture
def write(agent: Any) -> Callable[..., Operation]:
    """``write(sim, text)``: a message as the agent asks for it."""

    def request(sim: Sim, text: str = TEXT, *, nonce: str | None = None, actor: Any = None, **params: Any) -> Operation:
        return request_operation(
            sim=sim, kind="send_sms", params={"text": text, **params}, actor=actor or agent, reason="", nonce=nonce
        )

    return request


@pytest.fixture
def state_of() -> Callable[[Operation], str]:
    """``state_of(operation)``: the state of its message, as lists and pages show it."""

    def read(operation: Operation) -> str:
        return str(with_state(Message.objects.filter(operation=operation)).get().state)

    return read
