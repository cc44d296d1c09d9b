"""Client and simulator, built apart from one contract, agree."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from smarthub import SmartHub, errors
from smarthub.contract import ApnStatus, SimStatus
from smarthub.contract_check import Verdict, check_contract, render
from smarthub.tests.conftest import KEY
from smarthub.tests.samples import GICCID

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def carrier() -> Iterator[SmartHub]:
    """A client of a simulator of its own."""
    command = [sys.executable, "-m", "simulator", "--port", "0", "--fleet", "300", "--seed", "1", "--api-key", KEY]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            ready = next(line for line in process.stdout if "ready on" in line)
            yield SmartHub(ready.split()[-1].strip(), KEY, read_retries=0, page_size=50)
        finally:
            process.terminate()


def test_the_contract_check_holds(carrier: SmartHub):
    result = check_contract(carrier)

    assert result.exit_status == 0, render(result)
    assert {endpoint.verdict for endpoint in result.endpoints} == {Verdict.HELD}, render(result)
    assert GICCID not in render(result)


def test_a_walk_reads_every_sim_once_and_whole(carrier: SmartHub):
    seen: list[str] = []
    page = carrier.list_sims()
    while True:
        assert list(page.unreadable) == []
        assert [sim.unreadable for sim in page.data if sim.unreadable] == []
        seen += [sim.giccid for sim in page.data]
        if page.is_last:
            break
        page = carrier.list_sims(page=page.page + 1)

    assert len(seen) == len(set(seen)) == page.total
    assert seen == sorted(seen)


def test_changes_are_made_and_logged(carrier: SmartHub):
    carrier.deactivate(GICCID)
    assert carrier.get_sim(GICCID).status == SimStatus.DEACTIVATED
    with pytest.raises(errors.Rejected) as caught:
        carrier.deactivate(GICCID)
    assert caught.value.code == "illegal_status"
    carrier.activate(GICCID)
    carrier.set_custom_fields(GICCID, {"custom1": "x"})
    assert carrier.get_custom_fields(GICCID)["custom1"] == "x"

    log = carrier.list_change_logs(giccid=GICCID, type="LOCAL_STATUS")
    assert {entry.target for entry in log.data} >= {"ACTIVATED", "DEACTIVATED"}


def test_plans_apns_jobs_and_messages(carrier: SmartHub):
    sim = carrier.get_sim(GICCID)
    plans = carrier.list_plans(sim.account_name).data
    top_up = next(plan.code for plan in plans if plan.type == "SUPPLEMENTARY")
    basic = next(plan.code for plan in plans if plan.type == "BASIC")

    bought = carrier.add_plan(GICCID, top_up)
    carrier.change_plan(GICCID, basic)
    after = carrier.get_sim(GICCID)
    assert bought.subscription_id in {item.subscription_id for item in after.supplementary_plans or ()}
    assert after.basic_plan is not None
    assert after.basic_plan.code == basic
    apn = (after.apns or [])[0].apn
    carrier.set_apn(GICCID, apn, ApnStatus.DISABLED)
    assert (carrier.get_sim(GICCID).apns or [])[0].status == ApnStatus.DISABLED

    job = carrier.get_batch_job(carrier.submit_batch("deactivate", [GICCID]))
    assert job.total == 1
    message = carrier.send_sms(carrier.list_sims(status="ACTIVATED").data[-1].giccid, "hello")
    assert carrier.get_sms(message.sms_id).message_text == "hello"


def test_what_the_carrier_refuses(carrier: SmartHub):
    unknown = "8986010000000000000"
    with pytest.raises(errors.NotFound) as caught:
        carrier.get_sim(unknown)
    assert caught.value.code == "missing"
    with pytest.raises(errors.NotFound):
        carrier.activate(unknown)
    with pytest.raises(errors.Rejected) as refused:
        carrier.change_plan(GICCID, "NO-SUCH-PLAN")
    assert refused.value.code == "invalid"
    assert not isinstance(refused.value, errors.NotFound)
    with pytest.raises(errors.AuthFailed):
        SmartHub(carrier._transport.base_url, "wrong").get_root()
