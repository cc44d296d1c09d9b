"""A whole demo and a real browser, started once; a fresh signed-in page for each test."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Response, sync_playwright

from demo.options import SIMULATOR_KEY
from tests.browser.chromium import find
from tests.whole_demo import WholeDemo

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PASSWORD = "demo"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything below this directory needs the browser, and the first one the start of a demo."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.timeout(300))


class Carrier:
    """The demo's simulator: SIMs nobody used yet, and what really happened to one."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._given: set[str] = set()

    def fresh(self, status: str = "ACTIVATED", account: str = "example_account") -> dict[str, Any]:
        """A SIM in ``status`` that no earlier call answered and no earlier test changed."""
        query: dict[str, str] = {"status": status, "accountName": account, "size": "100"}
        page = requests.get(
            f"{self.url}/v1/global-sims", params=query, headers={"X-API-Key": SIMULATOR_KEY}, timeout=10
        ).json()
        changes = requests.get(f"{self.url}/_simulator/changes", timeout=10).json()["data"]
        used = self._given | {change["giccid"] for change in changes}
        # The first few last: they are those that a list shows first, for tests that take them from there.
        sims = [*page["data"][3:], *page["data"][:3]]
        sim: dict[str, Any] = next(sim for sim in sims if sim["giccid"] not in used)
        self._given.add(sim["giccid"])
        return sim

    def changes(self, giccid: str) -> list[dict[str, Any]]:
        """Every change made to the SIM at the carrier."""
        return requests.get(f"{self.url}/_simulator/changes", params={"giccid": giccid}, timeout=10).json()["data"]

    def push(self, sim: dict[str, Any], kind: str, **fields: Any) -> None:
        """Have the carrier push an event of ``kind`` about ``sim`` now."""
        body = {
            "eventId": str(uuid.uuid4()),
            "eventType": kind,
            "accountName": sim["accountName"],
            "giccid": sim["giccid"],
            "eventTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S+0000"),
            **fields,
        }
        requests.post(f"{self.url}/_simulator/pushes", json=body, timeout=10).raise_for_status()

    def calls(self, call: str, giccid: str) -> int:
        """How often ``call`` was received for the SIM."""
        query = {"giccid": giccid, "call": call}
        return requests.get(f"{self.url}/_simulator/calls", params=query, timeout=10).json()["total"]


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeDemo]:
    """A running demo whose first sync is over."""
    running = WholeDemo(tmp_path_factory.mktemp("browser") / "data", fleet=300).start()
    try:
        running.wait_for_first_sync()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session")
def carrier(demo: WholeDemo) -> Carrier:
    """The carrier behind the demo."""
    return Carrier(demo.simulator_url)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium."""
    path = find()
    if path is None:
        pytest.skip("no Chromium found; to get one: sudo apt-get install chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def _cookies() -> dict[str, Any]:
    return {}


@pytest.fixture
def open_page(demo: WholeDemo, browser: Browser, _cookies: dict[str, Any]) -> Iterator[Callable[..., Page]]:
    """``open_page("agent", **context)`` answers a page signed in as that demo user.

    When the test is over, nothing may have stood in the console and no answer may have been a server error.
    """
    problems: list[str] = []
    contexts: list[BrowserContext] = []

    def note_console(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not _is_expected(message):
            problems.append(f"{message.type}: {message.text} ({message.location.get('url')})")

    def note_response(response: Response) -> None:
        if response.status >= 500:
            problems.append(f"{response.status} {response.request.method} {response.url}")

    def open_one(username: str | None, **options: Any) -> Page:
        if username and username not in _cookies:
            _cookies[username] = sign_in(demo, browser, username)
        state = _cookies[username] if username else None
        options = {"viewport": {"width": 1280, "height": 900}, "storage_state": state, **options}
        context = browser.new_context(base_url=demo.url, **options)
        context.set_default_timeout(15_000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", note_console)
        page.on("pageerror", lambda error: problems.append(f"page error: {error}"))
        page.on("response", note_response)
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert not problems, "\n".join(problems)


def _is_expected(message: ConsoleMessage) -> bool:
    """Chromium reports each answer of 400 to 499 as an error; that a test provokes one is its own matter."""
    return "Failed to load resource: the server responded with a status of 4" in message.text


def sign_in(demo: WholeDemo, browser: Browser, username: str) -> Any:
    """Sign in through the form and answer the cookies."""
    context = browser.new_context(base_url=demo.url)
    context.set_default_timeout(15_000)
    page = context.new_page()
    page.goto("/login/")
    page.locator("[name=username]").fill(username)
    page.locator("[name=password]").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "/login/" not in url)
    state = context.storage_state()
    context.close()
    return state
