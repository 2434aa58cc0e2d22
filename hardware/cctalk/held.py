"""The note in escrow: what is remembered of it."""

from dataclasses import dataclass

from hardware.errors import OutcomeUnknown
from wire.money import Money

REMEDY = "count the notes in the cassette and compare"


@dataclass(frozen=True, slots=True)
class Held:
    """`escrow` is its number for those above, `type` the validator's own for such notes."""

    escrow: int
    type: int
    bill: Money
    wish: str = ""  # "stack", "return" or nothing yet
    doubtful: bool = False  # the validator began anew since

    def kept(self) -> dict[str, object]:
        """For the memory."""
        return {
            "escrow": self.escrow,
            "type": self.type,
            "minor": self.bill.minor,
            "currency": self.bill.currency,
            "wish": self.wish,
            "doubtful": self.doubtful,
        }


def unknown(held: Held) -> OutcomeUnknown:
    """For whoever waits for it and cannot be told."""
    return OutcomeUnknown(f"{held.wish or 'route'} note {held.escrow} of {held.bill}", REMEDY)


def read_held(kept: dict[str, object] | None) -> Held | None:
    """From the memory; None for none, or a damaged one."""
    if kept is None:
        return None
    match kept:
        case {
            "escrow": int(escrow),
            "type": int(number),
            "minor": int(minor),
            "currency": str(currency),
            "wish": str(wish),
            "doubtful": bool(doubtful),
        }:
            try:
                return Held(escrow, number, Money(minor, currency), wish, doubtful)
            except ValueError:
                return None
    return None
