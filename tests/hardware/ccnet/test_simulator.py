"""The other end: it is as strict as the document, and remembers what a real one does."""

from typing import Any

import pytest

from hardware.ccnet.frames import Frame, FrameReader, encode
from hardware.ccnet.simulator import TABLES, CcnetSimulator
from hardware.simulation.simulator import ControlError


class Bench:
    """A simulator, spoken to in frames."""

    def __init__(self, memory: dict[str, Any] | None = None, **options: object) -> None:
        self.ledger: list[str] = []
        self.memory: dict[str, Any] = {} if memory is None else memory
        self.simulator = CcnetSimulator(self.memory, lambda kind, _: self.ledger.append(kind), **options)
        self.now = 0.0
        self.simulator.power_on(self.now)

    def say(self, data: str, after_s: float = 0.05) -> str:
        """A command; what is answered."""
        self.pass_time(after_s)
        answers = self.simulator.received(encode(Frame(3, bytes.fromhex(data)), "host"), self.now)
        assert len(answers) <= 1
        return FrameReader("device").feed(answers[0])[0].data.hex() if answers else ""

    def poll(self, *, confirm: bool = True) -> str:
        """POLL, confirmed in time."""
        answer = self.say("33")
        if confirm:
            self.say("00", 0.005)
        return answer

    def pass_time(self, seconds: float) -> None:
        end = self.now + seconds
        while (at := self.simulator.wake_at) is not None and at <= end:
            self.now = at
            self.simulator.wake(at)
        self.now = end

    def hand(self, name: str, **arguments: str) -> Any:
        return self.simulator.control(name, arguments, self.now)

    def idling(self) -> "Bench":
        assert self.say("30") == "00"
        self.pass_time(3)
        assert self.say("34ffffffffffff") == "00"
        return self

    def cut(self) -> "Bench":
        """Power off and on, after a while."""
        self.simulator.power_off(self.now)
        self.now += 1
        self.simulator.power_on(self.now)
        return self


def test_a_note_goes_its_way() -> None:
    bench = Bench().idling()
    assert bench.poll() == "14"
    assert bench.hand("insert", value="500") == {"taken": 1}
    assert bench.poll() == "15"
    bench.pass_time(1.3)
    assert bench.poll() == "8001"
    assert bench.say("35") == "00"
    assert bench.poll() == "17"
    bench.pass_time(1.1)
    assert bench.poll() == "8101"
    assert bench.poll() == "14"
    assert bench.ledger == ["bill_inserted", "bill_stacked"]
    assert bench.say("5b") == "0001"


def test_an_event_is_told_until_it_is_confirmed_in_time() -> None:
    bench = Bench().idling()
    bench.hand("insert", value="500")
    bench.pass_time(1.3)
    bench.say("35")
    bench.pass_time(1.1)
    assert bench.poll(confirm=False) == "8101"
    bench.say("00", 1.0)  # too late
    assert bench.poll(confirm=False) == "8101"
    assert bench.say("ff", 0.005) == "8101"
    assert bench.say("00", 0.005) == ""
    assert bench.poll() == "14"


def test_one_that_tells_it_once() -> None:
    bench = Bench(repeats="no").idling()
    bench.hand("insert", value="500")
    bench.pass_time(1.3)
    bench.say("35")
    bench.pass_time(1.1)
    assert bench.poll(confirm=False) == "8101"
    assert bench.poll(confirm=False) == "14"


@pytest.mark.parametrize(("seconds", "state", "then"), [(0.2, "11", "8201"), (0.7, "12", "8101"), (1.5, "12", "8101")])
def test_a_power_cut_leaves_the_note_where_it_was(seconds: float, state: str, then: str) -> None:
    bench = Bench().idling()
    bench.hand("insert", value="500")
    bench.pass_time(1.3)
    bench.say("35")
    bench.pass_time(seconds)
    bench.cut()
    assert bench.poll() == state
    assert bench.say("30") == "00"
    assert bench.poll() == "13"
    bench.pass_time(2.5)
    assert bench.poll() == then
    assert bench.poll() == "19"
    assert bench.ledger.count("bill_stacked") + bench.ledger.count("bill_returned") == 1


def test_what_it_remembers_survives_its_program() -> None:
    bench = Bench().idling()
    bench.hand("insert", value="500")
    bench.pass_time(1.3)
    bench.say("35")
    bench.pass_time(1.5)
    again = Bench(dict(bench.memory))
    assert again.poll() == "12"
    assert again.say("5b") == "0001"


def test_nobody_decides_for_ten_seconds() -> None:
    bench = Bench().idling()
    bench.hand("insert", value="500")
    bench.pass_time(1.3)
    assert bench.say("38") == "00"
    bench.pass_time(9)
    assert bench.poll() == "1a"
    bench.pass_time(1)
    assert bench.poll() == "18"
    bench.pass_time(1)
    assert bench.poll() == "8201"


