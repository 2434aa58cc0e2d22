"""The service with a real journal and a real gateway."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from appliance.gateways import Gateways
from appliance.journal import Limits
from appliance.operations import service
from appliance.operations.operation import State
from tests.appliance.quick import quick
from tests.appliance.worlds import Call, gateway, kiosk, reply, request, route, status, table, until
from wire.messages import Executed


@quick
async def test_an_operation_is_answered_with_what_the_gateway_said(tmp_path: Path) -> None:
    async with gateway() as there, kiosk(tmp_path, table(route(there.url))) as here:
        there.answer = lambda call: _answer(reply(201, b'{"amount": 10.50, "id": 9007199254740993}'))
        here.operations.request(request(body=b'{"sum": 1.10}'))
        response = await here.told.first()
        assert (response.executed, response.status) == (Executed.YES, 201)
        assert bytes(response.body) == b'{"amount": 10.50, "id": 9007199254740993}'
        assert here.told.acceptances == ["request-1"]
        assert [call.body for call in there.calls] == [b'{"sum": 1.10}']
        row = await here.journal.find("request-1")
        assert row is not None
        assert row.state == "done"


async def _answer(text: bytes) -> bytes:
    return text


@quick
async def test_a_repeated_request_is_answered_and_not_executed_again(tmp_path: Path) -> None:
    async with gateway() as there, kiosk(tmp_path, table(route(there.url))) as here:
        for count in range(1, 4):
            here.operations.request(request())
            await until(lambda count=count: len(here.told.outcomes) == count)
            await until(lambda: not here.operations.count(*State))
        assert len(there.calls) == 1
        assert len({bytes(response.body) for response in here.told.outcomes}) == 1


@quick
async def test_a_repetition_after_settling_and_a_restart_is_answered_from_the_tombstone(tmp_path: Path) -> None:
    async with gateway() as there:
        async with kiosk(tmp_path, table(route(there.url))) as here:
            here.operations.request(request())
            first = await here.told.first()
            here.operations.settled("request-1")
        async with kiosk(tmp_path, table(route(there.url))) as here:
            here.operations.request(request())
            again = await here.told.first()
            assert bytes(again.body) == bytes(first.body)
            assert await here.journal.unsettled(10, frozenset()) == []
        assert len(there.calls) == 1


@quick
async def test_a_defect_in_the_middle_is_told_as_unknown_and_to_a_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError("a defect")

    async with kiosk(tmp_path, table(route("http://127.0.0.1:1"))) as here:
        monkeypatch.setattr(Gateways, "call", fail)
        here.operations.request(request())
        response = await here.told.first()
        assert (response.executed, response.error and response.error.type) == (Executed.UNKNOWN, "interrupted")
        assert [event.kind for event in await here.journal.events(10, 0)] == ["operation-unknown"]


@quick
async def test_a_repetition_while_it_runs_is_accepted_again(tmp_path: Path) -> None:
    release = asyncio.Event()

    async def wait(_call: Call) -> bytes:
        await release.wait()
        return reply()

    async with gateway(wait) as there, kiosk(tmp_path, table(route(there.url))) as here:
        here.operations.request(request())
        await until(lambda: there.calls)
        here.operations.request(request())
        release.set()
        await here.told.first()
        assert here.told.acceptances == ["request-1", "request-1"]
        assert len(there.calls) == 1
        assert len(here.told.outcomes) == 1


@quick
async def test_payments_run_one_at_a_time_and_others_together(tmp_path: Path) -> None:
    running = most = 0

    async def count(_call: Call) -> bytes:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.02)
        running -= 1
        return reply()

    async with gateway(count) as there:
        async with kiosk(tmp_path / "a", table(route(there.url))) as here:
            for number in range(5):
                here.operations.request(request(f"request-{number}"))
            await until(lambda: len(here.told.outcomes) == 5)
        assert most == 1
        async with kiosk(tmp_path / "b", table(route(there.url, "fiscal"))) as here:
            for number in range(20):
                here.operations.request(request(f"request-{number}", "fiscal"))
            await until(lambda: len(here.told.outcomes) == 20)
        assert 1 < most <= 8


@quick
async def test_what_waits_too_long_expires_and_never_runs(tmp_path: Path) -> None:
    release = asyncio.Event()

    async def wait(_call: Call) -> bytes:
        await release.wait()
        return reply()

    async with gateway(wait) as there, kiosk(tmp_path, table(route(there.url))) as here:
        here.operations.request(request("request-1"))
        await until(lambda: there.calls)
        here.operations.request(request("request-2", start_within=0.05))
        late = await here.told.first("request-2")
        assert (late.executed, late.error and late.error.type) == (Executed.NO, "expired")
        release.set()
        await here.told.first("request-1")
        here.operations.request(request("request-2"))
        await until(lambda: len(here.told.of("request-2")) == 2)
        assert len(there.calls) == 1


@quick
async def test_asking_what_became_of_an_unknown_request_ends_it_for_ever(tmp_path: Path) -> None:
    async with gateway() as there, kiosk(tmp_path, table(route(there.url))) as here:
        here.operations.request(request(start_within=0.0))
        assert (await here.told.first()).error.type == "expired"  # type: ignore[union-attr]
        await until(lambda: not here.operations.count(*State))
        here.operations.request(request())
        await until(lambda: len(here.told.outcomes) == 2)
        assert here.told.outcomes[1].executed is Executed.NO
        assert there.calls == []


@quick
async def test_what_waits_can_be_cancelled_and_what_runs_cannot(tmp_path: Path) -> None:
    release = asyncio.Event()

    async def wait(_call: Call) -> bytes:
        await release.wait()
        return reply()

    async with gateway(wait) as there, kiosk(tmp_path, table(route(there.url))) as here:
        here.operations.request(request("request-1"))
        await until(lambda: there.calls)
        here.operations.request(request("request-2"))
        await until(lambda: here.operations.queues()["payment"].waiting == 1)
        here.operations.cancel("request-1")
        here.operations.cancel("request-2")
        response = await here.told.first("request-2")
        assert (response.executed, response.error and response.error.type) == (Executed.NO, "cancelled")
        release.set()
        assert (await here.told.first("request-1")).executed is Executed.YES
        assert len(there.calls) == 1


@quick
async def test_a_full_queue_says_busy(tmp_path: Path) -> None:
    release = asyncio.Event()

    async def wait(_call: Call) -> bytes:
        await release.wait()
        return reply()

    async with gateway(wait) as there, kiosk(tmp_path, table(route(there.url, waiting=1))) as here:
        for number in (1, 2):
            here.operations.request(request(f"request-{number}"))
            await until(lambda: len(there.calls) == 1)
            await until(lambda number=number: here.operations.queues()["payment"].waiting == number - 1)
        here.operations.request(request("request-3"))
        assert (await here.told.first("request-3")).error.type == "kiosk-busy"  # type: ignore[union-attr]
        release.set()


@quick
async def test_an_operation_without_route_is_unknown_and_with_a_default_goes_there(tmp_path: Path) -> None:
    async with gateway() as there:
        async with kiosk(tmp_path / "a", table(route(there.url))) as here:
            here.operations.request(request(operation="cash"))
            assert (await here.told.first()).error.type == "unknown-operation"  # type: ignore[union-attr]
        async with kiosk(tmp_path / "b", table(route(there.url, "default"))) as here:
            here.operations.request(request(operation="cash"))
            assert (await here.told.first()).executed is Executed.YES


@quick
async def test_a_get_goes_as_query_and_a_body_that_cannot_is_a_bad_request(tmp_path: Path) -> None:
    async with gateway() as there, kiosk(tmp_path, table(route(there.url, "fiscal"))) as here:
        here.operations.request(request(operation="fiscal", method="GET", body=b'{"check_id":7,"done":true}'))
        assert (await here.told.first()).executed is Executed.YES
        assert [(call.method, call.target) for call in there.calls] == [("GET", "/api?check_id=7&done=true")]
        here.operations.request(request("request-2", operation="fiscal", method="GET", body=b"[1]"))
        assert (await here.told.first("request-2")).error.type == "bad-request"  # type: ignore[union-attr]


@quick
async def test_a_route_can_fix_the_method(tmp_path: Path) -> None:
    async with gateway() as there, kiosk(tmp_path, table(route(there.url, method="GET"))) as here:
        here.operations.request(request(body=b'{"a":1}'))
        await here.told.first()
        assert [call.method for call in there.calls] == ["GET"]


@quick
async def test_a_gateway_that_is_not_there_means_not_executed(tmp_path: Path) -> None:
    async with gateway() as there:
        url = there.url
    async with kiosk(tmp_path, table(route(url))) as here:
        here.operations.request(request())
        response = await here.told.first()
        assert (response.executed, response.error and response.error.type) == (Executed.NO, "gateway-unreachable")


@quick
async def test_a_lost_answer_without_status_query_is_unknown_and_an_event(tmp_path: Path) -> None:
    async def hang_up(_call: Call) -> None:
        return None

    async with gateway(hang_up) as there, kiosk(tmp_path, table(route(there.url))) as here:
        here.operations.request(request())
        response = await here.told.first()
        assert (response.executed, response.error and response.error.type) == (Executed.UNKNOWN, "timeout")
        assert [event.kind for event in await here.journal.events(10, 0)] == ["operation-unknown"]
        assert len(there.calls) == 1


@quick
async def test_a_lost_answer_with_status_query_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.gateways.inquiry._PAUSE_FIRST_S", 0.01)
    asked = 0

    async def forgetful(call: Call) -> bytes | None:
        nonlocal asked
        if call.method == "POST":
            return None
        asked += 1
        return reply(200, b'{"status":"pending"}' if asked == 1 else b'{"status":"approved"}')

    async with gateway(forgetful) as there:
        query = status(there.url, pending_field="status", pending_values=("pending",))
        async with kiosk(tmp_path, table(route(there.url, status=query))) as here:
            here.operations.request(request(body=b'{"order_id":"A 1"}'))
            response = await here.told.first()
            assert (response.executed, bytes(response.body)) == (Executed.YES, b'{"status":"approved"}')
            targets = [call.target for call in there.calls]
            assert targets == ["/api", "/api?id=A+1", "/api?id=A+1"]


@quick
async def test_a_gateway_that_never_got_it_makes_a_lost_answer_not_executed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.gateways.inquiry._PAUSE_FIRST_S", 0.01)

    async def absent(call: Call) -> bytes | None:
        return None if call.method == "POST" else reply(404, b"")

    async with gateway(absent) as there, kiosk(tmp_path, table(route(there.url, status=status(there.url)))) as here:
        here.operations.request(request(body=b'{"order_id":1}'))
        response = await here.told.first()
        assert (response.executed, response.error and response.error.type) == (Executed.NO, "gateway-unreachable")


@quick
async def test_a_gateway_that_is_starting_up_does_not_make_a_payment_not_executed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers 404 to everything, between being away and knowing the payment."""
    monkeypatch.setattr("appliance.gateways.inquiry._PAUSE_FIRST_S", 0.01)
    asked = 0

    async def starting(call: Call) -> bytes | None:
        nonlocal asked
        if call.method == "POST":
            return None
        asked += 1
        return [None, reply(404, b""), reply(503, b""), reply(404, b""), reply(200, b'{"paid":1}')][min(asked, 5) - 1]

    async with gateway(starting) as there, kiosk(tmp_path, table(route(there.url, status=status(there.url)))) as here:
        here.operations.request(request(body=b'{"order_id":1}'))
        response = await here.told.first()
        assert (response.executed, bytes(response.body)) == (Executed.YES, b'{"paid":1}')


