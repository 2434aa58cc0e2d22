"""An operation asked for at one hub and executed at a kiosk of another: each case of the table in `carrying`."""

import asyncio
import itertools
from pathlib import Path

import pytest

from cloud.errors import Refused, StorageError
from cloud.operations.attempts import Attempts
from cloud.operations.errands import Answered, Carried, Carry, Drop, NotCarried, Settle
from cloud.operations.operation import Operation
from tests.cloud.fleet import fleet
from tests.cloud.hub import PATIENCE, Json, Kiosk, Running, until
from tests.cloud.local_bus import LocalNet
from tests.cloud.web.test_send import problem_of


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is waited for is told or written: it need not take the time it takes in the field."""
    monkeypatch.setattr("cloud.operations.carried.TELL_AGAIN", 0.3)
    monkeypatch.setattr("cloud.operations.carrying._TICK", 0.1)
    monkeypatch.setattr("cloud.operations.afar._WHILE_DOWN", 0.3)
    monkeypatch.setattr("cloud.operations.afar._RETRY", 0.2)


@pytest.fixture
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is said again, and nothing is late, because this machine stood still."""
    monkeypatch.setattr("cloud.operations.carried.TELL_AGAIN", 100.0)
    monkeypatch.setattr("cloud.operations.attempts.FIRST_WAIT", 100.0)
    monkeypatch.setattr("cloud.operations.attempts.LONGEST_WAIT", 100.0)
    monkeypatch.setattr("cloud.operations.afar.FRESH", 100.0)


async def seen(*hubs: Running, at: Running | None = None, kiosk: str = "kiosk_001") -> None:
    """Wait until these hubs know that another one, or `at`, has the kiosk."""
    for hub in hubs:
        elsewhere = hub.services.operations._elsewhere
        await until(
            lambda elsewhere=elsewhere: (found := elsewhere.get(kiosk)) and (at is None or found.hub == at.hub.bus.me)
        )


async def row(hub: Running, request_id: str) -> tuple[str, str | None, str]:
    """State, executed, problem of an operation's row."""
    found = await hub.services.store.find(request_id)
    return ("", None, "") if found is None else (found.state.value, found.executed, found.problem or "")


async def settled(kiosk: Kiosk, request: Json) -> None:
    """Wait until the kiosk may forget it; nothing else is said to it before."""
    assert (await kiosk.hear("settled"))["request_id"] == request["request_id"]


def errands(net: LocalNet) -> list[str]:
    """What hubs said to each other about operations."""
    told = [type(message) for _, _, message in net.said]
    return [kind.__name__ for kind in told if kind.__module__ == Carry.__module__]


def lose_first(net: LocalNet, kind: type) -> None:
    """The first message of this kind is lost."""
    lost: list[object] = []

    def loses(_sender: str, _receiver: str, message: object) -> bool:
        if isinstance(message, kind) and not lost:
            lost.append(message)
            return True
        return False

    net.losing.append(loses)


# Nothing breaks.


@pytest.mark.usefixtures("_patient")
async def test_it_goes_to_the_hub_with_the_kiosk_and_its_answer_comes_back(tmp_path: Path) -> None:
    net = LocalNet()
    async with fleet(tmp_path, net=net) as (one, two), two.kiosk() as kiosk:
        await seen(one)
        net.said.clear()
        asked = one.sending({"amount": 1}, header_timeout="300")
        request = await kiosk.request()
        assert (request["operation"], request["body"]) == ("payment", {"amount": 1})
        assert 200 < request["start_within"] < 300
        await kiosk.answer(request, {"paid": 1}, 201)
        answer = await asked
        assert (answer.status_code, answer.json()) == (201, {"paid": 1})
        await settled(kiosk, request)
        assert await row(one, request["request_id"]) == ("succeeded", "yes", "")
        await one.idle()
        assert errands(net) == ["Carry", "Carried", "Answered", "Settle"]
        assert len(two.services.operations._carrying) == 0


