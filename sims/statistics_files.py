"""The statistics by country as files: bytes and counts as plain numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from django.utils.translation import gettext as _

from core.countries import country_name
from core.spreadsheets import Cell, Column, Table
from sims.selectors.statistics import Figures, Row


def of_month(month: date, rows: Sequence[Row], account: str = "") -> Table:
    """The table of a month as it is sorted on the page, with the month before in columns of its own."""
    columns: list[tuple[Column, Callable[[Row], Cell]]] = [
        (Column(_("Month"), is_text=True, width=10), lambda row: f"{month:%Y-%m}"),
        (Column(_("Country"), is_text=True, width=30), lambda row: country_name(row.code)),
        (Column(_("Code"), is_text=True), lambda row: row.code),
        (Column(_("Data in bytes"), width=18), lambda row: row.now.data),
        (Column(_("Share in %"), width=12), lambda row: _rounded(row.share)),
        (Column(_("SIMs"), width=10), lambda row: row.now.sims),
        (Column(_("Bytes per SIM"), width=16), lambda row: row.now.per_sim),
        (Column(_("Bytes the month before"), width=22), lambda row: (row.before or Figures()).data),
        (Column(_("SIMs the month before"), width=20), lambda row: (row.before or Figures()).sims),
        (Column(_("Change in bytes"), width=18), lambda row: row.change),
        (Column(_("Change in %"), width=12), lambda row: _rounded(row.change_percent)),
    ]
    return _table(
        _("Usage by country %(month)s") % {"month": f"{month:%Y-%m}"}, f"{month:%Y-%m}", columns, rows, account
    )


def of_country(code: str, found: Mapping[date, Figures], account: str = "") -> Table:
    """The months of one country, the newest first."""
    columns: list[tuple[Column, Callable[[tuple[date, Figures]], Cell]]] = [
        (Column(_("Month"), is_text=True, width=10), lambda row: f"{row[0]:%Y-%m}"),
        (Column(_("Country"), is_text=True, width=30), lambda row: country_name(code)),
        (Column(_("Code"), is_text=True), lambda row: code),
        (Column(_("Data in bytes"), width=18), lambda row: row[1].data),
        (Column(_("SIMs"), width=10), lambda row: row[1].sims),
        (Column(_("Bytes per SIM"), width=16), lambda row: row[1].per_sim),
    ]
    rows = sorted(found.items(), reverse=True)
    name = "".join(character for character in code if character.isascii() and character.isalnum())
    return _table(
        _("Usage in %(country)s") % {"country": country_name(code)}, name or "unknown", columns, rows, account
    )


def _table(
    title: str, name: str, columns: Sequence[tuple[Column, Callable[[Any], Cell]]], rows: Sequence[Any], account: str
) -> Table:
    if account:
        # Whose figures these are must not get lost once the file lies somewhere.
        columns = [(Column(_("Account"), is_text=True, width=24), lambda row: account), *columns]
    return Table(
        title=title,
        file_name=f"statistics-{name}",
        columns=[column for column, _value in columns],
        rows=lambda: ([value(row) for _column, value in columns] for row in rows),
        total=lambda: len(rows),
    )


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 2)
