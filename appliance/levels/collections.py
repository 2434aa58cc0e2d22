"""Money taken out of a device, and levels that a person says. Within the caller's transaction.

**A collection** closes a device's counts: `{"device", "currency", "total", "counts", "since", "removed_at",
"returned_at", "by", "after", "until"}`. Amounts are minor units and the keys of `counts` denominations in minor units,
as text: `{"100000": 3}` are three notes of 1000.00. `since` is when the collection before it was (null: there was
none), `after` and `until` number the lines of the book that it sums: those behind `after`, up to `until`. `by` says
why: `cassette` (it was taken out and came back), `cassette-unseen` (it was taken out, and a note was stacked before
anybody saw it come back), or as the action that asked for it had it. Times are seconds since 1970.

While a cassette is out, the counts stay, as they are what it holds. A cassette that is taken out and put back full
makes a collection all the same: nobody can see that, and `set-level` puts it right. Where a device of another serial
number comes in the place of one, its counts go on and `device-replaced` says so: whether the money went with it, only
a person knows, and says by `collect`.

**Levels.** A hopper's is known from the first time a person said it (`set-level`) or emptied it (`collect`); before
that its counts only say what moved. The same of a validator or acceptor are counted from its first note or coin.

`reference` names what a person asked for, such as the request's id: carried out again under the same nothing changes,
and the same record is returned. Without one `at` names it.
"""

import hashlib
from typing import Any

import msgspec

from appliance.journal import Book, Entry
from appliance.levels.marks import Level, Marks, next_level
from wire.money import Money

COLLECTION, LEVEL_SET, REFILLED, LEVEL, LEFT = "collection", "level-set", "level-refilled", "level", "levels-left"
REPLACED = "device-replaced"
CASSETTE, UNSEEN, ACTION = "cassette", "cassette-unseen", "action"
_REMOVED, _RETURNED = "cassette-removed", "cassette-returned"


def collect(
    book: Book, device: str, *, at: float, by: str = ACTION, reference: str = "", marks: Marks | None = None
) -> dict[str, Any]:
    """The money was taken out: counts become nothing. Returns the record; of several currencies the first one's."""
    return _collect(
        book, device, at, nonce=nonce_of(COLLECTION, device, reference or at), by=by, marks=marks,
        removal=standing_removal(book, device),
    )  # fmt: skip


def set_level(
    book: Book, device: str, coin: Money, count: int, *, at: float, reference: str = "", marks: Marks | None = None
) -> dict[str, Any]:
    """A person counted: so many of a denomination lie there. Returns `{"device", "currency", "minor", "count", "was"}`;
    `was` is null where the level was not known.
    """
    data = _coin_of(device, coin) | {"count": count, "was": level(book, device, coin)}
    entry = _entry(LEVEL_SET, device, at, nonce_of(LEVEL_SET, device, coin.minor, reference or at), data)
    if not book.enter(entry):
        return _written(book, entry)
    book.set_tally(device, coin, count)
    book.tell(LEVEL_SET, data, at=at, device=device)
    heed_marks(book, device, marks, at=at, because=entry.nonce)
    return data


def refill(
    book: Book, device: str, coin: Money, count: int, *, at: float, reference: str = "", marks: Marks | None = None
) -> dict[str, Any]:
    """So many were put in. Returns `{"device", "currency", "minor", "count", "level"}`; `level` is null where it is
    not known even now, as nobody said what was in before.
    """
    known = level(book, device, coin)
    data = _coin_of(device, coin) | {"count": count, "level": None if known is None else known + count}
    entry = _entry(REFILLED, device, at, nonce_of(REFILLED, device, coin.minor, reference or at), data)
    if not book.enter(entry):
        return _written(book, entry)
    book.move(device, coin, count)
    book.tell(REFILLED, data, at=at, device=device)
    heed_marks(book, device, marks, at=at, because=entry.nonce)
    return data


def level(book: Book, device: str, coin: Money) -> int | None:
    """How many of a denomination lie in a hopper; None while nobody has said what is in it."""
    return book.tallies(device).get(device, {}).get(coin, 0) if is_known(book, device) else None


def is_known(book: Book, device: str) -> bool:
    """Whether somebody said what lies in a hopper, or emptied it."""
    said = [book.last_entry(device, kind) for kind in (LEVEL_SET, COLLECTION)]
    left = book.last_entry(device, LEFT)
    return any(entry is not None and (left is None or entry.n > left.n) for entry in said)


def levels(book: Book, device: str) -> dict[str, Any]:
    """What lies in a device: `{"device", "since", "known", "removed_at", "state", "lying": [{"currency", "total",
    "counts"}]}`. `since` and `removed_at` (its cassette is out) are null where they do not apply, `state` is as in
    `marks`, and `lying` has one item a currency, hence one or none.
    """
    last, state = book.last_entry(device, COLLECTION), book.last_entry(device, LEVEL)
    removal = standing_removal(book, device)
    return {
        "device": device, "since": None if last is None else last.at, "known": is_known(book, device),
        "removed_at": None if removal is None else removal.at,
        "state": Level.NORMAL.value if state is None else _read(state)["state"],
        "lying": [summed(kinds) for kinds in _by_currency(book, device)],
    }  # fmt: skip


