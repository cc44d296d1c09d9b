"""Whatever the carrier sends is read as far as it can be, and nothing is dropped in silence."""

import time
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from smarthub.answers import load_json
from smarthub.calls import CALLS
from smarthub.contract import (
    BatchJob,
    ChangeEntry,
    Plan,
    Sim,
    SimStatus,
    format_time,
    parse_time,
)
from smarthub.marks import Assumed, Documented
from smarthub.paging import read_page
from smarthub.tests.samples import CHANGE, GICCID, SIM, page
from smarthub.tolerant import WireModel

# Machines that run these beside other work are slow at times; the properties are not about speed.
patient = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
sim_keys = st.sampled_from([key for key in SIM if key not in {"giccid", "accountName", "status"}])
MODELS = sorted({call.model for call in CALLS.values() if call.model}, key=lambda model: model.__name__)


def test_the_contracts_own_sim_is_read_whole():
    sim = Sim.model_validate(SIM)

    assert (sim.giccid, sim.account_name, sim.status) == (GICCID, "example_account", SimStatus.ACTIVATED)
    assert sim.basic_plan is not None
    assert sim.basic_plan.code == "EU-100M-M"
    assert sim.supplementary_plans is not None
    assert sim.supplementary_plans[0].subscription_id == "s-1"
    assert sim.supplementary_plans[0].expired_time == datetime(2024, 12, 2, tzinfo=UTC)
    assert sim.cycle_usage is not None
    assert sim.cycle_usage.data_quota == 104857600
    assert sim.session is not None
    assert sim.session.online is True
    assert sim.custom_fields == {"custom1": "customer 7"}
    assert sim.raw is SIM
    assert sim.unreadable == ()


def test_only_what_the_contract_requires_is_required():
    sim = Sim.model_validate({"giccid": GICCID, "accountName": "a", "status": "PAUSED_BY_MOON"})

    assert sim.status == "PAUSED_BY_MOON"
    assert sim.apns is None
    assert sim.supplementary_plans is None
    assert sim.cycle_usage is None


@pytest.mark.parametrize("name", ["giccid", "accountName", "status"])
def test_a_sim_without_a_required_field_is_refused(name: str):
    with pytest.raises(ValidationError):
        Sim.model_validate({key: value for key, value in SIM.items() if key != name})


def test_unreadable_parts_are_left_out_and_named():
    sim = Sim.model_validate(
        {
            **SIM,
            "imei": {"is": "odd"},
            "msisdn": 8614500000040,
            "activatedTime": "yesterday",
            "apns": [{"status": "ENABLED"}, {"apn": "iot.example", "status": []}, 7],
            "cycleUsage": {"dataUsage": -1, "smsUsage": 3, "dataQuota": 2**63},
            "session": {"online": "perhaps", "countryCode": "DE"},
            "customFields": {"custom1": ["x"], "custom2": None},
            "somethingNew": 1,
        }
    )

    assert sim.msisdn == "8614500000040"
    assert sim.imei is None
    assert [apn.apn for apn in sim.apns or ()] == ["iot.example"]
    assert sim.cycle_usage is not None
    assert (sim.cycle_usage.data_usage, sim.cycle_usage.sms_usage) == (None, 3)
    assert sim.session is not None
    assert (sim.session.online, sim.session.country_code) == (None, "DE")
    assert sim.custom_fields == {"custom2": None}
    assert sim.raw["somethingNew"] == 1
    assert set(sim.unreadable) == {
        "imei",
        "activatedTime",
        "apns[0]",
        "apns[2]",
        "apns[0].status",
        "cycleUsage.dataUsage",
        "cycleUsage.dataQuota",
        "session.online",
        "customFields.*",
    }


@patient
@given(st.dictionaries(sim_keys, json_values))
def test_no_nonsense_in_optional_fields_costs_the_sim(nonsense: dict[str, Any]):
    sim = Sim.model_validate({**SIM, **nonsense})

    assert (sim.giccid, sim.account_name, sim.status) == (GICCID, "example_account", "ACTIVATED")
    if "session" not in nonsense:
        assert sim.session is not None
        assert sim.session.country_code == "DE"


@patient
@given(st.dictionaries(st.text() | st.sampled_from(list(SIM)), json_values))
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_any_object_is_read_or_refused_never_a_crash(model: Any, data: dict[str, Any]):
    try:
        read = model.model_validate(data)
    except ValidationError:
        return
    assert read.raw is data


