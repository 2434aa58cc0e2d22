"""What nobody has under way any more is asked for at a kiosk that is here, and stays, and only there."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cloud.errors import StorageError
from cloud.operations.errands import Carry
from cloud.operations.unheard import Rounds
from tests.cloud.fleet import fleet
from tests.cloud.hub import Running, until
from tests.cloud.local_bus import LocalNet
from tests.cloud.operations.test_carrying import row, seen, settled
from tests.cloud.operations.test_shared_queue import enqueue
from tests.cloud.web.test_send import problem_of

KIOSKS = ("kiosk_001", "kiosk_002", "kiosk_003")


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloud.operations.unheard._FOUND_FOR", 0.2)
    monkeypatch.setattr("cloud.operations.shared_queue._LOOK_EVERY", 0.2)
    monkeypatch.setattr("cloud.operations.shared_queue._RETRY", 0.05)
    monkeypatch.setattr("cloud.operations.unheard._RETRY", 0.05)


def test_it_is_due_after_five_seconds_and_once_on_each_connection() -> None:
    rounds, told = Rounds(), []
    for now, epoch in enumerate((7, 7, 7, 7, 8, 8, 8, 8)):
        told.append(rounds.is_due("a", epoch, now * 2.5))
        assert not rounds.is_due("a", epoch, now * 2.5), "twice in one round"
        rounds.over()
    assert told == [False, False, True, False, False, False, True, False]


def test_one_long_round_proves_nothing() -> None:
    rounds = Rounds()
    assert not rounds.is_due("a", 0, 0.0)
    assert not rounds.is_due("a", 0, 100.0)
    rounds.over()
    assert rounds.is_due("a", 0, 100.0)


def test_what_was_not_found_in_a_round_begins_anew() -> None:
    rounds = Rounds()
    for at in (0.0, 100.0):
        assert not rounds.is_due("a", 7, at)
        rounds.over()
        assert rounds.is_due("a", 7, at + 5)
        rounds.over()
        rounds.over()
    assert len(rounds) == 0


def test_no_more_are_remembered_than_may_be_and_the_rest_has_its_turn() -> None:
    rounds = Rounds(most=10)
    names = [str(number) for number in range(25)]
    asked: list[str] = []
    for number in range(7):
        due = [name for name in names if rounds.is_due(name, 7, number * 10.0)]
        assert len(rounds) <= 10
        asked += due
        names = [name for name in names if name not in due]  # their kiosks answer
        rounds.over()
    assert sorted(asked) == sorted(map(str, range(25)))


async def bury(dead: Running, by: Running) -> None:
    """As the others do when they find it dead; see tests/cloud/db/test_lives.py."""
    async with by.services.store._engine.begin() as connection:
        await by.services.store.bury(connection, dead.hub.bus.me, 0.0)


@pytest.mark.usefixtures("_impatient")
async def test_a_kiosk_that_stays_connected_is_asked_for_what_a_dead_hub_never_gave_it(tmp_path: Path) -> None:
    net = LocalNet()
    async with (
        fleet(tmp_path, net=net, kiosks=KIOSKS) as (one, two),
        two.kiosk("kiosk_001") as kiosk,
        two.kiosk("kiosk_002") as other,
        two.kiosk("kiosk_003") as third,
    ):
        await seen(one)
        await seen(one, kiosk="kiosk_002")
        net.lose(Carry)
        asked = [one.sending({"n": n}, key=f"pay-{n}", kiosk=KIOSKS[n], header_timeout="60") for n in (0, 1)]
        ids = [await until(lambda n=n: _id_of(one, f"pay-{n}")) for n in (0, 1)]
        net.cut(one.hub.bus)
        await bury(one, by=two)
        request = await kiosk.request()
        assert (request["request_id"], request.get("start_within", 0.0)) == (ids[0], 0.0)
        await kiosk.refuse(request, "expired")
        await settled(kiosk, request)
        again = await two.send({"n": 0}, key="pay-0", kiosk="kiosk_001")
        assert (problem_of(again), again.headers["idempotent-replayed"]) == ("expired", "true")
        request = await other.request()
        assert request["request_id"] == ids[1]
        await asyncio.sleep(1.0)  # many rounds: it takes its time, and is not asked again
        assert [await each.heard() for each in (kiosk, other, third)] == [[], [], []]
        await other.answer(request, {"paid": True})
        await settled(other, request)
        refused, paid = await asyncio.gather(*asked)  # the hub only seemed to be dead
        assert (problem_of(refused), paid.json()) == ("expired", {"paid": True})


def _id_of(hub: Running, key: str) -> str | None:
    """The operation's id, once it is claimed and given away."""
    running = hub.services.operations._books.with_key(key)
    return running.operation.request_id if running is not None and running.sent else None


