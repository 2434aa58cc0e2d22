"""Outcomes nobody waits for: after a restart of the hub, from a kiosk's memory alone, from a kiosk without memory."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from cloud.operations.operation import Operation, State
from tests.cloud.hub import PATIENCE, Json, Kiosk, Running, broken, rows, running, until
from tests.cloud.operations.test_service import next_is_only_the_new_one
from tests.cloud.web.test_send import problem_of


async def leave_in_the_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, journal: str = "journal-1") -> Json:
    """A hub that is stopped while a kiosk executes; returns what the kiosk was asked."""
    monkeypatch.setattr("cloud.app._FINISH_WITHIN", 0.1)
    async with running(tmp_path) as hub, hub.kiosk(journal=journal) as kiosk:
        asked = hub.sending({"amount": 1}, key="pay-1")
        request = await kiosk.request()
    assert problem_of(await asked) == "timeout"
    return request


async def test_after_a_restart_the_kiosk_is_asked_what_became_of_it_and_starts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = await leave_in_the_middle(tmp_path, monkeypatch)
    async with running(tmp_path) as hub:
        assert (await hub.operation(request["request_id"]))["state"] == "unknown"
        async with hub.kiosk() as kiosk:
            again = await kiosk.request()
            # A question needs no body.
            assert (request["request_id"], {}, 0.0) == (
                again["request_id"],
                again["body"],
                again.get("start_within", 0.0),
            )
            await kiosk.answer(again, {"paid": True})
            await kiosk.hear("settled")
            assert (await hub.send({"amount": 1}, key="pay-1")).json() == {"paid": True}


async def test_after_a_restart_a_kiosk_that_never_started_it_makes_it_expired(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = await leave_in_the_middle(tmp_path, monkeypatch)
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        await kiosk.refuse(await kiosk.request(), "expired")
        await kiosk.hear("settled")
        found = await hub.operation(request["request_id"])
        assert (found["state"], found["executed"], found["final"]) == ("expired", "no", True)
        again = await hub.send({"amount": 1}, key="pay-1")
        assert (problem_of(again), "true") == ("expired", again.headers["idempotent-replayed"])


async def test_a_kiosk_whose_journal_went_back_is_not_believed(tmp_path: Path) -> None:
    """A disk that lied, or a copied image: the journal's name is the same, and what it accepted is not in it."""
    async with running(tmp_path, kiosk_reconnect_grace=PATIENCE) as hub:
        async with hub.kiosk() as kiosk:
            asked = hub.sending({"amount": 1}, key="pay-1")
            request = await kiosk.request()
            await kiosk.say("accepted", request_id=request["request_id"])
            await hub.operation_in(request["request_id"], "accepted")
        async with hub.kiosk() as kiosk:
            again = await kiosk.request()
            assert (again["request_id"], again.get("start_within", 0.0)) == (request["request_id"], 0.0)
            await kiosk.refuse(again, "expired")
            await kiosk.hear("settled")
        answer = await asked
        assert (problem_of(answer), answer.json()["outcome"]) == ("interrupted", "unknown")
        assert (await hub.operation(request["request_id"]))["state"] == "unknown"
        assert await hub.metric("kioskwire_operations_orphaned_total") == 1


