"""What a session's events come to: the same sum whether they are heard one by one or read from the book.

Whose a credit is. An event carries the work its device was bound to when it was written down; that is right unless the
event is *late*, told after a loss of link or a power cut. A note with a number is the session's in which it lay in
escrow, late or not: a validator may take longer with it than anybody waits. A late coin, or a late note without a
number, is the session's in which the device had taken money before (it was ready), for nothing is taken while a device
is not. What is not this session's is left aside as foreign: somebody's all the same, see `unclaimed`.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from appliance.cash.result import Intent, Unclear
from appliance.journal import Entry
from hardware import events
from hardware.events import DeviceState, Event
from hardware.journal import read_event
from wire.money import Money


@dataclass(slots=True)
class Payout:
    """What the book has of one order to a hopper."""

    device: str
    coin: Money
    asked: int
    paid: int | None = None  # None: not known (yet)
    words: str = ""
    remedy: str = ""  # the hopper cannot tell


@dataclass(slots=True)
class Takings:
    """The sum so far. `work` is the session's id, `currency` the payment's; other money is foreign."""

    work: str
    currency: str
    notes: Counter[int] = field(default_factory=Counter)
    coins: Counter[int] = field(default_factory=Counter)
    held: dict[tuple[str, int], Money] = field(default_factory=dict)  # in escrow, or on the way from it
    lost: dict[tuple[str, int], Unclear] = field(default_factory=dict)  # may be in the cassette
    disputes: list[Unclear] = field(default_factory=list)
    payouts: dict[str, Payout] = field(default_factory=dict)
    foreign: list[tuple[str, Event]] = field(default_factory=list)
    count: int = 0  # events in all
    _escrowed: set[tuple[str, int]] = field(default_factory=set)
    _took: set[str] = field(default_factory=set)  # devices that were ready

    @property
    def collected(self) -> int:
        """Minor units."""
        return sum(minor * count for kinds in (self.notes, self.coins) for minor, count in kinds.items())

    @property
    def paid(self) -> int:
        """What left the hoppers."""
        return sum(each.coin.minor * (each.paid or 0) for each in self.payouts.values())

    @property
    def anything(self) -> bool:
        """Whether anything came in or went out, surely or perhaps."""
        return bool(self.collected or self.held or self.lost or self.disputes or self.payouts)

    def unclear(self, intents: Iterable[Intent]) -> list[Unclear]:
        """Orders of which nobody knows how many coins left. One that its hopper never began is none of them."""
        found = []
        for intent in intents:
            payout = self.payouts.get(intent.reference)
            if payout is not None and payout.paid is None:
                remedy = payout.remedy or "the hopper has not told yet; it will when it is heard again"
                amount = payout.coin.minor * payout.asked
                found.append(
                    Unclear(what="payout", device=intent.device, amount=amount, remedy=remedy,
                            reference=intent.reference)
                )  # fmt: skip
        return found

    def feed(self, device: str, event: Event) -> Money | None:
        """Take an event in; returns what was credited by it."""
        self.count += 1
        match event:
            case events.StateChanged(state=DeviceState.READY):
                self._took.add(device)
            case events.BillEscrowed(bill=bill, escrow=escrow):
                self.held[device, escrow] = bill
                self._escrowed.add((device, escrow))
                self._took.add(device)
            case events.BillReturned(escrow=int(escrow)):
                self._settle(device, escrow)
            case events.BillUnclear(bill=bill, escrow=escrow, remedy=remedy):
                self._settle(device, escrow)
                self.lost[device, escrow] = Unclear(what="note", device=device, amount=bill.minor, remedy=remedy)
            case events.BillHeldBack(words=words):
                amount = self._forget_held(device)
                self.disputes.append(Unclear(what="note_held_back", device=device, amount=amount, remedy=words))
            case events.CreditsLost(words=words):
                self.disputes.append(Unclear(what="credits_lost", device=device, remedy=words))
            case events.BillStacked() | events.CoinAccepted():
                return self._credit(device, event)
            case events.PayoutBegan() | events.PayoutEnded() | events.PayoutUnclear():
                self._pay(device, event)
        return None

    def feed_entries(self, entries: Iterable[Entry]) -> "Takings":
        """Take in what the book has."""
        for entry in entries:
            if entry.device and (event := read_event(entry.data)) is not None:
                self.feed(entry.device, event)
        return self

    def _settle(self, device: str, escrow: int) -> None:
        self.held.pop((device, escrow), None)
        self.lost.pop((device, escrow), None)

    def _credit(self, device: str, event: events.BillStacked | events.CoinAccepted) -> Money | None:
        money = event.bill if isinstance(event, events.BillStacked) else event.coin
        escrow = event.escrow if isinstance(event, events.BillStacked) else None
        if escrow is not None:
            ours = (device, escrow) in self._escrowed
            self._settle(device, escrow)
        else:
            ours = not event.late or device in self._took
            if ours and isinstance(event, events.BillStacked):
                self._settle_by_value(device, money)
        if not ours or money.currency != self.currency:
            self.foreign.append((device, event))
            return None
        (self.notes if isinstance(event, events.BillStacked) else self.coins)[money.minor] += 1
        return money

    def _forget_held(self, device: str) -> int:
        """What a validator held, which holds one note at a time."""
        places = [place for place in self.held if place[0] == device]
        return sum(self.held.pop(place).minor for place in places)

    def _settle_by_value(self, device: str, bill: Money) -> None:
        """A note went in that was told without its number."""
        for place, held in list(self.held.items()):
            if place[0] == device and held == bill:
                del self.held[place]
                return

    def _pay(self, device: str, event: events.PayoutBegan | events.PayoutEnded | events.PayoutUnclear) -> None:
        if not event.reference.startswith(f"{self.work}/change/"):
            self.foreign.append((device, event))
            return
        payout = self.payouts.setdefault(event.reference, Payout(device, event.coin, event.asked))
        match event:
            case events.PayoutEnded(paid=paid, words=words):
                payout.paid, payout.words, payout.remedy = paid, words, ""
            case events.PayoutUnclear(remedy=remedy):
                payout.remedy = remedy
