"""A simulated gateway's memory of what it really did."""

import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

# The effects there are, and the name under which a line says on what. "declined" and "refused" moved no money.
IDENTITIES = {
    "payment": "order_id", "declined": "order_id", "fiscal": "check_id",
    "charge": "process_id", "refund": "process_id", "refused": "process_id",
}  # fmt: skip


class Ledger:
    """What the gateway really did: one line of JSON an effect, on disk before anybody is told.

    Opened with `O_APPEND` and `O_DSYNC`, so that neither a kill nor a power cut takes a line back. Without a path it
    is kept in memory only. An existing file is read first and continued.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.lines: list[dict[str, Any]] = []
        self._counts: Counter[tuple[str, str]] = Counter()
        self._file: int | None = None
        if path is not None:
            if path.is_file():
                self.lines = [_read(line) for line in path.read_bytes().splitlines() if line.strip()]
                self._counts.update((line["effect"], line[IDENTITIES[line["effect"]]]) for line in self.lines)
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_DSYNC, 0o600)

    def append(self, effect: str, identity: str, **fields: Any) -> dict[str, Any]:
        """Write one effect on an order or a check and return its line. Raises `OSError`.

        `n` counts the same effect on the same identity: 2 is a second charge.
        """
        line = {
            "seq": len(self.lines) + 1,
            "at": round(time.time(), 6),
            "effect": effect,
            IDENTITIES[effect]: identity,
            "n": self._counts[effect, identity] + 1,
            **fields,
        }
        if self._file is not None:
            # A sum stands as it came, which may be over several lines.
            text = msgspec.json.format(msgspec.json.encode(line), indent=-1) + b"\n"
            if os.write(self._file, text) != len(text):
                raise OSError("the ledger took only a part of a line")
        self.lines.append(line)
        self._counts[effect, identity] += 1
        return line

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _read(text: bytes) -> dict[str, Any]:
    """A line. A sum that is no number of this machine's, such as 1e999, stands as it came, as it did before."""
    try:
        line: dict[str, Any] = msgspec.json.decode(text)
    except msgspec.DecodeError:
        raw = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
        line = {name: value if name == "sum" else msgspec.json.decode(value) for name, value in raw.items()}
    return line
