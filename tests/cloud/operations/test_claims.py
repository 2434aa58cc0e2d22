"""Claims of Idempotency-Keys where much goes on at once: one is the first, and nothing false is said of any."""

import asyncio
import logging
import uuid
from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import Connection, event

from cloud.db.target import Batch, stretches
from cloud.errors import StorageError
from cloud.operations.operation import Operation, State
from cloud.operations.store import Store
from tests.cloud.db.test_lives import ask, members
from tests.cloud.fleet import new_database
from tests.cloud.hub import rows, running, until
from tests.cloud.operations.test_answers import operation
from tests.cloud.operations.test_store import store
from tests.cloud.web.test_send import problem_of


def claimed(key: str | None, **changes: object) -> Operation:
    """One that is to be sent."""
    new: dict[str, object] = {"request_id": uuid.uuid4().hex, "state": State.SENT, "status": None, "answer": None}
    return operation(**{**new, "idempotency_key": key, **changes})


async def test_of_many_keys_at_two_hubs_in_one_moment_each_has_one_first() -> None:
    """In groups, in opposite orders: neither waits for the other in a circle, which costs both a second each time."""
    url = new_database()
    async with members(url, "one", "two") as hubs:
        for round_ in range(2):
            keys = [f"key-{round_}-{n:03}" for n in range(200)]
            asked = {
                claim.request_id: (claim.idempotency_key, asyncio.ensure_future(hub.store.claim(claim)))
                for hub, its in zip(hubs, (keys, keys[::-1]), strict=True)
                for claim in (claimed(key, hub=hub.life) for key in its)
            }
            told = [(key, request_id, await claim) for request_id, (key, claim) in asked.items()]
            first = {key: request_id for key, request_id, earlier in told if earlier is None}
            assert len(first) == sum(earlier is None for _, _, earlier in told) == len(keys)
            assert all(first[key] == earlier.request_id for key, _, earlier in told if earlier is not None)
        assert await ask(url, "SELECT count(*) FROM operations") == [(400,)]


async def test_of_two_in_one_group_with_one_id_or_one_key_one_is_new(tmp_path: Path) -> None:
    one, two = claimed("key-1"), claimed("key-1")
    async with store(tmp_path) as its:
        same_id = claimed("key-2", request_id=one.request_id)
        told = await asyncio.gather(*map(its.claim, (one, two, same_id)), return_exceptions=True)
        assert told[:2] == [None, one]
        assert isinstance(told[2], StorageError)
        assert len(rows(tmp_path, "SELECT * FROM operations")) == 1


async def test_what_a_row_cannot_hold_is_refused_and_takes_none_along(tmp_path: Path) -> None:
    async with store(tmp_path) as its:
        odd = claimed("key-\0", detail="\0" * 9, journal="ж" * 64, body=b"\0" * 2**20, answer=b"")
        given = [odd, claimed("key-1", kiosk_id=None), claimed("key-2", status=2**63 - 1), claimed("key-3", body=None)]
        told = await asyncio.gather(*map(its.claim, given), return_exceptions=True)
        assert [type(end) for end in told] == [type(None), StorageError, type(None), StorageError]
        found = await its.find(odd.request_id)
        assert found is not None
        assert (found.journal, found.body, found.answer) == (odd.journal, odd.body, odd.answer)


async def test_a_text_that_is_too_long_is_no_other_text() -> None:
    """Two keys that begin alike are two."""
    async with members(new_database(), "one") as (hub,):
        long = claimed("k" * 256)
        told = await asyncio.gather(*map(hub.store.claim, (claimed("k" * 255), long)), return_exceptions=True)
        assert [type(end) for end in told] == [type(None), StorageError]


async def test_who_loses_the_connection_at_the_commit_hears_that_the_row_may_stand(tmp_path: Path) -> None:
    """It does: the server had written it. And who never came to the commit hears that it does not."""
    async with store(tmp_path) as its:
        with pytest.raises(StorageError) as raised:
            await its.claim(claimed("key-1", kiosk_id=None))
        assert not raised.value.may_stand
        assert await its.claim(claimed(None)) is None
        engine = its._writer._target._engine  # type: ignore[attr-defined]
        engine = getattr(engine, "sync_engine", engine)

        def lost(connection: Connection) -> None:
            event.remove(engine, "commit", lost)
            connection.connection.dbapi_connection.commit()  # type: ignore[union-attr]
            raise ConnectionResetError("the connection was lost")

        event.listen(engine, "commit", lost)
        with pytest.raises(StorageError) as raised:
            await its.claim(claimed("key-2"))
        assert raised.value.may_stand
        assert rows(tmp_path, "SELECT idempotency_key FROM operations WHERE idempotency_key > ''") == [("key-2",)]
        assert await its.claim(claimed("key-3")) is None


