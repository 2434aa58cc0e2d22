"""`kioskwire-appliance replay`: a trace in words, with times, directions and what was wrong."""

import argparse
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from appliance.workbench.reading import as_data, is_frame
from hardware.catalogue import NotInCatalogue, explainer
from hardware.explain import Explained, Explainer, Sender
from hardware.trace import Piece, Recording, TraceError, read_trace

_RED, _DIM, _PLAIN = "\x1b[31m", "\x1b[2m", "\x1b[0m"
_LONGEST = 64
_ARROWS = {"host": "→", "device": "←"}


@dataclass(frozen=True, slots=True)
class Told:
    """One line: a frame that became whole with this piece, or what became of the port."""

    piece: Piece
    sender: Sender | None
    item: Explained | None
    words: str


def run(options: argparse.Namespace) -> int:
    """Returns the exit status: 0, or 2 when there is nothing that could be read."""
    try:
        try:
            recordings = read_trace(Path(options.trace))
        except OSError as error:
            return _complain(f"{options.trace}: cannot be read: {error.strerror or error}")
        for recording in recordings:
            if not _is_text(recording, options.protocol):
                explainer(_protocol(recording, options.protocol))
        colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        for recording in recordings:
            _print(recording, options.protocol, as_json=options.json, colour=colour)
    except (TraceError, NotInCatalogue) as error:
        return _complain(str(error))
    return 0


def tell(recording: Recording, protocol: str = "") -> Iterator[Told]:
    """What was said in a recording, in the order in which it became whole.

    Raises:
        NotInCatalogue: the recording's protocol is none that can be decoded, and no other was named.
    """
    name = _protocol(recording, protocol)
    if _is_text(recording, protocol):
        yield from _as_text(recording)
        return
    reader = explainer(name)
    last: Piece | None = None
    for piece in recording.pieces:
        last = piece
        if piece.sender is not None:
            for item in reader.feed(piece.sender, piece.data):
                yield Told(piece, piece.sender, item, item.words)
            continue
        if piece.words.startswith(("opened", "lost")):
            yield from _rest(reader, piece)
            reader = explainer(name)
        yield Told(piece, None, None, piece.words)
    if last is not None:
        yield from _rest(reader, last)


def _is_text(recording: Recording, named: str) -> bool:
    """Of a line that speaks HTTP: its trace names a protocol, and that is none."""
    return not named and recording.header.get("protocol") == ""


def _as_text(recording: Recording) -> Iterator[Told]:
    held: dict[Sender, tuple[bytes, Piece]] = {}
    for piece in recording.pieces:
        for sender in [*held]:
            if sender != piece.sender:
                rest, last = held.pop(sender)
                yield from _text_lines(last, sender, rest)
        if piece.sender is None:
            yield Told(piece, None, None, piece.words)
            continue
        before, _ = held.get(piece.sender, (b"", piece))
        whole, end, rest = (before + piece.data).rpartition(b"\n")
        held[piece.sender] = rest, piece
        yield from _text_lines(piece, piece.sender, whole + end)
    for sender, (rest, last) in held.items():
        yield from _text_lines(last, sender, rest)


def _text_lines(piece: Piece, sender: Sender, data: bytes) -> Iterator[Told]:
    for line in data.decode("utf-8", "replace").splitlines():
        words = "".join(each if each.isprintable() else "�" for each in line)
        if words.lower().startswith("authorization:"):
            words = "Authorization: <hidden>"
        if words:
            yield Told(piece, sender, None, words)


def _rest(reader: Explainer, piece: Piece) -> Iterator[Told]:
    for sender in _ARROWS:
        for item in reader.finish(sender):  # type: ignore[arg-type]
            yield Told(piece, sender, item, item.words)  # type: ignore[arg-type]


def _protocol(recording: Recording, named: str) -> str:
    return named or recording.header.get("protocol", "")


def _print(recording: Recording, protocol: str, *, as_json: bool, colour: bool) -> None:
    if not as_json:
        about = ", ".join(recording.header[name] for name in ("device", "protocol", "url", "line", "program")
                          if recording.header.get(name))  # fmt: skip
        print(f"{_DIM if colour else ''}{about}{_PLAIN if colour else ''}")
    for told in tell(recording, protocol):
        print(_json(told) if as_json else _line(told, colour=colour))


def _json(told: Told) -> str:
    at = {"at": told.piece.at, "seconds": told.piece.seconds}
    if told.item is None:
        said = {"event": told.words} if told.sender is None else {"from": told.sender, "text": told.words}
        return msgspec.json.encode({**at, **said}).decode()
    return msgspec.json.encode({**at, "from": told.sender, **as_data(told.item)}).decode()


def _line(told: Told, *, colour: bool) -> str:
    at = told.piece.at.strftime("%H:%M:%S.%f")[:-3]
    if told.sender is None:
        return f"{at} * {told.words}"
    if told.item is None:
        return f"{at} {_ARROWS[told.sender]} {told.words}"
    item = told.item
    line = f"{at} {_ARROWS[told.sender]} {item.words}"
    if item.fault is None and is_frame(item):
        return line
    line = f"{at} {_ARROWS[told.sender]} ! {item.fault or item.words}: {_hex(item.data)}"
    return f"{_RED}{line}{_PLAIN}" if colour else line


def _hex(data: bytes) -> str:
    """Not more than one can look at; --json has all."""
    rest = f" … {len(data)} bytes" if len(data) > _LONGEST else ""
    return data[:_LONGEST].hex(" ").upper() + rest


def _complain(words: str) -> int:
    print(f"kioskwire-appliance replay: {words}", file=sys.stderr)
    return 2
