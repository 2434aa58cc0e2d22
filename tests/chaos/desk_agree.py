"""What three books say of one kiosk's money and receipts, held against each other to the last minor unit. Pure.

    ledgers    what physically happened, by the simulated devices themselves
    the book   entries and works of the appliance's journal
    the hub    outcomes of operations, and events

A difference is a breach, unless the kiosk itself says with that amount that something is unclear, unclaimed or lost.
"""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from appliance.cash.result import PAID, CashResult, NeverBegun, read_result

Json = dict[str, Any]
CREDITS = ("bill-stacked", "coin-accepted")
_OWN = ("collection", "level-set")  # lines about a device that it did not tell
# Entries of the book of which the hub is told with an event of the same name.
TOLD = (
    *CREDITS, "payout-ended", "payout-unclear", "bill-unclear", "credits-lost",
    "cash-ended", "cash-unclaimed", "cash-cleared", "document-registered", "document-unclear",
)  # fmt: skip


class Hardware(NamedTuple):
    """A device of the routing file: which ledger is its, what it is, and what a hopper is filled with."""

    ledger: str
    role: str  # bills, coins, hopper, register, printer
    coin: int = 0


class Entry(NamedTuple):
    """A line of the book."""

    n: int
    device: str
    work: str
    kind: str
    data: Json
    at: float = 0.0


class Work(NamedTuple):
    """A work of the book. `result` None: it is open."""

    id: str
    kind: str
    data: Json
    result: Json | None


class Outcome(NamedTuple):
    """An outcome, as it was told: `executed` is yes, no or unknown; `body` the answer's."""

    executed: str
    status: int
    body: Json
    problem: str = ""


class Books(NamedTuple):
    """Everything about one kiosk. `blind`: a life could not read at its start which sessions were cut off."""

    hardware: Mapping[str, Hardware]
    ledgers: Mapping[str, list[Json]]
    entries: list[Entry]
    works: list[Work]
    asked: Mapping[str, tuple[str, Json]]  # request id: operation and body
    told: Mapping[str, list[Outcome]]
    events: list[tuple[str, str, Json]]  # kind, device, data
    blind: bool = False


def read_book(journal: Path) -> tuple[list[Entry], list[Work]]:
    """The book of a journal, beside its appliance if that runs."""
    with closing(sqlite3.connect(f"{journal.as_uri()}?mode=ro", uri=True, timeout=10)) as connection:
        entries = [
            Entry(n, device, work, kind, msgspec.json.decode(data, type=Json), at)
            for n, device, work, kind, data, at in connection.execute(
                "SELECT n, device, work, kind, data, at FROM entries ORDER BY n"
            )
        ]
        works = [
            Work(
                id, kind, msgspec.json.decode(data, type=Json), None if result is None else msgspec.json.decode(result)
            )
            for id, kind, data, result in connection.execute("SELECT id, kind, data, result FROM works ORDER BY n")
        ]
    return entries, works


def agree(books: Books) -> list[str]:
    """Every breach, in words."""
    return [*_physical(books), *_sessions(books), *_bound(books), *_outcomes(books), *_receipts(books), *_hub(books)]


# What happened against what was written


def _physical(books: Books) -> Iterator[str]:
    for name, device in books.hardware.items():
        mine = [entry for entry in books.entries if entry.device == name]
        lines = books.ledgers.get(device.ledger, [])
        match device.role:
            case "bills":
                yield from _notes(name, mine, lines)
            case "coins":
                yield from _coins(name, mine, lines)
            case "hopper":
                yield from _hopper(name, mine, lines)


