"""`Header-Delivery: queue`: kept while the kiosk is away, delivered in order, ended when it is too late."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from cloud.errors import StorageError
from cloud.operations.operation import Operation
from tests.cloud.hub import Kiosk, Running, broken, running, until
from tests.cloud.web.test_send import problem_of


async def enqueue(hub: Running, n: int, **more: Any) -> str:
    """Queue an operation; returns its id."""
    answer = await hub.send({"n": n}, header_delivery="queue", **more)
    request_id = answer.headers["x-request-id"]
    assert (202, {"request_id": request_id, "state": "queued"}) == (answer.status_code, answer.json())
    assert answer.headers["location"] == f"/operations/{request_id}"
    return request_id


async def take(kiosk: Kiosk, count: int) -> list[Any]:
    """Answer `count` requests one by one; returns their bodies."""
    taken = []
    while len(taken) < count:
        message = await kiosk.hear()
        if message["type"] == "request":
            taken.append(message["body"])
            await kiosk.answer(message)
    return taken


async def sent_in_time(hub: Running) -> str:
    """Queue for a second what goes to its kiosk at once; again, where this machine stood still for so long."""
    while True:
        request_id = await enqueue(hub, 1, header_expires="1")

        async def left(request_id: str = request_id) -> str:
            state = str((await hub.operation(request_id))["state"])
            return "" if state == "queued" else state

        if await until(left) != "expired":
            return request_id


async def test_what_waits_is_delivered_in_order_when_the_kiosk_comes(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        ids = [await enqueue(hub, n) for n in range(20)]
        assert (await hub.http.get("/health")).json()["operations_queued"] == 20
        assert await hub.metric("kioskwire_operations_queued") == 20
        async with hub.kiosk() as kiosk:
            assert [{"n": n} for n in range(20)] == await take(kiosk, 20)
            await hub.idle()
        assert {(request_id, "succeeded") for request_id in ids} == {
            (item["request_id"], item["state"]) for item in await hub.operations()
        }
        assert await hub.metric("kioskwire_operations_queued") == 0


async def test_a_kiosk_that_is_there_gets_it_at_once_and_in_time(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        request_id = await enqueue(hub, 1, header_expires="1000")
        request = await kiosk.request()
        assert request["request_id"] == request_id
        assert 900 < request["start_within"] <= 1000
        await kiosk.answer(request, {"done": True})
        assert (await hub.operation_in(request_id, "succeeded"))["answer"]["body"] == {"done": True}


async def test_a_v1_client_gets_what_waits_once(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        request_id = await enqueue(hub, 1)
        async with hub.v1_kiosk() as kiosk:
            assert (await kiosk.hear())["request_id"] == request_id
            await kiosk.cut()
        async with hub.v1_kiosk() as kiosk:
            assert await kiosk.heard() == []


async def test_the_queue_outlives_a_restart_of_the_hub(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        ids = [await enqueue(hub, n) for n in range(3)]
    async with running(tmp_path) as hub:
        assert [(await hub.operation(request_id))["state"] for request_id in ids] == ["queued"] * 3
        async with hub.kiosk() as kiosk:
            assert [{"n": n} for n in range(3)] == await take(kiosk, 3)
            await hub.operation_in(ids[-1], "succeeded")


async def test_what_is_too_late_expires_and_is_never_sent(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        request_id = await enqueue(hub, 1, header_expires="1", key="queued-1")
        found = await hub.operation_in(request_id, "expired")
        assert (
            found["problem"]["type"],
            found["problem"]["outcome"],
            found["final"],
        ) == ("expired", "not_executed", True)
        async with hub.kiosk() as kiosk:
            assert await kiosk.heard() == []
        again = await hub.send({"n": 1}, header_delivery="queue", key="queued-1")
        assert (problem_of(again), "true") == ("expired", again.headers["idempotent-replayed"])


async def test_one_that_is_cancelled_as_it_expires_ends_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(tmp_path) as hub:
        request_id = await enqueue(hub, 1, header_expires="1")
        store = hub.services.store
        find, reads, goes_on = store.find, asyncio.Event(), asyncio.Event()

        async def slow(request_id: str) -> Operation | None:
            found = await find(request_id)
            if not reads.is_set():
                reads.set()
                await goes_on.wait()
            return found

        monkeypatch.setattr(store, "find", slow)
        await until(reads.is_set)
        answer = await hub.http.post(f"/operations/{request_id}/cancel", headers=hub.backend())
        assert (answer.status_code, answer.json()["problem"]["type"]) == (200, "cancelled")
        series = 'kioskwire_operations_total{operation="payment",outcome="expired"}'
        assert await hub.metric(series) == 1
        goes_on.set()
        later = await enqueue(hub, 2, header_expires="1")
        await hub.operation_in(later, "expired")
        assert (await hub.operation(request_id))["problem"]["type"] == "cancelled"
        assert await hub.metric(series) == 2


async def test_more_than_the_queue_holds_is_429_for_that_kiosk_only(tmp_path: Path) -> None:
    async with running(tmp_path, kiosks=("kiosk_001", "kiosk_002"), queue_max_per_kiosk=2) as hub:
        await enqueue(hub, 1)
        await enqueue(hub, 2)
        full = await hub.send(header_delivery="queue")
        assert problem_of(full) == "rate-limited"
        assert int(full.headers["retry-after"]) > 0
        await enqueue(hub, 3, kiosk="kiosk_002")


async def test_one_key_is_queued_once(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        answers = await asyncio.gather(*(hub.send({"n": 1}, header_delivery="queue", key="q-1") for _ in range(5)))
        assert {202} == {answer.status_code for answer in answers}
        assert len({answer.headers["x-request-id"] for answer in answers}) == 1
        assert [h for answer in answers if (h := answer.headers.get("idempotent-replayed"))] == ["true"] * 4
        async with hub.kiosk() as kiosk:
            assert await take(kiosk, 1) == [{"n": 1}]
            await hub.idle()
            assert [message["type"] for message in await kiosk.heard()] == ["settled"]
        again = await hub.send({"n": 1}, header_delivery="queue", key="q-1")
        assert (again.status_code, again.json(), again.headers["idempotent-replayed"]) == (200, {}, "true")


async def test_what_was_sent_from_the_queue_and_lost_is_sent_again_while_it_is_in_time(tmp_path: Path) -> None:
    async with running(tmp_path, kiosk_reconnect_grace=0.1) as hub:
        request_id = await enqueue(hub, 1)
        async with hub.kiosk() as kiosk:
            await kiosk.request()
            await kiosk.cut()
        await hub.gone()
        async with hub.kiosk() as kiosk:
            again = await kiosk.request()
            assert (request_id, True) == (again["request_id"], again["start_within"] > 3000)
            await kiosk.answer(again)
            await hub.operation_in(request_id, "succeeded")


async def test_what_was_sent_from_the_queue_is_asked_for_after_a_restart_while_it_is_in_time(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        async with hub.kiosk() as kiosk:
            request_id = await enqueue(hub, 1)
            await kiosk.request()
        await hub.services.operations.stop(0.0)
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        again = await kiosk.request()
        assert (request_id, True) == (again["request_id"], again["start_within"] > 3000)
        await kiosk.answer(again)
        await hub.operation_in(request_id, "succeeded")


async def test_what_waits_is_started_in_time_or_not_at_all_when_a_hub_starts_in_1970(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path) as hub:
        late = await enqueue(hub, 1, header_expires="1")
        request_id = await enqueue(hub, 2, header_expires="1000")
    monkeypatch.setattr("time.time", time.monotonic)
    async with running(tmp_path) as hub:
        assert any("clock is behind" in record.message for record in caplog.records)
        await hub.operation_in(late, "expired")
        async with hub.kiosk() as kiosk:
            request = await kiosk.request()
            assert (request["request_id"], 900 < request["start_within"] <= 1000) == (request_id, True)
            await kiosk.answer(request)
            await hub.operation_in(request_id, "succeeded")


@pytest.mark.parametrize("by", [1.1, 600.0, 1e9])
async def test_a_clock_that_is_set_back_revives_nothing_that_was_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: float
) -> None:
    """Its kiosk took it off the socket and was cut off before it could say a word."""
    real = time.time
    async with running(tmp_path, kiosk_response_timeout=0.2) as hub:
        async with hub.kiosk() as kiosk:
            request_id = await sent_in_time(hub)
            assert (await kiosk.request())["request_id"] == request_id
            await hub.operation_in(request_id, "unknown")
        await hub.gone()
        monkeypatch.setattr("time.time", lambda: real() - by)
        async with hub.kiosk() as kiosk:
            request = await kiosk.request()
            assert (request["request_id"], request.get("start_within", 0.0)) == (request_id, 0.0)


async def test_a_failing_database_delays_the_queue_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud.operations.delivery._RETRY", 0.05)
    async with running(tmp_path) as hub:
        ids = [await enqueue(hub, n) for n in range(2)]
        async with broken(tmp_path, "operations"):
            failed = await hub.http.post(f"/operations/{ids[0]}/cancel", headers=hub.backend())
            assert problem_of(failed) == "hub-storage"
            context = hub.kiosk()
            kiosk = await context.__aenter__()
            assert await kiosk.heard() == []
        # The kiosk stays, nothing happens but that the database works again.
        assert await take(kiosk, 2) == [{"n": 0}, {"n": 1}]
        await hub.idle()
        await context.__aexit__(None, None, None)
        assert [(await hub.operation(request_id))["state"] for request_id in ids] == ["succeeded"] * 2


async def test_a_cancelling_that_cannot_be_stored_leaves_it_in_the_queue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path) as hub:
        request_id = await enqueue(hub, 1)

        async def fail(*_: object) -> None:
            raise StorageError("the disk is full")

        with monkeypatch.context() as patch:
            patch.setattr(type(hub.services.store), "put", fail)
            failed = await hub.http.post(f"/operations/{request_id}/cancel", headers=hub.backend())
            assert problem_of(failed) == "hub-storage"
        async with hub.kiosk() as kiosk:
            assert await take(kiosk, 1) == [{"n": 1}]
            await hub.idle()


async def test_a_cancelled_one_is_expired_and_never_sent(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        request_id = await enqueue(hub, 1)
        answer = await hub.http.post(f"/operations/{request_id}/cancel", headers=hub.backend())
        assert (
            answer.status_code,
            answer.json()["state"],
            answer.json()["problem"]["type"],
        ) == (200, "expired", "cancelled")
        again = await hub.http.post(f"/operations/{request_id}/cancel", headers=hub.backend())
        assert problem_of(again) == "conflict"
        async with hub.kiosk() as kiosk:
            assert await kiosk.heard() == []
        await until(lambda: hub.services.operations.queued == 0)
