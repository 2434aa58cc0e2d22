"""ID-003 in words, both directions.

Many codes mean one thing from the host and another from the device (40 is RESET, or POWER UP), and a settings frame is
its own answer: `decoded` says both where nobody told who speaks.
"""

from collections.abc import Sequence

from hardware.checksums import crc16_kermit
from hardware.explain import Explained, Explainer, Sender, checksum
from hardware.id003.commands import COMMANDS, Answer, Command
from hardware.id003.currency import parse as parse_table
from hardware.id003.currency import refused
from hardware.id003.frames import LENGTH_MIN, SYNC, Frame, FrameError, parse
from hardware.id003.states import FAILURES, NAMES, REJECTS, Status, name, words

_ENQ = b"\x05"  # in interrupt mode, without a frame around it
_ALGORITHM = "crc-16/kermit"


def explainer(variant: str) -> Explainer:
    """A fresh one; `variant` is "id003"."""
    if variant != "id003":
        raise ValueError(f"there is no ID-003 called {variant!r}")
    return Id003Explainer()


class Id003Explainer(Explainer):
    """Reads one line; frames need nothing of what came before them."""

    def __init__(self) -> None:
        self._buffers: dict[Sender, bytearray] = {"host": bytearray(), "device": bytearray()}

    def feed(self, sender: Sender, data: bytes) -> Sequence[Explained]:
        buffer = self._buffers[sender]
        buffer += data
        found = []
        while buffer:
            length = _first(bytes(buffer))
            if length == 0:
                break
            found.append(_explain(bytes(buffer[:length]), sender))
            del buffer[:length]
        return found

    def finish(self, sender: Sender) -> Sequence[Explained]:
        data = bytes(self._buffers[sender])
        self._buffers[sender].clear()
        for at in range(1, len(data)):
            if _begins_frame(data[at:]):  # behind a frame that was cut, within the length it promised
                return [_explain(data[:at], sender), *self.feed(sender, data[at:]), *self.finish(sender)]
        return [_explain(data, sender)] if data else []

    def guess_sender(self, data: bytes) -> Sender:
        if len(data) < 3:
            return "host"
        code, size = data[2], len(data) - LENGTH_MIN
        command = COMMANDS.get(code)
        if command is None:
            return "device"
        if command.sent and not size and code in NAMES:
            return "device"  # 44 without data is STACKER OPEN, not HOLD
        asked_for = command.answer is Answer.DATA and not command.sent
        return "device" if asked_for and size > 0 else "host"


def _first(data: bytes) -> int:
    """How many bytes from here are one frame, or belong to none; 0 while that cannot be said."""
    start = data.find(SYNC)
    if start:
        return len(data) if start < 0 else start
    if len(data) < 2:
        return 0
    length = data[1]
    if length >= LENGTH_MIN:
        if len(data) < length:
            return 0
        if _is_frame(data[:length]):
            return length
    # No frame: it ends where the next one may begin.
    for at in range(1, max(length, 2) if length >= LENGTH_MIN else len(data)):
        if _begins_frame(data[at:]):
            return at
    return length if length >= LENGTH_MIN else len(data)


def _begins_frame(data: bytes) -> bool:
    return len(data) > 1 and data[0] == SYNC and LENGTH_MIN <= data[1] <= len(data) and _is_frame(data[: data[1]])


def _is_frame(data: bytes) -> bool:
    try:
        parse(data)
    except FrameError:
        return False
    return True


def _explain(data: bytes, sender: Sender) -> Explained:
    if data == _ENQ and sender == "device":
        return Explained(
            data=data, words=f"ENQ: {words(data[0])}", sender=sender, command="ENQ", decoded={"state": 5, "name": "ENQ"}
        )
    fields: dict[str, object] = {}
    summed = None
    if data and data[0] == SYNC:
        fields["sync"] = "FC"
        if len(data) > 1:
            fields["len"] = data[1]
        if len(data) >= LENGTH_MIN:
            fields |= {"cmd": data[2], "data": data[3:-2].hex().upper(), "crc": data[-2:].hex().upper()}
            if len(data) == data[1]:
                summed = checksum(_ALGORITHM, int.from_bytes(data[-2:], "little"), crc16_kermit(data[:-2]))
    try:
        frame = parse(data)
    except FrameError as error:
        kind = "CRC" if summed is not None else "cut short" if "cut short" in str(error) else "no frame"
        return Explained(
            data=data, words=f"no good frame: {error}", sender=sender, fault=str(error), frame=fields,
            decoded={"fault": kind}, checksum=summed,
        )  # fmt: skip
    command = COMMANDS.get(frame.code)
    said = _from_host(frame, command) if sender == "host" else _from_device(frame, command)
    label, sentence, decoded = said
    bare = sender == "device" and frame.code == Status.ESCROW and not frame.data
    fault = "ESCROW without the code of its note" if bare else None
    return Explained(
        data=data, words=fault or sentence, sender=sender, fault=fault, command=label, frame=fields, decoded=decoded,
        checksum=summed,
    )  # fmt: skip


