"""The kiosk's page: in three languages, without scripts, small, and harmless whatever others wrote into it."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from appliance.app import Appliance
from appliance.health.advice import Advice, DeviceFacts, Severity
from appliance.health.machine import Machine, read_machine
from appliance.journal import Recent
from appliance.network.steps import Look, State, Step, Walk
from appliance.settings import load
from appliance.web import live
from appliance.web.page import policy, read_asset
from appliance.web.page_facts import DeviceView, LastEvent, View
from appliance.web.page_home import render_parts
from appliance.web.page_words import WORDS, Teller
from hardware.events import DeviceState
from tests.appliance.worlds import PATIENCE_S, until
from wire.messages import Error, Executed, Response

LANGUAGES = ("kk", "ru", "en")
EVIL = "<img src=x onerror=alert(1)>\"'&<script>alert(2)</script>"
PRINTER = {"driver": "escpos", "port": "sim://escpos?boot_s=0", "label": "<b>hall</b>"}


class Tags(HTMLParser):
    """What elements and attributes a page has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


@contextlib.asynccontextmanager
async def kiosk(directory: Path, **settings: str) -> AsyncIterator[tuple[Appliance, httpx.AsyncClient]]:
    """An appliance with a printer, and no hub that answers; who looks is on the kiosk."""
    routes = {"routes": {"print": {"device": "printer"}}, "devices": {"printer": PRINTER}}
    (directory / "routes.yaml").write_text(json.dumps(routes))
    environ = {
        "WS_SERVER_URL": "ws://127.0.0.1:9/ws", "WS_TOKEN": "canary-token", "STATE_DIR": str(directory / "state"),
        "ROUTING_CONFIG": str(directory / "routes.yaml"), "HEALTH_CHECK_PORT": "0", "DISK_MIN_FREE_MB": "0", **settings,
    }  # fmt: skip
    appliance = Appliance(load(None, environ))
    url = await appliance.start()
    try:
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE_S) as client:
            yield appliance, client
    finally:
        await appliance.stop()


def view(**fields: Any) -> View:
    """A page's facts, with what others say set to something evil."""
    standing = {
        "role": EVIL, "label": EVIL, "driver": EVIL, "port": EVIL, "state": "fault", "code": EVIL, "words": EVIL,
        "since": 1.0, "identity": {"maker": EVIL, "model": EVIL, "serial": EVIL, "firmware": EVIL},
        "skipped_bytes": 3, "repeats": 2,
    }  # fmt: skip
    facts = DeviceFacts(name=EVIL, role=EVIL, state=DeviceState.FAULT, words=EVIL)
    body = msgspec.Raw(msgspec.json.encode({"collected": 50000, "currency": "KZT", "note": EVIL}))
    error = Response(request_id=EVIL, operation=EVIL, executed=Executed.NO, error=Error(EVIL, EVIL))
    good = Response(request_id="C1", operation="cash", executed=Executed.YES, status=200, body=body)
    well: dict[str, Any] = {
        "now": 1_800_000_000.0,
        "advice": [
            Advice(key="device.ordered-why", severity=Severity.BAD, fields={"reason": EVIL}, device=EVIL, detail=EVIL)
        ],
        "health": {
            "enrolment": {"name": EVIL, "kiosk": EVIL}, "ws_connected": False, "since": 1_799_999_000.0, "hub": EVIL,
            "last_error": {"message": EVIL, "at": 1.0}, "unsettled": 2, "journal": {"events": 3}, "uptime": 90.0,
            "queue": {"waiting": 0, "running": 0, "in_doubt": 0}, "clock": {"now": 1.0, "offset": 10800.0},
            "updates": {"mode": "auto", "on_trial": False, "failed": False, "installed": "", "offered": EVIL,
                        "checked_at": 1.0},
        },
        "devices": [DeviceView(
            name=EVIL, standing=standing, facts=facts,
            last=LastEvent(kind=EVIL, at=1.0, data={"document": {"number": EVIL}}),
        )],
        "operations": [
            Recent(EVIL, EVIL, "done", 1_799_999_900.0, error), Recent("C1", "cash", "settled", 1.0, good),
            Recent("R1", "payment", "started", 1_799_999_990.0),
        ],
        "machine": Machine(temperature=61.0, memory_free=10**8, memory_all=10**9, disk_free=10**10, disk_all=10**11),
        "walk": Walk(at=1_799_999_950.0, took=1.0, looks=(
            Look(step=Step.TLS, state=State.FAILED, finding="tls.untrusted", fields={"issuer": EVIL}),
        )),
        "walking": False, "down_since": 1.0, "takes_codes": False,
    }  # fmt: skip
    return View(**{**well, **fields})


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_others_wrote_is_only_ever_text(language: str) -> None:
    for name, part in render_parts(view(), language).items():
        if name == "title":
            continue  # is no HTML: scripts and templates take it as the text it is
        tags = Tags(part).tags
        assert not {tag for tag, _ in tags} & {"img", "script"}
        assert not [each for _, attributes in tags for each in attributes if each.startswith("on")]
    assert "&lt;img" in render_parts(view(), language)["devices"]


