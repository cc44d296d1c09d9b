"""A whole demo: it starts, answers, takes pushes, survives kills, ends wholly, and goes on with its data."""

import os
import signal
import subprocess
import sys
from functools import partial

import pytest
import requests

from tests.servers import BASE_DIR, wait_until
from tests.whole_demo import WholeDemo

pytestmark = [pytest.mark.demo, pytest.mark.timeout(400)]


@pytest.fixture
def demo(tmp_path):
    """A demo that is not started yet and is surely ended."""
    made = WholeDemo(tmp_path / "data")
    yield made
    if made.process is not None and made.process.poll() is None:
        made.stop()


def answers(url):
    try:
        return requests.get(url, timeout=2).status_code == 200
    except requests.RequestException:
        return False


def runs_anew(demo, part, old_pid):
    return any(pid != old_pid and part in command for pid, command in demo.commands().items())


def manage(demo, *arguments):
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=BASE_DIR,
        env=demo.environment,
        capture_output=True,
        text=True,
        check=False,
    )


def is_refused(other, said):
    done = subprocess.run(
        [sys.executable, "-m", "demo"], cwd=BASE_DIR, env=other.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_it_lives_through_kills_and_restarts(demo, tmp_path):
    demo.start()
    is_refused(WholeDemo(demo.data_dir), "Another demo")
    is_refused(WholeDemo(tmp_path / "other", port=demo.port), f"Port {demo.port} is taken")
    assert answers(f"{demo.url}/healthz")
    assert "Sign in   viewer (Viewer), agent (Agent)" in demo.said()
    assert answers(f"{demo.url}/login/")
    assert requests.post(demo.push_url(), json={"eventType": "X"}, timeout=5).json() == {"received": True}
    demo.wait_for_first_sync()
    counted = manage(demo, "shell", "-v", "0", "-c", "from sims.models import Sim; print(Sim.objects.count())")
    assert int(counted.stdout) >= 300, counted.stderr

    for part in ("-Q agent,push", "-m granian", "-Q bulk,sync"):
        pid = demo.pid_of(part)
        os.kill(pid, signal.SIGKILL)
        wait_until(partial(runs_anew, demo, part, pid), what=f"another {part}")
    wait_until(lambda: answers(f"{demo.url}/readyz"), seconds=40, what="all workers")

    push_url = demo.push_url()
    assert demo.stop(signal.SIGINT) == 0
    assert demo.commands() == {}

    demo.start()
    assert demo.push_url() == push_url
    assert not any("sync" in command.split() for command in demo.commands().values()), "the mirror was complete"
    os.kill(demo.process.pid, signal.SIGKILL)
    wait_until(lambda: demo.commands() == {}, what="the end of what the killed demo had started")

    demo.start()
    assert demo.stop(signal.SIGTERM) == 0
    assert demo.commands() == {}
    secrets = [demo.push_url().rstrip("/").split("/")[-1], (demo.data_dir / "secret-key").read_text()]
    for log in (demo.data_dir / "logs").iterdir():
        assert not any(secret in log.read_text(errors="replace") for secret in secrets), log.name
