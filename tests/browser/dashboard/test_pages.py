"""Every page there is, with something on it: on every screen, in both schemes, in every language, and by keyboard."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.dashboard.stage import HERE, Stage
from tests.browser.people import sign_in
from tests.browser.watch import axe, scrolls_sideways, visit, watch

WIDTHS = (360, 768, 1280, 1920)


@pytest.fixture(scope="session")
def addresses(stage: Stage, sent: dict[str, str]) -> list[str]:
    """All that answer to GET, but for those that lead to another."""
    of_kiosk, key = f"/dashboard/kiosks/{HERE}", stage.hub.add_api_key("looked at", "http://127.0.0.1:9/told")["id"]
    return [
        "/dashboard", "/dashboard/kiosks", "/dashboard/kiosks/add", of_kiosk, f"{of_kiosk}/connections",
        f"{of_kiosk}/events", f"{of_kiosk}/rename", f"{of_kiosk}/disable", f"{of_kiosk}/enable", f"{of_kiosk}/token",
        f"{of_kiosk}/code", f"{of_kiosk}/remove", "/dashboard/operations", "/dashboard/operations?kiosk=%20x%20y",
        f"/dashboard/operations/{sent['succeeded']}", f"/dashboard/operations/{sent['unknown']}",
        f"/dashboard/operations/{sent['unknown']}/resolve", "/dashboard/callbacks", "/dashboard/alerts",
        "/dashboard/keys", f"/dashboard/keys/{key}", f"/dashboard/keys/{key}/revoke", "/dashboard/accounts",
        "/dashboard/audit", "/dashboard/settings", "/dashboard/account",
    ]  # fmt: skip


def test_every_page_fits_every_screen_and_keeps_nobody_out(
    stage: Stage, addresses: list[str], new_page: Callable[..., Page]
) -> None:
    page = new_page()
    sign_in(page, stage.hub, "admin")
    for address in addresses:
        visit(page, f"{stage.hub.url}{address}")
        looked_at(page, address)
    # And those that a form answers with.
    for act in ("code", "token"):
        visit(page, f"{stage.hub.url}/dashboard/kiosks/kiosk_absent/{act}")
        page.locator("main form button[type=submit]").click()
        expect(page.locator(".secret").first).to_be_visible()
        looked_at(page, act)
    page.context.clear_cookies()
    visit(page, f"{stage.hub.url}/dashboard/sign-in")
    looked_at(page, "sign-in")


def looked_at(page: Page, address: str) -> None:
    """On all screens; read out in both schemes, on a phone's and on a desk's."""
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        assert scrolls_sideways(page) == "", (address, width)
    for scheme, width in (("dark", 1280), ("light", 360)):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 800})
        axe(page)
    watch(page).check()


@pytest.mark.parametrize("language", ["ru-RU", "kk-KZ"])
def test_every_page_is_in_the_reader_s_language_and_fits_a_phone(
    stage: Stage, addresses: list[str], new_page: Callable[..., Page], language: str
) -> None:
    page = new_page(width=360, language=language)
    sign_in(page, stage.hub, "admin")
    for address in addresses:
        visit(page, f"{stage.hub.url}{address}")
        assert page.locator("html").get_attribute("lang") == language[:2]
        assert scrolls_sideways(page) == "", (address, language)
        words = page.locator("main :is(h2, legend, label > span, thead th, button, .button)").all_inner_texts()
        english = {word.strip() for word in words if word.isascii() and any(map(str.isalpha, word))}
        assert english <= {"Id", "Redis"}, address


def test_the_language_is_switched_on_the_page_one_is_on(stage: Stage, page: Page) -> None:
    sign_in(page, stage.hub, "viewer", "who-reads-three")
    address = f"{stage.hub.url}/dashboard/kiosks?q=kiosk&sort=name"
    visit(page, address)
    for name, title in (("Русский", "Киоски"), ("Қазақша", "Киоскілер"), ("English", "Kiosks")):
        page.get_by_role("button", name=name).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(title)
        expect(page).to_have_url(address)
