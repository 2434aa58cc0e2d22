"""What becomes of a task, how a shift stands, and the driver's error codes, in words for an operator.

Codes are those of the driver's library (libfptr10, `LIBFPTR_ERROR_...`), as bindings of several languages list them;
from 500 on they are the web server's.
"""

from enum import Enum, IntEnum


class TaskStatus(Enum):
    """A task's way through the server: wait → inProgress → one of the others."""

    WAIT = "wait"  # in the queue; nothing was done yet
    IN_PROGRESS = "inProgress"  # at the register
    READY = "ready"  # done, with a result
    ERROR = "error"  # the register said no, or was lost; not proof that nothing was registered
    INTERRUPTED = "interrupted"  # not run because of an error before it, or cut short
    BLOCKED = "blocked"  # stopped, and with it the queue, until the cause is gone
    CANCELED = "canceled"  # taken out of the queue before it began


UNDER_WAY = (TaskStatus.WAIT, TaskStatus.IN_PROGRESS, TaskStatus.BLOCKED)


class ShiftWord(Enum):
    """The register's word for a shift, and the role's."""

    CLOSED = "closed"
    OPENED = "opened"
    EXPIRED = "expired"

    @property
    def state(self) -> str:
        """As `ShiftState.state` says it."""
        return "open" if self is ShiftWord.OPENED else self.value


class Code(IntEnum):
    """Those that something here turns on."""

    OK = 0
    CONNECTION_DISABLED = 1
    NO_CONNECTION = 2
    PORT_BUSY = 3
    PORT_NOT_AVAILABLE = 4
    NOT_SUPPORTED = 11
    BLOCKED_BY_REPORT = 32
    MODE_BLOCKED = 34
    NO_PAPER = 44
    COVER_OPENED = 45
    PRINTER_FAULT = 46
    MECHANICAL_FAULT = 47
    NON_CASH_TOO_MUCH = 52
    BUSY = 55
    NOT_FULLY_PAID = 66
    SHIFT_EXPIRED = 68
    SHIFT_IS_CLOSED = 73
    NO_CASH = 80
    RECEIPT_IS_CLOSED = 81
    RECEIPT_IS_OPEN = 82
    SHIFT_IS_OPEN = 83
    NOT_IN_JOURNAL = 93
    PRINTER_OVERHEAT = 114
    FN_EXCHANGE = 115
    FN_FAULT = 118
    FN_EXPIRED = 120
    FN_OVERFLOW = 121
    FN_NO_MORE_DATA = 123
    OFD_LATE = 139
    FN_SHIFT_EXPIRED = 141
    CUTTER_FAULT = 150
    FN_READ_DOCUMENT = 162
    FN_NOT_FOUND = 166
    CLOSE_RECEIPT_INTERRUPTED = 177
    INVALID_TOTAL = 227
    CONNECTION_LOST = 241
    PARSE_ERROR = 501
    INTERRUPTED_BY_ERRORS = 502
    NOT_AUTHORISED = 504
    WEB_FAIL = 505


REMEDIES = {
    Code.CONNECTION_DISABLED: "the web server is not connected to the register: switch the connection on in its page",
    Code.NO_CONNECTION: "the web server does not reach the register: check its power and cable",
    Code.PORT_BUSY: "another program holds the register's port: end it",
    Code.PORT_NOT_AVAILABLE: "the register's port is missing: check its power and cable",
    Code.NOT_SUPPORTED: "this register or driver does not know that",
    Code.BLOCKED_BY_REPORT: "a report was cut short: let it be printed to the end",
    Code.MODE_BLOCKED: "the register is blocked: restart it, then look at its status",
    Code.NO_PAPER: "put in a new roll of paper",
    Code.COVER_OPENED: "close the printer's cover",
    Code.PRINTER_FAULT: "the printing unit does not answer: switch the register off and on",
    Code.MECHANICAL_FAULT: "the printing unit is stuck: look for torn paper, then switch the register off and on",
    Code.NON_CASH_TOO_MUCH: "more was paid without cash than the receipt comes to",
    Code.BUSY: "the register is busy: wait",
    Code.NOT_FULLY_PAID: "less was paid than the receipt comes to",
    Code.SHIFT_EXPIRED: "the shift is open for more than 24 hours: close it and open a new one",
    Code.SHIFT_IS_CLOSED: "no shift is open: open one",
    Code.NO_CASH: "there is not so much cash in the drawer by the register's count",
    Code.RECEIPT_IS_CLOSED: "no receipt is open",
    Code.RECEIPT_IS_OPEN: "a receipt is open: it must be ended or cancelled first",
    Code.SHIFT_IS_OPEN: "a shift is open already",
    Code.PRINTER_OVERHEAT: "the printing head is hot: wait some minutes",
    Code.FN_EXCHANGE: "the fiscal storage does not answer: switch the register off and on, then call service",
    Code.FN_FAULT: "the fiscal storage is broken: call service",
    Code.FN_EXPIRED: "the fiscal storage is past its time: it must be replaced",
    Code.FN_OVERFLOW: "the fiscal storage is full: it must be replaced",
    Code.OFD_LATE: "documents were not sent to the data operator for too long: check the network",
    Code.FN_SHIFT_EXPIRED: "the shift is open for more than 24 hours: close it and open a new one",
    Code.CUTTER_FAULT: "the cutter is stuck: look for torn paper",
    Code.FN_NOT_FOUND: "there is no fiscal storage: call service",
    Code.CLOSE_RECEIPT_INTERRUPTED: "closing a receipt was cut short: let the register finish it",
    Code.INVALID_TOTAL: "the receipt's total does not agree with its lines",
    Code.CONNECTION_LOST: "the register went away while it worked: check its power and cable",
    Code.PARSE_ERROR: "the web server does not understand the task",
    Code.NOT_AUTHORISED: "the web server wants another login or password",
}
"""What an operator does about it."""

SHIFT_CODES = frozenset({Code.SHIFT_EXPIRED, Code.SHIFT_IS_CLOSED, Code.SHIFT_IS_OPEN, Code.FN_SHIFT_EXPIRED})
PAPER_CODES = frozenset({Code.NO_PAPER, Code.COVER_OPENED})
FAULT_CODES = PAPER_CODES | {
    Code.CONNECTION_DISABLED,
    Code.NO_CONNECTION,
    Code.PORT_BUSY,
    Code.PORT_NOT_AVAILABLE,
    Code.BLOCKED_BY_REPORT,
    Code.MODE_BLOCKED,
    Code.PRINTER_FAULT,
    Code.MECHANICAL_FAULT,
    Code.PRINTER_OVERHEAT,
    Code.FN_EXCHANGE,
    Code.FN_FAULT,
    Code.FN_EXPIRED,
    Code.FN_OVERFLOW,
    Code.OFD_LATE,
    Code.CUTTER_FAULT,
    Code.FN_NOT_FOUND,
    Code.CLOSE_RECEIPT_INTERRUPTED,
    Code.CONNECTION_LOST,
    Code.NOT_AUTHORISED,
}
"""The register is out of service; the others are a no to what was asked."""


def words_of(code: int, description: str = "") -> str:
    """What to do about an error; the server's own description where none is known."""
    try:
        remedy = REMEDIES.get(Code(code), "")
    except ValueError:
        remedy = ""
    if remedy and description:
        return f"{remedy} [{description}]"
    return remedy or description or f"error {code}"
