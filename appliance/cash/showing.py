"""What whoever watches is told of a session; see `result` for the shape. Pure."""

from dataclasses import dataclass

from appliance.cash.devices import AWAY
from appliance.cash.outcome import due
from appliance.cash.session import Session
from hardware import events
from hardware.events import Event


@dataclass(frozen=True, slots=True)
class Last:
    """The last thing that happened."""

    what: str
    device: str
    amount: int = 0
    words: str = ""

    def shown(self) -> dict[str, object]:
        """Without what says nothing."""
        fields = {"what": self.what, "device": self.device, "amount": self.amount, "words": self.words}
        return {name: value for name, value in fields.items() if value}


def last_of(session: Session, device: str, event: Event, *, credited: bool) -> Last | None:
    """An event for people; None where it says nothing to them."""
    match event:
        case events.BillEscrowed(bill=bill):
            return Last("note_escrowed", device, bill.minor)
        case events.BillStacked(bill=bill) if credited:
            return Last("note_stacked", device, bill.minor)
        case events.CoinAccepted(coin=coin) if credited:
            return Last("coin", device, coin.minor)
        case events.BillReturned(bill=bill):
            return Last("note_returned", device, bill.minor if bill else 0)
        case events.BillRejected(words=words):
            return Last("note_rejected", device, words=words)
        case events.CoinRejected(words=words):
            return Last("coin_rejected", device, words=words)
        case events.CoinsPaid(reference=reference, paid=paid):
            minor = next((each.minor for each in session.work.payouts if each.reference == reference), 0)
            return Last("coins_paid", device, paid * minor)
        case events.PayoutEnded(paid=paid, coin=money, words=words):
            return Last("payout", device, paid * money.minor, words)
        case events.StateChanged(state=state, words=words) if state in AWAY:
            return Last("device", device, words=words or state.value)
    return None


def progress(session: Session, last: Last | None = None) -> dict[str, object]:
    """How far it is."""
    back, _ = due(session.work, session.collected)
    shown: dict[str, object] = {
        "stage": session.phase.value, "amount": session.work.amount, "currency": session.work.currency,
        "collected": session.collected, "remaining": session.remaining, "overpay": session.work.overpay,
        "accepts": sorted({money.minor for each in session.acceptors.values() for money in each.takes}),
        "change": 0 if session.open and session.remaining else back, "change_paid": session.takings.paid,
    }  # fmt: skip
    if last is not None:
        shown["last"] = last.shown()
    if session.open:
        shown["ends_in"] = round(session.left_s, 1)
    return shown
