"""The page /setup: who may see it, what it takes, what it shows."""

import contextlib
import re
from collections.abc import AsyncIterator
from html import escape
from html.parser import HTMLParser
from types import SimpleNamespace

import httpx
import pytest

from appliance.enrolment.papers import BusyError
from appliance.enrolment.standing import Standing, State
from appliance.enrolment.trade import Trouble
from appliance.health.metrics import Metrics
from appliance.screen import Screen
from appliance.web import setup as module
from appliance.web.guard import Guard
from appliance.web.local import Audience
from appliance.web.server import WebServer, make_app
from appliance.web.setup import Setup, is_private
from appliance.web.setup_page import POLICY, View, render
from appliance.web.setup_words import WORDS, choose
from tests.appliance.worlds import PATIENCE_S


class Desk:
    """Takes what the page submits."""

    def __init__(self, **fields: object) -> None:
        self.now = Standing(**{"state": "not-enrolled", **fields})  # type: ignore[arg-type]
        self.submitted: list[tuple[str, str]] = []
        self.error: Exception | None = None

    def standing(self) -> Standing:
        return self.now

    async def submit(self, hub: str, code: str) -> None:
        if self.error is not None:
            raise self.error
        self.submitted.append((hub, code))


class There:
    def __init__(self, desk: Desk, setup: Setup, client: httpx.AsyncClient) -> None:
        self.desk, self.setup, self.client = desk, setup, client

    async def post(self, headers: dict[str, str] | None = None, **fields: str) -> httpx.Response:
        sent = {"hub": "hub.example.com", "code": "ABCD-2345", "token": self.setup.token, **fields}
        return await self.client.post("/setup", data=sent, headers=headers or {})


@contextlib.asynccontextmanager
async def page(lan: bool = False, **fields: object) -> AsyncIterator[There]:
    desk = Desk(**fields)
    setup = Setup(desk, lambda: True, lan)  # type: ignore[arg-type]
    audience = Audience(Screen())
    app = make_app(
        guard=Guard("127.0.0.1", frozenset()), metrics=Metrics("test"), describe=lambda: (200, {}), audience=audience,
        cancel=lambda _: [], setup=setup,
    )  # fmt: skip
    server = WebServer(app, "127.0.0.1", 0, audience)
    url = server.start()
    try:
        async with httpx.AsyncClient(base_url=url, timeout=PATIENCE_S) as client:
            yield There(desk, setup, client)
    finally:
        await server.stop()


async def test_a_form_is_shown_strictly_and_without_a_script() -> None:
    async with page(hub="wss://hub.example.com/ws") as there:
        answer = await there.client.get("/setup")
        assert answer.status_code == 200
        assert answer.headers["Content-Security-Policy"] == POLICY
        assert "'unsafe" not in POLICY
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Referrer-Policy"] == "same-origin"  # else a browser would send Origin: null
        assert "<script" not in answer.text
        assert " style=" not in answer.text
        assert 'value="hub.example.com"' in answer.text
        assert (await there.client.head("/setup")).status_code == 200
        assert (await there.client.put("/setup")).status_code == 405


async def test_what_is_typed_is_submitted_and_the_page_shown_anew() -> None:
    async with page() as there:
        answer = await there.post()
        assert (answer.status_code, answer.headers["Location"]) == (303, "/setup?lang=en")
        assert there.desk.submitted == [("hub.example.com", "ABCD-2345")]


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Host": "evil.example"}])
async def test_other_pages_send_nothing(headers: dict[str, str]) -> None:
    async with page() as there:
        assert (await there.post(headers)).status_code == 403
        assert (await there.post({"Sec-Fetch-Site": "same-site"})).status_code == 403
        assert (await there.post(token="of another page")).status_code == 403
        assert there.desk.submitted == []


async def test_mistakes_stand_beside_what_was_typed_and_a_code_is_not_shown_again() -> None:
    async with page() as there:
        answer = await there.post(hub='"><script>alert(1)</script>', code="OIL-CANARY")
        assert answer.status_code == 422
        assert "<script>" not in answer.text
        assert escape('"><script>') in answer.text
        assert "CANARY" not in answer.text
        assert WORDS["en"]["wrong-hub"] in answer.text
        assert WORDS["en"]["wrong-code"] in answer.text
        for body in (b"\xff\xfe", b"a" * 5000, b"&".join(b"a=1" for _ in range(50)), b""):
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            assert (await there.client.post("/setup", content=body, headers=kind)).status_code == 403
        assert there.desk.submitted == []