@pytest.mark.usefixtures("_patient")
async def test_what_goes_between_hubs_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Attempts, "wait", lambda attempts: 0.2 if attempts.count == 1 else 100.0)

    async def counted(hub: Running) -> dict[str, float]:
        names = ("kiosks_elsewhere", "operations_carrying", "operations_carried_total", "operations_given_total")
        return {name: await hub.metric(f"kioskwire_{name}") for name in names}

    nothing = {"operations_carrying": 0, "operations_carried_total": 0, "operations_given_total": 0}
    net = LocalNet()
    async with fleet(tmp_path, net=net) as (one, two), two.kiosk() as kiosk:
        await seen(one)
        lose_first(net, Carry)  # and so it is given twice
        asked = one.sending({})
        request = await kiosk.request()
        assert await counted(two) == {
            **nothing, "kiosks_elsewhere": 0, "operations_carrying": 1, "operations_carried_total": 1,
        }  # fmt: skip
        await kiosk.answer(request)
        await settled(kiosk, request)
        assert (await asked).status_code == 200
        near = two.sending({})  # from hub to kiosk
        await kiosk.answer(await kiosk.request())
        assert (await near).status_code == 200
        assert await counted(one) == {**nothing, "kiosks_elsewhere": 1, "operations_given_total": 2}
        assert await counted(two) == {**nothing, "kiosks_elsewhere": 0, "operations_carried_total": 1}


async def test_with_a_key_a_repetition_at_the_other_hub_is_the_same_answer(tmp_path: Path) -> None:
    async with fleet(tmp_path, net=LocalNet()) as (one, two), two.kiosk() as kiosk, kiosk.serving() as executed:
        await seen(one)
        first = await one.send({"amount": 1}, key="pay-1")
        again = await two.send({"amount": 1}, key="pay-1")
        assert (first.status_code, first.json(), again.content) == (200, {"echo": {"amount": 1}}, first.content)
        assert len(executed) == 1


async def test_a_v1_client_at_another_hub_gets_one_frame(tmp_path: Path) -> None:
    async with fleet(tmp_path, net=LocalNet()) as (one, two), two.v1_kiosk() as kiosk:
        await seen(one)
        asked = one.sending({"amount": 1})
        frame = await kiosk.hear()
        await kiosk.say_raw(f'{{"request_id": "{frame["request_id"]}", "paid": true}}')
        answer = await asked
        assert (answer.status_code, answer.json()) == (200, {"paid": True})
        assert await kiosk.heard() == []
        assert (await row(one, frame["request_id"]))[0] == "succeeded"


async def test_accepted_and_progress_are_known_where_it_was_asked_for(tmp_path: Path) -> None:
    async with fleet(tmp_path, net=LocalNet()) as (one, two), two.kiosk() as kiosk:
        await seen(one)
        asked = one.sending()
        request = await kiosk.request()
        await kiosk.say("accepted", request_id=request["request_id"])
        await kiosk.say("progress", request_id=request["request_id"], data={"notes": 2})
        running = one.services.operations._books.get(request["request_id"])
        assert running is not None
        await until(lambda: running.progress is not None)
        assert (running.operation.state, bytes(running.progress or b"")) == ("accepted", b'{"notes": 2}')
        await kiosk.answer(request)
        assert (await asked).status_code == 200


@pytest.mark.parametrize(
    ("changes", "problem"),
    [({"running_max_per_kiosk": 1}, "rate-limited"), ({"rate_limit_per_kiosk": 0.0001}, "rate-limited")],
)
async def test_the_hub_with_the_kiosk_keeps_its_limits(tmp_path: Path, changes: Json, problem: str) -> None:
    async with fleet(tmp_path, net=LocalNet(), **changes) as (one, two), two.kiosk() as kiosk:
        await seen(one)
        first = two.sending()
        request = await kiosk.request()
        second = await one.send(key="pay-1")
        assert (problem_of(second), second.json()["outcome"]) == (problem, "not_executed")
        assert int(second.headers["retry-after"]) > 0
        await kiosk.answer(request)
        assert (await first).status_code == 200
        # Its key is free again.

        async def is_free() -> bool:
            return await one.services.store.find_by_key("pay-1") is None

        await until(is_free)