async def test_a_kiosk_whose_journal_went_back_is_not_believed_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same, when nobody waits any more."""
    monkeypatch.setattr("cloud.app._FINISH_WITHIN", 0.1)
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        asked = hub.sending({"amount": 1}, key="pay-1")
        request = await kiosk.request()
        await kiosk.say("accepted", request_id=request["request_id"])
        await hub.operation_in(request["request_id"], "accepted")
    await asked
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        again = await kiosk.request()
        assert again.get("start_within", 0.0) == 0.0
        await kiosk.refuse(again, "expired")
        await kiosk.hear("settled")
        found = await hub.operation(request["request_id"])
        assert (found["state"], found["executed"], found["problem"]["type"]) == ("unknown", "unknown", "interrupted")


async def test_after_a_restart_a_kiosk_without_that_journal_is_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = await leave_in_the_middle(tmp_path, monkeypatch, journal="before")
    async with running(tmp_path) as hub, hub.kiosk(journal="after") as kiosk:
        await until(lambda: rows(tmp_path, "SELECT 1 FROM operations WHERE problem = 'interrupted'"))
        await next_is_only_the_new_one(hub, kiosk)
        found = await hub.operation(request["request_id"])
        assert (
            found["state"],
            found["executed"],
            found["problem"]["type"],
        ) == ("unknown", "unknown", "interrupted")


async def test_an_outcome_the_hub_never_stored_anything_of_makes_the_operation(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        await kiosk.answer({"request_id": "only-at-the-kiosk", "operation": "payment"}, {"paid": True})
        assert await kiosk.hear() == {"type": "settled", "request_id": "only-at-the-kiosk"}
        found = await hub.operation("only-at-the-kiosk")
        assert (
            found["kiosk"],
            found["operation"],
            found["state"],
            found["answer"]["body"],
        ) == ("kiosk_001", "payment", "succeeded", {"paid": True})


async def test_an_outcome_whose_ids_have_no_form_is_not_stored(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        for request_id, operation in (("../etc", "payment"), ("x" * 65, "payment"), ("good-enough-id", "a b")):
            await kiosk.answer({"request_id": request_id, "operation": operation})
        await next_is_only_the_new_one(hub, kiosk)
        assert [item["operation"] for item in await hub.operations()] == ["new"]


class SlowRead:
    """Holds back what the store found unanswered until the test lets it go."""

    def __init__(self, hub: Running, monkeypatch: pytest.MonkeyPatch) -> None:
        self.read, self.go = asyncio.Event(), asyncio.Event()
        self._unanswered = hub.services.store.unanswered
        monkeypatch.setattr(type(hub.services.store), "unanswered", self)

    async def __call__(self, *args: Any) -> Any:
        found = await self._unanswered(*args)
        self.read.set()
        await self.go.wait()
        return found


async def test_what_a_kiosk_answers_while_the_store_is_read_is_not_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A queued one would still be in time, and the kiosk that was told `settled` would execute it once more."""
    async with running(tmp_path) as hub:
        async with hub.kiosk() as kiosk:
            await hub.send(header_delivery="queue")
            request = await kiosk.request()
        await hub.gone()
        slow = SlowRead(hub, monkeypatch)
        async with hub.kiosk() as kiosk:
            await slow.read.wait()
            assert (await kiosk.request())["request_id"] == request["request_id"]
            await kiosk.answer(request)
            await kiosk.hear("settled")
            await hub.idle()
            slow.go.set()
            await next_is_only_the_new_one(hub, kiosk)


async def test_a_late_outcome_while_the_store_is_read_is_not_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = await leave_in_the_middle(tmp_path, monkeypatch)
    async with running(tmp_path) as hub:
        slow = SlowRead(hub, monkeypatch)
        async with hub.kiosk() as kiosk:
            await slow.read.wait()
            await kiosk.answer(request, {"paid": True})
            await kiosk.hear("settled")
            slow.go.set()
            await next_is_only_the_new_one(hub, kiosk)


# Batches.


async def tell(kiosk: Kiosk, *request_ids: str, more: bool = True) -> None:
    given = {"operation": "payment", "executed": "yes", "status": 200}
    await kiosk.say("responses", responses=[{"request_id": name, **given} for name in request_ids], more=more)


