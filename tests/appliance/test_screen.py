"""What the kiosk's own screen is told, and what becomes of a listener that does not listen."""

import asyncio
from typing import Any

import msgspec
import pytest

from appliance.operations import outcomes
from appliance.screen import Overrun, Screen, Watcher
from appliance.targets import answer
from wire.messages import Response


async def heard(watcher: Watcher, count: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(5):
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
