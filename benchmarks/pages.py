"""How long the pages take on a fleet of some size.

    .venv/bin/python -m benchmarks.pages --database postgres --fleet 100000

Times are those of the whole request inside the web process (middleware, queries, template), by Django's test
client; the network and the browser come on top.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Callable
from typing import Any

from benchmarks.stage import WARM_UP, machine, milliseconds, save, stage, summary

HTMX = {"HX-Request": "true", "HX-Target": "results"}


def main() -> None:
    """Build the fleet, measure, print a table, write ``benchmarks/results/<fleet>-<database>.json``."""
    parser = argparse.ArgumentParser(description="Measure the pages on a fleet of some size.")
    parser.add_argument("--database", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--fleet", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=31, help="calls of each page, of which the median counts")
    arguments = parser.parse_args()
    with stage(arguments.database):
        from benchmarks.fleet import build

        start = time.perf_counter()
        build(arguments.fleet)
        built = time.perf_counter() - start
        print(f"{arguments.fleet:,} SIMs built in {built:.0f} s")
        # What building left behind is not the pages' to sweep.
        gc.collect()
        gc.freeze()
        pages = measure(arguments.fleet, arguments.runs)
        result = {"fleet": arguments.fleet, "runs": arguments.runs, "machine": machine(), "pages": pages}
    print_table(pages)
    print(f"written to {save(f'{arguments.fleet}-{arguments.database}', result).name}")


def measure(fleet: int, runs: int) -> dict[str, dict[str, Any]]:
    """Median, 90th percentile and best of each page, its queries, and its median as a ratio to the bare list's."""
    from django.db import connection
    from django.test import override_settings
    from django.test.utils import CaptureQueriesContext

    found: dict[str, dict[str, Any]] = {}
    samples: dict[str, list[tuple[float, float]]] = {}
    with override_settings(ROOT_URLCONF="benchmarks.reference", ALLOWED_HOSTS=["testserver"]):
        get = signed_in()
        pages = addresses(fleet)
        for name, (path, headers) in pages.items():
            for _ in range(WARM_UP):
                get(path, headers)
            with CaptureQueriesContext(connection) as queries:
                get(path, headers)
            found[name] = {"queries": len(queries)}
        # In turn, not one page after the other: what else the machine does then falls on all of them alike.
        for _ in range(runs):
            for name, (path, headers) in pages.items():
                samples.setdefault(name, []).append(milliseconds(lambda p=path, h=headers: get(p, h)))  # type: ignore[misc]  # bound now
    for name, entry in found.items():
        entry |= summary(samples[name])
    bare = found["bare list (reference)"]["median_ms"]
    for entry in found.values():
        entry["ratio"] = round(entry["median_ms"] / bare, 2)
    return found


def signed_in() -> Callable[[str, dict[str, str]], Any]:
    """A function that asks for an address as an agent who sees everything, and refuses to measure an error."""
    from django.contrib.auth.models import Group
    from django.test import Client

    from staff.models import User

    user = User.objects.create_user("agent", password=None, all_accounts=True)
    user.groups.add(Group.objects.get(name="Agent"))
    client = Client()
    client.force_login(user)

    def get(path: str, headers: dict[str, str]) -> Any:
        response = client.get(path, headers=headers)
        if response.status_code != 200:
            raise SystemExit(f"{path} answered {response.status_code}")
        return response

    return get


def addresses(fleet: int) -> dict[str, tuple[str, dict[str, str]]]:
    """What is measured: name → address and headers."""
    from benchmarks.fleet import giccid

    middle = giccid(fleet // 2)
    return {
        "bare list (reference)": ("/bare/", {}),
        "bare list, deep": (f"/bare/?after={giccid(fleet * 9 // 10)}", {}),
        "dashboard": ("/", {}),
        "first page": ("/sims/", {}),
        "first page, htmx partial": ("/sims/", HTMX),
        "search: whole giccid": (f"/sims/?q={middle}", HTMX),
        "search: rare": (f"/sims/?q={middle[-7:]}", HTMX),
        "search: one in a thousand": ("/sims/?q=customer-99", HTMX),
        "search: frequent": ("/sims/?q=898601", HTMX),
        "search: miss": ("/sims/?q=nowhere-to-be-found", HTMX),
        "deep page": (deep_page(fleet), HTMX),
        "filter by status": ("/sims/?status=RETIRED", HTMX),
        "sort by usage": ("/sims/?sort=-usage", HTMX),
        "filter and sort": ("/sims/?status=DEACTIVATED&account=example_account&sort=-usage", HTMX),
        "filter, sort and search": ("/sims/?status=ACTIVATED&q=depot 1&sort=-seen", HTMX),
        "SIM page": (f"/sims/{middle}/", {}),
        "timeline, more": (f"/sims/{middle}/timeline/", HTMX),
    }


def deep_page(fleet: int) -> str:
    """The address of a page nine tenths down the list, as the list itself would link to it."""
    from benchmarks.fleet import giccid
    from core.paging import Order, paginate
    from sims.models import Sim

    order = Order("giccid", ("giccid",))
    page = paginate(Sim.objects.filter(giccid__gte=giccid(fleet * 9 // 10 - 50)), order)
    return f"/sims/?after={page.next}"


def print_table(pages: dict[str, dict[str, Any]]) -> None:
    """The figures, a line each."""
    print(f"{'':28}{'median':>10}{'p90':>10}{'best':>10}{'CPU':>10}{'queries':>9}{'ratio':>7}")
    for name, entry in pages.items():
        print(
            f"{name:28}{entry['median_ms']:>7.1f} ms{entry['p90_ms']:>7.1f} ms"
            f"{entry['best_ms']:>7.1f} ms{entry['cpu_ms']:>7.1f} ms"
            f"{entry['queries']:>9}{entry['ratio']:>7.2f}"
        )


if __name__ == "__main__":
    main()
