"""How the device stands, in the words that every family shares, and what of it is told as an event.

A note on its way is BUSY in `status` and no event: two writes to a journal for each note would be for nobody.
"""

from hardware.ccnet.hearing import Hearing
from hardware.ccnet.setup import Setup
from hardware.ccnet.states import FAULTS, POWERED_UP, State
from hardware.events import DeviceState, StateChanged
from hardware.protocol import Action, Record, Say
from hardware.roles import Status

_AT_REST = {State.IDLING: DeviceState.READY, State.DISABLED: DeviceState.DISABLED}


class Standing:
    """`status` is as of the last `take`."""

    def __init__(self, hearing: Hearing, setup: Setup, currency: str) -> None:
        self._hearing, self._setup, self._currency = hearing, setup, currency
        self.status = Status(
            state=DeviceState.ABSENT, words="no answer yet: is it on, is the cable in, do speed and address fit?"
        )
        self._told = DeviceState.ABSENT, ""

    def take(self, absent: str | None) -> list[Action]:
        """Look again; tell it if it is another state. `absent`: why it is out of reach, or "" for still so."""
        self.status = status = self._reckon(absent)
        told = status.state, status.code if status.state is DeviceState.FAULT else ""
        if status.state is DeviceState.BUSY or told == self._told:
            return []
        was, self._told = self._told[0], told
        event = StateChanged(state=status.state, was=was, code=status.code, words=status.words)
        return [Record(event), Say(f"{was} -> {status.state}, because: {status.words}")]

    def _reckon(self, absent: str | None) -> Status:
        if absent is not None:
            return Status(state=DeviceState.ABSENT, words=absent or self.status.words)
        answer = self._hearing.answer
        if answer is None:
            return Status(state=DeviceState.STARTING, words="it is being reset")
        if answer.state in FAULTS:
            return Status(state=DeviceState.FAULT, code=answer.code, words=answer.words)
        if not self._setup.done or answer.state in POWERED_UP or answer.state == State.INITIALIZE:
            return Status(state=DeviceState.STARTING, code=answer.code, words=f"is being set up; {answer.words}")
        if not self._setup.known:
            words = f"its bill table has no notes of {self._currency}: set `country` or `countries`"
            return Status(state=DeviceState.FAULT, code="table", words=words)
        at_rest = State(answer.state) if answer.state in _AT_REST else None
        state = DeviceState.BUSY if at_rest is None else _AT_REST[at_rest]
        return Status(state=state, code=answer.code, words=answer.words)
