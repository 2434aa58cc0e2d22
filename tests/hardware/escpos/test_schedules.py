"""What was confirmed is on paper, whole and once; all else is told: see `schedules`."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

from hardware.errors import DeviceFault, OutcomeUnknown, Refused, TransportError
from hardware.escpos.orders import Settings
from hardware.escpos.proof import Printing
from hardware.escpos.protocol import EscposProtocol
from hardware.events import (
    CoverClosed,
    CoverOpened,
    PaperLow,
    PaperOut,
    PaperReturned,
    SlipPrinted,
    SlipUnclear,
)
from hardware.slip import Slip, Text


def _load() -> Any:
    name = "tests_escpos_schedules"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / "schedules.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


schedules = _load()


@pytest.mark.parametrize("first", range(0, 32, 8))
def test_random_days(first: int) -> None:
    assert [breach for seed in range(first, first + 8) for breach in schedules.run(seed)] == []


@pytest.mark.parametrize(
    "kind", ["crash", "unplug", "blackout", "outage", *(f"control:{hand}" for hand in schedules.HANDS)]
)
def test_one_trouble_at_steps_of_a_slip(kind: str) -> None:
    """Each eleventh here; `schedules.steps` plays them all."""
    assert schedules.duel.at_every_step(schedules.play, [kind], stride=11) == []


def power_cuts() -> list[str]:
    """The breaches of a long slip with the power gone for a moment, at six places, by a printer back in 0.3 s."""
    found: list[str] = []
    for number in range(6):
        day = schedules.Day(size=12, printer={"boot_s": 0.3})
        day.duel.start()
        day.ready()
        day.duel.later(0.05 + number * 0.15, lambda day=day: day.duel.trouble("blackout", 0.05))
        day.order("A")
        day.heal()
        found += day.breaches()
    return found


def test_the_proof_fails_for_a_driver_that_asks_only_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A printer that is off and on in the middle of a slip prints the rest and answers what stands behind it."""
    assert power_cuts() == []
    send_marked, begin = Printing._send_marked, Printing.begin

    def unmarked(self: Printing, block: bytes, now: float) -> None:
        if block:
            self._out.send(block, now)
        else:
            send_marked(self, block, now)

    def unwatched(self: Printing, now: float) -> None:
        begin(self, now)
        self._timers.pop("life", None)

    monkeypatch.setattr(Printing, "_send_marked", unmarked)
    monkeypatch.setattr(Printing, "begin", unwatched)
    monkeypatch.setattr(Printing, "alive", lambda self, asked_at, now: None)
    assert "A was confirmed and is on paper 0 times" in power_cuts()


def start(settings: Settings | None = None, **options: Any) -> Any:
    day = schedules.Day(settings or schedules.SETTINGS, size=2, **options)
    day.duel.start()
    assert day.ready()
    return day


def test_a_slip_is_printed_and_confirmed_and_not_printed_again() -> None:
    day = start()
    assert [day.ask("A"), day.ask("A")] == [None, None]
    assert len(day.duel.facts("slip_printed")) == 1
    assert day.duel.told(SlipPrinted) == [SlipPrinted(reference="A")]


def test_a_copy_is_printed_when_asked_for() -> None:
    day = start()
    day.ask("A")
    assert day.ask("A", copy=True) is None
    original, copy = (fact.figures["lines"] for fact in day.duel.facts("slip_printed"))
    assert copy == ["center bold 2x2|КОПИЯ", *original[:-1], "center bold 2x2|КОПИЯ", original[-1]]


def test_asked_twice_at_once_it_is_printed_once() -> None:
    day = start()
    tickets = [day.duel.command(schedules.Print(schedules.slip("A", 2), "A")) for _ in range(3)]
    day.duel.run(until=lambda: all(ticket in day.duel.finished for ticket in tickets), within_s=30)
    assert [day.duel.finished[ticket] for ticket in tickets] == [None] * 3
    assert len(day.duel.facts("slip_printed")) == 1


def test_slips_that_wait_are_printed_one_after_another() -> None:
    day = start()
    tickets = [day.duel.command(schedules.Print(schedules.slip(name, 2), name)) for name in "ABC"]
    day.duel.run(until=lambda: all(ticket in day.duel.finished for ticket in tickets), within_s=30)
    assert [event.reference for event in day.duel.told(SlipPrinted)] == ["A", "B", "C"]


