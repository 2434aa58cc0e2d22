"""`kioskwire-appliance decode`: one frame, or a few, in words or as data. Needs no kiosk and no settings."""

import argparse
import sys

import msgspec

from appliance.workbench.reading import NotHex, Reading, as_data, parse_hex, read, shown
from hardware.catalogue import NotInCatalogue
from hardware.explain import Explained

STDIN_MAX = 4 * 1024 * 1024
_WHO = {"host": "from the host", "device": "from the device"}


def run(options: argparse.Namespace) -> int:
    """Returns the exit status: 0 taken, 1 to be refused, 2 asked for wrongly."""
    text = " ".join(options.hex)
    try:
        if text.strip() == "-":
            text = sys.stdin.read(STDIN_MAX)
        readings = read(options.protocol, parse_hex(text), options.sender)
    except (NotHex, NotInCatalogue, UnicodeDecodeError) as error:
        print(f"kioskwire-appliance decode: {error}", file=sys.stderr)
        return 2
    if options.json:
        print(msgspec.json.encode(_data(readings)).decode())
    else:
        _print(readings)
    reason = readings[0].reason
    if reason is not None:
        print(f"refused: {reason}", file=sys.stderr)
        return 1
    return 0


def _data(readings: list[Reading]) -> dict[str, object]:
    chosen, *others = readings
    first = chosen.first
    about = as_data(first) if first is not None else {}
    data: dict[str, object] = {
        "protocol": chosen.protocol,
        "from": chosen.sender,
        "ok": chosen.reason is None,
        "frame": about.get("frame", {}),
        "command": about.get("command"),
        "decoded": chosen.decoded,
        "checksum": about.get("checksum"),
        "words": about.get("words", ""),
        "skipped_bytes": sum(len(item.data) for item in chosen.skipped),
    }
    if chosen.reason is not None:
        data["reason"] = chosen.reason
    if len(chosen.items) > 1:
        data["frames"] = [as_data(item) for item in chosen.items]
    if others:
        data["also"] = [_data([other]) for other in others]
    return data


def _print(readings: list[Reading]) -> None:
    for index, reading in enumerate(readings):
        for item in reading.items:
            _print_item(reading, item, "or, " if index else "")


def _print_item(reading: Reading, item: Explained, before: str) -> None:
    if item in reading.good:
        print(f"{before}{_WHO[reading.sender]}: {item.words}")
        for name, text in (("bytes", item.data.hex(" ").upper()), ("frame", shown(item.frame)),
                           ("decoded", shown(item.decoded)), ("checksum", shown(item.checksum or {}))):  # fmt: skip
            if text:
                print(f"  {name:<9}{text}")
    else:
        count = "1 byte" if len(item.data) == 1 else f"{len(item.data)} bytes"
        print(f"not taken, {count}: {item.data.hex(' ').upper()}: {item.fault or item.words}")
