"""The engineer's part in a browser: from the set-up with a code to the support bundle, with devices that move."""

import hashlib
import json
import re
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import httpx
import pytest
from playwright.sync_api import Page, expect

from appliance.engineer.tries import FIRST_WAIT_S
from bench.program import wait_for
from tests.browser.chromium import Chromium
from tests.browser.kiosk.engineering import begin, card, ends, enrol, sign_in, told, wait_told
from tests.browser.kiosk.looks import PATIENCE_MS, WELL, says
from tests.browser.kiosk.world import PIN, World
from tests.browser.watch import Watch, axe, scrolls_sideways, visit, watch

PAGES = ("", "/devices", "/routes", "/collection", "/logs", "/support", "/restart", "/enrolment", "/pin")
DEAD = {"gone": {"url": "http://127.0.0.1:9/pay"}}


@pytest.fixture(scope="module")
def world(chromium: Chromium, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A kiosk that an engineer has just set up in his browser, with a PIN."""
    with World(tmp_path_factory.mktemp("bench"), enrolled=False, more=DEAD) as started:
        wait_for("the kiosk's page", lambda: _answers(started), 60)

        def set_up() -> None:
            context = chromium.browser.new_context(locale="en-US")
            page = context.new_page()
            kept = Watch(page)
            enrol(page, started, PIN)
            page.get_by_role("link", name="The kiosk's page").click()
            says(page, WELL)
            expect(page.locator(".name")).to_have_text("Kiosk Hall kiosk_001")
            context.close()
            kept.check()

        chromium.run(set_up)
        yield started


def _answers(world: World) -> bool:
    try:
        return bool(world.appliance.health())
    except httpx.TransportError:
        return False


class Cash:
    """A customer at the till, who has not put anything in yet."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._thread = ThreadPoolExecutor(1)
        self.answer: Future[httpx.Response] = self._thread.submit(
            world.hub.send, world.kiosk, "cash", {"amount": 100_000, "currency": "KZT"}, key=world.key, timeout=120
        )
        wait_for("the till being open", self._is_open, 60)

    def go_away(self) -> None:
        """He cancels."""
        self._world.appliance.http.post("/local/cancel", json={})
        self.answer.result(60)
        self._thread.shutdown()

    def _is_open(self) -> bool:
        return bool(self._world.rack.bills.do("describe").get("enabled", self._state() in {"ready", "busy"}))

    def _state(self) -> str:
        found = self._world.appliance.health()["devices"]["bills"]["state"]
        return str(found)


def test_the_pin_of_the_set_up_opens_and_wrong_ones_wait(world: World, page: Page) -> None:
    assert wait_told(world, "engineer-pin-set") == {"where": "setup"}
    assert len(told(world, "engineer-pin-set")) == 1
    visit(page, f"{world.url}/engineer/devices")
    expect(page).to_have_url(f"{world.url}/engineer")
    watch(page).expected = {403, 429}
    field, out = page.get_by_label("PIN"), page.get_by_role("button", name="Sign out")
    while True:
        for _ in range(3):
            expect(field).to_have_value("")
            expect(field).to_be_focused()
            page.keyboard.type("555123")
            tried_at = time.monotonic()
            page.keyboard.press("Enter")
            expect(page.get_by_role("alert")).to_contain_text("This is not the PIN.")
        expect(page.get_by_role("alert")).to_contain_text("Too many wrong tries. Wait")
        with page.expect_navigation():  # the page before it says the same
            field.fill(PIN)  # the right one, too early
            page.keyboard.press("Enter")
        if not out.is_visible():
            break
        assert time.monotonic() - tried_at > FIRST_WAIT_S  # so slow is this machine that it was not too early
        out.click()
    expect(page.get_by_role("alert")).to_contain_text(re.compile(r"Wait \d+ s, then try again"))
    axe(page)
    wait_for("the wait being over", lambda: not world.appliance.http.get("/engineer").text.count("Too many"), 60)
    field.fill(PIN)
    page.keyboard.press("Enter")
    expect(out).to_be_visible()
    out.click()
    expect(field).to_be_visible()
    visit(page, f"{world.url}/engineer/logs")
    expect(page).to_have_url(f"{world.url}/engineer")
    assert wait_told(world, "engineer-refused")["tries"] >= 1


@pytest.mark.parametrize(("scheme", "language"), [("light", "kk-KZ"), ("dark", "ru-RU")])
def test_every_page_fits_and_keeps_nobody_out(
    world: World, new_page: Callable[..., Page], scheme: str, language: str
) -> None:
    page = new_page(scheme=scheme)
    sign_in(page, world, PIN)
    for path in PAGES:
        visit(page, f"{world.url}/engineer{path}?lang={language[:2]}")
        for width, height in ((360, 640), (1024, 600), (1920, 1080))[: 3 if language == "ru-RU" else 1]:
            page.set_viewport_size({"width": width, "height": height})
            assert scrolls_sideways(page) == "", (path, width)
        axe(page)
        small = page.evaluate(
            "[...document.querySelectorAll('main button, main a, main input:not([type=hidden]), main select')]"
            ".filter((each) => each.checkVisibility() && !each.closest('label, p'))"
            ".map((each) => [each.textContent || each.name, each.getBoundingClientRect().height])"
        )
        assert [text for text, height in small if height < 44] == [], path  # with gloves


def test_each_device_is_tried_with_what_it_does_told_live(world: World, page: Page) -> None:
    sign_in(page, world, PIN)
    page.evaluate("window.neverLoadedAnew = true")
    rack = world.rack
    begin(page, world, "bills", "Take a note and give it back")
    page.evaluate("window.neverLoadedAnew = true")
    expect(page.locator(".now")).to_contain_text("Put one note in", timeout=PATIENCE_MS)
    axe(page)
    rack.bills.do("insert", "1000")
    expect(page.locator(".steps")).to_contain_text("was given back. Take it.", timeout=PATIENCE_MS)
    ends(page)
    assert page.evaluate("window.neverLoadedAnew")
    assert not [line for line in rack.bills.lines() if line.get("effect") == "stacked"]
    begin(page, world, "coins", "Take one coin", "Yes, I put a coin in")
    expect(page.locator(".now")).to_contain_text("Put one coin in", timeout=PATIENCE_MS)
    rack.coins.do("insert-coin", "100")
    ends(page)
    begin(page, world, "hopper", "Pay one coin out", "Yes, pay a coin out")
    expect(page.locator(".steps")).to_contain_text("paid. Is it in your hand?", timeout=PATIENCE_MS)
    ends(page)
    begin(page, world, "printer", "Print a test slip")
    ends(page)
    begin(page, world, "register", "Print a test slip")
    ends(page)
    begin(page, world, "register", "Print the X report")
    ends(page)
    for device in ("bills", "coins", "hopper", "register", "printer"):
        begin(page, world, device, "Check")
        ends(page)
    assert wait_told(world, "engineer-tested")["outcome"] == "passed"


def test_a_device_that_is_in_use_is_left_alone(world: World, page: Page) -> None:
    sign_in(page, world, PIN)
    visit(page, f"{world.url}/engineer/devices")
    customer = Cash(world)
    try:
        card(page, "bills").get_by_role("button", name="Check", exact=True).click()
        expect(page.locator(".steps")).to_contain_text("In use now by an operation", timeout=PATIENCE_MS)
        ends(page, "Not passed")
        visit(page, f"{world.url}/engineer/devices")
        expect(card(page, "bills")).to_contain_text("In use now by an operation")
        expect(card(page, "bills").get_by_role("button")).to_have_count(0)
        expect(card(page, "printer").get_by_role("button")).to_have_count(2)
    finally:
        customer.go_away()


def test_a_test_is_stopped_by_hand_and_the_device_takes_nothing(world: World, page: Page) -> None:
    sign_in(page, world, PIN)
    begin(page, world, "bills", "Take a note and give it back")
    expect(page.locator(".now")).to_contain_text("Put one note in", timeout=PATIENCE_MS)
    visit(page, f"{world.url}/engineer")
    page.get_by_role("link", name="Look at it").click()
    page.get_by_role("button", name="Stop").click()
    ends(page, "Stopped")
    expect(page.locator(".steps")).to_contain_text("It takes nothing any more.")


def test_a_dead_gateway_is_named(world: World, page: Page) -> None:
    sign_in(page, world, PIN)
    visit(page, f"{world.url}/engineer/routes")
    page.get_by_role("button", name="Check").click()
    steps = page.locator(".steps")
    expect(steps).to_contain_text("the machine is there, but nothing listens on port 9", timeout=PATIENCE_MS)
    expect(steps.locator("li", has_text="payment")).to_contain_text("answers with HTTP")
    ends(page, "Not passed")
    expect(steps).to_contain_text("1 of 9 are not reached.")
    axe(page)


def test_a_collection_is_written_down_once_told_and_on_paper(world: World, page: Page) -> None:
    sign_in(page, world, PIN)
    begin(page, world, "coins", "Take one coin", "Yes, I put a coin in")
    expect(page.locator(".now")).to_contain_text("Put one coin in", timeout=PATIENCE_MS)
    world.rack.coins.do("insert-coin", "100")
    ends(page)
    visit(page, f"{world.url}/engineer/collection")
    watch(page).expected = {422}
    page.get_by_role("button", name="Write the collection down").click()
    expect(page.get_by_role("alert")).to_have_text("Tick at least one device.")
    card(page, "coins").get_by_label("I take the money out of here").check()
    page.get_by_role("button", name="Write the collection down").click()
    expect(page.get_by_role("alert")).to_have_text("Confirm below that the money is in your hands.")
    expect(card(page, "coins").get_by_role("checkbox")).to_be_checked()
    page.get_by_label("The money is in my hands").check()
    page.get_by_role("button", name="Write the collection down").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Collected", timeout=PATIENCE_MS)
    expect(page.locator(".note-good")).to_be_visible()
    sums = page.locator(".sum").inner_text()
    axe(page)
    event = wait_told(world, "engineer-collected")
    assert event["devices"] == ["coins"]
    assert event["slip"] == "printed"
    total = event["totals"][0]["total"]
    assert re.sub(r"\D", "", sums) in {f"{total}", f"{total // 100}"}  # with cents or without
    assert wait_told(world, "collection")["by"] == "engineer"
    visit(page, f"{world.url}/engineer/collection")
    expect(card(page, "coins")).to_contain_text("Nothing lies here by the count.")


def test_the_support_bundle_is_whole_and_has_no_secret(world: World, page: Page) -> None:
    sign_in(page, world, PIN)
    visit(page, f"{world.url}/engineer/support")
    with page.expect_download() as loading:
        page.get_by_role("link", name="Download").click()
    assert re.fullmatch(r"kioskwire-support-kiosk_001-\d{8}-\d{4}\.zip", loading.value.suggested_filename)
    secrets = {PIN, *_strings(json.loads((world.appliance.directory / "state" / "identity.json").read_text()))}
    with zipfile.ZipFile(loading.value.path()) as archive:
        assert archive.testzip() is None
        manifest = json.loads(archive.read("manifest.json"))
        assert set(manifest["files"]) == set(archive.namelist()) - {"manifest.json"}
        assert {"health.json", "settings.txt", "routing.yaml", "system.json", "log.jsonl", "report.json"} <= set(
            manifest["files"]
        )
        for name, about in manifest["files"].items():
            data = archive.read(name)
            assert (len(data), hashlib.sha256(data).hexdigest()) == (about["bytes"], about["sha256"])
            assert not [each for each in secrets if each.encode() in data], name


def _strings(tree: dict[str, object]) -> set[str]:
    return {str(tree[name]) for name in ("token", "private_key") if tree.get(name)}


def test_logs_are_searched_and_go_on_by_themselves(world: World, page: Page) -> None:
    sign_in(page, world, PIN)
    visit(page, f"{world.url}/engineer/logs")
    expect(page.locator(".log li").first).to_be_visible()
    page.get_by_label("From").select_option("WARNING")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_label("From")).to_have_value("WARNING")
    graver = re.compile("WARNING|ERROR|CRITICAL")
    assert all(graver.search(line) for line in page.locator(".log li").all_inner_texts())
    page.get_by_label("With this text").fill("<nobody says this>")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("main")).to_contain_text("No such lines.")
    page.get_by_label("From").select_option("INFO")
    page.get_by_label("With this text").fill("engineer signed in")
    page.get_by_role("button", name="Show").click()
    lines = page.locator(".log li")
    expect(lines.first).to_contain_text("an engineer signed in")
    count = lines.count()
    page.evaluate("window.neverLoadedAnew = true")
    other = page.context.browser.new_context(locale="en-US")  # type: ignore[union-attr]
    try:
        second = other.new_page()
        Watch(second)
        sign_in(second, world, PIN)
    finally:
        other.close()
    expect(lines).to_have_count(count + 1, timeout=PATIENCE_MS)
    assert page.evaluate("window.neverLoadedAnew")
    axe(page)


