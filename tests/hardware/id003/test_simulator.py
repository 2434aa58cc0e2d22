"""The validator in software keeps to the notes, and what is in it outlives its power."""

from typing import Any

import pytest

from hardware.id003.commands import SET_UP
from hardware.id003.frames import Frame, FrameReader, encode
from hardware.id003.simulator import Id003Simulator
from hardware.simulation.simulator import ControlError


class Bench:
    def __init__(self, memory: dict[str, Any] | None = None, **options: Any) -> None:
        self.ledger: list[str] = []
        self.memory = {} if memory is None else memory
        self.now = 0.0
        self.device = Id003Simulator(self.memory, lambda kind, figures: self.ledger.append(kind), **options)
        self.device.power_on(0.0)

    def say(self, code: int, *data: int) -> list[Frame]:
        answers = self.device.received(encode(Frame(code, bytes(data))), self.now)
        return FrameReader().feed(b"".join(answers))

    def status(self) -> int:
        return self.say(0x11)[0].code

    def wait(self, seconds: float = 2.0) -> None:
        until = self.now + seconds
        while self.device.wake_at is not None and self.device.wake_at <= until:
            self.now = self.device.wake_at
            self.device.wake(self.now)
        self.now = until

    def set_up(self) -> None:
        assert self.say(0x40) == [Frame(0x50)]
        self.wait()
        for command in SET_UP:
            data = b"\x00\x00" if len(command.sent) and command.code in (0xC0, 0xC1, 0xC5) else b"\x00"
            assert self.say(command.code, *data) == [Frame(command.code, data)]
        self.wait()
        assert self.status() == 0x11

    def to_escrow(self) -> None:
        self.set_up()
        self.device.control("insert", {"minor": "50000"}, self.now)
        assert self.status() == 0x12
        self.wait()
        assert self.say(0x11) == [Frame(0x13, b"\x63")]

    def cut(self) -> "Bench":
        self.device.power_off(self.now)
        return Bench(self.memory)


def test_from_power_to_vend_valid_and_on() -> None:
    bench = Bench()
    assert bench.status() == 0x40
    bench.to_escrow()
    assert bench.say(0x41) == [Frame(0x50)]
    assert bench.status() == 0x14
    bench.wait()
    assert [bench.status() for _ in range(3)] == [0x15] * 3
    assert bench.ledger == ["bill_stacked"]
    assert bench.say(0x50) == []
    assert bench.status() == 0x16
    bench.wait()
    assert bench.status() == 0x11


def test_a_note_goes_back() -> None:
    bench = Bench()
    bench.to_escrow()
    bench.say(0x43)
    assert bench.status() == 0x18
    bench.wait()
    assert bench.ledger == ["bill_returned"]


def test_an_unconfirmed_note_is_told_again_after_a_power_cut_and_falls_once() -> None:
    bench = Bench()
    bench.to_escrow()
    bench.say(0x42)
    bench.wait()
    again = bench.cut()
    assert again.status() == 0x42
    again.say(0x40)
    assert again.status() == 0x15
    assert again.ledger == []
    again.say(0x50)
    again.wait()
    assert again.status() == 0x1B


def test_power_cut_in_escrow_gives_back() -> None:
    bench = Bench()
    bench.to_escrow()
    again = bench.cut()
    assert again.status() == 0x41
    again.say(0x40)
    again.wait()
    assert again.ledger == ["bill_returned"]


def test_forged_and_refused_notes_are_rejected() -> None:
    bench = Bench()
    bench.set_up()
    bench.device.control("insert", {"minor": "50000", "forged": "1"}, bench.now)
    bench.wait(0.9)
    assert bench.say(0x11) == [Frame(0x17, b"\x76")]
    bench.wait()
    bench.say(0xC0, 0xFF, 0xFF)
    bench.device.control("insert", {"minor": "50000"}, bench.now)
    bench.wait(0.9)
    assert bench.say(0x11) == [Frame(0x17, b"\x79")]


def test_hands() -> None:
    bench = Bench()
    bench.to_escrow()
    bench.device.control("jam", {"where": "stacker"}, bench.now)
    bench.say(0x41)
    bench.wait()
    assert bench.status() == 0x46
    bench.device.control("clear", {"note": "stacked"}, bench.now)
    assert bench.ledger == ["bill_stacked"]
    bench.set_up()
    bench.device.control("pull_cassette", {}, bench.now)
    assert bench.status() == 0x44
    bench.device.control("put_cassette", {}, bench.now)
    bench.device.control("fill", {}, bench.now)
    assert bench.status() == 0x43
    bench.memory["stacked"] = 0
    bench.device.control("cheat", {}, bench.now)
    assert bench.status() == 0x48
    bench.wait()
    bench.device.control("fail", {"code": "165"}, bench.now)
    assert bench.say(0x11) == [Frame(0x49, b"\xa5")]
    bench.device.control("repair", {}, bench.now)
    assert bench.status() == 0x11


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("insert", {"minor": "7"}), ("insert", {}), ("pull", {}), ("clear", {}), ("put_cassette", {}),
     ("jam", {"where": "roof"}), ("fail", {"code": "999"})],
)  # fmt: skip
def test_what_cannot_be_done_is_said(name: str, arguments: dict[str, str]) -> None:
    with pytest.raises(ControlError):
        Bench().device.control(name, arguments, 0.0)


def test_unknown_and_untimely_commands() -> None:
    bench = Bench()
    assert bench.say(0x99) == [Frame(0x4B)]
    assert bench.say(0xC3, 0) == [Frame(0x4B)]
    assert bench.say(0x41) == [Frame(0x4B)]
    assert bench.say(0x80) == [Frame(0x4B)]
    with pytest.raises(ControlError, match="currency"):
        Bench(currency="XYZ")
