"""What our own script does: questions before what cannot be undone, copying, charts."""

from playwright.sync_api import Page, expect

from bench.stack import Hub
from tests.browser.people import cookie, sign_in
from tests.browser.watch import axe, visit


def test_what_cannot_be_undone_is_asked_first_by_keyboard_too(hub: Hub, page: Page) -> None:
    cookie(hub, "viewer", "who-leaves")
    sign_in(page, hub, "admin")
    visit(page, f"{hub.url}/dashboard/accounts")
    row = page.locator("tr", has_text="who-leaves")
    dialog = page.get_by_role("dialog")
    for answer in ("Escape", "Enter"):
        row.locator("summary").first.focus()
        if not row.get_by_role("button", name="Remove").is_visible():
            page.keyboard.press("Enter")
        row.get_by_role("button", name="Remove").focus()
        page.keyboard.press("Enter")
        expect(dialog).to_be_visible()
        expect(dialog).to_contain_text("who-leaves")
        axe(page)
        if answer == "Escape":
            page.keyboard.press("Escape")
            expect(dialog).to_be_hidden()
            expect(row).to_have_count(1)
        else:
            dialog.get_by_role("button").last.focus()
            page.keyboard.press("Enter")
    expect(page.locator("tr", has_text="who-leaves")).to_have_count(0)


def test_a_secret_is_copied_by_a_button(hub: Hub, page: Page) -> None:
    sign_in(page, hub, "admin")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=hub.url)
    visit(page, f"{hub.url}/dashboard/keys")
    page.locator("input[name=name]").fill("a till")
    page.locator("form[action='/dashboard/keys/add'] button").click()
    secret = page.locator(".secret").first
    expect(secret).to_be_visible()
    page.get_by_role("button", name="Copy").first.click()
    expect(page.get_by_role("button", name="Copied").first).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == secret.inner_text().strip()


FIGURES = {
    "from": 1_790_000_000, "step": 60, "at": [1_790_000_000 + 60 * n for n in range(60)], "unit": "count",
    "series": [
        {"key": "succeeded", "label": "succeeded", "values": [n % 7 for n in range(60)]},
        {"key": "failed", "label": "failed", "values": [None if n % 5 else 1 for n in range(60)]},
    ],
}  # fmt: skip


def test_charts_are_drawn_of_figures_and_say_when_there_is_nothing(hub: Hub, page: Page) -> None:
    sign_in(page, hub, "viewer")
    # In the shape that is agreed, whatever happened at this hub.
    page.route("**/figures.json*", lambda route: route.fulfill(json=FIGURES))
    visit(page, f"{hub.url}/dashboard")
    chart = page.locator(".chart[data-chart=bars]").first
    expect(chart.locator("canvas")).to_be_visible()
    expect(chart.locator(".u-legend tr")).to_have_count(3)
    page.emulate_media(color_scheme="dark")
    expect(chart.locator("canvas")).to_be_visible()
    page.route("**/figures.json*", lambda route: route.fulfill(json={**FIGURES, "at": [], "series": []}))
    visit(page, f"{hub.url}/dashboard")
    expect(chart).to_have_text("Nothing in this time.")
