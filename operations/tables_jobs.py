"""The tables of batch jobs and of the lines of one."""

from __future__ import annotations

from typing import Any, ClassVar

import django_tables2 as tables
from django.contrib.humanize.templatetags.humanize import intcomma
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from core.badges import SIM_STATUSES, Badge
from core.rows import row_url
from core.spreadsheets import FileColumn
from core.tables import AgoColumn, BaseTable
from core.templatetags.portal import grouped, status_badge
from operations.job_outcomes import Outcome, outcome_of, reason_of
from operations.job_summary import segments_of
from operations.models import BatchJob, BatchLine, Operation

_NUMBER = {"td": {"class": "num"}, "th": {"class": "num"}}

JOB_STATES: dict[str, Badge] = {
    "planned": Badge("neutral", _("Planned")),
    "awaiting_approval": Badge("info", _("Awaiting approval")),
    "scheduled": Badge("info", _("Scheduled")),
    "running": Badge("busy", _("Running")),
    "paused": Badge("warn", _("Paused")),
    "done": Badge("ok", _("Done")),
    "done_with_failures": Badge("warn", _("Done with failures")),
    "failed": Badge("bad", _("Failed")),
    "cancelled": Badge("neutral", _("Cancelled")),
}

_OUTCOME_TONES = {
    "eligible": "info",
    "refused": "neutral",
    "pending": "busy",
    "succeeded": "ok",
    "failed": "bad",
    "unknown": "warn",
}
_LINE_TONES = {"repaired": "info", "ambiguous": "warn", "not_found": "bad", "duplicate": "neutral"}


def _badge(tone: str, label: object) -> SafeString:
    return format_html('<span class="badge badge-{}"><span class="dot"></span>{}</span>', tone, label)


def job_badge(state: str) -> SafeString:
    """The state of a job as coloured dot and word."""
    look = JOB_STATES[state]
    return _badge(look.tone, look.label)


def outcome_badge(outcome: str) -> SafeString:
    """The outcome of a SIM as coloured dot and word."""
    return _badge(_OUTCOME_TONES[outcome], Outcome(outcome).label)


def value_badge(value: str) -> SafeString | str:
    """A value of a change: a SIM's status as its badge, anything else as it is."""
    return status_badge(value) if value in SIM_STATUSES else value


def job_bar(job: BatchJob) -> SafeString:
    """The outcomes side by side in one bar; an image with words for those who do not see it."""
    pieces = format_html_join(
        "",
        '<rect class="bar-{}" x="{}" y="0" width="{}" height="10"/>',
        ((s.outcome, f"{s.start:.2f}", f"{s.width:.2f}") for s in segments_of(job)),
    )
    words = _now("%(succeeded)s succeeded, %(failed)s failed, %(unknown)s unknown, %(pending)s pending") % {
        "succeeded": job.succeeded,
        "failed": job.failed,
        "unknown": job.unknown,
        "pending": job.pending,
    }
    return format_html(
        '<svg class="job-bar" viewBox="0 0 1000 10" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>',
        words,
        pieces,
    )


def live_job_badge(job: BatchJob) -> SafeString:
    """The badge, which asks for the new one by itself until the state is final."""
    badge = job_badge(job.state)
    if job.state in BatchJob.FINAL_STATES:
        return badge
    return format_html(
        '<span hx-get="{}" hx-trigger="every 4s" hx-swap="outerHTML" hx-target="this">{}</span>',
        row_url("operations:job_badge", job.pk),
        badge,
    )


def _percent_ended(job: BatchJob) -> int | None:
    """How many of its SIMs have an outcome, in percent rounded down; nothing before it has begun."""
    if not job.started_at or not job.eligible:
        return None
    return (job.succeeded + job.failed + job.unknown) * 100 // job.eligible