def test_commands_in_a_wrong_state_are_illegal() -> None:
    bench = Bench().idling()
    for command in ("35", "36", "38", "37", "41", "3c", "77", "34ff", "66"):
        assert bench.say(command) == "30"


def test_a_damaged_command_is_answered_nak_and_half_a_one_not_at_all() -> None:
    bench = Bench()
    [answer] = bench.simulator.received(bytes.fromhex("02030633DA82"), 1.0)
    assert FrameReader("device").feed(answer)[0].data == b"\xff"
    assert not bench.simulator.received(bytes.fromhex("020306"), 2.0)
    assert len(bench.simulator.received(bytes.fromhex("02030633DA81"), 3.0)) == 1


@pytest.mark.parametrize("currency", sorted(TABLES))
def test_tables_of_currencies(currency: str) -> None:
    bench = Bench(currency=currency)
    assert len(bench.say("41")) == 240
    assert set(bench.simulator.describe()["notes"].values()) == {  # type: ignore[attr-defined]
        f"{value}.00 {currency}" for value in TABLES[currency][1]
    }


def test_48_types() -> None:
    bench = Bench(types=48, table="200,500")
    assert len(bench.say("41")) == 480
    bench.say("30")
    bench.pass_time(3)
    assert bench.say("34" + "000000000002" * 2) == "00"
    assert bench.say("31") == "000000000002" + "00" * 6


def test_a_coupon() -> None:
    bench = Bench().idling()
    bench.hand("insert_coupon", code="4600000000017")
    bench.pass_time(1.3)
    assert bench.poll() == "8017"
    assert bytes.fromhex(bench.say("3a")) == b"4600000000017"


def test_hands() -> None:
    bench = Bench().idling()
    bench.hand("insert_two", value="500")
    assert bench.poll() == "46"
    bench.pass_time(10)
    assert bench.poll() == "1c63"
    bench.pass_time(1)
    bench.hand("insert_fake", reason="6D")
    bench.pass_time(1.3)
    assert bench.poll() == "1c6d"
    bench.pass_time(1)
    bench.hand("insert", minor="50000")
    bench.hand("keep", certain="yes")
    assert bench.poll() == "9066"
    bench.pass_time(2)
    bench.hand("busy", tenths="7")
    assert bench.poll() == "1b07"
    bench.pass_time(1)
    bench.hand("cheat")
    assert bench.poll() == "45"
    bench.pass_time(4)
    bench.hand("fail", code="50")
    assert bench.poll() == "4750"
    bench.hand("repair")
    bench.pass_time(2.1)
    bench.hand("fill_cassette")
    assert bench.poll() == "41"
    assert bench.hand("pull_cassette") == {"notes": 0}
    assert bench.poll() == "42"
    bench.hand("put_cassette")
    assert bench.poll() == "13"
    bench.pass_time(2.1)
    bench.hand("jam", where="cassette")
    assert bench.poll() == "44"
    bench.hand("clear")
    bench.hand("mute", seconds="1")
    assert bench.say("33") == ""


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("insert", {"value": "7"}),
        ("insert", {"value": "x"}),
        ("insert_two", {"value": ""}),
        ("jam", {"where": "moon"}),
        ("clear", {"note": "moon"}),
        ("clear", {}),
        ("put_cassette", {}),
        ("fail", {"code": "99"}),
        ("fail", {"code": "x"}),
        ("busy", {"tenths": "-1"}),
        ("dance", {}),
    ],
)
def test_what_cannot_be_done_is_said(name: str, arguments: dict[str, str]) -> None:
    with pytest.raises(ControlError, match=r"."):
        Bench().idling().hand(name, **arguments)


@pytest.mark.parametrize(
    "options",
    [
        {"baud": 1200},
        {"repeats": "perhaps"},
        {"colour": "red"},
        {"table": ""},
        {"table": "1x"},
        {"table": "12345"},
        {"types": "30"},
        {"pace": "x"},
    ],
)
def test_options_that_cannot_be_are_said(options: dict[str, object]) -> None:
    with pytest.raises(ControlError, match=str(next(iter(options)))[:4]):
        Bench(**options)


def test_bill_to_bill_tells_what_was_pending_until_it_is_reset() -> None:
    for asks in (True, False):
        bench = Bench(address="1")
        bench.simulator.mechanism.memory["untold"] = 1
        bench.cut()

        def say(data: str, bench: Bench = bench) -> str:
            bench.now += 0.05
            [answer] = bench.simulator.received(encode(Frame(1, bytes.fromhex(data)), "host"), bench.now)
            return FrameReader("device").feed(answer)[0].data.hex()

        assert say("33") == "12"
        if asks:
            assert say("66") == "170100"
        assert say("30") == "00"
        bench.pass_time(3)
        assert say("33") == "19"
