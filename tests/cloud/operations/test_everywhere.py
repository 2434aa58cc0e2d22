"""An operation asked for at one hub, its kiosk at another: whoever is asked knows of it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from cloud.operations.everywhere import PATIENCE as FOR_LONG
from cloud.operations.far_news import FarItem, WatchThese
from tests.cloud.fleet import fleet
from tests.cloud.hub import PATIENCE, Kiosk, Running, until
from tests.cloud.local_bus import LocalBus, LocalNet
from tests.cloud.web.test_operations import events
from tests.cloud.web.test_send import problem_of


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub that is asked answers; that this machine stood still meanwhile is not its silence."""
    monkeypatch.setattr("cloud.operations.everywhere.PATIENCE", PATIENCE)


@asynccontextmanager
async def three(tmp_path: Path, net: LocalNet | None = None) -> AsyncIterator[tuple[Running, Running, Running, Kiosk]]:
    """Two hubs without a kiosk, and one that has it; all know that."""
    async with fleet(tmp_path, hubs=3, net=net or LocalNet()) as (one, two, far), far.kiosk() as kiosk:
        for hub in (one, two):
            await until(lambda hub=hub: hub.hub._presence.get("kiosk_001") is not None)
        yield one, two, far, kiosk


async def test_one_without_a_row_is_found_at_any_hub_while_it_runs_and_after(tmp_path: Path) -> None:
    async with three(tmp_path) as (one, two, far, kiosk):
        asked = one.sending({"n": 1})
        request = await kiosk.request()
        request_id = request["request_id"]
        for hub in (one, two, far):
            assert (await hub.operation(request_id))["state"] == "sent"
            assert [it.request_id for it in await hub.services.operations.under_way()] == [request_id]
            assert await hub.services.operations.load_of("kiosk_001") == (1, 0)
        await kiosk.answer(request, {"done": True})
        assert (await asked).json() == {"done": True}
        for hub in (one, two, far):
            assert (await hub.operation_in(request_id, "succeeded"))["answer"]["body"] == {"done": True}


async def test_none_is_404_at_once_and_a_silent_hub_holds_nobody_up_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net, waited = LocalNet(), []
    ask = LocalBus.ask

    async def asked(bus: LocalBus, life: str, question: Any, answer: Any, timeout: float) -> Any:
        waited.append(timeout)
        return await ask(bus, life, question, answer, timeout)

    async with fleet(tmp_path, net=net) as (one, two):
        missing = await one.http.get("/operations/01a201e9-5bcf-79bb-93dd-33384b862c22", headers=one.backend())
        assert problem_of(missing) == "not-found"
        net.lose()
        monkeypatch.setattr("cloud.operations.everywhere.PATIENCE", FOR_LONG)
        monkeypatch.setattr(LocalBus, "ask", asked)
        missing = await two.http.get("/operations/01a201e9-5bcf-79bb-93dd-33384b862c22", headers=two.backend())
        assert problem_of(missing) == "not-found"
        assert 0 < sum(waited) < 5


async def test_lists_show_how_it_stands_at_its_hub(tmp_path: Path) -> None:
    async with three(tmp_path) as (one, two, _far, kiosk):
        asked = one.sending({"n": 1}, key="a")
        request = await kiosk.request()
        await kiosk.say("accepted", request_id=request["request_id"])

        async def states() -> list[str]:
            return [it["state"] for it in await two.operations()]

        await until(lambda: _is(states, ["accepted"]))
        await kiosk.answer(request)
        await asked


async def test_any_hub_cancels_it_at_the_kiosk(tmp_path: Path) -> None:
    async with three(tmp_path) as (one, two, _far, kiosk):
        asked = one.sending({"n": 1})
        request = await kiosk.request()
        answer = await two.http.post(f"/operations/{request['request_id']}/cancel", headers=two.backend())
        assert (answer.status_code, answer.json()["state"]) == (202, "sent")
        assert (await kiosk.hear("cancel"))["request_id"] == request["request_id"]
        await kiosk.refuse(request, "cancelled")
        assert problem_of(await asked) == "cancelled"
        again = await two.http.post(f"/operations/{request['request_id']}/cancel", headers=two.backend())
        assert problem_of(again) == "conflict"


async def test_what_happens_is_streamed_at_any_hub(tmp_path: Path) -> None:
    async with three(tmp_path) as (one, two, _far, kiosk):
        asked = one.sending({"n": 1}, operation="cash")
        request = await kiosk.request()
        stream = events(two, request["request_id"])
        assert (await anext(stream))[0] == "sent"
        await kiosk.say("accepted", request_id=request["request_id"])
        assert (await anext(stream))[0] == "accepted"
        await kiosk.say("progress", request_id=request["request_id"], data={"collected": 500})
        assert await anext(stream) == ("progress", {"collected": 500})
        late = events(two, request["request_id"])
        assert [(await anext(late))[0], await anext(late)] == ["accepted", ("progress", {"collected": 500})]
        await kiosk.answer(request, {"paid": 5})
        await asked
        kind, data = await anext(stream)
        assert (kind, data["answer"]["body"]) == ("succeeded", {"paid": 5})
        assert [kind async for kind, _ in stream] == []
        assert [kind async for kind, _ in late] == ["succeeded"]
        for hub in (one, two):  # nobody is told any more
            await until(lambda hub=hub: not hub.services.news._watchers)


