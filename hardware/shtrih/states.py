"""Modes, submodes and error codes of a register, in words, and what to do about them."""

from enum import Enum, IntEnum


class Mode(IntEnum):
    """The low half of the mode byte; the high half says which document is open in 8, 13 and 14."""

    DUMP = 1
    SHIFT_OPEN = 2
    SHIFT_EXPIRED = 3  # open for more than 24 hours: only the Z report is taken
    SHIFT_CLOSED = 4
    LOCKED = 5  # by a wrong tax inspector's password
    DATE_AWAITED = 6
    POINT_AWAITED = 7
    DOCUMENT_OPEN = 8
    RESET_ALLOWED = 9
    TEST_RUN = 10
    FULL_REPORT = 11
    SLIP_REPORT = 12
    SLIP_OPEN = 13
    SLIP_PRINTING = 14
    SLIP_READY = 15


MODE_WORDS = {
    Mode.DUMP: "it gives out its memory",
    Mode.SHIFT_OPEN: "shift open",
    Mode.SHIFT_EXPIRED: "shift open for more than 24 hours",
    Mode.SHIFT_CLOSED: "shift closed",
    Mode.LOCKED: "locked by a wrong tax inspector's password",
    Mode.DATE_AWAITED: "the date is to be confirmed",
    Mode.POINT_AWAITED: "the decimal point may be moved",
    Mode.DOCUMENT_OPEN: "document open",
    Mode.RESET_ALLOWED: "a technological reset is allowed",
    Mode.TEST_RUN: "test run",
    Mode.FULL_REPORT: "it prints a full fiscal report",
    Mode.SLIP_REPORT: "it prints a report of the control tape",
    Mode.SLIP_OPEN: "fiscal slip open",
    Mode.SLIP_PRINTING: "a slip is being printed",
    Mode.SLIP_READY: "a fiscal slip is formed",
}

OPEN_DOCUMENTS = {0: "sale", 1: "purchase", 2: "return of a sale", 3: "return of a purchase", 4: "non-fiscal document"}


class Submode(IntEnum):
    """Where the paper stands."""

    READY = 0
    NO_PAPER = 1
    PAPER_RAN_OUT = 2  # while printing; takes no command that prints
    CONTINUE_AWAITED = 3  # there is paper again; B0 goes on
    PRINTING_REPORT = 4
    PRINTING = 5


SUBMODE_WORDS = {
    Submode.READY: "ready to print",
    Submode.NO_PAPER: "no paper",
    Submode.PAPER_RAN_OUT: "the paper ran out while printing",
    Submode.CONTINUE_AWAITED: "paper is back, waits to go on printing",
    Submode.PRINTING_REPORT: "prints a report",
    Submode.PRINTING: "prints",
}

LAST_PRINT = {0: "printed", 1: "the paper tore or ended", 2: "printer error", 5: "printing"}

PRINTING = frozenset({Submode.PRINTING, Submode.PRINTING_REPORT})
PAPERLESS = frozenset({Submode.NO_PAPER, Submode.PAPER_RAN_OUT})

STORAGE_WARNINGS = {
    0: "the fiscal storage must be replaced within 3 days",
    1: "the fiscal storage expires within 30 days",
    2: "the fiscal storage is 90 % full",
    3: "the data operator has not answered for too long",
}
"""By bit of the warnings in FF01."""

BUSY_PRINTING = 0x50
CONTINUE_AWAITED = 0x58
NO_PAPER_ERRORS = frozenset({0x6B, 0x6C})
SHIFT_EXPIRED_ERRORS = frozenset({0x4E, 0x16})
NO_SUCH_DOCUMENT = 0x08
NOT_SUPPORTED = frozenset({0x33, 0x36, 0x37})


class Kind(Enum):
    """What an error asks for."""

    ASK_US = "a mistake of the program"
    OWNER = "the owner decides"
    ENGINEER = "an engineer is needed"
    WAIT = "wait and ask again"


_BILL_ACCEPTOR = ("error of a bill acceptor wired to the register", "see the register's manual", Kind.ENGINEER)

