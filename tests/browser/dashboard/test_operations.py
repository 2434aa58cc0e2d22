"""Operations: the list and its filters, one with its whole life, settling by hand, the file."""

import csv
import io
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.dashboard.stage import HERE, PATIENCE_MS, Stage, unique
from tests.browser.people import sign_in
from tests.browser.watch import visit, watch

KEPT = ("succeeded", "receipt", "refused", "queued", "unknown")


def shown(page: Page, sent: dict[str, str], wanted: set[str]) -> None:
    """Those of `sent` stand in the list, and no other of them."""
    for name in KEPT:
        link = page.locator(f"#operations tbody td:first-child a[title='{sent[name]}']")
        expect(link, name).to_have_count(1 if name in wanted else 0)


def life(page: Page) -> Locator:
    """The timeline."""
    return page.locator(".timeline").first.locator("li strong")


def test_each_filter_finds_what_it_says(stage: Stage, sent: dict[str, str], page: Page) -> None:
    sign_in(page, stage.hub, "viewer")
    visit(page, f"{stage.hub.url}/dashboard/operations")
    shown(page, sent, set(KEPT))
    form = page.locator("form.filters")
    show = form.get_by_role("button", name="Show")
    filters = (
        ("Kiosk", "kiosk_absent", {"queued"}),
        ("Type", "fiscal", {"receipt"}),
        ("Id begins with", sent["refused"], {"refused"}),
    )
    for label, typed, found in filters:
        form.get_by_role("textbox", name=label).or_(form.get_by_role("searchbox", name=label)).fill(typed)
        with page.expect_navigation():
            page.keyboard.press("Enter")
        shown(page, sent, found)
        with page.expect_navigation():
            page.get_by_role("link", name="Show all").click()
    for words, found in (("succeeded", {"succeeded", "receipt"}), ("unknown", {"unknown"}), (
        "gateway said no", {"refused"}), ("waits for kiosk", {"queued"}), ("under way", {"queued"})):  # fmt: skip
        options = form.get_by_role("combobox", name="Outcome").locator("option").all_inner_texts()
        if words not in options:
            continue
        form.get_by_role("combobox", name="Outcome").select_option(words)
        with page.expect_navigation(url="**outcome=**"):  # the page before it has such an address, too
            show.click()
        shown(page, sent, found)
    with page.expect_navigation():
        page.get_by_role("link", name="Show all").click()
    form.get_by_role("combobox", name="Period").select_option("last hour")
    show.click()
    page.wait_for_url("**quick=hour**")
    shown(page, sent, set(KEPT))
    with page.expect_navigation():
        page.get_by_role("link", name="Show all").click()

    # Times are those of the hub's zone, whatever the browser's is.
    now = datetime.now(ZoneInfo("Asia/Almaty"))
    for begin, end, found in ((-60, 2, set(KEPT)), (-120, -60, set()), (60, 120, set())):
        form.get_by_label("From").fill(f"{now + timedelta(minutes=begin):%Y-%m-%dT%H:%M}")
        form.get_by_label("To", exact=True).fill(f"{now + timedelta(minutes=end):%Y-%m-%dT%H:%M}")
        show.click()
        page.wait_for_url(f"**{now + timedelta(minutes=end):%H%%3A%M}**")
        shown(page, sent, found)

    # What makes no sense is told beside its field.
    form.get_by_role("textbox", name="Kiosk").fill("no kiosk")
    show.click()
    expect(page.locator("#wrong-kiosk")).to_contain_text("1 to 64 letters")
    expect(form.get_by_role("textbox", name="Kiosk")).to_have_value("no kiosk")


def test_one_operation_tells_its_whole_life_and_no_secret(stage: Stage, sent: dict[str, str], page: Page) -> None:
    sign_in(page, stage.hub, "viewer")
    visit(page, f"{stage.hub.url}/dashboard/operations?kiosk={HERE}")
    page.locator(f"a[title='{sent['succeeded']}']").click()
    expect(life(page)).to_have_text([
        "Asked for by Till service", "Sent to the kiosk", "The kiosk wrote it down and began",
        "The gateway answered HTTP 200",
    ])  # fmt: skip
    body = page.locator("section", has=page.get_by_role("heading", name="Request")).locator("pre")
    expect(body).to_contain_text("15000")
    expect(body).not_to_contain_text("4400430211223340")
    expect(body).not_to_contain_text("77010000000")
    expect(page.locator("main")).to_contain_text("Executed. The gateway at the kiosk confirmed it")
    visit(page, f"{stage.hub.url}/dashboard/operations/{sent['refused']}")
    expect(page.locator("main")).to_contain_text("The gateway at the kiosk answered HTTP 500")


