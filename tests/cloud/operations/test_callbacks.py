"""Callbacks as a backend's own receiver gets them."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from cloud.db.engine import open_engine
from cloud.db.writer import Writer
from cloud.metrics import Metrics
from cloud.operations.callbacks import Callbacks, is_over, pause
from cloud.operations.resolutions import Resolutions
from tests.cloud.hub import PATIENCE, Running, database_of, execute, rows, running, until
from tests.cloud.operations.test_delivery import enqueue
from tests.listening import listening


class Receiver:
    """A backend's address: keeps what came, answers as told (200 when nothing is told)."""

    def __init__(self) -> None:
        self.url = ""
        self.came: list[tuple[bytes, dict[str, str]]] = []
        self.statuses: list[int] = []

    async def wait(self, count: int) -> list[dict[str, Any]]:
        """What came, once `count` did."""
        await until(lambda: len(self.came) >= count)
        return [json.loads(body) for body, _ in self.came]


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver on a port of this machine."""
    made = Receiver()

    class Hook(RequestHandler):
        def post(self) -> None:
            made.came.append((self.request.body, {k.lower(): v for k, v in self.request.headers.get_all()}))
            self.set_status(made.statuses.pop(0) if made.statuses else 200)

    server = HTTPServer(Application([("/hook", Hook)], log_function=lambda _: None))
    sockets = bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    made.url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}/hook"
    try:
        yield made
    finally:
        server.stop()
        await server.close_all_connections()


@contextmanager
def nowhere() -> Iterator[str]:
    """An address at which nobody listens, and nobody begins to: the port is taken."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/hook"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloud.operations.callbacks._LOOK_EVERY", 0.02)
    monkeypatch.setattr("cloud.operations.callbacks._FIRST_PAUSE", 0.05)


async def key_with_callback(hub: Running, url: str) -> tuple[str, str]:
    """An API key whose final states go to `url`, and the secret that signs them."""
    key, text = await hub.services.keys.add("with callback")
    return text, await hub.services.keys.set_callback(key.id, url)


async def finish(hub: Running, api_key: str, status: int = 200) -> str:
    """Carry one operation out; returns its id."""
    async with hub.kiosk() as kiosk:
        asked = hub.sending({"amount": 1}, api_key=api_key)
        request = await kiosk.request()
        await kiosk.answer(request, {"ok": True}, status)
        await asked
        await kiosk.hear("settled")
    return request["request_id"]


