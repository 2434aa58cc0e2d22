"""The overview, open while things happen."""

import contextlib
import re
from pathlib import Path

from playwright.sync_api import Page, expect

from bench.program import StackError, wait_for
from bench.stack import Stack
from tests.browser.dashboard.stage import HERE, PATIENCE_MS, Stage, until
from tests.browser.people import sign_in
from tests.browser.watch import axe, visit, watch


def told(page: Page, figure: str, number: str) -> int:
    """A number on the overview."""
    text = page.locator("a.figure", has_text=figure).inner_text()
    return int(re.search(number, text)[1])


def grows(stage: Stage, page: Page) -> None:
    """What is sent is counted. Of the last minutes the oldest may leave meanwhile, with as many: then more is sent."""

    def lately() -> int:
        return told(page, "Operations a minute", r"(\d+) in the last")

    def counted() -> bool:
        before = lately()
        for _ in range(3):
            stage.send(HERE)
        with contextlib.suppress(StackError):
            return bool(wait_for("three more", lambda: lately() >= before + 3, 20, every=0.05))
        return False

    until("operations on the page", counted)


def test_what_happens_is_seen_without_loading_anew(stage: Stage, sent: dict[str, str], page: Page) -> None:
    sign_in(page, stage.hub, "viewer")
    visit(page, f"{stage.hub.url}/dashboard")
    page.evaluate("window.isSamePage = true")
    expect(page.locator("#live")).to_have_text("live")
    grows(stage, page)
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
    chart = page.locator("section.card", has=page.get_by_role("heading", name="Operations by outcome"))
    painted = "(one) => one.getContext('2d').getImageData(0, 0, one.width, one.height).data.some((part) => part)"
    for span in ("Hour", "Day", "Week"):
        page.get_by_role("navigation", name="Time that the charts show").get_by_role("link", name=span).click()
        expect(page.locator(f"a[aria-current=page]:text-is('{span}')")).to_have_count(1)
        expect(chart.locator("canvas")).to_be_visible()
        expect(chart.locator(".u-legend tr")).to_have_count(7)
        expect(chart.locator(".chart-says")).to_contain_text("succeeded")
        until(f"the chart of a {span}", lambda: chart.locator("canvas").evaluate(painted))
    chart.locator("summary").click()
    expect(chart.locator("tbody tr").first).to_be_visible()

    # The legend tells what is under the pointer.
    def is_told() -> bool:
        box = chart.locator(".u-over").bounding_box()  # the chart is drawn anew from time to time
        for by in (2, 3):
            page.mouse.move(box["x"] + box["width"] - by, box["y"] + box["height"] / 2)
        return chart.locator(".u-legend .u-value").first.inner_text() != "—"

    until("what is under the pointer", is_told)


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
