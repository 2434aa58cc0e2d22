"""What operations do with a target that takes a while: progress, wishes to end, questions after a cut."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from appliance.health.metrics import Metrics
from appliance.journal import Journal
from appliance.operations import Operations
from appliance.operations.operation import State
from appliance.routes import Route
from appliance.screen import Screen
from appliance.targets import Answered, Ask, NeverGot, NoAnswer, Result, Target, Targets
from tests.appliance.desk.rooms import Till, paid
from tests.appliance.quick import quick
from tests.appliance.worlds import Told, journal, request, route, table, until
from wire.messages import Executed, Response

CASH = route("", "cash", concurrency=1)


class One(Targets):
    """A single target, whatever the route."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.cut_off: list[tuple[str, Route | None]] = []

    def of(self, route: Route) -> Target:
        return self.target

    async def of_cut_off(self, request_id: str, route: Route | None) -> Target | None:
        self.cut_off.append((request_id, route))
        return self.target

    def forget(self) -> None:
        pass


class Here:
    """Operations over one target."""

    def __init__(self, memory: Journal, target: Target) -> None:
        self.targets, self.told, self.screen = One(target), Told(), Screen()
        self.operations = Operations(
            journal=memory, targets=self.targets, routes=table(CASH), metrics=Metrics("test"), screen=self.screen
        )
        self.operations.listen(self.told)


@asynccontextmanager
async def here(directory: Path, target: Target) -> AsyncIterator[Here]:
    async with journal(directory) as memory:
        kiosk = Here(memory, target)
        await kiosk.operations.start()
        try:
            yield kiosk
        finally:
            await kiosk.operations.stop()


def problem(response: Response) -> tuple[Executed, str]:
    assert response.error is not None
    return response.executed, response.error.type


class Session(Till):
    """One that ends when it is cancelled, but hears of it only once it has told something."""

    def __init__(self, *, deaf: bool = False) -> None:
        super().__init__()
        self.deaf = deaf
        self.ended = asyncio.Event()

    async def run(self, ask: Ask) -> Result:
        self.taken.append(ask.request_id)
        ask.tell({"stage": "opening"})
        await asyncio.sleep(0.02)
        self.deaf = False
        ask.tell({"stage": "collecting", "collected": 0})
        await self.ended.wait()
        return paid(status="cancelled", reason=self.cancelled[-1][1])

    def cancel(self, request_id: str, reason: str) -> bool:
        if self.deaf:
            return False
        super().cancel(request_id, reason)
        self.ended.set()
        return True


@quick
async def test_progress_goes_to_the_hub_and_to_the_screen(tmp_path: Path) -> None:
    session = Session()
    async with here(tmp_path, session) as kiosk:
        with kiosk.screen.watch() as watcher:
            kiosk.operations.request(request(operation="cash"))
            await until(lambda: len(kiosk.told.progresses) == 2)
            assert kiosk.told.progresses[1] == ("request-1", {"stage": "collecting", "collected": 0})
            kiosk.operations.cancel("request-1")
            response = await kiosk.told.first()
            news = [await watcher.get() for _ in range(3)]
    assert [item.get("stage") for item in news[:2]] == ["opening", "collecting"]
    assert news[0] == {"type": "operation", "id": "request-1", "operation": "cash", "stage": "opening"}
    assert (news[2]["over"], news[2]["executed"]) == (True, "yes")
    assert msgspec.json.decode(response.body)["reason"] == "hub"


@quick
async def test_who_stands_before_it_cancels_what_runs_there(tmp_path: Path) -> None:
    async with here(tmp_path, Session()) as kiosk:
        assert kiosk.operations.cancel_here() == []
        kiosk.operations.request(request(operation="cash"))
        await until(lambda: len(kiosk.told.progresses) == 2)
        assert kiosk.operations.cancel_here("request-2") == []
        assert kiosk.operations.cancel_here() == ["request-1"]
        assert msgspec.json.decode((await kiosk.told.first()).body)["reason"] == "customer"


@quick
async def test_a_wish_that_came_too_early_is_heard_as_soon_as_it_can_be(tmp_path: Path) -> None:
    session = Session(deaf=True)
    async with here(tmp_path, session) as kiosk:
        kiosk.operations.request(request(operation="cash"))
        await until(lambda: session.taken)
        kiosk.operations.cancel("request-1")
        response = await kiosk.told.first()
    assert response.executed is Executed.YES
    assert session.cancelled == [("request-1", "hub")]


