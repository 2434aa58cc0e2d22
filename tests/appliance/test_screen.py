"""What the kiosk's own screen is told, and what becomes of a listener that does not listen."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from appliance.health.metrics import Metrics
from appliance.operations import Operations, outcomes
from appliance.operations.operation import State
from appliance.routes import Route
from appliance.screen import Overrun, Screen, Watcher
from appliance.targets import Answered, Ask, NeverGot, Target, Targets, answer
from tests.appliance.worlds import PATIENCE_S, journal, request, route, table, until
from wire.messages import Response


async def heard(watcher: Watcher, count: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(PATIENCE_S):
        return [await watcher.get() for _ in range(count)]


async def test_what_stands_comes_first_and_then_the_news() -> None:
    screen = Screen()
    screen.show("operation", "a", {"stage": "collecting", "collected": 0})
    screen.show("device", "bills", {"state": "ready"})
    screen.show("operation", "a", {"stage": "collecting", "collected": 500})
    with screen.watch() as watcher:
        screen.show("operation", "b", {"stage": "printing"})
        assert await heard(watcher, 3) == [
            {"type": "device", "id": "bills", "state": "ready"},
            {"type": "operation", "id": "a", "stage": "collecting", "collected": 500},
            {"type": "operation", "id": "b", "stage": "printing"},
        ]


async def test_an_end_is_told_once_and_only_of_what_was_shown() -> None:
    screen = Screen()
    with screen.watch() as watcher:
        screen.show("operation", "a", {"stage": "collecting"})
        screen.clear("operation", "a", {"status": 200})
        screen.clear("operation", "a", {"status": 500})
        screen.clear("operation", "never shown")
        screen.show("device", "bills", {"state": "ready"})
        assert (await heard(watcher, 3))[1:] == [
            {"type": "operation", "id": "a", "status": 200, "over": True},
            {"type": "device", "id": "bills", "state": "ready"},
        ]
    assert not screen.stands("operation", "a")


async def test_a_listener_that_does_not_listen_learns_that_it_missed_something() -> None:
    screen = Screen()
    with screen.watch() as slow, screen.watch() as quick:
        for number in range(1000):
            screen.show("device", "bills", {"state": str(number)})
            assert (await heard(quick, 1))[0]["state"] == str(number)
        for _ in range(2):
            with pytest.raises(Overrun):
                await slow.get()


async def test_many_operations_do_not_push_the_devices_out() -> None:
    screen = Screen()
    screen.show("device", "bills", {"state": "ready"})
    for number in range(5000):
        screen.show("operation", str(number), {"stage": "calling"})
    with screen.watch() as watcher:
        standing = await heard(watcher, 101)
    assert [news["id"] for news in standing if news["type"] == "device"] == ["bills"]
    assert standing[-1]["id"] == "4999"


def test_an_end_shows_the_result_unless_it_is_too_long() -> None:
    done = outcomes.answered("a", "cash", answer({"status": "paid", "collected": 500}), 1.0)
    shown = outcomes.shown(done)
    assert msgspec.json.decode(msgspec.json.encode(shown)) == {
        "executed": "yes", "status": 200, "result": {"status": "paid", "collected": 500},
    }  # fmt: skip
    assert "result" not in outcomes.shown(outcomes.answered("a", "cash", answer({"text": "x" * 9000}), 1.0))


@pytest.mark.parametrize(
    ("response", "executed"),
    [(outcomes.refused("a", "cash", "device-fault", "no paper", 1.0), "no"),
     (outcomes.unknown("a", "cash", "device-fault", "no paper", 1.0), "unknown")],
)  # fmt: skip
def test_an_end_without_an_answer_shows_why(response: Response, executed: str) -> None:
    assert outcomes.shown(response) == {"executed": executed, "problem": "device-fault", "detail": "no paper"}


class Teller(Target, Targets):
    """Tells what its request says, then ends so."""

    def of(self, route: Route) -> Target:
        return self

    def forget(self) -> None:
        pass

    def check(self, ask: Ask) -> None:
        pass

    async def run(self, ask: Ask) -> Answered | NeverGot:
        if ask.operation != "silent":
            ask.tell({"stage": "working"})
        return NeverGot("no paper", "device-fault") if ask.operation == "refusing" else answer({"status": "done"})


async def test_an_operation_is_shown_from_its_first_word_to_its_outcome(tmp_path: Path) -> None:
    screen, teller = Screen(), Teller()
    routes = table(*(route("http://127.0.0.1:1", name) for name in ("silent", "telling", "refusing")))
    async with journal(tmp_path) as memory:
        operations = Operations(
            journal=memory, targets=teller, routes=routes, metrics=Metrics("test"), screen=screen
        )  # fmt: skip
        await operations.start()
        with screen.watch() as watcher:
            for name in ("silent", "telling", "refusing"):
                operations.request(request(name, name))
                await until(lambda: not operations.count(*State))
            told = msgspec.json.decode(msgspec.json.encode(await heard(watcher, 4)))
        await operations.stop()
    assert told == [
        {"type": "operation", "id": "telling", "operation": "telling", "stage": "working"},
        {"type": "operation", "id": "telling", "operation": "telling", "executed": "yes", "status": 200,
         "result": {"status": "done"}, "over": True},
        {"type": "operation", "id": "refusing", "operation": "refusing", "stage": "working"},
        {"type": "operation", "id": "refusing", "operation": "refusing", "executed": "no", "problem": "device-fault",
         "detail": "no paper", "over": True},
    ]  # fmt: skip
