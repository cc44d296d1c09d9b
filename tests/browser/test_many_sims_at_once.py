"""Batch jobs in the browser: choosing, the plan, watching, taking it back; the second person."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.test_every_page import violations

ENDED = 90_000


def state_of(page, state, timeout=ENDED):
    expect(page.locator("[data-job-state]")).to_have_attribute("data-job-state", re.compile(state), timeout=timeout)


def giccids(carrier, count, status="ACTIVATED", account="example_account"):
    return [carrier.fresh(status, account)["giccid"] for _ in range(count)]


def make_plan(page, kind, numbers):
    """Paste ``numbers`` and make the plan of ``kind``."""
    page.goto(f"/jobs/new/?kind={kind}")
    page.locator("[name=identifiers]").fill("\n".join(numbers))
    page.get_by_role("button", name="Make the plan").click()
    page.wait_for_url(re.compile(r"/jobs/\d+/$"))


def confirm(page, **fields):
    page.locator("form[action$='/confirm/'] [name=reason]").fill("Asked for by the customer")
    page.locator("[name=ticket]").fill("T-4711")
    for name, value in fields.items():
        page.locator(f"[name={name}]").fill(value)
    page.get_by_role("button", name="Confirm").click()


def test_a_paste_is_planned_confirmed_watched_and_undone(open_page, carrier):
    numbers = giccids(carrier, 4)
    page = open_page("agent")
    make_plan(page, "suspend", [*numbers, numbers[0], "12345678901234"])
    job = page.locator("[data-job-state]")
    expect(job).to_have_attribute("data-count-eligible", "4")
    assert violations(page) == []
    for outcome in ("duplicate", "not_found"):
        expect(page.locator(f"[data-line-outcome={outcome}]")).to_have_count(1)
    assert not any(carrier.changes(number) for number in numbers)
    confirm(page)
    # The page goes on by itself, its rows as well.
    state_of(page, "^done$")
    expect(job).to_have_attribute("data-count-succeeded", "4")
    for number in numbers:
        row = page.locator(f"tr[data-giccid='{number}']")
        expect(row).to_have_attribute("data-outcome", "succeeded", timeout=10_000)
        assert carrier.changes(number)[-1]["to"] == "DEACTIVATED"
    assert violations(page) == []
    page.get_by_role("button", name="Undo").click()
    state_of(page, "^planned$")
    expect(page.locator("[data-job-state]")).to_have_attribute("data-count-eligible", "4")


def test_rows_ticked_on_two_pages_come_along(open_page):
    page = open_page("agent")
    page.goto("/sims/?status=ACTIVATED&sort=-giccid")
    chosen = []
    for _ in range(2):
        box = page.locator("[data-select-row]").first
        chosen.append(box.get_attribute("data-select-row"))
        box.check()
        page.locator("a[rel=next]").click()
        expect(page.locator(f"[data-giccid='{chosen[-1]}']")).to_have_count(0)
    page.locator("summary", has_text="Change them").click()
    assert violations(page) == []
    page.locator(".job-menu [value=set_custom_fields]").click()
    page.locator("[name=custom4]").fill("Gate 7")
    page.get_by_role("button", name="Make the plan").click()
    page.wait_for_url(re.compile(r"/jobs/\d+/$"))
    for number in chosen:
        expect(page.locator(f"tr[data-giccid='{number}']")).to_have_attribute("data-outcome", "eligible")
    page.get_by_role("button", name="Cancel").click()
    state_of(page, "^cancelled$")


def test_all_that_match_are_chosen_by_their_filter(open_page):
    page = open_page("agent")
    page.goto("/sims/?status=ACTIVATED&account=north_logistics")
    number = page.locator("[data-result-count]").get_attribute("data-result-count")
    page.locator("[data-select-row]").first.check()
    page.get_by_role("link", name=f"Select all {number} that match").click()
    page.get_by_role("button", name="Make the plan").click()
    page.wait_for_url(re.compile(r"/jobs/\d+/$"))
    job = page.locator("[data-job-state]")
    counts = [int(job.get_attribute(f"data-count-{name}")) for name in ("eligible", "refused")]
    assert sum(counts) == int(number)


def test_a_retire_waits_for_a_second_person(open_page, carrier):
    [number] = giccids(carrier, 1, "DEACTIVATED")
    page = open_page("agent")
    make_plan(page, "retire", [number])
    confirm(page, confirm="1")
    state_of(page, "^awaiting_approval$")
    expect(page.get_by_role("button", name="Approve")).to_be_disabled()
    assert violations(page) == []
    other = open_page("supervisor")
    other.goto("/sims/")
    other.get_by_role("link", name="Approvals").click()
    assert violations(other) == []
    other.locator(f"[data-approval-job='{page.url.split('/')[-2]}'] a[data-row-link]").click()
    other.get_by_role("button", name="Approve").click()
    state_of(other, "^done$")
    # Who asked sees the end without touching the page.
    state_of(page, "^done$", 15_000)
    assert carrier.changes(number)[-1]["to"] == "RETIRED"
    expect(other.get_by_role("button", name="Undo")).to_be_disabled()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_form_of_every_kind_is_accessible(open_page, theme):
    page = open_page("agent", color_scheme=theme)
    page.goto("/jobs/new/")
    page.locator("[name=identifiers]").fill("kept")
    for kind, field in (
        ("change_plan", "plan"),
        ("add_plan", "plan"),
        ("set_apn", "apn"),
        ("set_custom_fields", "custom5"),
    ):
        page.locator(f"[name=kind][value={kind}]").check()
        expect(page.locator(f"[name={field}]")).to_be_visible()
        assert violations(page) == []
    expect(page.locator("[name=identifiers]")).to_have_value("kept")
