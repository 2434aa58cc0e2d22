"""What people did is written down, whoever they are; what is in force is shown without secrets."""

from playwright.sync_api import Page, expect

from tests.browser.dashboard.stage import Stage, unique
from tests.browser.people import sign_in
from tests.browser.watch import visit


def test_every_act_is_in_the_audit_log(stage: Stage, page: Page) -> None:
    hub, kiosk, request_id = stage.hub, unique("shop"), stage.unknown(unique("dead"))
    sign_in(page, hub, "admin", "an-auditor")
    visit(page, f"{hub.url}/dashboard/kiosks/add")
    page.get_by_label("Id", exact=True).fill(kiosk)
    page.keyboard.press("Enter")
    secrets = [page.locator("#code").inner_text(), page.locator("#token").inner_text().split("WS_TOKEN=")[1]]
    for act in ("rename", "disable", "enable", "code", "token"):
        visit(page, f"{hub.url}/dashboard/kiosks/{kiosk}/{act}")
        page.locator("main form button[type=submit]").click()
        expect(page.locator("main form")).to_have_count(0)
    visit(page, f"{hub.url}/dashboard/keys")
    page.get_by_label("Name").fill("A key")
    page.keyboard.press("Enter")
    secrets.append(page.locator("#secret").inner_text())
    visit(page, f"{hub.url}/dashboard/alerts")
    page.get_by_label("Kiosk or kind of alert").fill(kiosk)
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_have_text(f"{kiosk} is muted.")
    visit(page, f"{hub.url}/dashboard/operations/{request_id}/resolve")
    page.get_by_role("radio", name="It was executed").check()
    page.get_by_label("How do you know?").fill("The bank says so")
    page.get_by_role("button", name="Next").click()
    page.locator("main form .button-danger").click()
    expect(page.locator("h1 .badge")).to_have_text("executed, by hand")
    visit(page, f"{hub.url}/dashboard/kiosks/{kiosk}/remove")
    page.get_by_label(f"Type {kiosk} to confirm").fill(kiosk)
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_contain_text("is removed")

    visit(page, f"{hub.url}/dashboard/audit")
    page.get_by_label("Who").fill("an-auditor")
    page.keyboard.press("Enter")
    page.wait_for_url("**who=an-auditor**")
    told = page.locator("tbody tr")
    for words in (
        f"Added the kiosk {kiosk}", f"Renamed the kiosk {kiosk}", f"Disabled the kiosk {kiosk}",
        f"Enabled the kiosk {kiosk}", f"Gave out a one-time code for the kiosk {kiosk}",
        f"Gave out a new token for the kiosk {kiosk}", "Made the API key", f"Muted alerts of {kiosk}",
        f"Settled the operation {request_id} by hand", f"Removed the kiosk {kiosk}",
    ):  # fmt: skip
        expect(told.filter(has_text=words)).to_have_count(1)
    told.filter(has_text="Settled the operation").locator("summary").click()
    expect(told.filter(has_text="Settled the operation")).to_contain_text("The bank says so")
    for secret in secrets:
        expect(page.locator("main")).not_to_contain_text(secret.strip())
    page.get_by_role("combobox", name="What").select_option("operations")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**act=operation**")
    expect(told).to_have_count(1)


def test_settings_in_force_are_shown_and_secrets_are_not(stage: Stage, page: Page) -> None:
    sign_in(page, stage.hub, "admin")
    visit(page, f"{stage.hub.url}/dashboard/settings")
    row = page.locator("tbody tr")
    expect(row.filter(has=page.locator("td:text-is('TIMEZONE')"))).to_contain_text("Asia/Almaty")
    expect(row.filter(has=page.locator("td:text-is('JWT_SECRET')"))).to_contain_text("set, never shown")
    html = page.content()
    assert stage.hub.jwt_secret not in html
    assert stage.hub.admin_key not in html