ERRORS: dict[int, tuple[str, str, Kind]] = {
    0x01: ("the storage does not know this command", "update the register's firmware", Kind.ENGINEER),
    0x02: ("the storage is in a wrong state", "a document may be open in it: annul it", Kind.ENGINEER),
    0x03: ("the storage is broken", "replace the fiscal storage", Kind.ENGINEER),
    0x04: ("the storage's crypto processor is broken", "replace the fiscal storage", Kind.ENGINEER),
    0x05: ("the storage has expired", "replace the fiscal storage", Kind.ENGINEER),
    0x06: ("the storage is full", "replace the fiscal storage", Kind.ENGINEER),
    0x07: ("the storage does not take this date or time", "set the clock", Kind.ENGINEER),
    0x08: ("the storage has no such data", "", Kind.OWNER),
    0x09: ("the storage does not take a value", "", Kind.ASK_US),
    0x10: ("more TLV than the storage takes", "", Kind.ASK_US),
    0x11: ("the storage has no transport connection", "look at the line to the data operator", Kind.ENGINEER),
    0x12: ("the storage's crypto processor is worn out", "replace the fiscal storage", Kind.ENGINEER),
    0x14: ("the storage's queue is full", "look at the line to the data operator", Kind.ENGINEER),
    0x15: ("documents are unsent for 30 days", "nothing is sold until the data operator got them", Kind.ENGINEER),
    0x16: ("the shift is open for more than 24 hours", "close the shift", Kind.OWNER),
    0x17: ("the clock differs from the storage's by too much", "set the clock", Kind.ENGINEER),
    0x20: ("the data operator's message was refused", "look at the line to the data operator", Kind.ENGINEER),
    0x33: ("wrong parameters", "", Kind.ASK_US),
    0x34: ("no data", "", Kind.OWNER),
    0x35: ("wrong parameter with these settings", "look at the register's tables", Kind.ENGINEER),
    0x36: ("wrong parameters for this model", "", Kind.ASK_US),
    0x37: ("this model does not know the command", "", Kind.ASK_US),
    0x38: ("memory error", "an engineer looks at the register", Kind.ENGINEER),
    0x3C: ("a shift is open", "close the shift", Kind.OWNER),
    0x3D: ("no shift is open", "open a shift", Kind.OWNER),
    0x45: ("less is paid than the receipt comes to", "", Kind.ASK_US),
    0x46: ("there is not enough cash in the drawer", "put cash in by a cash-in document", Kind.OWNER),
    0x47: ("a tax sum is too great", "", Kind.ASK_US),
    0x48: ("the total is too great", "split the receipt", Kind.OWNER),
    0x49: ("not possible in a receipt of this type", "", Kind.ASK_US),
    0x4A: ("a receipt is open", "it is closed or annulled first", Kind.ASK_US),
    0x4B: ("the receipt's buffer is full", "split the receipt", Kind.OWNER),
    0x4E: ("the shift is open for more than 24 hours", "close the shift", Kind.OWNER),
    0x4F: ("wrong password", "set the register's password in the settings", Kind.ENGINEER),
    0x50: ("it still prints", "wait", Kind.WAIT),
    0x55: ("the receipt is closed already", "", Kind.ASK_US),
    0x58: ("it waits for the command to go on printing", "", Kind.WAIT),
    0x59: ("a document of another cashier is open", "use the password that opened it", Kind.ENGINEER),
    0x5E: ("a wrong operation", "", Kind.ASK_US),
    0x6B: ("no paper", "put paper in", Kind.OWNER),
    0x6C: ("no paper for the control tape", "put paper in", Kind.OWNER),
    0x71: ("the cutter is stuck", "free the cutter", Kind.OWNER),
    0x72: ("not in this submode", "", Kind.ASK_US),
    0x73: ("not in this mode", "", Kind.ASK_US),
    0x74: ("the register's memory failed", "an engineer looks at the register", Kind.ENGINEER),
    0x75: ("power is failing", "look at the power supply", Kind.ENGINEER),
    0x76: ("the printer does not answer its electronics", "an engineer looks at the printer", Kind.ENGINEER),
    0x7C: ("the date differs", "confirm the date", Kind.ENGINEER),
    0x8E: ("the receipt comes to nothing", "", Kind.OWNER),
    0x8F: ("it is not registered with the tax service", "register it", Kind.ENGINEER),
    0x94: ("too many operations in the receipt", "split the receipt", Kind.OWNER),
    0x96: ("the shift must be closed first", "close the shift", Kind.OWNER),
    0xC0: ("date and time are to be confirmed", "confirm the date", Kind.ENGINEER),
    0xCF: ("the clock stands before the last document", "set the clock", Kind.ENGINEER),
    **dict.fromkeys(
        range(224, 229),
        ("error of a bill acceptor wired to the register", "look at the register's manual", Kind.ENGINEER),
    ),
}
"""Code, words, what is done about it. E0 to E4 come from PayKiosk models only."""


def error_code(error: int) -> str:
    """As an operator reads it: "4E"."""
    return f"{error:02X}"


def error_words(error: int) -> str:
    """What it means and what is done about it."""
    if error == 0:
        return "done"
    known = ERRORS.get(error)
    if known is None:
        return "an error this program has no words for; see the register's manual"
    words, remedy, _ = known
    return f"{words}; {remedy}" if remedy else words


def storage_warnings(bits: int) -> list[str]:
    """Of FF01, in words."""
    return [words for bit, words in STORAGE_WARNINGS.items() if bits & 1 << bit]


def mode_words(mode: int, submode: int) -> str:
    """Both in one sentence."""
    low, high = mode & 0x0F, mode >> 4
    words = MODE_WORDS.get(Mode(low), "") if low in Mode._value2member_map_ else f"mode {low}"
    if low == Mode.DOCUMENT_OPEN:
        words = f"{words} ({OPEN_DOCUMENTS.get(high, high)})"
    sub = SUBMODE_WORDS[Submode(submode)] if submode in Submode._value2member_map_ else f"submode {submode}"
    return f"{words}, {sub}"
