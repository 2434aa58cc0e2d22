"""`make screenshots`: pictures of the pages that people see most, of a hub and kiosks that live, into docs/pictures/.

    python -m tests.browser.pictures [part of a name]

Add a line to `PICTURES` for one more. Every page is also held against what tests ask of any: no error, no other host,
nothing wider than the window.
"""

import asyncio
import contextlib
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import msgspec
from playwright.sync_api import Error, Page

from bench.fleet_here import FleetHere
from bench.fleet_rows import fill
from bench.stack import Hub
from cloud.kiosks.tokens import Tokens
from hardware.simulation.simulator import ControlError
from tests.browser.chromium import Chromium
from tests.browser.kiosk.world import PIN, World
from tests.browser.paths import TREE
from tests.browser.people import sign_in
from tests.browser.watch import Watch, scrolls_sideways, visit

OUT = TREE / "docs" / "pictures"
KIOSKS, HERE, OPERATIONS = 48, 41, 100_000
MAX_BYTES = 200_000
DESK, PHONE = (1440, 900), (360, 780)
_SETTLE_MS = 900


class Picture(msgspec.Struct, frozen=True):
    """One file. `role` empty: nobody is signed in. `of` names where the address is: see `places`."""

    name: str
    path: str
    size: tuple[int, int] = DESK
    scheme: str = "light"
    language: str = "en-US"
    role: str = "admin"
    of: str = "hub"
    prepare: Callable[[Page], None] | None = None  # what a person does on it before


def when_settled(page: Page) -> None:
    """Wait until the hub has been there for a while: before that it says so."""
    for _ in range(25):
        if "just started" not in (told := page.inner_text("#now")) and "только что" not in told:
            break
        page.wait_for_timeout(4000)
    page.mouse.move(0, 0)


def open_first(page: Page) -> None:
    """The first one of a list."""
    page.locator("table.list tbody td a").first.click()
    page.locator(".timeline").first.wait_for()


def make_code(page: Page) -> None:
    """What the installer takes along."""
    page.locator("main form button[type=submit]").click()
    page.locator(".sheet:visible").scroll_into_view_if_needed()


def to_charts(page: Page) -> None:
    """Where they begin, at the top."""
    page.evaluate("document.getElementById('charts-title').scrollIntoView()")
    page.evaluate("scrollBy(0, -28)")
    page.mouse.move(700, 300)


def enter_pin(page: Page) -> None:
    """An engineer at the devices."""
    page.locator("#pin").fill(PIN)
    page.locator("main button").first.click()
    page.locator("a.tile").first.click()
    page.locator("form.try").first.wait_for()


def look_at_the_way(page: Page) -> None:
    """Wait until the kiosk knows why its hub is not there."""
    page.locator("#part-network .failed").wait_for(timeout=30_000)


PICTURES = [
    Picture("charts-light", "/dashboard?range=day", prepare=to_charts),
    Picture("charts-dark", "/dashboard?range=week", scheme="dark", language="ru-RU", prepare=to_charts),
    Picture("charts-phone", "/dashboard?range=day", PHONE, "light", "kk-KZ", prepare=to_charts),
    Picture("kiosks-light", "/dashboard/kiosks"),
    Picture("kiosks-phone", "/dashboard/kiosks", PHONE, "light", "kk-KZ"),
    Picture("kiosk-dark", "/dashboard/kiosks/kiosk_0005", scheme="dark"),
    Picture("kiosk-phone", "/dashboard/kiosks/kiosk_0005", PHONE, "light", "ru-RU"),
    Picture("operations-light", "/dashboard/operations", language="ru-RU"),
    Picture("operations-phone", "/dashboard/operations", PHONE, "dark"),
    Picture("operation-light", "/dashboard/operations?outcome=unknown", prepare=open_first),
    Picture("sheet-light", "/dashboard/kiosks/kiosk_0005/code", language="ru-RU", prepare=make_code),
    Picture("alerts-light", "/dashboard/alerts"),
    Picture("sign-in-light", "/dashboard/sign-in", role=""),
    Picture("sign-in-phone", "/dashboard/sign-in", PHONE, "dark", "kk-KZ", role=""),
    Picture("own-page-light", "/", (1024, 600), role="", of="shop"),
    Picture("own-page-phone", "/", PHONE, "dark", "ru-RU", role="", of="shop"),
    Picture("engineer-phone", "/engineer", PHONE, "light", "ru-RU", role="", of="shop", prepare=enter_pin),
    Picture("engineer-dark", "/engineer", (1024, 600), "dark", role="", of="shop", prepare=enter_pin),
    Picture("own-page-trouble", "/", (1024, 600), "light", role="", of="trouble", prepare=look_at_the_way),
    Picture("own-page-trouble-phone", "/", PHONE, "dark", "ru-RU", role="", of="trouble", prepare=look_at_the_way),
    # Last: then the hub is no longer one that has just started.
    Picture("overview-light", "/dashboard", prepare=when_settled),
    Picture("overview-dark", "/dashboard", scheme="dark", prepare=when_settled),
    Picture("overview-phone", "/dashboard", PHONE, "dark", "ru-RU", prepare=when_settled),
]