def _notes(name: str, mine: list[Entry], lines: list[Json]) -> Iterator[str]:
    stacked = Counter(line["minor"] for line in lines if line["happened"] == "bill_stacked")
    credited = Counter(entry.data["bill"]["minor"] for entry in mine if entry.kind == "bill-stacked")
    settled = {entry.data["escrow"] for entry in mine if entry.kind == "bill-stacked"}
    unclear = Counter(
        entry.data["bill"]["minor"]
        for entry in mine
        if entry.kind == "bill-unclear" and entry.data["escrow"] not in settled
    )
    if invented := credited - stacked:
        yield f"{name}: credited and not in the cassette: {dict(invented)}"
    if lost := stacked - credited - unclear:
        yield f"{name}: in the cassette, not credited and not told as unclear: {dict(lost)}"


def _coins(name: str, mine: list[Entry], lines: list[Json]) -> Iterator[str]:
    taken = Counter(line["minor"] for line in lines if line["happened"] == "coin_accepted")
    credited = Counter(entry.data["coin"]["minor"] for entry in mine if entry.kind == "coin-accepted")
    lost = [entry.data.get("at_most") for entry in mine if entry.kind == "credits-lost"]
    if invented := credited - taken:
        yield f"{name}: credited and never taken: {dict(invented)}"
    missing = (taken - credited).total()
    if missing and None not in lost and missing > sum(filter(None, lost)):
        yield f"{name}: {missing} coins taken, not credited and not told as lost"


def _hopper(name: str, mine: list[Entry], lines: list[Json]) -> Iterator[str]:
    left = sum(line["coins"] for line in lines if line["happened"] == "coin_paid")
    paid = sum(entry.data["paid"] for entry in mine if entry.kind == "payout-ended")
    ended = {entry.data["reference"] for entry in mine if entry.kind == "payout-ended"}
    unclear = sum(
        entry.data["asked"] for entry in mine if entry.kind == "payout-unclear" and entry.data["reference"] not in ended
    )
    if not paid <= left <= paid + unclear:
        yield f"{name}: {left} coins left it; {paid} are told as paid, {unclear} as unclear"
    references = Counter(entry.data["reference"] for entry in mine if entry.kind == "payout-began")
    if twice := [reference for reference, count in references.items() if count > 1]:
        yield f"{name}: paid more than once: {twice}"


# Sessions


def _sessions(books: Books) -> Iterator[str]:
    sessions = {work.id: work for work in books.works if work.kind == "cash"}
    unclaimed = {entry.data["entry"]: entry for entry in books.entries if entry.kind == "cash-unclaimed"}
    credits_of: dict[str, list[Entry]] = defaultdict(list)
    for entry in books.entries:
        if entry.kind not in CREDITS:
            continue
        owner = sessions.get(entry.work)
        if entry.n in unclaimed:
            yield from _claimed_right(unclaimed.pop(entry.n), entry)
        elif owner is None or owner.result is None or "problem" in owner.result:
            yield f"entry {entry.n}: {_minor(entry)} came outside of any session and is not told as unclaimed"
        else:
            credits_of[entry.work].append(entry)
    yield from (f"unclaimed money without a credit: {entry}" for entry in unclaimed.values())
    payouts = {entry.data["reference"] for entry in books.entries if entry.kind in {"payout-ended", "payout-unclear"}}
    for work in sessions.values():
        if work.result is None:
            yield f"session {work.id} is still open"
            continue
        result = read_result(msgspec.json.encode(work.result))
        ends = [entry for entry in books.entries if entry.work == work.id and entry.kind == "cash-ended"]
        if isinstance(result, NeverBegun):
            continue
        if [entry.data for entry in ends] != [work.result]:
            yield f"session {work.id}: its end stands in the book as {[entry.data for entry in ends]}: {work.result}"
        for words in (*_credited(result, credits_of[work.id]), *_paid_back(books, work, result)):
            yield f"session {work.id}: {words} ({work.result})"
        payouts -= {intent["reference"] for intent in work.data.get("payouts", ())}
    if strange := {reference for reference in payouts if "/change/" in reference}:
        yield f"payouts that no session wrote down before: {sorted(strange)}"


