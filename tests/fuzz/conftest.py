from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from operations.tests.fixtures import ask, carrier_sim, plans
from tests.fuzz.cases import CASES

__all__ = ["ask", "carrier_sim", "plans"]


def pytest_collection_modifyitems(items: list[Any]) -> None:
    """The suite tries its few cases once, on SQLite; a long run goes to either database."""
    if connection.vendor == "postgresql" and not CASES:
        for item in items:
            if item.path.parent == Path(__file__).parent:
                item.add_marker(pytest.mark.skip(reason="once is enough: on SQLite, or by make fuzz"))
