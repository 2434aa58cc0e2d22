"""JavaScript off: all that must be done at night on an old phone."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.dashboard.stage import HERE, Stage, unique, until
from tests.browser.people import sign_in
from tests.browser.watch import scrolls_sideways, visit

PASSWORD = "seven quiet tram stops"


def test_without_a_script_one_signs_in_finds_disables_and_settles(
    stage: Stage, page: Page, new_page: Callable[..., Page]
) -> None:
    hub, kiosk, request_id = stage.hub, unique("shop"), stage.unknown(unique("dead"))
    hub.add_kiosk(kiosk, "The corner shop")
    sign_in(page, hub, "admin")
    visit(page, f"{hub.url}/dashboard/accounts")
    page.get_by_label("Name").fill("old-phone")
    page.get_by_role("radio", name="operator: also").check()
    page.get_by_role("button", name="Add an account").click()

    theirs = new_page(script=False, width=360)
    visit(theirs, page.locator(".secret").inner_text().strip())
    theirs.get_by_label("Password", exact=True).fill(PASSWORD)
    theirs.get_by_label("The same again").fill(PASSWORD)
    theirs.get_by_role("button", name="Set password and sign in").click()
    expect(theirs.get_by_role("heading", level=1)).to_have_text("Overview")
    theirs.get_by_role("button", name="Menu").click()
    theirs.get_by_role("button", name="Sign out").click()
    theirs.get_by_label("Name").fill("old-phone")
    theirs.get_by_label("Password").fill(PASSWORD)
    theirs.get_by_role("button", name="Sign in").click()
    expect(theirs.locator("svg.spark").first).to_be_visible()
    assert scrolls_sideways(theirs) == ""

    visit(theirs, f"{hub.url}/dashboard/kiosks")
    theirs.get_by_role("searchbox", name="Search").fill("corner")
    theirs.get_by_role("button", name="Search").click()
    theirs.get_by_role("link", name=kiosk).click()
    theirs.get_by_role("link", name="Disable").click()
    theirs.get_by_role("button", name="Disable").click()
    expect(theirs.locator(".kiosk-verdict .badge").first).to_have_text("disabled")
    until("it being disabled", lambda: not hub.admin("GET", f"/admin/kiosks/{kiosk}").json()["enabled"])
    theirs.get_by_role("link", name="Enable").click()
    theirs.get_by_role("button", name="Enable").click()
    expect(theirs.locator(".kiosk-verdict .badge").first).to_have_text("never seen")

    visit(theirs, f"{hub.url}/dashboard/operations")
    theirs.get_by_role("combobox", name="Outcome").select_option("unknown")
    theirs.get_by_role("button", name="Show").click()
    theirs.locator(f"a[title='{request_id}']").click()
    theirs.get_by_role("link", name="Settle by hand…").click()
    theirs.get_by_role("radio", name="It was not executed").check()
    theirs.get_by_label("How do you know?").fill("The till has no slip")
    theirs.get_by_role("button", name="Next").click()
    theirs.locator("main form .button-danger").click()
    expect(theirs.locator("h1 .badge")).to_have_text("not executed, by hand")
    assert scrolls_sideways(theirs) == ""
    visit(theirs, f"{hub.url}/dashboard/kiosks/{HERE}")
    expect(theirs.locator("#connections tbody tr").first).to_be_visible()