async def test_trouble_at_taking_it_is_told() -> None:
    async with page() as there:
        for error, status in ((BusyError("x"), 409), (OSError(28, "full"), 500), (ValueError("enrolled"), 303)):
            there.desk.error = error
            assert (await there.post()).status_code == status


async def test_it_is_not_for_guessing() -> None:
    async with page() as there:
        statuses = [(await there.post()).status_code for _ in range(module.POSTS_MAX + 1)]
        assert statuses == [303] * module.POSTS_MAX + [429]


async def test_from_the_network_only_if_the_owner_says_so_and_with_the_screens_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with page() as there:
        assert there.setup.pin not in (await there.client.get("/setup")).text
        monkeypatch.setattr(module, "peer_allowed", lambda _: False)
        monkeypatch.setattr(module, "is_private", lambda _: True)
        assert (await there.client.get("/setup")).status_code == 403
        assert (await there.post()).status_code == 403
    monkeypatch.undo()
    async with page(lan=True) as there:
        assert there.setup.pin in (await there.client.get("/setup")).text
        monkeypatch.setattr(module, "peer_allowed", lambda _: False)
        assert (await there.client.get("/setup")).status_code == 403  # 127.0.0.1 is no private network's
        monkeypatch.setattr(module, "is_private", lambda _: True)
        text = (await there.client.get("/setup")).text
        assert there.setup.pin not in text
        assert 'name="pin"' in text
        assert (await there.post(pin="")).status_code == 422
        assert (await there.post(pin="000000" if there.setup.pin != "000000" else "1")).status_code == 422
        assert (await there.post(pin=f" {there.setup.pin[:3]} {there.setup.pin[3:]}")).status_code == 303


async def test_the_number_is_not_guessed_and_who_guesses_keeps_nobody_at_the_kiosk_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now))
    async with page(lan=True) as there:
        wrong = "000000" if there.setup.pin != "000000" else "111111"
        with monkeypatch.context() as patch:
            patch.setattr(module, "peer_allowed", lambda _: False)
            patch.setattr(module, "is_private", lambda _: True)
            statuses = []
            for _ in range(100):
                statuses.append((await there.post(pin=wrong)).status_code)
                now += 30.0
            assert (statuses.count(422), statuses.count(429)) == (module.WRONG_PINS_MAX, 90)
            assert (await there.post(pin=there.setup.pin)).status_code == 429
            assert there.desk.submitted == []
        assert (await there.post()).status_code == 303
        now += module.WRONG_PINS_WITHIN_S
        monkeypatch.setattr(module, "peer_allowed", lambda _: False)
        monkeypatch.setattr(module, "is_private", lambda _: True)
        assert (await there.post(pin=there.setup.pin)).status_code == 303


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "rebound.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_what_another_page_sends_is_refused(headers: dict[str, str]) -> None:
    async with page() as there:
        answer = await there.post(headers)
        assert (answer.status_code, there.desk.submitted) == (403, [])
        assert there.setup.token not in answer.text


async def test_nothing_that_is_typed_gets_into_a_header_or_the_page_as_it_is() -> None:
    async with page() as there:
        odd = "x\r\nSet-Cookie: a=b\r\n\r\n<script>alert(1)</script>"
        for answer in (
            await there.post(hub=odd, code=odd),
            await there.client.get("/setup", params={"lang": odd, "edit": "1"}),
            await there.client.post(
                "/setup", params={"lang": odd},
                data={"hub": "hub.example.com", "code": "ABCD-2345", "token": there.setup.token},
            ),
        ):  # fmt: skip
            assert "set-cookie" not in answer.headers
            assert "<script" not in answer.text
            assert "evil" not in answer.headers.get("Location", "")
            assert "\n" not in answer.headers.get("Location", "")


