"""Processes come back when they die, say only what matters, and all end with their supervisor."""

import os
import signal
import time

import pytest

from demo.supervisor import PATIENCE, ProcessFailed, Service, Stopped, Supervisor, python
from tests.servers import wait_until


@pytest.fixture
def supervisor(tmp_path):
    """A supervisor whose signal handlers don't stay behind."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    with Supervisor(environment={"PATH": os.environ["PATH"]}, logs=tmp_path) as made:
        yield made
    for number, handler in before.items():
        signal.signal(number, handler)


def script(name, code, **fields):
    return Service(name, python("-c", code), **fields)


def turn_until(supervisor, condition):
    def ask():
        supervisor.turn()
        return condition()

    return wait_until(ask)


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


WAITS = "import time; print('up', flush=True); time.sleep(600)"


def test_a_killed_process_starts_again(supervisor, tmp_path, capsys):
    supervisor.start(script("worker", "import os; print(os.getpid(), flush=True); import time; time.sleep(600)"))
    log = tmp_path / "worker.log"
    turn_until(supervisor, lambda: log.read_text().count("\n") == 1)
    os.kill(int(log.read_text()), signal.SIGKILL)
    turn_until(supervisor, lambda: log.read_text().count("\n") == 2)
    assert "worker   | ended (killed by SIGKILL), starts again in 0.5 s" in capsys.readouterr().out


def test_a_stubborn_process_and_what_it_started_are_ended(supervisor, tmp_path):
    code = (
        "import signal, subprocess, sys, os, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
        "print(os.getpid(), child.pid, flush=True); time.sleep(600)"
    )
    supervisor.start(script("stubborn", code))
    log = tmp_path / "stubborn.log"
    turn_until(supervisor, lambda: log.read_text().endswith("\n"))
    pids = [int(text) for text in log.read_text().split()]
    began = time.monotonic()
    supervisor.stop()
    assert time.monotonic() - began < PATIENCE + 2
    wait_until(lambda: not any(is_alive(pid) for pid in pids), what="their end")


def test_a_step_that_fails_says_why(supervisor):
    with pytest.raises(ProcessFailed, match="no such table"):
        supervisor.run(script("prepare", "raise SystemExit('no such table')", restart="never"))
    supervisor.run(script("fine", "pass", restart="never"))


def test_a_step_that_must_succeed_is_tried_again(supervisor, tmp_path):
    mark = tmp_path / "mark"
    code = f"import pathlib, sys; p = pathlib.Path({str(mark)!r}); done = p.exists(); p.touch(); sys.exit(not done)"
    supervisor.start(script("sync", code, restart="until_done"))
    turn_until(supervisor, lambda: supervisor.finished.get("sync") == 0)


def test_the_terminal_shows_warnings_and_the_log_everything(supervisor, tmp_path, capsys):
    lines = ["level=info event=quiet", "level=warning event=careful", "[ERROR] broken", "no level at all"]
    supervisor.run(script("web", f"print({chr(10).join(lines)!r})", restart="never"))
    assert (tmp_path / "web.log").read_text().splitlines() == lines
    shown = capsys.readouterr().out
    assert "web      | level=warning event=careful" in shown
    assert "[ERROR] broken" in shown
    assert "quiet" not in shown
    assert "no level" not in shown


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_loop(supervisor, number):
    supervisor.start(script("web", WAITS))
    os.kill(os.getpid(), number)
    with pytest.raises(Stopped):
        turn_until(supervisor, lambda: False)


def test_waiting_in_vain_is_an_error(supervisor):
    supervisor.start(script("web", WAITS))
    with pytest.raises(ProcessFailed, match="web did not get ready"):
        supervisor.wait_for(lambda: False, seconds=0.3, name="web")
