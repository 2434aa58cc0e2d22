"""What the tests of the book write, and how they see all of it."""

from typing import Any

import msgspec

from appliance.journal import Book, Entry, Work
from wire.money import Money

FIFTY = Money(5000, "KZT")


def raw(data: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(data))


def line(nonce: int, kind: str = "bill-stacked", **fields: Any) -> Entry:
    fields = {"at": 1_800_000_000.0 + nonce, "device": "bills", "data": raw({"n": nonce}), **fields}
    return Entry(nonce=nonce, kind=kind, **fields)


def work(id: str, **fields: Any) -> Work:
    return Work(**{"id": id, "kind": "cash", "begun_at": 1_800_000_000.0, "data": raw({"amount": 1}), **fields})


def fill(book: Book) -> None:
    """Something of everything; carried out again it changes nothing."""
    book.put_page("bills", {"escrow": 7})
    book.begin_work(work("request-1"))
    book.begin_work(work("request-2"))
    book.change_work("request-1", {"amount": 2})
    book.end_work("request-2", {"status": "paid"})
    for nonce in (1, 2, 3):
        if book.enter(line(nonce, work="request-1" if nonce < 3 else "")):
            book.move("bills", FIFTY, 2)
    book.set_tally("hopper", FIFTY, 40)
    book.tell("bill-stacked", {"n": 1}, at=5.0, device="bills")
    book.tell("state-changed", {"n": 2}, at=6.0, device="bills", important=False)


def contents(book: Book) -> dict[str, Any]:
    """All that `fill` wrote, for comparison."""
    return {
        "page": book.page("bills"),
        "works": [book.find_work("request-1"), book.find_work("request-2")],
        "open": [each.id for each in book.open_works()],
        "lines": book.entries(),
        "tallies": book.tallies(),
        "forgotten": book.forgotten,
    }
