"""What it all amounts to, told once."""

from hardware.escpos.condition import NEVER_PRINTED, Condition
from hardware.escpos.states import Health, Trouble
from hardware.events import (
    CoverClosed,
    CoverOpened,
    DeviceState,
    PaperLow,
    PaperOut,
    PaperReturned,
    StateChanged,
)
from hardware.protocol import Action, Record
from hardware.roles import PrinterStatus


class Bench:
    def __init__(self, *, there: bool = True) -> None:
        self._actions: list[Action] = []
        self.condition = Condition(self._actions.append)
        self.condition.connected = there
        self.condition.absent = not there

    def told(self) -> list[object]:
        told = [action.event for action in self._actions if isinstance(action, Record)]
        self._actions.clear()
        return list(told)

    def learns(self, **known: object) -> list[type]:
        self.condition.learn(Health(**known).judged())  # type: ignore[arg-type]
        return [type(event) for event in self.told()]

    def settles(self, *, printing: bool = False, unconfirmed: bool = False, unclean: bool = False) -> tuple[str, str]:
        self.condition.settle(printing=printing, unconfirmed=unconfirmed, unclean=unclean)
        return self.condition.state, self.condition.code


def test_paper_and_cover_are_told_when_they_change() -> None:
    bench = Bench()
    assert bench.learns(cover_open=False, paper_out=False, paper_low=False) == []
    assert bench.learns(cover_open=True, paper_out=False, paper_low=True) == [CoverOpened, PaperLow]
    assert bench.learns(cover_open=True, paper_out=True, paper_low=True) == [PaperOut]
    assert bench.learns() == []  # it was away: nothing is known, and nothing told again
    assert bench.learns(cover_open=False, paper_out=False, paper_low=False) == [CoverClosed, PaperReturned]


def test_the_gravest_counts() -> None:
    bench = Bench(there=False)
    assert bench.settles() == (DeviceState.ABSENT, "no-answer")
    assert bench.condition.words == "no line to the printer"
    bench.condition.connected = True
    bench.condition.absent = False
    assert bench.settles(unclean=True) == (DeviceState.STARTING, "")
    assert bench.settles(unclean=True, unconfirmed=True) == (DeviceState.FAULT, NEVER_PRINTED)
    bench.learns(paper_out=True, paper_low=True)
    assert bench.settles(unconfirmed=True) == (DeviceState.FAULT, Trouble.PAPER_OUT)
    bench.condition.forget()
    assert bench.settles() == (DeviceState.READY, "")


def test_a_state_is_told_once_and_absence_not_at_the_start() -> None:
    bench = Bench(there=False)
    bench.settles()
    assert bench.told() == []
    bench.condition.connected, bench.condition.absent = True, False
    bench.settles()
    bench.settles()
    assert bench.told() == [StateChanged(state=DeviceState.READY, was=DeviceState.ABSENT, code="", words="")]


def test_what_passes_by_itself_is_no_fault_while_a_slip_is_printed() -> None:
    bench = Bench()
    bench.learns(errors=0x40)
    assert bench.condition.health.trouble is Trouble.HEAD_HOT
    assert bench.settles(printing=True) == (DeviceState.READY, "")
    assert bench.settles() == (DeviceState.FAULT, Trouble.HEAD_HOT)


def test_as_it_was_last_heard() -> None:
    bench = Bench()
    assert bench.condition.heard == PrinterStatus(online=True, paper=None, paper_low=None, cover_open=None)
    bench.learns(online=False, cover_open=True, paper_out=False, paper_low=True)
    bench.settles()
    assert bench.condition.heard == PrinterStatus(
        online=False, paper=True, paper_low=True, cover_open=True, words="the cover is open: close it"
    )
