"""One queue for all hubs: sent by the hub that has the kiosk, once; ended once; found whatever gets lost."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from cloud.errors import StorageError
from cloud.operations.shared_queue import KioskQueued
from tests.cloud.fleet import fleet
from tests.cloud.hub import PATIENCE, Kiosk, Running, until
from tests.cloud.local_bus import LocalNet
from tests.cloud.web.test_send import problem_of


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub that is asked answers; that this machine stood still meanwhile is not its silence."""
    monkeypatch.setattr("cloud.operations.everywhere.PATIENCE", PATIENCE)


async def enqueue(hub: Running, n: int, **more: Any) -> str:
    """Queue an operation; returns its id."""
    answer = await hub.send({"n": n}, header_delivery="queue", **more)
    assert answer.status_code == 202, answer.text
    return answer.headers["x-request-id"]


async def take(kiosk: Kiosk, count: int) -> list[Any]:
    """Answer `count` requests one by one; returns their bodies."""
    taken: list[Any] = []
    while len(taken) < count:
        message = await kiosk.hear()
        if message["type"] == "request":
            taken.append(message["body"])
            await kiosk.answer(message)
    return taken


async def test_what_one_hub_queued_the_other_delivers_in_order(tmp_path: Path) -> None:
    async with fleet(tmp_path, net=LocalNet()) as (one, two):
        ids = [await enqueue(one if n % 2 else two, n) for n in range(20)]
        assert await one.services.operations.load_of("kiosk_001") == (0, 20)
        assert {(await one.operation(each))["state"] for each in ids} == {"queued"}
        async with two.kiosk() as kiosk:
            assert await take(kiosk, 20) == [{"n": n} for n in range(20)]
            for each in ids:
                await one.operation_in(each, "succeeded")
        assert await one.services.operations.load_of("kiosk_001") == (0, 0)


async def test_a_kiosk_that_is_at_another_hub_gets_it_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloud.operations.shared_queue._LOOK_EVERY", 1000.0)
    async with fleet(tmp_path, net=LocalNet()) as (one, two), two.kiosk() as kiosk:
        await until(lambda: one.hub._presence.get("kiosk_001") is not None)
        request_id = await enqueue(one, 1, header_expires="1000")
        request = await kiosk.request()
        assert (request["request_id"], 900 < request["start_within"] <= 1000) == (request_id, True)
        await kiosk.answer(request, {"done": True})
        assert (await one.operation_in(request_id, "succeeded"))["answer"]["body"] == {"done": True}


async def test_what_a_lost_nudge_did_not_tell_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloud.operations.shared_queue._LOOK_EVERY", 0.2)
    net = LocalNet()
    async with fleet(tmp_path, net=net) as (one, two), two.kiosk() as kiosk:
        net.lose(KioskQueued)
        request_id = await enqueue(one, 1)
        request = await kiosk.request()
        assert request["request_id"] == request_id
        await kiosk.answer(request)
        await one.operation_in(request_id, "succeeded")


async def test_two_hubs_that_both_believe_to_hold_the_kiosk_send_each_once(tmp_path: Path) -> None:
    async with fleet(tmp_path, net=LocalNet()) as (one, two):
        ids = [await enqueue(one, n) for n in range(12)]
        rows = [run.services.operations._shared._rows for run in (one, two)]
        found = await rows[0].oldest("kiosk_001", 12)
        taken = await asyncio.gather(*(each.take(found, f"journal-{number}") for number, each in enumerate(rows)))
        assert sorted([*taken[0], *taken[1]]) == sorted(ids)


async def test_a_kiosk_that_two_hubs_hold_for_a_moment_gets_each_from_one_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Messages between the hubs are lost: neither knows that the other has it."""
    monkeypatch.setattr("cloud.operations.everywhere.PATIENCE", 0.1)  # nobody answers
    net = LocalNet()
    async with fleet(tmp_path, net=net) as (one, two):
        net.lose()
        kiosks = one.kiosk(), two.kiosk()
        async with kiosks[0] as first, kiosks[1] as second, first.serving() as at_one, second.serving() as at_two:
            ids = []
            for n in range(20):
                ids += await asyncio.gather(enqueue(one, n), enqueue(two, n))
            for each in ids:
                await one.operation_in(each, "succeeded")
            executed = [it["request_id"] for it in (*at_one, *at_two)]
            assert sorted(executed) == sorted(ids)


async def test_it_expires_once_by_the_databases_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of the hub asked is an hour behind, then one ahead: neither starts or ends anything wrongly."""
    monkeypatch.setattr("cloud.operations.shared_queue._LOOK_EVERY", 0.2)
    real = time.time
    async with fleet(tmp_path, net=LocalNet()) as (one, two):
        monkeypatch.setattr("time.time", lambda: real() - 3600)
        late = await enqueue(one, 1, header_expires="1")
        monkeypatch.setattr("time.time", lambda: real() + 3600)
        kept = await enqueue(two, 2, header_expires="1000")
        ended = await one.operation_in(late, "expired")
        assert (ended["problem"]["type"], ended["final"]) == ("expired", True)
        assert (await one.operation(kept))["state"] == "queued"
        async with one.kiosk() as kiosk:
            request = await kiosk.request()
            assert (request["request_id"], 900 < request["start_within"] <= 1000) == (kept, True)
            await kiosk.answer(request)
            await two.operation_in(kept, "succeeded")
        counted = [
            await each.metric('kioskwire_operations_total{operation="payment",outcome="expired"}')
            for each in (one, two)
        ]
        assert sum(counted) == 1


