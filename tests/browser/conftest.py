"""What tests in a browser start with: Chromium, a hub, and pages that are watched.

    chromium    the process, once
    hub         a real hub with a few kiosks, once: leave it as you found it, or start your own by `new_hub`
    new_hub     new_hub(LOG_LEVEL="DEBUG", …) → a hub of this test alone
    new_page    new_page(width=360, scheme="dark", language="kk-KZ", script=False) → a page in a context of its own
    page        new_page() as it is on a desk: 1280 wide, light, English

Tests are plain functions and use Playwright's plain interface; see chromium.py. After each, every page it opened has
had no error, no warning, no request to another host and none that failed; `watch(page)` says what is allowed.
"""

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from bench.program import stop_all
from bench.stack import Hub
from tests.browser.chromium import Chromium, MissingError
from tests.browser.paths import AXE, VENDOR
from tests.browser.watch import Watch

_WAIT_MS = 60_000  # nothing is timed: a machine that is busy with something else must not fail a test
_chromium: list[Chromium] = []
expect.set_options(timeout=_WAIT_MS)
_HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run it in the thread that Playwright is in."""
    test = pyfuncitem.obj
    if inspect.iscoroutinefunction(test) or not _chromium or "chromium" not in pyfuncitem.fixturenames:
        return None
    given = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    _chromium[0].run(lambda: test(**given))
    return True


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chromium]:
    """The browser; tests are skipped, in words, where there is none."""
    for needed in (AXE, VENDOR):
        if not needed.is_file():
            pytest.skip(f"{needed.name} is not there, from the npm registry: make assets-dev")
    try:
        found = Chromium()
    except MissingError as error:
        pytest.skip(str(error))
    _chromium.append(found)
    yield found
    _chromium.clear()
    found.stop()


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """The one that nobody breaks, with three kiosks that were never here."""
    with Hub(tmp_path_factory.mktemp("hub"), settings={"TIMEZONE": "Asia/Almaty"}) as started:
        for number in range(1, 4):
            started.add_kiosk(f"kiosk_{number:03}", f"Shop {number}")
        yield started


@pytest.fixture
def new_hub(tmp_path: Path) -> Iterator[Callable[..., Hub]]:
    """Start one for this test."""
    started: list[Hub] = []

    def start(**settings: str) -> Hub:
        started.append(Hub(tmp_path / f"hub-{len(started)}", settings=settings))
        return started[-1].start()

    yield start
    stop_all(started)


@pytest.fixture
def new_page(chromium: Chromium) -> Iterator[Callable[..., Page]]:
    """Open one in a context of its own: cookies, language, size, scheme."""
    opened: list[tuple[Page, Watch]] = []

    def make(width: int, height: int, scheme: str, language: str, script: bool, **more: Any) -> Page:
        context = chromium.browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, locale=language,
            java_script_enabled=script, timezone_id="Asia/Almaty", **more,
        )  # fmt: skip
        context.set_default_timeout(_WAIT_MS)
        page = context.new_page()
        opened.append((page, Watch(page)))
        return page

    def new(
        *, width: int = 1280, height: int = 800, scheme: str = "light", language: str = "en-US", script: bool = True,
        **more: Any,
    ) -> Page:  # fmt: skip
        return make(width, height, scheme, language, script, **more)

    yield new
    chromium.run(lambda: [page.context.close() for page, _ in opened])
    for _, kept in opened:
        kept.check()


@pytest.fixture
def page(chromium: Chromium, new_page: Callable[..., Page]) -> Page:
    """As on a desk."""
    return chromium.run(new_page)
