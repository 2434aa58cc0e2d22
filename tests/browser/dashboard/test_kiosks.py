"""Kiosks, from the list to the last act, with real ones that come and go."""

import re
from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

from bench.stack import Appliance
from tests.browser.dashboard.qr import read
from tests.browser.dashboard.stage import HERE, PATIENCE_MS, Stage, unique, until
from tests.browser.people import sign_in
from tests.browser.watch import visit, watch


def rows(page: Page) -> Locator:
    """Lines of the list."""
    return page.locator("#kiosks tbody tr")


def lists(page: Page, ids: list[str]) -> None:
    """They are of these kiosks, in this order."""
    expect(rows(page).locator("th a")).to_have_text(ids)


def open_act(page: Page, name: str) -> None:
    """From a kiosk's page to the question that an act asks."""
    page.get_by_role("group", name="What can be done").get_by_role("link", name=name, exact=True).click()
    expect(page.locator("main form")).to_be_visible()


def state(page: Page) -> Locator:
    """The badge on a kiosk's page."""
    return page.locator(".kiosk-verdict .badge").first


def comes(box: Appliance, stage: Stage, kiosk: str) -> None:
    """Start its program, and wait until the hub has it."""
    box.start()
    until(f"{kiosk} being here", lambda: stage.is_here(kiosk))


def test_the_list_is_searched_filtered_and_sorted_as_one_types(stage: Stage, page: Page) -> None:
    for number, name in ((1, "Рынок Алатау"), (2, "Market, hall B"), (10, "Airport")):
        stage.hub.add_kiosk(f"list_{number}", name)
    sign_in(page, stage.hub, "viewer")
    visit(page, f"{stage.hub.url}/dashboard/kiosks")
    page.evaluate("window.isSamePage = true")
    search = page.get_by_role("searchbox", name="Search")
    for typed, found in (("list", ["list_1", "list_2", "list_10"]), ("LIST_1", ["list_1", "list_10"]), (
        "алатау", ["list_1"]), ("nobody", [])):  # fmt: skip
        search.fill("")
        search.press_sequentially(typed)
        expect(rows(page)).to_have_count(len(found))
        lists(page, found)
    expect(page.locator("#kiosks")).to_contain_text("No kiosk fits this filter.")
    search.fill("list")
    expect(rows(page)).to_have_count(3)
    page.get_by_role("combobox", name="Order").select_option("by name")
    expect(rows(page).first).to_contain_text("Airport")
    lists(page, ["list_10", "list_2", "list_1"])
    assert page.evaluate("window.isSamePage") is True
    # What was found is an address: it can be kept, sent, and come back to.
    expect(page).to_have_url(re.compile("q=list.*sort=name"))
    page.reload()
    lists(page, ["list_10", "list_2", "list_1"])
    page.get_by_role("navigation", name="By state").get_by_role("link", name=re.compile("Connected")).click()
    expect(page.locator("#kiosks")).to_contain_text("No kiosk fits this filter.")
    page.get_by_role("link", name="Clear").click()
    expect(rows(page).filter(has_text=HERE)).to_have_count(1)
    page.get_by_role("navigation", name="By state").get_by_role("link", name=re.compile("Connected")).click()
    expect(rows(page).filter(has_text=HERE)).to_have_count(1)
    expect(rows(page).filter(has_text="list_")).to_have_count(0)
    version = stage.hub.http.get("/health").json()["version"]
    page.get_by_role("combobox", name="Version").select_option(version)
    expect(rows(page).filter(has_text=HERE)).to_contain_text(version)
    rows(page).get_by_role("link", name=HERE).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Central station")
    expect(state(page)).to_have_text("connected")
    expect(page.locator("main")).to_contain_text("fiscal, payment")


