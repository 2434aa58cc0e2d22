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
from collections.abc import Mapping
from pathlib import Path

from appliance.desk.summary import gather
from appliance.devices import DeviceEntry
from appliance.journal import JournalError, look_into
from appliance.routes import RoutingError, read_routes
from appliance.settings import find_routing_file, find_state_dir
from appliance.workbench.sheet import sheet
from wire.environment import SettingsError


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


def _entries(options: argparse.Namespace) -> Mapping[str, DeviceEntry]:
    """Only for words beside the devices: without them, or with mistakes in them, the report is as good."""
    try:
        return read_routes(find_routing_file(options.env_file, options.routes)).devices
    except (RoutingError, OSError):
        return {}
