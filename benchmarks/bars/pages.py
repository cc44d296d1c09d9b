"""Bars 1 to 4 and 10: what pages take, against the references, against each other, and against a smaller fleet."""

from __future__ import annotations

from benchmarks.asking import LISTS
from benchmarks.rows import Row
from benchmarks.run import Pages, Run, measure, measure_names
from benchmarks.world import POSTGRES
from core.paging import PAGE_SIZE

MANY = ("sort", "sort, deep", "filter", "pair", "search")
"""Groups of many pages, of which the slowest is told."""
CALLED = {
    "deep": "any deep page",
    "sort": "any sort",
    "sort, deep": "any sort, half down",
    "filter": "any one filter",
    "pair": "any two filters",
    "search": "any search",
    "identifier": "a pasted identifier",
}
PARTS = ("whole", "partial", "deep")
SINGLE = ("list", "partial", "deep", "identifier", "SIM page", "SIM timeline", "dashboard")
OF_LISTS = tuple(f"{name}, {part}" for name in LISTS for part in PARTS)
_DOUBTED = 3
"""Of many pages with fewer calls each, so many of the slowest are measured anew: the worst of many is bad luck, too."""
_A_CALLS = 15
"""Of A's search, which takes seconds."""


def first_pages(run: Run) -> list[Row]:
    """Bar 1."""
    pages = run.pages(run.large)
    _take([pages], run, ("F", "A", "list", "partial", "deep"), ("sort", "sort, deep", "filter", "pair"))
    bare, admin, partial = pages.median("F"), pages.median("A"), pages.median("list, htmx partial")
    first = pages.median("list, first page")
    rows = [
        Row(1, "list, first page", first, "ms", "F", bare, 1.8, detail=pages.entry("list, first page")),
        Row(1, "list, first page", first, "ms", "A", admin, 0.2, detail=pages.entry("A")),
        Row(1, "list, htmx partial", partial, "ms", "F", bare, 1.2, detail=pages.entry("list, htmx partial")),
    ]
    rows.append(_worst(1, pages, "deep", 1.15))
    rows += [_worst(1, pages, group, 2.0) for group in ("sort", "sort, deep", "filter", "pair")]
    if run.database == POSTGRES:
        rows += [_read(1, pages, group) for group in ("deep", "sort", "sort, deep")]
        rows.append(_read(1, pages, "filter", informs=not run.size.small))
    rows.append(Row(1, "F, deep", pages.median("F, deep"), "ms", "F", bare, 1.15, informs=True))
    return rows


def _read(bar: int, pages: Pages, group: str, *, informs: bool = False) -> Row:
    """SIMs that the database goes through for the page that needs most, by those it shows.

    In a small run those for all such pages: with so few SIMs it may be right to go through them for one page, and that
    one is not to hide the others.
    """
    read = {name: pages.cost(name)["sims"] for name in pages.groups[f"{group}, read"]}
    worst = max(read, key=lambda name: read[name])
    rows = sum(read.values()) / len(read) if pages.size.small else read[worst]
    note, name = worst.removesuffix(", read"), f"SIMs read, {CALLED[group]}"
    return Row(bar, name, rows, "rows", "shown", PAGE_SIZE, 2.0, note=note, informs=informs, detail=read)


def searches(run: Run) -> list[Row]:
    """Bar 2."""
    pages = run.pages(run.large)
    _take([pages], run, ("F", "partial", "identifier"), ("search",))
    rows = [_worst(2, pages, "search", 2.0), _worst(2, pages, "identifier", 1.0)]
    if run.database == POSTGRES:
        rows += [_read(2, pages, group, informs=not run.size.small) for group in ("search", "identifier")]
    # What A's search takes grows with the fleet: with few SIMs it says nothing.
    return rows if run.size.small else [*rows, _against_admin(pages, run)]


def _against_admin(pages: Pages, run: Run) -> Row:
    measure([pages], ["A search"], min(run.size.runs, _A_CALLS))
    admin = min(pages.names(["A search"]), key=pages.median)
    worst = max(pages.names(["search"]), key=pages.median)
    entry = {name: pages.entry(name) for name in pages.names(["A search"])}
    took = pages.median(worst)
    return Row(2, "any search", took, "ms", "A's", pages.median(admin), 0.04, note=worst, detail=entry)


