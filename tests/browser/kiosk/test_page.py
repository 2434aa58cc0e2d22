"""The kiosk's page as it is when all is well: small, alone, live, in every language, on every screen, by keyboard."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from appliance.web.page_words import WORDS
from appliance.web.setup_words import LANGUAGES
from tests.browser.kiosk.looks import PATIENCE_MS, WELL, open_well, says, words
from tests.browser.kiosk.world import World
from tests.browser.watch import axe, scrolls_sideways, visit, watch

MOST_BYTES = 100_000
PATHS = ("/?stay=1", "/setup", "/engineer")
HEALTH = {
    "boot_id", "clock", "devices", "enrolment", "hub", "journal", "last_error", "queue", "reasons", "routes", "since",
    "status", "unsettled", "updates", "uptime", "version", "ws_connected",
}  # fmt: skip
# All begin with "kioskwire_"; those of a kiosk without updates and drops.
METRICS = {
    "appliance", "clock_offset_seconds", "connect_failures_created", "connect_failures_total", "connected",
    "connects_created", "connects_total", "device_circuit_open", "device_repeats_total", "device_skipped_bytes_total",
    "device_state", "device_up", "events_waiting", "journal_bytes", "journal_usable", "loop_lag_seconds",
    "malformed_created", "malformed_total", "messages_not_sent_created", "messages_not_sent_total",
    "operations_in_doubt", "operations_running", "operations_waiting", "requests_repeated_created",
    "requests_repeated_total", "unsettled", "update_on_trial", "uptime_seconds",
}  # fmt: skip


def test_the_first_load_is_small_and_asks_nobody_else(world: World, page: Page) -> None:
    bytes_of: dict[str, float] = {"http": 0, "live": 0}
    sockets: list[str] = []
    page.on("websocket", lambda socket: sockets.append(socket.url))
    debugger = page.context.new_cdp_session(page)
    debugger.send("Network.enable")
    debugger.on(
        "Network.loadingFinished", lambda told: bytes_of.update(http=bytes_of["http"] + told["encodedDataLength"])
    )
    debugger.on(
        "Network.webSocketFrameReceived",
        lambda told: bytes_of.update(live=bytes_of["live"] + len(told["response"]["payloadData"].encode())),
    )
    open_well(page, world.url)
    page.wait_for_load_state("networkidle")
    for _ in range(1200):
        if bytes_of["live"]:
            break
        page.wait_for_timeout(50)
    assert bytes_of["http"] > 5_000
    assert bytes_of["live"] > 1_000
    assert sum(bytes_of.values()) < MOST_BYTES
    assert [url for url in watch(page).requests if not url.startswith("data:")] == [f"{world.url}/"]
    assert sockets == [f"{world.url.replace('http', 'ws')}/live?lang=en"]


@pytest.mark.parametrize(
    ("accepted", "language", "chosen"), [("kk-KZ", "kk", "ru"), ("ru-RU", "ru", "en"), ("de-DE", "en", "kk")]
)
def test_languages_by_the_browser_and_by_the_switch(
    world: World, new_page: Callable[..., Page], accepted: str, language: str, chosen: str
) -> None:
    page = new_page(language=accepted, width=360)
    visit(page, world.url)
    says(page, WORDS[language]["well"])
    assert page.locator("html").get_attribute("lang") == language
    page.get_by_role("link", name=LANGUAGES[chosen]).click()
    says(page, WORDS[chosen]["well"])
    for path in PATHS:  # the choice stays, everywhere
        visit(page, f"{world.url}{path}")
        assert page.locator("html").get_attribute("lang") == chosen, path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_every_screen_and_keeps_nobody_out(world: World, new_page: Callable[..., Page], scheme: str) -> None:
    page = new_page(scheme=scheme, language="ru-RU")
    for path in PATHS:
        visit(page, f"{world.url}{path}")
        for width, height in ((360, 640), (412, 915), (768, 1024), (1024, 600), (1280, 800), (1920, 1080)):
            page.set_viewport_size({"width": width, "height": height})
            assert scrolls_sideways(page) == "", (path, width)
        if scheme == "dark":
            page.set_viewport_size({"width": 360, "height": 640})
        axe(page)
        ground = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        shade = sum(int(each) for each in ground.removeprefix("rgb(").removesuffix(")").split(","))
        assert (shade < 200) == (scheme == "dark"), (path, ground)
    visit(page, world.url)
    # At arm's length: the verdict large, what is touched as wide as a finger.
    assert page.evaluate("parseFloat(getComputedStyle(document.querySelector('h1')).fontSize)") >= 24
    heights = page.evaluate(
        "[...document.querySelectorAll('button, a, summary')].filter((each) => each.checkVisibility())"
        ".map((each) => [each.textContent, each.getBoundingClientRect().height])"
    )
    assert [text for text, height in heights if height < 36] == []


def test_on_a_kiosk_s_small_screen_the_verdict_is_seen_without_scrolling(
    world: World, new_page: Callable[..., Page]
) -> None:
    for width, height in ((1024, 600), (360, 640)):
        page = new_page(width=width, height=height)
        open_well(page, world.url)
        box = page.locator("#part-verdict").bounding_box()
        assert box is not None
        assert box["y"] + box["height"] < height / 2


def test_by_keyboard_alone(world: World, page: Page) -> None:
    open_well(page, world.url)
    reached = []
    for _ in range(40):
        page.keyboard.press("Tab")
        text = page.evaluate("document.activeElement === document.body ? '' : document.activeElement.innerText")
        if not text:
            break
        reached.append(text)
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", text
    assert reached[:3] == ["Қазақша", "Русский", "English"]
    assert reached[-2:] == [words("page.engineer"), words("page.machine-readable")]
    assert words("network.check") in reached
    assert reached.count(words("page.more")) >= 5  # of each device, and of the last drop
    # What is open stays open, and where one is stays there, while the page is drawn anew.
    summary = page.locator("#part-devices summary").first
    summary.focus()
    page.keyboard.press("Enter")
    details = page.locator("#device-bills")
    expect(details).to_have_attribute("open", "")
    page.evaluate("document.getElementById('part-devices').dataset.old = '1'")
    world.rack.printer.do("near-end")
    try:
        expect(page.locator("#part-devices[data-old]")).to_have_count(0, timeout=PATIENCE_MS)
        expect(details).to_have_attribute("open", "")
        expect(summary).to_be_focused()
        says(page, words("device.paper-low", "receipt printer"))
    finally:
        world.rack.printer.do("load-paper")
    page.get_by_role("button", name=words("network.check")).focus()
    page.keyboard.press("Enter")
    expect(page.locator("#part-network .steps li").first).to_be_visible(timeout=PATIENCE_MS)
    expect(page.locator("#part-network")).to_contain_text(words("network.well"))
    says(page, WELL)
    axe(page)


def test_without_a_script_it_is_complete_and_every_form_works(world: World, new_page: Callable[..., Page]) -> None:
    page = new_page(script=False, width=360)
    open_well(page, world.url)
    headings = page.locator("h2").all_inner_texts()
    assert headings == [
        words(key) for key in ("devices", "connection", "network", "operations", "kiosk")
    ]  # fmt: skip
    expect(page.locator("#part-devices li h3")).to_have_count(5)
    page.locator("#part-devices summary").first.click()
    expect(page.locator("#device-bills")).to_contain_text("ccnet")
    button = page.get_by_role("button", name=words("network.check"))
    button.click()  # a press within ten seconds of the last one shows what was seen then
    expect(page).to_have_url(f"{world.url}/#part-network")
    page.get_by_role("link", name="Русский").click()
    says(page, WORDS["ru"]["well"])
    page.get_by_role("link", name=WORDS["ru"]["page.engineer"]).click()
    expect(page).to_have_url(f"{world.url}/engineer")
    expect(page.get_by_role("heading", level=1)).to_have_text("Инженер")


def test_it_tells_what_was_done(world: World, page: Page) -> None:
    open_well(page, world.url)
    answer = world.hub.send(
        world.kiosk, "payment", {"order_id": "P-1", "sum": 150_000, "currency": "KZT"}, key=world.key, idempotency="P-1"
    )
    assert answer.status_code == 200
    row = page.locator("#part-operations li").first
    expect(row).to_contain_text("payment", timeout=PATIENCE_MS)
    expect(row.locator(".badge-good")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.locator("#part-connection")).to_contain_text(words("connection.up"))
    for fact in ("Program", "Program runs for", "Disk free", "Clock"):
        expect(page.locator("#part-kiosk")).to_contain_text(fact)


def test_an_open_page_says_when_the_program_is_gone_and_goes_on_when_it_is_back(world: World, page: Page) -> None:
    open_well(page, world.url)
    lost = page.locator("#lost")
    expect(lost).to_be_hidden()
    page.evaluate("window.neverLoadedAnew = true")
    watch(page).is_down = True
    world.appliance.kill()
    expect(lost).to_be_visible(timeout=PATIENCE_MS)
    expect(lost).to_have_text(words("page.lost"))
    expect(page.locator("#part-verdict")).to_have_css("filter", "grayscale(1)")
    axe(page)
    world.appliance.start()
    expect(lost).to_be_hidden(timeout=PATIENCE_MS)
    says(page, WELL)
    expect(page.locator("#part-verdict")).to_have_css("filter", "none")
    assert page.evaluate("window.neverLoadedAnew")


def test_an_open_page_says_when_the_program_stands_still(world: World, page: Page) -> None:
    page.clock.install()
    open_well(page, world.url)
    lost = page.locator("#lost")
    world.appliance.freeze()
    try:
        page.clock.fast_forward(40_000)
        expect(lost).to_be_visible(timeout=15_000)  # it would be, at last, when the browser gives the socket up
    finally:
        world.appliance.thaw()
    watch(page).is_down = True
    expect(lost).to_be_hidden(timeout=PATIENCE_MS)
    says(page, WELL)


def test_the_reports_for_programs_are_as_they_were(world: World, page: Page) -> None:
    open_well(page, world.url)
    page.get_by_role("link", name=words("page.machine-readable")).click()
    health = world.appliance.http.get("/health")
    assert health.headers["Content-Type"] == "application/json"
    assert health.json()["status"] in {"healthy", "degraded"}
    assert set(health.json()) == HEALTH
    figures = world.appliance.http.get("/metrics")
    assert figures.headers["Content-Type"].startswith("text/plain; version=1.0.0")
    lines = [line for line in figures.text.splitlines() if not line.startswith("#")]
    assert {re.split("[{ ]", line)[0].removeprefix("kioskwire_") for line in lines} == METRICS