async def test_what_the_kiosk_does_not_know_is_refused(tmp_path: Path) -> None:
    async with fleet(tmp_path, net=LocalNet()) as (one, two), two.kiosk(routes=("payment",)) as kiosk:
        await seen(one)
        assert problem_of(await one.send(operation="cash")) == "unknown-operation"
        assert await kiosk.heard() == []


# Messages are lost.


async def test_one_lost_message_costs_a_moment(tmp_path: Path) -> None:
    net, earlier = LocalNet(), set[str]()
    async with fleet(tmp_path, net=net) as (one, two), two.kiosk() as kiosk:
        await seen(one)
        for kind, with_key in itertools.product([Carry, Carried, Answered, Settle], [False, True]):
            net.said.clear()
            lose_first(net, kind)
            asked = one.sending({"amount": 1}, key=f"pay-{kind.__name__}" if with_key else None)
            request = await kiosk.request()
            await until(lambda: "Carried" in errands(net))
            await kiosk.answer(request, {"paid": 1})
            assert (await asked).json() == {"paid": 1}
            while (forgets := (await kiosk.hear("settled"))["request_id"]) in earlier:
                pass
            assert forgets == request["request_id"]
            earlier.add(forgets)
            # Asked once. Where a slow disk was overtaken by a question, it may be settled once more.
            assert {(it["type"], it["request_id"]) for it in await kiosk.heard()} <= {("settled", it) for it in earlier}
            assert await row(one, request["request_id"]) == ("succeeded", "yes", "")
            await until(lambda: len(two.services.operations._carrying) == 0)
            net.found()


async def test_an_answer_that_never_gets_through_is_written_by_the_hub_with_the_kiosk(tmp_path: Path) -> None:
    net = LocalNet()
    async with fleet(tmp_path, net=net) as (one, two), two.kiosk() as kiosk:
        await seen(one)
        net.lose(Answered)
        asked = one.sending({"amount": 1})
        request = await kiosk.request()
        await kiosk.answer(request, {"paid": 1})
        await settled(kiosk, request)
        assert not asked.done()
        assert await row(one, request["request_id"]) == ("succeeded", "yes", "")
        one.out_of_time(request["request_id"])
        answer = await asked  # it looks before it says `unknown`
        assert (answer.status_code, answer.json()) == (200, {"paid": 1})
        assert await one.metric('kioskwire_operations_total{operation="payment",outcome="succeeded"}') == 1.0
        assert await two.metric('kioskwire_operations_total{operation="payment",outcome="succeeded"}') == 0.0


async def test_a_v1_client_is_not_asked_again_when_the_message_is_lost(tmp_path: Path) -> None:
    net = LocalNet()
    async with fleet(tmp_path, net=net) as (one, two), two.v1_kiosk() as kiosk:
        await seen(one)
        lose_first(net, Carry)
        answer = await one.send({"amount": 1}, header_timeout="1.5")
        assert (problem_of(answer), answer.json()["outcome"]) == ("timeout", "unknown")
        assert await kiosk.heard() == []
        assert errands(net).count("Carry") == 0


@pytest.mark.parametrize("offset", [4.0, -4.0, -600.0])
async def test_a_message_that_comes_too_late_or_from_another_time_starts_nothing(tmp_path: Path, offset: float) -> None:
    net = LocalNet()
    async with fleet(tmp_path, net=net, kiosk_reconnect_grace=0.3) as (one, two), two.kiosk() as kiosk:
        await seen(one)
        two.hub.bus.offset = (
            offset  # as if it had stood still for that long, or the one clock had been set back here first
        )
        answer = await one.send({"amount": 1}, key="pay-1", header_timeout="20")
        assert (problem_of(answer), answer.json()["outcome"]) == ("kiosk-offline", "not_executed")
        assert await kiosk.heard() == []
        assert {message.kind for _, _, message in net.said if isinstance(message, NotCarried)} == {"late"}


