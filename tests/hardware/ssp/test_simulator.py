"""The validator in software keeps to the manual, and what is in it outlives its power."""

from typing import Any

import pytest

from hardware.simulation.simulator import ControlError
from hardware.ssp.frames import Frame, FrameReader, encode
from hardware.ssp.simulator import SspSimulator


class Bench:
    def __init__(self, memory: dict[str, Any] | None = None, **options: Any) -> None:
        self.ledger: list[str] = []
        self.memory = {} if memory is None else memory
        self.now = 0.0
        self.flag = True
        self.device = SspSimulator(self.memory, lambda kind, figures: self.ledger.append(kind), **options)
        self.device.power_on(0.0)

    def say(self, command: str, *, again: bool = False) -> str:
        if not again:
            self.flag = not self.flag
        answers = self.device.received(encode(Frame(bytes.fromhex(command), self.flag)), self.now)
        [frame] = FrameReader().feed(b"".join(answers))
        assert frame.flag == self.flag
        return frame.data.hex().upper()

    def wait(self, seconds: float = 2.0) -> None:
        until = self.now + seconds
        while self.device.wake_at is not None and self.device.wake_at <= until:
            self.now = self.device.wake_at
            self.device.wake(self.now)
        self.now = until

    def to_escrow(self) -> None:
        assert self.say("07") == "F0F1E8"
        for command in ("0608", "02FFFF", "0A"):
            assert self.say(command) == "F0"
        self.device.control("insert", {"minor": "50000"}, self.now)
        assert self.say("56") == "F0EF00"
        self.wait()
        assert self.say("56") == "F0EF03"

    def cut(self) -> "Bench":
        self.device.power_off(self.now)
        return Bench(self.memory)


def test_the_next_poll_accepts_and_the_credit_repeats_until_acknowledged() -> None:
    bench = Bench()
    bench.to_escrow()
    assert bench.say("18") == "F0"
    assert bench.ledger == []
    assert bench.say("56") == "F0CC"
    bench.wait()
    assert [bench.say("56") for _ in range(2)] == ["F0EBEE03", "F0EE03"]
    assert bench.ledger == ["bill_stacked"]
    with pytest.raises(ControlError):
        bench.device.control("insert", {}, bench.now)
    assert bench.say("57") == "F0"
    assert bench.say("56") == "F0"
    assert bench.say("57") == "F5"


def test_the_same_flag_repeats_the_answer_and_does_nothing() -> None:
    bench = Bench(ack=0)
    assert bench.say("07") == "F0F1E8"
    assert bench.say("07", again=True) == "F0F1E8"
    assert bench.say("07") == "F0E8"
    assert bench.say("56") == "F2"


def test_a_note_nobody_decides_on_goes_back() -> None:
    bench = Bench()
    bench.to_escrow()
    bench.wait(11)
    assert bench.ledger == ["bill_returned"]
    assert "ED" in bench.say("56")
    assert bench.say("17") == "F013"


def test_reject() -> None:
    bench = Bench()
    bench.to_escrow()
    assert bench.say("08") == "F0"
    bench.wait()
    assert bench.say("56") == "F0EDEC"
    assert bench.say("08") == "F5"
    assert bench.say("18") == "F5"
    assert bench.say("17") == "F008"


def test_forged_and_inhibited_notes_are_refused() -> None:
    bench = Bench()
    bench.say("02FFFF")
    bench.say("0A")
    bench.device.control("insert", {"forged": "1"}, bench.now)
    bench.wait()
    assert bench.say("17") == "F002"
    bench.say("020000")
    bench.device.control("insert", {}, bench.now)
    bench.wait()
    assert bench.say("17") == "F00C"


def test_power_cut_before_the_gate_gives_back_behind_it_keeps() -> None:
    for seconds, told, fact in ((0.1, "E103", "bill_returned"), (0.6, "E203", "bill_stacked")):
        bench = Bench()
        bench.to_escrow()
        bench.say("56")
        bench.wait(seconds)
        again = bench.cut()
        again.wait()
        assert told in again.say("56")
        assert again.ledger == [fact]


def test_a_credited_note_that_had_not_reached_the_cashbox_is_moved_there_and_falls_once() -> None:
    bench = Bench()
    bench.to_escrow()
    bench.say("56")
    bench.wait(0.9)
    assert bench.ledger == ["bill_stacked"]
    again = bench.cut()
    again.wait()
    assert "E203" in again.say("56")
    assert again.ledger == []


def test_it_disables_itself_when_nobody_polls() -> None:
    bench = Bench()
    bench.say("0A")
    bench.say("07")
    bench.wait(9)
    assert bench.say("07") == "F0E8"


def test_hands() -> None:
    bench = Bench()
    bench.to_escrow()
    bench.device.control("jam", {"where": "unsafe"}, bench.now)
    bench.say("56")
    bench.wait()
    assert "E9" in bench.say("56")
    bench.device.control("clear", {"note": "stacked"}, bench.now)
    assert bench.ledger == ["bill_stacked"]
    for control, told in (("pull_cassette", "E3"), ("put_cassette", "E4"), ("fill", "E7"), ("cheat", "E601"),
                          ("fail", "E0")):  # fmt: skip
        bench.device.control(control, {}, bench.now)
        assert told in bench.say("56")
    bench.device.control("repair", {}, bench.now)
    assert "E0" not in bench.say("56")[2:].replace("E7", "")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("insert", {"minor": "7"}), ("insert", {}), ("clear", {}), ("put_cassette", {}), ("jam", {"where": "roof"})],
)
def test_what_cannot_be_done_is_said(name: str, arguments: dict[str, str]) -> None:
    with pytest.raises(ControlError):
        Bench().device.control(name, arguments, 0.0)


def test_answers() -> None:
    bench = Bench(protocol=7)
    assert bench.say("0608") == "F8"
    assert bench.say("06") == "F3"
    assert bench.say("99") == "F2"
    assert bench.say("20").startswith("F04E56")
    assert bench.say("21").startswith("F0")
    with pytest.raises(ControlError, match="currency"):
        Bench(currency="XYZ")


def test_one_that_wants_encryption_takes_nothing_else() -> None:
    bench = Bench(encrypted=1)
    assert bench.say("05") == "FA"


def test_another_address_is_not_answered() -> None:
    bench = Bench(address=5)
    assert bench.device.received(encode(Frame(b"\x11")), 0.0) == []
