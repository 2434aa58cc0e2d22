"""ccTalk frames in words.

An answer does not say what it answers. Seen together with its question it is read as that; alone it is read in every
way that its length allows, and the words say so. Frames from the device's side that go to a device are the adapter's
echo.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from hardware.cctalk import credit, states
from hardware.cctalk.commands import COMMANDS, EVENTS_BYTES, Command, Events
from hardware.cctalk.fields import Values, read
from hardware.cctalk.frames import BROADCAST, BUSY, HOST, NAK, OVERHEAD, REPLY, Frame, Sum, decode, sums
from hardware.cctalk.values import CURRENCIES, bill_money, coin_money, parse_value
from hardware.explain import Explained, Explainer, Sender, checksum

VARIANTS = {"cctalk": Sum.SUM8, "cctalk-crc16": Sum.CRC16}
COIN_EVENTS, BILL_EVENTS, COIN_ID, BILL_ID = 229, 159, 184, 157


@dataclass(frozen=True, slots=True)
class _Meaning:
    words: str
    command: str | None
    decoded: Values
    fault: str | None = None


class CctalkExplainer(Explainer):
    """Reads one line; remembers the last question for its answer."""

    def __init__(self, kind: Sum) -> None:
        self._kind = kind
        self._unread: dict[Sender, bytearray] = {"host": bytearray(), "device": bytearray()}
        self._skipped: dict[Sender, bytearray] = {"host": bytearray(), "device": bytearray()}
        self._asked: Frame | None = None

    def feed(self, sender: Sender, data: bytes) -> Sequence[Explained]:
        unread, skipped = self._unread[sender], self._skipped[sender]
        unread += data
        found: list[Explained] = []
        while len(unread) >= 2 and len(unread) >= (size := unread[1] + OVERHEAD):
            raw = bytes(unread[:size])
            try:
                frame = decode(raw, self._kind)
            except ValueError:
                skipped.append(unread.pop(0))
                continue
            found += self._flush(sender)
            found.append(self._explain(sender, frame, raw))
            del unread[:size]
        return found

    def finish(self, sender: Sender) -> Sequence[Explained]:
        unread, skipped = self._unread[sender], self._skipped[sender]
        for at in range(1, len(unread)):
            tail = bytes(unread[at:])
            if self._is_frames(sender, tail):  # behind noise that read as the length of more than came
                skipped += unread[:at]
                unread.clear()
                return [*self.feed(sender, tail), *self._flush(sender)]
        skipped += unread
        unread.clear()
        return self._flush(sender)

    def _is_frames(self, sender: Sender, data: bytes) -> bool:
        """Frames to the last byte, each such as this side sends; a run of zeros has a good sum too, and is none."""
        while len(data) >= OVERHEAD and len(data) >= (size := data[1] + OVERHEAD):
            try:
                frame = decode(data[:size], self._kind)
            except ValueError:
                return False
            if sender == "device":
                usual = frame.dest == HOST and frame.src not in {BROADCAST, HOST}
            else:
                usual = frame.dest != HOST and frame.header != REPLY and frame.src in {None, HOST}
            if not usual:
                return False
            data = data[size:]
        return not data

    def guess_sender(self, data: bytes) -> Sender:
        return "device" if data[:1] == bytes((HOST,)) else "host"

    def _flush(self, sender: Sender) -> list[Explained]:
        data = bytes(self._skipped[sender])
        self._skipped[sender].clear()
        if not data:
            return []
        try:
            decode(data, self._kind)
            fault = "these bytes are of no frame"
        except ValueError as error:
            fault = str(error)
        shown, summed = (_fields(data, self._kind), self._sum(data)) if len(data) >= OVERHEAD else ({}, None)
        return [Explained(data, f"no frame: {fault}", sender, fault=fault, frame=shown, checksum=summed)]

    def _sum(self, data: bytes) -> dict[str, object]:
        sent, reckoned = sums(data, self._kind)
        if self._kind is Sum.SUM8:
            return checksum("sum-8", sent, reckoned, digits=2)
        return checksum("crc-16/xmodem", sent, reckoned)

    def _explain(self, sender: Sender, frame: Frame, raw: bytes) -> Explained:
        addressed: Values = {"dest": frame.dest, "header": frame.header}
        if frame.src is not None:
            addressed["src"] = frame.src
        if frame.data:
            addressed["data"] = frame.data.hex().upper()
        if sender == "device" and frame.dest != HOST:
            said = _question(frame)
            meaning = _Meaning(f"echo of: {said.words}", said.command, said.decoded | {"echo": True})
        elif frame.dest == HOST or sender == "device":
            meaning = self._answer(frame)
        else:
            meaning = _question(frame)
            self._asked = frame
        return Explained(
            data=raw,
            words=meaning.words,
            sender=sender,
            fault=meaning.fault,
            command=meaning.command,
            frame=_fields(raw, self._kind),
            decoded=addressed | meaning.decoded,
            checksum=self._sum(raw),
        )

    def _answer(self, frame: Frame) -> _Meaning:
        asked = self._asked
        self._asked = None
        if asked is not None and frame.src not in {None, asked.dest}:
            asked = None
        command = None if asked is None else COMMANDS.get(asked.header)
        to = "" if command is None else f" to {command.name}"
        name = None if command is None else command.name
        if frame.header in {NAK, BUSY}:
            words = "NAK: refused" if frame.header == NAK else "BUSY: cannot answer now"
            return _Meaning(
                f"{_who(frame)}: {words}{to}",
                name or words[:4].strip(":"),
                {"meaning": words.split(":", maxsplit=1)[0]},
            )
        if frame.header != REPLY:
            fault = f"an answer has header 0, this has {frame.header}"
            return _Meaning(fault, name, {}, None if frame.src is None else fault)
        if not frame.data:
            return _Meaning(f"{_who(frame)}: ACK{to}", name or "ACK", {"meaning": "ACK"})
        if command is not None and asked is not None:
            values = read(command.answers, frame.data) if command.answers is not None else {}
            if values is None:
                return _Meaning(f"{_who(frame)}: an answer{to} that does not fit it: {frame.data.hex(' ')}", name, {})
            values |= _more(command, asked, frame.data)
            return _Meaning(f"{_who(frame)}: {command.name}: {_words(values, frame.data)}", name, values)
        values = _alone(frame)
        guess = f"an answer, its question was not seen; by its length it may mean {_words(values, frame.data)}"
        return _Meaning(f"{_who(frame)}: {guess}", None, values)


def explainer(variant: str) -> Explainer:
    """For "cctalk" or "cctalk-crc16"."""
    return CctalkExplainer(VARIANTS[variant])


def _who(frame: Frame) -> str:
    return "device" if frame.src is None else f"{frame.src} ({states.usual_category(frame.src)})"


def _fields(raw: bytes, kind: Sum) -> dict[str, object]:
    shown: dict[str, object] = {"dest": raw[0], "len": raw[1], "header": raw[3], "data": raw[4:-1].hex().upper()}
    if kind is Sum.SUM8:
        return shown | {"src": raw[2], "chk": f"{raw[-1]:02X}"}
    return shown | {"crc_lo": f"{raw[2]:02X}", "crc_hi": f"{raw[-1]:02X}"}


def _question(frame: Frame) -> _Meaning:
    command = COMMANDS.get(frame.header)
    to = "all" if frame.dest == BROADCAST else f"{frame.dest} ({states.usual_category(frame.dest)})"
    if command is None:
        return _Meaning(f"to {to}: header {frame.header}, which is the maker's own", None, {})
    values = read(command.asks, frame.data)
    if values is None:
        return _Meaning(f"to {to}: {command.name} with data that does not fit it", command.name, {"name": command.name})
    if frame.header in {167, 134}:
        size = 1 if frame.header == 167 else 2
        values |= {
            "security": frame.data[:-size].hex().upper(),
            "count" if size == 1 else "value": int.from_bytes(frame.data[-size:], "little"),
        }
    words = _words(values, b"")
    more = f": {words}" if words else f" ({command.words})"
    return _Meaning(
        f"to {to}: {command.name}{more}",
        command.name,
        {"name": command.name, "meaning": command.name.upper(), **values},
    )


def _more(command: Command, asked: Frame, data: bytes) -> Values:
    """What an answer means beyond its fields."""
    if any(isinstance(each, Events) for each in command.answers or ()):
        return _events(data, bills=command.header == BILL_EVENTS)
    values: Values = {}
    if command.header in {COIN_ID, 212, 209, 131, 130} and asked.data:
        values["coin"] = asked.data[0]
    if command.header in {BILL_ID, 150} and asked.data:
        values["bill"] = asked.data[0]
    if command.header in {COIN_ID, 171, 131}:
        values |= _coin_name(data[:6])
    if command.header == BILL_ID:
        values |= _bill_name(data)
    if command.header == 156 and asked.data:
        values["country"] = asked.data.decode("latin-1")
    if command.header == 249 and len(data) == 2:
        values |= _interval(data)
    return values


def _alone(frame: Frame) -> Values:
    """An answer without its question: everything that its length allows."""
    data, size = frame.data, len(frame.data)
    values: Values = {}
    if size == EVENTS_BYTES:
        bills = frame.src is None or 40 <= frame.src <= 47
        return _events(data, bills=bills)
    match size:
        case 1:
            values |= {"value": data[0], "status": data[0]}
        case 2:
            for header in (230, 249):
                values |= read(COMMANDS[header].answers or (), data) or {}
            values |= _interval(data)
        case 3:
            values |= {"serial": int.from_bytes(data, "little"), "count": int.from_bytes(data, "little")}
            values |= read(COMMANDS[156].answers or (), data) or {}
        case 4:
            values |= read(COMMANDS[166].answers or (), data) or {}
        case 6:
            values |= _coin_name(data)
        case 7:
            values |= _bill_name(data)
        case 9:
            values |= read(COMMANDS[124].answers or (), data) or {}
    if all(32 <= byte < 127 for byte in data):
        values["text"] = data.decode("ascii")
    return values


def _interval(data: bytes) -> Values:
    milliseconds = {1: 1, 2: 10, 3: 1000, 4: 60_000}.get(data[0])
    return {} if milliseconds is None else {"interval_ms": data[1] * milliseconds}


def _events(data: bytes, *, bills: bool) -> Values:
    counter, pairs = credit.parse(data)
    # Below five, the places that no event has filled since power came say nothing.
    if 0 < counter < credit.KEPT and not any(a or b for a, b in pairs[counter:]):
        pairs = pairs[:counter]
    return {
        "counter": counter,
        "events": [[a, b] for a, b in pairs],
        "meanings": [_event(a, b, bills=bills) for a, b in pairs] if counter else [],
    }


def _event(a: int, b: int, *, bills: bool) -> str:
    if a and bills:
        where = {0: "stacked: credit", 1: "held in escrow"}.get(b, f"result {b}, which is not known")
        return f"note {a} {where}"
    if a:
        return f"coin {a} taken, sorter path {b}: credit"
    return states.bill_event_words(b) if bills else states.coin_error_words(b)


def _coin_name(data: bytes) -> Values:
    name = data.decode("latin-1")
    return {} if not name.isascii() or not name.isprintable() else _name(name, 5) | _money(coin_money(name))


def _bill_name(data: bytes) -> Values:
    name = data.decode("latin-1")
    if not name.isascii() or not name.isprintable():
        return {}
    return _name(name, 6) | _money(bill_money(name, 1, 0), "unscaled_")


def _name(name: str, end: int) -> Values:
    values: Values = {"text": name}
    value = parse_value(name[2:end])
    if value is not None:
        values |= {"country": name[:2], "value": float(value) if value % 1 else int(value), "issue": name[end:]}
        if name[:2] in CURRENCIES:
            values["currency"] = CURRENCIES[name[:2]]
    return values


def _money(money: object, prefix: str = "") -> Values:
    return {} if money is None else {f"{prefix}money": str(money)}


def _words(values: Values, data: bytes) -> str:
    if "meanings" in values:
        return f"counter {values['counter']}: {'; '.join(map(str, values['meanings'])) or 'began anew, no event yet'}"  # type: ignore[call-overload]
    parts = [
        f"{name} {value}"
        for name, value in values.items()
        if not name.endswith("_words") and value != [] and name != "data"
    ]
    for name, value in values.items():
        if name.endswith("_words") and value:
            parts.append(" and ".join(map(str, value)) if isinstance(value, list) else str(value))
    return ", ".join(parts) or data.hex(" ").upper()
