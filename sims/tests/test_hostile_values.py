"""Values that somebody chose to do harm: in files, in addresses, in what the carrier tells."""

from __future__ import annotations

import io
from decimal import Decimal
from typing import Any
from xml.dom import minidom
from zipfile import ZipFile

import pytest
from django.utils import timezone
from openpyxl import load_workbook

from core.spreadsheets import Column, Table, write_xlsx
from sims.cost_report import report
from sims.models import Account, CountryMonth, CountryUsage, RatePlan
from sims.selectors.costs import Candidate, Rule, SimCycles, Totals, Used, take
from sims.services.reference import store_account, store_pools
from sims.services.tallies import mend
from smarthub import contract

pytestmark = pytest.mark.django_db


def xlsx(table: Table) -> bytes:
    target = io.BytesIO()
    write_xlsx(table, target)
    return target.getvalue()


@pytest.mark.parametrize("is_text", [False, True])
def test_nothing_in_a_sheet_is_a_formula_or_breaks_it(is_text):
    texts = ["\x01=1+1", "\x1f\x0b@x", "\ufffe+1", "\ud800-1", "a\uffffb\x00", "=1+1", "\x02"]
    columns = [Column(text, is_text=is_text) for text in texts]
    book = xlsx(Table("\x01=Plan\ufffe", "n", columns, lambda: iter([texts]), lambda: 1))
    for name in (names := ZipFile(io.BytesIO(book))).namelist():
        if name.endswith(".xml"):
            assert b"<f>" not in names.read(name)
            minidom.parseString(names.read(name))
    sheet: Any = load_workbook(io.BytesIO(book)).active
    plain = ["'=1+1", "'@x", "'+1", "'-1", "ab", "'=1+1", None]
    for row in sheet.iter_rows(values_only=True):
        assert list(row) == plain
    assert sheet.title == "=Plan"


def test_an_account_out_of_scope_finds_no_plans_as_one_that_there_is_not(make_user, login):
    plan = RatePlan.objects.create(code="BOTH")
    for name in ("mine", "theirs"):
        Account.objects.create(name=name).plans.add(plan)
    client = login(make_user("Viewer", ["mine"]))
    for address, found in (("account=mine", True), ("account=theirs", False), ("account=theirs&account=mine", True)):
        for more in ("", "&export=csv"):
            answer: Any = client.get(f"/plans/?{address}{more}")
            text = b"".join(answer.streaming_content) if answer.streaming else answer.content
            assert (b"BOTH" in text) is found
    assert b"BOTH" in login(make_user("Viewer")).get("/plans/?account=theirs").content


def test_absurd_numbers_of_the_carrier_break_no_page(make_sim, administrator, login):
    most, now = 2**63 - 1, timezone.now()
    make_sim(account="one", data_usage=most, data_quota=1)
    for name in ("one", "two"):
        for amount in ("999999999999.99996", "-999999999999.9999"):
            told = contract.Account.model_validate({"name": name, "balance": amount, "currentCharge": "1"})
            store_account(name, told)
        pool = {"code": name, "accountName": name, "dataUsage": most, "dataQuota": 1}
        store_pools([contract.Pool.model_validate(pool)])
        row = {"account_id": name, "month": now.date().replace(day=1), "read_at": now}
        CountryMonth.objects.create(countries=1, **row)
        CountryUsage.objects.create(country_code="DE", data_usage=most, sim_count=2**31 - 1, **row)
    mend()
    assert set(Account.objects.values_list("balance", "current_charge")) == {(None, 1)}
    client = login(administrator)
    for address in ("/", "/accounts/", "/pools/", "/pools/one/", "/statistics/", "/statistics/?country=DE"):
        assert client.get(address).status_code == 200, address


def test_a_plan_of_one_byte_costs_more_than_python_s_digits():
    own, packs = Rule("own", Decimal("0.0001"), "EUR", None, 0, False), Decimal("99999999.9999")
    plan = RatePlan(code="BYTE", billing="PREPAID", price=packs, currency="EUR", data_quota=1)
    totals = Totals([Candidate(plan, Rule.of(plan), frozenset(), frozenset())])
    take(totals, SimCycles("8986", "one", "own", "", [Used(2**63 - 1, 30)]), own)
    [row] = report(totals).plans
    assert row.total_text.startswith("922,337,203,684,555,")
    assert row.a_cycle_text == row.total_text
    assert row.percent_text.startswith("+922,337,203,684,555,")
