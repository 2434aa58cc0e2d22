"""The overview, open while things happen."""

import re
from pathlib import Path

from playwright.sync_api import Page, expect

from bench.stack import Stack
from tests.browser.dashboard.stage import HERE, PATIENCE_MS, Stage, until
from tests.browser.people import sign_in
from tests.browser.watch import axe, visit, watch


def told(page: Page, figure: str, number: str) -> int:
    """A number on the overview."""
    text = page.locator("a.figure", has_text=figure).inner_text()
    return int(re.search(number, text)[1])


def test_what_happens_is_seen_without_loading_anew(stage: Stage, sent: dict[str, str], page: Page) -> None:
    sign_in(page, stage.hub, "viewer")
    visit(page, f"{stage.hub.url}/dashboard")
    page.evaluate("window.isSamePage = true")
    expect(page.locator("#live")).to_have_text("live")
    before = told(page, "Operations a minute", r"(\d+) in the last")
    for _ in range(3):
        stage.send(HERE)
    until("operations on the page", lambda: told(page, "Operations a minute", r"(\d+) in the last") >= before + 3)
    expect(page.locator("a.figure", has_text="Outcome unknown").locator("strong")).not_to_have_text("0")
    box = stage.new_kiosk("kiosk_that_comes")
    here = told(page, "Kiosks connected", r"(\d+) +/")
    box.start()
    until("the kiosk on the page", lambda: told(page, "Kiosks connected", r"(\d+) +/") > here)
    box.kill()
    expect(page.locator("#now")).to_contain_text("kiosk_that_comes", timeout=PATIENCE_MS)
    assert page.evaluate("window.isSamePage") is True


def test_charts_are_drawn_of_an_hour_a_day_and_a_week_and_told_as_tables(
    stage: Stage, sent: dict[str, str], page: Page
) -> None:
    sign_in(page, stage.hub, "viewer")
    visit(page, f"{stage.hub.url}/dashboard")
    for span in ("Hour", "Day", "Week"):
        page.get_by_role("navigation", name="Time that the charts show").get_by_role("link", name=span).click()
        expect(page.locator(f"a[aria-current=page]:text-is('{span}')")).to_have_count(1)
        chart = page.locator("section.card", has=page.get_by_role("heading", name="Operations by outcome"))
        expect(chart.locator("canvas")).to_be_visible()
        expect(chart.locator(".u-legend tr")).to_have_count(7)
        expect(chart.locator(".chart-says")).to_contain_text("succeeded")
        painted = "(one) => one.getContext('2d').getImageData(0, 0, one.width, one.height).data.some((part) => part)"
        assert chart.locator("canvas").evaluate(painted), span
    chart.locator("summary").click()
    expect(chart.locator("tbody tr").first).to_be_visible()
    # The legend tells what is under the pointer.
    box = chart.locator(".u-over").bounding_box()
    page.mouse.move(box["x"] + box["width"] - 3, box["y"] + box["height"] / 2)
    expect(chart.locator(".u-legend .u-value").first).not_to_have_text("—")


def test_a_hub_that_restarts_is_missed_and_found_again_with_its_kiosks(page: Page, tmp_path: Path) -> None:
    with Stack(tmp_path) as stack:
        hub = stack.hub
        sign_in(page, hub, "viewer")
        visit(page, f"{hub.url}/dashboard")
        expect(page.locator("a.figure", has_text="Kiosks connected").locator("strong")).to_have_text("1 / 1")
        watch(page).is_down = True
        hub.stop()
        expect(page.locator("#connection")).to_contain_text("The hub does not answer", timeout=PATIENCE_MS)
        expect(page.locator("#live")).to_have_text("not refreshing")
        axe(page)
        hub.start()
        expect(page.locator("#connection")).to_contain_text("The hub answers again", timeout=PATIENCE_MS)
        expect(page.locator("#connection")).to_be_hidden(timeout=PATIENCE_MS)
        expect(page.locator("a.figure", has_text="Kiosks connected").locator("strong")).to_have_text(
            "1 / 1", timeout=PATIENCE_MS
        )
        answer = stack.send("payment", {"order_id": "after", "sum": 100}, idempotency="after")
        assert answer.is_success
        expect(page.locator("a.figure", has_text="Operations a minute")).to_contain_text(
            "1 in the last", timeout=PATIENCE_MS
        )