def test_a_kiosk_is_added_enrolled_renamed_and_gets_other_secrets(stage: Stage, page: Page) -> None:
    kiosk, hub = unique("shop"), stage.hub
    sign_in(page, hub, "admin")
    visit(page, f"{hub.url}/dashboard/kiosks")
    page.get_by_role("link", name="Add a kiosk").click()
    watch(page).expected = {422, 409}
    for wrong, told in (("no id", "This is no id for a kiosk."), (HERE, f"Kiosk {HERE} exists already.")):
        page.get_by_label("Id", exact=True).fill(wrong)
        page.get_by_role("button", name="Add").click()
        expect(page.locator("#id-hint")).to_contain_text(told)
        expect(page.get_by_label("Id", exact=True)).to_be_focused()
    page.get_by_label("Id", exact=True).fill(kiosk)
    page.get_by_label("Name").fill("Shop <b>& son</b>")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Shop <b>& son</b>")
    code, token = page.locator("#code").inner_text().strip(), page.locator("#token").inner_text()
    assert f"WS_SERVER_URL={hub.ws_url}" in token

    # The sheet says the same, in the language of who installs it, also to a phone's camera.
    for language, words in (("English", "Hub: {}\nCode: {}"), ("Русский", "Хаб: {}\nКод: {}")):
        page.get_by_role("radio", name=language).check()
        picture = page.locator(".sheet:visible svg.qr")
        expect(picture).to_have_count(1)
        assert read(picture.screenshot()) == words.format(hub.ws_url, code)
    page.get_by_role("link", name="I have it: to the kiosk").click()
    expect(state(page)).to_have_text("never seen")
    expect(page.locator("main")).not_to_contain_text(code)

    # A real box with that code: the page sees it come without being loaded anew.
    box = stage.box(kiosk, code=code)
    comes(box, stage, kiosk)
    expect(state(page)).to_have_text("connected", timeout=PATIENCE_MS)
    expect(page.locator("main")).to_contain_text("enrolled", timeout=PATIENCE_MS)

    open_act(page, "Rename")
    page.get_by_label("Name").fill("Shop and son")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_have_text("The kiosk has its new name.")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Shop and son")

    # Another token ends what it is connected by.
    open_act(page, "New token")
    expect(page.locator("main form")).to_contain_text("Its connection is closed: 127.0.0.1")
    page.get_by_role("button", name="Make the token").click()
    token = re.search(r"WS_TOKEN=(\S+)", page.locator("#token").inner_text())[1]
    until("the box being out", lambda: not stage.is_here(kiosk))
    page.get_by_role("link", name="I have it: to the kiosk").click()
    expect(page.locator(".kiosk-verdict")).to_contain_text("its token was replaced", timeout=PATIENCE_MS)
    box.kill()
    box = stage.box(kiosk, token=token)
    comes(box, stage, kiosk)
    expect(state(page)).to_have_text("connected", timeout=PATIENCE_MS)

    # Another code, for the day its disk is changed.
    open_act(page, "New code")
    page.get_by_role("button", name="Make the code").click()
    assert page.locator("#code").inner_text().strip() != code
    page.get_by_role("link", name="I have it: to the kiosk").click()

    # And away for good, when its id is typed.
    open_act(page, "Remove")
    page.get_by_label(f"Type {kiosk} to confirm").fill(HERE)
    page.get_by_role("button", name="Remove for good").click()
    expect(page.locator("#typed-wrong")).to_have_text("This is not the id of this kiosk. Nothing was removed.")
    page.get_by_label(f"Type {kiosk} to confirm").fill(kiosk)
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_have_text(f"Kiosk {kiosk} is removed.")
    until("the box being out", lambda: not box.health()["ws_connected"])
    box.kill()
    visit(page, f"{hub.url}/dashboard/kiosks/{kiosk}", status=404)
    expect(page.get_by_role("alert")).to_contain_text("It may have been removed.")


def test_a_kiosk_is_disabled_and_enabled_and_its_history_says_why_it_went(
    stage: Stage, page: Page, new_page: Callable[..., Page]
) -> None:
    kiosk = unique("shop")
    box = stage.new_kiosk(kiosk)
    comes(box, stage, kiosk)
    sign_in(page, stage.hub, "operator")
    visit(page, f"{stage.hub.url}/dashboard/kiosks/{kiosk}")
    open_act(page, "Disable")
    page.get_by_role("link", name="Cancel").click()
    open_act(page, "Disable")
    page.get_by_role("button", name="Disable").click()
    expect(page.get_by_role("status").first).to_contain_text("is disabled and not let in any more")
    expect(state(page)).to_have_text("disabled")
    until("its socket being closed", lambda: not box.health()["ws_connected"])
    box.kill()
    open_act(page, "Enable")
    page.get_by_role("button", name="Enable").click()
    expect(page.get_by_role("status").first).to_contain_text("is enabled and let in again")
    comes(box, stage, kiosk)
    expect(state(page)).to_have_text("connected", timeout=PATIENCE_MS)
    box.stop()
    expect(state(page)).to_have_text("not connected", timeout=PATIENCE_MS)
    expect(page.locator(".kiosk-verdict")).to_contain_text("it said goodbye")
    page.locator("#connections").get_by_role("link", name="All").click()
    told = page.locator("tbody tr")
    expect(told.filter(has_text="it said goodbye")).to_have_count(1)
    expect(told.filter(has_text="it was disabled or removed")).to_have_count(1)
