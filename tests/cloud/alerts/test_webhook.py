"""Alerts as a receiver of webhooks gets them, over real HTTP."""

import base64
import json
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from standardwebhooks import Webhook
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from cloud.alerts.alert import Alert, Condition, Notice, Severity, What
from cloud.alerts.book import Seen
from cloud.alerts.kinds import KINDS, Rule
from cloud.alerts.memory import Memory
from cloud.alerts.room import AlertsRoom
from cloud.alerts.rules import Rules
from cloud.alerts.service import Alerts
from cloud.alerts.webhook import LISTED_MAX, AlertsWebhook, body_of, pause
from cloud.db.engine import open_engine
from tests.cloud.hub import database_of, execute, running, until
from wire.environment import Secret

NOW = 1_800_000_000.0
SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()


class Receiver:
    """Somebody's address: keeps what came, answers as told (200 when nothing is told)."""

    def __init__(self) -> None:
        self.url = ""
        self.came: list[tuple[bytes, dict[str, str]]] = []
        self.statuses: list[int] = []
        self.refused = ""  # what has this text in it is answered 400
        self.endless = False

    async def wait(self, count: int) -> list[dict[str, Any]]:
        """What came, once `count` did."""
        await until(lambda: len(self.came) >= count)
        assert len(self.came) == count
        return [json.loads(body) for body, _ in self.came]

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for _, headers in self.came]


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()

    class Hook(RequestHandler):
        async def post(self) -> None:
            made.came.append((self.request.body, {k.lower(): v for k, v in self.request.headers.get_all()}))
            refused = bool(made.refused) and made.refused.encode() in self.request.body
            self.set_status(400 if refused else made.statuses.pop(0) if made.statuses else 200)
            self.set_header("Location", "/elsewhere")
            self.set_cookie("seen", "you")
            if made.endless:
                for _ in range(64):
                    self.write(b"x" * 16384)
                    await self.flush()

    server = HTTPServer(Application([("/hook", Hook), ("/elsewhere", Hook)], log_function=lambda _: None))
    sockets = bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    made.url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}/hook"
    try:
        yield made
    finally:
        server.stop()
        await server.close_all_connections()


class Desk:
    """Alerts of which `holding` is wrong, told at once."""

    def __init__(self, engine: Any, url: str) -> None:
        self.now = NOW
        self.holding: dict[tuple[str, str, str], Condition] = {}
        rules = {kind: _quick(rule) for kind, rule in KINDS.items()}
        self.alerts = Alerts(
            memory=Memory(engine),
            look=lambda: Seen(list(self.holding.values())),
            rules=lambda: Rules(kinds=rules),
            is_kiosk=lambda _: True,
            channels=["webhook"],
            every=3600.0,
            clock=lambda: self.now,
        )
        self.webhook = AlertsWebhook(
            alerts=self.alerts,
            url=url,
            secret=Secret(SECRET),
            name_of=lambda kiosk_id: "Abay 12" if kiosk_id == "kiosk_001" else "",
            version="1.0",
            pause=0.02,
        )

    async def begin(self, kind: str, *kiosks: str, subject: str = "", **data: Any) -> None:
        for kiosk_id in kiosks or [""]:
            one = Condition(kind=kind, kiosk_id=kiosk_id, subject=subject, since=self.now, data=data)
            self.holding[one.key] = one
        await self.alerts.look()

    async def end(self, after: float) -> None:
        self.now += after
        self.holding.clear()
        await self.alerts.look()
        await self.alerts.look()


def _quick(rule: Rule) -> Rule:
    return msgspec.structs.replace(rule, after=0.0, clear_after=0.0, gather=0.0)


@asynccontextmanager
async def desk(tmp_path: Path, url: str) -> AsyncIterator[Desk]:
    execute(tmp_path)
    engine = open_engine(database_of(tmp_path))
    made = Desk(engine, url)
    try:
        async with made.alerts, made.webhook:
            yield made
    finally:
        await engine.dispose()


async def test_an_alert_and_its_end_are_told_signed(tmp_path: Path) -> None:
    async with receiver() as backend, desk(tmp_path, backend.url) as d:
        await d.begin("cassette-full", "kiosk_001", subject="bills", count=1180, capacity=1200)
        await backend.wait(1)
        await d.end(after=720)
        raised, cleared = await backend.wait(2)
        assert raised["type"] == "alert.raised"
        assert raised["timestamp"] == "2027-01-15T08:00:00.000Z"
        said = raised["data"].pop("text")
        assert said.startswith("kiosk_001, bills: a cassette of a bill validator is full")
        assert raised["data"] == {
            "kind": "cassette-full",
            "severity": "critical",
            "alerts": [
                {
                    "number": 1,
                    "kind": "cassette-full",
                    "severity": "critical",
                    "kiosk_id": "kiosk_001",
                    "kiosk_name": "Abay 12",
                    "subject": "bills",
                    "since": "2027-01-15T08:00:00.000Z",
                    "raised_at": "2027-01-15T08:00:00.000Z",
                    "cleared_at": None,
                    "acknowledged_by": None,
                    "data": {"count": 1180, "capacity": 1200},
                }
            ],
        }
        assert cleared["type"] == "alert.cleared"
        assert cleared["data"]["alerts"][0]["cleared_at"] == "2027-01-15T08:12:00.000Z"
        assert len(set(backend.ids)) == 2
        for body, headers in backend.came:
            assert Webhook(SECRET).verify(body.decode(), headers)
            assert headers["content-type"] == "application/json"
            assert headers["user-agent"] == "kioskwire-hub/1.0"