def _from_host(frame: Frame, command: Command | None) -> tuple[str | None, str, dict[str, object]]:
    if command is None:
        return None, f"the host says {frame}, which is not known here", _unknown(frame)
    decoded = _command(frame, command)
    if frame.code in NAMES:
        meant = "" if frame.code == Status.ENABLE else f"0x{frame.code:02X} = "
        decoded |= {"host": command.name, "device": meant + name(frame.code)}
    detail = _detail(decoded)
    return command.name, f"{command.name}: {command.words}{detail}", decoded


def _from_device(frame: Frame, command: Command | None) -> tuple[str | None, str, dict[str, object]]:
    if command is not None and command.answer in (Answer.ECHO, Answer.DATA):
        decoded = _command(frame, command)
        told = "set as told" if command.answer is Answer.ECHO else "the answer"
        return command.name, f"{told}: {command.name}{_detail(decoded)}", decoded
    if frame.code not in NAMES:
        return None, words(frame.code), _unknown(frame)
    decoded = {"state": frame.code, "name": name(frame.code), "device": name(frame.code)}
    if command is not None:
        decoded["host"] = command.name
    if frame.code == Status.VEND_VALID:
        decoded |= {"credit": True, "meaning": "CREDIT, host must ACK"}
    if frame.data:
        decoded |= _status_data(frame)
    return name(frame.code), f"{name(frame.code)}: {words(frame.code, frame.data)}{_detail(decoded)}", decoded


def _status_data(frame: Frame) -> dict[str, object]:
    first = frame.data[0]
    decoded: dict[str, object] = {"data": frame.data.hex().upper()}
    if frame.code in (Status.ESCROW, Status.HOLDING):
        if len(frame.data) == 1:
            decoded["denom_code"] = first
        else:
            decoded["barcode"] = _text(frame.data)
    elif frame.code == Status.REJECTING:
        decoded |= {"reason": first, "reason_words": REJECTS.get(first, "not documented")}
    elif frame.code == Status.FAILURE:
        decoded |= {"failure": first, "failure_words": FAILURES.get(first, "not documented")}
    return decoded


def _command(frame: Frame, command: Command) -> dict[str, object]:
    decoded: dict[str, object] = {"cmd": frame.code, "name": command.name}
    if frame.code == 0xF0:
        shown = frame.data[:3]
        decoded["cmd"] = " ".join(f"{byte:02X}" for byte in (frame.code, *shown))
    if not frame.data:
        return decoded
    decoded["data"] = frame.data.hex().upper()
    for field in command.sent or command.answered:
        field_name, _, kind = field.partition(":")
        match kind:
            case "mask":
                decoded[field_name] = frame.data.hex().upper()
                decoded["disabled_codes" if field_name == "disabled_mask" else "security_codes"] = [
                    f"{code:02X}" for code in sorted(refused(frame.data))
                ]
            case "text":
                decoded[field_name] = _text(frame.data)
            case "table":
                decoded[field_name] = [
                    {
                        "denom_code": line.code, "country": line.country, "value": line.value,
                        "exponent": line.exponent, "amount": line.major,
                    }
                    for line in parse_table(frame.data)
                ]  # fmt: skip
            case "hex":
                decoded[field_name] = frame.data.hex().upper()
            case _:
                decoded[field_name] = frame.data[0]
    if frame.code in (0xC3, 0x83):
        decoded["inhibit"] = bool(frame.data[0] & 1)
    if frame.code in (0xC2, 0x82):
        decoded["mode"] = "interrupt" if frame.data[0] & 1 else "polled"
    return decoded


def _unknown(frame: Frame) -> dict[str, object]:
    return {"cmd": frame.code, "data": frame.data.hex().upper()}


def _detail(decoded: dict[str, object]) -> str:
    shown = [
        f"{key} {decoded[key]:02X}" if isinstance(decoded[key], int) else f"{key} {decoded[key]}"
        for key in ("denom_code", "barcode", "disabled_mask", "security_mask", "inhibit", "mode", "version")
        if key in decoded and not isinstance(decoded[key], bool)
    ]
    if isinstance(decoded.get("inhibit"), bool):
        shown.append("take nothing" if decoded["inhibit"] else "take notes")
    table = decoded.get("denominations")
    if isinstance(table, list):
        shown.append(f"{len(table)} codes")
    return f" ({', '.join(shown)})" if shown else ""


def _text(data: bytes) -> str:
    return data.decode("ascii", "replace").rstrip("\x00")