async def test_a_final_state_is_told_once_signed_by_standard_webhooks(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, receiver() as backend:
        api_key, secret = await key_with_callback(hub, backend.url)
        request_id = await finish(hub, api_key)
        (told,) = await backend.wait(1)
        assert told["type"] == "operation.succeeded"
        assert told["data"] == await hub.operation(request_id)
        body, headers = backend.came[0]
        assert told == Webhook(secret).verify(body.decode(), headers)
        assert headers["content-type"] == "application/json"
        assert headers["webhook-id"] == f"op_{request_id}"
        await until(lambda: rows(tmp_path, "SELECT 1 FROM callbacks WHERE delivered_at IS NOT NULL"))
        await finish(hub, hub.key)  # another key has no address
        assert len(backend.came) == 1
        assert await hub.metric('kioskwire_callbacks_total{result="delivered"}') == 1


async def test_what_is_not_taken_is_told_again_with_the_same_id(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, receiver() as backend:
        backend.statuses = [500, 302, 404]
        api_key, secret = await key_with_callback(hub, backend.url)
        request_id = await finish(hub, api_key)
        await backend.wait(4)
        assert {f"op_{request_id}"} == {headers["webhook-id"] for _, headers in backend.came}
        for body, headers in backend.came:
            Webhook(secret).verify(body.decode(), headers)
        await until(lambda: rows(tmp_path, "SELECT 1 FROM callbacks WHERE delivered_at IS NOT NULL"))
        assert rows(tmp_path, "SELECT attempts, next_at, last_error FROM callbacks") == [(4, None, None)]
        assert await hub.metric('kioskwire_callbacks_total{result="failed"}') == 3


async def test_an_answer_that_comes_twice_is_not_the_next_callbacks(tmp_path: Path) -> None:
    """It would count as delivered, and nobody has taken it."""
    came: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                await reader.readexactly(int(head.split("content-length: ")[1].split("\r\n")[0]))
                came.append(head.split("webhook-id: ")[1].split("\r\n")[0])
                answer = "HTTP/1.1 {} X\r\nContent-Length: 0\r\n\r\n"
                texts = {1: answer.format(200) * 2, 2: answer.format(503)}
                writer.write(texts.get(len(came), answer.format(200)).encode())
        finally:
            writer.close()

    async with listening(serve) as server, running(tmp_path) as hub:
        key, _secret = await key_with_callback(hub, f"http://127.0.0.1:{server.port}/hook")
        await finish(hub, key)
        await until(lambda: rows(tmp_path, "SELECT 1 FROM callbacks WHERE delivered_at IS NOT NULL"))
        await finish(hub, key)
        await until(lambda: len(came) >= 3)
        assert came[1] == came[2] != came[0]


async def test_410_ends_it(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, receiver() as backend:
        backend.statuses = [410]
        api_key, _ = await key_with_callback(hub, backend.url)
        await finish(hub, api_key)
        await until(lambda: rows(tmp_path, "SELECT 1 FROM callbacks WHERE next_at IS NULL"))
        assert rows(tmp_path, "SELECT attempts, delivered_at, last_error FROM callbacks") == [(1, None, "answered 410")]
        assert await hub.metric('kioskwire_callbacks_total{result="given_up"}') == 1


async def test_it_is_given_up_when_its_time_is_over(tmp_path: Path) -> None:
    async with running(tmp_path, callback_for=0.0) as hub, receiver() as backend:
        backend.statuses = [500]
        api_key, _ = await key_with_callback(hub, backend.url)
        await finish(hub, api_key)
        await until(lambda: rows(tmp_path, "SELECT 1 FROM callbacks WHERE next_at IS NULL"))
        assert len(backend.came) == 1


async def test_an_address_that_does_not_answer_is_tried_again_after_a_restart(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        with nowhere() as url:
            api_key, _ = await key_with_callback(hub, url)
            request_id = await finish(hub, api_key)
            await until(lambda: rows(tmp_path, "SELECT 1 FROM callbacks WHERE attempts > 0"))
    async with receiver() as backend, running(tmp_path) as hub:
        await hub.services.keys.set_callback(api_key.split("_")[1], backend.url)
        (told,) = await backend.wait(1)
        assert told["data"]["request_id"] == request_id


async def test_an_outcome_known_late_is_told_then_and_only_then(tmp_path: Path) -> None:
    async with running(tmp_path, kiosk_response_timeout=0.2) as hub, receiver() as backend, hub.kiosk() as kiosk:
        api_key, _ = await key_with_callback(hub, backend.url)
        assert (await hub.send(api_key=api_key)).status_code == 504
        request = await kiosk.request()
        await hub.operation_in(request["request_id"], "unknown")
        assert rows(tmp_path, "SELECT count(*) FROM callbacks") == [(0,)]
        await kiosk.answer(request, {"ok": True})
        (told,) = await backend.wait(1)
        assert (told["type"], told["data"]["answer"]["body"]) == ("operation.succeeded", {"ok": True})


async def test_failed_expired_and_cancelled_are_told_too(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, receiver() as backend:
        api_key, _ = await key_with_callback(hub, backend.url)
        expected = {(await finish(hub, api_key, 402), "operation.failed")}
        await hub.gone()
        late = await enqueue(hub, 1, api_key=api_key, header_expires="1")
        cancelled = await enqueue(hub, 2, api_key=api_key)
        await hub.http.post(f"/operations/{cancelled}/cancel", headers=hub.backend())
        expected |= {(late, "operation.expired"), (cancelled, "operation.expired")}
        told = await backend.wait(3)
        assert expected == {(item["data"]["request_id"], item["type"]) for item in told}


async def test_a_revoked_keys_callbacks_are_given_up(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, receiver() as backend:
        backend.statuses = [500] * 100
        api_key, _ = await key_with_callback(hub, backend.url)
        await finish(hub, api_key)
        await backend.wait(1)
        await hub.services.keys.revoke(api_key.split("_")[1])
        await until(lambda: rows(tmp_path, "SELECT 1 FROM callbacks WHERE next_at IS NULL"))


async def test_a_receiver_that_hangs_does_not_stop_the_others(tmp_path: Path) -> None:
    writers: list[asyncio.StreamWriter] = []
    async with (
        listening(lambda _, writer: writers.append(writer)) as silent,
        running(tmp_path) as hub,
        receiver() as backend,
    ):
        stuck, _ = await key_with_callback(hub, f"http://127.0.0.1:{silent.port}/")
        good, _ = await key_with_callback(hub, backend.url)
        await finish(hub, stuck)
        await until(lambda: writers)
        request_id = await finish(hub, good)
        (told,) = await backend.wait(1)
        assert told["data"]["request_id"] == request_id


def test_pauses_double_up_to_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloud.operations.callbacks._FIRST_PAUSE", 5.0)
    assert [pause(n) for n in (1, 2, 3, 4, 10, 11, 500)] == [5, 10, 20, 40, 2560, 3600, 3600]


def test_a_clock_that_was_set_does_not_end_a_callback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloud.operations.callbacks._FIRST_PAUSE", 5.0)
    day = 86400.0
    attempts = next(n for n in range(1, 100) if sum(map(pause, range(1, n + 1))) > day)
    assert not is_over(1, 1000 * day, 1001 * day, day)
    assert not is_over(attempts - 1, 1000 * day, 1365 * day, day)
    assert is_over(attempts, 1000 * day, 1001 * day, day)
    assert not is_over(attempts, 1000 * day, 1000.5 * day, day)  # it was tried more often, by hubs killed in between
    assert is_over(attempts, 1000 * day, 10.0, day)  # made when the clock was ahead
    assert is_over(1, 1000 * day, 1000 * day, 0.0)


@pytest.mark.parametrize("off", [86400.0, 400 * 86400.0])
async def test_what_a_clock_that_was_ahead_put_off_is_told_when_the_clock_is_set_right(
    tmp_path: Path, off: float
) -> None:
    async with running(tmp_path) as hub:
        with nowhere() as url:
            api_key, _ = await key_with_callback(hub, url)
            request_id = await finish(hub, api_key)
            await until(lambda: rows(tmp_path, "SELECT 1 FROM callbacks WHERE attempts > 0"))
    execute(tmp_path, f"UPDATE callbacks SET next_at = next_at + {off}, created_at = created_at + {off}")
    async with receiver() as backend, running(tmp_path) as hub:
        await hub.services.keys.set_callback(api_key.split("_")[1], backend.url)
        (told,) = await backend.wait(1)
        assert told["data"]["request_id"] == request_id


@pytest.mark.parametrize("steps", range(6))
async def test_a_stop_in_the_very_moment_news_come_in_is_not_lost(
    tmp_path: Path, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud.operations.callbacks._LOOK_EVERY", 60)
    async with running(tmp_path) as hub:
        engine = open_engine(database_of(tmp_path))
        callbacks = Callbacks(
            engine=engine,
            store=hub.services.store,
            resolutions=Resolutions(engine, Writer(engine, Metrics())),
            keys=hub.services.keys,
            metrics=Metrics(),
            keep_trying=1.0,
            version="0",
        )
        callbacks.start()
        try:
            await until(lambda: callbacks._news._waiters)  # type: ignore[attr-defined]
            callbacks._news.set()
            for _ in range(steps):
                await asyncio.sleep(0)
        finally:
            async with asyncio.timeout(PATIENCE):
                await callbacks.stop()
            await engine.dispose()
