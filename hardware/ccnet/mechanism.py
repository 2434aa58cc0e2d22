"""The simulated validator's inside: where a note is, what moves it, what the device knows of it without power.

A note is at one place: in the validator (drawn in, in escrow, on its way back), in the stacker (past the point of no
return), or in the cassette. `memory` holds that, the counters, and a stacked note that was not yet confirmed. Times are
those of an SM: about a second to draw a note in, one to stack it, one to give it back.
"""

from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

from hardware.ccnet.states import State
from hardware.simulation.simulator import ControlError, Ledger

ACCEPT_S = 1.2
LEAVE_ESCROW_S = 0.4  # from escrow to the stacker
STACK_S = 0.6  # from there into the cassette
RETURN_S = 0.8
REJECT_S = 0.8
INITIALIZE_S = 2.0
ESCROW_S = 10.0
PAUSE_S = 10.0
CHEATED_S = 3.0

Bill = Mapping[str, object]  # what the ledger says of a note: type, minor, currency


class Mechanism:
    """Moves notes. `state` and `detail` are what POLL shows; `event` is shown instead until it is confirmed."""

    def __init__(self, memory: MutableMapping[str, Any], ledger: Ledger, bill: Callable[[int], Bill]) -> None:
        self.memory = memory
        self._ledger = ledger
        self._bill = bill
        for key, value in _FACTORY.items():
            memory.setdefault(key, value() if callable(value) else value)
        self.enabled: frozenset[int] = frozenset()
        self.escrow: frozenset[int] = frozenset()
        self.escrow_s = ESCROW_S
        self.tells_returned = True  # an 82 for a note that is given back after power-up
        self.bill_to_bill = False
        self.pace = 1
        self.state: int = State.POWER_UP
        self.detail: int | None = None
        self.event: tuple[int, int] | None = None  # 81 or 82, and a type
        self.told_recovery = False
        self._move: tuple[float, Callable[[float], None]] | None = None

    # What can be seen

    @property
    def wake_at(self) -> float | None:
        """When the present movement ends."""
        return None if self._move is None else self._move[0]

    @property
    def shown(self) -> int:
        """The first byte of an answer to POLL."""
        return self.event[0] if self.event is not None else self.state

    def poll(self) -> bytes:
        """An answer to POLL."""
        if self.event is not None:
            where = b"\x00" if self.bill_to_bill and self.event[0] == State.BILL_STACKED else b""
            return bytes(self.event) + where
        return bytes([self.state] if self.detail is None else [self.state, self.detail])

    # Power and commands

    def power_on(self) -> None:
        """It waits for RESET, with what the power cut left inside."""
        self._move = self.event = self.detail = None
        self.enabled = self.escrow = frozenset()
        self.escrow_s = ESCROW_S
        self.told_recovery = False
        self.state = State.POWER_UP
        if self.memory["untold"] is not None or self.memory["stacker"] is not None:
            self.state = State.POWER_UP_BILL_IN_STACKER
        elif self.memory["validator"] is not None:
            self.state = State.POWER_UP_BILL_IN_VALIDATOR

    def power_off(self) -> None:
        """Everything stops where it is."""
        self._move = None

    def reset(self, now: float) -> None:
        """RESET: what lies in the validator goes back, what lies in the stacker goes on."""
        if self.bill_to_bill and self.state == State.POWER_UP_BILL_IN_STACKER and not self.told_recovery:
            self.recovered()  # nobody asked for it in time: it is forgotten
        self._initialise(now)

    def wake(self, now: float) -> None:
        """A movement ends."""
        if self._move is not None and now >= self._move[0]:
            _, ends = self._move
            self._move = None
            ends(now)

    def enable(self, enabled: frozenset[int], escrow: frozenset[int], now: float) -> None:
        """ENABLE BILL TYPES."""
        self.enabled, self.escrow = enabled, escrow
        if self.state in (State.IDLING, State.DISABLED):
            self._rest(now)

    def stack(self, now: float) -> None:
        """STACK."""
        self._go(State.STACKING, None, LEAVE_ESCROW_S, self._past_escrow, now)

    def give_back(self, now: float) -> None:
        """RETURN, or nobody said anything for too long."""
        self._go(State.RETURNING, None, RETURN_S, self._is_back, now)

    def hold(self, now: float) -> None:
        """HOLD."""
        self._go(State.HOLDING, None, self.escrow_s, self.give_back, now)

    def confirmed(self, now: float) -> None:
        """The event that was shown is known to the host."""
        if self.event is None:
            return
        if self.event[0] == State.BILL_STACKED:
            self.memory["untold"] = None
        self.event = None
        self._rest(now)

    def recovered(self) -> None:
        """The host knows what the power cut interrupted (Bill-to-Bill)."""
        self.told_recovery = True
        self.memory["untold"] = None
        self.memory["silent"] = self.memory["stacker"] is not None

    # Hands

    def insert(self, bill_type: int | None, reject: int, now: float) -> bool:
        """Push something in; whether it is drawn in. `bill_type` None: it will be rejected for `reject`."""
        if self.state != State.IDLING or self.event is not None:
            return False
        self._ledger("bill_inserted", {} if bill_type is None else self._bill(bill_type))
        self.memory["validator"] = -1 if bill_type is None else bill_type

        def looked_at(at: float) -> None:
            if bill_type is None or bill_type not in self.enabled:
                self._go(State.REJECTING, 0x68 if bill_type is not None else reject, REJECT_S, self._rejected, at)
            elif bill_type in self.escrow:
                self._go(State.ESCROW, bill_type, self.escrow_s, self.give_back, at)
            else:
                self.stack(at)

        self._go(State.ACCEPTING, None, ACCEPT_S, looked_at, now)
        return True

    def second_note(self, now: float) -> None:
        """Another note is pushed in while one is drawn in: a pause, then both come out."""
        if self.state != State.ACCEPTING:
            raise ControlError("a second note can be pushed in only while another is drawn in")

        def both_out(at: float) -> None:
            self._go(State.REJECTING, 0x63, REJECT_S, self._rejected, at)

        self._go(State.PAUSE, None, PAUSE_S, both_out, now)

    def fault(self, state: int, detail: int | None, now: float) -> None:
        """It stops, and stays so until `cured`."""
        self.memory["fault"] = [int(state), detail]
        self._move = None
        self.state, self.detail = state, detail

    def cured(self, now: float, *, state: int | None = None, by_hand: bool = False) -> None:
        """The fault is gone; `by_hand`: what was stuck was taken out by a person."""
        if self.memory["fault"] is None or (state is not None and self.memory["fault"][0] != state):
            raise ControlError("there is nothing of that kind to be cured")
        self.memory["fault"] = None
        if by_hand:
            for place in ("validator", "stacker"):
                if (bill_type := self.memory[place]) is not None:
                    self._ledger("bill_removed_by_hand", self._bill(bill_type) if bill_type >= 0 else {})
                    self.memory[place] = None
        self._initialise(now)

    def pull_cassette(self, now: float) -> Mapping[str, object]:
        """Take it out, with what is in it."""
        if self.memory["fault"] is not None and self.memory["fault"][0] == State.CASSETTE_OUT:
            raise ControlError("the cassette is out already")
        notes = dict(self.memory["cassette"])
        self.memory["cassette"] = {}
        self._ledger("cassette_removed", {"notes": sum(notes.values()), "types": notes})
        self.fault(State.CASSETTE_OUT, None, now)
        return {"notes": sum(notes.values())}

    def put_cassette(self, now: float) -> None:
        """Put an empty one in."""
        self.cured(now, state=State.CASSETTE_OUT)
        self._ledger("cassette_returned", {})

    def cheat(self, now: float) -> None:
        """A note on a string: pulled out of the validator, if one is there."""
        if self.state not in (State.IDLING, State.ACCEPTING, State.ESCROW, State.HOLDING):
            raise ControlError("nothing can be pulled out now")
        if (bill_type := self.memory["validator"]) is not None:
            self._ledger("bill_pulled_out", self._bill(bill_type) if bill_type >= 0 else {})
            self.memory["validator"] = None
        self._go(State.CHEATED, None, CHEATED_S, self._rest, now)

    def busy(self, tenths: int, now: float) -> None:
        """Busy with itself for that long."""
        if self.state not in (State.IDLING, State.DISABLED):
            raise ControlError("only an idle device gets busy")
        self._go(State.BUSY, tenths, tenths / 10, self._rest, now)

    def keep(self, state: int, reason: int, now: float) -> None:
        """Keep a suspect note; told for a second."""
        if self.state != State.ACCEPTING:
            raise ControlError("no note is being looked at")
        bill_type, self.memory["validator"] = self.memory["validator"], None
        self._ledger("bill_kept", self._bill(bill_type) if bill_type >= 0 else {})
        self._go(state, reason, 1.0, self._rest, now)

    # Movements

    def _go(self, state: int, detail: int | None, seconds: float, ends: Callable[[float], None], now: float) -> None:
        self.state, self.detail = state, detail
        slow = state in (State.ESCROW, State.HOLDING, State.PAUSE, State.BUSY)  # it waits; nothing moves
        self._move = (now + (seconds if slow else seconds / self.pace), ends)

    def _rest(self, now: float) -> None:
        self._move = self.detail = None
        if self.memory["fault"] is not None:
            self.state, self.detail = self.memory["fault"]
        else:
            self.state = State.IDLING if self.enabled else State.DISABLED

    def _initialise(self, now: float) -> None:
        self.enabled = self.escrow = frozenset()
        self.event = None
        self._go(State.INITIALIZE, None, INITIALIZE_S, self._initialised, now)

    def _initialised(self, now: float) -> None:
        if self.memory["fault"] is not None:
            self._rest(now)
            return
        if self.memory["stacker"] is not None:
            self._fell(now)
            return
        if self.memory["untold"] is not None:
            self.event = (State.BILL_STACKED, self.memory["untold"])
        elif self.memory["validator"] is not None:
            self._is_back(now)
            if not self.tells_returned:
                self.event = None
        self._rest(now)

    def _past_escrow(self, now: float) -> None:
        self.memory["stacker"], self.memory["validator"] = self.memory["validator"], None
        self._go(State.STACKING, None, STACK_S, self._fell, now)

    def _fell(self, now: float) -> None:
        """The note is in the cassette."""
        bill_type = self.memory["stacker"]
        self.memory["stacker"] = None
        cassette = self.memory["cassette"]
        cassette[str(bill_type)] = cassette.get(str(bill_type), 0) + 1
        self.memory["counter"] = (self.memory["counter"] + 1) % (1 << 16)
        self._ledger("bill_stacked", self._bill(bill_type))
        if self.memory["silent"]:
            self.memory["silent"] = False  # Bill-to-Bill: told by POWER RECOVERY, or never
        else:
            self.memory["untold"] = bill_type
            self.event = (State.BILL_STACKED, bill_type)
        self._rest(now)

    def _is_back(self, now: float) -> None:
        bill_type = self.memory["validator"]
        self.memory["validator"] = None
        if bill_type is not None and bill_type >= 0:
            self._ledger("bill_returned", self._bill(bill_type))
            self.event = (State.BILL_RETURNED, bill_type)
        self._rest(now)

    def _rejected(self, now: float) -> None:
        bill_type = self.memory["validator"]
        self.memory["validator"] = None
        self._ledger("bill_rejected", {} if bill_type is None or bill_type < 0 else self._bill(bill_type))
        self._rest(now)


_FACTORY: Mapping[str, Any] = {
    "validator": None,  # type of the note there; -1: something that is none
    "stacker": None,
    "untold": None,  # type of a note in the cassette whose 81 is not confirmed
    "silent": False,  # Bill-to-Bill: no 81 will come for what lies in the stacker
    "counter": 0,
    "cassette": dict,
    "fault": None,
}