class JobTable(BaseTable):
    """One line a job; its SIMs are on its page."""

    job = tables.Column(accessor="kind", verbose_name=_("Batch job"), orderable=False)
    state = tables.Column(verbose_name=_("State"), orderable=False)
    progress = tables.Column(accessor="pk", verbose_name=_("Progress"), orderable=False)
    will = tables.Column(accessor="eligible", verbose_name=_("SIMs"), orderable=False, attrs=_NUMBER)
    refused = tables.Column(verbose_name=_("Refused"), orderable=False, attrs=_NUMBER)
    succeeded = tables.Column(verbose_name=_("Succeeded"), orderable=False, attrs=_NUMBER)
    failed = tables.Column(verbose_name=_("Failed"), orderable=False, attrs=_NUMBER)
    unknown = tables.Column(verbose_name=_("Unknown"), orderable=False, attrs=_NUMBER)
    who = tables.Column(accessor="actor", verbose_name=_("Who"), orderable=False)
    reason = tables.Column(verbose_name=_("Reason"), orderable=False, attrs={"td": {"class": "wide"}})
    ticket = tables.Column(verbose_name=_("Ticket"), orderable=False)
    created = AgoColumn(accessor="created_at", verbose_name=_("Made"))
    finished = AgoColumn(accessor="finished_at", verbose_name=_("Finished"), orderable=False)

    fixed = ("job", "state")
    default_columns = ("progress", "will", "succeeded", "failed", "who", "reason", "ticket", "created")

    files: ClassVar = {
        "job": (
            FileColumn(_("Number"), lambda job: job.pk),
            FileColumn(_("Batch job"), lambda job: job.kind),
        ),
        "progress": (FileColumn(_("Progress (%)"), _percent_ended),),
    }

    class Meta:
        row_attrs = {"data-job": lambda record: record.pk, "data-job-row-state": lambda record: record.state}

    def render_job(self, record: BatchJob) -> SafeString:
        """Kind and number, which lead to the job."""
        url = row_url("operations:job", record.pk)
        label = record.get_kind_display()
        return format_html('<a href="{}" data-row-link>{} <span class="faint">#{}</span></a>', url, label, record.pk)

    def render_state(self, record: BatchJob) -> SafeString:
        """As a badge that keeps itself up to date."""
        return live_job_badge(record)

    def render_progress(self, record: BatchJob) -> SafeString:
        """The bar, once there is anything to show."""
        return job_bar(record) if record.started_at else SafeString("")

    def render_will(self, value: int) -> str:
        """With separators."""
        return intcomma(value)

    render_refused = render_succeeded = render_failed = render_unknown = render_will

    def render_reason(self, value: str) -> str:
        """Its beginning."""
        return value if len(value) <= 80 else f"{value[:79]}…"


def _changes(line: Any) -> bool:
    """Whether its SIM is to change."""
    return bool(line.eligible and line.shown_outcome)


def _sentences(line: Any) -> list[str]:
    """Why it is so, in words."""
    note = line.note if line.shown_outcome and line.outcome == BatchLine.Outcome.REPAIRED else ""
    return [part for part in (note, line.shown_reason[1]) if part]


def _line_giccid(record: Any) -> str | None:
    """Only a line with a SIM of its own counts as that SIM's row."""
    return record.sim.giccid if record.shown_outcome and record.sim else None


