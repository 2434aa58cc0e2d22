"""Shtrih-M's frames in words. An answer repeats its command's number, so that each is read by itself."""

import re
from collections.abc import Sequence

from hardware import explain
from hardware.checksums import crc16_ccitt_false
from hardware.explain import Explained, Explainer, Sender
from hardware.shtrih import commands
from hardware.shtrih.declaration import Command
from hardware.shtrih.frames import (
    CONTROLS,
    START,
    Control,
    Dropped,
    FrameV1,
    FrameV2,
    ReaderV1,
    ReaderV2,
    unstuff,
)
from hardware.shtrih.states import OPEN_DOCUMENTS, error_words, mode_words, storage_warnings
from hardware.shtrih.storage_commands import CALCULATION_SIGNS

VARIANTS = ("shtrih-v1", "shtrih-v2")
_NUMBERED = re.compile(r"(sum|tax)\d+")
_CUT = "it was cut: its end, where LEN says, did not come"
_CONTROL_WORDS = {
    "host": {
        0x05: ("ENQ", "are you there?"),
        0x06: ("ACK: answer received", ""),
        0x15: ("NAK: answer damaged", "say it again"),
    },
    "device": {
        0x05: ("ENQ", "a device does not ask"),
        0x06: ("ACK: accepted", "or, behind an ENQ: an answer is there, read it"),
        0x15: ("NAK: idle, send a command", "or, behind a frame: it came damaged, send it again"),
    },
}
"""What a control byte usually means, and what more there is to it."""


def explainer(variant: str) -> Explainer:
    """Reads one line of "shtrih-v1" or "shtrih-v2".

    Raises:
        ValueError: another variant.
    """
    match variant:
        case "shtrih-v1":
            return _ExplainerV1()
        case "shtrih-v2":
            return _ExplainerV2()
        case _:
            raise ValueError(f"{variant!r} is none of {', '.join(VARIANTS)}")


def bare(data: bytes) -> Explained | None:
    """Bytes of version 2 without their start byte, or any bytes with their CRC behind them; None: the CRC is wrong.

    For looking at pieces of a frame. A line never carries such a thing, so an `Explainer` refuses it.
    """
    if data[:1] == bytes([START]) or len(data) < 3:
        return None
    for plain in (data, unstuff(data)):
        if plain is None or len(plain) < 3:
            continue
        content, sent = plain[:-2], int.from_bytes(plain[-2:], "little")
        if crc16_ccitt_false(content) == sent:
            return Explained(
                data=data,
                words=f"{len(content)} bytes and their CRC, without a frame's start byte",
                sender="host",
                frame={"data": content.hex().upper(), "crc": f"{sent:04X}"},
                decoded={"data": content.hex().upper(), "crc": sent},
                checksum=explain.checksum("crc-16/ccitt-false", sent, sent),
            )
    return None


class _ExplainerV1(Explainer):
    def __init__(self) -> None:
        self._readers = {"host": ReaderV1(), "device": ReaderV1()}

    def feed(self, sender: Sender, data: bytes) -> Sequence[Explained]:
        return [self._explain(sender, item) for item in self._readers[sender].read(data)]

    def finish(self, sender: Sender) -> Sequence[Explained]:
        reader = self._readers[sender]
        rest = reader.clear()
        if not rest:
            return []
        inside = reader.read(rest[1:])
        if not reader.clear() and inside and _is_known(inside[-1]):
            # A frame was cut and a whole one follows: its LEN reached over that one's end.
            return [_refused(rest[:1], _CUT, sender), *(self._explain(sender, item) for item in inside)]
        return [_refused(rest, _CUT, sender)]

    def guess_sender(self, data: bytes) -> Sender:
        for item in ReaderV1().read(data):
            match item:
                case Control(code):
                    return "host" if CONTROLS[code] == "ENQ" else "device"
                case FrameV1(content):
                    return _guess(content)
        return "host"

    def _explain(self, sender: Sender, item: Control | FrameV1 | Dropped) -> Explained:
        match item:
            case Control(code):
                meaning, more = _CONTROL_WORDS[sender][code]
                return Explained(
                    data=bytes([code]),
                    words=f"{meaning}; {more}" if more else meaning,
                    sender=sender,
                    command=CONTROLS[code],
                    frame={"control": f"{code:02X}"},
                    decoded={"control": CONTROLS[code], "meaning": meaning},
                )
            case Dropped(data, reason, noise):
                if noise:
                    return Explained(data=data, words="FF between frames, skipped", sender=sender)
                return _refused(data, reason, sender, _sum("xor-8", item, 2))
        raw = item.encode()
        lrc = raw[-1]
        return _content(
            sender,
            raw,
            item.data,
            {"stx": "02", "len": len(item.data), "data": item.data.hex().upper(), "lrc": f"{lrc:02X}"},
            numbered={},
            checksum=explain.checksum("xor-8", lrc, lrc, digits=2),
        )


