"""A change at the carrier is seen by its push: on the SIM's page, in the list, in the inbox; nothing read is moved."""

import re
import time

import requests
from playwright.sync_api import expect

DONE = 30_000
WORDS = {"DEACTIVATED": "Suspended", "ACTIVATED": "Activated"}


def change(carrier, giccid, status):
    """Somebody else changes the SIM at the carrier, which pushes it."""
    requests.patch(f"{carrier.url}/_simulator/sims/{giccid}", json={"status": status}, timeout=10).raise_for_status()


def test_a_push_is_seen_on_open_pages_within_two_seconds(open_page, carrier):
    giccid = carrier.fresh("ACTIVATED")["giccid"]
    one, many, inbox = open_page("agent"), open_page("agent"), open_page("admin")
    one.goto(f"/sims/{giccid}/")
    many.goto(f"/sims/?q={giccid}")
    inbox.goto(f"/pushes/?q={giccid}")
    row = many.locator(f"[data-giccid='{giccid}']")
    pushes = inbox.locator("[data-push-kind=SIM_STATUS_CHANGE][data-push-state=done]")
    seconds = []
    for number, status in enumerate(["DEACTIVATED", "ACTIVATED", "DEACTIVATED"], start=1):
        began = time.monotonic()
        change(carrier, giccid, status)
        expect(one.locator("[data-sim-status]")).to_have_attribute("data-sim-status", status, timeout=DONE)
        expect(row).to_contain_text(WORDS[status], timeout=DONE)
        seconds.append(time.monotonic() - began)
        expect(pushes).to_have_count(number, timeout=DONE)
    # The best of three: a machine that runs other tests besides is not what is measured.
    assert min(seconds) < 2, seconds
    expect(inbox.locator("[data-result-count]")).to_have_attribute("data-result-count", "3")

    pushes.last.hover()
    place = pushes.last.bounding_box()
    change(carrier, giccid, "ACTIVATED")
    expect(inbox.get_by_text("1 newer")).to_be_visible(timeout=DONE)
    assert pushes.last.bounding_box() == place, "a row moved under the pointer"
    inbox.mouse.move(0, 0)
    expect(pushes).to_have_count(4, timeout=DONE)

    inbox.get_by_role("link", name="Replay all that match").click()
    dialog = inbox.get_by_role("dialog")
    dialog.get_by_role("button", name="Replay 4").click()
    expect(inbox.get_by_text("4 pushes are being done again.")).to_be_visible(timeout=DONE)
    expect(pushes).to_have_count(4, timeout=DONE)


def test_an_administrator_makes_a_source_and_renews_its_address(open_page, demo):
    page = open_page("admin")
    page.goto("/pushes/sources/")
    page.get_by_role("link", name="New source").click()
    page.get_by_label("Name").fill("Second tenant")
    page.get_by_label("Networks").fill("127.0.0.0/8\n::1")
    page.get_by_role("button", name="Make the source").click()
    address = page.locator("[data-push-address]").inner_text()
    body = {"eventType": "MOON_PHASE", "eventId": "moon"}
    assert requests.post(address, json=body, timeout=10).json() == {"received": True}
    page.get_by_role("link", name="I have noted it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Second tenant")
    page.get_by_role("button", name="Make a new address").click()
    renewed = page.locator("[data-push-address]").inner_text()
    assert renewed != address
    page.get_by_role("link", name="I have noted it").click()
    assert requests.post(address, json=body, timeout=10).status_code == 200, "both are good for a day"
    page.get_by_role("button", name="End it now").click()
    expect(page.get_by_role("button", name="End it now")).to_be_hidden()
    page.get_by_label("New signing key").fill("a key of sixteen characters")
    page.get_by_role("button", name="Ask for signatures").click()
    expect(page.locator("[data-push-signed=yes]")).to_be_visible()

    def answers(status):
        """A web process believes what it read of a source for some seconds."""
        deadline = time.monotonic() + 30
        while requests.post(renewed, json=body, timeout=10).status_code != status:
            assert time.monotonic() < deadline
            page.wait_for_timeout(200)

    answers(401)
    page.get_by_role("button", name="Ask for no signature any more").click()
    answers(200)
    page.goto("/pushes/?kind=MOON_PHASE")
    expect(page.locator("[data-push-state=ignored]").first).to_be_visible(timeout=DONE)
    page.locator("[data-row-link]").first.click()
    expect(page.locator("pre")).to_contain_text(re.compile('"eventId": "moon"'))
