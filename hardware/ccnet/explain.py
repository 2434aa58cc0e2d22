"""CCNET frames in words.

An answer does not say what it answers. Seen together with its question it is read as that; alone, by its length, which
is enough for all answers that are used here; GET OPTIONS and the CRC32 are both 4 bytes and stay bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from hardware.ccnet import commands
from hardware.ccnet.commands import COMMANDS, SHORT_ANSWERS, Command, fields_json
from hardware.ccnet.frames import ACK, ILLEGAL, NAK, SUBCOMMANDED, SYNC, Address, Frame, FrameReader, Skipped, encode
from hardware.ccnet.states import STATE_WORDS, State, read_poll
from hardware.explain import Explained, Explainer, Sender, checksum

_ALGORITHM = "crc-16/kermit"
_DETAILED = frozenset(
    {State.BUSY, State.REJECTING, State.FAILURE, State.ESCROW, State.BILL_STACKED, State.BILL_RETURNED}
    | {State.BILL_TO_BILL_83, State.SUSPECTED_HELD, State.COUNTERFEIT_HELD, State.DISPENSING, State.UNLOADING}
    | {State.SETTING_CASSETTE_TYPE, State.DISPENSED, State.UNLOADED, State.INVALID_BILL_NUMBER, State.CASSETTE_TYPE_SET}
)
"""States behind which more may stand."""
_NAMES = {
    State.DISABLED: "UNIT DISABLED",
    State.CASSETTE_FULL: "DROP CASSETTE FULL",
    State.CASSETTE_OUT: "DROP CASSETTE OUT OF POSITION",
}
"""Where the manual's name is longer than ours."""
_BY_LENGTH: dict[int, Command] = {
    2: commands.GET_COUNTER,
    6: commands.GET_STATUS,
    8: COMMANDS[0x5C],
    12: commands.GET_STATUS,
    34: commands.IDENTIFICATION,
    120: commands.GET_BILL_TABLE,
    240: commands.GET_BILL_TABLE,
}


@dataclass(slots=True)
class _Said:
    """What a frame means."""

    words: str
    command: str | None = None
    decoded: dict[str, object] = field(default_factory=dict)
    fault: str | None = None


class CcnetExplainer(Explainer):
    """Reads one line. Remembers the last command, for its answer."""

    def __init__(self) -> None:
        self._readers = {"host": FrameReader("host"), "device": FrameReader("device")}
        self._asked: Command | None = None

    def feed(self, sender: Sender, data: bytes) -> Sequence[Explained]:
        return [self._explain(sender, piece) for piece in self._readers[sender].scan(data)]

    def finish(self, sender: Sender) -> Sequence[Explained]:
        return [self._explain(sender, piece) for piece in self._readers[sender].rest()]

    def guess_sender(self, data: bytes) -> Sender:
        """A frame whose data begins with a state is a device's; one that could be both is the host's."""
        frames = FrameReader("device").feed(data)
        if not frames:
            return "host"
        first, size = frames[0].data[0], len(frames[0].data)
        if frames[0].data in (ACK, NAK):
            return "host"
        command = COMMANDS.get(first)
        if command is not None:
            try:
                fields_json(command.request, frames[0].data[1:])
            except ValueError:
                return "device"
            return "device" if size in _BY_LENGTH and size > 12 else "host"
        return "device" if first in STATE_WORDS or size in _BY_LENGTH else "host"

    def _explain(self, sender: Sender, piece: Frame | Skipped) -> Explained:
        if isinstance(piece, Skipped):
            return _skipped(sender, piece)
        said = self._host(piece) if sender == "host" else self._device(piece)
        raw = encode(piece, sender)
        decoded = {"adr": piece.address, "len": len(raw), **said.decoded}
        sent = int.from_bytes(raw[-2:], "little")
        return Explained(
            data=raw,
            words=said.words,
            sender=sender,
            fault=said.fault,
            command=said.command,
            frame=_fields(piece, sender, raw),
            decoded=decoded,
            checksum=checksum(_ALGORITHM, sent, sent),
        )

    def _host(self, frame: Frame) -> _Said:
        data = frame.data
        if data in (ACK, NAK):
            name = SHORT_ANSWERS[data]
            words = "ACK: the answer was taken" if data == ACK else "NAK: say the answer again"
            return _Said(words, name, {"data": data.hex().upper(), "meaning": name})
        command = COMMANDS.get(data[0])
        self._asked = command
        decoded: dict[str, object] = {"cmd": data[0], "data": data[1:].hex().upper()}
        if command is None:
            return _Said(f"command {data[0]:02X}, which is not known here", None, decoded)
        decoded["name"] = command.name
        rest = data[1:]
        if command.subcommand and rest:
            decoded["subcmd"] = rest[0]
            rest = rest[1:]
        if command.optional and not rest:
            return _Said(f"{command.name}: {command.summary}", command.name, decoded)
        try:
            decoded |= {key: value for key, value in fields_json(command.request, rest).items() if key != "data"}
        except ValueError as error:
            fault = f"{command.name}: {error}"
            return _Said(fault, command.name, decoded, fault)
        return _Said(f"{command.name}: {command.summary}{_values(command, decoded)}", command.name, decoded)

    def _device(self, frame: Frame) -> _Said:
        data, asked = frame.data, self._asked
        self._asked = None
        if data in (ACK, NAK) or (data == ILLEGAL):
            name = SHORT_ANSWERS[data]
            words = {
                ACK: "ACK: it will be done",
                NAK: "NAK: say the command again",
                ILLEGAL: "ILLEGAL COMMAND: understood, does not fit now",
            }[data]
            return _Said(words, name, {"data": data.hex().upper(), "meaning": name})
        if asked is commands.POLL:
            return self._state(data)
        if asked is not None and asked.reply:
            return self._reply(asked, data)
        by_length = _BY_LENGTH.get(len(data))
        if data[0] in STATE_WORDS and len(data) <= (3 if data[0] in _DETAILED else 1):
            return self._state(data)
        if len(data) > 1 and len(data) % 2 and data[0] in commands.RECOVERY_KINDS:
            return self._reply(commands.POWER_RECOVERY, data)
        if by_length is not None:
            return self._reply(by_length, data)
        return _Said(f"{len(data)} bytes of data", None, {"data": data.hex().upper()})

    def _state(self, data: bytes) -> _Said:
        answer = read_poll(data)
        shown: dict[str, object] = {"state": data[0], "data": data.hex().upper()}
        if answer is None:
            fault = f"{STATE_WORDS.get(data[0], 'an answer to POLL')}: its second byte is missing"
            return _Said(fault, "POLL", shown, fault)
        shown |= {"name": _name(answer.state), "meaning": _name(answer.state)}
        if data[0] >= State.ESCROW:
            shown["event"] = data[0]
        detail = answer.detail
        match answer.state:
            case State.ESCROW | State.BILL_STACKED | State.BILL_RETURNED:
                shown["bill_type"] = detail
                if answer.destination is not None:
                    shown["destination"] = answer.destination
                if answer.state == State.BILL_STACKED:
                    shown |= {"credit": True, "meaning": "CREDIT"}
            case State.REJECTING | State.SUSPECTED_HELD | State.COUNTERFEIT_HELD if detail is not None:
                shown |= {"reason": detail, "reason_words": answer.words.partition(": ")[2]}
            case State.FAILURE if detail is not None:
                shown |= {"failure": detail, "code": detail, "failure_words": answer.words}
            case State.BUSY if detail is not None:
                shown |= {"wait": detail, "wait_ms": detail * 100}
            case _ if detail is not None:
                shown["detail"] = answer.data.hex().upper()
        return _Said(f"{_name(answer.state)}: {answer.words}", "POLL", shown)

    def _reply(self, command: Command, data: bytes) -> _Said:
        try:
            shown = fields_json(command.reply, data)
        except ValueError as error:
            fault = f"answer to {command.name}: {error}"
            return _Said(fault, command.name, {"data": data.hex().upper()}, fault)
        return _Said(
            f"answer to {command.name}{_values(command, shown)}",
            command.name,
            {"data": data.hex().upper(), "answers": command.code, **shown},
        )


