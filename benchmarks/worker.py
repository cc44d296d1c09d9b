"""A process of its own with the portal on one database: what is measured in one process does not weigh on another.

    with Worker(environment) as worker:
        milliseconds, cpu = worker("benchmarks.asking:ask", name="first page")

One call at a time; arguments and answers are JSON.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

BASE_DIR = Path(__file__).resolve().parent.parent


class Failed(Exception):
    """A call of a worker failed there; the text is its traceback."""


class Worker:
    """The other process: calls functions named ``module:function`` there. Ends with ``with`` or :meth:`close`."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        from demo.processes import dies_with_parent

        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=BASE_DIR,
            env={**os.environ, **environment},
            preexec_fn=dies_with_parent(),
        )

    def __call__(self, function: str, **arguments: Any) -> Any:
        self.begin(function, **arguments)
        return self.end()

    def begin(self, function: str, **arguments: Any) -> None:
        """Begin a call and do not wait for it."""
        stdin: IO[str] = self.process.stdin  # type: ignore[assignment]  # a pipe was asked for
        stdin.write(json.dumps([function, arguments]) + "\n")
        stdin.flush()

    def end(self) -> Any:
        """Wait for the call that was begun; raises :class:`Failed`."""
        stdout: IO[str] = self.process.stdout  # type: ignore[assignment]  # as above
        line = stdout.readline()
        if not line:
            raise Failed("the worker process ended")
        outcome, answer = json.loads(line)
        if outcome != "ok":
            raise Failed(answer)
        return answer

    def close(self) -> None:
        """End the process, as at the end of its input."""
        if self.process.stdin and not self.process.stdin.closed:
            self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)
        if self.process.stdout:
            self.process.stdout.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def main() -> None:
    """Do what the lines of the input ask for, until it ends."""
    # What anything prints goes to the terminal and not among the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    import django

    django.setup()
    for line in sys.stdin:
        name, arguments = json.loads(line)
        try:
            module, _, function = name.partition(":")
            outcome = ["ok", getattr(importlib.import_module(module), function)(**arguments)]
        except (Exception, SystemExit):  # noqa: BLE001 # told to the other side, which fails by it
            outcome = ["failed", traceback.format_exc()]
        answers.write(json.dumps(outcome) + "\n")
        answers.flush()
    from benchmarks.stage import close_connections

    close_connections()


if __name__ == "__main__":
    main()
