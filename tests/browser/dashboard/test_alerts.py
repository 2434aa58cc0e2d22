"""Alerts that a real kiosk raises by going away: taken note of, muted, and over when it is back."""

from playwright.sync_api import Page, expect

from tests.browser.dashboard.stage import PATIENCE_MS, Stage, unique, until
from tests.browser.people import sign_in
from tests.browser.watch import visit, watch


def test_an_alert_comes_is_acknowledged_muted_and_goes(stage: Stage, page: Page) -> None:
    kiosk = unique("shop")
    box = stage.new_kiosk(kiosk)
    box.start()
    until("it being here", lambda: stage.is_here(kiosk))
    sign_in(page, stage.hub, "operator")
    visit(page, f"{stage.hub.url}/dashboard/alerts")
    box.kill()
    alert = page.locator("li.alert", has_text=kiosk)
    expect(alert).to_contain_text("Not connected", timeout=PATIENCE_MS)
    expect(alert).to_contain_text("Look at the kiosk's power and network.")
    alert.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_role("status").first).to_have_text("1 alert acknowledged.")
    expect(alert).to_contain_text("acknowledged by an-operator")

    scope = page.get_by_label("Kiosk or kind of alert")
    watch(page).expected = {422}
    scope.fill("nobody")
    page.get_by_role("button", name="Mute", exact=True).click()
    expect(page.get_by_role("status").first).to_contain_text("“nobody” is neither a kiosk nor a kind of alert.")
    scope.fill(kiosk)
    page.get_by_role("combobox", name="For").select_option("8h")
    page.get_by_role("button", name="Mute", exact=True).click()
    expect(page.get_by_role("status").first).to_have_text(f"{kiosk} is muted.")
    expect(alert).to_contain_text("not told")
    mute = page.locator("tr", has_text=kiosk).filter(has=page.get_by_role("button", name="Tell again"))
    expect(mute).to_contain_text("an-operator")
    mute.get_by_role("button", name="Tell again").click()
    expect(page.get_by_role("status").first).to_have_text(f"{kiosk} is told again.")

    box.start()
    expect(alert).to_have_count(0, timeout=PATIENCE_MS)
    visit(page, f"{stage.hub.url}/dashboard/alerts?severity=critical")
    expect(page.locator("tr", has_text=kiosk)).to_contain_text("an-operator")
    box.stop()
