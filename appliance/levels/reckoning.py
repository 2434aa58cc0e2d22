"""The sums of a reconciliation, and what does not agree. Pure: lines and works in, a record out.

**Where money is.** Of each currency

    open before + taken - paid out = sold + kept + owed + unclear + unclaimed + open

where taken and paid out are what devices told (notes stacked, coins accepted, coins that left a hopper), and the rest
is what sessions said of it: sold (the amounts of paid ones), kept (above them, by order of the request), owed (change
that could not be paid), unclear (may have been paid), unclaimed (came outside of any session), open (in sessions that
had not ended). When that does not hold, journal and sessions disagree, and the record says by how much.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from appliance.journal import Entry, Work
from appliance.levels.totals import Readings, judge
from wire.money import Money

_DIFFERENCES_MAX = 200
_Data = dict[str, Any]


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is reckoned from."""

    at: float
    since: float | None  # the reconciliation before; None: there was none
    after: int  # the number of its line
    shift: int | None
    register: str
    complete: bool  # no line since then has gone
    open_before: Mapping[str, int]  # by currency, as the record before had it
    documents_before: Mapping[str, int]  # register → number of its last document
    lines: Sequence[Entry]  # since then
    works: Mapping[str, Work]  # those that lines and open works are about, and their receipts'
    of_work: Mapping[str, Sequence[Entry]]  # all lines of a cash session, whenever they were written
    earlier: Mapping[int, Entry]  # credits of before that are claimed by lines since
    tallies: Mapping[str, Mapping[Money, int]]
    replayed: Mapping[str, Mapping[Money, int]]  # what they must be by the lines
    known: frozenset[str]  # devices whose level somebody said
    readings: Sequence[Readings] = ()  # of registers' own totals


class _Sum(msgspec.Struct):
    taken: int = 0
    paid_out: int = 0
    sold: int = 0
    kept: int = 0
    owed: int = 0
    unclear: int = 0
    unclaimed: int = 0
    open: int = 0


