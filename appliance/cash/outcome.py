"""What a session comes to, from what was asked for and what the book has. Pure; the same while it runs and after a cut.

The money decides: a session in which the amount came together is paid, be it that somebody wished it to end meanwhile
and the last note was on its way. What was taken above the price goes back, is kept, or is owed; never anything else.
"""

from collections import Counter
from collections.abc import Collection

import msgspec

from appliance.cash.result import PAID, CashResult, CashWork, Unclear
from appliance.cash.takings import Takings

_ON_ITS_WAY = "it was held when the device was last heard; look into the validator and count its cassette"
_NO_END = "the hopper was asked and never answered; count its coins and compare with what it held before"


def due(work: CashWork, collected: int) -> tuple[int, int]:
    """What is to be given back, and what is kept."""
    if not work.is_paid(collected):
        return collected, 0
    above = collected - work.amount
    return (0, above) if work.overpay == "keep" else (above, 0)


def unclear_payouts(work: CashWork, takings: Takings, unanswered: Collection[str] = ()) -> list[Unclear]:
    """Orders of which nobody knows what left. `unanswered`: asked for, and the hopper may yet begin."""
    never_begun = [
        Unclear(what="payout", device=intent.device, amount=intent.minor * intent.count, remedy=_NO_END,
                reference=intent.reference)
        for intent in work.payouts
        if intent.reference in unanswered and intent.reference not in takings.payouts
    ]  # fmt: skip
    return [*takings.unclear(work.payouts), *never_begun]


def outcome(
    work: CashWork, takings: Takings, *, status: str, reason: str, unanswered: Collection[str] = ()
) -> CashResult:
    """The answer. `status` and `reason` are those of a session that was not paid."""
    collected = takings.collected
    back, kept = due(work, collected)
    payouts = unclear_payouts(work, takings, unanswered)
    unclear = [*payouts, *takings.lost.values(), *takings.disputes]
    unclear += [
        Unclear(what="note", device=device, amount=bill.minor, remedy=_ON_ITS_WAY)
        for (device, _), bill in takings.held.items()
    ]
    change_unclear = sum(each.amount for each in payouts)
    left = back - takings.paid - change_unclear
    paid = work.is_paid(collected)
    result = CashResult(
        status=PAID if paid else status, amount=work.amount, currency=work.currency, collected=collected,
        change_paid=takings.paid, change_owed=max(left, 0), change_unclear=change_unclear, kept=kept,
        overpaid=max(-left, 0), notes=_counts(takings.notes), coins=_counts(takings.coins),
        reason="" if paid else reason, unclear=tuple(unclear), reference=work.reference,
    )  # fmt: skip
    assert result.adds_up, result
    return with_claim(result, work.claim) if result.needs_a_person else result


def with_claim(result: CashResult, claim: str) -> CashResult:
    """With what a person shows who comes for the money."""
    return msgspec.structs.replace(result, claim=claim)


def _counts(kinds: Counter[int]) -> dict[str, int]:
    return {str(minor): count for minor, count in sorted(kinds.items())}
