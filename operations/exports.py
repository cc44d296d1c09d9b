"""The lines of a job as a table, for downloads of it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.translation import gettext as _

from core.exports import Exporter, NotAvailable
from core.paging import Order, pages
from core.spreadsheets import Column, Table
from operations import selectors_jobs
from operations.filters_jobs import LineFilter
from operations.job_outcomes import outcome_of, reason_of
from operations.models import BatchJob, BatchLine
from staff.scopes import visible_accounts

NAME = "job_lines"
COLUMNS = (
    Column("line"),
    Column("given", is_text=True, width=24),
    Column("read_as"),
    Column("note"),
    Column("giccid", is_text=True, width=24),
    Column("imsi", is_text=True, width=18),
    Column("msisdn", is_text=True, width=16),
    Column("imei", is_text=True, width=18),
    Column("account", width=20),
    Column("outcome"),
    Column("from"),
    Column("to"),
    Column("reason_code"),
    Column("reason", width=48),
    Column("operation"),
    Column("finished"),
)
_NEEDED = (
    *("number", "text", "outcome", "note", "eligible", "refusal_code", "refusal", "from_value", "to_value"),
    *("sim__giccid", "sim__imsi", "sim__msisdn", "sim__imei", "sim__account_id"),
    *("operation__state", "operation__carrier_code", "operation__message", "operation__finished_at"),
)
"""Columns that a row is made of; the others of a SIM and an operation are most of the time it takes."""


def table_of(user: Any, job: BatchJob, query: QueryDict) -> Table:
    """The lines that ``user`` may see and the filters of ``query`` leave."""
    lines = LineFilter(data=query, queryset=selectors_jobs.lines_of(user, job)).qs
    return Table(
        title=_("Job %(id)s") % {"id": job.pk},
        file_name=f"job-{job.pk}-lines",
        columns=COLUMNS,
        rows=lambda: _rows(lines, job),
        total=lambda: lines.order_by().count(),
    )


def _table(user: Any, params: dict[str, Any]) -> Table:
    if not user.has_perm("operations.view_batchjob"):
        raise NotAvailable(_("Your role does not allow it any more."))
    try:
        job = selectors_jobs.get_job(user, params["job"])
    except BatchJob.DoesNotExist:
        raise NotAvailable(_("The job is not open to you any more.")) from None
    return table_of(user, job, QueryDict(params.get("query", "")))


EXPORTER = Exporter(name=NAME, table=_table, accounts=visible_accounts)


def _rows(lines: QuerySet[BatchLine], job: BatchJob) -> Iterator[list[str]]:
    needed = lines.defer(None).only(*_NEEDED)
    for line in chain.from_iterable(pages(needed, Order("line", ("number",)), size=2_000)):
        outcome = outcome_of(line, job)
        code, sentence = reason_of(line, outcome)
        sim, operation = line.sim, line.operation
        finished = operation.finished_at.isoformat(timespec="seconds") if operation and operation.finished_at else ""
        values = [
            str(line.number),
            line.text,
            line.outcome,
            line.note,
            *((sim.giccid, sim.imsi, sim.msisdn, sim.imei, sim.account_id or "") if sim else [""] * 5),
            outcome,
            line.from_value,
            line.to_value,
            code,
            sentence,
            str(line.operation_id or ""),
            finished,
        ]
        yield [value or "" for value in values]
