"""Filters of a list in the browser: a panel is filled when it is opened, and what is ticked in it is kept."""

import re

from django.template.loader import render_to_string
from playwright.sync_api import expect

from core.paging import Count
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


def test_the_whole_count_takes_the_place_of_the_first(open_page):
    page, two = open_page("agent"), "/sims/?status=ACTIVATED&account=example_account"
    page.goto(two)
    whole = page.locator("#list-count").get_attribute("data-result-count")
    # The demo has neither PostgreSQL nor a thousand SIMs: its pages come as those of a fleet that has both.
    listing = {"count": Count(3, capped=True, later=True), "count_url": f"{two}&count=1", "noun_plural": "SIM cards"}
    first = render_to_string("core/list.html#count", {"listing": listing})

    def counted_to_three(route):
        answer = route.fetch()
        html, number = re.subn(r'<span id="list-count".*?</span>', lambda _: first, answer.text())
        route.fulfill(response=answer, body=re.sub(rf">{whole} SIM cards</div>", ">more than 3 SIM cards</div>", html))
        assert number == 1

    asked = []
    page.on("request", lambda request: asked.extend([request.url] if "count=1" in request.url else []))
    page.route(re.compile(r"/sims/\?(?!.*(count=1|rows=))"), counted_to_three)
    count, said = page.locator("#list-count"), page.locator("#results-live")
    page.goto(two)
    expect(count).to_have_attribute("data-result-count", whole)
    expect(count).to_have_text(f"{whole} SIM cards")
    page.locator('th a[data-sort="-giccid"]').click()
    expect(page).to_have_url(re.compile("sort=-giccid"))
    expect(count).to_have_text(f"{whole} SIM cards")
    expect(said).to_have_text("more than 3 SIM cards")  # read out as it came, and not again
    expect(page).to_have_url(re.compile(r"account=example_account&sort=-giccid$"))
    assert len(asked) == 2
    assert violations(page) == []
