"""What an event of a device changes in the book besides standing there, and which of them the hub is told. Pure but
for the book itself."""

import msgspec

from appliance.journal import Book, Entry
from hardware import events
from hardware.events import Event

# Of these there may be many in a second, or they say nothing that the next one does not: for those who watch only.
_NOT_TOLD = (events.BillEscrowed, events.CoinsPaid, events.PayoutBegan)


def book(pages: Book, entry: Entry, event: Event, *, tell: bool = True) -> bool:
    """Write an event and all that follows from it. False when it stood there already; then nothing is changed.

    Without `tell` the hub is not told of it: a device changes its state too often.
    """
    if not pages.enter(entry):
        return False
    match event:
        case events.BillStacked(bill=bill):
            pages.move(entry.device, bill, 1)
        case events.CoinAccepted(coin=coin):
            pages.move(entry.device, coin, 1)
        case events.PayoutEnded(coin=coin, paid=paid):
            pages.move(entry.device, coin, -paid)
    if tell and not isinstance(event, _NOT_TOLD):
        data = msgspec.to_builtins(event)
        del data["kind"]
        if entry.work:
            data["work"] = entry.work
        pages.tell(entry.kind, data, at=entry.at, device=entry.device)
    return True


def kind_of(event: Event) -> str:
    """An event's name in the book and at the hub: `bill-stacked`."""
    return str(event.__struct_config__.tag).replace("_", "-")
