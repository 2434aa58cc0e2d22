"""Both directions in words: what the host told the printer, and what the printer said of itself.

A status byte does not say what it answers. The explainer remembers what was asked; without that it gives every reading.
A QR code is five commands that mean nothing alone, a bar code up to five: each is told as one.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence

from hardware.escpos import commands as c
from hardware.escpos import states as st
from hardware.escpos.codepages import decode_text
from hardware.escpos.commands import Command, Instruction, Number
from hardware.escpos.frames import (
    FULL_STARTS,
    Obeyed,
    Piece,
    StreamReader,
    Text,
    Unknown,
    is_automatic,
    is_buffered,
    is_status,
)
from hardware.escpos.profiles import PROFILES
from hardware.explain import Explained, Explainer, Sender

UNASKED_MAX = 8  # bytes that nobody asked for are read together up to here
_QR = ("GS ( k 41", "GS ( k 43", "GS ( k 45", "GS ( k 50")
_BARS = ("GS h", "GS w", "GS f", "GS H")
_CONTROL = frozenset((0x0A, 0x0D, 0x1B, 0x1D, 0x10))


def explainer(variant: str = "escpos") -> Explainer:
    """For the protocol `escpos`, with the code pages of Epson."""
    if variant != "escpos":
        raise ValueError(f"there is no ESC/POS variant {variant!r}")
    return EscposExplainer()


class EscposExplainer(Explainer):
    """One printer's line."""

    def __init__(self, model: str = "epson") -> None:
        self._stream = StreamReader()
        self._pages = PROFILES[model].pages
        self._page = 0
        self._group: list[Obeyed] = []  # of one code, not printed yet
        self._asked: deque[Instruction] = deque()
        self._real_time: deque[int] = deque()  # what DLE EOT asked
        self._automatic = False
        self._unread = bytearray()  # of the device

    def feed(self, sender: Sender, data: bytes) -> Sequence[Explained]:
        found: list[Explained] = []
        if sender == "host":
            found += self._device_end()
            for piece in self._stream.feed(data):
                found += self._piece(piece)
            return found
        self._unread += data
        while (one := self._answer()) is not None:
            found.append(one)
        return found

    def finish(self, sender: Sender) -> Sequence[Explained]:
        if sender == "device":
            return self._device_end()
        found = self._ungrouped()
        if waiting := self._stream.forget():
            name = _begun(waiting)
            found.append(Explained(waiting, f"{name} is cut short", "host", fault=f"{name} is cut short", command=name))
        return found

    def guess_sender(self, data: bytes) -> Sender:
        """The device for what can be nothing else: status bytes, or what only looks like a stream with faults."""
        if len(data) <= 4 and data and all(is_status(value) for value in data):
            return "device"
        if (len(data) == 4 and is_automatic(data)) or (len(data) == 6 and data[:2] == FULL_STARTS):
            return "device"
        if _CONTROL.isdisjoint(data) and not any(0x20 <= value < 0x7F for value in data):
            return "device"
        pieces = StreamReader().feed(data)
        if any(isinstance(piece, Obeyed) for piece in pieces):
            return "host"
        if not pieces:
            return "device" if data[:1] == c.DLE_EOT.prefix[:1] else "host"  # a command that is cut short
        return "device" if any(isinstance(piece, Unknown) for piece in pieces) else "host"

    # The host's stream

    def _piece(self, piece: Piece) -> list[Explained]:
        match piece:
            case Text(data):
                text = decode_text(data, self._pages.get(self._page, "cp437"))
                page = self._pages.get(self._page)
                decoded: dict[str, object] = {"text": text, "code_page": page or str(self._page)}
                return [*self._ungrouped(), Explained(data, f"text {text!r}", "host", command="text", decoded=decoded)]
            case Unknown(data):
                words = f"{data.hex(' ').upper()} begins no command that is known here"
                return [*self._ungrouped(), Explained(data, words, "host", fault=words)]
            case Obeyed(instruction):
                return self._command(piece, instruction)

    def _command(self, piece: Obeyed, instruction: Instruction) -> list[Explained]:
        name = instruction.command.name
        code = "GS k" if name in _BARS else "GS ( k 51" if name in _QR else ""
        if code or name in ("GS k", "GS ( k 51"):
            kind = code or name
            found = [] if not self._group or _kind(self._group[-1]) == kind else self._ungrouped()
            self._group.append(piece)
            if not code:
                found += self._grouped()
            return found
        found = self._ungrouped()
        self._remember(instruction)
        return [*found, _explained(piece)]

    def _remember(self, instruction: Instruction) -> None:
        command = instruction.command
        if command is c.DLE_EOT:
            self._real_time.append(instruction.number("n"))
        elif command is c.AUTO_STATUS:
            self._automatic = bool(instruction.number("n"))
        elif command.answer:
            self._asked.append(instruction)
        elif command is c.CODE_PAGE:
            self._page = instruction.number("n")
        elif command is c.INIT:
            self._page = 0

    def _grouped(self) -> list[Explained]:
        """A code with all its settings, as one."""
        group, self._group = self._group, []
        data = b"".join(piece.data for piece in group)
        decoded: dict[str, object] = {}
        frame: dict[str, object] = {}
        for piece in group:
            decoded.update(_decoded(piece.instruction))
            frame.update(_frame(piece.instruction))
        last = group[-1].instruction
        if last.command is c.QR_PRINT:
            decoded = {key: decoded[key] for key in ("qr", "ec", "module", "model") if key in decoded}
            words = f"QR code {decoded.get('qr', 'kept before')!r}"
            words += "".join(f", {name} {decoded[name]}" for name in ("model", "module", "ec") if name in decoded)
        else:
            words = f"bar code {decoded['symbology']} {decoded['content']!r}"
            words += "".join(
                f", {name} {decoded[key]}" for key, name in (("GS h", "height"), ("GS w", "width")) if key in decoded
            )
        return [Explained(data, words, "host", command=last.command.name, frame=frame, decoded=decoded)]

    def _ungrouped(self) -> list[Explained]:
        """Settings of a code that did not come: each alone."""
        group, self._group = self._group, []
        return [_explained(piece) for piece in group]

    # The device's answers

    def _answer(self) -> Explained | None:
        """The next whole answer, knowing what was asked."""
        if not self._unread:
            return None
        head = self._unread[0]
        if self._real_time and self._real_time[0] == 20:
            if len(self._unread) < 6 and bytes(self._unread[:2]) == FULL_STARTS[: len(self._unread)]:
                return None
            if bytes(self._unread[:2]) == FULL_STARTS:
                self._real_time.popleft()
                return _full(self._take(6))
        if self._automatic and head & 0x93 == 0x10 and is_automatic(bytes(self._unread[:4])):
            return _automatic(self._take(4)) if len(self._unread) >= 4 else None
        if is_status(head) and self._real_time:
            return _real_time(self._take(1), self._real_time.popleft())
        if self._asked:
            return self._asked_answer(head)
        if self._real_time or self._automatic:
            return _refused(self._take(1))
        if len(self._unread) >= UNASKED_MAX:
            return self._unasked()
        return None

    def _asked_answer(self, head: int) -> Explained | None:
        asked = self._asked[0]
        if asked.command is c.READ_STATUS and is_buffered(head):
            self._asked.popleft()
            return _buffered(self._take(1), asked.number("n") & 0x0F)
        if asked.command in (c.READ_ID, c.QR_ASK_SIZE):
            if head in (0x5F, 0x37):
                end = self._unread.find(0)
                if end < 0:
                    return None if len(self._unread) < 80 else _refused(self._take(1))
                self._asked.popleft()
                data = self._take(end + 1)
                text = data[1:-1].decode("ascii", "replace")
                kind = _words_of(asked, "n") if asked.command is c.READ_ID else "size of the QR code"
                return Explained(data, f"{kind}: {text}", "device", command=asked.command.name, decoded={kind: text})
            if is_buffered(head):
                self._asked.popleft()
                data = self._take(1)
                return Explained(
                    data, f"identity {data[0]:02X}", "device", command="GS I", decoded={"identity": data[0]}
                )
        return _refused(self._take(1))

    def _device_end(self) -> list[Explained]:
        found: list[Explained] = []
        while self._unread:
            known = self._answer()
            found.append(self._unasked() if known is None else known)
        return found

    def _unasked(self) -> Explained:
        """Bytes that no question was seen for, read by their fixed bits."""
        data = bytes(self._unread[:UNASKED_MAX])
        if data[:2] == FULL_STARTS:
            return _full(self._take(6)) if len(data) >= 6 else _full_cut_short(self._take(len(data)))
        if len(data) == 1 and is_status(data[0]):
            return _any_status(self._take(1))
        if len(data) in (2, 3, 4) and all(map(is_status, data)):
            return _several(self._take(len(data)))
        if len(data) >= 4 and is_automatic(data[:4]):
            return _automatic(self._take(4))
        if _are_answers(data):
            return _any_status(self._take(1)) if is_status(data[0]) else _buffered(self._take(1), 1)
        if 0 in data and data[0] in (0x5F, 0x37):
            block = self._take(data.index(0) + 1)
            text = block[1:-1].decode("ascii", "replace")
            return Explained(block, f"identity: {text}", "device", command="GS I", decoded={"identity": text})
        return _refused(self._take(len(data)))

    def _take(self, count: int) -> bytes:
        taken = bytes(self._unread[:count])
        del self._unread[:count]
        return taken