@quick
async def test_an_operation_cut_off_is_unknown_at_the_next_start(tmp_path: Path) -> None:
    async with gateway() as there:
        async with kiosk(tmp_path, table(route(there.url)), start=False) as here:
            await here.journal.begin(request())
        async with kiosk(tmp_path, table(route(there.url))) as here:
            response = await here.told.first()
            assert (response.executed, response.error and response.error.type) == (Executed.UNKNOWN, "interrupted")
            here.operations.request(request())
            await until(lambda: len(here.told.outcomes) == 2)
            assert here.told.outcomes[0] == here.told.outcomes[1]
        assert there.calls == []


@quick
async def test_an_operation_cut_off_is_found_out_and_holds_its_route_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.gateways.inquiry._PAUSE_FIRST_S", 0.01)
    known = asyncio.Event()

    async def slow_to_tell(call: Call) -> bytes:
        if call.method == "GET":
            return reply(200, b'{"status":"done"}') if known.is_set() else reply(500, b"")
        return reply()

    async with gateway(slow_to_tell) as there:
        routes = table(route(there.url, status=status(there.url)))
        async with kiosk(tmp_path, routes, start=False) as here:
            await here.journal.begin(request(body=b'{"order_id":1}'))
        async with kiosk(tmp_path, routes) as here:
            here.operations.request(request("request-2"))
            here.operations.request(request("request-1"))
            await until(lambda: len(there.calls) >= 3)
            assert {call.method for call in there.calls} == {"GET"}
            assert here.told.acceptances == ["request-1"]
            known.set()
            assert bytes((await here.told.first("request-1")).body) == b'{"status":"done"}'
            assert (await here.told.first("request-2")).executed is Executed.YES


