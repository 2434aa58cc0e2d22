"""The ways in: the first start's link, passwords, second factors, lockout, roles, and out again."""

import re
from collections.abc import Callable
from datetime import UTC, datetime

import pyotp
from playwright.sync_api import Page, expect

from bench.stack import Hub
from tests.browser.dashboard.stage import HERE, Stage
from tests.browser.people import sign_in
from tests.browser.watch import visit, watch

PASSWORD, ANOTHER = "blue kettle on the roof", "seven quiet tram stops"


def enter(page: Page, name: str, password: str) -> None:
    """Fill the form that is open, as a person does: by keyboard, with Enter at the end."""
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.keyboard.press("Enter")


def sign_out(page: Page) -> None:
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")


def test_from_the_first_start_to_a_second_factor(new_hub: Callable[..., Hub], page: Page) -> None:
    hub = new_hub()
    visit(page, f"{hub.url}/dashboard")
    expect(page.locator("main")).to_contain_text("Nobody can sign in yet")
    link = (hub.directory / "state" / "first-admin-link").read_text(encoding="utf-8").strip()

    # The link, with what people do wrong.
    visit(page, link)
    watch(page).expected = {422, 403}
    for password, again, told in (("kettle", "kettle", ""), (PASSWORD, ANOTHER, "are not the same")):
        page.get_by_label("Name").fill("chief")
        page.get_by_label("Password", exact=True).fill(password)
        page.get_by_label("The same again").fill(again)
        page.get_by_role("button", name="Set password and sign in").click()
        if told:
            expect(page.get_by_role("alert")).to_contain_text(told)
        else:  # the browser itself says that it is too short
            expect(page.locator("#password:invalid")).to_have_count(1)
    expect(page.get_by_label("Name")).to_have_value("chief")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("The same again").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{hub.url}/dashboard")
    expect(page.locator(".who-name")).to_contain_text("chief")
    expect(page.locator(".who-name")).to_contain_text("administrator")
    expect(page.locator("main")).to_contain_text("Add a kiosk")
    sign_out(page)
    visit(page, link, status=410)
    expect(page.get_by_role("heading", level=1)).to_have_text("This link does not work any more")

    # A password, and where one wanted to go.
    visit(page, f"{hub.url}/dashboard/settings")
    watch(page).expected = {403}
    enter(page, "chief", ANOTHER)
    expect(page.get_by_role("alert")).to_have_text("The name or the password is wrong.")
    expect(page.get_by_label("Name")).to_have_value("chief")
    enter(page, "chief", PASSWORD)
    expect(page).to_have_url(f"{hub.url}/dashboard/settings")

    # A second factor.
    page.locator(".who-name").click()
    factor = page.locator("#totp")
    factor.get_by_label("Password now").fill(PASSWORD)
    factor.get_by_role("button", name="Set up").click()
    code = factor.get_by_role("textbox", name="Code")
    key = pyotp.TOTP(factor.locator(".secret").inner_text().replace(" ", ""))
    expect(factor.get_by_role("img", name="QR code with the key")).to_be_visible()
    code.fill("000000" if key.now() != "000000" else "111111")
    factor.get_by_role("button", name="Turn on").click()
    expect(factor.get_by_role("alert")).to_contain_text("This code is wrong")
    assert key.secret == factor.locator(".secret").inner_text().replace(" ", "")
    step = key.timecode(key_now())
    code.fill(key.generate_otp(step))
    factor.get_by_role("button", name="Turn on").click()
    expect(page.get_by_role("status").first).to_have_text("The second factor is on.")
    sign_out(page)
    enter(page, "chief", PASSWORD)
    code = page.get_by_role("textbox", name="Code from your authenticator app")
    expect(code).to_be_focused()
    page.keyboard.type(key.generate_otp(step))  # used already
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("was used already")
    code.fill(key.generate_otp(max(step, key.timecode(key_now())) + 1))
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{hub.url}/dashboard")

    # And off again; and sessions.
    page.locator(".who-name").click()
    factor.get_by_label("Password now").fill(PASSWORD)
    factor.get_by_role("button", name="Turn off").click()
    expect(page.get_by_role("status").first).to_have_text("The second factor is off.")
    expect(page.locator("table.list tbody tr")).to_have_count(1)