# Commands


def _kind(piece: Obeyed) -> str:
    return "GS k" if piece.instruction.command.name in _BARS else "GS ( k 51"


def _begun(data: bytes) -> str:
    """The command that these bytes may begin."""
    names = {command.name for command in c.BY_FIRST.get(data[0], ()) if command.matches(data, 0) is not False}
    return " or ".join(sorted(names)[:3]) or data[:2].hex(" ").upper()


def _explained(piece: Obeyed) -> Explained:
    instruction = piece.instruction
    decoded = _decoded(instruction)
    fault = _fault(instruction)
    words = instruction.command.summary if instruction.command is not c.DLE_EOT else f"asks: {decoded['asks']}"
    details = ", ".join(_details(instruction))
    return Explained(
        piece.data,
        f"{instruction.command.name}: {words}{f' ({details})' if details else ''}",
        "host",
        fault=fault,
        command=instruction.command.name,
        frame=_frame(instruction),
        decoded=decoded,
    )


def _fault(instruction: Instruction) -> str | None:
    """Why a printer would not do it, for the few where the notes tell what a number may be."""
    for item in instruction.command.fields:
        if item.name not in instruction.values:
            continue
        value = instruction.values[item.name]
        if isinstance(item, Number) and isinstance(value, int) and not item.low <= value <= item.top:
            return f"{instruction.command.name}: {item.name} is {item.low} to {item.top}, not {value}"
    return None


