"""How the printer stands, put together from all that it says, and told when it changes.

Paper and cover are told as events of their own. A trouble that passes by itself (the head cools) is no fault while a
slip is printed: whoever waits for that slip learns how it ended, not what went by.
"""

from collections.abc import Callable

from hardware.escpos import states
from hardware.escpos.states import Health, Trouble
from hardware.events import (
    CoverClosed,
    CoverOpened,
    DeviceState,
    Event,
    PaperLow,
    PaperOut,
    PaperReturned,
    StateChanged,
)
from hardware.protocol import Action, Record, Say
from hardware.roles import PrinterStatus

NEVER_PRINTED = "no-confirmation"
PASSING = (Trouble.HEAD_HOT, Trouble.OFFLINE, Trouble.WAITING)  # may go by while a slip is printed


class Condition:
    """`act` takes what is told. `connected`: the line is there; `absent`: it has not answered, or no longer does."""

    def __init__(self, act: Callable[[Action], None]) -> None:
        self._act = act
        self._told = Health()
        self.health = Health()
        self.connected = False
        self.absent = True
        self.state = DeviceState.ABSENT
        self.code = ""

    @property
    def words(self) -> str:
        """What the state's code means to an operator."""
        return self.words_of(self.code)

    @property
    def heard(self) -> PrinterStatus:
        """As `ReceiptPrinter.read_status`, as it was last heard."""
        health = self.health
        return PrinterStatus(
            online=not self.absent and health.online is not False and health.trouble is None,
            paper=None if health.paper_out is None else not health.paper_out,
            paper_low=health.paper_low,
            cover_open=health.cover_open,
            words=self.words,
        )

    def forget(self) -> None:
        """Nothing is known of it. What was told stays told."""
        self.health = Health()

    def learn(self, health: Health) -> None:
        """What is known now; paper and cover are told where they changed."""
        self.health = health
        was = self._told
        for event in _changes(was, health):
            self._act(Record(event))
        self._told = Health(
            cover_open=was.cover_open if health.cover_open is None else health.cover_open,
            paper_out=was.paper_out if health.paper_out is None else health.paper_out,
            paper_low=was.paper_low if health.paper_low is None else health.paper_low,
        )

    def settle(self, *, printing: bool, unconfirmed: bool, unclean: bool) -> None:
        """The state that all of it amounts to; told when it changes."""
        trouble = self.health.trouble
        if not self.connected or self.absent:
            state, code = DeviceState.ABSENT, states.ABSENT
        elif trouble is not None and not (printing and trouble in PASSING):
            state, code = DeviceState.FAULT, trouble.value
        elif unconfirmed:
            state, code = DeviceState.FAULT, NEVER_PRINTED
        elif unclean and not printing:
            state, code = DeviceState.STARTING, ""
        else:
            state, code = DeviceState.READY, ""
        if (state, code) == (self.state, self.code):
            return
        was, self.state, self.code = self.state, state, code
        if state is DeviceState.ABSENT and was is DeviceState.ABSENT:
            return
        self._act(Record(StateChanged(state=state, was=was, code=code, words=self.words)))
        self._act(Say(f"{was} → {state}{f', because {self.words}' if self.words else ''}"))

    def words_of(self, code: str) -> str:
        """For an operator; "" where nothing is wrong."""
        if code == states.ABSENT:
            return states.ABSENT_WORDS if self.connected else "no line to the printer"
        if code == NEVER_PRINTED:
            return "the printer does not answer GS r: if it never does, set status to realtime or none"
        return Trouble(code).words if code in states.WORDS else ""


def _changes(was: Health, now: Health) -> list[Event]:
    events: list[Event] = []
    if now.cover_open is not None and now.cover_open != was.cover_open:
        if now.cover_open:
            events.append(CoverOpened())
        elif was.cover_open:
            events.append(CoverClosed())
    if now.paper_out is not None and now.paper_low is not None:
        if now.paper_out and not was.paper_out:
            events.append(PaperOut())
        elif not now.paper_out and (was.paper_out or (was.paper_low and not now.paper_low)):
            events.append(PaperReturned())
        if now.paper_low and not now.paper_out and (not was.paper_low or was.paper_out):
            events.append(PaperLow())
    return events
