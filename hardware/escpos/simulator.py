"""A receipt printer without a printer: it obeys the byte stream at its own pace and keeps what comes out of it.

What is physical (`mechanism`) survives a power cut. Everything else (buffer, style, code page, a stored QR code,
automatic status) is gone, and for `boot_s` after power on it hears nothing. Each line is on paper when its time is
over; power that goes before takes the line with it.

    ledger: line_printed, qr_printed, barcode_printed, picture_printed, line_spoiled (the cover was opened in the
    middle), slip_printed (a cut: `lines` as above, `whole` cut or not), drawer_opened, overrun (the host did not wait)

Pace: 1200 rows of dots a second (150 mm), 30 rows a line, 0.3 s a cut. Sources as in the package.
"""

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from hardware.escpos import commands as c
from hardware.escpos import states as st
from hardware.escpos.codepages import decode_text
from hardware.escpos.declaration import Command, Instruction
from hardware.escpos.frames import Obeyed, Piece, StreamReader, Text
from hardware.escpos.mechanism import ROLL_ROWS, Mechanism
from hardware.escpos.profiles import PROFILES, profile
from hardware.escpos.style import STYLES, Style
from hardware.simulation.simulator import Control, ControlError, Ledger, Simulator

ROWS_A_SECOND = 1200
ROWS_A_LINE = 30
ROWS_TO_KNIFE = 100
CUT_S = 0.3
BOOT_S = 3.5


@dataclass(slots=True)
class _Work:
    """What it does now, and what is so when that is done."""

    ends_at: float
    done: Callable[[float], list[bytes]]
    line: bool  # the head is printing: an open cover spoils it


