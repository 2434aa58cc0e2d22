"""Callbacks that a person has sent again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from cloud.errors import Refused
from tests.cloud.hub import Running, change, rows, running, until
from tests.cloud.operations.test_callbacks import finish, key_with_callback, receiver

GIVEN_UP = "SELECT 1 FROM callbacks WHERE next_at IS NULL AND delivered_at IS NULL"
DELIVERED = "SELECT 1 FROM callbacks WHERE delivered_at IS NOT NULL"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloud.operations.callbacks._LOOK_EVERY", 0.02)
    monkeypatch.setattr("cloud.operations.callbacks._FIRST_PAUSE", 0.05)


@asynccontextmanager
async def slow_receiver() -> AsyncIterator[tuple[str, list[str], asyncio.Event]]:
    """An address that answers once the event is set; what came are webhook-ids."""
    came: list[str] = []
    go = asyncio.Event()

    class Hook(RequestHandler):
        async def post(self) -> None:
            came.append(self.request.headers["webhook-id"])
            await go.wait()

    server = HTTPServer(Application([("/hook", Hook)], log_function=lambda _: None))
    sockets = bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    try:
        yield f"http://127.0.0.1:{sockets[0].getsockname()[1]}/hook", came, go
    finally:
        go.set()
        server.stop()
        await server.close_all_connections()


async def written(tmp_path: Path, hub: Running, statement: str, count: int = 1) -> None:
    """Wait until so many rows say so, and until the hub knows it: a commit is seen before who made it hears of it."""
    await until(lambda: len(rows(tmp_path, statement)) == count)
    await until(lambda: not hub.hub.rooms.callbacks._under_way)


async def key_id(hub: Running) -> str:
    return next(key.id for key in await hub.services.keys.read_all() if key.name == "with callback")


async def test_what_was_given_up_is_sent_again_under_its_first_id_and_for_its_whole_time(tmp_path: Path) -> None:
    async with running(tmp_path, callback_for=0.2) as hub, receiver() as backend:
        backend.statuses = [500] * 3 + [410, 500, 200]
        key, _ = await key_with_callback(hub, backend.url)
        request_id = await finish(hub, key)
        await written(tmp_path, hub, GIVEN_UP)
        came = len(backend.came)
        backend.statuses = [500, 200]
        await hub.hub.rooms.callbacks.redeliver(request_id)
        await until(lambda: rows(tmp_path, DELIVERED))
        assert len(backend.came) == came + 2  # its first failure was not the last
        assert {f"op_{request_id}"} == {headers["webhook-id"] for _, headers in backend.came}
        assert rows(tmp_path, "SELECT attempts, next_at, last_error FROM callbacks") == [(2, None, None)]


async def test_what_was_delivered_may_be_sent_again(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, receiver() as backend:
        key, _ = await key_with_callback(hub, backend.url)
        request_id = await finish(hub, key)
        await written(tmp_path, hub, DELIVERED)
        await hub.hub.rooms.callbacks.redeliver(request_id)
        await backend.wait(2)
        await until(lambda: rows(tmp_path, DELIVERED))


async def test_a_delivery_under_way_is_left_alone(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, slow_receiver() as (url, came, go):
        callbacks = hub.hub.rooms.callbacks
        key, _ = await key_with_callback(hub, url)
        request_id = await finish(hub, key)
        await until(lambda: came)
        with pytest.raises(Refused) as refused:
            await callbacks.redeliver(request_id)
        assert refused.value.fact == "under-way"
        await change(tmp_path, "UPDATE callbacks SET attempts = 3")  # it would count as failed, were it not under way
        assert await callbacks.redeliver_all(await key_id(hub)) == 0
        go.set()
        await until(lambda: rows(tmp_path, DELIVERED))
        assert came == [f"op_{request_id}"]


async def test_all_failed_ones_of_a_key_and_no_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloud.operations.callbacks._ANEW_AT_ONCE", 2)
    async with running(tmp_path, callback_for=0.0) as hub, receiver() as backend:
        key, _ = await key_with_callback(hub, backend.url)
        other, text = await hub.services.keys.add("another")
        await hub.services.keys.set_callback(other.id, backend.url)
        backend.statuses = [500] * 6
        for each in (key, key, key, key, key, text):
            await finish(hub, each)
        await written(tmp_path, hub, GIVEN_UP, 6)
        assert await hub.hub.rooms.callbacks.redeliver_all(await key_id(hub)) == 5
        await until(lambda: len(rows(tmp_path, DELIVERED)) == 5)
        assert rows(tmp_path, "SELECT api_key_id FROM callbacks WHERE delivered_at IS NULL") == [(other.id,)]


async def test_who_cannot_be_told_is_not_tried(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, receiver() as backend:
        callbacks = hub.hub.rooms.callbacks
        key, _ = await key_with_callback(hub, backend.url)
        request_id = await finish(hub, key)
        await written(tmp_path, hub, DELIVERED)
        await hub.services.keys.set_callback(await key_id(hub), "")
        for ask in (callbacks.redeliver(request_id), callbacks.redeliver_all(await key_id(hub))):
            with pytest.raises(Refused) as refused:
                await ask
            assert refused.value.fact == "no-address"
        with pytest.raises(Refused) as refused:
            await callbacks.redeliver("never-was-one")
        assert refused.value.fact == "no-callback"