async def leave_unanswered(hub: Running, count: int) -> list[str]:
    """Operations that were sent to the kiosk, of which it never said anything; returns their ids, oldest first."""
    names = [f"unanswered-{n:04}" for n in range(count)]
    for n, name in enumerate(names):
        times = {"created_at": 1000.0 + n // 3, "sent_at": 1000.0 + n // 3}
        operation = Operation(
            request_id=name, kiosk_id="kiosk_001", operation="payment", method="POST", state=State.UNKNOWN,
            journal="journal-1", body=b'{"amount":1}', **times,
        )  # fmt: skip
        future = hub.services.store.put(operation)
    await future
    return names


async def test_outcomes_told_together_are_stored_in_order_and_settled_together(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        names = await leave_unanswered(hub, 100)
        async with hub.kiosk(batch=256) as kiosk:
            await tell(kiosk, *names[:70], "only-at-the-kiosk", *names[70:])
            expected = [*names[:70], "only-at-the-kiosk", *names[70:]]
            assert sorted((await kiosk.hear("all_settled"))["request_ids"]) == sorted(expected)
            order = rows(tmp_path, "SELECT request_id FROM operations WHERE final ORDER BY finished_at, rowid")
            told = [name for (name,) in order if name in names]
            assert told == names
            await tell(kiosk, *names)  # the settling was lost
            assert sorted((await kiosk.hear("all_settled"))["request_ids"]) == names


async def test_a_kiosk_that_tells_by_itself_is_asked_for_the_rest_when_it_has_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud.operations.settling.REPEAT_AFTER", 100.0)  # not for its silence
    async with running(tmp_path) as hub:
        names = await leave_unanswered(hub, 3)
        async with hub.kiosk(batch=256) as kiosk:
            await tell(kiosk, *names[:2])
            await kiosk.hear("all_settled")
            assert await kiosk.heard() == []
            await tell(kiosk, more=False)
            assert (await kiosk.request())["request_id"] == names[2]


async def test_a_kiosk_that_says_no_end_is_asked_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloud.operations.settling.REPEAT_AFTER", 0.1)
    async with running(tmp_path) as hub:
        (name,) = await leave_unanswered(hub, 1)
        async with hub.kiosk(batch=256) as kiosk:
            assert (await kiosk.request())["request_id"] == name


async def test_a_kiosk_is_asked_for_all_it_never_answered_however_much_that_is(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        names = await leave_unanswered(hub, 700)
        async with hub.kiosk() as kiosk:
            asked = []
            while len(asked) < len(names):
                request = await kiosk.hear()
                if request["type"] != "request":
                    continue
                asked.append(request["request_id"])
                assert hub.services.links.get("kiosk_001").session.outstanding <= 64  # type: ignore[union-attr]
                await kiosk.refuse(request, "expired")
            assert asked == names
            await until(lambda: rows(tmp_path, "SELECT count(*) FROM operations WHERE state = 'expired'") == [(700,)])


async def test_what_takes_its_time_at_the_kiosk_does_not_keep_the_rest_from_being_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud.operations.settling.REPEAT_AFTER", 0.1)
    async with running(tmp_path) as hub:
        names = await leave_unanswered(hub, 100)
        async with hub.kiosk() as kiosk:
            assert [(await kiosk.request())["request_id"] for _ in names] == names


async def test_outcomes_that_could_not_be_stored_are_not_settled(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        names = await leave_unanswered(hub, 3)
        async with hub.kiosk(batch=256) as kiosk:
            async with broken(tmp_path, "operations"):
                await tell(kiosk, *names)
                await until(lambda: not hub.services.operations._settling._late)
                assert await kiosk.heard() == []
            await tell(kiosk, *names)
            assert sorted((await kiosk.hear("all_settled"))["request_ids"]) == names


async def test_a_batch_is_stored_behind_the_one_before_it_however_long_that_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path) as hub:
        names = await leave_unanswered(hub, 20)
        find, go = hub.services.store.find_all, asyncio.Event()

        async def slow(request_ids: list[str]) -> Any:
            if names[0] in request_ids:
                await go.wait()
            return await find(request_ids)

        monkeypatch.setattr(hub.services.store, "find_all", slow)
        async with hub.kiosk(batch=256) as kiosk:
            await tell(kiosk, *names[:10])
            await tell(kiosk, *names[10:])
            assert await kiosk.heard() == []
            go.set()
            told = [
                *(await kiosk.hear("all_settled"))["request_ids"],
                *(await kiosk.hear("all_settled"))["request_ids"],
            ]
            assert told == names
    order = rows(tmp_path, "SELECT request_id FROM operations ORDER BY finished_at, rowid")
    assert [name for (name,) in order] == names


# Another box, and too much of what nobody asked for.


async def test_a_box_that_comes_back_is_asked_for_what_another_one_could_not_know(tmp_path: Path) -> None:
    async with running(tmp_path, kiosk_reconnect_grace=PATIENCE) as hub:
        async with hub.kiosk(journal="one") as one:
            asked = hub.sending({"amount": 1}, key="pay-1")
            request = await one.request()
            await one.cut()
        await hub.gone()
        async with hub.kiosk(journal="two", boot_id="boot-2") as two:
            assert problem_of(await asked) == "interrupted"
            assert await two.heard() == []
            assert await hub.metric("kioskwire_operations_orphaned_total") == 1
        await hub.gone()
        await hub.idle()
        async with hub.kiosk(journal="one") as one:
            again = await one.request()
            assert (again["request_id"], again.get("start_within", 0.0)) == (request["request_id"], 0.0)
            await one.answer(again, {"paid": True})
            await one.hear("settled")
        assert (await hub.operation(request["request_id"]))["state"] == "succeeded"
        await hub.gone()
        async with hub.kiosk(journal="two") as two:
            assert await two.heard() == []


async def test_what_the_kiosk_itself_cannot_tell_is_not_asked_again(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        async with hub.kiosk() as kiosk:
            asked = hub.sending()
            await kiosk.refuse(await kiosk.request(), "interrupted", "unknown")
            await asked
            await kiosk.hear("settled")
        await hub.gone()
        async with hub.kiosk() as kiosk:
            await next_is_only_the_new_one(hub, kiosk)


async def test_outcomes_of_what_was_never_asked_are_taken_so_fast_and_the_rest_is_left_to_the_kiosk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud.operations.settling._UNASKED_KIB", 40)
    monkeypatch.setattr("cloud.operations.settling._UNASKED_KIB_PER_S", 0.001)  # none, while this machine stands still
    async with running(tmp_path) as hub:
        known = await leave_unanswered(hub, 3)
        async with hub.kiosk() as kiosk:
            for _ in known:
                await kiosk.request()
            names = [f"made-up-{n:04}" for n in range(60)]
            waiting = set(names)
            for name in names:
                await kiosk.answer({"request_id": name, "operation": "payment"})
            await kiosk.answer({"request_id": known[0], "operation": "payment"})  # the hub asked for this one
            settled = {message["request_id"] for message in await kiosk.heard()}
            while known[0] not in settled:
                settled.add((await kiosk.hear("settled"))["request_id"])
            waiting -= settled
            assert waiting
            assert await hub.metric("kioskwire_kiosk_outcomes_put_off_total") >= len(waiting)
            assert not {row[0] for row in rows(tmp_path, "SELECT request_id FROM operations")} & waiting
            # It tells them until they are taken.
            monkeypatch.setattr(hub.services.operations.settling._unasked, "_rate", 20.0)
            while waiting:
                name = min(waiting)
                await kiosk.answer({"request_id": name, "operation": "payment"})
                waiting -= {message["request_id"] for message in await kiosk.heard()}
            assert rows(tmp_path, "SELECT count(*) FROM operations WHERE request_id LIKE 'made-up-%'") == [(60,)]


async def test_large_outcomes_of_what_was_never_asked_count_for_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud.operations.settling._UNASKED_KIB", 100)
    monkeypatch.setattr("cloud.operations.settling._UNASKED_KIB_PER_S", 0.001)
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        for n in range(3):
            await kiosk.answer({"request_id": f"made-up-{n}", "operation": "payment"}, {"padding": "x" * 40_000})
        await until(lambda: len(rows(tmp_path, "SELECT 1 FROM operations")) == 2)
        assert [message["type"] for message in await kiosk.heard()] == ["settled", "settled"]