def _frame(instruction: Instruction) -> dict[str, object]:
    frame: dict[str, object] = {"command": instruction.command.name}
    if instruction.selected:
        frame["selector"] = instruction.selected.hex().upper()
    for name, value in instruction.values.items():
        frame[name] = value if isinstance(value, int) else value.hex().upper()
    return frame


def _details(instruction: Instruction) -> list[str]:
    details: list[str] = []
    for item in instruction.command.fields:
        value = instruction.values[item.name]
        if isinstance(item, Number) and isinstance(value, int):
            meaning = item.words.get(value)
            details.append(f"{item.name} = {value}" + (f", {meaning}" if meaning else ""))
        elif isinstance(value, bytes):
            details.append(f"{len(value)} bytes")
    return details


def _words_of(instruction: Instruction, name: str) -> str:
    value = instruction.number(name)
    for item in instruction.command.fields:
        if isinstance(item, Number) and item.name == name:
            return item.words.get(value, str(value))
    return str(value)


def _decoded(instruction: Instruction) -> dict[str, object]:
    """What a command means: its name with its first number, its fields, and words where there are any."""
    command, values = instruction.command, instruction.values
    special = _SPECIAL.get(command.name)
    if special is not None:
        return special(instruction)
    decoded: dict[str, object] = {}
    first: object = instruction.selected[0] if instruction.selected else True
    for number, item in enumerate(command.fields):
        value = values[item.name]
        shown: object = value if isinstance(value, int) else value.hex().upper()
        if number == 0 and first is True:
            first = shown
        else:
            decoded[item.name] = shown
        if isinstance(item, Number) and isinstance(value, int) and value in item.words:
            decoded[_KEYS.get(command.name, "means")] = item.words[value]
    return {command.name: first, **decoded}


