"""What is physical in a simulated printer: roll, cover, cutter, head and drawer, and the paper that hangs out.

All of it survives a power cut, but for the cutter's error, which is in the electronics. It stops when its sensor sees
the end of the roll, which is before the head does: the line in work is still printed.
"""

from collections import deque
from collections.abc import Mapping, MutableMapping
from typing import Any

from hardware.escpos import states as st
from hardware.simulation.simulator import Ledger

ROLL_ROWS = 80 * 8000  # 80 m of 8 dots a millimetre
NEAR_END_ROWS = 24_000  # 3 m
KEPT_SLIPS = 3  # of those that are shown to people
FIXED = 0x12  # of a real-time status


class Mechanism:
    """`memory` is the simulator's, changed in place; `rows` of dots are on a roll from the factory."""

    def __init__(self, memory: MutableMapping[str, Any], ledger: Ledger, rows: int) -> None:
        self.memory = memory
        self._ledger = ledger
        self._slips: deque[list[str]] = deque(maxlen=KEPT_SLIPS)
        memory.setdefault("rows", rows)
        for name in ("cover_open", "jammed", "cutter_error", "hot", "drawer_open"):
            memory.setdefault(name, False)
        memory.setdefault("piece", [])

    # Paper

    def add(self, kind: str, line: str, figures: Mapping[str, object]) -> None:
        """Onto the paper as "style|text", and into the ledger."""
        self.memory["piece"] = [*self.memory["piece"], line]
        self._ledger(kind, figures)

    def feed(self, rows: int) -> None:
        """So much of the roll goes out."""
        self.memory["rows"] = max(int(self.memory["rows"]) - rows, 0)

    def cut(self, *, whole: bool) -> None:
        """What hangs out falls, or the cutter jams."""
        if self.memory["jammed"]:
            self.memory["cutter_error"] = True
            return
        lines = self.hanging_out
        self.memory["piece"] = []
        self._slips.append(lines)
        self._ledger("slip_printed", {"lines": lines, "whole": whole})

    def open_drawer(self, pin: int) -> None:
        """The pulse goes out; nobody knows whether a drawer hangs there."""
        self._ledger("drawer_opened", {"pin": pin})

    @property
    def hanging_out(self) -> list[str]:
        """Not cut yet: "style|text" each."""
        return list(self.memory["piece"])

    def drawn(self, columns: int) -> str:
        """The last slips and what hangs out, for people."""
        lines: list[str] = []
        for slip in (*self._slips, self.hanging_out):
            for line in slip:
                style, _, text = line.partition("|")
                words = style.split()
                place = ">" if "right" in words else "^" if "center" in words else "<"
                lines.append(f"|{text:{place}{columns}}|")
            lines.append("+" + "- " * (columns // 2) + "+")
        return "\n".join(lines[:-1])

    # Sensors

    @property
    def paper_end(self) -> bool:
        """Its sensor sees no paper."""
        return int(self.memory["rows"]) <= 0

    @property
    def near_end(self) -> bool:
        """The roll is thin."""
        return int(self.memory["rows"]) <= NEAR_END_ROWS

    @property
    def stopped(self) -> bool:
        """Nothing can be printed: it is off line."""
        memory = self.memory
        return bool(memory["cover_open"] or self.paper_end or memory["cutter_error"] or memory["hot"])

    def status(self, asked: int, *, presenter: bool) -> bytes:
        """The answer to DLE EOT 1 to 4; none to another."""
        memory, value = self.memory, 0
        match asked:
            case 1:
                value = st.OFFLINE * self.stopped | st.DRAWER_HIGH * bool(memory["drawer_open"])
            case 2:
                value = st.COVER * bool(memory["cover_open"]) | st.STOPPED_BY_PAPER * self.paper_end
                value |= st.ERROR * bool(memory["cutter_error"] or memory["hot"])
            case 3:
                value = st.CUTTER * bool(memory["cutter_error"]) | st.AUTO_RECOVERABLE * bool(memory["hot"])
            case 4:
                end = st.NO_PAPER if presenter else st.PAPER_END
                value = st.NEAR_END * self.near_end | end * self.paper_end
            case _:
                return b""
        return bytes((FIXED | value,))

    def full_status(self) -> bytes:
        """The answer to DLE EOT 20 of Custom's printers."""
        memory = self.memory
        paper = 0x01 * self.paper_end | 0x04 * self.near_end
        user = 0x02 * bool(memory["cover_open"])
        return bytes((0x10, 0x0F, paper, user, bool(memory["hot"]), bool(memory["cutter_error"])))

    def automatic_status(self) -> bytes:
        """The four bytes of GS a."""
        memory = self.memory
        first = 0x10 | 0x08 * self.stopped | 0x20 * bool(memory["cover_open"])
        second = 0x08 * bool(memory["cutter_error"]) | 0x40 * bool(memory["hot"])
        third = 0x03 * self.near_end | 0x0C * self.paper_end
        return bytes((first, second, third, 0))

    def recover(self) -> bool:
        """DLE ENQ: the cutter is tried again. Whether it had an error and has none any more."""
        if not self.memory["cutter_error"] or self.memory["jammed"]:
            return False
        self.memory["cutter_error"] = False
        return True