def key_now() -> datetime:
    """Now, in the zone that pyotp takes."""
    return datetime.now(UTC)


def test_a_name_is_locked_after_wrong_tries_and_says_for_how_long(stage: Stage, page: Page) -> None:
    visit(page, f"{stage.hub.url}/dashboard/sign-in")
    watch(page).expected = {403, 429}
    alert = page.get_by_role("alert")
    for number in range(6):
        with page.expect_navigation():  # the page before it says so, too
            enter(page, "whoever", f"a wrong password {number}")
        expect(alert).to_contain_text("is wrong" if number < 5 else "Too many wrong tries")
    assert re.search(r"Try again in \d+ s", alert.inner_text())


def test_roles_are_given_by_a_link_and_hold(stage: Stage, page: Page, new_page: Callable[..., Page]) -> None:
    hub = stage.hub
    sign_in(page, hub, "admin")
    visit(page, f"{hub.url}/dashboard/accounts")
    page.get_by_label("Name").fill("night-shift")
    page.get_by_role("radio", name="viewer: sees").check()
    page.get_by_role("button", name="Add an account").click()
    link = page.locator(".secret").inner_text().strip()

    theirs = new_page()
    visit(theirs, link)
    expect(theirs.get_by_role("heading", level=1)).to_have_text("Choose a password for night-shift")
    theirs.get_by_label("Password", exact=True).fill(PASSWORD)
    theirs.get_by_label("The same again").fill(PASSWORD)
    theirs.keyboard.press("Enter")
    expect(theirs).to_have_url(f"{hub.url}/dashboard")

    # A viewer sees, and is offered nothing else.
    visit(theirs, f"{hub.url}/dashboard/kiosks/{HERE}")
    expect(theirs.get_by_role("group", name="What can be done")).to_have_count(0)
    visit(theirs, f"{hub.url}/dashboard/kiosks/{HERE}/disable", status=403)
    expect(theirs.get_by_role("alert")).to_have_text("This needs the role “operator”; yours is “viewer”.")
    visit(theirs, f"{hub.url}/dashboard/keys", status=403)
    expect(theirs.get_by_role("alert")).to_contain_text("“administrator”")

    # An operator may act; whoever was signed in as less must come anew.
    visit(page, f"{hub.url}/dashboard/accounts")
    row = page.locator("tr", has_text="night-shift")
    row.locator("summary").click()
    row.get_by_label("Role").select_option("operator")
    row.get_by_role("button", name="Set role").click()
    page.get_by_role("dialog").get_by_role("button", name="Set role").click()
    expect(page.get_by_role("status").first).to_have_text("The role of night-shift is changed.")
    visit(theirs, f"{hub.url}/dashboard/kiosks/{HERE}")
    expect(theirs.get_by_role("heading", level=1)).to_have_text("Sign in")
    enter(theirs, "night-shift", PASSWORD)
    expect(theirs).to_have_url(f"{hub.url}/dashboard/kiosks/{HERE}")
    acts = theirs.get_by_role("group", name="What can be done")
    expect(acts.get_by_role("link")).to_have_text(["Rename", "Disable"])

    # A new password ends the session of another browser, and one's own goes on.
    theirs.locator(".who-name").click()
    theirs.get_by_label("Password now").first.fill(PASSWORD)
    theirs.get_by_label("New password").fill(ANOTHER)
    theirs.get_by_label("The same again").fill(ANOTHER)
    theirs.get_by_role("button", name="Change").click()
    expect(theirs.get_by_role("status").first).to_contain_text("Your password is changed")
    sign_out(theirs)
    theirs.go_back()
    visit(theirs, f"{hub.url}/dashboard/account")
    expect(theirs.get_by_role("heading", level=1)).to_have_text("Sign in")

    # Gone for good.
    row.locator("summary").click()
    row.get_by_role("button", name="Remove").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.get_by_role("status").first).to_have_text("night-shift is removed.")
