"""What an event of a device changes in the book besides standing there, and which of them the hub is told. Pure but
for the book itself."""

import msgspec

from appliance.journal import Book, Entry
from appliance.levels.collections import collect_removed, heed_another, heed_marks, standing_removal
from appliance.levels.marks import Marks
from hardware import events
from hardware.events import Event

# Of these there may be many in a second, or they say nothing that the next one does not: for those who watch only.
_NOT_TOLD = (events.BillEscrowed, events.CoinsPaid, events.PayoutBegan, events.TotalsRead)
_SHOW_A_CASSETTE = (events.BillStacked, events.CassetteReturned)
# When more wait for the hub than there is room for, these are counted. All others wait as long as it takes: money,
# documents, what is unclear, cassettes, attempts to cheat. A fault is among these as well: how each device stands is
# in every hello, and one that fails twelve times a minute for a month must not fill the journal until nobody can pay.
_FOLDABLE = (
    events.Identified, events.StateChanged, events.BillRejected, events.CoinRejected, events.CassetteFull,
    events.Jammed, events.SlipPrinted, events.PaperLow, events.PaperOut, events.PaperReturned, events.CoverOpened,
    events.CoverClosed,
)  # fmt: skip


def book(pages: Book, entry: Entry, event: Event, *, tell: bool = True, marks: Marks | None = None) -> bool:
    """Write an event and all that follows from it. False when it stood there already; then nothing is changed.

    Without `tell` the hub is not told of it: a device changes its state too often. With `marks` it is told when the
    device gets near full or near empty.
    """
    removal = standing_removal(pages, entry.device) if isinstance(event, _SHOW_A_CASSETTE) else None
    other = pages.last_entry(entry.device, entry.kind) if isinstance(event, events.Identified) else None
    if not pages.enter(entry):
        return False
    match event:
        case events.BillStacked(bill=bill, late=late):
            if removal is not None and not late:  # a late one lies in the cassette that was taken
                collect_removed(pages, removal, entry, returned=False)
            pages.move(entry.device, bill, 1)
        case events.CoinAccepted(coin=coin):
            pages.move(entry.device, coin, 1)
        case events.PayoutEnded(coin=coin, paid=paid):
            pages.move(entry.device, coin, -paid)
        case events.CassetteReturned() if removal is not None:
            collect_removed(pages, removal, entry, returned=True)
        case events.Identified() if other is not None:
            heed_another(pages, entry, other)
            marks = None
        case _:
            marks = None
    if tell and not isinstance(event, _NOT_TOLD):
        data = msgspec.to_builtins(event)
        del data["kind"]
        if entry.work:
            data["work"] = entry.work
        important = not isinstance(event, _FOLDABLE)
        pages.tell(entry.kind, data, at=entry.at, device=entry.device, important=important)
    if marks is not None:
        heed_marks(pages, entry.device, marks, at=entry.at, because=entry.nonce)
    return True


def kind_of(event: Event) -> str:
    """An event's name in the book and at the hub: `bill-stacked`."""
    return str(event.__struct_config__.tag).replace("_", "-")
