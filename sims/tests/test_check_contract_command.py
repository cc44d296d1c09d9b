"""`manage.py check_contract` asks the carrier of the settings and says by its exit status what it found."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from tests.servers import Simulator


def test_it_passes_on_a_carrier_that_keeps_the_contract(simulator: Simulator) -> None:
    out = StringIO()

    call_command("check_contract", stdout=out)

    assert "GET /global-sims/{giccid} (documented): held, reachable, status 200" in out.getvalue()
    assert simulator.api_key not in out.getvalue()
    assert "example_account" not in out.getvalue()


def test_it_fails_without_a_usable_answer(simulator: Simulator, with_carrier: Callable[..., Any]) -> None:
    out = StringIO()

    with with_carrier(SMARTHUB_API_KEY="wrong-key"), pytest.raises(SystemExit) as ended:
        call_command("check_contract", stdout=out)

    assert ended.value.code == 2
    assert "the key is refused" in out.getvalue()
    assert "wrong-key" not in out.getvalue()
