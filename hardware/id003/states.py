"""What a validator says of itself, and what an operator does about it."""

from enum import IntEnum


class Status(IntEnum):
    """The answer to a status request."""

    ENQ = 0x05  # interrupt mode: something changed, ask
    ENABLE = 0x11  # idling; a note may be put in
    ACCEPTING = 0x12
    ESCROW = 0x13  # with a denomination code, or a ticket's text
    STACKING = 0x14
    VEND_VALID = 0x15  # the credit, repeated until the host says ACK
    STACKED = 0x16
    REJECTING = 0x17  # with a reason
    RETURNING = 0x18
    HOLDING = 0x19
    DISABLE = 0x1A  # inhibited by the host
    INITIALIZE = 0x1B  # wants to be set up
    POWER_UP = 0x40
    POWER_UP_BILL_IN_ACCEPTOR = 0x41
    POWER_UP_BILL_IN_STACKER = 0x42
    STACKER_FULL = 0x43
    STACKER_OPEN = 0x44
    JAM_IN_ACCEPTOR = 0x45
    JAM_IN_STACKER = 0x46
    PAUSE = 0x47
    CHEATED = 0x48
    FAILURE = 0x49  # with a code
    COMMUNICATION_ERROR = 0x4A  # the last frame came broken
    INVALID_COMMAND = 0x4B  # not now, or not known
    ACK = 0x50


POWER_UPS = frozenset((Status.POWER_UP, Status.POWER_UP_BILL_IN_ACCEPTOR, Status.POWER_UP_BILL_IN_STACKER))
IDLE = frozenset((Status.ENABLE, Status.DISABLE))
JAMS = frozenset((Status.JAM_IN_ACCEPTOR, Status.JAM_IN_STACKER))
FAULTS = frozenset((Status.STACKER_FULL, Status.STACKER_OPEN, *JAMS, Status.CHEATED, Status.FAILURE))
TROUBLES = FAULTS - {Status.STACKER_FULL}  # after these, nobody can say where a moving note went
STATUSES = frozenset(status for status in Status if status < Status.COMMUNICATION_ERROR and status != Status.ENQ)

NAMES: dict[int, str] = {
    Status.ENQ: "ENQ",
    Status.ENABLE: "ENABLE/IDLING",
    Status.ACCEPTING: "ACCEPTING",
    Status.ESCROW: "ESCROW",
    Status.STACKING: "STACKING",
    Status.VEND_VALID: "VEND VALID",
    Status.STACKED: "STACKED",
    Status.REJECTING: "REJECTING",
    Status.RETURNING: "RETURNING",
    Status.HOLDING: "HOLDING",
    Status.DISABLE: "DISABLE",
    Status.INITIALIZE: "INITIALIZE",
    Status.POWER_UP: "POWER UP",
    Status.POWER_UP_BILL_IN_ACCEPTOR: "POWER UP WITH BILL IN ACCEPTOR",
    Status.POWER_UP_BILL_IN_STACKER: "POWER UP WITH BILL IN STACKER",
    Status.STACKER_FULL: "STACKER FULL",
    Status.STACKER_OPEN: "STACKER OPEN",
    Status.JAM_IN_ACCEPTOR: "JAM IN ACCEPTOR",
    Status.JAM_IN_STACKER: "JAM IN STACKER",
    Status.PAUSE: "PAUSE",
    Status.CHEATED: "CHEATED",
    Status.FAILURE: "FAILURE",
    Status.COMMUNICATION_ERROR: "COMMUNICATION ERROR",
    Status.INVALID_COMMAND: "INVALID COMMAND",
    Status.ACK: "ACK",
}

WORDS: dict[int, str] = {
    Status.ENQ: "something changed; it waits to be asked",
    Status.ENABLE: "ready for a note",
    Status.ACCEPTING: "a note is being drawn in",
    Status.ESCROW: "a note is held, waiting for a decision",
    Status.STACKING: "a note is on its way to the stacker",
    Status.VEND_VALID: "a note is taken and cannot come back; repeated until it is confirmed",
    Status.STACKED: "a note lies in the stacker",
    Status.REJECTING: "a note is refused and goes back",
    Status.RETURNING: "a note goes back",
    Status.HOLDING: "a note is held for longer",
    Status.DISABLE: "takes no notes, as it was told",
    Status.INITIALIZE: "begins anew and waits to be set up",
    Status.POWER_UP: "has just got power",
    Status.POWER_UP_BILL_IN_ACCEPTOR: "has just got power; a note is in the acceptor and goes back",
    Status.POWER_UP_BILL_IN_STACKER: "has just got power; a note is in the stacker and will be told of",
    Status.STACKER_FULL: "the stacker is full: collect the notes",
    Status.STACKER_OPEN: "the stacker is out of its place: push it in until it clicks",
    Status.JAM_IN_ACCEPTOR: "a note is jammed in the acceptor: open the upper guide and take it out",
    Status.JAM_IN_STACKER: "a note is jammed in the stacker: take the stacker out and clear it",
    Status.PAUSE: "a second note was put in too soon: take it out",
    Status.CHEATED: "somebody tried to cheat the validator: look for a string or a tape",
    Status.FAILURE: "the validator is broken",
    Status.COMMUNICATION_ERROR: "the last frame came broken",
    Status.INVALID_COMMAND: "the command is not known, or cannot be done now",
    Status.ACK: "understood",
}

REJECTS: dict[int, str] = {
    0x71: "it was put in askew",
    0x72: "the magnetic pattern is not that of a known note",
    0x73: "a note was left in the head",
    0x74: "calibration failed",
    0x75: "it did not move as it should",
    0x76: "it is no note that the validator knows",
    0x77: "the optical pattern is not that of a known note",
    0x78: "the optical level is not that of a known note",
    0x79: "notes of this value are refused now",
    0x7A: "refused for a reason that is not documented",
    0x7B: "something was done out of order",
    0x7C: "the stacker did not take it",
    0x7D: "its length is wrong",
    0x7E: "the colour pattern is not that of a known note",
    0x7F: "it is not a genuine note",
}

FAILURES: dict[int, str] = {
    0xA2: "the stacker's motor failed",
    0xA5: "the transport motor runs at a wrong speed",
    0xA6: "the transport motor failed",
    0xA7: "the aligning motor failed",
    0xAB: "the cash box is not ready",
    0xAC: "an optical sensor failed",
    0xAD: "a magnetic sensor failed",
    0xAF: "the validator's head is off: put it in its place",
    0xB0: "the boot memory failed",
    0xB1: "the external memory failed",
    0xB2: "the memory failed",
    0xB3: "the external memory cannot be written",
}


def name(code: int) -> str:
    """A status by its name."""
    return NAMES.get(code, f"status {code:02X}")


def words(code: int, data: bytes = b"") -> str:
    """A status for an operator, with its reason."""
    said = WORDS.get(code, f"says {code:02X}, which is not known here")
    if code == Status.REJECTING and data:
        return f"{said}: {REJECTS.get(data[0], f'reason {data[0]:02X}')}"
    if code == Status.FAILURE and data:
        return f"{said}: {FAILURES.get(data[0], f'failure {data[0]:02X}')}; switch it off and on, then have it repaired"
    return said
