"""A short storm (``make chaos`` is the long one): everything breaks once, and nothing is lost, doubled or stuck."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from demo.processes import dies_with_parent
from tests.servers import BASE_DIR

pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.timeout(600)]

ON_POSTGRES = os.environ.get("TEST_DATABASE") == "postgres"
SMALL = "--scale 0.01 --singles 40 --sms 8 --jobs 2 --job-size 24 --pushes 100 --fleet 120 --seed 4"
LEAST_FAULTS = 20


@pytest.mark.skipif(not ON_POSTGRES, reason="it brings a PostgreSQL of its own, which is restarted")
def test_a_short_storm_leaves_nothing_behind(tmp_path: Path) -> None:
    found = tmp_path / "found.json"
    # Nothing of the settings of this run of tests: the storm has servers of its own.
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    run = subprocess.run(
        [sys.executable, "-m", "chaos", *SMALL.split(), "--json", str(found)],
        cwd=BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=dies_with_parent(signal.SIGTERM),
    )
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
    result = json.loads(found.read_text())
    assert sum(result["faults"].values()) >= LEAST_FAULTS
    assert result["checked"]["answers of success with their row"]
    assert result["checked"]["changes done, found in the carrier's log"]