class Reckoning:
    """One run through the lines."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._sums: dict[str, _Sum] = defaultdict(_Sum)
        self._statuses: dict[str, int] = defaultdict(int)
        self._devices: dict[tuple[str, str], dict[str, dict[int, int]]] = {}
        self._documents: dict[str, dict[int, str]] = defaultdict(dict)  # register → number → reference
        self._totals: dict[str, int] = defaultdict(int)
        self._drawer: dict[tuple[str, str], int] = defaultdict(int)
        self._differences: list[_Data] = []
        self._claimed = {_read(line).get("entry") for line in facts.lines if line.kind == "cash-unclaimed"}
        for lines in facts.of_work.values():
            self._claimed |= {_read(line).get("entry") for line in lines if line.kind == "cash-unclaimed"}
        self._settled = {_read(line)["reference"] for line in facts.lines if line.kind == "payout-ended"}

    def record(self) -> _Data:
        """The record of a reconciliation, see `reconcile`."""
        for line in self._facts.lines:
            take = getattr(self, f"_{line.kind.replace('-', '_')}", None)
            if take is not None:
                take(line, _read(line))
        self._without_end()
        self._balance()
        self._levels()
        self._numbers()
        totals = self._register_totals()
        left_out = len(self._differences) - _DIFFERENCES_MAX
        if left_out > 0:
            words = f"and {left_out} more differences"
            self._differences[_DIFFERENCES_MAX:] = [{"what": "more", "words": words}]
        sums = {name: msgspec.to_builtins(each) for name, each in sorted(self._sums.items())}
        return {
            "at": self._facts.at, "since": self._facts.since, "shift": self._facts.shift,
            "register": self._facts.register, "complete": self._facts.complete,
            "money": [{"currency": name, **each} for name, each in sums.items() if any(each.values())],
            "sessions": dict(self._statuses), "devices": self._device_sums(), "documents": self._document_sums(),
            "register_totals": totals, "waiting": self._waiting(), "differences": self._differences,
        }  # fmt: skip

    # What devices told

    def _bill_stacked(self, line: Entry, data: _Data) -> None:
        self._credit(line, _money(data["bill"]))

    def _coin_accepted(self, line: Entry, data: _Data) -> None:
        self._credit(line, _money(data["coin"]))

    def _credit(self, line: Entry, money: Money) -> None:
        self._sums[money.currency].taken += money.minor
        self._count(line.device, money, "taken", 1)
        if line.n in self._claimed or self._in_session(line):
            return  # the line that claims it counts it, or its session
        self._sums[money.currency].unclaimed += money.minor
        self._differ(
            "unclaimed", f"{money} came into {line.device} outside of any session, and no session knows of it",
            device=line.device, found=money.minor, currency=money.currency,
        )  # fmt: skip

    def _in_session(self, line: Entry) -> bool:
        """Whether it came before its session said what it had collected."""
        work = self._facts.works.get(line.work)
        if work is None or work.kind != "cash":
            return False
        ends = [each.n for each in self._facts.of_work.get(line.work, ()) if each.kind == "cash-ended"]
        return not ends or line.n < ends[0]

    def _payout_ended(self, line: Entry, data: _Data) -> None:
        coin = _money(data["coin"])
        self._sums[coin.currency].paid_out += coin.minor * data["paid"]
        self._count(line.device, coin, "paid", data["paid"])
        left = self._facts.tallies.get(line.device, {}).get(coin, 0)
        if data["paid"] < data["asked"] and line.device in self._facts.known and left > 0:
            self._differ(
                "hopper", f"{line.device} paid {data['paid']} of {data['asked']} coins, and by the journal {left} are"
                f" left in it: {data.get('words') or 'it may be empty'}", device=line.device, expected=left,
            )  # fmt: skip

    def _payout_unclear(self, line: Entry, data: _Data) -> None:
        if data["reference"] not in self._settled:
            coin = _money(data["coin"])
            self._differ(
                "payout", f"up to {data['asked']} coins of {coin} may have left {line.device}: {data['remedy']}",
                device=line.device, work=line.work, found=coin.minor * data["asked"], currency=coin.currency,
            )  # fmt: skip

    def _bill_unclear(self, line: Entry, data: _Data) -> None:
        bill = _money(data["bill"])
        self._differ(
            "note", f"a note of {bill} may be in {line.device}, and was not credited: {data['remedy']}",
            device=line.device, work=line.work, found=bill.minor, currency=bill.currency,
        )  # fmt: skip

    def _bill_held_back(self, line: Entry, data: _Data) -> None:
        self._differ("note", f"{line.device} held a note back: {data['words']}", device=line.device, work=line.work)

    def _stack_count_differs(self, line: Entry, data: _Data) -> None:
        self._differ(
            "counter", f"{line.device} counted {data['counted']} notes where {data['expected']} were credited",
            device=line.device, expected=data["expected"], found=data["counted"],
        )  # fmt: skip

    def _credits_lost(self, line: Entry, data: _Data) -> None:
        many = "an unknown number of" if data["at_most"] is None else f"up to {data['at_most']}"
        self._differ(
            "credits", f"{many} coins or notes in {line.device} were not credited: {data['words']}", device=line.device
        )

    # What sessions said

    def _cash_ended(self, line: Entry, data: _Data) -> None:
        if data.get("problem"):
            return  # it came to nothing
        self._statuses[data["status"]] += 1
        currency = data["currency"]
        sums = self._sums[currency]
        sold = data["amount"] if data["status"] == "paid" else 0
        sums.sold += sold
        sums.kept += data.get("kept", 0)
        sums.owed += data["change_owed"]
        sums.unclear += data.get("change_unclear", 0)
        collected, change = self._inside(line.work, currency, before=line.n)
        for name, said, found in (
            ("collected", data["collected"], collected), ("paid in change", data["change_paid"], change),
        ):  # fmt: skip
            if said != found and self._facts.complete:
                self._differ(
                    "session", f"session {line.work} says {Money(said, currency)} {name}, its devices told"
                    f" {Money(found, currency)}", work=line.work, expected=said, found=found, currency=currency,
                )  # fmt: skip
        if sold:
            self._receipt(line.work, Money(sold, currency))

    def _cash_unclaimed(self, _line: Entry, data: _Data) -> None:
        earlier = self._facts.earlier.get(data.get("entry", 0))
        if earlier is not None and not self._in_session(earlier):
            return  # the reconciliation before counted it so; one of a session that ran was counted as open
        self._sums[data["currency"]].unclaimed += data["amount"]

    def _cash_cleared(self, _line: Entry, data: _Data) -> None:
        sums = self._sums[data["currency"]]
        sums.unclear -= data["amount"] + data.get("owed", 0)
        sums.owed += data.get("owed", 0)

    def _without_end(self) -> None:
        """Sessions that run, and those that another machine ended, which knew no more than that."""
        for work in self._facts.works.values():
            lines = self._facts.of_work.get(work.id, ())
            if work.kind != "cash" or any(line.kind == "cash-ended" for line in lines):
                continue
            for currency in sorted({_moved(line).currency for line in lines} - {""}):
                collected, change = self._inside(work.id, currency)
                inside = collected - change
                if work.is_open:
                    self._sums[currency].open += inside
                elif inside:
                    self._sums[currency].unclear += inside
                    words = f"session {work.id} was cut off with {Money(inside, currency)} in it, and nobody ended it"
                    self._differ("session", words, work=work.id, found=inside, currency=currency)

    def _inside(self, session: str, currency: str, before: float = float("inf")) -> tuple[int, int]:
        """What its devices took and paid back for it; not what came while they were its, and is another's."""
        taken = paid = 0
        for line in self._facts.of_work.get(session, ()):
            moved = _moved(line)
            if line.n >= before or moved.currency != currency or line.n in self._claimed:
                continue
            taken += moved.taken
            if moved.reference.startswith(f"{session}/"):
                paid += moved.paid
        return taken, paid

    # What the register told

    def _document_registered(self, line: Entry, data: _Data) -> None:
        number, reference = data["document"]["number"], data["reference"]
        known = self._documents[line.device].setdefault(number, reference)
        if known != reference:
            words = f"{line.device} gave the number {number} to {known} and to {reference}"
            self._differ("document", words, device=line.device, work=reference)
        self._totals[line.device] += data["document"].get("total_minor") or 0
        payment, slash, _ = reference.rpartition("/")
        work = self._facts.works.get(payment) if slash else None
        if work is not None and work.kind == "cash" and work.result is not None:
            result = msgspec.json.decode(work.result, type=_Data)
            if result.get("status") != "paid":
                words = f"{line.device} registered a receipt of {payment}, which is {result.get('status')}"
                self._differ("document", words, device=line.device, work=reference)

    def _document_unclear(self, line: Entry, data: _Data) -> None:
        words = f"{line.device} cannot say whether it registered {data['reference']}: {data['remedy']}"
        self._differ("document", words, device=line.device, work=data["reference"])

    def _cash_moved(self, line: Entry, data: _Data) -> None:
        money = _money(data["amount"])
        self._drawer[line.device, money.currency] += money.minor

    def _receipt(self, session: str, sold: Money) -> None:
        work = self._facts.works.get(f"{session}/receipt")
        if work is None or work.result is None:
            return  # none was wanted, or it waits
        result = msgspec.json.decode(work.result, type=_Data)
        status, total = result.get("status"), result.get("total")
        if status != "registered":
            why = result.get("reason") or result.get("remedy") or "nobody can say why"
            self._differ(
                "receipt", f"{sold} of session {session} are without a receipt ({status}): {why}", work=session,
                expected=sold.minor, currency=sold.currency,
            )  # fmt: skip
        elif total is not None and total != sold.minor:
            self._differ(
                "receipt", f"the receipt of session {session} is of {Money(total, sold.currency)}, paid were {sold}",
                work=session, expected=sold.minor, found=total, currency=sold.currency,
            )  # fmt: skip

    # The whole

    def _balance(self) -> None:
        for currency in {*self._sums, *self._facts.open_before}:
            sums = self._sums[currency]
            came = self._facts.open_before.get(currency, 0) + sums.taken - sums.paid_out
            went = sums.sold + sums.kept + sums.owed + sums.unclear + sums.unclaimed + sums.open
            if came != went and self._facts.complete:
                self._differ(
                    "balance", f"devices took {Money(came, currency)} more than they paid, sessions know of"
                    f" {Money(went, currency)}", expected=came, found=went, currency=currency,
                )  # fmt: skip

    def _levels(self) -> None:
        for device, lying in self._facts.replayed.items():
            stands = self._facts.tallies.get(device, {})
            for coin in {*lying, *stands}:
                found, expected = stands.get(coin, 0), lying.get(coin, 0)
                if found != expected:
                    self._differ(
                        "level", f"{device} is said to hold {found} of {coin}, by the journal's lines it is {expected}",
                        device=device, expected=expected, found=found,
                    )  # fmt: skip
        for device in sorted(self._facts.known):
            for coin, count in self._facts.tallies.get(device, {}).items():
                if count < 0:
                    words = f"{device} paid {-count} coins of {coin} more than were said to be in it"
                    self._differ("hopper", words, device=device, expected=0, found=count)

    def _numbers(self) -> None:
        for device, numbers in self._documents.items():
            last = self._facts.documents_before.get(device)
            for number in sorted(numbers):
                if last is not None and number > last + 1 and self._facts.complete:
                    many = f"{last + 1}" if number == last + 2 else f"{last + 1} to {number - 1}"
                    words = f"{device} has documents that this kiosk did not ask for: {many}"
                    self._differ("document", words, device=device, expected=last + 1, found=number)
                last = number

    def _register_totals(self) -> list[_Data]:
        found = []
        for readings in self._facts.readings:
            item, differences = judge(readings)
            found.append(item)
            self._differences += differences
        return found

    def _waiting(self) -> list[_Data]:
        found = []
        for work in self._facts.works.values():
            if work.kind == "fiscal" and work.is_open:
                data = msgspec.json.decode(work.data, type=_Data)
                found.append({
                    "reference": work.id, "register": data.get("device", ""), "reason": data.get("reason", ""),
                    "since": work.begun_at,
                })  # fmt: skip
        return found[:_DIFFERENCES_MAX]

    def _device_sums(self) -> list[_Data]:
        found = []
        for (device, currency), moved in sorted(self._devices.items()):
            taken, paid = moved.get("taken", {}), moved.get("paid", {})
            found.append({
                "device": device, "currency": currency, "taken": _total(taken), "paid": _total(paid),
                "counts": {str(minor): count for minor, count in taken.items()},
                "paid_counts": {str(minor): count for minor, count in paid.items()},
            })  # fmt: skip
        return found

    def _document_sums(self) -> list[_Data]:
        before = self._facts.documents_before
        registers = {*self._documents, *before, *(device for device, _ in self._drawer)}
        return [
            {
                "register": device, "count": len(self._documents[device]), "total": self._totals[device],
                "first": min(self._documents[device], default=None),
                "last": max(self._documents[device], default=before.get(device)),
                "drawer": {currency: minor for (name, currency), minor in self._drawer.items() if name == device},
            }
            for device in sorted(registers)
        ]  # fmt: skip

    def _count(self, device: str, money: Money, way: str, count: int) -> None:
        moved = self._devices.setdefault((device, money.currency), {}).setdefault(way, {})
        moved[money.minor] = moved.get(money.minor, 0) + count

    def _differ(self, what: str, words: str, **more: object) -> None:
        self._differences.append(
            {"what": what, "words": words, **{name: value for name, value in more.items() if value}}
        )


def _read(line: Entry) -> _Data:
    return msgspec.json.decode(line.data, type=_Data)


def _money(data: _Data) -> Money:
    return Money(data["minor"], data["currency"])


class _Moved(msgspec.Struct, frozen=True):
    """What a line of a device moved, if anything."""

    currency: str = ""
    taken: int = 0
    paid: int = 0
    reference: str = ""


def _moved(line: Entry) -> _Moved:
    match line.kind:
        case "bill-stacked" | "coin-accepted":
            data = _read(line)
            money = _money(data["bill" if line.kind == "bill-stacked" else "coin"])
            return _Moved(money.currency, taken=money.minor)
        case "payout-ended":
            data = _read(line)
            coin = _money(data["coin"])
            return _Moved(coin.currency, paid=coin.minor * data["paid"], reference=data["reference"])
    return _Moved()


def _total(counts: Mapping[int, int]) -> int:
    return sum(minor * count for minor, count in counts.items())
