"""`kioskwire-appliance report`: what lies where, what is under way, who is owed something, and whether all adds up.

Reads the journal beside a running appliance and writes nothing. Exit status: 0, 1 when there is no journal to read, 2
when it was asked for wrongly. With --json it prints one object, amounts in minor units and times in seconds since 1970:

    state_dir, journal, running, at
    devices          [{"device", "label", "role", "capacity", "since", "said_at", "known", "removed_at", "state",
                     "lying", "unclear"}]: as `levels.collections`; `said_at` is when a hopper's level was set or it
                     was emptied, `unclear` are coins that may have left it besides
    open             [{"id", "kind", "begun_at", "words"}]: works that have not ended
    owed             [{"claim", "work", "currency", "owed", "unclear", "reason", "at"}]: the newest first
                     without what was settled
    unclaimed        [{"device", "currency", "amount", "claim", "work", "at"}]: the same
    collections      the records of the newest ones, as `levels.collections`
    reconciliation   the last record, as `levels.reconcile`, or null
    waiting          {"outcomes", "events"}: how many the hub has not got
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from appliance.cash import owed
from appliance.devices import DeviceEntry
from appliance.journal import Book, Entry, JournalError, Look, Work, look_into
from appliance.levels.collections import COLLECTION, LEVEL_SET, levels
from appliance.levels.reconcile import RECONCILIATION
from appliance.routes import RoutingError, read_routes
from appliance.settings import find_routing_file, find_state_dir
from appliance.workbench.sheet import sheet
from wire.environment import SettingsError

_COLLECTIONS = 5
_MONEY = ("bill validator", "coin acceptor", "coin hopper")


def run(options: argparse.Namespace) -> int:
    """Returns the exit status."""
    try:
        directory = Path(options.state_dir) if options.state_dir else find_state_dir(options.env_file)
    except SettingsError as error:
        print("\n".join(map(str, error.mistakes)), file=sys.stderr)
        return 2
    entries = _entries(options)
    try:
        with look_into(directory) as look:
            found = gather(look, entries, time.time())
    except JournalError as error:
        print(f"kioskwire-appliance report: {error}", file=sys.stderr)
        return 1
    found = {"state_dir": str(directory.absolute()), **found}
    print(json.dumps(found, ensure_ascii=False) if options.json else "\n".join(sheet(found)))
    return 0


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


def _entries(options: argparse.Namespace) -> Mapping[str, DeviceEntry]:
    """Only for words beside the devices: without them, or with mistakes in them, the report is as good."""
    try:
        return read_routes(find_routing_file(options.env_file, options.routes)).devices
    except (RoutingError, OSError):
        return {}


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
