"""What a printer says of itself: each status bit by bit, and what an operator does about it.

A bit that the notes do not name is kept out of words and decisions. Sources: Epson TM-U220 pages 54, 55 and 83 (DLE
EOT, GS a), Citizen CT-S2000 page 56 (black mark), PPU-231 (presenter), Custom KPM150H page 66 (full status).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum


class Trouble(StrEnum):
    """Why nothing can be printed, the gravest first. The value is the code in events and errors."""

    UNRECOVERABLE = "unrecoverable"
    MECHANICAL = "mechanical"
    CUTTER = "cutter"
    COVER_OPEN = "cover-open"
    PAPER_OUT = "paper-out"
    HEAD_HOT = "head-hot"
    ERROR = "error"
    OFFLINE = "offline"
    WAITING = "waiting"  # for a person to press feed after the paper was changed

    @property
    def words(self) -> str:
        """What an operator does."""
        return WORDS[self]


WORDS = {
    Trouble.UNRECOVERABLE: "the printer reports an error that it cannot recover from: switch it off and on; "
    "when it comes again, it needs service",
    Trouble.MECHANICAL: "the print mechanism does not move: clear the paper path, then switch the printer off and on",
    Trouble.CUTTER: "the cutter is blocked: clear the paper from it and close the cover",
    Trouble.COVER_OPEN: "the cover is open: close it",
    Trouble.PAPER_OUT: "the paper is out: put in a roll",
    Trouble.HEAD_HOT: "the print head or motor is too hot: it goes on by itself when it has cooled",
    Trouble.ERROR: "the printer has stopped for an error: look at its lamps",
    Trouble.OFFLINE: "the printer is off line: look at its lamps and buttons",
    Trouble.WAITING: "the printer waits for its feed button after the paper was changed",
}

ABSENT = "no-answer"
ABSENT_WORDS = "the printer does not answer: look at its power, cable and speed"

# DLE EOT 1
DRAWER_HIGH, OFFLINE, RECOVERY_WAIT, FEED_BUTTON = 0x04, 0x08, 0x20, 0x40
# DLE EOT 2
COVER, FED_BY_BUTTON, STOPPED_BY_PAPER, ERROR = 0x04, 0x08, 0x20, 0x40
# DLE EOT 3
MECHANICAL, CUTTER, UNRECOVERABLE, AUTO_RECOVERABLE = 0x04, 0x08, 0x20, 0x40
# DLE EOT 4
NEAR_END, PAPER_END = 0x0C, 0x60
NO_PAPER = 0x20  # on presenter models bit 5 is paper end, and bit 6 an empty presenter
PRESENTER_EMPTY = 0x40
# GS r 1 and the third byte of an automatic status
BUFFERED_NEAR_END, BUFFERED_PAPER_END = 0x03, 0x0C

Bits = tuple[tuple[int, str, str], ...]
"""Mask, name in JSON, words when set. A mask of two bits is set when either is."""

REAL_TIME: dict[int, Bits] = {
    1: (
        (DRAWER_HIGH, "drawer_high", "drawer pin 3 is high"),
        (OFFLINE, "offline", "offline"),
        (RECOVERY_WAIT, "waits_for_recovery", "waits to be put on line again"),
        (FEED_BUTTON, "feed_button", "the feed button is pressed"),
    ),
    2: (
        (COVER, "cover_open", "cover open"),
        (FED_BY_BUTTON, "fed_by_button", "paper is being fed by the button"),
        (STOPPED_BY_PAPER, "stopped_by_paper_end", "stopped by paper end"),
        (ERROR, "error", "error"),
    ),
    3: (
        (MECHANICAL, "mechanical", "mechanical error (Citizen: black mark not found)"),
        (CUTTER, "cutter", "cutter error"),
        (UNRECOVERABLE, "unrecoverable", "unrecoverable error"),
        (AUTO_RECOVERABLE, "auto_recoverable", "an error that recovers by itself (head hot, cover)"),
    ),
    4: (
        (NEAR_END, "near_end", "near end"),
        (PAPER_END, "paper_end", "paper out"),
    ),
}
PRESENTER: Bits = (
    (NEAR_END, "near_end", "near end"),
    (NO_PAPER, "paper_end", "paper out"),
    (PRESENTER_EMPTY, "presenter_empty", "nothing in the presenter"),
)
WELL = {1: "online", 2: "nothing stops it", 3: "no error", 4: "paper present"}
AUTOMATIC: tuple[Bits, Bits, Bits, Bits] = (
    (
        (0x04, "drawer_high", "drawer pin 3 is high"),
        (0x08, "offline", "offline"),
        (0x20, "cover_open", "cover open"),
        (0x40, "fed_by_button", "paper is being fed by the button"),
    ),
    (
        (0x04, "mechanical", "mechanical error"),
        (0x08, "cutter", "cutter error"),
        (0x20, "unrecoverable", "unrecoverable error"),
        (0x40, "auto_recoverable", "an error that recovers by itself"),
    ),
    ((BUFFERED_NEAR_END, "near_end", "near end"), (BUFFERED_PAPER_END, "paper_end", "paper out")),
    (),
)
BUFFERED: dict[int, Bits] = {
    1: ((BUFFERED_NEAR_END, "near_end", "near end"), (BUFFERED_PAPER_END, "paper_end", "paper out")),
    2: ((0x01, "drawer_high", "drawer pin 3 is high"),),
}
FULL: tuple[Bits, Bits, Bits, Bits] = (
    (
        (0x01, "paper_end", "paper out"),
        (0x04, "near_end", "near end"),
        (0x20, "ticket_in_output", "a ticket lies in the output"),
        (0x40, "virtual_paper_end", "the reckoned length of paper is used up"),
        (0x80, "photocell_free", "the photocell sees no paper"),
    ),
    (
        (0x01, "head_up", "print head up"),
        (0x02, "cover_open", "cover open"),
        (0x08, "motor_on", "the paper is being moved"),
        (0x20, "line_key", "LF key pressed"),
        (0x40, "form_key", "FF key pressed"),
    ),
    (
        (0x01, "head_hot", "print head too hot"),
        (0x08, "supply_voltage", "supply voltage out of range"),
        (0x20, "command_unknown", "a command was not understood"),
        (0x40, "paper_jam", "paper jam"),
        (0x80, "notch_not_found", "notch not found"),
    ),
    (
        (0x01, "cutter", "cutter error"),
        (0x04, "memory", "RAM error"),
        (0x08, "settings_memory", "EEPROM error"),
        (0x40, "program_memory", "flash error"),
    ),
)


def named(bits: Bits, value: int) -> dict[str, bool]:
    """Each bit by its name."""
    return {name: bool(value & mask) for mask, name, _ in bits}


def in_words(bits: Bits, value: int, well: str) -> str:
    """What is set, or `well`."""
    return " and ".join(_set(bits, value)) or well


def _set(bits: Bits, value: int) -> Iterator[str]:
    return (words for mask, _, words in bits if value & mask)


def real_time_words(asked: int, value: int, *, presenter: bool = False) -> str:
    """One status as DLE EOT `asked` means it."""
    bits = PRESENTER if presenter and asked == 4 else REAL_TIME[asked]
    found = list(_set(bits, value))
    if asked == 4 and found == ["near end", "paper out"]:
        return "paper out and near end"
    return " and ".join(found) or WELL[asked]


@dataclass(frozen=True, slots=True)
class Health:
    """What is known of a printer; None where it has not said."""

    online: bool | None = None
    paper_out: bool | None = None
    paper_low: bool | None = None
    cover_open: bool | None = None
    trouble: Trouble | None = None  # the gravest
    waiting: bool = False
    errors: int = 0  # bits of DLE EOT 3
    stopped: int = 0  # bits of DLE EOT 2

    def after_real_time(self, asked: int, value: int, *, presenter: bool = False) -> "Health":
        """With the answer to DLE EOT `asked`."""
        health = self
        match asked:
            case 1:
                health = replace(self, online=not value & OFFLINE, waiting=bool(value & RECOVERY_WAIT))
            case 2:
                health = replace(self, cover_open=bool(value & COVER), stopped=value & (STOPPED_BY_PAPER | ERROR))
            case 3:
                health = replace(self, errors=value & 0x6C)
            case 4:
                end = NO_PAPER if presenter else PAPER_END
                health = replace(self, paper_out=bool(value & end), paper_low=bool(value & NEAR_END))
        return health.judged()

    def after_automatic(self, data: bytes) -> "Health":
        """With four bytes told unasked."""
        first, second, third = data[0], data[1], data[2]
        out = bool(third & BUFFERED_PAPER_END)
        return replace(
            self,
            online=not first & 0x08,
            cover_open=bool(first & 0x20),
            errors=second & 0x6C,
            paper_out=out,
            paper_low=bool(third & BUFFERED_NEAR_END),
            stopped=STOPPED_BY_PAPER if out else 0,
        ).judged()

    def after_buffered(self, value: int) -> "Health":
        """With the answer to GS r 1. It tells of paper end only on printers that go on without paper."""
        low = bool(value & BUFFERED_NEAR_END)
        return replace(self, paper_low=low, paper_out=bool(value & BUFFERED_PAPER_END)).judged()

    def after_full(self, paper: int, user: int, recoverable: int, unrecoverable: int) -> "Health":
        """With Custom's full status."""
        errors = self.errors
        if unrecoverable & 0x01:
            errors |= CUTTER
        if unrecoverable & 0x4C:
            errors |= UNRECOVERABLE
        if recoverable & 0x40:
            errors |= MECHANICAL
        if recoverable & 0x09:
            errors |= AUTO_RECOVERABLE
        return replace(
            self,
            paper_out=bool(paper & 0x01) or bool(self.paper_out),
            paper_low=bool(paper & 0x04) or bool(self.paper_low),
            cover_open=bool(user & 0x03) or bool(self.cover_open),
            errors=errors,
        ).judged()

    def judged(self) -> "Health":
        """With `trouble` as all of it together says."""
        trouble: Trouble | None = None
        if self.errors & UNRECOVERABLE:
            trouble = Trouble.UNRECOVERABLE
        elif self.errors & MECHANICAL:
            trouble = Trouble.MECHANICAL
        elif self.errors & CUTTER:
            trouble = Trouble.CUTTER
        elif self.cover_open:
            trouble = Trouble.COVER_OPEN
        elif self.paper_out or self.stopped & STOPPED_BY_PAPER:
            trouble = Trouble.PAPER_OUT
        elif self.errors & AUTO_RECOVERABLE:
            trouble = Trouble.HEAD_HOT
        elif self.stopped & ERROR:
            trouble = Trouble.ERROR
        elif self.waiting:
            trouble = Trouble.WAITING
        elif self.online is False:
            trouble = Trouble.OFFLINE
        return replace(self, trouble=trouble)
