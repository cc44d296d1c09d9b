"""``make chaos``: everything breaks at once, then the portal is compared with the carrier's own log.

    .venv/bin/python -m chaos --seed 1
    .venv/bin/python -m chaos --seed 7 --scale 0.02 --json chaos-7.json
    .venv/bin/python -m chaos --table chaos-1.json chaos-2.json chaos-3.json

Exit code 1 when something was lost, doubled, stuck or different; every offender is named.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from chaos.browser import Browser
from chaos.journal import Journal
from chaos.plan import Fault, Sizes, schedule

SIZES = ("singles", "jobs", "job_size", "pushes", "sms", "fleet", "repeats")


def main() -> int:
    """Run, print, and answer the exit code."""
    options = _options()
    if options.table:
        from chaos.report import markdown

        print(markdown(options.table))
        return 0
    sizes = Sizes.scaled(options.scale, **{name: getattr(options, name) for name in SIZES})
    plan = schedule(options.seed, sizes) if not options.fair else []
    say(f"Seed {options.seed}, {sizes}")
    for fault in plan:
        say(f"  {fault}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    directory = Path(tempfile.mkdtemp(prefix="chaos-"))
    try:
        return _run(directory, options, sizes, plan)
    finally:
        if options.keep:
            say(f"kept: {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)


def _run(directory: Path, options: argparse.Namespace, sizes: Sizes, plan: list[Fault]) -> int:
    from chaos import report as reports
    from chaos.calm import calm
    from chaos.checks import check_all
    from chaos.people import Office
    from chaos.stage import PASSWORD, PEOPLE, stage
    from chaos.storm import Storm

    began = time.monotonic()
    journal = Journal(directory / "journal.jsonl")
    with stage(directory, sizes, options.seed) as built:
        say(f"Everything runs after {time.monotonic() - began:.0f} s")
        browsers = {name: Browser(built.addresses, name, PASSWORD) for name in PEOPLE}
        office = Office(options.seed, built.truth, journal, browsers)
        storm = Storm(built, office, sizes, plan, say)
        storm.run()
        stormy = time.monotonic() - began
        say(f"The storm is over after {stormy:.0f} s")
        left = calm(built, office, say)
        more = f", but still open: {left}" if left else ""
        say(f"Calm after {time.monotonic() - began - stormy:.0f} s more{more}")
        report = check_all(built, journal)
        report.checked["workers that ended with Valkey and were started again"] = built.ended_with_valkey
        report.findings["processes that ended by themselves, and troubles of this program"] = [
            *built.ended_by_themselves,
            *storm.troubles,
        ]
        found = reports.result(
            report,
            seed=options.seed,
            sizes=dataclasses.asdict(sizes),
            faults=storm.made,
            seconds=round(time.monotonic() - began, 1),
            machine={"cores": os.cpu_count(), "load": round(os.getloadavg()[1], 1)},
        )
        if options.keep:
            changes = [dataclasses.asdict(change) for change in built.truth.changes]
            (directory / "changes.json").write_text(json.dumps(changes))
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    found["cpu_seconds"] = round(sum(one.ru_utime + one.ru_stime for one in used), 1)
    for line in reports.lines(found):
        say(line)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")
    end = "Nothing was found" if report.is_clean else "THINGS WERE FOUND"
    say(f"\n{end} in {found['seconds']:.0f} s ({found['cpu_seconds']:.0f} s of computing), seed {options.seed}.")
    return 0 if report.is_clean else 1


def say(text: str) -> None:
    """A line of the run's own."""
    print(text, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seed", type=int, default=1, help="another seed is another run")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full sizes")
    for name in SIZES:
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, help="in place of the scaled one")
    parser.add_argument("--fair", action="store_true", help="no faults, for comparison (pushes still go wrong)")
    parser.add_argument("--json", type=Path, help="write what was found to this file")
    parser.add_argument("--keep", action="store_true", help="keep logs and journal")
    parser.add_argument("--table", type=Path, nargs="+", help="print a table of runs from their --json files")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
