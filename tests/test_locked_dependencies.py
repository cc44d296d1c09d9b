"""What is installed is what the lock files say: pinned with hashes, whole, and what the requirements ask for."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from django.conf import settings
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCKS = {"requirements.txt": "requirements.lock", "requirements-dev.txt": "requirements-dev.lock"}
ADVICE = "run `make lock`"
NOT_LOCKED = {"pip"}
"""What a virtual environment has before anything is installed."""


def read(name: str) -> str:
    return Path(settings.BASE_DIR, name).read_text()


def direct(name: str) -> list[Requirement]:
    lines = [line.partition(" #")[0].strip() for line in read(name).splitlines()]
    return [Requirement(line) for line in lines if line and not line.startswith(("#", "-"))]


def locked(name: str) -> dict[str, tuple[str, frozenset[str]]]:
    """Version and hashes by package."""
    found: dict[str, tuple[str, frozenset[str]]] = {}
    for block in re.split(r"\n(?=[A-Za-z0-9])", "\n" + read(name))[1:]:
        requirement = Requirement(block.partition(" \\")[0])
        hashes = frozenset(re.findall(r"--hash=sha256:([0-9a-f]{64})\b", block))
        found[canonicalize_name(requirement.name)] = (str(requirement.specifier), hashes)
    return found


@pytest.mark.parametrize(("requirements", "lock"), LOCKS.items())
def test_the_lock_holds_what_the_requirements_pin(requirements: str, lock: str) -> None:
    versions = {name: version for name, (version, _) in locked(lock).items()}
    for requirement in direct(requirements):
        assert re.fullmatch(r"==[^*,]+", str(requirement.specifier)), f"{requirement} is not pinned"
        assert versions.get(canonicalize_name(requirement.name)) == str(requirement.specifier), f"{lock}: {ADVICE}"


@pytest.mark.parametrize("lock", LOCKS.values())
def test_every_package_has_its_hashes_and_no_address(lock: str) -> None:
    text = read(lock)
    assert not re.search(r"://|@|^ *--(?!hash=)|index|find-links", text, re.MULTILINE)
    assert [
        name for name, (version, hashes) in locked(lock).items() if not version.startswith("==") or not hashes
    ] == []


def test_tests_run_with_what_production_has() -> None:
    assert locked("requirements.lock").items() <= locked("requirements-dev.lock").items(), ADVICE


@pytest.mark.parametrize(("requirements", "lock"), LOCKS.items())
def test_nothing_that_is_needed_is_left_out(requirements: str, lock: str) -> None:
    """Since nothing is resolved at an installation, it would be missing there."""
    names = set(locked(lock))
    todo, seen = direct(requirements), set()
    while todo:
        wanted = todo.pop()
        name = canonicalize_name(wanted.name)
        if name in NOT_LOCKED or (name, *sorted(wanted.extras)) in seen:
            continue
        seen.add((name, *sorted(wanted.extras)))
        assert name in names, f"{lock} lacks {name}: {ADVICE}"
        try:
            needs = [Requirement(text) for text in requires(name) or []]
        except PackageNotFoundError:
            continue  # said by the test above, or not for this platform
        todo += [
            n for n in needs if n.marker is None or any(n.marker.evaluate({"extra": e}) for e in wanted.extras | {""})
        ]