class EscposSimulator(Simulator):
    """One printer.

    Options: `model` (of `profiles`), `rows` (of dots on a new roll), `answers` ("full", "realtime" or "none"),
    `boot_s`, `buffer` (bytes it holds where the host does not wait, 0: the host waits), `columns`.
    """

    family: ClassVar[str] = "escpos"
    controls: ClassVar[Mapping[str, Control]] = {
        "open_cover": Control("open the cover; a line that is being printed is spoiled"),
        "close_cover": Control("close it"),
        "paper_out": Control("take the roll out"),
        "load_paper": Control("put a roll in", {"rows": "640000"}),
        "near_end": Control("leave this much paper before the end sensor", {"rows": "2000"}),
        "jam_cutter": Control("the next cut jams"),
        "clear_cutter": Control("take the paper out of the cutter; it goes on after DLE ENQ or power on"),
        "heat_head": Control("the head is too hot: it pauses"),
        "cool_head": Control("it has cooled"),
        "press_feed": Control("press the feed button"),
    }
    baud: ClassVar[int] = 9600

    def __init__(self, memory: MutableMapping[str, Any], ledger: Ledger, **options: object) -> None:
        super().__init__(memory, ledger)
        known = {"model": "generic", "rows": ROLL_ROWS, "answers": "full", "boot_s": BOOT_S, "buffer": 0, "columns": 0}
        if unknown := set(options) - set(known):
            raise ControlError(f"there is no option {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}")
        known.update(options)
        if known["model"] not in PROFILES:
            raise ControlError(f"there is no model {known['model']!r}; there are {', '.join(PROFILES)}")
        self._profile = profile(str(known["model"]), columns=_number(known, "columns") or None)
        self._answers = str(known["answers"])
        if self._answers not in ("full", "realtime", "none"):
            raise ControlError("answers is full, realtime or none")
        self._boot_s = float(str(known["boot_s"]))
        self._capacity = _number(known, "buffer")
        self._mechanism = Mechanism(memory, ledger, _number(known, "rows"))
        self._powered = False
        self._forget()

    def _forget(self) -> None:
        """What has no battery."""
        self._reader = StreamReader()
        self._tail = b""
        self._work: _Work | None = None
        self._booted_at = 0.0
        self._automatic = 0
        self._automatic_last = b""
        self._symbol = b""
        self._symbol_settings: dict[str, int] = {}
        self._feed_pressed = False
        self._reset()

    def _reset(self) -> None:
        """As ESC @ does."""
        self._style = Style()
        self._page = 0
        self._line = ""
        self._bar_height = 162

    # Simulator

    def power_on(self, now: float) -> Sequence[bytes]:
        self._forget()
        self._powered = True
        self._booted_at = now + self._boot_s
        self.memory["cutter_error"] = False
        return []

    def power_off(self, now: float) -> None:
        self._powered = False
        self._forget()

    def received(self, data: bytes, now: float) -> Sequence[bytes]:
        if not self._powered or now < self._booted_at:
            return []
        answers = self._real_time(data)
        waiting = len(self._reader.waiting)
        if self._capacity and waiting + len(data) > self._capacity:
            kept = max(self._capacity - waiting, 0)
            self.ledger("overrun", {"bytes": len(data) - kept})
            data = data[:kept]
        self._reader.push(data)
        return answers + self._go_on(now)

    @property
    def wake_at(self) -> float | None:
        if self._powered and self._automatic and self._mechanism.automatic_status() != self._automatic_last:
            return 0.0  # a hand changed something: it tells
        return None if self._work is None or self._mechanism.stopped else self._work.ends_at

    def wake(self, now: float) -> Sequence[bytes]:
        return self._go_on(now)

    def describe(self) -> Mapping[str, object]:
        memory = self.memory
        return {
            "on": self._powered,
            "offline": self._mechanism.stopped,
            "paper_rows": memory["rows"],
            "near_end": self._mechanism.near_end,
            "cover_open": memory["cover_open"],
            "jammed": memory["jammed"],
            "hot": memory["hot"],
            "waiting_bytes": len(self._reader.waiting),
            "lost_place": self._reader.dropped,
            "hanging_out": self._mechanism.hanging_out,
            "paper": self._mechanism.drawn(self._profile.columns),
        }

    # Hands

    def do_open_cover(self, now: float) -> None:
        """Spoils the line that is being printed."""
        self.memory["cover_open"] = True
        if self._work is not None and self._work.line:
            self._work = None
            self._mechanism.add("line_spoiled", "spoiled", {})

    def do_close_cover(self, now: float) -> None:
        """It goes on by itself."""
        self.memory["cover_open"] = False
        self._resume(now)

    def do_paper_out(self, now: float) -> None:
        """As if the roll had ended."""
        self.memory["rows"] = 0

    def do_load_paper(self, now: float, rows: str = str(ROLL_ROWS)) -> None:
        """A new roll."""
        self.memory["rows"] = int(rows)
        self._resume(now)

    def do_near_end(self, now: float, rows: str = "2000") -> None:
        """Not much is left."""
        self.memory["rows"] = int(rows)

    def do_jam_cutter(self, now: float) -> None:
        """Felt at the next cut."""
        self.memory["jammed"] = True

    def do_clear_cutter(self, now: float) -> None:
        """The error stays until DLE ENQ."""
        self.memory["jammed"] = False

    def do_heat_head(self, now: float) -> None:
        """It pauses."""
        self.memory["hot"] = True

    def do_cool_head(self, now: float) -> None:
        """It goes on."""
        self.memory["hot"] = False
        self._resume(now)

    def do_press_feed(self, now: float) -> None:
        """One empty line."""
        if self._mechanism.stopped:
            raise ControlError("it stands still")
        self._mechanism.add("line_printed", "|", {"text": "", "style": ""})

    def _resume(self, now: float) -> None:
        """What waited goes on a moment later."""
        if self._powered and not self._mechanism.stopped:
            if self._work is None:
                self._work = _Work(now, lambda _: [], line=False)
            else:
                self._work.ends_at = max(self._work.ends_at, now)

    # Status

    def _status(self, asked: int) -> bytes:
        if asked == 20:
            return self._mechanism.full_status() if self._profile.full_status else b""
        return self._mechanism.status(asked, presenter=self._profile.presenter)

    def _changed(self) -> list[bytes]:
        """Automatic status, where it was asked for and differs."""
        if not self._automatic or self._answers == "none":
            return []
        told = self._mechanism.automatic_status()
        if told == self._automatic_last:
            return []
        self._automatic_last = told
        return [told]

    def _real_time(self, data: bytes) -> list[bytes]:
        """Obeyed wherever the bytes stand, inside a picture too, as Epson's printers do."""
        answers: list[bytes] = []
        for byte in data:
            self._tail = (self._tail + bytes((byte,)))[-3:]
            if self._tail[:2] == c.DLE_EOT.prefix and len(self._tail) == 3:
                if self._answers != "none" and (answer := self._status(byte)):
                    answers.append(answer)
            elif self._tail[:2] == c.DLE_ENQ.prefix and len(self._tail) == 3 and byte in (1, 2):
                self._recover(clear=byte == 2)
        return answers

    def _recover(self, *, clear: bool) -> None:
        if self._mechanism.recover() and clear:
            self._reader = StreamReader()
            self._work = None
            self._reset()

    # Work

    def _go_on(self, now: float) -> list[bytes]:
        answers: list[bytes] = []
        while not self._mechanism.stopped:
            if self._work is not None:
                if self._work.ends_at > now:
                    break
                work, self._work = self._work, None
                answers += work.done(now)
                continue
            piece = self._reader.next()
            if piece is None:
                break
            answers += self._begin(piece, now)
        return answers + self._changed()

    def _begin(self, piece: Piece, now: float) -> list[bytes]:
        match piece:
            case Text(data):
                return self._letters(data, now)
            case Obeyed(instruction):
                return self._obey(instruction, now)
        return []  # it prints nothing for what it does not know

    def _letters(self, data: bytes, now: float) -> list[bytes]:
        self._line += decode_text(data, self._profile.pages.get(self._page, "cp437"))
        columns = max(self._profile.columns // self._style.width, 1)
        full: list[str] = []
        while len(self._line) > columns:
            full.append(self._line[:columns])
            self._line = self._line[columns:]
        if full:
            style = self._style

            def printed(_: float) -> list[bytes]:
                for line in full:
                    self._print_line(line, style)
                return []

            self._busy(now, ROWS_A_LINE * len(full) * style.height, printed)
        return []

    def _busy(self, now: float, rows: int, done: Callable[[float], list[bytes]], extra_s: float = 0.0) -> None:
        def finished(at: float) -> list[bytes]:
            self._mechanism.feed(rows)
            return done(at)

        self._work = _Work(now + rows / ROWS_A_SECOND + extra_s, finished, line=True)

    def _print_line(self, text: str, style: Style) -> None:
        self._mechanism.add("line_printed", f"{style}|{text}", {"text": text, "style": str(style)})

    def _obey(self, instruction: Instruction, now: float) -> list[bytes]:
        command = instruction.command
        if command is c.NUL:
            return []
        simple = STYLES.get(command.name)
        if simple is not None:
            self._style = simple(self._style, instruction.number("n"))
        elif command in _FEEDS:
            self._feed(command, instruction, now)
        elif command in _CUTS:
            self._cut(now, whole=command in (c.CUT_FULL, c.FEED_CUT_FULL))
        elif command.answer:
            return self._answer(instruction)
        else:
            self._obey_other(instruction, now)
        return []

    def _obey_other(self, instruction: Instruction, now: float) -> None:
        command = instruction.command
        match command.name:
            case "ESC @":
                self._reset()
                self._automatic = 0
            case "ESC t":
                self._page = instruction.number("n")
            case "ESC p":
                self._mechanism.open_drawer(5 if instruction.number("m") & 1 else 2)
            case "GS v 0":
                self._picture(instruction, now)
            case "GS h":
                self._bar_height = instruction.number("n")
            case "GS k":
                name = command.summary.removeprefix("bar code ").partition(",")[0]
                content = instruction.data("content").decode("ascii", "replace")
                figures = {"symbology": name, "content": content}
                self._later(now, self._bar_height + ROWS_A_LINE, "barcode_printed", f"{name} {content}", figures)
            case "GS ( k 41" | "GS ( k 43" | "GS ( k 45":
                self._symbol_settings.update({name: instruction.number(name) for name in list(instruction.values)[:1]})
            case "GS ( k 50":
                self._symbol = instruction.data("content")
            case "GS ( k 51":
                self._print_symbol(now)

    def _later(self, now: float, rows: int, kind: str, line: str, figures: Mapping[str, object]) -> None:
        style = str(Style(align=self._style.align))

        def printed(_: float) -> list[bytes]:
            self._mechanism.add(kind, f"{style}|{line}", figures)
            return []

        self._busy(now, rows, printed)

    def _print_symbol(self, now: float) -> None:
        if not self._symbol:
            return
        content = self._symbol.decode("utf-8", "replace")
        module = self._symbol_settings.get("module", 3)
        correction = c.CORRECTIONS.get(self._symbol_settings.get("correction", 0x30), "L")
        figures = {"content": content, "module": module, "correction": correction}
        rows = module * (21 + 4 * (len(self._symbol) // 20))
        self._later(now, rows, "qr_printed", f"QR {content}", figures)

    def _picture(self, instruction: Instruction, now: float) -> None:
        across, rows, dots = instruction.number("x"), instruction.number("y"), instruction.data("dots")
        black = sum(byte.bit_count() for byte in dots)
        figures = {"width": across * 8, "rows": rows, "black": black, "dots": dots.hex().upper()}
        line = f"picture {across * 8}x{rows}, {black} black"
        self._later(now, rows * (2 if instruction.number("m") & 2 else 1), "picture_printed", line, figures)

    def _feed(self, command: Command, instruction: Instruction, now: float) -> None:
        count = instruction.number("n") if command.fields else 1
        rows = (
            count if command is c.FEED_UNITS else count * ROWS_A_LINE * (self._style.height if command is c.LF else 1)
        )
        style, text = self._style, self._line
        self._line = ""
        lines = 1 if command is c.FEED_UNITS else max(count, 1)

        def printed(_: float) -> list[bytes]:
            for number in range(lines):
                self._print_line(text if number == 0 else "", style if number == 0 and text else Style())
            return []

        self._busy(now, rows, printed)

    def _cut(self, now: float, *, whole: bool) -> None:
        def cut(_: float) -> list[bytes]:
            self._mechanism.cut(whole=whole)
            return []

        self._busy(now, ROWS_TO_KNIFE, cut, CUT_S)

    def _answer(self, instruction: Instruction) -> list[bytes]:
        match instruction.command.name:
            case "GS r" if self._answers == "full":
                paper = instruction.number("n") & 0x0F == 1
                return [bytes((st.BUFFERED_NEAR_END * (paper and self._mechanism.near_end),))]
            case "GS a" if self._answers != "none":
                self._automatic = instruction.number("n")
                self._automatic_last = b""
            case "GS I" if self._answers == "full":
                texts = {0x41: "1.00", 0x42: "KIOSKWIRE", 0x43: self._profile.name.upper(), 0x44: "SIM0001"}
                number = instruction.number("n")
                if number in texts:
                    return [b"_" + texts[number].encode() + b"\0"]
                return [b"\x20"] if number in (1, 2, 3) else []
            case "GS ( k 52" if self._answers == "full":
                side = str(self._symbol_settings.get("module", 3) * (21 + 4 * (len(self._symbol) // 20)))
                return [b"76" + f"{side}\x1f{side}\x1f1\x1f{'0' if self._symbol else '1'}".encode() + b"\0"]
        return []


def _number(options: Mapping[str, object], name: str) -> int:
    try:
        return int(str(options[name]))
    except ValueError:
        raise ControlError(f"{name} is a number, not {options[name]!r}") from None


_FEEDS = (c.LF, c.FEED, c.FEED_UNITS)
_CUTS = (c.CUT_FULL, c.CUT_PARTIAL, c.FEED_CUT_FULL, c.FEED_CUT, c.CUT_ESC_I, c.CUT_ESC_M)