class _ExplainerV2(Explainer):
    def __init__(self) -> None:
        self._readers = {"host": ReaderV2(), "device": ReaderV2()}

    def feed(self, sender: Sender, data: bytes) -> Sequence[Explained]:
        return [self._explain(sender, item) for item in self._readers[sender].read(data)]

    def finish(self, sender: Sender) -> Sequence[Explained]:
        rest = self._readers[sender].clear()
        return [_refused(rest, _CUT, sender)] if rest else []

    def guess_sender(self, data: bytes) -> Sender:
        for frame in ReaderV2().feed(data):
            if frame.number is not None:
                return _guess(frame.data) if frame.data else "device"
        return "host"

    def _explain(self, sender: Sender, item: FrameV2 | Dropped) -> Explained:
        if isinstance(item, Dropped):
            return _refused(item.data, item.reason, sender, _sum("crc-16/ccitt-false", item, 4))
        raw = item.encode()
        plain = unstuff(raw[1:]) or b""
        crc = int.from_bytes(plain[-2:], "little")
        checksum = explain.checksum("crc-16/ccitt-false", crc, crc)
        frame: dict[str, object] = {
            "start": "8F",
            "len": len(plain) - 4,
            "num": item.number,
            "data": item.data.hex().upper(),
            "crc": f"{crc:04X}",
        }
        if item.number is None:
            return Explained(
                data=raw, words="what was your last answer?", sender=sender, command="sync", frame=frame,
                decoded={"sync": True}, checksum=checksum,
            )  # fmt: skip
        numbered = {"num": item.number, "data": item.data.hex().upper()}
        if not item.data:
            return Explained(
                data=raw, words="nothing was carried out yet", sender=sender, command="sync", frame=frame,
                decoded={**numbered, "nothing_yet": True}, checksum=checksum,
            )  # fmt: skip
        return _content(sender, raw, item.data, frame, numbered=numbered, checksum=checksum)


def _sum(algorithm: str, dropped: Dropped, digits: int) -> dict[str, object] | None:
    """The checksum of a frame that was whole but for it."""
    if dropped.checksum is None:
        return None
    sent, reckoned = dropped.checksum
    return explain.checksum(algorithm, sent, reckoned, digits=digits)


def _guess(content: bytes) -> Sender:
    command = commands.find(content)
    if command is None:
        return "host"
    values = command.read_request(content)
    reply = command.read_reply(content)
    if values is not None and "extra" not in values:
        # Of the same length as an answer: that begins with error 0, where few have a 0 in their password.
        answers = reply is not None and reply.error == 0 and reply.values and "extra" not in reply.values
        return "device" if answers else "host"
    return "host" if reply is None else "device"


def _content(
    sender: Sender,
    raw: bytes,
    content: bytes,
    frame: dict[str, object],
    *,
    numbered: dict[str, object],
    checksum: dict[str, object],
) -> Explained:
    """A frame that is good as a frame; what it asks or answers."""
    command = commands.find(content)
    number = commands.number_of(content)
    name = f"{number:0{4 if number > 0xFF else 2}X}"
    decoded: dict[str, object] = {**numbered, "cmd": name}
    if sender == "host":
        words, values, known = _request(command, content, name)
    else:
        words, values, known = _answer(command, content, name)
    return Explained(
        data=raw,
        words=words,
        sender=sender,
        fault=None if known else words,
        command=None if command is None else f"{name} {command.name}",
        frame=frame,
        decoded={**decoded, **values},
        checksum=checksum,
    )


