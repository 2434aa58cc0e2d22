"""The verdict in words in real troubles, each made by hand; and that the page is green again by itself.

One page stays open through each test and is never loaded anew: what it shows comes over its one socket.
"""

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from appliance.web.page_words import WORDS
from appliance.web.setup_words import WORDS as SETUP_WORDS
from bench.program import stop_all, wait_for
from bench.rack import Device
from bench.stack import Appliance, gateway_routes
from tests.browser.kiosk.looks import PATIENCE_MS, WELL, open_well, says, troubled, words
from tests.browser.kiosk.refusing_proxy import refusing_proxy
from tests.browser.kiosk.world import World
from tests.browser.watch import axe, scrolls_sideways, visit, watch
from tests.chaos import plants

HOURS = 3600.0


@pytest.fixture
def lone(world: World, tmp_path: Path) -> Iterator[Callable[..., Appliance]]:
    """lone("kiosk_002", token="…", PROXY_URL="…") → one more kiosk of the same hub, without devices. It is started."""
    started: list[Appliance] = []

    def start(name: str, *, token: str, hub_url: str = world.hub.ws_url, **settings: str) -> Appliance:
        haste = plants.environment("impatient", "welcome")
        routes = gateway_routes(world.gateway.url)
        started.append(Appliance(tmp_path / name, hub_url, token, routes, settings={**haste, **settings}))
        return started[-1].start(wait=False)

    yield start
    stop_all(started)


def wait_for_page(kiosk: Appliance) -> str:
    """Its page's address, once somebody answers there."""

    def answers() -> bool:
        with contextlib.suppress(httpx.TransportError):
            return bool(kiosk.health())
        return False

    wait_for("the kiosk's page", answers, 60)
    return kiosk.url


def test_devices_in_trouble_are_told_by_name_with_what_to_do(
    world: World, page: Page, new_page: Callable[..., Page]
) -> None:
    sockets: list[str] = []
    page.on("websocket", lambda socket: sockets.append(socket.url))
    open_well(page, world.url)
    rack = world.rack
    plain = new_page(script=False)
    open_well(plain, world.url)

    bills, register, printer = "bill validator", "fiscal register", "receipt printer"

    def trouble(device: Device, word: str, key: str, role: str) -> None:
        device.do(word)
        troubled(page, key, role)

    trouble(rack.printer, "paper-out", "device.paper-out", printer)
    trouble(rack.bills, "jam", "device.jam.bill", bills)
    trouble(rack.register, "paper-out", "device.paper-out", register)
    also = page.locator(".advice li")  # the gravest stands first, the others below it
    expect(also.first).to_contain_text(words("device.jam.bill", bills))
    expect(also.nth(1)).to_contain_text(words("device.paper-out", printer))
    expect(page.locator("#part-devices .badge-bad")).to_have_count(3)
    axe(page)
    page.set_viewport_size({"width": 360, "height": 640})
    assert scrolls_sideways(page) == ""
    rack.register.do("paper-in")
    troubled(page, "device.jam.bill", bills)
    rack.bills.do("clear")
    trouble(rack.bills, "pull-cassette", "device.cassette-out", bills)
    rack.bills.do("put-cassette")
    troubled(page, "device.paper-out", printer)
    trouble(rack.bills, "fill-cassette", "device.cassette-full", bills)
    rack.bills.do("pull-cassette")
    rack.bills.do("put-cassette")
    trouble(rack.register, "unplug", "device.absent", register)
    # Who has no scripts has been told the same meanwhile.
    says(plain, re.compile(rf"^({'|'.join(WORDS['en'][f'role.{role}'] for role in (bills, register, printer))}): "))
    rack.register.do("plug")
    rack.printer.do("load-paper")
    says(page, WELL)
    answer = world.hub.send(world.kiosk, "register", {"action": "open-shift"}, key=world.key)
    assert answer.status_code == 200, answer.text
    trouble(rack.register, "expire-shift", "device.shift-old", register)
    world.hub.send(world.kiosk, "register", {"action": "close-shift"}, key=world.key)
    says(page, WELL)
    says(plain, WELL)
    assert len(sockets) == 1


def test_a_hub_that_is_gone_and_one_whose_clock_is_another(world: World, page: Page) -> None:
    open_well(page, world.url)
    world.hub.kill()
    troubled(page, "net.reach.refused.near", host="127.0.0.1")
    expect(page.locator("#part-network .failed")).to_contain_text(words("step.reach"))
    expect(page.locator("#part-connection")).to_contain_text(words("connection.down"))
    axe(page)
    world.set_hub_clock(3 * HOURS + 30)
    try:
        world.hub.start()
        troubled(page, "net.clock.behind", offset="3 h")
        expect(page.locator("#part-connection .badge-good")).to_be_visible()
        world.hub.kill()
    finally:
        world.set_hub_clock(0)
        world.hub.start()
    says(page, WELL)
    expect(page.locator("#part-connection")).not_to_contain_text(words("connection.never"))


def test_a_proxy_that_refuses(lone: Callable[..., Appliance], world: World, page: Page) -> None:
    with refusing_proxy() as proxy:
        kiosk = lone("kiosk_010", token=world.hub.add_kiosk("kiosk_010"), PROXY_URL=proxy.url)
        visit(page, wait_for_page(kiosk))
        troubled(page, "net.proxy.denied", host="127.0.0.1", status="403", proxy=proxy.url)
        expect(page.locator("#part-network .failed")).to_contain_text(words("step.proxy"))
        proxy.allows = True
        says(page, WELL)


def test_a_hub_that_does_not_want_the_kiosk(lone: Callable[..., Appliance], world: World, page: Page) -> None:
    kiosk = lone("kiosk_020", token=world.hub.add_kiosk("kiosk_020"))
    visit(page, wait_for_page(kiosk))
    says(page, WELL)
    assert world.hub.admin("PATCH", "/admin/kiosks/kiosk_020", {"enabled": False}).is_success
    troubled(page, "net.token.disabled")
    assert world.hub.admin("PATCH", "/admin/kiosks/kiosk_020", {"enabled": True}).is_success
    says(page, WELL)
    fresh = world.hub.new_token("kiosk_020")
    troubled(page, "net.token.refused")
    watch(page).is_down = True
    kiosk.kill()
    kiosk.token = fresh
    kiosk.start()
    says(page, WELL)
    expect(page.locator("#lost")).to_be_hidden()


def test_a_kiosk_that_is_nobody_s_leads_to_its_set_up(
    lone: Callable[..., Appliance], page: Page, new_page: Callable[..., Page]
) -> None:
    kiosk = lone("kiosk_030", token="", hub_url="")
    visit(page, wait_for_page(kiosk))
    expect(page).to_have_url(f"{kiosk.url}/setup")
    axe(page)
    page.get_by_role("link", name=SETUP_WORDS["en"]["page"]).click()
    troubled(page, "enrol.not-enrolled")
    axe(page)
    page.get_by_role("link", name=words("page.setup")).click()
    expect(page.get_by_role("button", name=SETUP_WORDS["en"]["send"])).to_be_visible(timeout=PATIENCE_MS)
    narrow = new_page(width=360, scheme="dark", language="kk-KZ")
    visit(narrow, f"{kiosk.url}/setup")
    assert scrolls_sideways(narrow) == ""
    axe(narrow)
