"""What a run found, for people, for machines, and as a table for the documentation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chaos.checks import Report

SHOWN = 25
"""Offenders of one kind on a terminal."""
SIZES = {
    "singles": "single changes",
    "jobs": "batch jobs",
    "job_size": "SIMs of each",
    "pushes": "pushes, besides their copies",
    "sms": "messages",
    "fleet": "SIMs at the carrier",
}


def result(
    report: Report, *, seed: int, sizes: Mapping[str, Any], faults: Mapping[str, int], **more: Any
) -> dict[str, Any]:
    """All of it as JSON."""
    return {
        "seed": seed,
        "sizes": dict(sizes),
        "faults": dict(sorted(faults.items())),
        "checked": dict(sorted(report.checked.items())),
        "findings": {name: len(found) for name, found in report.findings.items()},
        "offenders": {name: found for name, found in report.findings.items() if found},
        **more,
    }


def lines(found: dict[str, Any]) -> list[str]:
    """As text for a terminal."""
    text = ["", f"Faults made ({sum(found['faults'].values())})"]
    text += [f"  {count:7,}  {name}" for name, count in found["faults"].items()]
    text += ["", "Looked at"]
    text += [f"  {count:7,}  {name}" for name, count in found["checked"].items()]
    text += ["", "Found"]
    for name, count in found["findings"].items():
        text.append(f"  {count:7,}  {name}")
        offenders = found["offenders"].get(name, [])
        text += [f"             {what}" for what in offenders[:SHOWN]]
        if len(offenders) > SHOWN:
            text.append(f"             and {len(offenders) - SHOWN} more (--json has them all)")
    return text


def markdown(paths: list[Path]) -> str:
    """One table of several runs, from the files that ``--json`` wrote."""
    runs = [json.loads(path.read_text()) for path in paths]
    rows = [["", *(f"seed {run['seed']}" for run in runs)]]
    rows.append(["**Asked for**", *([""] * len(runs))])
    rows += [[label, *(f"{run['sizes'][name]:,}" for run in runs)] for name, label in SIZES.items()]
    rows.append(["minutes", *(f"{run['seconds'] / 60:.1f}" for run in runs)])
    for part, title in (("faults", "Faults made"), ("checked", "Looked at"), ("findings", "Found")):
        rows.append([f"**{title}**", *([""] * len(runs))])
        names = dict.fromkeys(name for run in runs for name in run[part])
        rows += [[name, *(f"{run[part].get(name, 0):,}" for run in runs)] for name in names]
    head, *rest = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([head, f"|---|{'---:|' * len(runs)}", *rest])
