"""What has to hold afterwards; each check names every offender."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from chaos.checks import changes, mirror, requests, timeline, told
from chaos.checks.findings import Finding
from chaos.checks.matching import Matched
from chaos.journal import Journal
from chaos.stage import Stage
from chaos.stuck import open_now

__all__ = ["Report", "check_all"]


@dataclass
class Report:
    """What was looked at and what was found; nothing found is what a run is for."""

    checked: Counter[str] = field(default_factory=Counter)
    findings: dict[str, list[str]] = field(default_factory=dict)

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found at all."""
        return not any(self.findings.values())


def check_all(stage: Stage, journal: Journal) -> Report:
    """Every check, on the calm portal and the carrier's own log."""
    matched = Matched.of(stage.truth)
    checks: dict[str, Callable[[], Iterator[Finding]]] = {
        "requests answered with success that have no row, or not theirs": lambda: requests.rows(journal),
        "rows of a form that was refused, or told differently twice": lambda: requests.twice(journal),
        "acts without their audit entry, or with two": lambda: requests.audit(journal),
        "operations and items without an end, or without a reason": changes.ends,
        "changes lost": lambda: changes.lost(matched),
        "changes doubled, or that nobody asked for": lambda: changes.doubled(matched),
        "changes told as failed": lambda: changes.denied(matched),
        "messages and purchases not exactly once": lambda: changes.bought_and_sent(matched),
        "mirror rows different from the carrier": lambda: mirror.rows(stage.truth),
        "tallies and counts different from the rows": mirror.counts,
        "timeline entries missing": lambda: timeline.missing(matched),
        "timeline entries doubled, or of nothing": lambda: timeline.doubled(matched),
        "pushes lost or done twice": lambda: told.pushes(stage.truth),
        "notifications and webhooks lost or doubled": lambda: told.notifications(stage.receiver),
        "rows stuck": _stuck,
    }
    report = Report()
    for name, check in checks.items():
        report.findings[name] = []
        for finding in check():
            if finding.is_offender:
                report.findings[name].append(finding.what)
            else:
                report.checked[finding.what] += finding.count
    return report


def _stuck() -> Iterator[Finding]:
    from sims.services import tallies

    tallies.fold()  # beat's part, and beat is gone
    for name, count in open_now().items():
        yield Finding.offender(f"{count} {name}")