@pytest.mark.parametrize("offset", [600.0, -600.0])
async def test_while_the_clock_of_all_hubs_is_set_operations_wait_a_moment(tmp_path: Path, offset: float) -> None:
    net = LocalNet()
    async with fleet(tmp_path, net=net, kiosk_reconnect_grace=PATIENCE) as (one, two), two.kiosk() as kiosk:
        await seen(one)
        one.hub.bus.offset = offset  # this one has asked for the time already
        asked = one.sending({"amount": 1})
        await until(lambda: "NotCarried" in errands(net))
        two.hub.bus.offset = offset
        request = await kiosk.request()
        assert 20 < request["start_within"] < 45
        await kiosk.answer(request)
        assert (await asked).status_code == 200


async def test_a_little_between_clocks_gives_no_more_time_than_there_is(tmp_path: Path) -> None:
    async with fleet(tmp_path, net=LocalNet()) as (one, two), two.kiosk() as kiosk:
        await seen(one)
        for offset in (0.0, -0.9):
            two.hub.bus.offset = offset
            asked = one.sending({"amount": 1}, header_timeout="40")
            request = await kiosk.request()
            assert 0 < request["start_within"] <= 39 + 0.001  # a second of the caller's is kept back
            await kiosk.answer(request)
            await settled(kiosk, request)
            assert (await asked).status_code == 200


# Hubs and the bus go.


async def test_while_the_bus_is_down_a_kiosk_elsewhere_is_offline(tmp_path: Path) -> None:
    net = LocalNet()
    async with fleet(tmp_path, net=net) as (one, two), two.kiosk() as kiosk, kiosk.serving() as executed:
        await seen(one)
        net.down()
        answer = await one.send(key="pay-1")
        assert (problem_of(answer), answer.json()["outcome"]) == ("kiosk-offline", "not_executed")
        assert "another hub holds" in answer.json()["detail"]
        assert (await two.send()).status_code == 200
        net.up()
        assert (await one.send(key="pay-1")).status_code == 200
        assert len(executed) == 2


async def test_the_bus_goes_in_the_middle(tmp_path: Path) -> None:
    net = LocalNet()
    async with fleet(tmp_path, net=net, kiosk_reconnect_grace=PATIENCE) as (one, two), two.kiosk() as kiosk:
        await seen(one)
        for key in (None, "pay-1"):
            asked = one.sending({"amount": 1}, key=key, header_timeout="50")
            request = await kiosk.request()
            net.down()
            await kiosk.answer(request, {"paid": 1})
            await settled(kiosk, request)
            assert (await asked).json() == {"paid": 1}  # found in the store, long before the deadline
            assert await row(one, request["request_id"]) == ("succeeded", "yes", "")
            net.up()
            assert await kiosk.heard() == []


async def test_the_owner_is_gone(tmp_path: Path) -> None:
    net = LocalNet()
    async with fleet(tmp_path, net=net) as (one, two), two.kiosk() as kiosk:
        await seen(one)
        asked = one.sending({"amount": 1})
        request = await kiosk.request()
        net.cut(one.hub.bus)
        await until(lambda: not two.hub.bus.lives(one.hub.bus.me))
        await kiosk.answer(request, {"paid": 1})
        await settled(kiosk, request)
        found = await two.services.store.find(request["request_id"])
        assert found is not None
        assert (found.state, found.method, found.body, found.api_key_id is None) == (
            "succeeded", "POST", b'{"amount": 1}', False,
        )  # fmt: skip
        one.out_of_time(request["request_id"])
        assert (await asked).json() == {"paid": 1}  # it only seemed to be
        assert await two.metric('kioskwire_operations_total{operation="payment",outcome="succeeded"}') == 1.0


