"""The last transaction of a session: its outcome, its line in the book, and what the hub is told, all or nothing."""

import secrets

import msgspec

from appliance.cash.result import ENDED, OWED, CashResult, NeverBegun
from appliance.cash.takings import Takings
from appliance.cash.unclaimed import Finding, cash_work, nonce_of, write_finding
from appliance.journal import Book, Entry
from hardware.journal import read_event

EVENTS_MAX = 1_000_000  # of one session


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be written. `count`: events of devices it was made of."""

    id: str
    result: CashResult | NeverBegun
    count: int
    at: float
    nonce: int


def ending(id: str, result: CashResult | NeverBegun, count: int, at: float) -> Ending:
    """Of a session that is over."""
    return Ending(id=id, result=result, count=count, at=at, nonce=secrets.randbits(62) + 1)


def write_ending(book: Book, end: Ending) -> bool:
    """End the work. False when there is more in the book than the outcome was made of: then nothing is written."""
    work = book.find_work(end.id)
    if work is not None and not work.is_open:
        return True  # written before, be there more by now
    entries = book.entries(work=end.id, limit=EVENTS_MAX)
    if sum(bool(entry.device) for entry in entries) > end.count:
        return False
    if not book.end_work(end.id, end.result):
        return True
    result = end.result
    book.enter(
        Entry(nonce=end.nonce, at=end.at, work=end.id, kind=ENDED, data=msgspec.Raw(msgspec.json.encode(result)))
    )
    data = {"work": end.id, **msgspec.to_builtins(result)}
    book.tell(ENDED, data, at=end.at)
    if isinstance(result, CashResult) and result.needs_a_person:
        owed = {
            "work": end.id, "claim": result.claim, "owed": result.change_owed, "unclear": result.change_unclear,
            "currency": result.currency, "reason": result.reason,
        }  # fmt: skip
        book.tell(OWED, owed, at=end.at)
    _write_foreign(book, end, entries)
    return True


def _write_foreign(book: Book, end: Ending, entries: list[Entry]) -> None:
    """What came while its devices were this session's and was not of it, be it that the session never began."""
    work = cash_work(book, end.id)
    takings = Takings(end.id, "" if work is None else work.currency)
    for entry in entries:
        event = read_event(entry.data) if entry.device else None
        if event is None:
            continue
        before = len(takings.foreign)
        takings.feed(entry.device, event)
        if len(takings.foreign) > before:
            write_finding(book, Finding(entry, event, not_of=end.id), nonce=nonce_of(entry), at=end.at)