def test_a_restart_waits_for_the_customer_and_comes_back_to_the_pin(world: World, page: Page) -> None:
    sign_in(page, world, PIN)
    customer = Cash(world)
    visit(page, f"{world.url}/engineer/restart")
    page.get_by_role("button", name="Restart the program").click()
    expect(page.get_by_role("status")).to_contain_text("It waits for:", timeout=PATIENCE_MS)
    axe(page)
    page.get_by_role("button", name="Do not restart").click()
    page.get_by_role("button", name="Restart the program").click()
    expect(page.get_by_role("status")).to_contain_text("It waits for:", timeout=PATIENCE_MS)
    assert world.appliance.alive
    watch(page).is_down = True
    customer.go_away()
    wait_for("the end of the program", lambda: not world.appliance.alive, 60)
    world.appliance.start()  # as systemd does
    expect(page.get_by_label("PIN")).to_be_visible(timeout=PATIENCE_MS)
    expect(page).to_have_url(f"{world.url}/engineer")
    watch(page).is_down = False
    assert wait_told(world, "engineer-restart") == {}


def test_all_of_it_without_a_script(world: World, new_page: Callable[..., Page]) -> None:
    page = new_page(script=False, width=360)
    sign_in(page, world, PIN)
    begin(page, world, "bills", "Take a note and give it back")
    expect(page.locator(".now")).to_contain_text("Put one note in", timeout=PATIENCE_MS)
    world.rack.bills.do("insert", "500")
    ends(page)
    visit(page, f"{world.url}/engineer/routes")
    page.get_by_role("button", name="Check").click()
    ends(page, "Not passed")
    visit(page, f"{world.url}/engineer/logs?text=signed")
    expect(page.locator(".log li").first).to_contain_text("signed")
    visit(page, f"{world.url}/engineer/collection")
    card(page, "bills").get_by_label("I take the money out of here").check()
    page.get_by_label("The money is in my hands").check()
    page.get_by_role("button", name="Write the collection down").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Collected", timeout=PATIENCE_MS)
    visit(page, f"{world.url}/engineer/support")
    with page.expect_download() as loading:
        page.get_by_role("link", name="Download").click()
    assert zipfile.is_zipfile(loading.value.path())
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("PIN")).to_be_visible()


