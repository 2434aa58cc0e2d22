"""Whatever a validator says and whatever is asked of it: nothing raises, nothing hangs, and 81 alone is money."""

import random
from collections.abc import Mapping, Sequence

import pytest

from hardware.bills import AwaitReady, Disable, Enable, GiveBack, Hold, Stack
from hardware.ccnet import commands
from hardware.ccnet.bill_table import write_table
from hardware.ccnet.commands import COMMANDS
from hardware.ccnet.frames import Frame, FrameReader, encode
from hardware.ccnet.protocol import CcnetProtocol
from hardware.ccnet.states import State
from hardware.events import BillEscrowed, BillStacked, BillUnclear, Event
from tests.hardware.fuzz import Fuzz
from wire.money import Money

NARROW = write_table({0: ("KAZ", 2, 2), 1: ("KAZ", 5, 2), 2: ("KAZ", 1, 3), 3: ("RUS", 1, 2), 23: ("KAZ", 1, 0)})
WIDE = write_table({0: ("KAZ", 2, 2), 1: ("KAZ", 5, 2), 30: ("KAZ", 1, 3), 47: ("KAZ", 2, 4)}, types=48)
OTHER = write_table({0: ("RUS", 1, 2), 1: ("KAZ", 2, 4)})
WORTH = {Money(minor, "KZT") for minor in (20000, 50000, 100000, 2000000)}
SERIALS = (b"21K100004711", b"21K100004712", b"            ")


class Device:
    """Goes a note's way, and off it as often as its seed has it."""

    def __init__(self, seed: int, address: int) -> None:
        self.address = address
        self.odd = random.Random(seed).choice((0.0, 0.02, 0.1, 0.5))
        self._state = 0x10
        self._note = 1
        self._tells: dict[int, bytes] = {}

    def answer(self, rng: random.Random, sent: bytes) -> bytes:
        """Mostly of the kind that was asked for."""
        asked = FrameReader("host").feed(sent)
        if not asked:
            return b""
        if rng.random() < self.odd:
            oddities = (b"\x00", b"\xff", b"\x30", rng.randbytes(rng.randrange(1, 8)), anything(rng))
            return self._frame(rng.choice(oddities)) * rng.choice((1, 1, 2))
        said = self._said(rng, asked[0].data)
        return b"" if said is None else self._frame(said)

    def _frame(self, data: bytes) -> bytes:
        return encode(Frame(self.address, data), "device")

    def _said(self, rng: random.Random, asked: bytes) -> bytes | None:
        command = COMMANDS.get(asked[0])
        if command is not None and command.code in TELLS:
            if rng.random() < self.odd:
                return rng.choice(ODDLY[command.code])
            if command.code not in self._tells or rng.random() < 0.02:  # another device
                self._tells[command.code] = rng.choice(TELLS[command.code])
            return self._tells[command.code]
        match command:
            case commands.POLL:
                return anything(rng) if rng.random() < self.odd else self._polled(rng)
            case None:
                return None  # our ACK or NAK
            case command if not command.reply:
                return self._ordered(rng, asked)
        return b"\x30"

    def _ordered(self, rng: random.Random, asked: bytes) -> bytes:
        if rng.random() < 0.1:
            return b"\x30"
        match COMMANDS[asked[0]]:
            case commands.RESET:
                self._state = 0x13
            case commands.ENABLE_BILL_TYPES:
                self._state = 0x14 if any(asked[1:]) else 0x19
            case commands.STACK:
                self._state = 0x17
            case commands.RETURN:
                self._state = 0x18
        return b"\x00"

    def _polled(self, rng: random.Random) -> bytes:
        state = self._state
        if rng.random() < 0.6:
            self._state = rng.choice(AFTER.get(state, (0x14,)))
        if state == 0x15:
            self._note = rng.choice((0, 1, 1, 1, 2, 3, 30, 255))
        return bytes([state, self._note] if state in (0x80, 0x81, 0x82) else [state])