_KEYS = {
    "ESC a": "align", "ESC E": "bold", "ESC -": "underline", "GS B": "invert", "ESC M": "font", "GS f": "font",
    "GS H": "digits", "GS r": "asks", "GS I": "asks", "DLE ENQ": "recover",
}  # fmt: skip


def _asks(instruction: Instruction) -> dict[str, object]:
    n = instruction.number("n")
    return {"DLE EOT": n, "asks": c.ASKED.get(n, f"status {n}")}


def _raster(instruction: Instruction) -> dict[str, object]:
    x, y, dots = instruction.number("x"), instruction.number("y"), instruction.data("dots")
    return {
        "GS v 0": f"{_count(x, 'byte')} x {_count(y, 'row')}",
        "m": instruction.number("m"),
        "width_bytes": x,
        "rows": y,
        "black": sum(byte.bit_count() for byte in dots),
    }


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _size(instruction: Instruction) -> dict[str, object]:
    n = instruction.number("n")
    return {"GS !": n, "width": (n >> 4 & 7) + 1, "height": (n & 7) + 1}


def _page_chosen(instruction: Instruction) -> dict[str, object]:
    n = instruction.number("n")
    return {"ESC t": n, "code_page": PROFILES["epson"].pages.get(n, "")}


def _bars(instruction: Instruction) -> dict[str, object]:
    command: Command = instruction.command
    symbology = command.summary.removeprefix("bar code ").partition(",")[0]
    content = instruction.data("content").decode("ascii", "replace")
    return {"GS k": instruction.selected[0], "symbology": symbology, "content": content, symbology.lower(): content}


def _cut(instruction: Instruction) -> dict[str, object]:
    decoded: dict[str, object] = {"GS V": instruction.selected[0]}
    if "n" in instruction.values:
        decoded["n"] = instruction.number("n")
    return {**decoded, "cut": "full" if instruction.command in (c.CUT_FULL, c.FEED_CUT_FULL) else "partial"}


def _drawer(instruction: Instruction) -> dict[str, object]:
    m, t1, t2 = (instruction.number(name) for name in ("m", "t1", "t2"))
    return {"ESC p": m, "pin": 5 if m & 1 else 2, "t1": t1, "t2": t2, "on_ms": 2 * t1, "off_ms": 2 * t2}


def _automatic_asked(instruction: Instruction) -> dict[str, object]:
    n = instruction.number("n")
    names = ((0x01, "drawer"), (0x02, "online"), (0x04, "error"), (0x08, "paper"), (0x40, "switch"))
    return {"GS a": n, "tells": [name for mask, name in names if n & mask]}


def _print_mode(instruction: Instruction) -> dict[str, object]:
    n = instruction.number("n")
    return {
        "ESC !": n,
        "font": "B" if n & 0x01 else "A",
        "bold": bool(n & 0x08),
        "width": 2 if n & 0x20 else 1,
        "height": 2 if n & 0x10 else 1,
        "underline": bool(n & 0x80),
    }


_SPECIAL: Mapping[str, Callable[[Instruction], dict[str, object]]] = {
    "DLE EOT": _asks,
    "ESC !": _print_mode,
    "GS v 0": _raster,
    "GS !": _size,
    "ESC t": _page_chosen,
    "GS k": _bars,
    "GS V": _cut,
    "ESC p": _drawer,
    "GS a": _automatic_asked,
    "GS ( k 41": lambda one: {"fn": 65, "model": one.number("model") - 0x30},
    "GS ( k 43": lambda one: {"fn": 67, "module": one.number("module")},
    "GS ( k 45": lambda one: {"fn": 69, "ec": c.CORRECTIONS.get(one.number("correction"), "?")},
    "GS ( k 50": lambda one: {"fn": 80, "qr": one.data("content").decode("utf-8", "replace")},
    "GS ( k 51": lambda one: {"fn": 81, "prints": "the QR code that is kept"},
    "GS ( k 52": lambda one: {"fn": 82, "asks": "size of the QR code"},
}

# Answers