@quick
async def test_a_gateway_that_never_tells_does_not_close_its_route_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "HOLD_LANE_S", 0.05)

    async def never_tells(call: Call) -> bytes | None:
        return reply(500, b"") if call.method == "GET" else reply()

    async with gateway(never_tells) as there:
        routes = table(route(there.url, status=status(there.url)))
        async with kiosk(tmp_path, routes, start=False) as here:
            await here.journal.begin(request(body=b'{"order_id":1}'))
        async with kiosk(tmp_path, routes) as here:
            here.operations.request(request("request-2"))
            assert (await here.told.first("request-2")).executed is Executed.YES
            assert here.operations.count(State.ASKING) == 1


@quick
async def test_asking_ends_as_unknown_when_its_time_is_over(tmp_path: Path) -> None:
    async def never_tells(call: Call) -> bytes | None:
        return reply(500, b"") if call.method == "GET" else None

    async with gateway(never_tells) as there:
        query = status(there.url, for_s=0.05)
        async with kiosk(tmp_path, table(route(there.url, status=query))) as here:
            here.operations.request(request(body=b'{"order_id":1}'))
            response = await here.told.first()
            assert (response.executed, response.error and response.error.type) == (Executed.UNKNOWN, "timeout")


@quick
async def test_stopping_lets_what_runs_end_and_takes_nothing_new(tmp_path: Path) -> None:
    release = asyncio.Event()

    async def wait(_call: Call) -> bytes:
        await release.wait()
        return reply()

    async with gateway(wait) as there, kiosk(tmp_path, table(route(there.url))) as here:
        here.operations.request(request("request-1"))
        here.operations.request(request("request-2"))
        await until(lambda: there.calls)
        stopping = asyncio.create_task(here.operations.stop())
        await asyncio.sleep(0)
        here.operations.request(request("request-3"))
        release.set()
        await stopping
        assert [response.request_id for response in here.told.outcomes] == ["request-1"]
        assert len(there.calls) == 1