def test_whom_a_gateway_speaks_of_is_not_told_on_the_page() -> None:
    words = "a.person@example.kz, +77015550199, card 4111111111111111, token=q7s0Canary"
    error = Response(request_id="R1", operation="payment", executed=Executed.NO, error=Error("refused", words))
    told = render_parts(view(operations=[Recent("R1", "payment", "done", 1.0, error)]), "en")["operations"]
    assert not [part for part in ("person@", "77015550199", "4111111111111111", "q7s0Canary") if part in told]


def test_the_languages_say_the_same_things() -> None:
    def fields(text: str) -> set[str]:
        return set(re.findall(r"\{(\w+)\}", text))

    for language in LANGUAGES:
        assert WORDS[language].keys() == WORDS["en"].keys()
        differing = [key for key, text in WORDS[language].items() if fields(text) != fields(WORDS["en"][key])]
        assert differing == []
    undone = [key for key in WORDS["en"] if key.startswith("net.") and not key.endswith((".do", ".near"))]
    assert [key for key in undone if f"{key}.do" not in WORDS["en"]] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_figures_have_their_units(language: str) -> None:
    parts = render_parts(view(), language)
    sign = "." if language == "en" else ","
    assert f"500{sign}00\N{NO-BREAK SPACE}KZT" in parts["operations"]
    assert "61 °C" in parts["kiosk"]
    assert Teller(language, 0.0).lasting(3 * 3600) in parts["kiosk"]  # by how much the clock is wrong


def test_lengths_and_moments() -> None:
    teller = Teller("en", 1_800_000_000.0)
    assert [teller.lasting(each) for each in (5, 61, 3 * 3600, 3700, 90_000)] == [
        "5 s",
        "1 min",
        "3 h",
        "1 h 1 min",
        "1 d 1 h",
    ]
    assert [teller.ago(1_800_000_000.0 - each) for each in (5, 300, 7200, 3 * 86400)] == [
        "just now", "5 min ago", "2 h ago", "3 d ago"
    ]  # fmt: skip
    assert teller.moment(1e20) == "?"


async def test_a_whole_page_without_anything_from_elsewhere(tmp_path: Path) -> None:
    async with kiosk(tmp_path) as (_, client):
        for language in LANGUAGES:
            answer = await client.get("/", headers={"Accept-Language": language})
            assert answer.status_code == 200
            assert f'<html lang="{language}">' in answer.text
            assert len(answer.content) < 100 * 1024
            assert "canary-token" not in answer.text
            tags = Tags(answer.text).tags
            addresses = [
                value for _, attributes in tags for name, value in attributes.items()
                if name in {"href", "src", "action", "data-live"} and value
            ]  # fmt: skip
            assert all(each.startswith(("/", "?", "data:image/svg+xml,")) for each in addresses)
            assert not [1 for _, attributes in tags for name in attributes if name == "style" or name.startswith("on")]
            assert '<noscript><meta http-equiv="refresh"' in answer.text
            assert "<b>hall</b>" not in answer.text
        csp = answer.headers["Content-Security-Policy"]
        assert csp == policy("live.js", client.base_url.netloc.decode())
        assert "unsafe" not in csp
        assert read_asset("live.js") in answer.text
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert (await client.head("/")).status_code == 200


async def test_the_language_is_kept_when_it_is_chosen(tmp_path: Path) -> None:
    async with kiosk(tmp_path) as (_, client):
        first = await client.get("/?lang=kk", headers={"Accept-Language": "ru"})
        assert '<html lang="kk">' in first.text
        assert "HttpOnly" in first.headers["Set-Cookie"]
        assert '<html lang="kk">' in (await client.get("/", headers={"Accept-Language": "ru"})).text
        assert '<html lang="kk">' in (await client.get("/?lang=<b>")).text


async def test_other_names_and_other_pages_are_refused(tmp_path: Path) -> None:
    async with kiosk(tmp_path) as (_, client):
        assert (await client.get("/", headers={"Host": "evil.example"})).status_code == 403
        assert (await client.get("/", headers={"Origin": "http://evil.example"})).status_code == 403
        assert (await client.post("/network", headers={"Origin": "http://evil.example"})).status_code == 403
        assert (await client.post("/network", headers={"Sec-Fetch-Site": "cross-site"})).status_code == 403


async def test_a_person_has_the_way_looked_at(tmp_path: Path) -> None:
    async with kiosk(tmp_path) as (appliance, client):
        answer = await client.post("/network", headers={"Sec-Fetch-Site": "same-origin"})
        assert (answer.status_code, answer.headers["Location"]) == (303, "/#part-network")
        await until(lambda: appliance.network.last)
        page = (await client.get("/", headers={"Accept-Language": "en"})).text
        assert "The network works, but the hub 127.0.0.1 does not answer" in page
        assert (await client.get("/network")).status_code == 405