def test_another_pin_and_another_enrolment(world: World, new_page: Callable[..., Page]) -> None:
    page = new_page(script=False)
    sign_in(page, world, PIN)
    visit(page, f"{world.url}/engineer/pin")
    watch(page).expected = {422}
    for old, new, again, wrong in (
        (PIN, "123456", "123456", "This PIN is too easy"),
        (PIN, "482913", "482914", "The two new PINs differ."),
        ("482913", "482913", "482913", "This is not the PIN."),
    ):
        _change_pin(page, old, new, again)
        expect(page.get_by_role("alert")).to_contain_text(wrong)
    _change_pin(page, PIN, "482913", "482913")
    expect(page).to_have_url(f"{world.url}/engineer")
    sign_in(page, world, "482913")
    world.hub.add_kiosk("kiosk_002", "Yard")
    visit(page, f"{world.url}/engineer/enrolment")
    page.get_by_label("Hub address").fill(world.hub.url)
    page.get_by_label("One-time code").fill(world.hub.new_code("kiosk_002"))
    page.get_by_label("Yes, enrol it anew").check()
    page.get_by_role("button", name="Enrol anew").click()
    expect(page).to_have_url(f"{world.url}/setup?lang=en")
    expect(page.locator("main")).to_contain_text("kiosk_002", timeout=PATIENCE_MS)
    expect(page.get_by_role("status")).to_contain_text("Connected to the hub.", timeout=PATIENCE_MS)


def _change_pin(page: Page, old: str, new: str, again: str) -> None:
    page.get_by_label("PIN in force").fill(old)
    page.get_by_label("New PIN", exact=True).fill(new)
    page.get_by_label("New PIN once more").fill(again)
    page.get_by_role("button", name="Set the new PIN").click()
