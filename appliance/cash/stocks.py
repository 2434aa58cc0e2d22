"""How much a hopper is believed to hold, from the book.

    counted      somebody said how many coins lie in it (`set-level`), and what left it since is known: that many
    not counted  nobody ever did: fifty, which is what an engineer puts in at least
    came short   its last payout was less than was asked for, and nobody put coins in since (`refill`, `set-level`):
                 whatever was counted, it is not believed until it pays what it is asked for again

By believed hoppers change is promised; the others are tried before anything is owed (see `change`).
"""

import msgspec

from appliance.cash.change import Stock
from appliance.journal import Book
from appliance.levels.collections import LEVEL_SET, REFILLED, level
from hardware import events
from hardware.journal import read_event
from wire.money import Money

PLENTY = 50  # coins


def read_stock(book: Book, device: str, coin: Money) -> Stock:
    """Of one hopper."""
    count = level(book, device, coin)
    if _came_short(book, device):
        count = 0
    elif count is None:
        count = PLENTY
    return Stock(device, coin.minor, count if count > 0 else None)


def _came_short(book: Book, device: str) -> bool:
    last = book.last_entry(device, "payout-ended")
    if last is None:
        return False
    filled = [book.last_entry(device, kind) for kind in (LEVEL_SET, REFILLED)]
    if any(entry is not None and entry.n > last.n for entry in filled):
        return False
    event = read_event(msgspec.Raw(bytes(last.data)))
    return isinstance(event, events.PayoutEnded) and event.paid < event.asked
