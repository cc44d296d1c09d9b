"""A rule in the browser: filled in, read in words, tried, switched on; then the carrier pushes and somebody decides."""

import re
import uuid
from datetime import UTC, datetime

import requests
from playwright.sync_api import expect

from tests.browser.test_every_page import double_ids, violations


def push_usage(demo, sim, percent):
    """The carrier tells that the SIM has used so much of its quota."""
    quota = sim["cycleUsage"]["dataQuota"]
    body = {
        "eventId": str(uuid.uuid4()),
        "eventType": "CYCLE_USAGE_TRACKING",
        "accountName": sim["accountName"],
        "giccid": sim["giccid"],
        "eventTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S+0000"),
        "dataUsage": quota * percent // 100,
        "threshold": quota,
        "thresholdPercent": 100,
    }
    assert requests.post(demo.push_url(), json=body, timeout=10).status_code == 200


def test_a_rule_is_tried_switched_on_and_its_proposal_decided(open_page, demo, carrier):
    sim = carrier.fresh()
    page = open_page("admin")
    push_usage(demo, sim, 130)
    page.goto("/notifications/rules/new/")
    assert violations(page) == []
    page.get_by_label("Name", exact=True).fill("Suspend at 120 %")
    page.get_by_label("Data usage of the cycle").check()
    page.get_by_label(re.compile("From this figure on")).fill("120")
    page.get_by_label("example_account").check()
    # What belongs to another operation is asked for when that is chosen, and not before.
    expect(page.get_by_label("New rate plan")).to_be_hidden()
    page.get_by_label("Change rate plan").check()
    expect(page.get_by_label("New rate plan")).to_be_visible()
    page.get_by_label("Suspend", exact=True).check()
    expect(page.get_by_label("New rate plan")).to_be_hidden()
    words = page.locator("#rule-sentence")
    expect(words).to_contain_text("reaches 120 %, for SIMs of the account example_account")
    expect(words).to_contain_text("“Suspend” is proposed")
    page.get_by_role("button", name="Make the rule").click()
    page.wait_for_url(re.compile(r"/notifications/rules/\d+/$"))
    rule = page.locator("[data-rule-active]")
    expect(rule).to_have_attribute("data-rule-active", "off")

    # Its trial comes into the page and shows the push of before.
    page.get_by_role("link", name="30 days").click()
    expect(page.locator("[data-trial=operations]")).to_contain_text("1")
    expect(page.locator(f"[data-trial-event] a[href='/sims/{sim['giccid']}/']")).to_have_count(1)
    assert violations(page) == []
    assert double_ids(page) == []
    assert not carrier.changes(sim["giccid"])

    page.get_by_role("button", name="Switch on").click()
    expect(rule).to_have_attribute("data-rule-active", "on")
    push_usage(demo, sim, 110)
    push_usage(demo, sim, 140)

    supervisor = open_page("supervisor")
    row = supervisor.locator("[data-approval-operation]", has_text=re.compile("Rule “Suspend at 120 %”.*140 %"))
    for _ in range(30):
        supervisor.goto("/approvals/")
        if row.count():
            break
        supervisor.wait_for_timeout(500)
    expect(row).to_have_count(1)
    assert not carrier.changes(sim["giccid"]), "nothing was sent yet"
    row.locator("[data-row-link]").click()
    supervisor.get_by_role("button", name=re.compile("Approve")).click()
    expect(supervisor.locator("[data-operation-state]").first).to_have_attribute(
        "data-operation-state", "done", timeout=30_000
    )
    assert [change["to"] for change in carrier.changes(sim["giccid"])] == ["DEACTIVATED"]
    supervisor.goto("/notifications/?kind=CYCLE_USAGE_TRACKING")
    expect(supervisor.locator("[data-notification-kind=CYCLE_USAGE_TRACKING]")).not_to_have_count(0)
    # Other tests use the same demo.
    page.get_by_role("button", name="Switch off").click()
    expect(rule).to_have_attribute("data-rule-active", "off")
