"""Whether all adds up: what moved since the last reconciliation, and every difference in words with its amount.

The record, in the book under the kind `reconciliation` and told to the hub under the same name; amounts are minor
units, times seconds since 1970:

    at, since    from when to when; since is null for the first
    shift, register   as given: whose shift closed
    complete     false: lines since the last one have gone to make room, or were lost with a damaged journal
    money        one a currency: {"currency", "taken", "paid_out", "sold", "kept", "owed", "unclear", "unclaimed",
                 "open"}, as `reckoning` explains
    sessions     how many ended how: {"paid": 12, "cancelled": 1}
    devices      [{"device", "currency", "taken", "counts", "paid", "paid_counts"}]: by denomination in minor units
    documents    [{"register", "count", "first", "last", "total", "drawer"}]: numbers of the first and the last one,
                 what they are of, what was put into the drawer (below 0: taken out), by currency
    register_totals   [{"register", "at", "since", "currency", "drawer", "moved", "expected", "receipts",
                 "receipts_expected", "emptied", "words"}]: by the register's own count, as `totals` explains; null is
                 not known
    waiting      [{"reference", "register", "reason", "since"}]: documents that are not registered yet
    differences  [{"what", "words", …}]: empty when all adds up; `what` is balance, session, counter, note, payout,
                 credits, unclaimed, hopper, level, document, receipt, drawer, receipts or more; beside it, where they
                 apply, `device`, `work`, `expected`, `found`, `currency`

A register is asked for its own totals by whoever has it reconciled, before that: what it said stands in the book.
"""

from collections.abc import Collection
from typing import Any

import msgspec

from appliance.journal import Book, Entry, Work
from appliance.levels.collections import COLLECTION, LEFT, LEVEL_SET, REFILLED, is_known, nonce_of
from appliance.levels.reckoning import Facts, Reckoning
from appliance.levels.totals import BETWEEN, READ, Readings
from wire.money import Money

RECONCILIATION = "reconciliation"
_PAGE = 5_000
_CASH, _FISCAL = "cash", "fiscal"


def reconcile(book: Book, *, at: float, shift: int | None = None, register: str = "") -> dict[str, Any]:
    """Reckon, write the record, and tell the hub of it; returns the record.

    To be called within the transaction that writes a shift's closing, or alone. `at`, chosen before the transaction,
    names it: carried out again with the same it changes nothing and returns the same record.
    """
    nonce = nonce_of(RECONCILIATION, at, shift, register)
    if written := book.find_entry(nonce):
        return msgspec.json.decode(written.data, type=dict[str, Any])
    record = Reckoning(_facts(book, at, shift, register)).record()
    entry = Entry(nonce=nonce, at=at, kind=RECONCILIATION, data=msgspec.Raw(msgspec.json.encode(record)))
    book.enter(entry)
    book.tell(RECONCILIATION, record, at=at)
    return record


def _facts(book: Book, at: float, shift: int | None, register: str) -> Facts:
    last = book.last_entry("", RECONCILIATION)
    before: dict[str, Any] = {} if last is None else msgspec.json.decode(last.data)
    since = 0 if last is None else last.n
    lines = _lines(book, after=since)
    tallies = book.tallies()
    earlier = _earlier(book, lines, since)
    works = _works(book, [*lines, *earlier.values()])
    return Facts(
        at=at, since=None if last is None else last.at, after=since, shift=shift, register=register,
        complete=book.forgotten <= since,
        open_before={each["currency"]: each["open"] for each in before.get("money", ())},
        documents_before={each["register"]: each["last"] for each in before.get("documents", ()) if each["last"]},
        lines=lines, works=works,
        of_work={
            work.id: book.entries(work=work.id) for work in works.values() if work.kind == _CASH
        },
        earlier=earlier, tallies=tallies,
        replayed={
            device: lying for device in {*tallies, *(line.device for line in lines)} - {""}
            if (lying := _replay(book, device)) is not None
        },
        known=frozenset(device for device in tallies if is_known(book, device)),
        readings=[_readings(book, name, lines, since) for name in _read_registers(lines, register)],
    )  # fmt: skip


def _read_registers(lines: list[Entry], register: str) -> list[str]:
    return sorted({line.device for line in lines if line.kind == READ} | {register} - {""})


def _readings(book: Book, register: str, lines: list[Entry], since: int) -> Readings:
    """The newest reading of this time, and the one that the reconciliation before went by."""
    now = next((line for line in reversed(lines) if line.kind == READ and line.device == register), None)
    known = book.entries(device=register, kinds=(READ,), newest=True)
    before = next((line for line in reversed(known) if line.n <= since), None)
    if now is None or before is None:
        return Readings(register=register, before=before, now=now)
    between = [
        line for line in _lines(book, after=before.n, device=register, kinds=BETWEEN) if line.n < now.n
    ]  # fmt: skip
    documents = (line for line in between if line.kind == "document-registered")
    ids = {msgspec.json.decode(line.data)["reference"] for line in documents}
    return Readings(
        register=register, before=before, now=now, lines=between, complete=book.forgotten <= before.n,
        works={work.id: work for id in ids if (work := book.find_work(id)) is not None},
    )  # fmt: skip


def _lines(book: Book, *, after: int, device: str | None = None, kinds: Collection[str] = ()) -> list[Entry]:
    found: list[Entry] = []
    while page := book.entries(after=after, device=device, kinds=kinds, limit=_PAGE):
        found += page
        after = page[-1].n
    return found


def _earlier(book: Book, lines: list[Entry], since: int) -> dict[int, Entry]:
    claimed = (msgspec.json.decode(line.data).get("entry", 0) for line in lines if line.kind == "cash-unclaimed")
    found = (book.entries(after=n - 1, limit=1) for n in claimed if 0 < n <= since)
    return {entry.n: entry for entries in found for entry in entries}


def _works(book: Book, lines: list[Entry]) -> dict[str, Work]:
    ids = {line.work for line in lines} - {""}
    for line in lines:
        if line.kind == "document-registered":
            ids.add(msgspec.json.decode(line.data)["reference"])
    ids |= {f"{id}/receipt" for id in ids} | {id.rpartition("/")[0] for id in ids if "/" in id}
    found = {work.id: work for id in ids if (work := book.find_work(id)) is not None}
    for kind in (_CASH, _FISCAL):
        found |= {work.id: work for work in book.open_works(kind)}
    return found


def _replay(book: Book, device: str) -> dict[Money, int] | None:
    """What lies in a device by the lines since its last collection; None where they are not all there."""
    collected, left = book.last_entry(device, COLLECTION), book.last_entry(device, LEFT)
    start = 0
    if collected is not None:
        start = msgspec.json.decode(collected.data)["until"]
    if left is not None and left.n > start:
        start = left.n
    if book.forgotten > start:
        return None
    lying: dict[Money, int] = {}
    for line in _lines(book, after=start, device=device):
        data = msgspec.json.decode(line.data)
        match line.kind:
            case "bill-stacked":
                _add(lying, data["bill"], 1)
            case "coin-accepted":
                _add(lying, data["coin"], 1)
            case "payout-ended":
                _add(lying, data["coin"], -data["paid"])
            case kind if kind == REFILLED:
                _add(lying, data, data["count"])
            case kind if kind == LEVEL_SET:
                lying[Money(data["minor"], data["currency"])] = data["count"]
    return lying


def _add(lying: dict[Money, int], coin: dict[str, Any], count: int) -> None:
    money = Money(coin["minor"], coin["currency"])
    lying[money] = lying.get(money, 0) + count
