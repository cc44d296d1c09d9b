"""Each page, in both themes and on a phone: no violation, no error in the console, nothing to scroll sideways."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.conftest import sign_in

PAGES = [
    "/",
    "/sims/",
    "/sims/?q=898&status=ACTIVATED&sort=-giccid",
    "/sims/?q=nothing-has-this",
    "/sims/{giccid}/",
    "/sims/{giccid}/usage/?show=cycles",
    "/sims/{giccid}/operations/suspend/",
    "/sims/{giccid}/operations/change_plan/",
    "/accounts/example_account/",
    "/pools/EU-POOL-1/",
    "/operations/",
    "/jobs/",
    "/jobs/new/",
    "/approvals/",
    "/sms/",
    "/sms/{giccid}/",
    "/sims/{giccid}/sms/",
    "/sms/templates/",
    "/sms/templates/new/",
    "/notifications/",
    "/notifications/?q=nothing-has-this",
    "/notifications/{line}/",
    "/notifications/act/snooze/?ids={line}",
    "/notifications/forwards/",
    "/notifications/forwards/new/",
    "/notifications/deliveries/",
    "/plans/compare/?plan=EU-100M-M&plan=TOPUP-50M",
    "/plans/cost/?plan=EU-100M-M",
    "/exports/",
    "/pushes/",
    "/sync/",
    "/audit/",
    "/audit/1/",
    "/profile/",
    "/profile/password/",
    "/profile/second-factor/",
    "/profile/second-factor/set-up/",
    "/profile/confirm/",
    "/not-there/",
]


@pytest.fixture(scope="session")
def giccid(carrier):
    return carrier.fresh("ACTIVATED")["giccid"]


@pytest.fixture(scope="session")
def line(carrier, demo, browser):
    """The number of a notification that waits."""
    carrier.push(carrier.fresh("ACTIVATED"), "PREPAID_SERVICE_PACKAGE_TRAFFIC_TRACKING", dataUsage=1, threshold=1)
    context = browser.new_context(base_url=demo.url, storage_state=sign_in(demo, browser, "admin"))
    page = context.new_page()
    page.goto("/notifications/")
    row = page.locator("tr[data-notification]").first
    expect(row).to_be_visible(timeout=30_000)
    number = row.get_attribute("data-notification")
    context.close()
    return number


COLOURS = {"runOnly": ["color-contrast", "link-in-text-block"]}
"""The rules that another theme can break."""


def violations(page, rules=None):
    """Serious and critical violations, a line each; of some rules only where ``rules`` says which."""
    found = Axe().run(page, options={"resultTypes": ["violations"], **(rules or {})}).response["violations"]
    return [
        f"{each['id']} ({each['impact']}): {each['help']}: {node['html'][:160]}"
        for each in found
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]


def double_ids(page):
    return page.evaluate(
        "() => { const ids = [...document.querySelectorAll('[id]')].map((e) => e.id);"
        " return [...new Set(ids.filter((id, i) => ids.indexOf(id) !== i))]; }"
    )


@pytest.mark.parametrize("address", PAGES)
def test_a_page_is_accessible_and_fits_a_phone(open_page, giccid, line, address):
    page = open_page("admin", color_scheme="light")
    page.goto(address.format(giccid=giccid, line=line))
    expect(page.locator("h1")).to_have_count(1)
    assert double_ids(page) == []
    assert violations(page) == [], "light"
    page.emulate_media(color_scheme="dark")
    page.reload()  # colours that are on their way from one theme to the other are neither
    assert violations(page, COLOURS) == [], "dark, where all else is the same page"
    page.set_viewport_size({"width": 375, "height": 800})
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide == 0, f"{wide} px to scroll sideways"


@pytest.mark.parametrize(
    "address", ["/sims/", "/sims/{giccid}/", "/operations/", "/notifications/", "/pushes/", "/sync/"]
)
def test_no_column_is_cut_off_on_a_small_laptop(open_page, giccid, line, address):
    page = open_page("admin", viewport={"width": 1280, "height": 800})
    page.goto(address.format(giccid=giccid, line=line))
    cut = page.evaluate("[...document.querySelectorAll('.table-wrap')].map((e) => e.scrollWidth - e.clientWidth)")
    assert not any(cut), f"{cut} px to scroll sideways in the tables"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_sign_in_page_is_accessible(open_page, theme):
    page = open_page(None, color_scheme=theme)
    page.goto("/sims/")
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    assert violations(page) == []


@pytest.mark.parametrize("action", ["Suspend", "Change rate plan", "Add plan", "APN", "Custom fields"])
def test_a_dialog_is_accessible_and_gives_the_focus_back(open_page, giccid, action):
    page = open_page("agent")
    page.goto(f"/sims/{giccid}/")
    button = page.get_by_role("button", name=action, exact=True)
    button.click()
    expect(page.get_by_role("dialog").get_by_label("Reason")).to_be_visible()
    assert violations(page) == []
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(button).to_be_focused()


def test_usage_is_drawn_when_it_comes_into_sight_and_stands_in_a_table(open_page, giccid):
    page = open_page("viewer")
    page.goto(f"/sims/{giccid}/")
    page.evaluate("document.getElementById('usage').scrollIntoView()")
    page.get_by_role("link", name="Cycles", exact=True).click()
    figure = page.locator("figure[data-chart=usage-cycles]")
    expect(figure.get_by_role("img")).to_be_visible()
    painted = (
        "canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(value => value)"
    )
    assert figure.locator("canvas").evaluate(painted)
    figure.get_by_text("Figures as a table").click()
    expect(figure.get_by_role("columnheader", name="Quota")).to_be_visible()


def test_the_theme_is_the_users_own_choice(open_page):
    page = open_page("viewer")
    page.goto("/sims/")
    for theme in ("dark", "light"):
        page.get_by_role("button", name="Menu of").click()
        page.locator(f"button[name=theme][value={theme}]").click()
        expect(page.locator("html")).to_have_attribute("data-theme", theme)
        page.goto("/operations/")
        expect(page.locator("html")).to_have_attribute("data-theme", theme)


def test_the_list_is_used_with_the_keyboard_alone(open_page):
    page = open_page("agent")
    page.goto("/sims/")
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox").first).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("j")
    expected = page.locator("[data-giccid]").nth(1).get_attribute("data-giccid")
    page.keyboard.press("x")
    expect(page.locator(f"[data-select-row='{expected}']")).to_be_checked()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/sims/{expected}/")


def test_paging_and_the_choice_of_rows_go_together(open_page):
    page = open_page("agent")
    page.goto("/sims/?sort=giccid")
    first = page.locator("[data-giccid]").first.get_attribute("data-giccid")
    page.locator("[data-select-row]").first.check()
    page.locator("a[rel=next]").click()
    expect(page.locator(f"[data-giccid='{first}']")).to_have_count(0)
    page.locator("[data-select-row]").first.check()
    expect(page.locator("[data-select-count]")).to_have_text("2")
    page.locator("a[rel=prev]").click()
    expect(page.locator(f"[data-select-row='{first}']")).to_be_checked()