def _bound(books: Books) -> Iterator[str]:
    """Whatever its devices tell from the first line of a session to its end is written down as of that session."""
    for work in books.works:
        if work.kind != "cash" or books.blind:
            continue
        mine = [entry for entry in books.entries if entry.work == work.id and entry.device]
        ends = [entry.n for entry in books.entries if entry.work == work.id and entry.kind == "cash-ended"]
        if not mine or not ends:
            continue
        yield from (
            f"session {work.id}: {entry.kind} of {entry.device} is written down as nobody's, before its end"
            for entry in books.entries
            if mine[0].n < entry.n < ends[0]
            and not entry.work
            and entry.kind not in _OWN
            and entry.device in work.data["devices"]
            and entry.at > mine[0].at  # what is older waited for the disk
        )


def _minor(entry: Entry) -> int:
    return int(entry.data["bill" if entry.kind == "bill-stacked" else "coin"]["minor"])


def _claimed_right(unclaimed: Entry, credit: Entry) -> Iterator[str]:
    said = (unclaimed.data["amount"], unclaimed.data["device"])
    if said != (_minor(credit), credit.device):
        yield f"entry {credit.n}: {_minor(credit)} of {credit.device} is told as unclaimed {said}"


def _credited(result: CashResult, mine: list[Entry]) -> Iterator[str]:
    kinds: dict[str, Counter[str]] = {kind: Counter() for kind in CREDITS}
    for entry in mine:
        kinds[entry.kind][str(_minor(entry))] += 1
    if not result.adds_up:
        yield "does not add up"
    if dict(kinds["bill-stacked"]) != result.notes or dict(kinds["coin-accepted"]) != result.coins:
        yield f"was credited with {dict(kinds['bill-stacked'])} notes and {dict(kinds['coin-accepted'])} coins"
    if result.status == PAID and result.collected < result.amount:
        yield "is paid with less than its amount"
    if bool(result.claim) != result.needs_a_person:
        yield "has a claim without need, or none where it needs one"


def _paid_back(books: Books, work: Work, result: CashResult) -> Iterator[str]:
    prefix = f"{work.id}/change/"
    ended = {
        entry.data["reference"]: entry.data["paid"] * entry.data["coin"]["minor"]
        for entry in books.entries
        if entry.kind == "payout-ended" and entry.data["reference"].startswith(prefix)
    }
    unclear = {
        entry.data["reference"]: entry.data["asked"] * entry.data["coin"]["minor"]
        for entry in books.entries
        if entry.kind == "payout-unclear" and entry.data["reference"].startswith(prefix)
    }
    cleared = [entry.data for entry in books.entries if entry.kind == "cash-cleared" and entry.work == work.id]
    later = sum(each["amount"] for each in cleared)
    if (paid := sum(ended.values())) != result.change_paid + later:
        yield f"{paid} left the hoppers for it, {result.change_paid} are told as paid and {later} as cleared later"
    open_still = sum(amount for reference, amount in unclear.items() if reference not in ended)
    settled = sum(each["amount"] + each["owed"] for each in cleared)
    if open_still != result.change_unclear - settled:
        yield f"{open_still} may have left the hoppers, {result.change_unclear} are told as unclear, {settled} cleared"


# What was told


def _said(one: Outcome) -> tuple[object, ...]:
    # Why it was not executed, a later life may say otherwise, where the disk kept a beginning and not its refusal. The
    # hub keeps what it heard first.
    return ("no",) if one.executed == "no" else (one.executed, one.status, one.body, one.problem)


