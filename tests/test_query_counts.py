"""Pages take a fixed number of queries, however many rows they show; the numbers stand in ``query_counts.json``.

A change of a number is a decision: write the new one into the file.
"""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from core import audit, audit_chain
from sims.models import RatePlan, Subscription
from sims.services.timeline import record_plain

pytestmark = pytest.mark.django_db

BASELINE = json.loads((Path(__file__).parent / "query_counts.json").read_text())
HTMX = {"HX-Request": "true", "HX-Target": "results"}


@pytest.fixture
def fill(make_sim):
    """``fill(n)``: n SIMs of as many plans and accounts, the first with n of everything that a SIM can have."""

    def make(number: int) -> str:
        sims = [make_sim(plan=f"P{n}", pool=f"S{n}", account=f"account{n}", country_code="DE") for n in range(number)]
        plan = RatePlan.objects.create(code="TOP")
        for n in range(number):
            Subscription.objects.create(sim=sims[0], plan=plan, carrier_id=str(n))
            record_plain(sim=sims[0], kind="plan", at=timezone.now(), from_value=f"P{n}", to_value="TOP")
            record_plain(sim=sims[0], kind="status", at=timezone.now(), to_value="ACTIVATED")
        return sims[0].giccid

    return make


def addresses(giccid: str, client) -> dict[str, tuple[str, dict[str, str]]]:
    html = client.get(f"/sims/{giccid}/").content.decode()
    [live] = re.findall(r'id="sim-live" hx-get="([^"]*)"', html)
    return {
        "list": ("/sims/", {}),
        "list, filtered and sorted": ("/sims/?status=ACTIVATED&plan=P1&plan=P2&sort=-usage", {}),
        "list, fragment": ("/sims/?status=ACTIVATED", HTMX),
        "list, search for a part": ("/sims/?q=8986", HTMX),
        "list, search for an identifier": (f"/sims/?q={giccid}", HTMX),
        "SIM": (f"/sims/{giccid}/", {}),
        "SIM, older entries": (f"/sims/{giccid}/timeline/", HTMX),
        "SIM, usage": (f"/sims/{giccid}/usage/", HTMX),
        "SIM, nothing new": (unescape(live), HTMX),
        "SIM, something new": (f"/sims/{giccid}/live/", HTMX),
    }


def of_the_trail(number: int, who) -> dict[str, tuple[str, dict[str, str]]]:
    """Lists of as many audit entries."""
    for n in range(number):
        audit.record(action=f"test.act{n}", actor=who, target=who, account_name=f"account{n}")
    audit_chain.seal()
    return {
        "audit trail": ("/audit/", {}),
        "audit trail, filtered": (f"/audit/?who={who.username}&action=test.act1", {}),
        "audit trail, searched, fragment": (f"/audit/?q={who.username}", HTMX),
    }


@pytest.mark.parametrize("number", [5, 50])
def test_pages_take_their_number_of_queries(fill, login, agent, administrator, number):
    client, counted = login(agent), {}
    pages = addresses(fill(number), client)
    trail = of_the_trail(number, administrator)
    for name, (address, headers) in (pages | trail).items():
        if name in trail:
            client = login(administrator)
        with CaptureQueriesContext(connection) as queries:
            assert client.get(address, headers=headers).status_code in (200, 204)
        counted[name] = len(queries)
    assert counted == BASELINE
