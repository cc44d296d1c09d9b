"""What the carrier pushes shows in the navigation and in the open list, without a reload, and takes no focus."""

from __future__ import annotations

from playwright.sync_api import expect

SHOWN = 30_000


def test_a_push_becomes_a_notification_that_somebody_closes(open_page, carrier):
    sim, other = carrier.fresh("DEACTIVATED"), carrier.fresh("DEACTIVATED")
    page = open_page("supervisor")
    # Whatever the life of the demo's fleet made before is out of the way; this kind it makes rarely.
    page.goto("/notifications/")
    page.get_by_role("button", name="Mark all as read").click()
    page.goto("/notifications/?kind=PREPAID_SERVICE_PACKAGE_EXPIRED&read=unread")
    badge = page.locator("#badge-notifications")
    before = int(badge.get_attribute("data-notifications").rstrip("+"))
    box = page.locator("#notification-search")
    box.focus()

    carrier.push(sim, "PREPAID_SERVICE_PACKAGE_EXPIRED", servicePackageCode="TOPUP-50M")
    row = page.locator("tr[data-notification-kind=PREPAID_SERVICE_PACKAGE_EXPIRED]")
    expect(row).to_have_count(1, timeout=SHOWN)
    expect(badge).not_to_have_attribute("data-notifications", str(before), timeout=SHOWN)
    assert int(badge.get_attribute("data-notifications")) > before
    expect(page.locator("#announce")).to_contain_text("unread notification")
    expect(box).to_be_focused()

    tick = row.locator("[data-select-row]")
    tick.check()
    tick.focus()
    carrier.push(other, "PREPAID_SERVICE_PACKAGE_EXPIRED", servicePackageCode="TOPUP-50M")
    expect(row).to_contain_text("2 SIMs", timeout=SHOWN)
    expect(row).to_have_count(1)
    expect(tick).to_be_checked()
    expect(tick).to_be_focused()

    page.locator("[data-select-bar]").get_by_role("button", name="Close", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Note").fill("The customer was called")
    dialog.get_by_role("button", name="Close", exact=True).click()
    expect(dialog).to_be_hidden()
    expect(row).to_have_count(0)
    expect(page.locator("#toasts")).to_contain_text("1 notification closed.")
    page.goto("/notifications/?state=closed&kind=PREPAID_SERVICE_PACKAGE_EXPIRED")
    page.locator("[data-row-link]").first.click()
    expect(page.get_by_text("The customer was called")).to_be_visible()
    expect(page.locator(f"a[href='/sims/{sim['giccid']}/']")).to_be_visible()
