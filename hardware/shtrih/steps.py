"""What a procedure asks of whoever runs it, and what every procedure needs.

A procedure is a generator of steps; it says what is asked in which order and never sees a byte, a port or a clock. An
`Ask` is answered with a `Reply`, or with `Lost` raised at its place: the command may have been carried out.
Questions that change nothing are repeated by the runner before it gives up.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from hardware.errors import DeviceFault, Refused
from hardware.events import Event
from hardware.shtrih.book import Book
from hardware.shtrih.declaration import Reply
from hardware.shtrih.plan import Settings
from hardware.shtrih.states import (
    BUSY_PRINTING,
    CONTINUE_AWAITED,
    ERRORS,
    NO_PAPER_ERRORS,
    PAPERLESS,
    PRINTING,
    Kind,
    Mode,
    Submode,
    error_code,
    error_words,
    mode_words,
)

PRINT_WAIT_S = 0.2
PRINT_MAX_S = 90.0  # the longest thing that is printed, a full report aside
CONTINUES_MAX = 20
ANNULS_MAX = 3
BLOCKS_MAX = 500  # of one document, a tag or some in each


class Lost(Exception):
    """No answer. The command may have been carried out; the register is asked when it answers again."""


@dataclass(frozen=True)
class Ask:
    """Send a command; answered with its `Reply`."""

    command: str
    values: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Tell:
    """Write the book down, together with an event if there is one."""

    event: Event | None = None


@dataclass(frozen=True)
class Pause:
    """Go on after this time."""

    seconds: float


@dataclass(frozen=True)
class Note:
    """A line for the log."""

    words: str
    level: Literal["debug", "info", "warning", "error"] = "info"


@dataclass(frozen=True)
class Saw:
    """A short status was read: what the driver shows of itself follows it."""

    mode: int
    submode: int


Step = Ask | Tell | Pause | Note | Saw
T = TypeVar("T")
Steps = Generator[Step, Any, T]

_ADMINISTRATOR = frozenset({"x_report", "z_report", "read_table", "write_table", "font", "correction_v2"})


class Asking:
    """The questions that every procedure is made of."""

    def __init__(self, settings: Settings, book: Book) -> None:
        self.settings = settings
        self.book = book

    def ask(self, name: str, /, **values: object) -> Steps[Reply]:
        """A command's answer, once the register prints no more and no longer waits to go on printing."""
        if name != "device_type":
            values = {"password": self._password(name), **values}
        waited = 0.0
        continued = 0
        while True:
            reply: Reply = yield Ask(name, values)
            if reply.error == BUSY_PRINTING and waited < PRINT_MAX_S:
                waited += PRINT_WAIT_S
                yield Pause(PRINT_WAIT_S)
            elif reply.error == CONTINUE_AWAITED and name != "continue_print" and continued < CONTINUES_MAX:
                continued += 1
                yield Ask("continue_print", {"password": self.settings.password})
                yield Pause(PRINT_WAIT_S)
            else:
                return reply

    def must(self, name: str, /, **values: object) -> Steps[Reply]:
        """As `ask`. Raises `Refused` or `DeviceFault` for an error."""
        reply = yield from self.ask(name, **values)
        if reply.error:
            raise failure(reply.error)
        return reply

    def status(self) -> Steps[Reply]:
        """How it stands now."""
        reply = yield from self.must("short_status")
        yield Saw(reply.number("mode"), reply.number("submode"))
        return reply

    def still(self) -> Steps[Reply]:
        """How it stands once nothing is printed any more; goes on printing where only that was waited for."""
        waited = 0.0
        continued = 0
        while True:
            reply = yield from self.status()
            submode = reply.number("submode")
            if submode in PRINTING and waited < PRINT_MAX_S:
                waited += PRINT_WAIT_S
            elif submode == Submode.CONTINUE_AWAITED and continued < CONTINUES_MAX:
                continued += 1
                yield from self.ask("continue_print")
            else:
                return reply
            yield Pause(PRINT_WAIT_S)

    def usable(self) -> Steps[Reply]:
        """How it stands, when a document may be begun: there is paper, and no document is open.

        Raises:
            DeviceFault, Refused: it may not; nothing was begun.
        """
        reply = yield from self.still()
        if reply.number("submode") in PAPERLESS:
            raise failure(0x6B)
        if reply.number("mode") == Mode.DOCUMENT_OPEN:
            yield Note("a receipt is open in the register that nobody closes; it is annulled", "warning")
            yield from self.annul()
            reply = yield from self.still()
        if reply.number("mode") == Mode.DUMP:
            yield from self.read_tags()
            reply = yield from self.still()
        mode = reply.number("mode")
        if mode not in {Mode.SHIFT_OPEN, Mode.SHIFT_EXPIRED, Mode.SHIFT_CLOSED}:
            raise DeviceFault(f"mode {mode}", mode_words(mode, reply.number("submode")))
        return reply

    def annul(self) -> Steps[bool]:
        """Annul the open receipt; whether none is open now. A lost answer is looked after."""
        for _ in range(ANNULS_MAX):
            try:
                reply = yield from self.ask("cancel")
            except Lost:
                reply = None
            if reply is not None and reply.error in NO_PAPER_ERRORS:
                return False
            status = yield from self.still()
            if status.number("mode") != Mode.DOCUMENT_OPEN:
                if self.book.annul:
                    self.book.annul = False
                    yield Tell()
                return True
            if status.number("submode") in PAPERLESS:
                return False
        return False

    def read_tags(self) -> Steps[dict[int, object]]:
        """What is left to read of the document that FF3A began; the register stays in mode 1 until all is read."""
        found: dict[int, object] = {}
        for _ in range(BLOCKS_MAX):
            reply = yield from self.ask("fn_document_block")
            block = reply.values.get("tlv")
            if reply.error or not isinstance(block, list) or not block:
                break
            found.update({tag["tag"]: tag["value"] for tag in block if isinstance(tag["tag"], int)})
        return found

    def _password(self, name: str) -> int:
        # Tags go into the cashier's own document: the vendor's drivers send them under the cashier's password.
        from_storage = name.startswith(("fn_", "shift_", "ofd_", "unconfirmed")) and name != "fn_tlv"
        return self.settings.admin_password if from_storage or name in _ADMINISTRATOR else self.settings.password


def failure(error: int) -> Refused | DeviceFault:
    """What an error code means to a caller. Either promises that nothing was registered."""
    known = ERRORS.get(error)
    if known is not None and (known[2] is Kind.ENGINEER or error in NO_PAPER_ERRORS):
        return DeviceFault(error_code(error), error_words(error))
    return Refused(error_code(error), error_words(error))