def test_a_queued_one_is_carried_out_before_the_reader_s_eyes(stage: Stage, page: Page) -> None:
    kiosk = unique("shop")
    box = stage.new_kiosk(kiosk)
    request_id = stage.queue(kiosk)
    sign_in(page, stage.hub, "viewer")
    visit(page, f"{stage.hub.url}/dashboard/operations/{request_id}")
    expect(page.locator("main")).to_contain_text("It waits for its kiosk to connect. Nothing was executed so far.")
    expect(life(page).nth(1)).to_have_text("Put in the queue: the kiosk was not connected")
    box.start()
    expect(page.locator("h1 .badge")).to_have_text("succeeded", timeout=PATIENCE_MS)
    expect(life(page).last).to_have_text("The gateway answered HTTP 200")
    box.stop()


def test_an_unknown_one_is_settled_by_hand_with_a_reason(stage: Stage, page: Page) -> None:
    request_id = stage.unknown(unique("dead"))
    sign_in(page, stage.hub, "operator")
    visit(page, f"{stage.hub.url}/dashboard/operations?outcome=unknown")
    page.locator(f"a[title='{request_id}']").click()
    expect(page.locator("main")).to_contain_text("It is not known whether this was executed.")
    expect(life(page).last).to_have_text("No outcome so far")
    page.get_by_role("link", name="Settle by hand…").click()
    expect(page.locator("main")).to_contain_text("The kiosk itself cannot tell: it was cut off in the middle.")
    page.get_by_role("radio", name="It was not executed").check()
    watch(page).expected = {422}
    page.get_by_label("How do you know?").fill("   ")
    page.get_by_role("button", name="Next").click()
    expect(page.locator("#why-hint")).not_to_contain_text("One sentence")
    expect(page.get_by_role("radio", name="It was not executed")).to_be_checked()
    page.get_by_label("How do you know?").fill("The bank has nothing of it")
    page.get_by_role("button", name="Next").click()
    expect(page.locator("dl.facts")).to_contain_text("The bank has nothing of it")
    page.locator("main form .button-danger").click()
    expect(page.locator("h1 .badge")).to_have_text("not executed, by hand")
    expect(life(page).last).to_have_text("Settled by hand as not executed, by an-operator")
    expect(page.locator(".timeline").first).to_contain_text("The bank has nothing of it")
    told = stage.operation(request_id)
    assert (told["state"], told["executed"]) == ("failed", "no")
    expect(page.get_by_role("link", name="Settle by hand…")).to_have_count(0)


def test_the_file_holds_what_the_filter_finds(stage: Stage, sent: dict[str, str], page: Page, tmp_path: Path) -> None:
    sign_in(page, stage.hub, "operator")
    visit(page, f"{stage.hub.url}/dashboard/operations?kiosk={HERE}")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download CSV").click()
    assert download.value.suggested_filename.startswith("operations-")
    path = tmp_path / "operations.csv"
    download.value.save_as(path)
    text = path.read_text(encoding="utf-8-sig")
    rows = {row["request_id"]: row for row in csv.DictReader(io.StringIO(text))}
    assert {row["kiosk"] for row in rows.values()} == {HERE}
    assert rows[sent["succeeded"]]["outcome"] == "succeeded"
    assert rows[sent["receipt"]]["operation"] == "fiscal"
    assert rows[sent["refused"]]["status"] == "500"
    assert sent["unknown"] not in rows
    assert "4400430211223340" not in text


@pytest.mark.parametrize("role", ["viewer"])
def test_a_viewer_has_no_file(stage: Stage, page: Page, role: str) -> None:
    sign_in(page, stage.hub, role)
    visit(page, f"{stage.hub.url}/dashboard/operations")
    expect(page.get_by_role("link", name="Download CSV")).to_have_count(0)