async def test_the_owner_is_gone_and_the_database_fails_at_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = LocalNet()
    async with fleet(tmp_path, net=net) as (one, two), two.kiosk() as kiosk:
        await seen(one)
        asked = one.sending({"amount": 1})
        request = await kiosk.request()
        net.cut(one.hub.bus)
        await until(lambda: not two.hub.bus.lives(one.hub.bus.me))
        store, failures = two.services.store, itertools.count(1)
        put = store.put

        def fails(operation: Operation) -> "asyncio.Future[object]":
            if next(failures) > 2:
                return put(operation)
            future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
            future.set_exception(StorageError("the database is away"))
            return future

        monkeypatch.setattr(store, "put", fails)
        await kiosk.answer(request, {"paid": 1})
        await settled(kiosk, request)  # and not before it is on the disk
        assert await row(two, request["request_id"]) == ("succeeded", "yes", "")
        assert next(failures) == 4
        one.out_of_time(request["request_id"])
        assert (await asked).json() == {"paid": 1}


@pytest.mark.parametrize("where", ["owner", "third"])
@pytest.mark.parametrize("executed", [False, True])
async def test_the_carrier_is_gone_and_the_kiosk_comes_to_another(tmp_path: Path, where: str, executed: bool) -> None:
    net = LocalNet()
    async with fleet(tmp_path, 3, net=net, kiosk_reconnect_grace=PATIENCE) as (one, two, three):
        async with two.kiosk() as kiosk:
            await seen(one, three)
            asked = one.sending({"amount": 1}, header_timeout="50")
            request = await kiosk.request()
            net.cut(two.hub.bus)
            await until(lambda: not one.hub.bus.lives(two.hub.bus.me))
            await kiosk.cut()
        async with (one if where == "owner" else three).kiosk() as kiosk:
            if executed:  # and told at its hello, as it tells what was not settled; the hub may ask before
                await kiosk.answer(request, {"paid": 1})
            else:
                again = await kiosk.request()
                assert (again["request_id"], again["body"]) == (request["request_id"], {"amount": 1})
                assert again["start_within"] > 0
                await kiosk.answer(again, {"paid": 1})
            assert (await asked).json() == {"paid": 1}
            await until(lambda: row(one, request["request_id"]))
            heard = [await kiosk.hear()]
            while heard[-1]["type"] != "settled":
                heard.append(await kiosk.hear())
            assert [it["type"] for it in heard[:-1]] in ([], ["request"])
            assert await row(one, request["request_id"]) == ("succeeded", "yes", "")


async def test_it_goes_while_the_kiosk_of_a_dead_hub_is_on_its_way(tmp_path: Path) -> None:
    net = LocalNet()
    async with fleet(tmp_path, net=net, kiosk_reconnect_grace=PATIENCE) as (one, two):
        async with two.kiosk() as kiosk:
            await seen(one)
            net.cut(two.hub.bus)
            await until(lambda: not one.hub.bus.lives(two.hub.bus.me))
            await kiosk.cut()
        asked = one.sending({"amount": 1})
        await asyncio.sleep(0.2)
        assert not asked.done()
        async with one.kiosk() as kiosk, kiosk.serving() as executed:
            assert (await asked).status_code == 200
            assert len(executed) == 1


# Kiosks move.


async def test_a_kiosk_of_the_owner_goes_to_another_hub(tmp_path: Path) -> None:
    net = LocalNet()
    async with fleet(tmp_path, net=net, kiosk_reconnect_grace=PATIENCE) as (one, two):
        async with one.kiosk() as kiosk:
            asked = one.sending({"amount": 1}, key="pay-1", header_timeout="50")
            request = await kiosk.request()
            await kiosk.cut()
        async with two.kiosk() as kiosk:
            again = await kiosk.request()
            assert again["request_id"] == request["request_id"]
            await kiosk.answer(again, {"paid": 1})
            assert (await asked).json() == {"paid": 1}
            await settled(kiosk, request)
            assert await kiosk.heard() == []


async def test_a_kiosk_that_was_settled_elsewhere_is_not_asked_again(tmp_path: Path) -> None:
    """It may have forgotten by then: it would execute it a second time."""
    net = LocalNet()
    async with fleet(tmp_path, 3, net=net, kiosk_reconnect_grace=PATIENCE) as (one, two, three):
        async with one.kiosk() as kiosk:
            asked = one.sending({"amount": 1}, header_timeout="50")
            request = await kiosk.request()
            net.lose(Answered, Carry)
            await kiosk.cut()
        async with two.kiosk() as kiosk:
            await seen(one, three, at=two)
            await kiosk.answer(request, {"paid": 1})
            await settled(kiosk, request)
            await kiosk.cut()
        net.found()
        async with one.kiosk() as kiosk:
            assert (await asked).json() == {"paid": 1}
            assert await kiosk.heard() == []
        async with three.kiosk() as kiosk:
            assert await kiosk.heard() == []


