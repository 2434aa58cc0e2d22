"""What lies where, what is under way, who is owed something, what the hub has not got: the book at one moment.

Reading alone; `kioskwire-appliance report` has the shape of it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from appliance.cash import owed
from appliance.devices import DeviceEntry
from appliance.journal import Book, Entry, Look, Work
from appliance.levels.collections import COLLECTION, LEVEL_SET, levels
from appliance.levels.reconcile import RECONCILIATION

_COLLECTIONS = 5
_MONEY = ("bill validator", "coin acceptor", "coin hopper")


def gather(look: Look, entries: Mapping[str, DeviceEntry], at: float) -> dict[str, Any]:
    """All that is told, of one moment; `entries` are the routing file's devices."""
    book = look.book
    last, claims = book.last_entry("", RECONCILIATION), owed.recent(book)
    return {
        "journal": look.meta("id"), "running": look.running, "at": at,
        "devices": [_device(book, name, entries.get(name)) for name in _names(book, entries)],
        "open": [_open(work) for work in book.open_works()],
        "owed": _owed(claims), "unclaimed": _unclaimed(claims),
        "collections": _newest(book, COLLECTION, _COLLECTIONS),
        "reconciliation": None if last is None else _read(last),
        "waiting": {
            "outcomes": look.count("operations", "state = 'done'"), "events": look.count("events", "TRUE"),
        },
    }  # fmt: skip


def _names(book: Book, entries: Mapping[str, DeviceEntry]) -> list[str]:
    """Devices that hold money: those of the file in its order, then those that are in the book alone."""
    named = [name for name, entry in entries.items() if entry.role in _MONEY]
    counted = sorted({*book.tallies(), *(entry.device for entry in book.entries(kinds=(COLLECTION, LEVEL_SET)))})
    return [*named, *(name for name in counted if name not in named)]


def _device(book: Book, name: str, entry: DeviceEntry | None) -> dict[str, Any]:
    found = levels(book, name)
    unclear = 0
    lines = (book.last_entry(name, kind) for kind in (LEVEL_SET, COLLECTION))
    said = max((line for line in lines if line is not None), key=lambda line: line.n, default=None)
    for line in book.entries(device=name, kinds=("payout-unclear",), after=said.n if said else 0):
        unclear += _read(line)["asked"]
    return {
        **found, "unclear": unclear, "role": "" if entry is None else entry.role,
        "label": "" if entry is None else entry.owned.label,
        "capacity": None if entry is None else entry.owned.capacity or None,
        "said_at": said.at if said is not None and entry is not None and entry.role == "coin hopper" else None,
    }  # fmt: skip


def _open(work: Work) -> dict[str, Any]:
    data = msgspec.json.decode(work.data)
    words = data.get("reason") if isinstance(data, dict) else ""
    return {
        "id": work.id,
        "kind": work.kind,
        "begun_at": work.begun_at,
        "words": words if isinstance(words, str) else "",
    }


def _owed(lines: Sequence[Entry]) -> list[dict[str, Any]]:
    """What sessions ended with, and what of the unclear became clear since."""
    return [
        {
            "claim": one.claim, "work": one.work, "currency": one.currency, "owed": one.owed, "unclear": one.unclear,
            "reason": one.reason, "at": one.at,
        }
        for one in reversed(owed.standing(lines)) if one.owed or one.unclear
    ]  # fmt: skip


def _unclaimed(lines: Sequence[Entry]) -> list[dict[str, Any]]:
    return [
        {
            "device": data.get("device", ""), "currency": data["currency"], "amount": data["amount"],
            "claim": data.get("claim", ""), "work": line.work, "at": line.at,
        }
        for line in reversed(owed.unclaimed(lines))
        for data in [_read(line)]
    ]  # fmt: skip


def _newest(book: Book, kind: str, count: int) -> list[dict[str, Any]]:
    lines = book.entries(kinds=(kind,), limit=count, newest=True)
    return [{**_read(line), "at": line.at} for line in reversed(lines)]


def _read(line: Entry) -> dict[str, Any]:
    return msgspec.json.decode(line.data, type=dict[str, Any])