async def test_a_kiosk_to_be_set_up_leads_there_and_shows_its_page_all_the_same(tmp_path: Path) -> None:
    async with kiosk(tmp_path, WS_TOKEN="", WS_SERVER_URL="") as (_, client):
        answer = await client.get("/")
        assert (answer.status_code, answer.headers["Location"]) == (302, "/setup")
        page = await client.get("/?stay=1", headers={"Accept-Language": "en"})
        assert "This kiosk is not set up yet" in page.text
        assert 'href="/setup?lang=en"' in page.text


# Live


def socket(client: httpx.AsyncClient, origin: str = "", path: str = "/live?lang=en") -> Any:
    base = client.base_url
    own = Origin(origin or f"http://{base.netloc.decode()}")
    return connect(
        f"ws://{base.netloc.decode()}{path}",
        origin=own,
        proxy=None,
        open_timeout=PATIENCE_S,
        close_timeout=1,
        max_queue=1,
    )


async def test_an_open_page_is_told_what_changes_and_only_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "TURN_S", 0.05)
    async with kiosk(tmp_path) as (appliance, client), socket(client) as page:
        async with asyncio.timeout(PATIENCE_S):
            first = json.loads(await page.recv())
            assert {"verdict", "devices", "network", "connection", "operations", "kiosk"} == first["parts"].keys()
            appliance.network.running = True
            said: dict[str, Any] = {}
            while "network" not in said.get("parts", {}):
                said = json.loads(await page.recv())
            assert "Checking" in said["parts"]["network"]
            assert "operations" not in said["parts"]


async def test_one_viewer_too_many_and_pages_of_others_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "VIEWERS_MAX", 2)
    async with kiosk(tmp_path) as (appliance, client), socket(client) as one, socket(client) as two:
        await one.recv()
        await two.recv()
        with pytest.raises(InvalidStatus, match="503"):
            async with socket(client):
                pass
        await two.close()
        viewers = appliance.web._listeners[-1]
        assert isinstance(viewers, live.Viewers)
        await until(lambda: not viewers.full("127.0.0.1"))
        async with socket(client) as three:
            await three.recv()
        with pytest.raises(InvalidStatus, match="403"):
            async with socket(client, origin="http://evil.example"):
                pass


class _Viewer:
    """Of a page that is open all that counts places."""

    def __init__(self, address: str) -> None:
        self.address = address


def test_who_is_on_the_network_leaves_places_to_the_kiosks_own_screen() -> None:
    viewers: Any = live.Viewers(None)  # type: ignore[arg-type]
    for number in range(100):
        for address in ("192.168.1.66", f"192.168.1.{number}", f"fd00::{number}"):
            if not viewers.full(address):
                viewers.add(_Viewer(address))
    assert viewers.full("192.168.1.200")
    here = 0
    while not viewers.full("127.0.0.1"):
        viewers.add(_Viewer("127.0.0.1"))
        here += 1
    assert here == live.VIEWERS_MAX - live.ELSEWHERE_MAX > 0


def test_one_phone_does_not_take_the_places_of_all() -> None:
    viewers: Any = live.Viewers(None)  # type: ignore[arg-type]
    while not viewers.full("192.168.1.66"):
        viewers.add(_Viewer("192.168.1.66"))
    assert not viewers.full("192.168.1.67")


async def test_a_page_that_talks_is_sent_away_and_one_that_asks_plainly_told(tmp_path: Path) -> None:
    async with kiosk(tmp_path) as (_, client):
        assert (await client.get("/live")).status_code == 426
        async with socket(client) as page:
            with contextlib.suppress(ConnectionClosed):
                for _ in range(live.HEARD_MAX + 5):
                    await page.send("hello")
                async with asyncio.timeout(PATIENCE_S):
                    async for _ in page:
                        pass
            assert page.close_code == 1008


async def test_a_page_that_does_not_read_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "TURN_S", 0.005)
    monkeypatch.setattr(live, "WRITE_S", 0.2)
    count = iter(range(10**9))
    monkeypatch.setattr(live, "render_parts", lambda _view, _language: {"kiosk": f"{next(count)}" + "x" * 200_000})
    async with kiosk(tmp_path) as (appliance, client):
        netloc = client.base_url.netloc.decode()
        host, port = netloc.split(":")
        reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
        writer.write(
            f"GET /live HTTP/1.1\r\nHost: {netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        await reader.readuntil(b"\r\n")
        viewers = appliance.web._listeners[-1]
        assert isinstance(viewers, live.Viewers)
        await until(lambda: viewers._open)
        await until(lambda: not viewers._open)
        writer.close()


def test_a_machine_that_says_nothing(tmp_path: Path) -> None:
    found = read_machine(tmp_path / "none", tmp_path, tmp_path)
    assert found == Machine()
    zone = tmp_path / "thermal_zone0"
    zone.mkdir()
    (zone / "temp").write_text("48500\n")
    (tmp_path / "meminfo").write_text("MemTotal: 2000 kB\nMemAvailable: 1000 kB\n")
    found = read_machine(tmp_path, tmp_path, tmp_path)
    assert (found.temperature, found.memory_free) == (48.5, 1_024_000)
    assert found.disk_free