class LineTable(BaseTable):
    """One line of what was chosen: what was given, the SIM, what becomes of it. Rows come with ``shown_outcome``,
    ``shown_reason`` and ``choosable``."""

    number = tables.Column(verbose_name=_("Line"), orderable=False, attrs=_NUMBER)
    sim = tables.Column(
        verbose_name=_("SIM"),
        empty_values=(),
        orderable=False,
        attrs={"td": {"class": "col-key"}, "th": {"class": "col-key"}},
    )
    outcome = tables.Column(verbose_name=_("Outcome"), orderable=False)
    change = tables.Column(accessor="to_value", verbose_name=_("Change"), empty_values=(), orderable=False)
    reason = tables.Column(
        accessor="pk",
        verbose_name=_("Reason"),
        empty_values=(),
        orderable=False,
        attrs={"td": {"class": "wide job-why"}},
    )
    given = tables.Column(accessor="text", verbose_name=_("As given"), orderable=False)
    account = tables.Column(accessor="sim__account_id", verbose_name=_("Account"), orderable=False)
    msisdn = tables.Column(accessor="sim__msisdn", verbose_name=_("MSISDN"), orderable=False)
    operation = tables.Column(verbose_name=_("Operation"), orderable=False)

    fixed = ("sim", "outcome", "reason")
    default_columns = ("change", "given")

    files: ClassVar = {
        "sim": (FileColumn(_("SIM"), lambda line: line.sim.giccid if line.sim else "", is_text=True, width=24),),
        "outcome": (
            FileColumn(_("Outcome"), lambda line: line.shown_outcome),
            FileColumn(_("Read as"), lambda line: line.outcome),
        ),
        "change": (
            FileColumn(_("From"), lambda line: line.from_value if _changes(line) else ""),
            FileColumn(_("To"), lambda line: line.to_value if _changes(line) else ""),
        ),
        "reason": (
            FileColumn(_("Reason code"), lambda line: line.shown_reason[0]),
            FileColumn(_("Reason"), lambda line: " ".join(_sentences(line)), width=48),
        ),
        "given": (FileColumn(_("As given"), lambda line: line.text, is_text=True, width=24),),
        "msisdn": (FileColumn(_("MSISDN"), lambda line: line.sim.msisdn if line.sim else "", is_text=True, width=16),),
        "operation": (FileColumn(_("Operation"), lambda line: line.operation_id),),
    }

    class Meta:
        sequence = ("sim", "outcome", "change", "reason", "...")
        row_attrs = {
            "data-giccid": _line_giccid,
            "data-outcome": lambda record: record.shown_outcome or None,
            "data-line-outcome": lambda record: record.outcome,
            "data-line": lambda record: record.number,
        }

    def render_sim(self, record: Any) -> SafeString:
        """The giccid, which leads to the SIM; what was given where there is none."""
        if record.sim is None:
            return format_html('<span class="muted">{}</span>', record.text)
        url = row_url("sims:detail", record.sim.giccid)
        link = '<a id="line-{}" href="{}" data-row-link>{}</a>'
        return format_html(link, record.number, url, grouped(record.sim.giccid))

    def render_outcome(self, record: Any) -> SafeString:
        """Of the SIM; how the line was read where that is worth a word."""
        read = BatchLine.Outcome(record.outcome)
        badge = _badge(_LINE_TONES[read], read.label) if read in _LINE_TONES and not record.shown_outcome else ""
        if record.shown_outcome:
            tag = format_html(' <span class="tag">{}</span>', _now("repaired")) if read == read.REPAIRED else ""
            return format_html("{}{}", outcome_badge(record.shown_outcome), tag)
        return format_html("{}", badge)

    def render_change(self, record: Any) -> SafeString:
        """From and to, where the SIM is to change."""
        if not _changes(record):
            return SafeString("")
        if not record.from_value:
            return format_html("{}", value_badge(record.to_value))
        return format_html("{} → {}", value_badge(record.from_value), value_badge(record.to_value))

    def render_reason(self, record: Any) -> SafeString:
        """The sentence, and the code in small; an ambiguous line's choice; the way to where a doubt is settled."""
        code = record.shown_reason[0]
        text = format_html_join(" ", "{}", ((part,) for part in _sentences(record)))
        tag = format_html(' <span class="tag mono">{}</span>', code) if code and record.shown_outcome else ""
        link = SafeString("")
        if record.operation is not None and record.operation.state == Operation.State.NEEDS_ATTENTION:
            url = row_url("operations:detail", record.operation_id)
            link = format_html(' <a href="{}">{}</a>', url, _now("Open the operation"))
        if record.outcome == BatchLine.Outcome.AMBIGUOUS and record.candidates and record.choose_url:
            link = format_html(
                ' <a class="btn btn-small" href="{}?line={}" data-dialog-open>{}</a>',
                record.choose_url,
                record.number,
                _now("Choose"),
            )
        return format_html("{}{}{}", text, tag, link)

    def render_operation(self, record: Any) -> SafeString:
        """The number, which leads to every step of it."""
        url = row_url("operations:detail", record.operation_id)
        return format_html('<a href="{}">#{}</a>', url, record.operation_id)


def dress(lines: list[Any], job: BatchJob, choose_url: str = "") -> None:
    """Give each line of a page what :class:`LineTable` shows beside its columns."""
    for line in lines:
        line.shown_outcome = outcome_of(line, job)
        line.shown_reason = reason_of(line, line.shown_outcome)
        line.choose_url = choose_url
