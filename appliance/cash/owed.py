"""Who is owed something, by the book, and that a person has paid it.

What is owed under a claim: what its session ended with, what of the unclear became clear since, and money of that
session that came after its end. A person who pays it, or finds that there is nothing to be paid, says so once
(`claim-settled`): then nothing of what came before is owed or unclear any more. What comes later is owed anew, under
the same claim.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from appliance.cash.result import CLEARED, ENDED, UNCLAIMED
from appliance.journal import Book, Entry

SETTLED = "claim-settled"
LINES_MAX = 10_000  # that are looked at for a report
_PAGE = 2_000
KINDS = (ENDED, CLEARED, UNCLAIMED, SETTLED)


class Owed(msgspec.Struct, kw_only=True):
    """How a claim stands. Amounts are minor units; `at` is when its session ended, or its last money came."""

    claim: str
    work: str
    currency: str
    owed: int = 0
    unclear: int = 0
    late: int = 0  # came after the session's end
    looks: int = 0  # of what a person must look at without an amount that is owed: a note that may be in
    reason: str = ""
    at: float = 0.0
    settled_at: float | None = None  # the last time

    @property
    def stands(self) -> bool:
        """Whether there is anything to be settled."""
        return bool(self.owed or self.unclear or self.late or self.looks)


def standing(lines: Iterable[Entry]) -> list[Owed]:
    """Every claim of these lines, in the order they came up; of each session all lines since its end."""
    found: dict[str, Owed] = {}
    for line in lines:
        if not line.work:
            continue
        data, one = _read(line), found.get(line.work)
        if one is None and _begins(line.kind, data):
            one = found[line.work] = Owed(claim=data.get("claim", ""), work=line.work, currency=data["currency"])
        if one is None:
            continue
        match line.kind:
            case "cash-ended":
                one.owed, one.unclear = data["change_owed"], data.get("change_unclear", 0)
                one.looks = sum(each["what"] != "payout" for each in data.get("unclear", ()))
                one.reason, one.at = data.get("reason", ""), line.at
            case "cash-cleared" if one.unclear:
                one.unclear = max(0, one.unclear - data["amount"] - data.get("owed", 0))
                one.owed += data.get("owed", 0)
            case "cash-unclaimed" if data.get("claim"):
                one.late += data["amount"]
                one.at = max(one.at, line.at)
            case "claim-settled":
                one.owed = one.unclear = one.late = one.looks = 0
                one.settled_at = line.at
    return list(found.values())


def _begins(kind: str, data: dict[str, Any]) -> bool:
    """Whether a line is the first of something that is owed."""
    if kind == ENDED:
        return bool(data.get("claim") or data.get("change_owed") or data.get("change_unclear"))
    return kind == UNCLAIMED and bool(data.get("claim"))


def recent(book: Book) -> list[Entry]:
    """The newest lines about claims."""
    return book.entries(kinds=KINDS, limit=LINES_MAX, newest=True)


def look_for(book: Book, claim: str, after: int) -> tuple[int | None, str]:
    """Go on from line `after`: the session that the claim is of, once it is found, and from where to go on (None: there
    are no more lines). By pages, since the book may be long and devices wait for it.
    """
    lines = book.entries(kinds=(ENDED, UNCLAIMED), after=after, limit=_PAGE)
    for line in lines:
        if claim.encode() in bytes(line.data) and _read(line).get("claim") == claim:
            return line.n, line.work
    return (lines[-1].n if len(lines) == _PAGE else None), ""


def settle(book: Book, work: str, *, note: str, at: float, nonce: int) -> tuple[bool, Owed | None]:
    """Write that a claim is settled, once, and tell the hub. Whether it is by this (be it carried out before), and how
    it stood before; None: there never was one.
    """
    lines = book.entries(work=work, kinds=KINDS)
    mine = next((place for place, line in enumerate(lines) if line.nonce == nonce), None)
    (was,) = standing(lines[:mine]) or (None,)
    if was is None or mine is not None:
        return mine is not None, was
    if not was.stands:
        return False, was
    data = {
        "claim": was.claim, "work": work, "currency": was.currency, "owed": was.owed + was.late,
        "unclear": was.unclear, "note": note,
    }  # fmt: skip
    raw = msgspec.Raw(msgspec.json.encode(data))
    book.enter(Entry(nonce=nonce, at=at, work=work, kind=SETTLED, data=raw))
    book.tell(SETTLED, data, at=at)
    return True, was


def unclaimed(lines: Sequence[Entry]) -> list[Entry]:
    """Money of nobody, without what was settled."""
    settled = {line.work: line.n for line in lines if line.kind == SETTLED}
    return [line for line in lines if line.kind == UNCLAIMED and line.n > settled.get(line.work, 0)]


def _read(line: Entry) -> dict[str, Any]:
    return msgspec.json.decode(line.data, type=dict[str, Any])