async def test_a_kiosk_that_was_settled_elsewhere_while_nobody_heard_of_it_is_not_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud.operations.afar._WHILE_DOWN", 60.0)
    net = LocalNet()
    async with fleet(tmp_path, net=net, kiosk_reconnect_grace=PATIENCE) as (one, two):
        async with one.kiosk() as kiosk:
            asked = one.sending({"amount": 1}, header_timeout="50")
            request = await kiosk.request()
            net.down()
            await kiosk.cut()
        async with two.kiosk() as kiosk:
            await kiosk.answer(request, {"paid": 1})
            await settled(kiosk, request)
            await kiosk.cut()
        async with one.kiosk() as kiosk:
            assert (await asked).json() == {"paid": 1}
            assert await kiosk.heard() == []


async def test_what_is_told_at_a_hub_that_does_not_carry_it_reaches_the_caller(tmp_path: Path) -> None:
    net = LocalNet()
    async with fleet(tmp_path, net=net, kiosk_reconnect_grace=PATIENCE) as (one, two):
        async with one.kiosk() as kiosk:
            asked = one.sending({"amount": 1}, header_timeout="50")
            request = await kiosk.request()
            net.lose(Carry)
            await kiosk.cut()
        async with two.kiosk() as kiosk:
            await kiosk.answer(request, {"paid": 1})
            assert (await asked).json() == {"paid": 1}
            await settled(kiosk, request)
        assert await row(one, request["request_id"]) == ("succeeded", "yes", "")
        assert "Whose" in errands(net)


async def test_what_came_from_the_queue_follows_its_kiosk(tmp_path: Path) -> None:
    async with fleet(tmp_path, net=LocalNet()) as (one, two):
        async with two.kiosk() as kiosk:
            await seen(one)
            queued = await one.send({"amount": 1}, header_delivery="queue", header_timeout="60")
            assert queued.status_code == 202
            request = await kiosk.request()
            await kiosk.cut()
        async with one.kiosk() as kiosk:
            again = await kiosk.request()
            assert (again["request_id"], again["body"]) == (request["request_id"], {"amount": 1})
            await kiosk.answer(again, {"paid": 1})
            await settled(kiosk, request)
            assert await kiosk.heard() == []
            assert await row(one, request["request_id"]) == ("succeeded", "yes", "")


async def test_one_that_is_cut_off_while_it_tells_tells_it_elsewhere(tmp_path: Path) -> None:
    """Its outcome is with the owner already: at the next hub it is settled, and not asked for."""
    net = LocalNet()
    async with fleet(tmp_path, 3, net=net, kiosk_reconnect_grace=PATIENCE) as (one, two, three):
        async with two.kiosk() as kiosk:
            await seen(one)
            net.lose(Settle)
            asked = one.sending({"amount": 1})
            request = await kiosk.request()
            await kiosk.answer(request, {"paid": 1})
            assert (await asked).json() == {"paid": 1}
            await kiosk.cut()
        async with three.kiosk() as kiosk:
            assert await kiosk.heard() == []
            await kiosk.answer(request, {"paid": 1})
            await settled(kiosk, request)
        await until(lambda: len(two.services.operations._carrying) == len(three.services.operations._carrying) == 0)
        assert await row(one, request["request_id"]) == ("succeeded", "yes", "")


