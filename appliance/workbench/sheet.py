"""The report as a person reads it: 80 columns, local time, amounts with their currency. Pure but for the time zone."""

import textwrap
import time
from collections.abc import Iterable
from typing import Any

from wire.money import Money

_WIDTH = 80
_SHOWN = 20
_TIED = "\N{NO-BREAK SPACE}"  # within an amount, until its line is broken
_Data = dict[str, Any]
_BY = {
    "cassette": "cassette out and back", "cassette-unseen": "cassette out; its return was not seen",
    "action": "by order",
}  # fmt: skip
_LEVELS = {"near-full": "NEAR FULL", "full": "FULL", "near-empty": "NEAR EMPTY", "empty": "EMPTY"}


def sheet(found: _Data) -> list[str]:
    """Its lines."""
    lines = [
        f"Journal of {found['state_dir']}",
        f"read {moment(found['at'])}, {'beside the running appliance' if found['running'] else 'no appliance runs'}",
    ]
    for title, body in (
        ("What lies where", _devices(found)),
        ("Owed to customers", _owed(found)),
        ("Money of nobody", _unclaimed(found)),
        ("Under way", _open(found)),
        ("Last collections", _collections(found)),
        ("Last reconciliation", _reconciliation(found["reconciliation"])),
        ("Not yet at the hub", _waiting(found)),
    ):
        lines += ["", title, *(f"  {line}" for line in body)]
    return [line.replace(_TIED, " ") for line in lines]


