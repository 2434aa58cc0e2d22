"""What a device says of itself, with words for whoever stands before it.

The numbers are those of the answers to POLL. Source: CCNET, Document 1, rev. 2.6.0, POLL and its tables of rejection
and failure codes.
"""

from dataclasses import dataclass
from enum import IntEnum


class State(IntEnum):
    """First byte of an answer to POLL."""

    POWER_UP = 0x10
    POWER_UP_BILL_IN_VALIDATOR = 0x11  # RESET gives it back
    POWER_UP_BILL_IN_STACKER = 0x12  # after RESET and initialisation comes BILL_STACKED
    INITIALIZE = 0x13
    IDLING = 0x14
    ACCEPTING = 0x15
    STACKING = 0x17  # a note is on its way to the cassette: neither disable nor cut the power
    RETURNING = 0x18
    DISABLED = 0x19
    HOLDING = 0x1A
    BUSY = 0x1B  # + time, in tenths of a second
    REJECTING = 0x1C  # + Reject
    DISPENSING = 0x1D  # Bill-to-Bill
    UNLOADING = 0x1E  # Bill-to-Bill
    SETTING_CASSETTE_TYPE = 0x21  # Bill-to-Bill
    DISPENSED = 0x25  # Bill-to-Bill
    UNLOADED = 0x26  # Bill-to-Bill
    INVALID_BILL_NUMBER = 0x28  # Bill-to-Bill
    CASSETTE_TYPE_SET = 0x29  # Bill-to-Bill
    INVALID_COMMAND = 0x30
    CASSETTE_FULL = 0x41
    CASSETTE_OUT = 0x42
    VALIDATOR_JAMMED = 0x43
    CASSETTE_JAMMED = 0x44
    CHEATED = 0x45
    PAUSE = 0x46
    FAILURE = 0x47  # + Failure
    ESCROW = 0x80  # + bill type
    BILL_STACKED = 0x81  # + bill type; Bill-to-Bill: + where to. The credit
    BILL_RETURNED = 0x82  # + bill type
    BILL_TO_BILL_83 = 0x83  # Bill-to-Bill; the notes name it without words
    SUSPECTED_HELD = 0x84  # + reason
    COUNTERFEIT_HELD = 0x90  # + reason


POWERED_UP = frozenset({State.POWER_UP, State.POWER_UP_BILL_IN_VALIDATOR, State.POWER_UP_BILL_IN_STACKER})
FAULTS = frozenset(
    {
        State.CASSETTE_FULL,
        State.CASSETTE_OUT,
        State.VALIDATOR_JAMMED,
        State.CASSETTE_JAMMED,
        State.CHEATED,
        State.FAILURE,
    }
)
"""Out of service until it says something else."""

STATE_WORDS: dict[int, str] = {
    State.POWER_UP: "switched on, waits to be set up",
    State.POWER_UP_BILL_IN_VALIDATOR: "switched on with a note in the validator; it gives it back",
    State.POWER_UP_BILL_IN_STACKER: "switched on with a note in the stacker; it stacks it",
    State.INITIALIZE: "initialising",
    State.IDLING: "ready, waits for a note",
    State.ACCEPTING: "draws a note in and looks at it",
    State.STACKING: "a note is on its way to the cassette",
    State.RETURNING: "gives a note back",
    State.DISABLED: "takes no notes, as it was told",
    State.HOLDING: "holds a note in escrow",
    State.BUSY: "busy, cannot answer yet",
    State.REJECTING: "rejects a note",
    State.DISPENSING: "pays notes out",
    State.UNLOADING: "moves notes from a recycling cassette to the drop cassette",
    State.SETTING_CASSETTE_TYPE: "sets a recycling cassette to a denomination",
    State.DISPENSED: "notes were paid out",
    State.UNLOADED: "notes were moved to the drop cassette",
    State.INVALID_BILL_NUMBER: "asked for more notes than it may give",
    State.CASSETTE_TYPE_SET: "a recycling cassette was set to a denomination",
    State.INVALID_COMMAND: "the command does not fit now",
    State.CASSETTE_FULL: "the cassette is full: collect the notes",
    State.CASSETTE_OUT: "the cassette is out of its place: put it in until it locks",
    State.VALIDATOR_JAMMED: "a note is stuck in the validator: open it, take the note out, close it",
    State.CASSETTE_JAMMED: "a note is stuck at the cassette: take the cassette out and free its entry",
    State.CHEATED: "an attempt to pull a note out or to cheat was seen: look at the bezel and at the recordings",
    State.PAUSE: "a second note was pushed in too early: take it back and wait",
    State.FAILURE: "it found a failure in itself",
    State.ESCROW: "a note is in escrow",
    State.BILL_STACKED: "a note is in the cassette",
    State.BILL_RETURNED: "a note was given back",
    State.BILL_TO_BILL_83: "an event of Bill-to-Bill units, without words in the notes",
    State.SUSPECTED_HELD: "a suspected counterfeit is kept",
    State.COUNTERFEIT_HELD: "a counterfeit is kept",
}


class Reject(IntEnum):
    """Why a note was rejected: second byte of REJECTING."""

    INSERTION = 0x60
    MAGNETIC = 0x61
    REMAINED_IN_HEAD = 0x62
    MULTIPLYING = 0x63
    CONVEYING = 0x64
    IDENTIFICATION = 0x65
    VERIFICATION = 0x66
    OPTIC = 0x67
    INHIBITED = 0x68
    CAPACITANCE = 0x69
    OPERATION = 0x6A
    LENGTH = 0x6C
    UV = 0x6D
    BARCODE_UNRECOGNISED = 0x92
    BARCODE_COUNT = 0x93
    BARCODE_START = 0x94
    BARCODE_STOP = 0x95


