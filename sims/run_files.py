"""The runs of the sync as a file."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from core.exports import Exporter, NotAvailable
from core.paging import Order, pages
from core.spreadsheets import Cell, Column, Table, cell
from core.zones import zone_of
from sims.models import SyncRun
from sims.selectors.sync import RunView, list_runs, view_runs
from staff.scopes import visible_accounts

NAME = "sync_runs"
_NEWEST_FIRST = Order("started", ("id",), descending=True)


def table_of(user: Any) -> Table:
    """All runs, the newest first, with the columns of their page."""
    runs, zone = list_runs(user), zone_of(user)
    heads = [
        *(_("Number"), _("What"), _("State"), _("Started"), _("By"), _("Seconds"), _("Read"), _("A second")),
        *(_("Changed"), _("New"), _("Missing"), _("Errors"), _("Message")),
    ]

    def rows() -> Iterator[list[Cell]]:
        found: Iterator[SyncRun] = chain.from_iterable(pages(runs, _NEWEST_FIRST, size=2_000))
        return ([cell(value, zone) for value in _values(view)] for run in found for view in view_runs([run]))

    return Table(
        title=_("Sync runs"),
        file_name=f"sync-runs-{timezone.now().astimezone(zone):%Y-%m-%d}",
        columns=[Column(head) for head in heads],
        rows=rows,
        total=lambda: runs.order_by().count(),
    )


def _values(view: RunView) -> list[Any]:
    run = view.run
    return [
        *(run.pk, run.kind, run.state, run.started_at),
        run.requested_by.get_username() if run.requested_by else run.trigger,
        *(round(view.length.total_seconds(), 1), run.read, round(view.rate), run.changed, run.new, run.missing),
        *(run.errors, run.message),
    ]


def _table(user: Any, params: dict[str, Any]) -> Table:
    if not user.has_perm("sims.view_syncrun"):
        raise NotAvailable(_("Your role does not allow it any more."))
    return table_of(user)


EXPORTER = Exporter(name=NAME, table=_table, accounts=visible_accounts)
