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
        code: the device's code of its value.
        order: "" undecided, "stack" or "return"; written down before the device hears it.
        power_up: the status a power cut ended in while it was open: 40, 41 or 42; 0 for none.
        trouble: the device jammed, was opened or failed since it was ordered: only the device's own word counts now.
        returning: the device was seen giving it back.
    """

    escrow: int
    code: int
    bill: Money
    order: str = ""
    power_up: int = 0
    trouble: bool = False
    returning: bool = False


@dataclass(frozen=True, slots=True)
class Remembered:
    """All of it.

    `run` says of the VEND VALID that the device may still be repeating: "credited" or "told" when it is dealt with
    and only has to be confirmed again; "" once the device was seen busy with something else.
    """

    escrow: int = 0
    note: Note | None = None
    run: str = ""
    cassette_out: bool = False

    def but(self, **changes: object) -> "Remembered":
        """The same with changes."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def to_memory(self) -> Memory:
        """As it is written down."""
        note = self.note
        return {
            "escrow": self.escrow,
            "run": self.run,
            "cassette_out": self.cassette_out,
            "note": None if note is None else {
                "escrow": note.escrow, "code": note.code,
                "minor": note.bill.minor, "currency": note.bill.currency,
                "order": note.order, "power_up": note.power_up, "trouble": note.trouble, "returning": note.returning,
            },
        }  # fmt: skip


def recall(memory: Memory) -> Remembered:
    """What was written down; whatever cannot be read (another version, another family) counts as never written."""
    return Remembered(
        escrow=_number(memory.get("escrow")),
        note=_recall_note(memory.get("note")),
        run=run if (run := memory.get("run")) in ("credited", "told") and isinstance(run, str) else "",
        cassette_out=memory.get("cassette_out") is True,
    )


def _recall_note(kept: object) -> Note | None:
    if not isinstance(kept, Mapping):
        return None
    order, currency = kept.get("order"), kept.get("currency")
    if not _number(kept.get("minor")) or not _number(kept.get("escrow")):
        return None
    try:
        return Note(
            escrow=_number(kept.get("escrow")),
            code=_number(kept.get("code")),
            bill=Money(_number(kept.get("minor")), currency if isinstance(currency, str) else ""),
            order=order if isinstance(order, str) and order in ("stack", "return") else "",
            power_up=_number(kept.get("power_up")),
            trouble=kept.get("trouble") is True,
            returning=kept.get("returning") is True,
        )
    except ValueError:  # no currency
        return None


def _number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0