@quick
async def test_what_is_cancelled_while_it_is_written_down_is_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = Session()
    async with here(tmp_path, session) as kiosk:
        begin, written = Journal.begin, asyncio.Event()

        async def slow(*arguments: object) -> object:
            known = await begin(*arguments)  # type: ignore[arg-type]
            await written.wait()
            return known

        monkeypatch.setattr(Journal, "begin", slow)
        kiosk.operations.request(request(operation="cash"))
        await until(lambda: kiosk.operations.count(State.STARTING))
        kiosk.operations.cancel("request-1")
        written.set()
        assert problem(await kiosk.told.first()) == (Executed.NO, "cancelled")
    assert session.taken == []


@quick
async def test_a_session_goes_on_when_its_route_has_gone(tmp_path: Path) -> None:
    async with here(tmp_path, Session()) as kiosk:
        kiosk.operations.request(request(operation="cash"))
        await until(lambda: len(kiosk.told.progresses) == 2)
        kiosk.operations.reroute(table(route("", "other")))
        kiosk.operations.cancel("request-1")
        assert (await kiosk.told.first()).executed is Executed.YES
        kiosk.operations.request(request("request-2", operation="cash"))
        assert problem(await kiosk.told.first("request-2")) == (Executed.NO, "unknown-operation")


@quick
async def test_stopping_ends_a_session(tmp_path: Path) -> None:
    session = Session()
    async with here(tmp_path, session) as kiosk:
        kiosk.operations.request(request(operation="cash"))
        await until(lambda: len(kiosk.told.progresses) == 2)
        await kiosk.operations.stop()
        (response,) = kiosk.told.outcomes
    assert msgspec.json.decode(response.body)["reason"] == "the appliance stops"


@quick
async def test_what_a_target_does_not_understand_is_a_bad_request(tmp_path: Path) -> None:
    till = Till()
    till.mistakes = "amount: is missing; right would be minor units"
    async with here(tmp_path, till) as kiosk:
        kiosk.operations.request(request(operation="cash"))
        response = await kiosk.told.first()
    assert problem(response) == (Executed.NO, "bad-request")
    assert response.error is not None
    assert response.error.detail == till.mistakes
    assert till.taken == []


@pytest.mark.parametrize("word", ["gateway-unreachable", "device-fault", "kiosk-storage"])
@quick
async def test_why_nothing_happened_is_the_targets_word(tmp_path: Path, word: str) -> None:
    async with here(tmp_path, Till(NeverGot("the register is asleep", word))) as kiosk:
        kiosk.operations.request(request(operation="cash"))
        assert problem(await kiosk.told.first()) == (Executed.NO, word)


@quick
async def test_what_was_cut_off_is_asked_of_who_can_tell(tmp_path: Path) -> None:
    till = Till()
    till.hold = asyncio.Event()
    async with journal(tmp_path) as memory:
        kiosk = Here(memory, till)
        kiosk.operations.request(request(operation="cash"))
        await until(lambda: till.taken)
        task = next(iter(kiosk.operations._live.values())).task
        assert task is not None
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    till.found = paid()
    async with here(tmp_path, till) as kiosk:
        response = await kiosk.told.first()
        assert kiosk.targets.cut_off == [("request-1", CASH)]
    assert (response.executed, response.status) == (Executed.YES, 200)
    assert till.taken == ["request-1"]


@quick
async def test_a_target_that_cannot_tell_after_a_lost_answer_leaves_it_unknown(tmp_path: Path) -> None:
    async with here(tmp_path, Till(NoAnswer("the line went dead"))) as kiosk:
        kiosk.operations.request(request(operation="cash"))
        assert problem(await kiosk.told.first()) == (Executed.UNKNOWN, "timeout")


@quick
async def test_a_lost_answer_is_found_out_by_the_same_target(tmp_path: Path) -> None:
    till = Till(NoAnswer("the line went dead"), found=paid())
    async with here(tmp_path, till) as kiosk:
        kiosk.operations.request(request(operation="cash"))
        response = await kiosk.told.first()
    assert isinstance(till.found, Answered)
    assert bytes(response.body) == bytes(till.found.body)
