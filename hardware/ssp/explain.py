"""SSP in words, both directions.

An answer does not say what it answers, so the last command is remembered, and the protocol that was agreed on. Where
no command went before, an answer that reads as events to its last byte is taken for a poll's.
"""

from collections.abc import Sequence

from hardware.checksums import crc16_ssp
from hardware.explain import Explained, Explainer, Sender, checksum
from hardware.ssp import commands as c
from hardware.ssp.events import Polled, read
from hardware.ssp.frames import STX, Frame, FrameError, FrameReader, extent, parse, unstuff
from hardware.ssp.replies import decode, read_fields, read_setup
from hardware.ssp.states import GENERIC_NAMES, PAYOUT_REASONS, REJECTS, Generic, generic

ENCRYPTED = 0x7E
_ALGORITHM = "crc-16/cms"
_PROTOCOL = 6  # what public hosts ask for, where nobody heard what was agreed on

_READ, _CREDIT = 0xEF, 0xEE
_OTHER_PROTOCOLS = (8, 5)


def explainer(variant: str) -> Explainer:
    """A fresh one; `variant` is "itl-ssp"."""
    if variant != "itl-ssp":
        raise ValueError(f"there is no SSP called {variant!r}")
    return SspExplainer()


def bare(data: bytes) -> Explained | None:
    """Data with its checksum and nothing around it, as logs and libraries' tests have them."""
    if len(data) < 3 or data[0] == STX:
        return None
    inside, sent = data[:-2], int.from_bytes(data[-2:], "little")
    if crc16_ssp(inside) != sent:
        return None
    text = inside.decode("ascii") if all(0x20 <= byte < 0x7F for byte in inside) else inside.hex().upper()
    return Explained(
        data=data,
        words=f"data and its checksum, not in a frame: {text}",
        sender="host",
        decoded={"data": text, "hex": inside.hex().upper(), "crc": f"{sent:04X}"},
        checksum=checksum(_ALGORITHM, sent, sent),
    )


class SspExplainer(Explainer):
    """Reads one line."""

    def __init__(self) -> None:
        self._buffers: dict[Sender, bytearray] = {"host": bytearray(), "device": bytearray()}
        self._asked: dict[int, bytes] = {}  # the last command, by address
        self._protocol = _PROTOCOL
        self._agreed = False  # whether it was heard rather than supposed

    def feed(self, sender: Sender, data: bytes) -> Sequence[Explained]:
        buffer = self._buffers[sender]
        buffer += data
        found = []
        while buffer:
            length = _first(bytes(buffer))
            if length == 0:
                break
            cut = length < len(buffer) and buffer[length] == STX
            found.append(self._explain(bytes(buffer[:length]), sender, cut=cut))
            del buffer[:length]
        return found

    def finish(self, sender: Sender) -> Sequence[Explained]:
        data = bytes(self._buffers[sender])
        self._buffers[sender].clear()
        return [self._explain(data, sender)] if data else []

    def guess_sender(self, data: bytes) -> Sender:
        frames = FrameReader().feed(data)
        return "device" if frames and frames[0].data[0] in GENERIC_NAMES else "host"

    def _explain(self, data: bytes, sender: Sender, *, cut: bool = False) -> Explained:
        fields, summed = _fields(data)
        try:
            frame = parse(data)
        except FrameError as error:
            kind, fault = error.kind, str(error)
            if cut and kind == "cut short":
                kind, fault = "single 7F inside a frame", f"a single 7F inside begins another frame; {error}"
            return Explained(
                data=data, words=f"no good frame: {fault}", sender=sender, fault=fault, frame=fields,
                decoded={"fault": kind}, checksum=summed,
            )  # fmt: skip
        decoded: dict[str, object] = {"seq": int(frame.flag), "adr": frame.address}
        if frame.data[0] == ENCRYPTED:
            name: str | None = "ENCRYPTED PACKET"
            words = f"an encrypted packet of {len(frame.data) - 1} bytes, which cannot be read without the key"
            decoded |= {"encrypted": True, "length": len(frame.data) - 1}
        elif sender == "host":
            name, words = self._from_host(frame, decoded)
        else:
            name, words = self._from_device(frame, decoded)
        return Explained(
            data=data, words=words, sender=sender, command=name, frame=fields, decoded=decoded, checksum=summed
        )

    def _from_host(self, frame: Frame, decoded: dict[str, object]) -> tuple[str | None, str]:
        code, arguments = frame.data[0], frame.data[1:]
        again = self._asked.get(frame.address) == bytes((frame.flag,)) + frame.data
        self._asked[frame.address] = bytes((frame.flag,)) + frame.data
        decoded["cmd"] = code
        command = c.COMMANDS.get(code)
        if command is None:
            decoded["data"] = arguments.hex().upper()
            return None, f"the host says {frame.data.hex(' ').upper()}, which is not known here"
        decoded["name"] = command.name
        if command.encrypted:
            decoded["must_be_encrypted"] = True
        if arguments:
            decoded["data"] = arguments.hex().upper()
            decoded |= _arguments(command, arguments)
        words = f"{command.name}: {command.words}"
        if arguments:
            words += f" ({_listed(decoded, ('seq', 'adr', 'cmd', 'name', 'data', 'must_be_encrypted'))})"
        if again:
            words += "; the same again: the device repeats its answer"
        return command.name, words

    def _from_device(self, frame: Frame, decoded: dict[str, object]) -> tuple[str | None, str]:
        told, behind = frame.data[0], frame.data[1:]
        asked = self._asked.get(frame.address, b"")
        command = c.COMMANDS.get(asked[1]) if asked and asked[0] == frame.flag else None
        label = GENERIC_NAMES.get(told)
        decoded["generic"] = f"{told:02X} {label}" if label else f"{told:02X}"
        words = generic(frame.data)
        if behind:
            decoded["data"] = behind.hex().upper()
        if command is not None:
            decoded["answers"] = command.name
        if told == Generic.CANNOT_PROCESS and behind:
            decoded["reason"] = behind[0]
            if command is not None and command.code in (0x33, 0x3D, 0x46) and behind[0] in PAYOUT_REASONS:
                decoded["reason_words"] = PAYOUT_REASONS[behind[0]]
        elif told == Generic.OK:
            words = self._answer(command, asked, behind, decoded) or words
        name = f"{label or decoded['generic']}" + (f" to {command.name}" if command is not None else "")
        return None if label is None else name, f"{name}: {words}"

    def _polled(self, behind: bytes) -> Polled:
        """Events; where nobody heard what was agreed on, by the first protocol that reads them to the last byte."""
        first = read(behind, self._protocol)
        if self._agreed or not first.rest:
            return first
        others = (read(behind, protocol) for protocol in _OTHER_PROTOCOLS)
        return next((polled for polled in others if polled.events and not polled.rest), first)

    def _answer(self, command: c.Command | None, asked: bytes, behind: bytes, decoded: dict[str, object]) -> str:
        """What stands behind F0, in words."""
        if command is None:
            if _looks_like_setup(behind):
                command = c.SETUP
            else:
                polled = self._polled(behind)
                return _events(polled, decoded) if polled.events else ""
        if command is c.PROTOCOL and len(asked) > 2:
            self._protocol, self._agreed = asked[2], True
            return f"protocol {asked[2]} from now on"
        if command.code in c.POLLS:
            return _events(self._polled(behind), decoded) or "nothing happened"
        said = decode(command.code, behind, self._protocol)
        decoded |= said
        if command is c.SETUP and isinstance(said.get("protocol"), int):
            self._protocol, self._agreed = int(str(said["protocol"])), True
        if command is c.LAST_REJECT and behind:
            decoded["reason_words"] = REJECTS.get(behind[0], "not documented")
            return f"the last note went back: {decoded['reason_words']}"
        return ", ".join(f"{key} {value}" for key, value in said.items())


