"""What a host's commands mean, in words and as data.

The data of a command is its name with its first number, its other fields by their names, and the meaning of both.
"""

from collections.abc import Callable, Mapping, Sequence

from hardware.escpos import commands as c
from hardware.escpos.declaration import Command, Instruction, Number
from hardware.escpos.frames import Obeyed
from hardware.escpos.profiles import PROFILES
from hardware.explain import Explained


def begun(data: bytes) -> str:
    """The command that these bytes may begin."""
    names = {command.name for command in c.BY_FIRST.get(data[0], ()) if command.matches(data, 0) is not False}
    return " or ".join(sorted(names)[:3]) or data[:2].hex(" ").upper()


def explained(piece: Obeyed) -> Explained:
    """One command."""
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


def explained_code(group: Sequence[Obeyed]) -> Explained:
    """A code of bars or in two dimensions: its settings, and the command that prints it behind them."""
    decoded: dict[str, object] = {}
    frame: dict[str, object] = {}
    faults: list[str] = []
    for piece in group:
        decoded.update(_decoded(piece.instruction))
        frame.update(_frame(piece.instruction))
        faults += filter(None, [_fault(piece.instruction)])
    last = group[-1].instruction.command
    if last is c.QR_PRINT:
        decoded = {key: decoded[key] for key in ("qr", "ec", "module", "model") if key in decoded}
        words = f"QR code {decoded.get('qr', 'kept before')!r}"
        words += "".join(f", {name} {decoded[name]}" for name in ("model", "module", "ec") if name in decoded)
    else:
        words = f"bar code {decoded['symbology']} {decoded['content']!r}"
        named = (("GS h", "height"), ("GS w", "width"))
        words += "".join(f", {name} {decoded[key]}" for key, name in named if key in decoded)
    data = b"".join(piece.data for piece in group)
    fault = "; ".join(faults) or None
    return Explained(data, words, "host", fault, command=last.name, frame=frame, decoded=decoded)


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


def words_of(instruction: Instruction, name: str) -> str:
    """What a field's number means, or the number."""
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
