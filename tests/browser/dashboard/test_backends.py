"""API keys, and callbacks to a real backend that has a bad day."""

from playwright.sync_api import Page, expect

from tests.browser.dashboard.stage import HERE, PATIENCE_MS, Receiver, Stage, until
from tests.browser.people import sign_in
from tests.browser.watch import visit, watch


def test_a_key_is_made_called_back_and_revoked(stage: Stage, page: Page, receiver: Receiver) -> None:
    hub = stage.hub
    sign_in(page, hub, "admin")
    visit(page, f"{hub.url}/dashboard/keys")
    watch(page).expected = {422}
    page.get_by_label("Name").fill("Night till")
    page.keyboard.press("Enter")
    key = page.locator("#secret").inner_text().strip()
    page.get_by_role("link", name="I have kept it").click()
    expect(page.locator("main")).not_to_contain_text(key)
    expect(page.locator("dl.facts")).to_contain_text("not since this hub started")
    assert stage.operation(stage.send(HERE, key=key))["state"] == "succeeded"
    page.reload()
    expect(page.locator("dl.facts")).not_to_contain_text("not since")

    # Where it is called back: first a slip, then the right address.
    address = page.get_by_role("textbox", name="Address")
    address.fill("https://user:password@backend.example/")
    page.get_by_role("button", name="Save and get a signing secret").click()
    expect(page.locator("#url-hint")).to_contain_text("no user and password")
    address.fill(receiver.url)
    page.get_by_role("button", name="Save and get a signing secret").click()
    assert page.locator("#secret").inner_text().startswith("whsec_")
    page.get_by_role("link", name="I have kept it").click()
    expect(page.locator("dl.facts")).to_contain_text(receiver.url)

    # The backend is ill; then it is well and is told again by hand.
    receiver.is_ill = True
    request_id = stage.send(HERE, key=key)
    visit(page, f"{hub.url}/dashboard/callbacks?state=failing")
    row = page.locator("tbody tr", has=page.locator(f"a[title='{request_id}']"))
    expect(row).to_contain_text("503", timeout=PATIENCE_MS)
    expect(row).to_contain_text("Night till")
    receiver.is_ill = False
    row.get_by_role("button", name="Send again").click()
    expect(page).to_have_url(f"{hub.url}/dashboard/operations/{request_id}")
    until("the backend being told", lambda: [one for one in receiver.told if one["request_id"] == request_id])
    page.reload()
    expect(page.locator(".timeline").first).to_contain_text("Delivered to the backend, at attempt", timeout=PATIENCE_MS)
    visit(page, f"{hub.url}/dashboard/callbacks?state=delivered")
    expect(row).to_have_count(1)

    # No more callbacks, then no more of it at all.
    visit(page, f"{hub.url}/dashboard/keys")
    page.get_by_role("link", name="Night till").click()
    page.get_by_role("button", name="End callbacks").click()
    page.get_by_role("dialog").get_by_role("button", name="End callbacks").click()
    expect(page.get_by_role("button", name="End callbacks")).to_have_count(0)
    page.get_by_role("link", name="Revoke this key").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Revoke the key “Night till”?")
    page.get_by_role("button", name="Revoke this key").click()
    expect(page).to_have_url(f"{hub.url}/dashboard/keys")
    expect(page.get_by_role("link", name="Night till")).to_have_count(0)
    assert hub.send(HERE, "payment", {"order_id": "late"}, key=key).status_code == 401
