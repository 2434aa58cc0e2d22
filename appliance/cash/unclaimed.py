"""Money that came when nobody waited for it: after the end of its session, or outside of any.

A validator that was unplugged with a note on its way tells an hour later that it has it; a hopper tells what it paid.
By then the session has ended, and what it answered stays as it is. Such money is written down once more, as somebody's
(`cash-unclaimed`), or as the end of something unclear (`cash-cleared`), with the session it surely came of, if that can
be known: of a note, by its number in escrow; of a payout, by its reference.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

import msgspec

from appliance.cash.owed import KINDS, standing
from appliance.cash.result import CLEARED, ENDED, UNCLAIMED, WORK_KIND, CashResult, CashWork, read_result
from appliance.journal import Book, Entry
from hardware import events
from hardware.events import Event
from hardware.journal import read_event

_KINDS = ("bill-stacked", "coin-accepted", "payout-ended")
_PAGE = "cash/seen"  # no device has such a name
_ESCROWS_BACK = 100_000  # lines of the book within which a note's escrow is looked for
_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Finding:
    """An event nobody waited for. `not_of`: the session it was bound to and is not of."""

    entry: Entry
    event: Event
    not_of: str = ""


def nonce_of(entry: Entry) -> int:
    """Of what follows from an entry, once: the same whenever it is found."""
    digest = hashlib.blake2b(f"{UNCLAIMED}/{entry.nonce}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 2) + 1


def look(book: Book, after: int) -> tuple[int, bool]:
    """Go on from line `after`, or from where a sweep has come to: up to which line, and whether there is anything.

    Changes nothing; up to 1000 credits at once.
    """
    after = max(after, _seen(book))
    entries = book.entries(kinds=_KINDS, after=after, limit=_AT_ONCE)
    found = any(not _is_of_its_session(book, entry) for entry in entries)
    return (entries[-1].n if entries else after), found


def sweep(book: Book, after: int, until: int, at: float) -> None:
    """Write down what came between these lines and belongs to no session, and that it was looked at."""
    for entry in book.entries(kinds=_KINDS, after=max(after, _seen(book)), limit=_AT_ONCE):
        event = read_event(entry.data)
        if entry.n <= until and event is not None and not _is_of_its_session(book, entry):
            write_finding(book, Finding(entry, event), nonce=nonce_of(entry), at=at)
    book.put_page(_PAGE, {"after": max(until, _seen(book))})


def _seen(book: Book) -> int:
    after = book.page(_PAGE).get("after", 0)
    return after if isinstance(after, int) else 0


def write_finding(book: Book, finding: Finding, *, nonce: int, at: float) -> None:
    """One line, and the hub told; once."""
    match finding.event:
        case events.BillStacked() | events.CoinAccepted():
            _write_unclaimed(book, finding, finding.event, nonce, at)
        case events.PayoutEnded():
            _write_cleared(book, finding, finding.event, nonce, at)


def _write_unclaimed(
    book: Book, finding: Finding, event: events.BillStacked | events.CoinAccepted, nonce: int, at: float
) -> None:
    entry = finding.entry
    money = event.bill if isinstance(event, events.BillStacked) else event.coin
    owner = _owner(book, finding, event)
    data: dict[str, Any] = {
        "device": entry.device, "amount": money.minor, "currency": money.currency,
        "what": "note" if isinstance(event, events.BillStacked) else "coin", "entry": entry.n,
    }  # fmt: skip
    if (work := cash_work(book, owner)) is not None:
        data["claim"] = work.claim
    elif last := _last_work(book, entry):
        data["last_work"] = last
    _write(book, Entry(nonce=nonce, at=at, work=owner, kind=UNCLAIMED, data=msgspec.Raw(msgspec.json.encode(data))))


def _write_cleared(book: Book, finding: Finding, event: events.PayoutEnded, nonce: int, at: float) -> None:
    owner = event.reference.rpartition("/change/")[0]
    found = book.find_work(owner) if owner else None
    work = cash_work(book, owner)
    if found is None or found.result is None or work is None:
        return  # no session's, or of one that is open and hears it itself
    result = read_result(found.result)
    if not isinstance(result, CashResult):
        return
    if not any(each.reference == event.reference for each in result.unclear):
        return  # told in its outcome
    data = {
        "device": finding.entry.device, "reference": event.reference, "asked": event.asked, "paid": event.paid,
        "currency": event.coin.currency, "amount": event.paid * event.coin.minor,
        "owed": max(0, event.asked - event.paid) * event.coin.minor, "claim": work.claim,
    }  # fmt: skip
    _write(book, Entry(nonce=nonce, at=at, work=owner, kind=CLEARED, data=msgspec.Raw(msgspec.json.encode(data))))


def _write(book: Book, entry: Entry) -> None:
    if book.enter(entry):
        data = msgspec.json.decode(entry.data, type=dict[str, Any])
        if entry.kind == CLEARED:  # nobody can settle what is not owed any more
            data["stands"] = any(claim.stands for claim in standing(book.entries(work=entry.work, kinds=KINDS)))
        book.tell(entry.kind, {**data, **({"work": entry.work} if entry.work else {})}, at=entry.at)


def _is_of_its_session(book: Book, entry: Entry) -> bool:
    """Whether its session has counted it, or will."""
    if not entry.work:
        return False
    work = book.find_work(entry.work)
    if work is None:
        return True  # of a time that is no longer kept
    if work.kind != WORK_KIND:
        return False
    if work.is_open:
        return True
    return any(ended.n > entry.n for ended in book.entries(work=entry.work, kinds=(ENDED,)))


def _owner(book: Book, finding: Finding, event: events.BillStacked | events.CoinAccepted) -> str:
    """The session it surely came of; empty: not known."""
    entry = finding.entry
    if isinstance(event, events.BillStacked) and event.escrow is not None:
        held = book.entries(
            device=entry.device, kinds=("bill-escrowed",), after=max(0, entry.n - _ESCROWS_BACK), limit=_ESCROWS_BACK
        )
        for each in reversed(held):
            told = read_event(each.data)
            if each.n < entry.n and isinstance(told, events.BillEscrowed) and told.escrow == event.escrow:
                return each.work
    return "" if finding.not_of else entry.work


def cash_work(book: Book, id: str) -> CashWork | None:
    """What is kept of a session; None: there is none of that id."""
    work = book.find_work(id) if id else None
    return msgspec.json.decode(work.data, type=CashWork) if work is not None and work.kind == WORK_KIND else None


def _last_work(book: Book, entry: Entry) -> str:
    """For a person who looks for whose it was."""
    before = book.entries(device=entry.device, after=max(0, entry.n - _AT_ONCE), limit=_AT_ONCE)
    return next((each.work for each in reversed(before) if each.work and each.n < entry.n), "")
