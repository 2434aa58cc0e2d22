"""An engineer before the browser: set-up, PIN, jobs; and what the hub was told of them."""

import sqlite3
from contextlib import closing
from typing import Any

import msgspec
from playwright.sync_api import Locator, Page, expect

from bench.program import wait_for
from tests.browser.kiosk.looks import PATIENCE_MS
from tests.browser.kiosk.world import World
from tests.browser.watch import visit


def enrol(page: Page, world: World, pin: str) -> None:
    """As a technician does it: hub, code from the operator, a PIN of his own. Until the kiosk has its link."""
    visit(page, f"{world.url}/setup")
    page.get_by_label("Hub address").fill(world.hub.url)
    page.get_by_label("One-time code").fill(world.hub.new_code(world.kiosk).lower())
    page.get_by_label("PIN for the engineer").fill(pin)
    page.get_by_label("The same PIN once more").fill(pin)
    page.get_by_role("button", name="Enrol this kiosk").click()
    expect(page.get_by_role("status")).to_contain_text("Connected to the hub.", timeout=PATIENCE_MS)


def sign_in(page: Page, world: World, pin: str) -> None:
    """With the PIN, to the start of the part."""
    visit(page, f"{world.url}/engineer")
    page.get_by_label("PIN").fill(pin)
    page.get_by_role("button", name="Enter").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


def card(page: Page, device: str) -> Locator:
    """A device on the page of devices."""
    return page.locator("section.card", has=page.get_by_role("heading", name=device, exact=True))


def begin(page: Page, world: World, device: str, trial: str, sure: str = "") -> None:
    """Press a device's button, as the page of devices has it."""
    visit(page, f"{world.url}/engineer/devices")
    if sure:
        card(page, device).get_by_label(sure).check()
    card(page, device).get_by_role("button", name=trial, exact=True).click()
    expect(page).to_have_url(f"{world.url}/engineer/job")


def ends(page: Page, how: str = "Passed") -> None:
    """The job's end, sooner or later."""
    expect(page.locator(".note b")).to_have_text(how, timeout=PATIENCE_MS)


def told(world: World, kind: str) -> list[dict[str, Any]]:
    """Events of that kind that the hub has of the kiosk, oldest first."""
    path = world.hub.directory / "state" / "hub.db"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as rows:
        found = rows.execute("SELECT data FROM events WHERE kind = ? ORDER BY received_at, seq", (kind,)).fetchall()
    return [msgspec.json.decode(each[0]) for each in found]


def wait_told(world: World, kind: str) -> dict[str, Any]:
    """The newest of that kind, once there is one."""
    found: list[dict[str, Any]] = wait_for(f"the hub being told of {kind}", lambda: told(world, kind), 60)
    return found[-1]