def standing_removal(book: Book, device: str) -> Entry | None:
    """When its cassette was taken out, if it has not come back and nobody has made a collection of it."""
    removed = book.last_entry(device, _REMOVED)
    if removed is None:
        return None
    back = [book.last_entry(device, kind) for kind in (_RETURNED, COLLECTION)]
    return None if any(entry is not None and entry.n > removed.n for entry in back) else removed


def collect_removed(book: Book, removal: Entry, seen: Entry, *, returned: bool) -> None:
    """A cassette is in its place after `removal`: it came back just now, or a note was stacked into it (`seen`)."""
    _collect(
        book, removal.device, seen.at, nonce=nonce_of(COLLECTION, removal.device, removal.nonce), removal=removal,
        by=CASSETTE if returned else UNSEEN, returned_at=seen.at if returned else None, short_of=not returned,
    )  # fmt: skip


def heed_marks(book: Book, device: str, marks: Marks | None, *, at: float, because: int) -> None:
    """Tell when the device's level is another than it was last told; `because` is the nonce of the line that did it."""
    if marks is None or (marks.near_empty and not is_known(book, device)):
        return
    last = book.last_entry(device, LEVEL)
    was = Level.NORMAL if last is None else Level(_read(last)["state"])
    count = sum(book.tallies(device).get(device, {}).values())
    now = next_level(was, count, marks)
    if now is was:
        return
    data = {"device": device, "state": now.value, "was": was.value, "count": count, "capacity": marks.capacity or None}
    if book.enter(_entry(LEVEL, device, at, nonce_of(LEVEL, device, because), data)):
        book.tell(f"level-{now.value}", data, at=at, device=device)


def heed_another(book: Book, seen: Entry, before: Entry) -> None:
    """Tell when a device with another serial number came in the place of one whose counts go on."""
    was, now = _read(before), _read(seen)
    if not (was.get("serial") and now.get("serial")) or was["serial"] == now["serial"]:
        return
    data = {
        "device": seen.device, "was": was["serial"], "serial": now["serial"],
        "lying": [summed(kinds) for kinds in _by_currency(book, seen.device)],
    }  # fmt: skip
    if book.enter(_entry(REPLACED, seen.device, seen.at, nonce_of(REPLACED, seen.nonce), data)):
        book.tell(REPLACED, data, at=seen.at, device=seen.device)


def summed(kinds: dict[Money, int]) -> dict[str, Any]:
    """Denominations of one currency: `{"currency", "total", "counts"}`."""
    return {
        "currency": next((coin.currency for coin in kinds), ""),
        "total": sum(coin.minor * count for coin, count in kinds.items()),
        "counts": {str(coin.minor): count for coin, count in kinds.items()},
    }


def nonce_of(*parts: object) -> int:
    """The same for the same words, and for no others."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8]) >> 2 | 1


def _collect(
    book: Book, device: str, at: float, *, nonce: int, removal: Entry | None, by: str,
    returned_at: float | None = None, short_of: bool = False, marks: Marks | None = None,
) -> dict[str, Any]:  # fmt: skip
    previous = book.last_entry(device, COLLECTION)
    after = 0 if previous is None else previous.n
    until = book.last_number() - (1 if short_of else 0)
    records: list[dict[str, Any]] = []
    for kinds in _by_currency(book, device) or [{}]:
        data = {
            "device": device, **summed(kinds), "since": None if previous is None else previous.at,
            "removed_at": None if removal is None else removal.at, "returned_at": returned_at, "by": by,
            "after": after, "until": until,
        }  # fmt: skip
        entry = _entry(COLLECTION, device, at, nonce_of(nonce, len(records)), data)
        if not book.enter(entry):
            return _written(book, entry)
        book.tell(COLLECTION, data, at=at, device=device)
        records.append(data)
        for coin in kinds:
            book.set_tally(device, coin, 0)
    heed_marks(book, device, marks, at=at, because=nonce)
    return records[0]


def _by_currency(book: Book, device: str) -> list[dict[Money, int]]:
    found: dict[str, dict[Money, int]] = {}
    for coin, count in book.tallies(device).get(device, {}).items():
        found.setdefault(coin.currency, {})[coin] = count
    return list(found.values())


def _coin_of(device: str, coin: Money) -> dict[str, Any]:
    return {"device": device, "currency": coin.currency, "minor": coin.minor}


def _entry(kind: str, device: str, at: float, nonce: int, data: object) -> Entry:
    return Entry(nonce=nonce, at=at, device=device, kind=kind, data=msgspec.Raw(msgspec.json.encode(data)))


def _written(book: Book, entry: Entry) -> dict[str, Any]:
    found = book.find_entry(entry.nonce)
    return {} if found is None else _read(found)


def _read(entry: Entry) -> dict[str, Any]:
    return msgspec.json.decode(entry.data, type=dict[str, Any])
