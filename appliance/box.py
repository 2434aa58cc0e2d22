"""What tells this machine from another one that runs a copy of its disk. Linux; nothing found is no error.

A copied disk brings machine-id, token and journal along. What it cannot bring are the machine's serial number and its
network cards: those built in, since sticks are carried about, with the address they were made with. Only hashes leave
this module.
"""

import hashlib
from pathlib import Path

Marks = dict[str, list[str]]  # kind of mark → hashes, in order

GIVEN, SERIAL, BOARD, CARDS, SYSTEM = "given", "serial", "board", "cards", "system"
_MADE_WITH = "0"  # addr_assign_type, see Documentation/ABI/testing/sysfs-class-net: NET_ADDR_PERM


def read_marks(given: str = "", root: Path = Path("/")) -> Marks:
    """The marks of this machine; `given` is BOX_ID."""
    found = {
        GIVEN: [given],
        SERIAL: [_read(root / "sys/firmware/devicetree/base/serial-number")],
        BOARD: [_read(root / "sys/class/dmi/id/product_uuid").lower()],  # only root may read it
        CARDS: sorted(filter(None, map(_address, _entries(root / "sys/class/net")))),
        SYSTEM: [_read(root / "etc/machine-id")],
    }
    return {kind: list(map(_hash, words)) for kind, words in found.items() if any(words)}


def is_other(before: Marks, now: Marks) -> bool:
    """Whether the marks of two starts are of different machines.

    A name that was given decides, then the hardware: of every kind that both have, one mark must be the same. A kind
    that only one of them has says nothing. The system's name is copied with the disk, so that only another one tells,
    and only where there is nothing better: in containers.
    """
    for kinds in ((GIVEN,), (SERIAL, BOARD, CARDS), (SYSTEM,)):
        common = [kind for kind in kinds if kind in before and kind in now]
        if common:
            return any(set(before[kind]).isdisjoint(now[kind]) for kind in common)
    return False


def _address(card: Path) -> str:
    """A network card's address, if it is built in and has its own."""
    try:
        device = (card / "device").resolve(strict=True)
    except OSError:
        return ""
    carried = any(part.startswith("usb") for part in device.parts) or "virtual" in device.parts
    return "" if carried or _read(card / "addr_assign_type") != _MADE_WITH else _read(card / "address")


def _entries(directory: Path) -> list[Path]:
    try:
        return list(directory.iterdir())
    except OSError:
        return []


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip(" \t\r\n\0")
    except OSError:
        return ""


def _hash(text: str) -> str:
    return hashlib.sha256(f"kioskwire {text}".encode()).hexdigest()[:16]
