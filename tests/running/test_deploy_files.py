"""The files for systemd and for containers name what is there: options, queues, secrets, programs."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.broker import queues
from smarthub_portal.config import OPTIONS
from tests.running.test_rolling_restart import GRANIAN, HEAD
from tests.servers import BASE_DIR

DEPLOY = BASE_DIR / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
SECRETS = {option.name for option in OPTIONS if option.secret}
KNOWN = {option.name for option in OPTIONS} | {f"{name}_FILE" for name in SECRETS} | {"PROMETHEUS_MULTIPROC_DIR"}
KNOWN |= {"PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "PATH"}


def _compose() -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def _queues_of(commands: list[str]) -> list[str]:
    return sorted(queue for c in commands for names in re.findall(r"--queues (\S+)", c) for queue in names.split(","))


def test_each_queue_has_one_kind_of_worker() -> None:
    systemd = [unit.read_text() for unit in UNITS]
    containers = [" ".join(s["command"]) for s in _compose()["services"].values() if isinstance(s.get("command"), list)]
    readme = [(BASE_DIR / "README.md").read_text()]
    for commands in (systemd, containers, readme):
        assert _queues_of(commands) == queues()
        assert sum(bool(re.search(r"smarthub_portal beat", c)) for c in commands) == 1


def test_every_start_of_the_web_limits_the_head_of_a_request() -> None:
    files = ["Dockerfile", "systemd/smarthub-portal-web@.service", "../README.md", "../demo/__main__.py"]
    for name in files:
        words = re.findall(r"[\w-]+", (DEPLOY / name).read_text())
        assert words[words.index("--http1-buffer-size") + 1] == HEAD, name
    assert f"--http1-buffer-size {HEAD}" in GRANIAN


def test_every_variable_is_an_option() -> None:
    compose = _compose()
    named = set(compose["x-portal"]["environment"])
    common = (DEPLOY / "systemd" / "smarthub-portal-.service.d" / "common.conf").read_text()
    for line in re.findall(r"^Environment=(.*)$", common, re.MULTILINE):
        named |= {pair.partition("=")[0] for pair in line.split()}
    for example in (DEPLOY / "portal.env.example", DEPLOY / "systemd" / "environment.example"):
        lines = [line for line in example.read_text().splitlines() if line and not line.startswith("#")]
        given = {line.partition("=")[0] for line in lines}
        assert not given & SECRETS, "secrets are files"
        named |= given
    named |= set(re.findall(r"\b([A-Z][A-Z_]+)=", (DEPLOY / "Dockerfile").read_text())) - {"PIP_NO_CACHE_DIR"}
    assert named - {"PIP_DISABLE_PIP_VERSION_CHECK"} <= KNOWN
    for name, path in compose["x-portal"]["environment"].items():
        assert path == f"/run/secrets/{name.removesuffix('_FILE').lower()}"
        assert path.rpartition("/")[2] in compose["secrets"]
    credentials = set(re.findall(r"^LoadCredential=([\w-]+):", common, re.MULTILINE))
    assert set(re.findall(r"=%d/([\w-]+)", common)) == credentials


def test_containers_hold_nothing_they_need_not() -> None:
    services = _compose()["services"]
    ours = [service for service in services.values() if service["image"].startswith("smarthub-portal")]
    assert len(ours) == 6
    for service in ours:
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["user"] == "10001:10001"
        assert "ports" not in service or service["ports"] == ["127.0.0.1:8000:8000"]
    assert all("ports" not in services[name] for name in ("postgres", "valkey"))
    assert all("depends_on" in s for s in ours)
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    assert "USER portal" in dockerfile
    assert "deploy/secrets/*" in (BASE_DIR / ".dockerignore").read_text()


@pytest.mark.skipif(not shutil.which("docker"), reason="no docker here")
def test_compose_takes_the_file(tmp_path: Path) -> None:
    """The program's own check of the file; it needs no daemon."""
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    shutil.copy(DEPLOY / "portal.env.example", tmp_path / "deploy" / "portal.env")
    for name in _compose()["secrets"]:
        (tmp_path / "deploy" / "secrets" / name).write_text("x")
    command = ["docker", "compose", "-f", str(tmp_path / "deploy" / "compose.yaml"), "config", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    if "is not a docker command" in done.stderr or "unknown shorthand flag" in done.stderr:
        pytest.skip("no docker compose here")
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd here")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    shutil.copytree(DEPLOY / "systemd", tmp_path / "units")
    for unit in (tmp_path / "units").glob("*.service"):
        # What is to be installed by then is not here.
        unit.write_text(unit.read_text().replace("/opt/smarthub-portal/.venv/bin/python", "/bin/true"))
    names = [unit.name.replace("@", "@8001") for unit in UNITS]
    done = subprocess.run(
        ["systemd-analyze", "verify", "smarthub-portal.target", *names],
        env={"SYSTEMD_UNIT_PATH": f"{tmp_path / 'units'}:", "PATH": "/usr/bin:/bin"},
        cwd=tmp_path / "units",
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert (done.returncode, done.stderr.strip()) == (0, "")