@patient
@given(st.lists(json_values | st.just(SIM), max_size=6))
def test_a_page_gives_what_can_be_read_and_counts_the_rest(items: list[Any]):
    read = read_page(Sim, page(*items), 0, 100)

    assert len(read.data) + len(read.unreadable) == len(items)
    assert len(read.data) >= sum(item is SIM for item in items)


def test_reasons_hold_no_personal_data():
    bad = {**SIM, "status": ["8614500000040"], "imsi": {"460011234567890": 1}}
    del bad["accountName"]
    read = read_page(Sim, page(bad, SIM, "8614500000040", {**SIM, "giccid": "12"}), 0, 100)

    assert len(read.data) == 1
    assert [reason.split(":")[0] for reason in read.unreadable] == ["element 0", "element 2", "element 3"]
    assert "giccid" in read.unreadable[2]
    assert not any(secret in str(read.unreadable) for secret in ("86145", "46001", GICCID, "12'"))


@pytest.mark.parametrize(
    ("number", "size", "total", "count", "last"),
    [
        (0, 10, 30, 10, False),
        (2, 10, 30, 10, True),
        (2, 10, 21, 1, True),
        (1, 10, 30, 0, True),
        (0, 10, None, 10, False),
        (0, 10, None, 9, True),
    ],
)
def test_the_last_page_is_known(number: int, size: int, total: int | None, count: int, last: bool):
    answer = {"data": [SIM] * count, "page": number, "size": size, "total": total}

    assert read_page(Sim, answer, number, 100).is_last is last


def test_a_smaller_size_than_asked_is_taken_over():
    assert read_page(Sim, page(SIM, size=10, total=25), 0, 100).size == 10
    assert read_page(Sim, {"data": [SIM]}, 0, 100).size == 100


@pytest.mark.parametrize(
    "text",
    [
        "2018-10-10T10:32:50+0000",
        "2018-10-10T10:32:50Z",
        "2018-10-10T18:32:50+08:00",
        "2018-10-10T18:32:50.000+0800",
        "2018-10-10T18:32:50+08",
    ],
)
def test_times_are_read_as_utc(text: str):
    assert parse_time(text) == datetime(2018, 10, 10, 10, 32, 50, tzinfo=UTC)
    assert parse_time(text).tzinfo is UTC


@pytest.mark.parametrize(
    "text", ["", "2018-10-10", "2018-10-10T10:32:50", "2018-13-10T10:32:50Z", "0001-01-01T00:00:00+0800"]
)
def test_a_time_that_is_none_is_a_value_error(text: str):
    with pytest.raises(ValueError):
        parse_time(text)


def test_times_are_written_as_documented():
    assert format_time(parse_time("2018-10-10T18:32:50+08:00")) == "2018-10-10T10:32:50+0000"
    with pytest.raises(ValueError):
        format_time(datetime(2018, 10, 10))  # noqa: DTZ001 # the naive time is the point


def test_a_change_is_the_same_whatever_its_result():
    one = ChangeEntry.model_validate(CHANGE)
    again = ChangeEntry.model_validate({**CHANGE, "status": "FAILED", "createdTime": "2018-10-10T10:32:50Z"})

    assert one.identity == again.identity
    assert one.identity != ChangeEntry.model_validate({**CHANGE, "target": "RETIRED"}).identity


def test_json_that_no_database_keeps_is_made_storable():
    assert load_json(rb'{"a": "x\u0000\ud800y", "b": NaN, "c": 1e999, "d": "\ud83d\ude00"}') == {
        "a": "x\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}y",
        "b": None,
        "c": None,
        "d": "\N{GRINNING FACE}",
    }
    with pytest.raises(ValueError):
        load_json(b"[" * 200_000)


def test_every_field_and_call_carries_its_mark():
    for call in CALLS.values():
        assert isinstance(call.mark, Documented | Assumed), call.name
    models: list[type[WireModel]] = [*MODELS, ChangeEntry, BatchJob, Plan]
    for model in models:
        for name, field in model.model_fields.items():
            marks = [item for item in field.metadata if isinstance(item, Documented | Assumed)]
            assert len(marks) == 1, f"{model.__name__}.{name}"


@pytest.mark.slow
def test_a_page_of_a_hundred_sims_takes_milliseconds():
    answer = page(*([SIM] * 100))
    best = min(_seconds(lambda: read_page(Sim, answer, 0, 100)) for _ in range(20))

    assert best < 0.02


def _seconds(work: Any) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
