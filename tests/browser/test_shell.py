"""The frame of every page, by mouse and keyboard, on every screen, in every language, with a script and without."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from bench.stack import Hub
from tests.browser.people import sign_in
from tests.browser.watch import axe, scrolls_sideways, visit, watch

NOWHERE = "/dashboard/nowhere"
PAGES = ("/dashboard", "/dashboard/kiosks", "/dashboard/operations", "/dashboard/alerts", "/dashboard/account")
FOR_ADMINS = ("/dashboard/keys", "/dashboard/accounts", "/dashboard/audit", "/dashboard/settings")


def test_a_page_that_is_not_there_says_so_in_the_frame(hub: Hub, page: Page) -> None:
    sign_in(page, hub, "admin")
    visit(page, f"{hub.url}{NOWHERE}", status=404)
    expect(page.get_by_role("alert")).to_have_text("There is nothing at this address.")
    expect(page.get_by_role("navigation", name="Menu").get_by_role("link")).to_have_count(9)


def test_a_viewer_s_menu_has_what_a_viewer_may_read(hub: Hub, page: Page) -> None:
    sign_in(page, hub, "viewer")
    visit(page, f"{hub.url}{NOWHERE}", status=404)
    links = page.get_by_role("navigation", name="Menu").get_by_role("link")
    expect(links).to_have_text(["Overview", "Kiosks", "Operations", "Callbacks", "Alerts"])


def test_the_rig_itself_sees_what_must_not_be(hub: Hub, page: Page) -> None:
    sign_in(page, hub, "viewer")
    visit(page, f"{hub.url}/dashboard/kiosks")
    page.evaluate("document.querySelector('h1').style.minWidth = '5000px'")
    assert "H1" in scrolls_sideways(page)
    page.evaluate("document.querySelector('main').insertAdjacentHTML('beforeend', '<img src=\"/none.png\">')")
    with pytest.raises(AssertionError, match="image-alt"):
        axe(page)
    page.evaluate("fetch('http://127.0.0.2:9/').catch(() => console.warn('oh'))")
    wanted = {"Content Security Policy", "status of 404", "warning in the console: oh"}
    for _ in range(600):
        told = " ".join(watch(page).wrongs)
        if all(words in told for words in wanted):
            break
        page.wait_for_timeout(100)
    assert {words for words in wanted if words not in told} == set()
    watch(page).wrongs.clear()


@pytest.mark.parametrize(
    ("language", "title"), [("en-US", "Kiosks"), ("ru-RU", "Киоски"), ("kk-KZ", "Киоскілер"), ("de-DE", "Kiosks")]
)
def test_pages_are_in_the_reader_s_language(hub: Hub, new_page: Callable[..., Page], language: str, title: str) -> None:
    page = new_page(language=language, width=360)
    sign_in(page, hub, "viewer")
    visit(page, f"{hub.url}/dashboard/kiosks")
    expect(page.get_by_role("heading", level=1)).to_have_text(title)
    assert page.locator("html").get_attribute("lang") == (language[:2] if language[:2] != "de" else "en")
    assert scrolls_sideways(page) == ""


def test_a_language_that_is_chosen_stays(hub: Hub, page: Page) -> None:
    sign_in(page, hub, "operator", "who-reads-kazakh")
    visit(page, f"{hub.url}/dashboard/operations?kiosk=kiosk_001")
    page.get_by_role("button", name="Қазақша").click()
    expect(page).to_have_url(f"{hub.url}/dashboard/operations?kiosk=kiosk_001")
    expect(page.get_by_role("heading", level=1)).to_have_text("Операциялар")
    visit(page, f"{hub.url}/dashboard/kiosks")
    expect(page.get_by_role("heading", level=1)).to_have_text("Киоскілер")


def test_by_keyboard_to_the_content_and_through_the_menu(hub: Hub, page: Page) -> None:
    sign_in(page, hub, "viewer")
    visit(page, f"{hub.url}/dashboard/kiosks")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.get_by_role("link", name="Kioskwire").focus()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Overview")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{hub.url}/dashboard/operations")
    expect(page.get_by_role("link", name="Operations", exact=True)).to_have_attribute("aria-current", "page")


def test_on_a_phone_the_menu_opens_and_closes_by_keyboard(hub: Hub, new_page: Callable[..., Page]) -> None:
    page = new_page(width=360)
    sign_in(page, hub, "viewer")
    visit(page, f"{hub.url}/dashboard/kiosks")
    link = page.get_by_role("link", name="Alerts", exact=True)
    expect(link).to_be_hidden()
    page.get_by_role("button", name="Menu").focus()
    page.keyboard.press("Enter")
    expect(link).to_be_visible()
    axe(page)
    page.keyboard.press("Escape")
    expect(link).to_be_hidden()
    expect(page.get_by_role("button", name="Menu")).to_be_focused()
    page.keyboard.press("Enter")
    link.click()
    expect(page).to_have_url(f"{hub.url}/dashboard/alerts")


def test_without_a_script_all_can_be_reached(hub: Hub, new_page: Callable[..., Page]) -> None:
    page = new_page(width=360, script=False)
    sign_in(page, hub, "admin")
    for path in (*PAGES, *FOR_ADMINS):
        visit(page, f"{hub.url}{path}")
        expect(page.get_by_role("heading", level=1).first).to_be_visible()
    page.get_by_role("button", name="Menu").click()
    page.get_by_role("link", name="Kiosks", exact=True).click()
    expect(page).to_have_url(f"{hub.url}/dashboard/kiosks")
    page.get_by_role("button", name="Menu").click()
    page.get_by_role("button", name="Русский").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Киоски")


def test_nothing_is_asked_for_twice_that_was_loaded(hub: Hub, page: Page) -> None:
    sign_in(page, hub, "viewer")
    visit(page, f"{hub.url}/dashboard/kiosks")
    page.wait_for_timeout(200)
    sizes = page.evaluate("performance.getEntriesByType('resource').map((each) => [each.name, each.transferSize])")
    assert sum(size for name, size in sizes if "/assets/" in name) < 90_000
    visit(page, f"{hub.url}/dashboard/alerts")
    sizes = page.evaluate("performance.getEntriesByType('resource').map((each) => [each.name, each.transferSize])")
    assert [name for name, size in sizes if "/assets/" in name and size > 0] == []


def test_a_page_says_when_its_session_has_ended(hub: Hub, page: Page) -> None:
    sign_in(page, hub, "viewer")
    visit(page, f"{hub.url}/dashboard")
    page.context.clear_cookies()
    banner = page.locator("#connection")
    expect(banner).to_contain_text("Your session has ended")
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
    banner.get_by_role("link").click()
    expect(page).to_have_url(f"{hub.url}/dashboard/sign-in?next=%2Fdashboard")