def moment(at: float) -> str:
    """A time where the kiosk stands."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))


def money(minor: int, currency: str) -> str:
    """As people write it: 12 500.00 KZT."""
    if not currency:
        return "0"
    amount = Money(minor, currency).major
    return f"{amount:,f} {currency}".replace(",", " ").replace(" ", _TIED)


def _coins(counts: dict[str, int], currency: str) -> str:
    """3 × 500.00, 1 × 1 000.00"""
    kinds = sorted((int(minor), count) for minor, count in counts.items())
    # A currency's name is said once, beside the total.
    return ", ".join(f"{count}{_TIED}×{_TIED}{money(minor, currency)[: -len(currency) - 1]}" for minor, count in kinds)


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH - 2, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)


def _devices(found: _Data) -> Iterable[str]:
    if not found["devices"]:
        return ["no device that takes or pays money is known"]
    lines: list[str] = []
    width = max(len(each["device"]) for each in found["devices"])
    for each in found["devices"]:
        what = each["role"]
        lying = each["lying"]
        unknown = each["role"] == "coin hopper" and not each["known"]
        total = "level not known" if unknown else ", ".join(money(one["total"], one["currency"]) for one in lying)
        lines.append(f"{each['device']:<{width}}  {what:<16}  {total or 'nothing':>18}  {_since(each)}".rstrip())
        indent = " " * (width + 2)
        lines += _wrapped(each["label"], indent)
        for one in lying:
            coins = _coins(one["counts"], one["currency"])
            lines += _wrapped(f"moved since the first day: {coins}" if unknown else coins, indent)
        lines += [line for words in _remarks(each, unknown=unknown) for line in _wrapped(words, indent)]
    return lines


def _since(each: _Data) -> str:
    if each["said_at"] is not None:
        return f"said {moment(each['said_at'])}"
    return f"since {moment(each['since'])}" if each["since"] is not None else "since the first day"


def _remarks(each: _Data, *, unknown: bool) -> Iterable[str]:
    if each["removed_at"] is not None:
        yield f"its cassette is OUT since {moment(each['removed_at'])}"
    if each["state"] in _LEVELS:
        count = sum(sum(one["counts"].values()) for one in each["lying"])
        of = f" of {each['capacity']}" if each["capacity"] else ""
        yield f"{_LEVELS[each['state']]}: {count}{of}"
    if each["unclear"]:
        yield f"up to {each['unclear']} coins less: payouts whose end is unclear"
    if unknown:
        yield 'count it and say so: {"action": "set-level", "count": …} to its route'


def _owed(found: _Data) -> Iterable[str]:
    lines = []
    for each in found["owed"][:_SHOWN]:
        amount = money(each["owed"], each["currency"])
        unclear = f" and up to {money(each['unclear'], each['currency'])} more" if each["unclear"] else ""
        lines.append(f"{each['claim'] or 'no code':<10} {amount:>16}{unclear}  {moment(each['at'])}  {each['reason']}")
    return _cut(lines, found["owed"]) or ["nobody"]


def _unclaimed(found: _Data) -> Iterable[str]:
    lines = []
    for each in found["unclaimed"][:_SHOWN]:
        code = f"  code {each['claim']}" if each["claim"] else ""
        amount = money(each["amount"], each["currency"])
        lines.append(f"{amount:>16} in {each['device']}  {moment(each['at'])}{code}")
    return _cut(lines, found["unclaimed"]) or ["none"]


def _open(found: _Data) -> Iterable[str]:
    lines = []
    for each in found["open"][:_SHOWN]:
        lines.append(f"{each['kind']} {each['id']} since {moment(each['begun_at'])}")
        lines += _wrapped(each["words"], "  ")
    return _cut(lines, found["open"]) or ["nothing"]


def _collections(found: _Data) -> Iterable[str]:
    lines: list[str] = []
    for each in found["collections"]:
        by = _BY.get(each["by"], each["by"])
        lines.append(f"{moment(each['at'])}  {each['device']}  {money(each['total'], each['currency'])}  {by}")
        lines += _wrapped(_coins(each["counts"], each["currency"]), " " * 18)
    return lines or ["none yet"]


def _reconciliation(record: _Data | None) -> Iterable[str]:
    if record is None:
        return ["none yet"]
    shift = f", shift {record['shift']}" if record["shift"] is not None else ""
    since = "the first day" if record["since"] is None else moment(record["since"])
    lines = [f"{moment(record['at'])}{shift}, from {since} on"]
    for each in record["money"]:
        names = (
            ("taken", "taken"), ("paid_out", "paid out"), ("sold", "sold"), ("kept", "kept"), ("owed", "owed"),
            ("unclear", "unclear"), ("unclaimed", "of nobody"), ("open", "in open sessions"),
        )  # fmt: skip
        lines += [f"  {words:<18}{money(each[name], each['currency']):>20}" for name, words in names if each[name]]
    lines += [
        f"{each['register']}: {_many(each['count'], 'document')}, {each['first']} to {each['last']}"
        for each in record["documents"] if each["count"]
    ]  # fmt: skip
    for each in record.get("register_totals", ()):
        lines += textwrap.wrap(_totals(each), _WIDTH - 2, subsequent_indent="  ")
    lines += [f"waits for its receipt: {each['reference']}" for each in record["waiting"][:_SHOWN]]
    if not record["complete"]:
        lines.append("not complete: older lines of the journal have gone")
    for each in record["differences"]:
        lines += textwrap.wrap(each["words"], _WIDTH - 2, initial_indent="! ", subsequent_indent="  ")
    return lines if record["differences"] else [*lines, "all adds up"]


def _totals(each: _Data) -> str:
    """A register's own: what is not known is called so."""
    name, currency, told = each["register"], each["currency"], []
    if each["drawer"] is None:
        told.append("its own totals are not known" if each["receipts"] is None else "its drawer is not known")
    else:
        told.append(f"{money(each['drawer'], currency)} in its drawer by its own count")
    if each["moved"] is not None:
        by = "not known" if each["expected"] is None else money(each["expected"], currency)
        told.append(f"changed by {money(each['moved'], currency)}, by documents {by}")
    if each["emptied"]:
        told.append("it began anew with an empty drawer")
    if each["receipts"] is not None:
        by = "not known" if each["receipts_expected"] is None else str(each["receipts_expected"])
        told.append(f"{_many(each['receipts'], 'receipt')} by its own count, by the kiosk's {by}")
    words = f" ({each['words']})" if each["words"] else ""
    return f"{name}: {'; '.join(told)}{words}"


def _waiting(found: _Data) -> Iterable[str]:
    waiting = found["waiting"]
    if not waiting["outcomes"] and not waiting["events"]:
        return ["nothing"]
    return [f"{_many(waiting['outcomes'], 'outcome')}, {_many(waiting['events'], 'event')}"]


def _many(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _cut(lines: list[str], all_of_them: list[_Data]) -> list[str]:
    more = len(all_of_them) - _SHOWN
    return [*lines, f"and {more} more: see --json"] if more > 0 else lines
