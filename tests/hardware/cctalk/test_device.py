"""What all devices have in common."""

import itertools

import pytest

from hardware.cctalk.counted import poll_interval
from hardware.cctalk.protocol import BusProtocol
from hardware.events import DeviceState
from tests.hardware.cctalk.schedules import World


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [(b"\x02\x14", 0.2), (b"\x02\x32", 0.2), (b"\x02\x05", 0.05), (b"\x01\x01", 0.03), (b"\x00\xff", 0.2), (None, 0.2),
     (b"\x02", 0.2), (b"\x03\x01", 0.2), (b"\x02\x00", 0.2)],
)  # fmt: skip
def test_how_often_it_is_asked(answer: bytes | None, seconds: float) -> None:
    assert poll_interval(answer) == seconds


def test_a_mistake_in_one_script_is_told_and_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(("coins", "hopper"))
    world.enable()
    coins = world.conversation("coins")

    def fail(*, late: bool) -> object:
        raise ZeroDivisionError(late)

    monkeypatch.setattr(coins, "take_news", fail)
    world.duel.run(within_s=1)
    assert coins.status.code == "driver"
    assert world.conversation("hopper").is_up
    monkeypatch.undo()
    world.duel.run(within_s=12)
    assert coins.state is DeviceState.READY
    assert world.breaches() == [words for words in world.duel.said if "driver failed" in words]


def test_a_dead_device_is_looked_for_and_slows_nobody() -> None:
    world = World(("coins", "hopper"))
    world.enable()
    world.hand("cut", device="hopper")
    world.duel.run(within_s=5)
    begun = world.duel.now
    world.duel.run(within_s=30)
    polls = [at for at, who, data in world.duel.sent if who == "host" and data[3] == 229 and at > begun]
    assert max(later - at for at, later in itertools.pairwise(polls)) < 0.5
    assert isinstance(world.duel.protocol, BusProtocol)
    world.hand("restore", device="hopper")
    world.duel.run(within_s=8)
    assert world.conversation("hopper").is_up
