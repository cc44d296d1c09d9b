"""``--state``: everything goes on after a stop and after kill -9."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from simulator.clock import parse_time
from simulator.tests.conftest import ROOT, SAMPLE, Receiver, Simulator, wait_for

Launch = Callable[..., Simulator]


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_changes_logs_jobs_and_messages_go_on(launch: Launch, tmp_path: Path, end: str) -> None:
    arguments = ("--fleet", "100", "--state", str(tmp_path / "state.sqlite3"))
    first = launch(*arguments)
    first.control("POST", "/jobs/faults", {"stall": True})
    other = first.example("DEACTIVATED")
    job = first.post("/batchJobs/global-sims/activate", {"giccids": [other]}).json()["jobId"]
    sms = first.post("/mt-sms", {"toGiccid": SAMPLE, "messageText": "x"}).json()["smsMsgId"]
    bought = first.post(f"/global-sims/{SAMPLE}/servicePackages", {"servicePackageCode": "TOPUP-50M"}).json()
    first.post(f"/global-sims/{SAMPLE}/deactivate")
    first.control("POST", "/sims", {"giccid": "89860200000000000001", "accountName": "new_account"})
    first.control("DELETE", f"/sims/{first.example('INVENTORY')}")
    first.advance(86_400)
    before = {name: first.control("GET", f"/{name}") for name in ("changes", "clock")}
    sim, total = first.sim(SAMPLE), first.get("/global-sims")["total"]
    logs = first.get("/global-sims/changeLogs", size=100)
    getattr(first, end)()

    second = launch(*arguments)
    again = second.sim(SAMPLE)
    assert again["supplementaryServicePackages"] == [bought]
    assert (again["status"], again["updatedTime"]) == ("DEACTIVATED", sim["updatedTime"])
    assert second.control("GET", "/changes")["data"][: before["changes"]["total"]] == before["changes"]["data"]
    assert second.get("/global-sims/changeLogs", size=100)["data"][: logs["total"]] == logs["data"]
    assert second.get("/global-sims")["total"] == total == 100
    assert second.get("/global-sims", accountName="new_account")["total"] == 1
    passed = parse_time(second.control("GET", "/clock")["time"]) - parse_time(before["clock"]["time"])
    assert 0 <= passed < 60
    calls = second.control("GET", "/calls?call=deactivate")["data"]
    assert calls[-1]["giccid"] == SAMPLE
    second.advance(10)
    assert second.get(f"/batchJobs/{job}")["status"] == "COMPLETED"
    assert second.sim(other)["status"] == "ACTIVATED"
    # Its SIM was suspended for longer than the message lived.
    assert second.get(f"/mt-sms/{sms}")["status"] == "FAILED"
    # No id is given a second time.
    active = second.example("ACTIVATED")
    assert second.post("/mt-sms", {"toGiccid": active, "messageText": "x"}).json()["smsMsgId"] != sms
    assert second.post("/batchJobs/global-sims/deactivate", {"giccids": [active]}).json()["jobId"] != job


def test_nothing_answered_is_lost_by_kill_9_in_the_middle(launch: Launch, tmp_path: Path) -> None:
    arguments = ("--fleet", "300", "--state", str(tmp_path / "state.sqlite3"))
    first = launch(*arguments)
    giccids = [sim["giccid"] for sim in first.get("/global-sims", status="ACTIVATED", size=100)["data"]]
    answered: list[str] = []

    def suspend(giccid: str) -> None:
        try:
            if first.post(f"/global-sims/{giccid}/deactivate").status_code == 200:
                answered.append(giccid)
        except OSError:
            return

    with ThreadPoolExecutor(4) as pool:
        work = [pool.submit(suspend, giccid) for giccid in giccids]
        wait_for(lambda: len(answered) > 10)
        first.process.kill()
        for one in work:
            one.result()
    second = launch(*arguments)
    assert len(answered) > 10
    for giccid in answered:
        assert second.changes(giccid) == [("status", "ACTIVATED", "DEACTIVATED")]
        assert second.sim(giccid)["status"] == "DEACTIVATED"
    for change in second.control("GET", "/changes")["data"]:
        (call,) = second.control("GET", f"/calls?giccid={change['giccid']}&call=deactivate")["data"]
        assert call["id"] == change["call_id"]


def test_pending_pushes_are_sent_after_a_restart(launch: Launch, tmp_path: Path) -> None:
    arguments = ("--fleet", "50", "--state", str(tmp_path / "state.sqlite3"))
    first = launch(*arguments, "--push-url", "http://127.0.0.1:9/x/")
    first.post(f"/global-sims/{SAMPLE}/deactivate")
    wait_for(lambda: [r for r in first.control("GET", "/pushes")["data"] if r["attempts"]])
    first.kill()
    receiver = Receiver()
    launch(*arguments, "--push-url", receiver.url)
    wait_for(lambda: receiver.received)
    assert receiver.bodies()[0]["targetStatus"] == "DEACTIVATED"
    receiver.server.shutdown()
    receiver.server.server_close()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "simulator", "--port", "0", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)


def test_another_fleet_or_seed_is_refused_with_an_old_file(launch: Launch, tmp_path: Path) -> None:
    path = str(tmp_path / "state.sqlite3")
    launch("--fleet", "50", "--state", path).stop()
    for arguments, message in ((("--fleet", "60"), "fleet 50, not 60"), (("--fleet", "50", "--seed", "2"), "seed 1")):
        result = run("--state", path, *arguments)
        assert result.returncode == 2
        assert message in result.stderr
        assert "Traceback" not in result.stderr


def test_a_file_in_use_or_of_another_kind_is_refused(launch: Launch, tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite3"
    launch("--fleet", "50", "--state", str(path))
    other = tmp_path / "other.txt"
    other.write_text("no database at all, but long enough to be looked at " * 20)
    for file in (path, other):
        result = run("--fleet", "50", "--state", str(file))
        assert result.returncode == 2
        assert "cannot use the state file" in result.stderr


def test_a_taken_port_is_a_clear_message(carrier: Simulator) -> None:
    port = carrier.url.rpartition(":")[2]
    result = run("--port", port)
    assert result.returncode == 2
    assert f"cannot listen on 127.0.0.1:{port}" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ends_within_two_seconds_whatever_hangs(launch: Launch, number: signal.Signals) -> None:
    simulator = launch("--fleet", "50")
    simulator.fault("hang", "get_sim", seconds=60)
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(simulator.call, "GET", f"/global-sims/{SAMPLE}")
        wait_for(lambda: simulator.control("GET", "/faults")["data"][0]["hits"])
        started = time.monotonic()
        simulator.process.send_signal(number)
        assert simulator.process.wait(timeout=5) == 0
        assert time.monotonic() - started < 2
        with pytest.raises(OSError):
            hanging.result()
    assert simulator.process.stderr
    assert simulator.process.stderr.read() == ""


def test_speed_makes_time_pass_faster(launch: Launch) -> None:
    simulator = launch("--fleet", "50", "--speed", "3600")
    first = simulator.control("GET", "/clock")
    wait_for(lambda: simulator.control("GET", "/clock")["unix"] - first["unix"] > 1800, 5)


@pytest.mark.slow
def test_a_million_sims_start_fast_stay_small_and_page_anywhere(launch: Launch) -> None:
    simulator = launch("--fleet", "1000000")
    process = Path(f"/proc/{simulator.process.pid}")
    if process.exists():
        # What it computed: how long that takes is up to what else the machine does.
        computed = sum(map(int, (process / "stat").read_text().rpartition(")")[2].split()[11:13]))
        assert computed / os.sysconf("SC_CLK_TCK") < 5
    answer = simulator.get("/global-sims", page=9_999, size=100)
    assert (len(answer["data"]), answer["total"]) == (100, 1_000_000)
    if process.exists():
        status = (process / "status").read_text()
        peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        assert int(peak.split()[1]) < 250_000
