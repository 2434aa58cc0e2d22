"""Whatever a validator says and whatever is asked of it: nothing raises, nothing hangs, and 15 alone is money."""

import random
from collections.abc import Sequence

import pytest

from hardware.bills import AwaitReady, Disable, Enable, GiveBack, Hold, Stack
from hardware.events import BillEscrowed, BillStacked, Event
from hardware.id003.currency import Assignment
from hardware.id003.currency import encode as encode_table
from hardware.id003.frames import Frame, FrameReader, encode
from hardware.id003.protocol import Id003Protocol
from hardware.id003.states import Status
from tests.hardware.fuzz import Fuzz
from wire.money import Money

TABLES = (
    encode_table([Assignment(0x63, 0x51, 5, 2), Assignment(0x64, 0x51, 1, 3), Assignment(0x65, 0x99, 1, 1)]),
    encode_table([Assignment(0x63, 0x51, 1, 4), Assignment(0x66, 0x27, 1, 3)]),
    b"",
    bytes(range(0x5F, 0x70)),
)
AFTER = {
    0x40: (0x40,), 0x41: (0x41,), 0x42: (0x42,), 0x1B: (0x1B,), 0x1A: (0x1A,), 0x11: (*(0x11, 0x12) * 6, 0x43, 0x44),
    0x12: (0x13, 0x13, 0x13, 0x17, 0x14), 0x13: (*(0x13,) * 8, 0x18, 0x42, 0x14), 0x14: (0x15, 0x15, 0x15, 0x46, 0x42),
    0x15: (0x15,), 0x16: (0x11, 0x11, 0x12), 0x18: (0x11,), 0x44: (0x44, 0x1B),
}  # fmt: skip
"""What a status may lead to by itself."""


class Device:
    """Goes a note's way, and off it as often as its seed has it."""

    def __init__(self, seed: int) -> None:
        self.odd = random.Random(seed).choice((0.0, 0.02, 0.1, 0.5))
        self.vend_valids = 0
        self._status = 0x40
        self._code = 0x63
        self._settings = 0
        self._table = TABLES[0]

    def answer(self, rng: random.Random, sent: bytes) -> bytes:
        """Mostly of the kind that was asked for."""
        asked = FrameReader().feed(sent)
        if not asked:
            return b""
        if rng.random() < self.odd:
            said: Frame | None = anything(rng)
        else:
            said = self._said(rng, asked[0])
        self.vend_valids += said is not None and said.code == Status.VEND_VALID
        return b"" if said is None else encode(said) * rng.choice((1, 1, 1, 1 + (self.odd > 0.05)))

    def _said(self, rng: random.Random, asked: Frame) -> Frame | None:
        if rng.random() < self.odd / 3:
            return Frame(rng.choice((0x4A, 0x4B)))
        match asked.code:
            case 0x11:
                return self._polled(rng)
            case 0x50:
                self._status = 0x16
                return None
            case 0x40:
                self._status, self._settings = rng.choice((0x1B, 0x1B, 0x1B, 0x15)), 0
            case 0x41 | 0x42:
                self._status = 0x14
            case 0x43:
                self._status = 0x18
            case 0x88:
                return Frame(0x88, b"U(KAZ)-10-SS V1\x00")
            case 0x8A:
                if rng.random() < 0.05:
                    self._table = rng.choice(TABLES)
                return Frame(0x8A, self._table)
            case 0xC3:
                self._status = 0x11 if asked.data == b"\x00" else 0x1A
                return asked
            case code if code >= 0xC0:
                return asked
        return Frame(0x50)

    def _polled(self, rng: random.Random) -> Frame:
        status = self._status
        if rng.random() < 0.6:
            self._status = rng.choice(AFTER.get(status, (0x11,)))
        if status == 0x12:
            self._code = rng.choice((0x63, 0x63, 0x64, 0x65, 0x66, 0x61))
        return Frame(status, bytes([self._code]) if status == 0x13 else b"\x71" if status == 0x17 else b"")


def anything(rng: random.Random) -> Frame:
    """Any frame, of a note more often than of nothing."""
    if rng.random() < 0.5:
        return Frame(rng.choice((0x13, 0x15, 0x42, 0x14)), rng.choice((b"", b"\x63", b"\x64", rng.randbytes(9))))
    code = rng.choice((rng.choice(list(Status)), rng.randrange(256)))
    return Frame(code, rng.randbytes(rng.choice((0, 0, 1, 2, 30))))


def asked_for(rng: random.Random, events: Sequence[Event]) -> object:
    """By an owner who may be wrong, late, or in two minds."""
    numbers = [event.escrow for event in events if isinstance(event, BillEscrowed)]
    number = rng.choice((numbers[-1], numbers[-1], numbers[-1], rng.choice(numbers))) if numbers else 1
    some = frozenset({Money(50_000, "KZT"), rng.choice((Money(100_000, "KZT"), Money(7, "EUR")))})
    return rng.choice(
        (
            AwaitReady(), Enable(None), Enable(None), Enable(None), Enable(some), Enable(frozenset()), Disable(),
            Stack(number), Stack(number), Stack(number), GiveBack(number), Hold(number, 20.0), Hold(number, -1.0),
        )
    )  # fmt: skip


def play(seed: int, *, mangled: bool = False) -> Fuzz:
    """One seed's days."""
    device = Device(seed)
    held: dict[int, Money] = {}

    def heard(event: Event, data: bytes) -> None:
        if isinstance(event, BillEscrowed):
            held[event.escrow] = event.bill
        if isinstance(event, BillStacked):
            assert any(frame.code == Status.VEND_VALID for frame in FrameReader().feed(data))
            assert event.escrow is not None
            assert held.pop(event.escrow) == event.bill, "credited twice, or as another note"

    fuzz = Fuzz(
        seed,
        protocol=lambda memories: Id003Protocol(memories[""]),
        answers=device.answer,
        commands=asked_for,
        heard=heard,
        mangled=mangled,
        endless=(AwaitReady,),
    )
    fuzz.play(400)
    return fuzz


@pytest.mark.parametrize("seed", range(60))
def test_anything(seed: int) -> None:
    play(seed)


@pytest.mark.parametrize("seed", range(10))
def test_anything_with_a_damaged_memory(seed: int) -> None:
    play(seed, mangled=True)
