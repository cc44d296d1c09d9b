"""Asking for pages by Django's test client, in a worker: middleware, queries and template, without a network."""

from __future__ import annotations

import gc
import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any

from benchmarks.stage import milliseconds

HTMX = {"HX-Request": "true", "HX-Target": "results"}
LISTS = {
    "timeline": "/timeline/",
    "operations": "/operations/",
    "pushes": "/pushes/",
    "messages": "/sms/",
    "notifications": "/notifications/",
}
DEPTH = 5_000
"""Rows before the deep page of a list other than that of the SIMs."""
MISSES = ("nowhere-to-be-found", "9999999")


@dataclass(frozen=True)
class Page:
    """One address that is measured. ``group`` is what it is an example of."""

    group: str
    name: str
    path: str
    is_partial: bool = True
    user: str = "agent"


_pages: dict[str, Page] = {}
_clients: dict[str, Any] = {}


def prepare(fleet: int, sample: int = 0) -> list[dict[str, Any]]:
    """What is measured on this database. ``sample``: so many sorts, filters, pairs and searches at most; 0 is all."""
    from django.conf import settings

    from staff import sessions

    settings.ROOT_URLCONF = "benchmarks.reference"
    # Noted once a minute that a session is in use: four statements of whichever page it falls on.
    sessions.RENEW_AFTER = 86_400
    found = [*_references(fleet), *_list(fleet, sample), *_searches(fleet, sample), *_others(fleet)]
    # For cost(), which is quick: all of them, whatever the sample is.
    alike = [page for page in _list(fleet, 0) if page.group in ("deep", "sort", "sort, deep", "filter")]
    alike += _searches(fleet, 0)
    found += [replace(page, group=f"{page.group}, read", name=f"{page.name}, read") for page in alike]
    _pages.update({page.name: page for page in found})
    return [asdict(page) for page in found]


def prepare_first_page() -> None:
    """The first page alone, on a database with any SIMs in it."""
    _pages["list, first page"] = Page("list", "list, first page", "/sims/", is_partial=False)


def warm_up(names: list[str], calls: int = 3) -> None:
    """Templates compiled, plans and pages of the database in memory; nothing left to sweep that is not the pages'."""
    for _ in range(calls):
        for name in names:
            _get(_pages[name])
    gc.collect()
    gc.freeze()


def ask(name: str) -> tuple[float, float]:
    """One call: elapsed and computed here, in milliseconds."""
    page = _pages[name]
    return milliseconds(lambda: _get(page))


def profile(name: str, calls: int = 20, lines: int = 25) -> str:
    """Where the computing of a page goes: the functions that take most by themselves, then with what they call."""
    import cProfile
    import io
    import pstats
    import time

    profiler = cProfile.Profile(time.process_time)
    profiler.runcall(lambda: [_get(_pages[name]) for _ in range(calls)])
    text = io.StringIO()
    figures = pstats.Stats(profiler, stream=text)
    figures.sort_stats("tottime").print_stats(lines)
    figures.sort_stats("cumulative").print_stats(2 * lines)
    return text.getvalue()


def cost(name: str) -> dict[str, int]:
    """What a page asks of the database, without a time in it, so the same on any machine.

    ``statements`` is their number. PostgreSQL tells how many rows it goes through for what is shown: ``sims`` of the
    SIMs, ``rows`` of all tables; a lost index makes it the table. What it counts is left out, which has an end.
    """
    from django.db import connection

    statements: list[tuple[str, Any]] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        statements.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        _get(_pages[name])
    read = {"sims": 0, "rows": 0}
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            for sql, params in statements:
                if sql.startswith(("SELECT", "WITH")) and "COUNT(*)" not in sql:
                    cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {sql}", params)
                    _add_rows(cursor.fetchone()[0][0]["Plan"], read)
    return {"statements": len(statements), **read}


def _add_rows(node: dict[str, Any], read: dict[str, int]) -> None:
    if table := node.get("Relation Name"):
        passed = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck")
        rows = int(sum(node.get(name, 0) for name in passed) * node["Actual Loops"])
        read["rows"] += rows
        read["sims"] += rows if table == "sims_sim" else 0
    for part in node.get("Plans", ()):
        _add_rows(part, read)


def session(user: str) -> str:
    """The cookie of somebody signed in, for requests over HTTP."""
    return "; ".join(f"{name}={morsel.value}" for name, morsel in _client(user).cookies.items())


def _get(page: Page) -> Any:
    response = _client(page.user).get(page.path, headers=HTMX if page.is_partial else {})
    if response.status_code != 200:
        raise SystemExit(f"{page.path} answered {response.status_code}")
    return response


def _client(user: str) -> Any:
    from django.test import Client

    from staff.models import User

    if user not in _clients:
        _clients[user] = Client()
        _clients[user].force_login(User.objects.get(username=user))
    return _clients[user]


def _references(fleet: int) -> Iterator[Page]:
    from benchmarks.fleet import giccid
    from benchmarks.records import SUPERUSER

    yield Page("F", "F", "/bare/", is_partial=False)
    yield Page("F", "F, deep", f"/bare/?after={giccid(fleet * 9 // 10)}", is_partial=False)
    yield Page("A", "A", "/plain/sims/sim/", is_partial=False, user=SUPERUSER)
    # Six digits anywhere: of an IMEI, in few SIMs; and in none.
    for name, text in (("A, search: some", _imei(fleet)[-6:]), ("A, search: miss", MISSES[1])):
        yield Page("A search", name, f"/plain/sims/sim/?q={text}", is_partial=False, user=SUPERUSER)