@pytest.mark.parametrize(
    ("address", "private"),
    [
        ("10.1.2.3", True), ("192.168.0.7", True), ("172.31.255.255", True), ("172.32.0.1", False), ("8.8.8.8", False),
        ("::ffff:192.168.0.7", True), ("fe80::1%eth0", True), ("fd00::1", True), ("2001:db8::1", False), ("", False),
        ("127.0.0.1", False), ("100.64.0.1", False),
    ],
)  # fmt: skip
def test_which_networks_are_private(address: str, private: bool) -> None:
    assert is_private(address) is private


@pytest.mark.parametrize("state", ["not-enrolled", "asking", "refused", "locked-out"])
async def test_the_root_leads_there_while_a_code_is_wanted(state: State) -> None:
    async with page(state=state) as there:
        answer = await there.client.get("/")
        assert (answer.status_code, answer.headers["Location"]) == (302, "/setup")
        assert (await there.client.get("/", headers={"Host": "evil.example"})).status_code == 403


@pytest.mark.parametrize("state", ["enrolled", "token", "waiting"])
async def test_who_is_enrolled_is_offered_nothing(state: State) -> None:
    async with page(state=state, kiosk_id="kiosk_001", hub="wss://hub.example.com/ws", name="<Desk>") as there:
        assert (await there.client.get("/")).status_code == 404
        answer = await there.client.get("/setup")
        assert "<form" not in answer.text
        assert "<Desk>" not in answer.text
        if state != "token":
            assert "kiosk_001" in answer.text


async def test_while_the_hub_is_asked_the_page_looks_again_and_another_code_may_be_typed() -> None:
    async with page(state="asking", hub="wss://hub.example.com/ws") as there:
        answer = await there.client.get("/setup?lang=ru")
        assert '<noscript><meta http-equiv="refresh" content="3;url=/setup?lang=ru"></noscript>' in answer.text
        assert 'data-again="3" data-from="/setup?lang=ru"' in answer.text
        assert "<form" not in answer.text
        answer = await there.client.get("/setup?edit=1")
        assert 'lang="ru"' in answer.text  # as it was chosen
        assert "<form" in answer.text
        assert "refresh" not in answer.text


class Checker(HTMLParser):
    """Every tag is closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in {"meta", "input", "link"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("language", WORDS)
def test_every_state_and_trouble_is_told_in_every_language(language: str) -> None:
    states: list[State] = ["token", "enrolled", "locked-out", "not-enrolled", "asking", "refused", "waiting"]
    for state in states:
        for trouble in (None, *Trouble):
            standing = Standing(state=state, trouble=trouble, words="in <English>" if trouble else "", hub="wss://h/ws")
            text = render(View(language=language, standing=standing, connected=False, token="t"))
            checker = Checker()
            checker.feed(text)
            assert checker.open == []
            assert "<English>" not in text


def test_the_languages_say_the_same_and_say_all_of_it() -> None:
    keys = {frozenset(words) for words in WORDS.values()}
    assert len(keys) == 1
    assert {f"trouble-{trouble}" for trouble in Trouble} <= next(iter(keys))
    for language, letters in (("ru", "[а-яё]{3}"), ("kk", "[а-яёәғқңөұүһі]{3}")):
        assert [text for text in WORDS[language].values() if not re.search(letters, text, re.IGNORECASE)] == []
    assert sum(bool(re.search("[әғқңөұүһі]", text)) for text in WORDS["kk"].values()) > len(WORDS["kk"]) * 0.8


@pytest.mark.parametrize(
    ("wanted", "accepted", "chosen"),
    [
        ("ru", "en", "ru"), ("", "kk-KZ,kk;q=0.9,ru;q=0.8", "kk"), ("", "en;q=0.1, ru;q=0.9", "ru"), ("xx", "", "en"),
        ("", "de,fr;q=0.5", "en"), ("", "ru;q=x,kk;q=0.2", "kk"), ("<b>", ",;q=,", "en"), ("", "RU", "ru"),
    ],
)  # fmt: skip
def test_the_language_is_the_one_asked_for_or_the_browsers(wanted: str, accepted: str, chosen: str) -> None:
    assert choose(wanted, accepted) == chosen