@pytest.mark.parametrize(
    ("hand", "code"), [("open_cover", "cover-open"), ("paper_out", "paper-out"), ("heat_head", "head-hot")]
)
def test_a_fault_before_the_first_byte_prints_nothing_and_the_repair_is_enough(hand: str, code: str) -> None:
    day = start()
    day.duel.hand(hand)
    fault = day.ask("A")
    assert isinstance(fault, DeviceFault)
    assert fault.code == code
    assert day.duel.memories[""].get("begun") is None
    day.duel.hand(schedules.REPAIRS[hand])
    assert day.ready()
    assert day.ask("A") is None


def test_a_jammed_cutter_is_unclear_and_goes_on_after_it_was_cleared() -> None:
    day = start()
    day.duel.hand("jam_cutter")
    assert isinstance(day.ask("A"), OutcomeUnknown)
    day.duel.run(within_s=2)
    assert isinstance(day.ask("B"), DeviceFault)
    day.duel.hand("clear_cutter")
    assert day.ask("B") is None
    assert [type(event) for event in day.duel.told(SlipPrinted, SlipUnclear)] == [SlipUnclear, SlipPrinted]


def test_paper_and_cover_are_told() -> None:
    day = start()
    for hand in ("near_end", "paper_out", "load_paper", "open_cover", "close_cover"):
        day.duel.hand(hand)
        day.duel.run(within_s=2.5)
    told = day.duel.told(PaperLow, PaperOut, PaperReturned, CoverOpened, CoverClosed)
    assert [type(event) for event in told] == [PaperLow, PaperOut, PaperReturned, CoverOpened, CoverClosed]


def test_a_roll_that_is_near_its_end_is_a_warning() -> None:
    day = start()
    day.duel.hand("near_end")
    assert day.ask("A") is None


def test_automatic_status_tells_sooner_than_the_next_question() -> None:
    day = start(Settings(automatic=True, poll_s=60, byte_s=10 / 9600))
    day.duel.hand("open_cover")
    day.duel.run(within_s=0.5)
    assert day.duel.told(CoverOpened)


def test_a_crash_leaves_it_unclear_at_the_next_start_without_a_line() -> None:
    day = start()
    day.duel.command(schedules.Print(schedules.slip("A", 2), "A"))
    day.duel.run(until=lambda: day.duel.memories[""].get("begun") == "A", within_s=5)
    later = EscposProtocol(day.duel.memories[""], schedules.SETTINGS)
    assert later.wake_at == float("-inf")
    assert not later.settled
    (record,) = later.wake(0)
    assert isinstance(record.event, SlipUnclear)
    assert (later.wake_at, later.settled) == (None, True)
    again = EscposProtocol(record.memory, schedules.SETTINGS)
    assert again.wake(0) == []
    (finish,) = again.command(schedules.Print(schedules.slip("A", 2), "A"), 1, 0)
    assert isinstance(finish.error, OutcomeUnknown)


@pytest.mark.parametrize("answers", ["realtime", "none"])
def test_a_printer_that_confirms_nothing_prints_and_says_so(answers: str) -> None:
    settings = Settings(status=answers, byte_s=10 / 9600)
    day = start(settings, printer={"answers": answers, "boot_s": 0.0})
    assert isinstance(day.ask("A"), OutcomeUnknown)
    day.duel.run(within_s=5)
    assert len(day.duel.facts("slip_printed")) == 1
    (told,) = day.duel.told(SlipUnclear)
    assert "confirm" in told.words


def test_a_printer_without_gs_r_is_found_out_before_anything_is_printed() -> None:
    day = schedules.Day(size=2, printer={"answers": "realtime"})
    day.duel.start()
    assert not day.ready(20)
    fault = day.ask("A")
    assert isinstance(fault, DeviceFault)
    assert fault.code == "no-confirmation"
    assert not day.duel.facts("line_printed")


def test_no_line_no_letter_no_slip() -> None:
    day = start()
    ticket = day.duel.command(schedules.Print(Slip((Text(text="日本"),)), "A"))
    day.duel.run(within_s=1)
    assert isinstance(day.duel.finished[ticket], Refused)
    day.duel.trouble("unplug", 60)
    day.duel.run(within_s=1)
    assert isinstance(day.ask("B"), TransportError)
    assert not day.duel.told(SlipUnclear)


def test_a_model_with_full_status_and_a_presenter_prints_too() -> None:
    from hardware.escpos.profiles import PROFILES

    day = start(Settings(profile=PROFILES["custom"], byte_s=10 / 9600), printer={"model": "custom"})
    assert day.ask("A") is None