REJECT_WORDS: dict[int, str] = {
    Reject.INSERTION: "put in askew: try again, straight",
    Reject.MAGNETIC: "its magnetic or dielectric features are not those of a note",
    Reject.REMAINED_IN_HEAD: "another note is still in the head",
    Reject.MULTIPLYING: "its readings do not fit together, or two notes at once",
    Reject.CONVEYING: "it could not be drawn in: try again; when it repeats, clean the rollers",
    Reject.IDENTIFICATION: "it is no note that is known here",
    Reject.VERIFICATION: "known, but it did not pass the check",
    Reject.OPTIC: "its colours are not those of a note: when it repeats, clean the optics",
    Reject.INHIBITED: "this denomination is not taken",
    Reject.CAPACITANCE: "its capacitance is not that of a note",
    Reject.OPERATION: "it was pulled, or pushed in at a wrong moment",
    Reject.LENGTH: "its length is not that of a note",
    Reject.UV: "it shines under ultraviolet light as no note does",
    Reject.BARCODE_UNRECOGNISED: "its bar code is of an unknown kind",
    Reject.BARCODE_COUNT: "its bar code has a wrong number of characters",
    Reject.BARCODE_START: "the start of its bar code is not recognised",
    Reject.BARCODE_STOP: "the end of its bar code is not recognised",
}


class Failure(IntEnum):
    """What is broken: second byte of FAILURE."""

    STACK_MOTOR = 0x50
    TRANSPORT_SPEED = 0x51
    TRANSPORT_MOTOR = 0x52
    ALIGNING_MOTOR = 0x53
    INITIAL_CASSETTE = 0x54
    OPTIC_CHANNEL = 0x55
    MAGNETIC_CHANNEL = 0x56
    OPERATING_SYSTEM = 0x57
    MEMORY_STICK = 0x58
    DPLINK = 0x59
    I2C = 0x5A
    SPI = 0x5B
    INTERFACE_52 = 0x5C
    CAPACITANCE_CHANNEL = 0x5F


_SERVICE = "switch it off and on; when it stays, it needs service"
FAILURE_WORDS: dict[int, str] = {
    Failure.STACK_MOTOR: f"the stacker's motor fails: look for something stuck in the cassette; {_SERVICE}",
    Failure.TRANSPORT_SPEED: f"the transport runs at a wrong speed: clean the note's path; {_SERVICE}",
    Failure.TRANSPORT_MOTOR: f"the transport's motor fails: look for something stuck in the path; {_SERVICE}",
    Failure.ALIGNING_MOTOR: f"the aligning motor fails: clean the entry; {_SERVICE}",
    Failure.INITIAL_CASSETTE: "the cassette was not as it must be at the start: take it out and put it in again",
    Failure.OPTIC_CHANNEL: "an optical sensor fails: clean the optics; when it stays, it needs service",
    Failure.MAGNETIC_CHANNEL: "a magnetic sensor fails: clean the head; when it stays, it needs service",
    Failure.OPERATING_SYSTEM: f"its program fails: {_SERVICE}",
    Failure.MEMORY_STICK: "its memory module fails or is missing: it needs service",
    Failure.DPLINK: f"its inner link (DPLINK) fails: {_SERVICE}",
    Failure.I2C: f"its inner bus (I2C) fails: {_SERVICE}",
    Failure.SPI: f"its inner bus (SPI) fails: {_SERVICE}",
    Failure.INTERFACE_52: f"its second processor does not answer: {_SERVICE}",
    Failure.CAPACITANCE_CHANNEL: "a capacitive sensor fails: clean the head; when it stays, it needs service",
}


@dataclass(frozen=True, slots=True)
class PollAnswer:
    """One answer to POLL: the state, and what stands behind it."""

    state: int
    data: bytes = b""

    @property
    def known(self) -> bool:
        """Whether the state is one of `State`."""
        return self.state in STATE_WORDS or self.state == State.INVALID_COMMAND

    @property
    def code(self) -> str:
        """For people and logs: "47 51"."""
        return " ".join(f"{byte:02X}" for byte in bytes([self.state]) + self.data)

    @property
    def detail(self) -> int | None:
        """The second byte: bill type, reason, code or time."""
        return self.data[0] if self.data else None

    @property
    def destination(self) -> int | None:
        """Bill-to-Bill: where a stacked note went."""
        return self.data[1] if self.state == State.BILL_STACKED and len(self.data) > 1 else None

    @property
    def words(self) -> str:
        """What it means, and what an operator does about it."""
        words = STATE_WORDS.get(self.state, f"unknown state {self.state:02X}")
        if self.detail is None:
            return words
        match self.state:
            case State.REJECTING | State.SUSPECTED_HELD | State.COUNTERFEIT_HELD:
                return f"{words}: {REJECT_WORDS.get(self.detail, f'unknown reason {self.detail:02X}')}"
            case State.FAILURE:
                return FAILURE_WORDS.get(self.detail, f"unknown failure {self.detail:02X}: {_SERVICE}")
            case State.BUSY:
                return f"{words}: {self.detail / 10:g} s"
            case State.ESCROW | State.BILL_STACKED | State.BILL_RETURNED:
                return f"{words}: type {self.detail}"
        return words


def read_poll(data: bytes) -> PollAnswer | None:
    """An answer to POLL; None when it cannot be one."""
    if not data or data[0] in (0x00, 0xFF):
        return None
    answer = PollAnswer(data[0], bytes(data[1:]))
    needs_detail = answer.state in (State.ESCROW, State.BILL_STACKED, State.BILL_RETURNED)
    return None if needs_detail and answer.detail is None else answer
