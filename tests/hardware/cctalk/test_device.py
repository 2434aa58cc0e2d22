"""What all devices have in common."""

import itertools

import pytest

from hardware.cctalk.counted import poll_interval
from hardware.cctalk.protocol import BusProtocol
from hardware.events import DeviceState
from tests.hardware.cctalk.schedules import World


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [(b"\x02\x14", 0.1), (b"\x02\x32", 0.2), (b"\x02\x08", 0.04), (b"\x02\x05", 0.03),
     (b"\x01\x01", 0.03), (b"\x00\xff", 0.2), (None, 0.2),
     (b"\x02", 0.2), (b"\x03\x01", 0.2), (b"\x02\x00", 0.2)],
)  # fmt: skip
def test_how_often_it_is_asked(answer: bytes | None, seconds: float) -> None:
    assert poll_interval(answer) == seconds


@pytest.mark.parametrize("gone", [("hopper",), ("hopper", "bills")])
def test_those_that_do_not_answer_slow_no_other_below_what_it_wants(gone: tuple[str, ...]) -> None:
    """But for the long look, once in a while."""
    world = World()
    world.enable()
    for name in gone:
        world.hand("cut", device=name)
    world.duel.run(within_s=5)
    began = len(world.duel.sent)
    world.duel.run(within_s=20)
    asked = [at for at, who, data in world.duel.sent[began:] if who == "host" and (data[0], data[3]) == (2, 229)]
    gaps = [after - before for before, after in itertools.pairwise(asked)]
    assert sum(gap > 0.21 for gap in gaps) <= 2 * len(gone)
    assert max(gaps) < 0.32


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