async def test_any_hub_cancels_it(tmp_path: Path) -> None:
    async with fleet(tmp_path, net=LocalNet()) as (one, two):
        request_id = await enqueue(one, 1)
        answer = await two.http.post(f"/operations/{request_id}/cancel", headers=two.backend())
        assert (answer.status_code, answer.json()["state"], answer.json()["problem"]["type"]) == (
            200, "expired", "cancelled",
        )  # fmt: skip
        again = await one.http.post(f"/operations/{request_id}/cancel", headers=one.backend())
        assert problem_of(again) == "conflict"
        async with one.kiosk() as kiosk:
            assert await kiosk.heard() == []


async def test_the_most_that_may_wait_is_counted_at_all_hubs(tmp_path: Path) -> None:
    async with fleet(tmp_path, net=LocalNet(), queue_max_per_kiosk=3) as (one, two):
        for hub in (one, two, one):
            await enqueue(hub, 1)
        for hub in (one, two):
            refused = await hub.send({}, header_delivery="queue")
            assert (problem_of(refused), refused.headers["retry-after"]) == ("rate-limited", "60")
        together = await asyncio.gather(*(hub.send({}, header_delivery="queue") for hub in (one, two) * 5))
        assert {answer.status_code for answer in together} == {429}


async def test_what_a_dead_hub_had_taken_is_asked_for_at_the_next_hello_and_never_twice(tmp_path: Path) -> None:
    async with fleet(tmp_path, net=LocalNet()) as (one, two):
        ids = [await enqueue(two, n) for n in range(2)]
        rows = one.services.operations._shared._rows
        assert len(await rows.take((await rows.oldest("kiosk_001", 1)), "journal-1")) == 1  # and then it is gone
        async with one.services.store._engine.begin() as connection:
            assert await two.services.store.bury(connection, one.hub.bus.me, 0.0) == 1
        assert (await two.operation(ids[0]))["state"] == "unknown"
        async with two.kiosk() as kiosk:
            requests = [await kiosk.request(), await kiosk.request()]
            assert {it["request_id"] for it in requests} == set(ids)
            assert all(it["start_within"] > 0 for it in requests), "it has time, and its kiosk begins it once"
            for request in requests:
                await kiosk.answer(request)
            for each in ids:
                await two.operation_in(each, "succeeded")
            assert [it["type"] for it in await kiosk.heard()].count("request") == 0


async def test_a_database_that_fails_in_the_middle_of_the_taking_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud.operations.shared_queue._RETRY", 0.05)
    async with fleet(tmp_path, net=LocalNet()) as (one, two):
        ids = [await enqueue(one, n) for n in range(3)]
        rows = two.services.operations._shared._rows
        read, failing = rows.taken, ["written", "written", "not even read"]

        async def fail(request_ids: list[str]) -> dict[str, float]:
            if failing:
                raise StorageError(failing.pop())
            return await read(request_ids)

        monkeypatch.setattr(rows, "taken", fail)
        async with two.kiosk() as kiosk:
            assert await take(kiosk, 3) == [{"n": 0}, {"n": 1}, {"n": 2}]
            for each in ids:
                await one.operation_in(each, "succeeded")


async def test_of_a_row_that_may_have_been_written_nobody_says_that_it_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its write is confirmed to nobody, and another hub sends it meanwhile."""
    async with fleet(tmp_path, net=LocalNet()) as (one, two), two.kiosk() as kiosk:
        claim = one.services.store.claim

        async def fail(operation: Any) -> Any:
            await claim(operation)
            raise StorageError("the connection was lost")

        with monkeypatch.context() as patch:
            patch.setattr(one.services.store, "claim", fail)
            answer = await one.send({"n": 1}, header_delivery="queue")
        assert (problem_of(answer), answer.json()["outcome"]) == ("timeout", "unknown")
        request = await kiosk.request()
        await kiosk.answer(request)
        await one.operation_in(answer.json()["request_id"], "succeeded")


async def test_a_hub_that_stops_takes_nothing_more_and_the_others_send_it(tmp_path: Path) -> None:
    async with fleet(tmp_path, net=LocalNet()) as (one, two):
        async with one.kiosk() as kiosk:
            asked = one.sending({"n": 0})
            request = await kiosk.request()
            stopping = asyncio.create_task(one.services.operations.stop(PATIENCE))
            await asyncio.sleep(0)
            request_id = await enqueue(two, 1)
            assert await kiosk.heard() == []
            await kiosk.answer(request)
            assert (await asked).status_code == 200
            await stopping
            assert (await two.operation(request_id))["state"] == "queued"
        async with two.kiosk() as kiosk:
            assert await take(kiosk, 1) == [{"n": 1}]
            await two.operation_in(request_id, "succeeded")
