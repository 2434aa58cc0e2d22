"""One payout: what is written down before it, and what it came to."""

from dataclasses import asdict, dataclass

from hardware.errors import DeviceError, OutcomeUnknown, Refused
from hardware.roles import Payout
from wire.money import Money

COUNTER_MAX = 255
REMEDY = "count the hopper's coins and compare with what it held before"


@dataclass(frozen=True, slots=True)
class PayOut:
    """Pay coins. Finished with a `Payout` once `PayoutEnded` is recorded."""

    count: int
    reference: str


@dataclass(frozen=True, slots=True)
class HopperStatus:
    """The answer to 166."""

    counter: int
    remaining: int
    paid: int
    unpaid: int


@dataclass(frozen=True, slots=True)
class Intent:
    """What was asked for, and how the hopper stood before: all that is needed to find out later what it did.

    `total` is its count of coins ever paid, None where it keeps none; `marked`: its flag "power came" was down.
    `minor` and `currency` are of the coin it was filled with then, which may be another one by now.
    """

    reference: str
    asked: int
    counter: int
    paid: int
    unpaid: int
    total: int | None
    marked: bool
    minor: int = 0
    currency: str = ""

    @property
    def damaged(self) -> bool:
        """Of an older memory that cannot be read whole: nothing can be found out from it."""
        return not 0 <= self.counter <= COUNTER_MAX

    def coin(self, now: Money) -> Money:
        """What it was filled with; `now` where that was not written down."""
        try:
            return Money(self.minor, self.currency) if self.minor > 0 else now
        except ValueError:
            return now

    def kept(self) -> dict[str, object]:
        """For the memory."""
        return asdict(self)


def read_intent(kept: dict[str, object] | None) -> Intent | None:
    """From the memory; None for none. One that cannot be read whole is `damaged`."""
    kept = kept or {}
    match kept:
        case {
            "reference": str(reference),
            "asked": int(asked),
            "counter": int(counter),
            "paid": int(paid),
            "unpaid": int(unpaid),
        }:
            total = kept.get("total")
            known = total if isinstance(total, int) else None
            minor, currency = kept.get("minor"), kept.get("currency")
            return Intent(
                reference,
                asked,
                counter,
                paid,
                unpaid,
                known,
                kept.get("marked") is True,
                minor if isinstance(minor, int) else 0,
                currency if isinstance(currency, str) else "",
            )
        case {"reference": str(reference)}:
            count = kept.get("asked")
            return Intent(reference, count if isinstance(count, int) else 0, -1, 0, 0, None, False)
    return None


@dataclass(frozen=True, slots=True)
class End:
    """What a payout came to: remembered, for those who ask again."""

    reference: str
    asked: int
    paid: int = 0
    words: str = ""
    refused: bool = False  # it did not begin
    unclear: bool = False  # nobody knows; `words` say why

    def kept(self) -> dict[str, object]:
        """For the memory."""
        return asdict(self)

    def result(self) -> Payout | DeviceError:
        """What the caller gets."""
        if self.unclear:
            return OutcomeUnknown(f"pay out {self.asked} coins", f"{self.words}: {REMEDY}")
        if self.refused:
            return Refused("not-begun", self.words)
        return Payout(asked=self.asked, paid=self.paid, words=self.words)


def read_end(kept: dict[str, object] | None) -> End | None:
    """From the memory; None for none, or a damaged one."""
    kept = kept or {}
    match kept:
        case {"reference": str(reference), "asked": int(asked), "paid": int(paid), "words": str(words)}:
            return End(reference, asked, paid, words, kept.get("refused") is True, kept.get("unclear") is True)
    return None


class Unclear(Exception):
    """Nobody can tell what left the hopper; the words say why."""