def explainer(variant: str) -> Explainer:
    """There is one: "ccnet"."""
    if variant != "ccnet":
        raise ValueError(f"there is no variant {variant!r} of CCNET")
    return CcnetExplainer()


def _skipped(sender: Sender, piece: Skipped) -> Explained:
    summed = None if piece.sent is None else checksum(_ALGORITHM, piece.sent, piece.reckoned or 0)
    fields = _fields_of_damaged(piece.data)
    return Explained(
        data=piece.data,
        words=f"no frame: {piece.fault}",
        sender=sender,
        fault=piece.fault,
        frame=fields,
        decoded={"fault": piece.fault},
        checksum=summed,
    )


def _fields(frame: Frame, sender: Sender, raw: bytes) -> dict[str, object]:
    fields: dict[str, object] = {
        "sync": SYNC,
        "adr": frame.address,
        "adr_words": Address(frame.address).name.replace("_", " ").lower(),
        "lng": 0 if frame.long else len(raw),
        "len": len(raw),
    }
    data = frame.data
    if sender == "host":
        fields["cmd"] = data[0]
        data = data[1:]
        if fields["cmd"] in SUBCOMMANDED and data:
            fields["subcmd"] = data[0]
            data = data[1:]
    return {**fields, "data": data.hex().upper(), "crc": raw[-2:].hex().upper()}


def _fields_of_damaged(data: bytes) -> dict[str, object]:
    if len(data) < 3 or data[0] != SYNC:
        return {}
    return {
        "sync": SYNC,
        "adr": data[1],
        "lng": data[2],
        "data": data[3:-2].hex().upper(),
        "crc": data[-2:].hex().upper(),
    }


def _name(state: int) -> str:
    if state not in State.__members__.values():
        return f"STATE {state:02X}"
    return _NAMES.get(State(state), State(state).name.replace("_", " "))


def _values(command: Command, shown: dict[str, object]) -> str:
    names = [item.name for item in (*command.request, *command.reply)]
    parts = []
    for name in names:
        types = shown.get(f"{name}_types")
        if name not in shown or name == "data":
            continue
        value = ",".join(map(str, types)) or "none" if isinstance(types, list) else shown[name]
        parts.append(f"{name} {value}")
    return f" ({'; '.join(parts)})" if parts else ""
