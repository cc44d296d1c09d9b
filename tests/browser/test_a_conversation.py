"""Writing to a device in the browser: from the SIM page, in its conversation, with the faults of the carrier."""

import re

import pytest
import requests
from playwright.sync_api import expect

from tests.browser.test_every_page import violations

DELIVERED = 20_000


@pytest.fixture
def control(carrier):
    """Calls the control API of the demo's simulator."""

    def call(method, path, **body):
        answer = requests.request(method, f"{carrier.url}/_simulator/{path}", json=body or None, timeout=10)
        answer.raise_for_status()

    yield call
    call("DELETE", "sms/faults")


def sent(carrier, giccid):
    return [change for change in carrier.changes(giccid) if change["what"] == "sms"]


def test_from_the_sim_page_to_delivered_and_a_lost_answer(open_page, carrier, control):
    control("POST", "sms/faults", outcome="DELIVERED")
    giccid = carrier.fresh()["giccid"]
    page = open_page("agent")
    page.goto(f"/sims/{giccid}/")
    page.get_by_role("button", name="Send SMS", exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Text")).to_be_focused()
    dialog.get_by_label("Text").fill("Zażółć")
    expect(dialog.get_by_role("status")).to_contain_text("64 characters left")
    expect(dialog.get_by_role("status")).to_contain_text("goes as Unicode because of “ż”")
    dialog.get_by_label("Coding").select_option("0")
    expect(dialog.get_by_role("status")).to_contain_text("can't carry")
    dialog.get_by_role("button", name="Send SMS").click()
    expect(dialog.get_by_label("Coding")).to_have_attribute("aria-invalid", "true")
    assert violations(page) == []
    dialog.get_by_label("Coding").select_option("")
    dialog.get_by_role("button", name="Send SMS").click()
    expect(dialog).to_be_hidden()
    # The page and the conversation bring themselves up to date.
    card = page.locator("[data-messages] [data-message-state]")
    expect(card).to_have_attribute("data-message-state", "delivered", timeout=DELIVERED)
    page.get_by_role("link", name="Open the conversation").click()
    rows = page.locator("li[data-message-state]")
    expect(rows).to_have_count(1)
    expect(rows.first).to_contain_text("Zażółć")

    control("POST", "faults", call="send_sms", kind="lost_answer", giccid=giccid, count=1)
    page.get_by_label("Text").fill("second")
    page.get_by_role("button", name="Send SMS").click()
    expect(rows).to_have_count(2)
    expect(page.get_by_label("Text")).to_have_value("")
    expect(rows.nth(1)).to_have_attribute("data-message-state", "needs_attention", timeout=DELIVERED)
    assert violations(page) == []
    assert len(sent(carrier, giccid)) == 2, "two messages, one call each"
    page.get_by_role("link", name="Say what happened").click()
    page.get_by_label("Reason").fill("The device has it")
    page.get_by_role("button", name="It happened", exact=True).click()
    page.goto(f"/sms/?q={giccid}")
    row = page.locator("tr[data-giccid]")
    expect(row).to_have_attribute("data-message-state", "carrier_unknown")


def test_a_template_goes_to_many(open_page, carrier, control):
    control("POST", "sms/faults", outcome="DELIVERED")
    page = open_page("supervisor")
    page.goto("/sms/templates/new/")
    page.get_by_label("Name").fill("Restart")
    page.get_by_label("Text").fill("restart {giccid}")
    page.get_by_role("button", name="Save").click()
    page.wait_for_url("**/sms/templates/")
    sims = [carrier.fresh() for _ in range(3)]
    page.goto("/jobs/new/")
    page.locator("[name=identifiers]").fill("\n".join(sim["giccid"] for sim in sims))
    page.get_by_label("Send SMS").check()
    expect(page.get_by_label("Template")).to_be_visible()
    # htmx listens to what it put in once it has settled, a moment no hand is fast enough for.
    expect(page.locator(".htmx-settling")).to_have_count(0)
    page.get_by_label("Template").select_option(label="Restart")
    expect(page.get_by_label("Text", exact=True)).to_have_value("restart {giccid}")
    assert violations(page) == []
    page.get_by_role("button", name="Make the plan").click()
    page.wait_for_url(re.compile(r"/jobs/\d+/$"))
    expect(page.get_by_text("3 messages will be sent.")).to_be_visible()
    page.locator("form[action$='/confirm/'] [name=reason]").fill("They hang")
    page.locator("[name=ticket]").fill("T-4")
    page.get_by_role("button", name="Confirm").click()
    expect(page.locator("[data-job-state=done]")).to_be_visible(timeout=60_000)
    page.goto(f"/sms/{sims[0]['giccid']}/")
    expect(page.get_by_text(f"restart {sims[0]['giccid']}")).to_be_visible()
