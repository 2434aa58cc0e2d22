"""What the driver of one validator must find again after a restart."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from hardware.protocol import Memory
from wire.money import Money


@dataclass(frozen=True, slots=True)
class Note:
    """The note in the path.

    Attributes:
        escrow: the number it was told under.
        channel: the device's number of its kind.
        order: "" undecided, "stack" or "return"; written down before the device hears it.
        reset: the device lost power since.
        trouble: it jammed since; only the device's own word counts now.
    """

    escrow: int
    channel: int
    bill: Money
    order: str = ""
    reset: bool = False
    trouble: bool = False


@dataclass(frozen=True, slots=True)
class Last:
    """The note that was credited last, until another is read: the device may tell of it again.

    Attributes:
        channel: its kind.
        in_path: it was not seen to reach the cashbox, so a power cut may have it told of as moved there.
        unacked: the device may not have heard that it is written down.
        cleared: it was credited because the device moved it to the cashbox after a power cut.
    """

    channel: int
    in_path: bool = True
    unacked: bool = True
    cleared: bool = False


@dataclass(frozen=True, slots=True)
class Remembered:
    """All of it.

    `flag` is the sequence flag of the last poll, kept only for a device without POLL WITH ACK and only while a note is
    open: the same poll asked again brings the same answer, which may hold a credit that nobody wrote down.
    """

    escrow: int = 0
    note: Note | None = None
    last: Last | None = None
    flag: bool | None = None
    cassette_out: bool = False

    def but(self, **changes: object) -> "Remembered":
        """The same with changes."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def to_memory(self) -> Memory:
        """As it is written down."""
        note, last = self.note, self.last
        return {
            "escrow": self.escrow,
            "flag": self.flag,
            "cassette_out": self.cassette_out,
            "last": None if last is None else {
                "channel": last.channel, "in_path": last.in_path, "unacked": last.unacked, "cleared": last.cleared,
            },
            "note": None if note is None else {
                "escrow": note.escrow, "channel": note.channel,
                "minor": note.bill.minor, "currency": note.bill.currency,
                "order": note.order, "reset": note.reset, "trouble": note.trouble,
            },
        }  # fmt: skip


def recall(memory: Memory) -> Remembered:
    """What was written down; whatever cannot be read (another version, another family) counts as never written."""
    flag = memory.get("flag")
    return Remembered(
        escrow=_number(memory.get("escrow")),
        note=_recall_note(memory.get("note")),
        last=_recall_last(memory.get("last")),
        flag=flag if isinstance(flag, bool) else None,
        cassette_out=memory.get("cassette_out") is True,
    )


def _recall_note(kept: object) -> Note | None:
    if not isinstance(kept, Mapping):
        return None
    order, currency = kept.get("order"), kept.get("currency")
    try:
        bill = Money(_number(kept.get("minor")), currency if isinstance(currency, str) else "")
    except ValueError:  # no currency
        return None
    if not bill.minor or not _number(kept.get("escrow")):
        return None
    return Note(
        escrow=_number(kept.get("escrow")),
        channel=_number(kept.get("channel")),
        bill=bill,
        order=order if isinstance(order, str) and order in ("stack", "return") else "",
        reset=kept.get("reset") is True,
        trouble=kept.get("trouble") is True,
    )


def _recall_last(kept: object) -> Last | None:
    if not isinstance(kept, Mapping):
        return None
    return Last(
        _number(kept.get("channel")),
        kept.get("in_path") is True,
        kept.get("unacked") is True,
        kept.get("cleared") is True,
    )


def _number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0
