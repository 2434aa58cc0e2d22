"""A book on a real file, and what devices and sessions write into it."""

import itertools
from pathlib import Path
from typing import Any

import msgspec

from appliance.journal import Book, Entry, Work
from appliance.journal.schema import connect
from appliance.journal.store import Store
from appliance.levels.booking import book, kind_of
from appliance.levels.marks import Marks
from hardware.events import BillStacked, CoinAccepted, Event, PayoutEnded
from wire.money import Money


def kzt(minor: int) -> Money:
    return Money(minor, "KZT")


def note(minor: int, **fields: Any) -> BillStacked:
    return BillStacked(bill=kzt(minor), escrow=1, **fields)


def coin(minor: int) -> CoinAccepted:
    return CoinAccepted(coin=kzt(minor), path=1, number=1)


def paid(reference: str, asked: int, out: int, minor: int = 5000) -> PayoutEnded:
    return PayoutEnded(reference=reference, asked=asked, paid=out, coin=kzt(minor))


class Shelf:
    """`now` goes on by a second with every event."""

    def __init__(self, directory: Path) -> None:
        self.store = Store(connect(directory / "journal.db"))
        self.store.prepare("here")
        self.store.connection.execute("PRAGMA synchronous = OFF")
        self.now = 1_800_000_000.0
        self.marks: dict[str, Marks] = {}
        self._nonces = itertools.count(10)

    @property
    def book(self) -> Book:
        return self.store.book

    def tick(self) -> float:
        self.now += 1.0
        return self.now

    def happen(self, device: str, *events: Event, work: str = "") -> Entry:
        """The devices tells them; returns the last line."""
        for event in events:
            data = msgspec.Raw(msgspec.json.encode(event))
            entry = Entry(
                nonce=next(self._nonces), at=self.tick(), device=device, work=work, kind=kind_of(event), data=data
            )
            assert book(self.book, entry, event, marks=self.marks.get(device))
            assert not book(self.book, entry, event, marks=self.marks.get(device)), "carried out again"
        found = self.book.find_entry(entry.nonce)
        assert found is not None
        return found

    def say(self, kind: str, data: object, work: str = "") -> None:
        """The desk writes a line of its own."""
        raw = msgspec.Raw(msgspec.json.encode(data))
        self.book.enter(Entry(nonce=next(self._nonces), at=self.tick(), work=work, kind=kind, data=raw))

    def begin(self, id: str, kind: str = "cash", data: object = None) -> None:
        raw = msgspec.Raw(msgspec.json.encode(data or {}))
        self.book.begin_work(Work(id=id, kind=kind, begun_at=self.tick(), data=raw))

    def told(self, *kinds: str) -> list[tuple[str, Any]]:
        """What the hub is told, of these kinds or all."""
        events = self.store.events(1000, 0)
        return [(event.kind, msgspec.json.decode(event.data)) for event in events if not kinds or event.kind in kinds]

    def lying(self, device: str) -> dict[int, int]:
        return {money.minor: count for money, count in self.book.tallies(device).get(device, {}).items()}

    def close(self) -> None:
        self.store.connection.close()