@quick
async def test_what_does_not_end_stays_in_doubt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "DRAIN_S", 0.05)

    async def wait(_call: Call) -> bytes:
        await asyncio.Event().wait()
        return reply()

    async with gateway(wait) as there, kiosk(tmp_path, table(route(there.url))) as here:
        here.operations.request(request())
        await until(lambda: there.calls)
        await here.operations.stop()
        assert [row.request_id for row in await here.journal.in_doubt()] == ["request-1"]
        assert here.told.outcomes == []


@quick
async def test_without_room_on_the_disk_nothing_new_is_started(tmp_path: Path) -> None:
    full = Limits(min_free_bytes=2**60)
    async with gateway() as there, kiosk(tmp_path, table(route(there.url)), full) as here:
        here.operations.request(request())
        response = await here.told.first()
        assert (response.executed, response.error and response.error.type) == (Executed.NO, "kiosk-storage")
        await until(lambda: not here.operations.count(*State))
        here.operations.request(request())
        await until(lambda: len(here.told.outcomes) == 2)
        assert there.calls == []


@quick
async def test_new_routes_are_taken_by_what_waits(tmp_path: Path) -> None:
    release = asyncio.Event()

    async def wait(_call: Call) -> bytes:
        await release.wait()
        return reply()

    async with gateway(wait) as old, gateway() as new:
        async with kiosk(tmp_path, table(route(old.url))) as here:
            here.operations.request(request("request-1"))
            await until(lambda: old.calls)
            here.operations.request(request("request-2"))
            await until(lambda: here.operations.queues()["payment"].waiting == 1)
            here.operations.reroute(table(route(new.url, concurrency=2)))
            assert (await here.told.first("request-2")).executed is Executed.YES
            release.set()
            await here.told.first("request-1")
        assert (len(old.calls), len(new.calls)) == (1, 1)


