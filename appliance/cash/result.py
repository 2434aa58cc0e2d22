"""What a cash operation answers, what it keeps while it runs, and what it says meanwhile. Names others read.

**The answer** (HTTP 200, whatever came of the session), a JSON object; amounts are minor units of `currency`:

    status          paid         the amount is in, be it that a wish to end came too late
                    cancelled    by the hub, at the kiosk, or as the appliance stops (`reason` says which)
                    timed_out    nothing came for too long, or it took too long (`reason`)
                    failed       the devices went away in the middle
                    interrupted  the appliance was cut off in the middle, and found the rest at its next start
    amount          what was to be paid
    collected       what was taken: notes in the cassette, coins in the box
    change_paid     what left the hoppers again, by their own count
    change_owed     what the customer should have had and could not be paid
    change_unclear  what may have left the hoppers; only if any
    kept            what was taken above the amount with `overpay: keep`; only if any
    overpaid        what hoppers paid above what was due, by their own count, as a worn one may; only if any
    notes, coins    what was taken: how many, by denomination in minor units: {"100000": 1, "50000": 2}
    reason          why it ended so: "", hub, customer, the appliance stops, idle, timeout, power, or words
    claim           "CD47-KPX3", which a person shows who is owed something; only where anything is owed or unclear
    unclear         what a person must look at: [{"what", "device", "amount", "remedy"}]; `what` is `payout` (its
                    amount is in change_unclear), `note` (may be in the cassette, not in collected), `note_held_back`
                    or `credits_lost`; `amount` is missing where it is not known; only if any
    reference       as the request had it; only if it had

Always: collected + overpaid = amount (only if paid) + kept + change_paid + change_owed + change_unclear. Money of a
payment that did not succeed is never kept: it is paid back where the hoppers can, and owed where they cannot.

**Progress**, to the hub and the local screen, after every change:

    stage           opening, collecting, closing, paying, ended
    amount, currency, collected
    remaining       what is still to be put in, never below 0
    overpay         change, keep or refuse
    accepts         denominations that are taken now, in minor units
    change          what is to be given back so far: above the amount, or all of it after a cancellation
    change_paid     what has left the hoppers
    last            the last thing that happened: {"what", "device", "amount", "words"}; `what` is note_escrowed,
                    note_stacked, note_returned, note_rejected, coin, coin_rejected, coins_paid (so far), payout
                    (ended), device (one that went away); fields that say nothing are left out
    ends_in         seconds until it ends if nothing comes; not there from `closing` on
    status          at `ended`

**In the book**: a work of kind `cash` with the request's id (`CashWork`, its result is the answer), and, with the same
work, one entry `cash-ended` (the answer). An entry `cash-unclaimed` is money that came outside of any session or after
its end: {"device", "amount", "currency", "what": note or coin, "entry": n of the credit, "claim" if it is known}, its
work the session it surely came of, if one. An entry `cash-cleared` is what became clear after the end of a session:
{"device", "reference", "asked", "paid", "currency", "amount" (paid), "owed" (of it, not paid), "claim"}.

**Hub events** of the same names, with `work`; and `cash-owed` {"work", "claim", "owed", "unclear", "currency",
"reason"} beside `cash-ended` where a customer has to come back. `cash-cleared` has `stands` as well: whether anything
is owed or unclear under the claim even now.
"""

from typing import Any

import msgspec

WORK_KIND = "cash"
ENDED, OWED, UNCLAIMED, CLEARED = "cash-ended", "cash-owed", "cash-unclaimed", "cash-cleared"

PAID, CANCELLED, TIMED_OUT, FAILED, INTERRUPTED = "paid", "cancelled", "timed_out", "failed", "interrupted"
STOPPING = "the appliance stops"  # the reason `operations` gives


class Unclear(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something a person must look at."""

    what: str  # payout, note, note_held_back, credits_lost
    device: str
    amount: int = 0
    remedy: str = ""
    reference: str = ""


class CashResult(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer; see above."""

    status: str
    amount: int
    currency: str
    collected: int
    change_paid: int
    change_owed: int
    notes: dict[str, int]
    coins: dict[str, int]
    reason: str
    change_unclear: int = 0
    kept: int = 0
    overpaid: int = 0
    claim: str = ""
    unclear: tuple[Unclear, ...] = ()
    reference: str = ""

    @property
    def adds_up(self) -> bool:
        """No money without a place."""
        price = self.amount if self.status == PAID else 0
        parts = (price, self.kept, self.change_paid, self.change_owed, self.change_unclear)
        inside = sum(int(minor) * count for kinds in (self.notes, self.coins) for minor, count in kinds.items())
        return (
            min(*parts, self.overpaid) >= 0 and self.collected + self.overpaid == sum(parts) == inside + self.overpaid
        )

    @property
    def needs_a_person(self) -> bool:
        """Somebody is owed something, or may be."""
        return bool(self.change_owed or self.change_unclear or self.unclear)


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """A payout that a hopper is asked for, written down before."""

    reference: str  # "<request id>/change/<n>", n from 1
    device: str
    minor: int
    count: int


class CashWork(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a session while it runs."""

    amount: int
    currency: str
    overpay: str
    idle_timeout: float
    timeout: float
    devices: tuple[str, ...]
    claim: str
    reference: str = ""
    payouts: tuple[Intent, ...] = ()
    ending: tuple[str, str] | None = None  # status and reason, once it is closed before the amount was in
    decided: str = ""  # its status, once anything may have been paid back; what comes late no longer changes it

    def is_paid(self, collected: int) -> bool:
        """Whether the amount came together."""
        return self.decided == PAID if self.decided else collected >= self.amount


def changed(work: CashWork, **fields: Any) -> CashWork:
    """Another of it."""
    return msgspec.structs.replace(work, **fields)


class NeverBegun(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a work that came to nothing: no device could be enabled, nothing was taken."""

    status: str = FAILED
    problem: str  # as of `targets.NeverGot`
    detail: str


def read_result(data: bytes | msgspec.Raw) -> CashResult | NeverBegun:
    """A work's result."""
    fields = msgspec.json.decode(data, type=dict[str, Any])
    if "problem" in fields:
        return msgspec.convert(fields, NeverBegun)
    return msgspec.convert(fields, CashResult)
