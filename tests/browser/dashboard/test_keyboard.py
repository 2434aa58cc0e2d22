"""The main flows by keyboard alone: what has the focus is seen, dialogs keep it and give it back."""

from playwright.sync_api import Page, expect

from tests.browser.dashboard.stage import Stage, unique
from tests.browser.people import cookie, sign_in
from tests.browser.watch import visit


def tab_to(page: Page, words: str, most: int = 60) -> None:
    """Press Tab until something of these words has the focus; and it must be seen that it has."""
    for _ in range(most):
        page.keyboard.press("Tab")
        told = page.evaluate(
            "() => { const at = document.activeElement;"
            " return [at.labels?.[0]?.innerText, at.innerText].filter(Boolean).join(' ').trim(); }"
        )
        if told.split("\n")[0].strip() == words:
            style = page.evaluate(
                "() => { const s = getComputedStyle(document.activeElement); return s.outlineStyle + s.boxShadow; }"
            )
            assert style != "nonenone", f"nobody sees that {words} has the focus"
            return
    raise AssertionError(f"Tab does not come to {words}")


def test_a_kiosk_is_found_renamed_and_disabled(stage: Stage, page: Page) -> None:
    kiosk = unique("shop")
    stage.hub.add_kiosk(kiosk, "By the bus stop")
    sign_in(page, stage.hub, "operator")
    visit(page, f"{stage.hub.url}/dashboard")
    tab_to(page, "Kiosks")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Kiosks")
    tab_to(page, "Search")
    page.keyboard.type(kiosk)
    expect(page.locator("#kiosks tbody tr")).to_have_count(1)
    tab_to(page, kiosk)
    page.keyboard.press("Enter")
    expect(page.locator(".kiosk-verdict")).to_be_visible()
    tab_to(page, "Rename")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Name")).to_be_focused()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("By the station")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("By the station")
    tab_to(page, "Disable")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Disable this kiosk?")
    tab_to(page, "Disable")
    page.keyboard.press("Space")
    expect(page.locator(".kiosk-verdict .badge").first).to_have_text("disabled")


def test_a_dialog_keeps_the_focus_and_gives_it_back(stage: Stage, page: Page) -> None:
    name = unique("leaver").replace("_", "-")
    cookie(stage.hub, "viewer", name)
    sign_in(page, stage.hub, "admin")
    visit(page, f"{stage.hub.url}/dashboard/accounts")
    row = page.locator("tr", has_text=name)
    row.locator("summary").focus()
    page.keyboard.press("Enter")
    tab_to(page, "Remove")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()  # the harmless one
    for _ in range(5):
        page.keyboard.press("Tab")
        inside = "document.activeElement === document.body || !!document.activeElement.closest('dialog')"
        assert page.evaluate(inside), "the page behind has the focus"
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(row.get_by_role("button", name="Remove")).to_be_focused()
    page.keyboard.press("Enter")
    dialog.get_by_role("button", name="Remove").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_have_text(f"{name} is removed.")


def test_a_live_page_leaves_the_focus_where_it_is(stage: Stage, page: Page) -> None:
    kiosk = unique("shop")
    stage.hub.add_kiosk(kiosk)
    sign_in(page, stage.hub, "operator")
    visit(page, f"{stage.hub.url}/dashboard/kiosks/{kiosk}")
    tab_to(page, "Disable")
    with page.expect_response(lambda answer: answer.url.endswith(kiosk)):
        pass  # it fetched itself anew
    page.wait_for_timeout(100)
    expect(page.get_by_role("link", name="Disable")).to_be_focused()