def _looks_like_setup(data: bytes) -> bool:
    setup = read_setup(data)
    if setup is None or not (setup.firmware.isdigit() and setup.country.isascii() and setup.country.isupper()):
        return False
    return len(data) == 16 + len(setup.values) * (2 if setup.protocol < 6 else 9)


def _first(data: bytes) -> int:
    """How many bytes from here are one frame, or belong to none; 0 while that cannot be said."""
    start = data.find(STX)
    if start:
        return len(data) if start < 0 else start
    return extent(data)


def _fields(data: bytes) -> tuple[dict[str, object], dict[str, object] | None]:
    if data[:1] != bytes((STX,)):
        return {}, None
    fields: dict[str, object] = {"stx": "7F"}
    try:
        plain = unstuff(data)
    except FrameError:
        return fields, None
    if plain:
        fields |= {"seq": plain[0] >> 7, "adr": plain[0] & 0x7F}
    if len(plain) > 1:
        fields["len"] = plain[1]
    if len(plain) < 4 or len(plain) != plain[1] + 4:
        return fields, None
    fields |= {"data": plain[2:-2].hex().upper(), "crc": plain[-2:].hex().upper(), "stuffed": data.count(STX) // 2}
    return fields, checksum(_ALGORITHM, int.from_bytes(plain[-2:], "little"), crc16_ssp(plain[:-2]))


def _arguments(command: c.Command, arguments: bytes) -> dict[str, object]:
    if command is c.SET_INHIBITS:
        bits = int.from_bytes(arguments, "little")
        taken = [channel for channel in range(1, 8 * len(arguments) + 1) if bits >> (channel - 1) & 1]
        return {"enabled_mask": arguments.hex().upper(), "enabled": taken}
    if command is c.PAYOUT_BY:
        count = arguments[0]
        lines = [arguments[1 + 9 * at : 10 + 9 * at] for at in range(count)]
        return {
            "amounts": [
                {
                    "count": int.from_bytes(line[:2], "little"), "value": int.from_bytes(line[2:6], "little"),
                    "currency": line[6:9].decode("ascii", "replace"),
                }
                for line in lines if len(line) == 9
            ],
            "option": arguments[-1],
        }  # fmt: skip
    said = read_fields(command.sent, arguments)
    if "option" in said:
        said["test_only"] = said["option"] == 0x19
    return said


def _events(polled: Polled, decoded: dict[str, object]) -> str:
    decoded["events"] = [event.as_data() for event in polled.events]
    words = []
    for event in polled.events:
        where = f", channel {event.channel}" if event.channel is not None else ""
        amounts = "".join(f", {_money(amount)}" for amount in event.amounts)
        said = event.kind.words
        if event.kind.code == _READ:
            said = "a note is held in escrow" if event.channel else "a note is being read"
        words.append(f"{event.kind.name}{where}{amounts}: {said}")
    if any(event.kind.code == _CREDIT for event in polled.events):
        decoded["credit"] = True
    if polled.rest:
        decoded["unread"] = polled.rest.hex().upper()
        words.append(f"{polled.rest.hex(' ').upper()} cannot be read: {polled.rest[0]:02X} is not known or cut short")
    return "; ".join(words)


def _money(amount: tuple[object, ...]) -> str:
    """Whole minor units as the device counts them: (2000, EUR), or (500, 2000, EUR) of a payout that was cut short."""
    *numbers, currency = amount
    return f"{' of '.join(map(str, numbers))} {currency}".rstrip()


def _listed(decoded: dict[str, object], but: tuple[str, ...]) -> str:
    return ", ".join(f"{key} {value}" for key, value in decoded.items() if key not in but) or str(decoded["data"])