def _outcomes(books: Books) -> Iterator[str]:
    works = {work.id: work for work in books.works}
    for request_id, (operation, _) in books.asked.items():
        told = books.told.get(request_id, [])
        if not told:
            yield f"{operation} {request_id}: no outcome was delivered"
            continue
        if len({msgspec.json.encode(_said(one)) for one in told}) > 1:
            yield f"{operation} {request_id}: told in different ways: {told}"
        if told[0].executed == "unknown":
            yield f"{operation} {request_id}: told as unknown, though the book knows: {told[0].problem}"
        work = works.get(request_id)
        if work is None or work.kind != "cash" or work.result is None:
            continue
        one = told[0]
        if "problem" in work.result:
            if one.executed != "no":
                yield f"cash {request_id} was never begun, and is told as {one}"
        elif one.executed != "yes" or {name: one.body.get(name) for name in work.result} != work.result:
            yield f"cash {request_id} ended as {work.result} and is told as {one}"
    for work in books.works:
        if work.kind == "cash" and work.id not in books.asked:
            yield f"session {work.id} was never asked for"


def _receipts(books: Books) -> Iterator[str]:
    stored = {
        line["number"]: line
        for device in books.hardware.values()
        if device.role == "register"
        for line in books.ledgers.get(device.ledger, [])
        if line["happened"] == "document_stored" and line["document"] == "sale"
    }
    fiscal = [work for work in books.works if work.kind == "fiscal"]
    of_number: dict[int, str] = {}
    unclear = 0
    for work in fiscal:
        end = work.result or {"status": "pending", "document": "receipt"}
        if end.get("document") != "receipt":
            continue
        unclear += end["status"] == "unclear"
        if end["status"] != "registered":
            continue
        if end["number"] not in stored:
            yield f"receipt {work.id}: document {end['number']} is not in the register"
        elif stored[end["number"]]["total"] != end.get("total", stored[end["number"]]["total"]):
            yield f"receipt {work.id}: {end} is {stored[end['number']]} in the register"
        if (other := of_number.setdefault(end["number"], work.id)) != work.id:
            yield f"receipts {other} and {work.id} are one document"
    surplus = sorted(stored.keys() - of_number.keys())
    if len(surplus) > unclear:
        yield f"the register has receipts that nobody was told of: {surplus}"
    ends = {work.id: work.result for work in fiscal}
    for request_id, told in books.told.items():
        operation, body = books.asked.get(request_id, ("", {}))
        if not told or told[0].executed != "yes" or operation == "fiscal" or "receipt" not in body:
            continue
        yield from _receipt_told(request_id, told[0].body, ends)


def _receipt_told(request_id: str, answer: Json, ends: Mapping[str, Json | None]) -> Iterator[str]:
    reference = f"{request_id}/receipt"
    receipt = answer.get("receipt")
    if receipt is None:
        yield f"{request_id}: nothing is told of its receipt"
        return
    paid = answer.get("status") == PAID
    if paid == (receipt["status"] == "not-needed"):
        yield f"{request_id} is {answer.get('status')}, its receipt {receipt}"
    if not paid:
        if reference in ends:
            yield f"{request_id} is not paid and has a receipt: {ends[reference]}"
        return
    if reference not in ends:
        yield f"{request_id}: its receipt {receipt} is no work"
        return
    end = ends[reference]
    if receipt["status"] != "pending" and (end or {}).get("number") != receipt.get("number"):
        yield f"{request_id}: its receipt is told as {receipt} and ended as {end}"


def _hub(books: Books) -> Iterator[str]:
    written = Counter((entry.kind, entry.device) for entry in books.entries if entry.kind in TOLD)
    events = Counter((kind, device) for kind, device, _ in books.events if kind in TOLD)
    for key in sorted(written.keys() | events.keys()):
        if written[key] != events[key]:
            kind, device = key
            yield f"{kind} of {device or 'the desk'}: {written[key]} in the book, {events[key]} at the hub"
    owed = Counter(data.get("work") for kind, _, data in books.events if kind == "cash-owed")
    for work in books.works:
        if work.kind != "cash" or work.result is None or "problem" in work.result:
            continue
        needs = bool(work.result.get("claim"))
        if owed[work.id] != needs:
            yield f"session {work.id}: told {owed[work.id]} times as owed: {work.result}"