def _request(command: Command | None, content: bytes, name: str) -> tuple[str, dict[str, object], bool]:
    if content == b"\xff":
        return "command FF needs a second byte, and it is missing", {}, False
    if command is None:
        return f"command {name}, of which nothing is known here", {}, True
    values = command.read_request(content)
    if values is None:
        return f"{name} {command.name}: {len(content)} bytes are too few for it", {}, False
    words = f"{name} {command.name}: {command.words}{_figures(values)}"
    if "sum1" in values:
        values["cash"] = values["sum1"]
    if command.name == "open":
        values["type_words"] = OPEN_DOCUMENTS.get(int(str(values["type"])), "unknown")
    if command.name == "operation_v2":
        values["type_words"] = CALCULATION_SIGNS.get(int(str(values["type"])), "unknown")
    return words, values, True


def _answer(command: Command | None, content: bytes, name: str) -> tuple[str, dict[str, object], bool]:
    if command is None:
        error = content[2 if content[0] == 0xFF else 1 :][:1]
        if not error:
            return f"answer to {name}: the byte that says how it went is missing", {}, False
        values: dict[str, object] = {"err": error[0]}
        return f"answer to {name}, of which nothing is known here", values, True
    reply = command.read_reply(content)
    if reply is None:
        error = content[len(command.number) :][:1]
        if error == b"\0":
            # Seen in traces: an answer with its error code alone where the description has fields.
            return (
                f"answer to {name} {command.name}: done, in fewer bytes than described",
                {
                    "err": 0,
                    "rest": content[len(command.number) + 1 :].hex().upper(),
                },
                True,
            )
        return f"answer to {name} {command.name}: {len(content)} bytes are too few for it", {}, False
    values = {"err": reply.error, **reply.values}
    if reply.error:
        values["err_words"] = error_words(reply.error)
        return f"answer to {name} {command.name}: error {reply.error:02X}, {error_words(reply.error)}", values, True
    if command.name in {"short_status", "full_status"}:
        mode = reply.number("mode") | reply.number("mode_kind") << 4
        values["state"] = mode_words(mode, reply.number("submode"))
        return f"answer to {name} {command.name}: {values['state']}", values, True
    tags = values.get("tlv")
    if isinstance(tags, list) and len(tags) == 1:
        values.update(tag=tags[0]["tag"], value=tags[0]["value"])
    if isinstance(version := values.get("version"), str):
        values["version"] = version.rstrip(" \0")
    if command.name == "fn_status" and (warnings := storage_warnings(reply.number("warn"))):
        values["warn_words"] = warnings
    return f"answer to {name} {command.name}: done{_figures(dict(reply.values))}", values, True


def _figures(values: dict[str, object]) -> str:
    """The values in brackets, without what says nothing: passwords, sums and taxes that are not used."""
    shown = {key: value for key, value in values.items() if key not in {"password", "cashier"}}
    if "type" in shown and "quantity" in shown:
        shown["type"] = CALCULATION_SIGNS.get(int(str(shown["type"])), shown["type"])
    parts = [
        f"{key} {value}"
        for key, value in shown.items()
        if (isinstance(value, int) and (value or not _NUMBERED.fullmatch(key))) or (isinstance(value, str) and value)
    ]
    return f" ({', '.join(parts)})" if parts else ""


def _refused(data: bytes, reason: str, sender: Sender, checksum: dict[str, object] | None = None) -> Explained:
    return Explained(data=data, words=f"no frame: {reason}", sender=sender, fault=reason, checksum=checksum)


def _is_known(item: Control | FrameV1 | Dropped) -> bool:
    return isinstance(item, FrameV1) and commands.find(item.data) is not None