def other_pages(run: Run) -> list[Row]:
    """Bar 3."""
    pages = run.pages(run.large)
    _take([pages], run, ("F", "SIM page", "SIM timeline", "dashboard", *OF_LISTS), ())
    bare = pages.median("F")
    rows = []
    for name, limit in (("SIM page", 2.0), ("dashboard", 2.0), ("SIM page, older entries", 1.2)):
        informs = name == "SIM page, older entries"
        value = pages.median(name)
        rows.append(Row(3, name, value, "ms", "F", bare, limit, informs=informs, detail=pages.entry(name)))
    for name in LISTS:
        whole, partial, deep = (f"{name}, {part}" for part in ("first page", "htmx partial", "deep"))
        for page, limit in ((whole, 1.8), (partial, 1.2)):
            rows.append(Row(3, page, pages.median(page), "ms", "F", bare, limit, detail=pages.entry(page)))
        first = pages.median(partial)
        rows.append(Row(3, deep, pages.median(deep), "ms", "its first", first, 1.15, detail=pages.entry(deep)))
    if run.database == POSTGRES:
        read = {name: pages.cost(name)["rows"] for name in pages.names(OF_LISTS)}
        rows.append(
            Row(
                3, "rows read, other lists", sum(read.values()) / len(read), "rows", "shown", PAGE_SIZE, 2.0,
                note="of all tables, on average", informs=not run.size.small, detail=read,
            )
        )  # fmt: skip
    return rows


def statements(run: Run) -> list[Row]:
    """Bar 9: no page has a query for each row that it shows. What it has exactly is ``tests/query_counts.json``."""
    pages, rows = run.pages(run.large), []
    of_sims = ("list", "partial", *(f"{group}, read" for group in ("deep", "sort", "filter", "search", "identifier")))
    for title, groups in (
        ("SIM list", of_sims),
        ("other lists", OF_LISTS),
        ("SIM page", ("SIM page", "SIM timeline")),
        ("dashboard", ("dashboard",)),
    ):
        numbers = {name: pages.cost(name)["statements"] for name in pages.names(groups)}
        worst = max(numbers, key=lambda name: numbers[name])
        note, shown = worst.removesuffix(", read"), PAGE_SIZE
        rows.append(Row(9, title, numbers[worst], "statements", "rows shown", shown, 0.5, note=note, detail=numbers))
    return rows


def growth(run: Run) -> list[Row]:
    """Bar 4."""
    large, small = run.pages(run.large), run.pages(run.small)
    return _grown(4, run, large, small, 1.2)


def on_sqlite(run: Run) -> list[Row]:
    """Bar 10."""
    large, small = (run.pages(fleet) for fleet in run.of_sqlite)
    return _grown(10, run, large, small, 3.0)


def _grown(bar: int, run: Run, large: Pages, small: Pages, limit: float) -> list[Row]:
    """Each page of the large fleet by the same of the small one, a row for each kind, that of the worst."""
    # Anew, so that both are measured in the same turns.
    measure([large, small], (*SINGLE, *OF_LISTS), run.size.runs, anew=True)
    measure([large, small], MANY, run.size.runs_of_many, anew=True)
    reference = f"{run.small.sims if bar == 4 else run.of_sqlite[1].sims:,} SIMs"

    def ratio(name: str) -> float:
        return large.median(name) / small.median(name)

    def common(group: str) -> list[str]:
        return [name for name in large.groups[group] if name in small.samples]

    rows = []
    for group in (*SINGLE, *MANY):
        if group in MANY:
            doubted = sorted(common(group), key=ratio)[-_DOUBTED:]
            measure_names([large, small], lambda _, names=doubted: names, run.size.runs, anew=True)  # type: ignore[misc]  # bound now
        name = max(common(group), key=ratio)
        detail = {each: round(ratio(each), 3) for each in common(group)}
        title = CALLED.get(group, name)
        note = name if group in CALLED else ""
        rows.append(
            Row(bar, title, large.median(name), "ms", reference, small.median(name), limit, note=note, detail=detail)
        )
    for part in PARTS:
        names = [name for group in OF_LISTS if group.endswith(part) for name in common(group)]
        name = max(names, key=ratio)
        title = {"whole": "other lists, first page", "partial": "other lists, partial", "deep": "other lists, deep"}[
            part
        ]
        detail = {each: round(ratio(each), 3) for each in names}
        rows.append(
            Row(bar, title, large.median(name), "ms", reference, small.median(name), limit, note=name, detail=detail)
        )
    return rows


def _take(several: list[Pages], run: Run, groups: tuple[str, ...], many: tuple[str, ...]) -> None:
    measure(several, groups, run.size.runs)
    measure(several, many, run.size.runs_of_many)
    if run.size.small:
        return
    for pages in several:
        doubted = [name for group in many for name in sorted(pages.names([group]), key=pages.median)[-_DOUBTED:]]
        # With the page that they are compared with, in the same turns.
        names = ["F", "list, htmx partial", *doubted] if doubted else []
        measure_names([pages], lambda _, names=names: names, run.size.runs, anew=True)  # type: ignore[misc]  # bound now


def _worst(bar: int, pages: Pages, group: str, limit: float) -> Row:
    """The slowest page of a group against the partial of the first page."""
    names = pages.names([group])
    name = max(names, key=pages.median)
    first = pages.median("list, htmx partial")
    over = sum(pages.median(each) > limit * first for each in names)
    detail = {each: pages.entry(each) for each in names}
    note = f"{name}; {over} of {len(names)} over"
    return Row(bar, CALLED[group], pages.median(name), "ms", "first partial", first, limit, note=note, detail=detail)