@quick
async def test_what_was_executed_is_never_called_refused_because_the_disk_is_full(tmp_path: Path) -> None:
    async with gateway() as there, kiosk(tmp_path, table(route(there.url))) as here:
        here.operations.request(request())
        await here.told.first()
        await until(lambda: not here.operations.count(*State))
        here.journal._writer._limits = Limits(min_free_bytes=1 << 60)
        here.operations.request(request())
        await until(lambda: len(here.told.outcomes) == 2)
        assert here.told.outcomes[1].executed is Executed.YES
        here.operations.request(request("request-2"))
        late = await here.told.first("request-2")
        assert (late.executed, late.error and late.error.type) == (Executed.NO, "kiosk-storage")
        assert len(there.calls) == 1


@quick
async def test_nothing_is_said_while_the_journal_can_be_neither_written_nor_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> object:
        raise sqlite3.OperationalError("disk I/O error")

    async with gateway() as there, kiosk(tmp_path, table(route(there.url))) as here:
        here.operations.request(request())
        await here.told.first()
        await until(lambda: not here.operations.count(*State))
        with monkeypatch.context() as patch:
            patch.setattr(here.journal._writer, "_transaction", fail)
            here.operations.request(request())
            await until(lambda: not here.operations.count(*State))
            assert len(here.told.outcomes) == 1
        here.operations.request(request())
        await until(lambda: len(here.told.outcomes) == 2)
        assert here.told.outcomes[1].executed is Executed.YES
        assert len(there.calls) == 1


@pytest.mark.parametrize("start_within", [0.0, 60.0])
@pytest.mark.parametrize("damage", ["DROP TABLE operations", "UPDATE operations SET response = x'00'"])
@quick
async def test_a_new_journal_does_not_answer_for_the_one_that_was_lost(
    tmp_path: Path, damage: str, start_within: float
) -> None:
    async with gateway() as there, kiosk(tmp_path, table(route(there.url))) as here:
        here.operations.request(request())
        await here.told.first()
        await until(lambda: not here.operations.count(*State))
        first = here.journal.id
        store = here.journal._writer._store
        assert store is not None
        store.connection.execute(damage)
        for sent_to in (None, first):  # the second comes while the new one is there already
            here.operations.request(request(start_within=start_within), sent_to)
            await until(lambda: not here.operations.count(*State))
        assert here.journal.id != first
        assert len(here.told.outcomes) == len(there.calls) == 1
        here.operations.request(request("request-2"))
        assert (await here.told.first("request-2")).executed is Executed.YES


@quick
async def test_a_gateway_that_acts_after_its_caller_hung_up_is_not_believed_to_be_idle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.gateways.inquiry._PAUSE_FIRST_S", 0.1)
    monkeypatch.setattr("appliance.gateways.inquiry._PAUSE_MOST_S", 0.1)
    acted = asyncio.Event()

    async def late(call: Call) -> bytes | None:
        if call.method == "POST":
            await asyncio.sleep(0.75)
            acted.set()
        return reply(200) if acted.is_set() else reply(404, b"")

    async with gateway(late) as there:
        query = status(there.url, absent_after=0.6)  # from 0.9 s on
        async with kiosk(tmp_path, table(route(there.url, timeout=0.3, status=query))) as here:
            here.operations.request(request(body=b'{"order_id":1}'))
            assert (await here.told.first()).executed is Executed.YES


@quick
async def test_what_waited_on_another_route_goes_one_at_a_time_where_that_is_said_now(tmp_path: Path) -> None:
    release = asyncio.Event()
    running = most = 0

    async def wait(_call: Call) -> bytes:
        await release.wait()
        return reply()

    async def count(_call: Call) -> bytes:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.02)
        running -= 1
        return reply()

    async with gateway(wait) as old, gateway(count) as new:
        async with kiosk(tmp_path, table(route(old.url, "default", concurrency=4))) as here:
            for number in range(10):
                here.operations.request(request(f"request-{number}"))
            await until(lambda: len(old.calls) == 4)
            here.operations.reroute(table(route(new.url)))
            release.set()
            await until(lambda: len(here.told.outcomes) == 10)
            assert all(queue.running == queue.waiting == 0 for queue in here.operations.queues().values())
        assert (most, len(new.calls)) == (1, 6)