async def test_the_outcome_is_streamed_though_all_news_of_it_are_lost(tmp_path: Path) -> None:
    net = LocalNet()
    async with three(tmp_path, net) as (one, two, _far, kiosk):
        net.lose(FarItem, WatchThese)
        asked = one.sending({"n": 1})
        request = await kiosk.request()
        stream = events(two, request["request_id"])
        assert (await anext(stream))[0] == "sent"
        await kiosk.answer(request)
        await asked
        assert (await anext(stream))[0] == "succeeded"


async def test_a_repetition_at_another_hub_waits_with_the_first_and_hears_the_same(tmp_path: Path) -> None:
    async with three(tmp_path) as (one, two, far, kiosk):
        first = one.sending({"n": 1}, key="a")
        request = await kiosk.request()
        again = [hub.sending({"n": 1}, key="a") for hub in (two, far)]
        other = await two.send({"n": 2}, key="a")
        assert problem_of(other) == "idempotency-conflict"
        await asyncio.sleep(0.2)
        assert not any(task.done() for task in again)
        await kiosk.answer(request, {"paid": 1})
        answers = [await task for task in (first, *again)]
        assert [(it.status_code, it.json()) for it in answers] == [(200, {"paid": 1})] * 3
        assert {it.headers["x-request-id"] for it in answers} == {request["request_id"]}
        assert await kiosk.hear("settled") == {"type": "settled", "request_id": request["request_id"]}
        assert await kiosk.heard() == []


async def test_a_repetition_that_waits_longer_than_it_may_says_that_the_first_still_runs(tmp_path: Path) -> None:
    async with three(tmp_path) as (one, two, _far, kiosk):
        first = one.sending({"n": 1}, key="a")
        request = await kiosk.request()
        late = await two.send({"n": 1}, key="a", header_timeout="1")
        assert (problem_of(late), late.json()["request_id"]) == ("timeout", request["request_id"])
        await kiosk.answer(request)
        assert (await first).status_code == 200


async def test_of_one_key_at_all_hubs_in_the_same_moment_one_is_executed(tmp_path: Path) -> None:
    async with three(tmp_path) as (one, two, far, kiosk), kiosk.serving() as executed:
        for number in range(5):
            answers = await asyncio.gather(*(hub.send({"n": 1}, key=f"key-{number}") for hub in (one, two, far) * 3))
            assert {(it.status_code, json.dumps(it.json())) for it in answers} == {(200, '{"echo": {"n": 1}}')}
            assert len({it.headers["x-request-id"] for it in answers}) == 1
        assert len(executed) == 5


async def _is(ask: Any, wanted: Any) -> bool:
    return bool(await ask() == wanted)


@pytest.mark.parametrize("state", ["succeeded", "failed"])
async def test_what_a_person_and_the_kiosk_say_in_one_moment_at_two_hubs_is_one_of_both(
    tmp_path: Path, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud.operations.settling.Settling.may_begin_for", lambda *_: 0.0)
    async with fleet(tmp_path, net=LocalNet()) as (one, two), two.kiosk() as kiosk:
        asked = two.sending({"n": 1}, key="a")
        request = await kiosk.request()
        two.out_of_time(request["request_id"])
        assert problem_of(await asked) == "timeout"

        async def is_written() -> bool:
            found = await one.services.store.find(request["request_id"])
            return found is not None and found.state == "unknown"

        await until(is_written)
        put, told, said = two.services.store.put, asyncio.Event(), asyncio.Event()

        def late(operation: Any) -> "asyncio.Future[None]":
            async def write() -> None:
                told.set()
                await said.wait()  # it was unknown when this hub looked
                await put(operation)

            return asyncio.ensure_future(write())

        monkeypatch.setattr(two.services.store, "put", late)
        monkeypatch.setattr("cloud.operations.everywhere.PATIENCE", 0.0)  # nobody is asked: the row decides
        await kiosk.answer(request, {"paid": 1})
        await told.wait()
        await one.services.resolving.resolve(request["request_id"], state, "admin", "the shift's report says so")
        said.set()
        while (message := await kiosk.hear())["type"] != "settled":  # asked what became of it, before it could say so
            assert (message["request_id"], message["start_within"]) == (request["request_id"], 0.0)
        row = await one.operation(request["request_id"])
        assert (row["state"], row["resolution"]["by"], row["resolution"]["told"]["body"]) == (
            state,
            "admin",
            {"paid": 1},
        )
        assert bool(row["resolution"]["contradiction"]) is (state == "failed")
        assert await two.metric('kioskwire_operations_total{operation="payment",outcome="succeeded"}') == 0