async def test_what_may_stand_in_the_queue_is_not_told_not_executed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database is away from the commit on, and the hub ends: its next life sends what stands there."""
    async with running(tmp_path) as hub:
        target = hub.services.store._writer._target
        commit, find = target.commit, Store.find

        async def lost(batches: Sequence[Batch]) -> list[Sequence[bool]]:
            told = await commit(batches)
            if any("INTO operations" in batch.sql for batch in batches):
                target.may_stand = True
                raise ConnectionResetError("the connection was lost")
            return told

        async def away(*_: object) -> None:
            raise StorageError("the database is away")

        monkeypatch.setattr(target, "commit", lost)
        monkeypatch.setattr(Store, "find", away)
        monkeypatch.setattr(Store, "release", away)
        answer = await hub.send({"n": 1}, header_delivery="queue")
    monkeypatch.setattr(Store, "find", find)
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        request = await kiosk.request()
        await kiosk.answer(request)
        await hub.operation_in(request["request_id"], "succeeded")
    assert (answer.json()["outcome"], answer.json()["request_id"]) == ("unknown", request["request_id"])


async def test_a_repetition_that_waits_is_no_operation_when_the_hub_stops(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path, kiosk_response_timeout=0.2) as hub, hub.kiosk() as kiosk:
        assert problem_of(await hub.send({"n": 1}, key="pay-1")) == "timeout"
        request = await kiosk.request()
        await hub.idle()
        again = hub.sending({"n": 1}, key="pay-1", header_timeout="30")
        await until(lambda: hub.services.news.is_wanted(request["request_id"]))
        with caplog.at_level(logging.ERROR):
            await hub.services.operations.stop(0.0)
            await until(lambda: not hub.services.operations._tasks.storing)
        assert caplog.messages == []
        await kiosk.answer(request, {"paid": 1})
        assert (await again).json() == {"paid": 1}
        assert rows(tmp_path, "SELECT request_id FROM operations") == [(request["request_id"],)]


async def test_a_repetition_that_is_refused_for_its_kiosk_takes_nothing_from_its_limit(tmp_path: Path) -> None:
    """As many run there as may; and then the kiosk is without the route."""
    async with running(tmp_path, rate_limit_per_kiosk=1.5, running_max_per_kiosk=1) as hub:
        async with hub.kiosk() as kiosk, kiosk.serving():
            assert (await hub.send({"n": 1}, key="pay-1")).status_code == 200
            await hub.idle()
        async with hub.kiosk() as kiosk:
            other = hub.sending({"n": 2})
            request = await kiosk.request()
            for _ in range(6):
                assert (await hub.send({"n": 1}, key="pay-1")).headers["idempotent-replayed"] == "true"
            await kiosk.answer(request)
            await other
            await hub.idle()
        async with hub.kiosk(routes=("fiscal",)):
            for _ in range(6):
                assert (await hub.send({"n": 1}, key="pay-1")).headers["idempotent-replayed"] == "true"
            assert problem_of(await hub.send({"n": 3}, key="pay-3")) == "unknown-operation"


async def test_large_bodies_are_claimed_in_one_group_and_not_one_statement() -> None:
    """Given 60 MiB at once, the driver copies for longer than the database may take."""
    async with members(new_database(), "one") as (hub,):
        given = [claimed(f"key-{n % 7}", body=bytes([n]) * 2**20) for n in range(8)]
        told = await asyncio.gather(*map(hub.store.claim, given))
        earlier = [it.idempotency_key for it in told if it is not None]
        assert earlier == ["key-0"]


def test_rows_go_to_the_database_all_and_in_order_and_few_where_they_are_large() -> None:
    large, small = ("a", b"x" * 2**19), ("b", b"y")
    rows_ = [large, large, small, large, small, large, small]
    assert [len(some) for some in stretches(rows_)] == [2, 4, 1]
    assert [row for some in stretches(rows_) for row in some] == rows_
    assert [len(some) for some in stretches([small] * 500)] == [500]
    assert list(stretches([])) == []