@contextlib.contextmanager
def places(directory: Path, wanted: set[str]) -> Iterator[dict[str, Hub | World]]:
    """What is looked at, by the name that `Picture.of` has; those alone that are wanted."""
    makers = {"hub": a_hub, "shop": a_shop, "trouble": a_shop_in_trouble}
    with contextlib.ExitStack() as stack:
        yield {name: stack.enter_context(makers[name](directory / name)) for name in makers if name in wanted}


@contextlib.contextmanager
def a_shop(directory: Path) -> Iterator[World]:
    """A kiosk whose own page is looked at, with a morning's work behind it."""
    with World(directory, settings={"ENGINEER_PIN": PIN}) as world:
        for number in range(1, 5):
            body = {"order_id": f"A-{number}", "sum": 45_000 * number, "currency": "KZT"}
            world.hub.send(world.kiosk, "payment", body, key=world.key, idempotency=f"A-{number}")
        with ThreadPoolExecutor(1) as thread:
            body = {"amount": 100_000, "currency": "KZT"}
            paid = thread.submit(world.hub.send, world.kiosk, "cash", body, key=world.key, timeout=60)
            while not paid.done():
                with contextlib.suppress(ControlError):
                    world.rack.bills.do("insert", "1000")
                time.sleep(0.5)
        yield world


@contextlib.contextmanager
def a_shop_in_trouble(directory: Path) -> Iterator[World]:
    """The same on a bad day."""
    with a_shop(directory) as world:
        world.rack.bills.do("jam")
        world.rack.printer.do("near-end")
        world.hub.kill()
        yield world


@contextlib.contextmanager
def a_hub(directory: Path) -> Iterator[Hub]:
    """One with many kiosks, and years of operations."""
    hub = Hub(directory, settings={"TIMEZONE": "Asia/Almaty"})
    (hub.directory / "state").mkdir()
    filled = asyncio.run(fill(hub.environment()["DATABASE_URL"], kiosks=KIOSKS, operations=OPERATIONS))
    tokens = Tokens(hub.jwt_secret, "")
    disabled = range(32, KIOSKS, 33)
    enabled = [kiosk for number, kiosk in enumerate(filled.kiosks) if number not in disabled]
    here = {kiosk: tokens.issue(kiosk, 0) for kiosk in enabled[:HERE]}
    with hub:
        key = hub.add_api_key("Till service")["key"]
        with FleetHere(hub.ws_url, here), calling(hub, list(here), key):
            time.sleep(3)
            yield hub


@contextlib.contextmanager
def calling(hub: Hub, kiosks: list[str], key: str) -> Iterator[None]:
    """A backend that sends operations all the while."""
    is_over = threading.Event()

    def call() -> None:
        with httpx.Client(base_url=hub.url, trust_env=False, timeout=30) as http:
            number = 0
            while not is_over.wait(2.5):
                number += 1
                headers = {
                    "Authorization": f"Bearer {key}", "Header-Kiosk-Id": kiosks[number * 7 % len(kiosks)],
                    "Header-Operation-Type": ("payment", "fiscal", "payment", "status")[number % 4],
                    "Header-Timeout": "1", "Idempotency-Key": f"picture-{number}",
                }  # fmt: skip
                body = {"order_id": f"A-{number:05}", "amount": 1500 * (number % 9 + 1), "currency": "KZT"}
                with contextlib.suppress(httpx.TransportError):
                    http.post("/send", json=body, headers=headers)

    thread = threading.Thread(target=call, name="calling")
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join(60)


def take(chromium: Chromium, picture: Picture, place: Hub | World, out: Path) -> str:
    """Write one picture; returns what is wrong with the page, in words."""

    def work() -> str:
        width, height = picture.size
        context = chromium.browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=picture.scheme, locale=picture.language,
            timezone_id="Asia/Almaty", device_scale_factor=1,
        )  # type: ignore[arg-type]  # fmt: skip
        try:
            page = context.new_page()
            kept = Watch(page)
            if picture.role and isinstance(place, Hub):
                sign_in(page, place, picture.role, "a.operator" if picture.role == "operator" else "")
            visit(page, f"{place.url}{picture.path}")
            if picture.prepare:
                picture.prepare(page)
            page.wait_for_timeout(_SETTLE_MS)
            page.screenshot(path=str(out / f"{picture.name}.png"), animations="disabled")
            wide = scrolls_sideways(page)
            return "; ".join([*kept.wrongs, *([f"wider than the window: {wide}"] if wide else [])])
        except (AssertionError, Error) as error:
            return str(error).strip()[:600]
        finally:
            context.close()

    return chromium.run(work)


def main() -> int:
    """Returns the exit status: 1 where a page was not as it must be, or a picture is too large."""
    wanted = [each for each in PICTURES if not sys.argv[1:] or sys.argv[1] in each.name]
    OUT.mkdir(parents=True, exist_ok=True)
    wrong = 0
    directory = Path(tempfile.mkdtemp(prefix="kioskwire-pictures-"))
    try:
        with places(directory, {each.of for each in wanted}) as found:
            chromium = Chromium()
            try:
                for picture in wanted:
                    words = take(chromium, picture, found[picture.of], OUT)
                    path = OUT / f"{picture.name}.png"
                    size = path.stat().st_size if path.exists() else 0
                    if size > MAX_BYTES:
                        words = f"{words}; larger than {MAX_BYTES} bytes".removeprefix("; ")
                    print(f"{picture.name}: {size // 1000} kB{': ' + words if words else ''}", flush=True)
                    wrong += bool(words)
            finally:
                chromium.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