def _real_time(data: bytes, asked: int) -> Explained:
    value = data[0]
    if asked not in st.REAL_TIME:
        return Explained(data, f"status {value:02X}", "device", command="DLE EOT", decoded={"valid": True})
    words = st.real_time_words(asked, value)
    decoded = {"valid": True, "asked": asked, f"dle_eot_{asked}": words, **st.named(st.REAL_TIME[asked], value)}
    return Explained(data, f"{c.ASKED[asked]}: {words}", "device", command=f"DLE EOT {asked}", decoded=decoded)


def _any_status(data: bytes) -> Explained:
    """Nobody asked: every reading."""
    value = data[0]
    readings = {f"dle_eot_{asked}": st.real_time_words(asked, value) for asked in st.REAL_TIME}
    words = "; ".join(f"if asked for {c.ASKED[asked]}: {readings[f'dle_eot_{asked}']}" for asked in st.REAL_TIME)
    return Explained(data, f"status {value:02X}: {words}", "device", decoded={"valid": True, **readings})


_ORDERS: Mapping[int, tuple[int, ...]] = {2: (1, 4), 3: (1, 2, 4), 4: (1, 2, 3, 4)}


def _several(data: bytes) -> Explained:
    """Two to four together: as hosts ask for them before a slip, state, cause, paper."""
    decoded: dict[str, object] = {"valid": True}
    for asked, value in zip(_ORDERS[len(data)], data, strict=True):
        words = st.real_time_words(asked, value)
        if asked == 4 and value & st.PAPER_END:
            words = "paper out"
        decoded[f"dle_eot_{asked}"] = f"{value:02X} {words}"
    words = "; ".join(f"{c.ASKED[asked]} {decoded[f'dle_eot_{asked}']}" for asked in _ORDERS[len(data)])
    return Explained(data, words, "device", decoded=decoded)


def _buffered(data: bytes, asked: int) -> Explained:
    bits = st.BUFFERED.get(asked, ())
    words = st.in_words(bits, data[0], {1: "paper present", 2: "drawer pin 3 is low"}.get(asked, f"{data[0]:02X}"))
    decoded = {"valid": True, f"gs_r_{asked}": words, **st.named(bits, data[0])}
    return Explained(data, f"all before was done; {words}", "device", command=f"GS r {asked}", decoded=decoded)


def _automatic(data: bytes) -> Explained:
    decoded: dict[str, object] = {"valid": True, "automatic_status": True}
    parts: list[str] = []
    for bits, value in zip(st.AUTOMATIC, data, strict=True):
        decoded.update(st.named(bits, value))
        if any(value & mask for mask, _, _ in bits):
            parts.append(st.in_words(bits, value, ""))
    words = ", ".join(parts) or "well"
    return Explained(data, f"told unasked: {words}", "device", command="GS a", decoded={**decoded, "means": words})


def _full(data: bytes) -> Explained:
    names = ("paper", "user", "recoverable", "unrecoverable")
    frame: dict[str, object] = dict(zip(names, data[2:6], strict=True))
    decoded: dict[str, object] = {"valid": True, **frame}
    parts: list[str] = []
    for bits, value in zip(st.FULL, data[2:6], strict=True):
        decoded.update(st.named(bits, value))
        if any(value & mask for mask, _, _ in bits):
            parts.append(st.in_words(bits, value, ""))
    words = ", ".join(parts) or "well"
    return Explained(
        data, f"full status: {words}", "device", command="DLE EOT 20", frame=frame, decoded={**decoded, "means": words}
    )


def _are_answers(data: bytes) -> bool:
    """One answer to GS r, or several to DLE EOT with some to GS r 1 among them."""
    if len(data) == 1:
        return is_buffered(data[0]) and data[0] & 0x60 == 0
    return any(map(is_status, data)) and all(is_status(value) or value in (0x00, 0x03, 0x0C, 0x0F) for value in data)


def _full_cut_short(data: bytes) -> Explained:
    reason = f"a full status is six bytes, not {len(data)}"
    return Explained(data, reason, "device", fault=reason, command="DLE EOT 20", decoded={"valid": False})


def _refused(data: bytes) -> Explained:
    if len(data) == 1:
        reason = f"{data[0]:02X} is no status (bits 1 and 4 set, 0 and 7 clear) and answers nothing that was asked"
    else:
        reason = f"{data.hex().upper()} is no status: one is a single byte with bits 1 and 4 set and 0 and 7 clear"
    return Explained(data, reason, "device", fault=reason, decoded={"valid": False})
