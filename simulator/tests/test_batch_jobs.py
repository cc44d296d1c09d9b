"""Batch jobs: stored at once, carried out later, each SIM by the rules."""

import pytest

from simulator.tests.conftest import SAMPLE, Simulator, wait_for

BATCH = "/batchJobs/global-sims"


def submit(carrier: Simulator, call: str, giccids: list[str], **more) -> str:
    response = carrier.post(f"{BATCH}/{call}", {"giccids": giccids, **more})
    assert response.status_code == 200, response.text
    return response.json()["jobId"]


def actives(carrier: Simulator, count: int) -> list[str]:
    data = carrier.get("/global-sims", status="ACTIVATED", size=100)["data"]
    return [sim["giccid"] for sim in data][:count]


def test_the_call_only_stores_the_job(carrier: Simulator) -> None:
    job = submit(carrier, "deactivate", [SAMPLE])
    answer = carrier.get(f"/batchJobs/{job}")
    assert (answer["status"], answer["type"], answer["total"]) == ("PENDING", "DEACTIVATE", 1)
    assert answer["data"] == [{"giccid": SAMPLE, "status": "PENDING"}]
    assert carrier.sim(SAMPLE)["status"] == "ACTIVATED"
    carrier.advance(10)
    answer = carrier.get(f"/batchJobs/{job}")
    assert (answer["status"], answer["succeeded"], answer["failed"]) == ("COMPLETED", 1, 0)
    assert answer["finishedTime"] >= answer["createdTime"]
    assert carrier.changes(SAMPLE) == [("status", "ACTIVATED", "DEACTIVATED")]
    assert carrier.get("/global-sims/changeLogs", giccid=SAMPLE)["total"] == 1


def test_progress_is_made_over_time_without_calls(carrier: Simulator) -> None:
    giccids = actives(carrier, 40)
    job = submit(carrier, "deactivate", giccids)
    running = wait_for(lambda: (a := carrier.get(f"/batchJobs/{job}"))["status"] == "RUNNING" and a)
    assert running["total"] == 40
    done = wait_for(lambda: carrier.control("GET", "/changes?what=status")["total"] == 40)
    assert done
    assert carrier.get(f"/batchJobs/{job}")["succeeded"] == 40


def test_item_results_tell_why(carrier: Simulator) -> None:
    giccids = [carrier.example("DEACTIVATED"), carrier.example("ACTIVATED"), "89860119079999999999"]
    job = submit(carrier, "retire", giccids)
    carrier.advance(10)
    answer = carrier.get(f"/batchJobs/{job}")
    assert [(item["status"], item.get("errorCode")) for item in answer["data"]] == [
        ("SUCCESS", None),
        ("FAILED", "illegal_status"),
        ("FAILED", "missing"),
    ]
    assert (answer["status"], answer["succeeded"], answer["failed"]) == ("COMPLETED", 1, 2)


def test_activate_and_plan_jobs(carrier: Simulator) -> None:
    giccid = carrier.example("INVENTORY")
    submit(carrier, "activate", [giccid])
    job = submit(carrier, "servicePackage", [SAMPLE], servicePackageCode="EU-5G-M", effective="NOW")
    carrier.advance(10)
    assert carrier.sim(giccid)["status"] == "ACTIVATED"
    assert carrier.sim(SAMPLE)["basicServicePackage"]["code"] == "EU-5G-M"
    assert carrier.get(f"/batchJobs/{job}")["type"] == "SERVICE_PACKAGE"


def test_results_are_paged(carrier: Simulator) -> None:
    giccids = actives(carrier, 25)
    job = submit(carrier, "deactivate", giccids)
    pages = [carrier.get(f"/batchJobs/{job}", page=n, size=10) for n in range(4)]
    assert [item["giccid"] for page in pages for item in page["data"]] == giccids
    assert [len(page["data"]) for page in pages] == [10, 10, 5, 0]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, "missing_field"),
        ({"giccids": []}, 422, "invalid"),
        ({"giccids": ["1" * 20] * 1001}, 422, "invalid"),
        ({"giccids": SAMPLE}, 400, None),
        ({"giccids": [1]}, 400, None),
        ([SAMPLE], 400, None),
    ],
)
def test_bad_jobs(carrier: Simulator, body, status: int, code: str | None) -> None:
    response = carrier.post(f"{BATCH}/deactivate", body)
    assert response.status_code == status
    if code:
        error = response.json()["errors"][0]
        assert (error["field"], error["code"]) == ("giccids", code)


def test_a_job_of_a_thousand_ends_within_seconds(carrier: Simulator) -> None:
    job = submit(carrier, "deactivate", ["1" * 20] * 1000)
    carrier.advance(6)
    assert carrier.get(f"/batchJobs/{job}")["failed"] == 1000


def test_unknown_plan_is_refused_when_the_job_is_submitted(carrier: Simulator) -> None:
    body = {"giccids": [SAMPLE], "servicePackageCode": "NONE", "effective": "NOW"}
    response = carrier.post(f"{BATCH}/servicePackage", body)
    assert response.json()["errors"][0]["field"] == "servicePackageCode"


def test_unknown_job_is_missing(carrier: Simulator) -> None:
    response = carrier.call("GET", "/batchJobs/none")
    assert (response.status_code, response.json()["errors"][0]["code"]) == (404, "missing")


def test_half_of_a_job_can_fail(carrier: Simulator) -> None:
    carrier.control("POST", "/jobs/faults", {"half_fail": 0.5})
    giccids = actives(carrier, 80)
    job = submit(carrier, "deactivate", giccids)
    carrier.advance(10)
    answer = carrier.get(f"/batchJobs/{job}", size=100)
    assert 15 < answer["failed"] < 65
    failed = [item["giccid"] for item in answer["data"] if item["status"] == "FAILED"]
    assert len(failed) == answer["failed"]
    assert carrier.control("GET", "/changes?what=status")["total"] == answer["succeeded"]


def test_a_job_can_stall_and_go_on(carrier: Simulator) -> None:
    carrier.control("POST", "/jobs/faults", {"stall": True})
    job = submit(carrier, "deactivate", [SAMPLE])
    carrier.advance(3600)
    assert carrier.get(f"/batchJobs/{job}")["status"] == "PENDING"
    carrier.control("DELETE", "/jobs/faults")
    carrier.advance(1)
    assert carrier.get(f"/batchJobs/{job}")["status"] == "COMPLETED"


def test_a_job_can_break(carrier: Simulator) -> None:
    carrier.control("POST", "/jobs/faults", {"break": True})
    job = submit(carrier, "deactivate", actives(carrier, 10))
    carrier.advance(10)
    answer = carrier.get(f"/batchJobs/{job}")
    assert (answer["status"], answer["succeeded"]) == ("FAILED", 5)
    assert [item["status"] for item in answer["data"]] == ["SUCCESS"] * 5 + ["PENDING"] * 5


@pytest.mark.parametrize(("forget", "changes"), [(True, 0), ("after", 1)])
def test_a_job_can_be_forgotten(carrier: Simulator, forget, changes: int) -> None:
    carrier.control("POST", "/jobs/faults", {"forget": forget})
    job = submit(carrier, "deactivate", [SAMPLE])
    carrier.advance(10)
    assert carrier.call("GET", f"/batchJobs/{job}").status_code == 404
    assert len(carrier.changes(SAMPLE)) == changes