def _list(fleet: int, sample: int) -> Iterator[Page]:
    yield Page("list", "list, first page", "/sims/", is_partial=False)
    yield Page("partial", "list, htmx partial", "/sims/")
    for percent in (50, 90, 99):
        yield Page("deep", f"{percent} %", f"/sims/?after={_cursor('giccid', fleet * percent // 100)}")
    view = _view("/sims/")
    names = list(view.orders)
    sorts = [sign + name for name in names for sign in ("", "-")]
    for sort in _some(sorts, sample):
        yield Page("sort", f"sort={sort}", f"/sims/?sort={sort}")
    for sort in _some(names, sample):
        yield Page("sort, deep", f"sort={sort}, deep", f"/sims/?sort={sort}&after={_cursor(sort, fleet // 2)}")
    values = {group.name: [c.value for c in group.choices] for group in view._filters(view.request).groups(whole=True)}
    filters = [f"{name}={value}" for name, of in values.items() for value in dict.fromkeys((of[0], of[-1], *of[1:3]))]
    for query in _some(filters, sample):
        yield Page("filter", query, f"/sims/?{query}")
    pairs = [f"{a}={values[a][0]}&{b}={values[b][0]}" for a, b in combinations(values, 2)]
    if sample >= 0:
        random.Random(5).shuffle(pairs)
        pairs = pairs[: sample or 16]
    for query in pairs:
        yield Page("pair", query, f"/sims/?{query}")


def _searches(fleet: int, sample: int) -> Iterator[Page]:
    from benchmarks.fleet import giccid

    middle = fleet // 2
    whole = {
        "giccid": giccid(middle),
        "imsi": f"46001{middle:010d}",
        "msisdn": f"86145{middle:08d}",
        "imei": _imei(fleet),
    }
    parts: dict[str, str] = {}
    for name, text in whole.items():
        parts |= {f"{name}, frequent": text[:4], f"{name}, rare": text[-7:], f"{name}, four digits": text[-5:-1]}
    parts |= {"text, one in a thousand": "customer-99", "text, frequent": "depot", "text, rare": "customer-996"}
    parts |= {f"miss: {text}": text for text in MISSES}
    for name in _some(list(parts), sample):
        yield Page("search", f"search: {name}", f"/sims/?q={parts[name]}")
    for name, text in whole.items():
        yield Page("identifier", f"pasted {name}", f"/sims/?q={text}")


def _others(fleet: int) -> Iterator[Page]:
    from benchmarks.fleet import busy, giccid

    sim = giccid(busy(fleet))
    yield Page("SIM page", "SIM page", f"/sims/{sim}/", is_partial=False)
    yield Page("SIM timeline", "SIM page, older entries", f"/sims/{sim}/timeline/")
    yield Page("dashboard", "dashboard", "/", is_partial=False)
    for name, path in LISTS.items():
        user = "administrator" if name == "pushes" else "agent"
        yield Page(f"{name}, whole", f"{name}, first page", path, is_partial=False, user=user)
        yield Page(f"{name}, partial", f"{name}, htmx partial", path, user=user)
        yield Page(f"{name}, deep", f"{name}, deep", f"{path}?after={_deep(path, user)}", user=user)


def _some(names: list[str], sample: int) -> list[str]:
    """``sample`` of them, evenly chosen; all where it is not positive."""
    if sample <= 0 or len(names) <= sample:
        return names
    return [names[number * len(names) // sample] for number in range(sample)]


def _imei(fleet: int) -> str:
    """Of the SIM in the middle."""
    from benchmarks.fleet import giccid
    from sims.models import Sim

    return str(Sim.objects.values_list("imei", flat=True).get(giccid=giccid(fleet // 2)))


def _view(path: str, user: str = "agent") -> Any:
    """The view of a list as a request for ``path`` has it."""
    from django.test import RequestFactory
    from django.urls import resolve

    from staff.models import User

    request: Any = RequestFactory().get(path)
    request.user = User.objects.get(username=user)
    match = resolve(path)
    view = match.func.view_class()  # type: ignore[attr-defined]  # of ``as_view``
    view.setup(request, *match.args, **match.kwargs)
    return view


def _cursor(sort: str, index: int) -> str:
    """The place of some SIM in an order of the list: that of number ``index`` in the default one."""
    from benchmarks.fleet import giccid
    from core.paging import paginate
    from sims.models import Sim

    order, _ = _view("/sims/")._order(sort)
    two = [giccid(max(0, index - 1)), giccid(index)]
    return paginate(Sim.objects.filter(giccid__in=two), order, size=1).next


def _deep(path: str, user: str) -> str:
    """The place of a page behind :data:`DEPTH` rows of a list, or behind two thirds of them."""
    from core.paging import capped_count, paginate

    view = _view(path, user)
    rows, (order, _) = view._filters(view.request).qs, view._order("")
    return paginate(rows, order, size=min(DEPTH, capped_count(rows).number * 2 // 3)).next
