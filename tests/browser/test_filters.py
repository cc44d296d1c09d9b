"""Filters of a list in the browser: a panel is filled when it is opened, and what is ticked in it is kept."""

import re

from playwright.sync_api import expect

from tests.browser.test_every_page import violations


def test_a_panel_is_filled_when_it_is_opened(open_page):
    page = open_page("agent")
    page.goto("/sims/?account=example_account")
    panel = page.locator("details", has=page.locator("summary", has_text=re.compile("^Account$")))
    panel.locator("summary").click()
    expect(panel.get_by_label("example_account", exact=True)).to_be_checked()
    panel.get_by_label("north_logistics", exact=True).check()
    expect(page).to_have_url(re.compile("account=example_account&account=north_logistics"))
    # A panel that was never opened still has its part in the form.
    status = page.locator("details", has=page.locator("summary", has_text=re.compile("^Status$")))
    status.locator("summary").click()
    status.get_by_label("Retired", exact=True).check()
    expect(page).to_have_url(re.compile("status=RETIRED&account=example_account&account=north_logistics"))
    assert violations(page) == []