TELLS: Mapping[int, tuple[bytes, ...]] = {
    0x31: (bytes(6), bytes(6), bytes(12)),
    0x37: tuple(b"SM-KZ0721".ljust(15) + serial + bytes(7) for serial in SERIALS),
    0x41: (NARROW, NARROW, WIDE, OTHER),
    0x5B: (b"\x00\x00", b"\x00\x01", b"\x00\x02"),
    0x66: (b"\x00", b"\x17\x01\x00", b"\x17\x01\x00\x01\x00"),
}
ODDLY: Mapping[int, tuple[bytes, ...]] = {
    0x31: (bytes(3), b"\x14", b"\x30"),
    0x37: (bytes(34), bytes(range(200, 234)), b"\x30"),
    0x41: (bytes(range(120)), bytes(range(240)), b"\xff" * 120, b"\x30"),
    0x5B: (b"\xff\xff", b"\x14", b"\x30", bytes(200)),
    0x66: (b"\x17", b"\x17\x01", b"\x3c\x01\x00", b"\x55", b"\x30"),
}
AFTER = {
    0x10: (0x10,), 0x11: (0x11,), 0x12: (0x12,), 0x13: (0x19, 0x81, 0x82, 0x13), 0x14: (*(0x15, 0x14) * 6, 0x41, 0x42),
    0x15: (0x80, 0x80, 0x80, 0x1C, 0x17), 0x80: (*(0x80,) * 8, 0x18, 0x12), 0x17: (0x81, 0x81, 0x81, 0x44, 0x12),
    0x18: (0x82, 0x14), 0x81: (0x81, 0x14, 0x14, 0x14, 0x12), 0x19: (0x19, 0x19, 0x80), 0x42: (0x42, 0x13),
}  # fmt: skip
"""What a state may lead to by itself."""


def anything(rng: random.Random) -> bytes:
    """An answer to POLL, whatever came before it."""
    note = bytes([rng.choice((0, 1, 1, 1, 2, 3, 23, 30, 255))])
    if rng.random() < 0.6:
        return bytes([rng.choice((0x80, 0x80, 0x81, 0x82))]) + note + rng.choice((b"", b"", b"\x00"))
    return bytes([rng.choice(list(State))]) + rng.choice((b"", note, rng.randbytes(1)))


def asked_for(rng: random.Random, events: Sequence[Event]) -> object:
    """By an owner who may be wrong, late, or in two minds."""
    numbers = [event.escrow for event in events if isinstance(event, BillEscrowed)]
    number = rng.choice((numbers[-1], numbers[-1], numbers[-1], rng.choice(numbers))) if numbers else 1
    bills = frozenset(rng.sample([*sorted(WORTH, key=lambda bill: bill.minor), Money(7, "KZT"), Money(100, "RUB")], 2))
    return rng.choice(
        (
            AwaitReady(), Enable(None), Enable(None), Enable(None), Enable(bills), Enable(frozenset()), Disable(),
            Stack(number), Stack(number), Stack(number), GiveBack(number), Hold(number, 20.0), Hold(number, -1.0),
        )
    )  # fmt: skip


class Money81:
    """Credits against what the device said."""

    def __init__(self) -> None:
        self.ended: dict[int, list[Event]] = {}

    def heard(self, event: Event, data: bytes) -> None:
        """An event, and what led to it."""
        if isinstance(event, BillStacked):
            said = [each.data for each in FrameReader("device").feed(data)]
            assert any(each[0] in (State.BILL_STACKED, commands.RECOVERY_STACKING) for each in said), said
            assert event.bill.currency == "KZT"
        if isinstance(event, BillStacked | BillUnclear) and event.escrow is not None:
            self.ended.setdefault(event.escrow, []).append(event)
            assert sum(isinstance(each, BillStacked) for each in self.ended[event.escrow]) < 2, "credited twice"


def play(seed: int, address: int = 3, *, mangled: bool = False) -> Fuzz:
    """One seed's days."""
    fuzz = Fuzz(
        seed,
        protocol=lambda memories: CcnetProtocol(memories[""], currency="KZT", address=address),
        answers=Device(seed, address).answer,
        commands=asked_for,
        heard=Money81().heard,
        endless=(AwaitReady,),
        mangled=mangled,
    )
    fuzz.play(400)
    return fuzz


@pytest.mark.parametrize("address", [3, 1])
@pytest.mark.parametrize("seed", range(20))
def test_anything(seed: int, address: int) -> None:
    play(seed, address)


@pytest.mark.parametrize("seed", range(10))
def test_anything_with_a_damaged_memory(seed: int) -> None:
    play(seed, mangled=True)