@pytest.mark.usefixtures("_impatient")
async def test_a_taking_that_is_committed_after_the_hub_looked_is_found_and_the_kiosk_begins_it_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection breaks over the COMMIT, the row is seen waiting still, and then the server commits."""
    async with fleet(tmp_path, net=LocalNet()) as (one, two):
        rows = two.services.operations._shared._rows
        take, taken, doubts = rows.take, rows.taken, ["the connection was lost"]
        late: list[tuple[Any, str]] = []

        async def fail(some: Any, journal: str) -> dict[str, float]:
            if doubts:
                late.append((some, journal))
                raise StorageError(doubts.pop())
            return await take(some, journal)

        async def look(request_ids: list[str]) -> dict[str, float]:
            found = await taken(request_ids)
            if late:
                assert found == {}
                await take(*late.pop())
                return {}
            return found

        monkeypatch.setattr(rows, "take", fail)
        monkeypatch.setattr(rows, "taken", look)
        ids = [await enqueue(one, n, header_expires="1000") for n in range(2)]
        async with two.kiosk() as kiosk:
            requests = [await kiosk.request() for _ in ids]
            assert sorted(it["request_id"] for it in requests) == sorted(ids)
            assert all(900 < it["start_within"] <= 1000 for it in requests)
            for request in requests:
                await kiosk.answer(request)
            for each in ids:
                await one.operation_in(each, "succeeded")
            assert [it["type"] for it in await kiosk.heard()].count("request") == 0


@pytest.mark.usefixtures("_impatient")
async def test_what_a_hub_took_unseen_is_asked_for_wherever_its_kiosk_is(tmp_path: Path) -> None:
    """It never came: no word of it is in its hub's memory, and no hub died."""
    async with fleet(tmp_path, net=LocalNet()) as (one, two), two.kiosk() as kiosk:
        rows = one.services.operations._shared._rows
        two.services.operations._shared.closed = True  # nobody else takes it
        request_id = await enqueue(one, 1, header_expires="100")
        assert len(await rows.take(await rows.oldest("kiosk_001", 1), "journal-1")) == 1
        await one.operation_in(request_id, "unknown")
        two.services.operations._shared.closed = False
        request = await kiosk.request()
        assert (request["request_id"], request["start_within"] > 0) == (request_id, True)
        await kiosk.answer(request)
        await one.operation_in(request_id, "succeeded")


@pytest.mark.usefixtures("_impatient")
async def test_what_is_under_way_is_left_alone_however_long_it_takes(tmp_path: Path) -> None:
    async with fleet(tmp_path, net=LocalNet()) as (one, two), two.kiosk() as kiosk:
        await seen(one)
        asked = [one.sending({}, key="far"), two.sending({}, key="near")]
        requests = [await kiosk.request() for _ in asked]
        await asyncio.sleep(1.0)
        assert await kiosk.heard() == []
        assert {(await row(one, it["request_id"]))[0] for it in requests} == {"sent"}
        for request in requests:
            await kiosk.answer(request)
        assert {(await answer).status_code for answer in asked} == {200}


@pytest.mark.usefixtures("_impatient")
async def test_a_hub_that_stood_still_and_was_buried_looks_before_it_gives_what_it_had_claimed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its kiosk has said to another hub that it never got it, and may forget that."""
    monkeypatch.setattr("cloud.operations.carried._LATELY", 0.01)
    async with fleet(tmp_path, net=LocalNet()) as (one, two), two.kiosk() as kiosk:
        await seen(one)
        claim, goes_on = one.services.store.claim, asyncio.Event()

        async def stand_still(operation: Any) -> Any:
            found = await claim(operation)
            await goes_on.wait()
            one.services.operations._books.get(operation.request_id).started -= 45.0
            return found

        monkeypatch.setattr(one.services.store, "claim", stand_still)
        asked = one.sending({}, key="pay", header_timeout="100")
        await until(lambda: one.services.operations._books.with_key("pay"))
        await until(lambda: two.services.store.find_by_key("pay"))
        await bury(one, by=two)
        request = await kiosk.request()
        await kiosk.refuse(request, "expired")
        await settled(kiosk, request)
        await asyncio.sleep(0.1)
        goes_on.set()
        assert problem_of(await asked) == "expired"
        assert await kiosk.heard() == []


@pytest.mark.usefixtures("_impatient")
async def test_a_claim_that_is_committed_after_it_was_undone_holds_its_key_for_a_moment_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection breaks over the COMMIT, the row is deleted before it is there, and then the server commits."""
    async with fleet(tmp_path, net=LocalNet()) as (one, two), two.kiosk() as kiosk:
        await seen(one)
        store = one.services.store
        claim, release, late = store.claim, store.release, asyncio.get_running_loop().create_future()

        async def fail(operation: Any) -> Any:
            late.set_result(msgspec.structs.replace(operation))
            raise StorageError("the connection was lost")

        async def undo(request_id: str) -> None:
            await release(request_id)
            await claim(late.result())

        with monkeypatch.context() as patch:
            patch.setattr(store, "claim", fail)
            patch.setattr(store, "release", undo)
            assert problem_of(await one.sending({}, key="pay")) == "key-unchecked"
            request = await kiosk.request()
        assert (request["request_id"], request.get("start_within", 0.0)) == (late.result().request_id, 0.0)
        await kiosk.refuse(request, "expired")
        await settled(kiosk, request)
        assert problem_of(await two.send({}, key="pay")) == "expired"


async def test_a_kiosk_that_has_gone_meanwhile_is_not_asked_on_its_next_connection_for_what_was_found_before(
    tmp_path: Path,
) -> None:
    """It may have been asked, and told, at another hub in between, and have forgotten it."""
    async with fleet(tmp_path, net=LocalNet()) as (one, two):
        rows, settling = one.services.operations._shared._rows, two.services.operations.settling
        async with two.kiosk():
            two.services.operations._shared.closed = True
            request_id = await enqueue(one, 1, header_expires="100")
            await rows.take(await rows.oldest("kiosk_001", 1), "journal-1")
            await rows.give_up([request_id])
            link = two.services.links.get("kiosk_001")
        await until(lambda: not link.ready)
        await settling.ask_for({request_id: link})
        assert link.session.outstanding == 0
        assert settling._asking == []