async def test_a_v1_client_that_moves_gets_nothing_twice_and_its_answer_counts(tmp_path: Path) -> None:
    net = LocalNet()
    async with fleet(tmp_path, net=net, kiosk_reconnect_grace=PATIENCE) as (one, two):
        async with two.v1_kiosk() as kiosk:
            await seen(one)
            asked = one.sending({"amount": 1}, header_timeout="50")
            frame = await kiosk.hear()
            await kiosk.cut()
        await until(lambda: one.services.operations._elsewhere.get("kiosk_001") is None)
        async with one.v1_kiosk() as kiosk:
            assert await kiosk.heard() == []
            await kiosk.say_raw(f'{{"request_id": "{frame["request_id"]}", "paid": true}}')
            assert (await asked).json() == {"paid": True}
            assert await kiosk.heard() == []


async def test_a_kiosk_that_comes_back_without_its_journal_is_not_asked(tmp_path: Path) -> None:
    net = LocalNet()
    async with fleet(tmp_path, 3, net=net, kiosk_reconnect_grace=PATIENCE) as (one, two, three):
        async with two.kiosk() as kiosk:
            await seen(one)
            asked = one.sending({"amount": 1}, key="pay-1", header_timeout="50")
            request = await kiosk.request()
            await kiosk.cut()
        async with three.kiosk(journal="journal-2") as kiosk:
            answer = await asked
            assert (problem_of(answer), answer.json()["outcome"]) == ("interrupted", "unknown")
            assert await kiosk.heard() == []
            await one.idle()
            assert await row(one, request["request_id"]) == ("unknown", "unknown", "interrupted")


async def test_a_kiosk_that_does_not_come_back_is_lost_after_the_grace(tmp_path: Path) -> None:
    net = LocalNet()
    async with fleet(tmp_path, net=net, kiosk_reconnect_grace=0.3) as (one, two):
        async with two.kiosk() as kiosk:
            await seen(one)
            asked = one.sending({"amount": 1}, header_timeout="50")
            request = await kiosk.request()
            await kiosk.cut()
        answer = await asked
        assert (problem_of(answer), answer.json()["outcome"]) == ("kiosk-lost", "unknown")
        await one.idle()
        # It executed it all the same, and tells it at another hub.
        async with two.kiosk() as kiosk:
            again = await kiosk.request()
            assert (again["request_id"], again["start_within"]) == (request["request_id"], 0.0)
            await kiosk.answer(again, {"paid": 1})
            await settled(kiosk, request)
        assert await row(one, request["request_id"]) == ("succeeded", "yes", "")
        assert "Lost" in errands(net)


async def test_an_answer_after_the_deadline_is_stored(tmp_path: Path) -> None:
    net = LocalNet()
    async with fleet(tmp_path, net=net) as (one, two), two.kiosk() as kiosk:
        await seen(one)
        for lost in (False, True):
            if lost:
                net.lose(Drop)
            asked = one.sending({"amount": 1})
            request = await kiosk.request()
            one.out_of_time(request["request_id"])
            answer = await asked
            assert (problem_of(answer), answer.json()["outcome"]) == ("timeout", "unknown")
            await one.idle()
            await kiosk.answer(request, {"paid": 1})
            await settled(kiosk, request)
            assert await row(one, request["request_id"]) == ("succeeded", "yes", "")


async def test_what_another_hub_began_with_the_same_key_meanwhile_is_not_told_as_not_executed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with fleet(tmp_path, net=LocalNet()) as (one, two), one.kiosk() as kiosk, kiosk.serving() as executed:
        await seen(two)

        async def nobody_there(_order: object, _operation: object) -> None:
            assert (await one.send({"amount": 1}, key="pay-1")).status_code == 200
            raise Refused("kiosk-offline", "kiosk kiosk_001 is not connected", retry_after=10)

        monkeypatch.setattr(two.services.operations, "_reach", nobody_there)
        answer = await two.send({"amount": 1}, key="pay-1")
        assert (answer.status_code, answer.json(), len(executed)) == (200, {"echo": {"amount": 1}}, 1)

        # The same where the database fails before it can say whose the key is.
        async def written_elsewhere(_operation: object) -> None:
            raise StorageError("the database is away")

        monkeypatch.undo()
        monkeypatch.setattr(two.services.store, "claim", written_elsewhere)
        assert problem_of(await two.send({"amount": 2}, key="pay-2")) == "key-unchecked"