async def test_what_is_not_taken_comes_again_as_it_was(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "cloud")
    async with receiver() as backend, desk(tmp_path, backend.url) as d:
        backend.statuses = [500, 503, 302, 404]
        await d.begin("kiosk-offline", "kiosk_001")
        await until(lambda: backend.came)
        d.now += 7
        await d.alerts.acknowledge([1], "Ann")
        await backend.wait(5)
        assert len(set(backend.ids)) == 1
        assert len({body for body, _ in backend.came}) == 1
        assert all("cookie" not in headers for _, headers in backend.came)
        for body, headers in backend.came:
            assert Webhook(SECRET).verify(body.decode(), headers)
        await until(lambda: "taken at ALERTS_WEBHOOK_URL again" in caplog.text)
        assert caplog.text.count("are not taken at ALERTS_WEBHOOK_URL, trying again") == 1
        await d.begin("paper-out", "kiosk_001")
        assert (await backend.wait(6))[5]["data"]["kind"] == "paper-out"


async def test_each_repetition_is_a_message_of_its_own(tmp_path: Path) -> None:
    async with receiver() as backend, desk(tmp_path, backend.url) as d:
        await d.begin("hub-redis")
        for count in (1, 2, 3):
            told = await backend.wait(count)
            await until(lambda: not d.alerts._book.is_handed("webhook"))
            d.now += KINDS["hub-redis"].repeat
            await d.alerts.look()
        assert [each["type"] for each in told] == ["alert.raised", "alert.repeated", "alert.repeated"]
        assert len(set(backend.ids)) == len(backend.ids)


async def test_one_that_is_never_taken_holds_up_no_other(tmp_path: Path) -> None:
    async with receiver() as backend, desk(tmp_path, backend.url) as d:
        backend.refused = "paper-out"
        await d.begin("paper-out", "kiosk_001")
        await until(lambda: backend.came)
        await d.begin("paper-low", "kiosk_001")
        await until(lambda: any(b"paper-low" in body for body, _ in backend.came))
        backend.refused = ""
        count = len(backend.came)
        await until(lambda: len(backend.came) > count)
        assert b"paper-out" in backend.came[-1][0]


async def test_gone_is_the_end_of_this_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with receiver() as backend, desk(tmp_path, backend.url) as d:
        backend.statuses = [410]
        await d.begin("paper-out", "kiosk_001")
        await until(lambda: "answered 410" in caplog.text)
        await d.begin("paper-low", "kiosk_001")
        assert [each["data"]["kind"] for each in await backend.wait(2)] == ["paper-out", "paper-low"]


async def test_a_receiver_that_is_away_is_told_once_it_is_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with AsyncExitStack() as stack:
        # Bound and not listened on: nobody is there, and no other program takes the port meanwhile.
        held = stack.enter_context(socket.socket())
        held.bind(("127.0.0.1", 0))
        url = f"http://somebody:hidden-word@127.0.0.1:{held.getsockname()[1]}/hook?key=hidden-key"
        d = await stack.enter_async_context(desk(tmp_path, url))
        await d.begin("paper-out", "kiosk_001")
        await until(lambda: "ConnectError" in str([r.__dict__ for r in caplog.records]))
        logged = str([r.__dict__ for r in caplog.records])
        assert not any(secret in logged for secret in ("hidden-word", "hidden-key", SECRET))
        assert "hidden" not in d.webhook._scrubbed(f"{url} and hidden-word and key=hidden-key")
        async with receiver() as backend:
            d.webhook._url = backend.url
            await backend.wait(1)


async def test_an_answer_without_an_end_is_not_read_to_it(tmp_path: Path) -> None:
    async with receiver() as backend, desk(tmp_path, backend.url) as d:
        backend.endless = True
        await d.begin("paper-out", "kiosk_001")
        await until(lambda: backend.came)
        backend.endless = False
        await d.begin("paper-low", "kiosk_001")
        assert [each["data"]["kind"] for each in await backend.wait(2)] == ["paper-out", "paper-low"]


def test_of_a_fleet_so_many_are_listed() -> None:
    alerts = [
        Alert(number=n, kind="kiosk-offline", kiosk_id=f"k{n}", severity=Severity.CRITICAL, since=NOW, raised_at=NOW)
        for n in range(5000)
    ]
    notice = Notice(what=What.RAISED, kind="kiosk-offline", severity=Severity.CRITICAL, alerts=alerts, at=NOW)
    body = json.loads(body_of(notice, lambda _: "a name"))
    assert len(body["data"]["alerts"]) == LISTED_MAX
    assert body["data"]["more"] == 5000 - LISTED_MAX


def test_pauses_grow_to_five_minutes() -> None:
    assert [pause(5.0, n) for n in (1, 2, 3, 7, 8, 99)] == [5, 10, 20, 300, 300, 300]


async def test_a_hub_without_a_bot_tells_its_webhook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(AlertsRoom.__init__.__kwdefaults__ or {}, "every", 0.02)
    monkeypatch.setattr("cloud.alerts.facts._TICK", 0.02)
    rules = tmp_path / "alerts.yaml"
    rules.write_text("kinds: {kiosk-offline: {after: 0s, clear_after: 0s, gather: 0s}}")
    async with receiver() as backend:
        given = {"alerts_webhook_url": backend.url, "alerts_webhook_secret": Secret(SECRET)}
        async with running(tmp_path, alerts_config=str(rules), **given) as hub:
            async with hub.kiosk():
                await until(lambda: hub.services.links.connected)
            (raised,) = await backend.wait(1)
            async with hub.kiosk():
                _, cleared = await backend.wait(2)
    assert (raised["type"], cleared["type"]) == ("alert.raised", "alert.cleared")
    assert raised["data"]["alerts"][0]["kiosk_id"] == "kiosk_001"
