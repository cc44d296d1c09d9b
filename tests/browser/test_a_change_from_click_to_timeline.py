"""An agent's work on one SIM: find it, change it, see it done, find it once in the timeline."""

import re

import pytest
from playwright.sync_api import expect

DONE = 30_000


def sim_status(page, status):
    expect(page.locator("[data-sim-status]")).to_have_attribute("data-sim-status", status, timeout=DONE)


def act(page, name, **fields):
    """Open the dialog ``name``, fill it in and send it."""
    page.get_by_role("button", name=name, exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading", name=name)).to_be_visible()
    dialog.locator("[name=reason]").fill(fields.pop("reason", "Asked for by the customer"))
    for field, value in fields.items():
        dialog.locator(f"[name={field}]").fill(value)
    return dialog, dialog.get_by_role("button", name=name, exact=True)


def events(page, kind):
    return page.locator(f"[data-event-kind={kind}]")


def wait_until_done(page):
    expect(page.locator("#sim-operations").first).to_contain_text("Done", timeout=DONE)


def test_searching_as_one_types_then_suspending_and_activating(open_page, carrier):
    sim = carrier.fresh("ACTIVATED")
    giccid = sim["giccid"]
    page = open_page("agent")
    page.goto("/sims/")
    spaced = " ".join(giccid[i : i + 4] for i in range(0, 20, 4))
    box = page.get_by_role("searchbox").first
    box.press_sequentially(spaced, delay=15)
    expect(page.locator("[data-result-count]")).to_have_attribute("data-result-count", "1")
    expect(page.locator("[data-giccid]")).to_have_count(1)
    expect(box).to_be_focused()
    page.locator(f"[data-giccid='{giccid}'] a").first.click()
    sim_status(page, "ACTIVATED")
    before = events(page, "status").count()

    _, send = act(page, "Suspend", reason="Device was stolen", ticket="T-4711")
    send.click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    sim_status(page, "DEACTIVATED")
    wait_until_done(page)
    expect(events(page, "status")).to_have_count(before + 1, timeout=DONE)
    newest = events(page, "status").first
    expect(newest).to_contain_text("Device was stolen")
    expect(newest).to_contain_text("T-4711")
    expect(newest).to_contain_text("agent")
    # Its change-log entry and its push join it, they don't come beside it.
    expect(newest).to_contain_text(re.compile("push", re.I), timeout=DONE)
    expect(newest).to_contain_text(re.compile("log", re.I), timeout=DONE)
    expect(events(page, "status")).to_have_count(before + 1)
    assert len(carrier.changes(giccid)) == 1

    _, send = act(page, "Activate")
    send.click()
    sim_status(page, "ACTIVATED")
    expect(events(page, "status")).to_have_count(before + 2, timeout=DONE)
    assert [change["to"] for change in carrier.changes(giccid)] == ["DEACTIVATED", "ACTIVATED"]


def test_changing_the_rate_plan_shows_both_plans(open_page, carrier):
    sim = carrier.fresh("ACTIVATED")
    page = open_page("agent")
    page.goto(f"/sims/{sim['giccid']}/")
    dialog, send = act(page, "Change rate plan", ticket="T-1")
    plan = dialog.locator("select[name=plan]")
    now = sim["basicServicePackage"]["code"]
    code = next(v for o in plan.locator("option").all() if (v := o.get_attribute("value")) and v != now)
    plan.select_option(code)
    expect(dialog.locator("#plan-compare")).to_contain_text(code)
    dialog.locator("[name=effective][value=NOW]").check()
    send.click()
    wait_until_done(page)
    expect(page.locator("#sim-overview")).to_contain_text(code)
    expect(events(page, "plan").first).to_contain_text("agent")
    assert len(carrier.changes(sim["giccid"])) == 1


def test_adding_a_plan_names_its_price_first(open_page, carrier):
    sim = carrier.fresh("ACTIVATED")
    page = open_page("agent")
    page.goto(f"/sims/{sim['giccid']}/")
    dialog, send = act(page, "Add plan")
    expect(dialog).to_contain_text("purchase")
    plan = dialog.locator("select[name=plan]")
    plan.select_option(next(v for o in plan.locator("option").all() if (v := o.get_attribute("value"))))
    expect(dialog).to_contain_text(re.compile(r"This is a purchase: [\d.]+ \w+"))
    send.dblclick()
    wait_until_done(page)
    expect(events(page, "subscription").first).to_contain_text("agent")
    assert carrier.calls("add_plan", sim["giccid"]) == 1


def test_a_supervisor_retires_after_typing_the_last_digits(open_page, carrier):
    giccid = carrier.fresh("DEACTIVATED")["giccid"]
    page = open_page("supervisor")
    page.goto(f"/sims/{giccid}/")
    wrong = "0000" if giccid[-4:] != "0000" else "1111"
    dialog, send = act(page, "Retire", confirm=wrong)
    send.click()
    expect(dialog.locator("[name=confirm]")).to_have_attribute("aria-invalid", "true")
    assert carrier.changes(giccid) == []
    dialog.locator("[name=confirm]").fill(giccid[-4:])
    dialog.get_by_role("button", name="Retire", exact=True).click()
    sim_status(page, "RETIRED")
    expect(page.get_by_role("button", name="Activate", exact=True)).to_be_disabled()
    assert len(carrier.changes(giccid)) == 1


def test_an_agent_asks_for_a_retire_that_a_supervisor_approves(open_page, carrier):
    giccid = carrier.fresh("DEACTIVATED")["giccid"]
    page = open_page("agent")
    page.goto(f"/sims/{giccid}/")
    dialog, send = act(page, "Retire", confirm=giccid[-4:])
    expect(dialog).to_contain_text("A supervisor approves it first")
    send.click()
    expect(page.locator("#sim-operations")).to_contain_text("Awaiting approval", timeout=DONE)
    sim_status(page, "DEACTIVATED")
    assert carrier.changes(giccid) == []
    page = open_page("supervisor")
    page.goto(f"/sims/{giccid}/")
    page.locator("#sim-operations").get_by_role("link", name="Retire").click()
    page.get_by_role("button", name="Approve", exact=True).click()
    expect(page.locator("[data-operation-state]")).to_have_attribute("data-operation-state", "done", timeout=DONE)
    assert [change["to"] for change in carrier.changes(giccid)] == ["RETIRED"]


def test_a_viewer_can_change_nothing(open_page, carrier):
    giccid = carrier.fresh("DEACTIVATED")["giccid"]
    page = open_page("viewer")
    page.goto(f"/sims/{giccid}/")
    sim_status(page, "DEACTIVATED")
    for name in ("Activate", "Suspend", "Retire", "Change rate plan", "Add plan", "APN", "Custom fields"):
        button = page.get_by_role("button", name=name, exact=True)
        assert button.count() == 0 or button.is_disabled()


def test_an_accounts_agent_finds_nothing_of_another_account(open_page, carrier):
    other = carrier.fresh("ACTIVATED", account="north_logistics")["giccid"]
    page = open_page("scoped")
    page.goto(f"/sims/?q={other}")
    expect(page.locator("[data-result-count]")).to_have_attribute("data-result-count", "0")
    assert page.goto(f"/sims/{other}/").status == 404


def test_suspending_works_without_javascript(open_page, carrier):
    giccid = carrier.fresh("ACTIVATED")["giccid"]
    page = open_page("agent", java_script_enabled=False)
    page.goto(f"/sims/?q={giccid}")
    page.locator(f"[data-giccid='{giccid}'] a").first.click()
    page.get_by_role("button", name="Suspend", exact=True).click()
    page.get_by_label("Reason").fill("   ")
    page.get_by_role("button", name="Suspend", exact=True).click()
    expect(page.get_by_label("Reason")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Reason").fill("No script here")
    page.get_by_role("button", name="Suspend", exact=True).click()
    page.wait_for_url(re.compile(r"/operations/\d+/"))
    state = page.locator("[data-operation-state]")
    for _ in range(60):
        if state.get_attribute("data-operation-state") == "done":
            break
        page.wait_for_timeout(500)
        page.reload()
    expect(state).to_have_attribute("data-operation-state", "done")
    page.goto(f"/sims/{giccid}/")
    sim_status(page, "DEACTIVATED")
    assert len(carrier.changes(giccid)) == 1


@pytest.mark.parametrize("username", ["admin"])
def test_an_administrator_starts_a_sync_and_sees_it_end(open_page, username):
    page = open_page(username)
    page.goto("/sync/")
    form = page.locator("form").filter(has=page.locator("[name=kind][value=changes]"))
    form.get_by_role("button").click()
    expect(page.get_by_role("main")).to_contain_text("Change logs")
    viewer = open_page("viewer")
    viewer.goto("/sync/")
    expect(viewer.locator("form [name=kind]")).to_have_count(0)
