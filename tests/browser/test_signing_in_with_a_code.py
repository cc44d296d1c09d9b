"""A second factor from its set-up to the next sign-in, and the password asked for again before a retire."""

import subprocess
import sys
from pathlib import Path

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from playwright.sync_api import expect

from tests.browser.test_a_change_from_click_to_timeline import act, sim_status
from tests.browser.test_every_page import violations
from tests.servers import BASE_DIR

PASSWORD = "a-long-pass-phrase-9"
AN_HOUR_AGO = """
from django.contrib.sessions.backends.db import SessionStore
from staff.models import UserSession
for row in UserSession.objects.filter(user__username="careful"):
    session = SessionStore(row.session_key)
    session["sudo_at"] -= 3600
    session.save()
"""


@pytest.fixture
def manage(demo):
    """``manage("command", …, text="")`` on the demo's data."""

    def run(*arguments, text=""):
        command = [sys.executable, str(Path(BASE_DIR) / "manage.py"), *arguments]
        subprocess.run(command, env=demo.environment, input=text, text=True, check=True, capture_output=True)

    return run


def code(secret, step):
    """What the app shows at the present step (1), or the one after (2)."""
    return format_hotp_value(hotp_value(secret, list(yield_hotp_counters_from_time())[step]))


def test_a_second_factor_and_the_password_again_before_a_retire(open_page, carrier, manage):
    manage("create_user", "careful", "--role", "Supervisor", "--all-accounts", text=f"{PASSWORD}\n")
    giccid = carrier.fresh("DEACTIVATED")["giccid"]
    page = open_page(None)
    page.goto("/profile/second-factor/")
    page.get_by_label("User name").fill("careful")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("main").get_by_role("link", name="Set it up").click()
    expect(page.get_by_role("img", name="QR code")).to_be_visible()
    assert violations(page) == []
    page.get_by_text("It can’t be scanned").click()
    secret = page.locator("[data-factor-secret]").inner_text().replace(" ", "")
    page.get_by_label("Code", exact=True).fill(code(secret, 1))
    page.get_by_role("button", name="Set up", exact=True).click()
    expect(page.locator("[data-recovery-codes] li")).to_have_count(10)
    assert violations(page) == []

    page.get_by_role("button", name="Menu of careful").click()
    page.get_by_role("button", name="Sign out", exact=True).click()
    page.goto(f"/sims/{giccid}/")
    page.get_by_label("User name").fill("careful")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    assert violations(page) == []
    page.get_by_label("Code", exact=True).fill(code(secret, 2))
    page.get_by_role("button", name="Sign in").click()
    sim_status(page, "DEACTIVATED")

    _dialog, send = act(page, "Retire", reason="Contract has ended", confirm=giccid[-4:])
    manage("shell", "-c", AN_HOUR_AGO)
    send.click()
    expect(page.get_by_role("heading", name="Is it you?")).to_be_visible()
    assert carrier.changes(giccid) == []
    assert violations(page) == []
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()
    page.wait_for_url("**/operations/*/")
    expect(page.get_by_role("main")).to_contain_text("Contract has ended")
    expect(page.locator("[data-operation-state]")).to_have_attribute("data-operation-state", "done", timeout=30_000)
    assert [change["to"] for change in carrier.changes(giccid)] == ["RETIRED"]
