"""Whatever a validator says and whatever is asked of it: nothing raises, nothing hangs, EE and E2 alone are money."""

import random
from collections.abc import Sequence

import pytest

from hardware.bills import AwaitReady, Disable, Enable, GiveBack, Hold, Stack
from hardware.events import BillEscrowed, BillStacked, Event
from hardware.ssp.events import KINDS
from hardware.ssp.frames import Frame, FrameReader, encode
from hardware.ssp.protocol import SspProtocol
from hardware.ssp.replies import Setup, write_setup
from tests.hardware.fuzz import Fuzz
from wire.money import Money

SETUPS = (
    b"\xf0" + write_setup(Setup(0, "0333", "EUR", 1, (5, 10, 0), (2, 2, 0), 100, 8, ("EUR",) * 3, (5, 10, 0))),
    b"\xf0" + write_setup(Setup(0, "0333", "KZT", 100, (5, 10, 20), (2, 2, 2), 100, 4)),
    b"\xf0" + write_setup(Setup(0, "0333", "EUR", 0, (0, 0), (2, 2), 100, 4)),
)
ODD_SETUPS = (b"\xf0" + write_setup(Setup(3, "0333", "EUR", 1, (), (), 1, 8)), b"\xf0", b"\xf8", b"\xf0" * 60)
AFTER = {
    "idle": ("idle", "idle", "reading"), "reading": ("escrow", "escrow", "escrow", "rejecting"),
    "rejecting": ("rejected",), "rejected": ("idle",), "stacking": ("stacking", "credit", "credit", "jam"),
    "credit": ("credit",), "stacked": ("idle",), "jam": ("stacking", "idle"), "reset": ("idle", "idle", "cleared"),
    "cleared": ("cleared",), "escrow": ("escrow",),
}  # fmt: skip
"""What a state may lead to by itself."""


class Device:
    """Goes a note's way, and off it as often as its seed has it."""

    def __init__(self, seed: int) -> None:
        rng = random.Random(seed)
        self.odd = rng.choice((0.0, 0.02, 0.1, 0.5))
        self._acks = rng.random() < 0.6
        self._setup = rng.choice(SETUPS)
        self._state = "reset"
        self._channel = 1
        self._before: tuple[bytes, bytes] | None = None

    def answer(self, rng: random.Random, sent: bytes) -> bytes:
        """The same again to the same bytes, as a device does; else mostly of the kind that was asked for."""
        asked = FrameReader().feed(sent)
        if not asked:
            return b""
        if self._before is not None and self._before[0] == sent and rng.random() < 0.9:
            return self._before[1]
        data = anything(rng) if rng.random() < self.odd else self._said(rng, asked[0].data)
        flag = asked[0].flag if rng.random() >= self.odd / 4 else not asked[0].flag
        said = encode(Frame(data, flag))
        self._before = sent, said
        return said * rng.choice((1, 1, 1, 1 + (self.odd > 0.05)))

    def _said(self, rng: random.Random, asked: bytes) -> bytes:
        if rng.random() < self.odd / 2:
            return rng.choice((b"\xf2", b"\xf5", b"\xf8", b"\xfa", b"\xf6"))
        match asked[0]:
            case 0x05:
                if rng.random() < self.odd:
                    return rng.choice((*SETUPS, *ODD_SETUPS))
                return self._setup
            case 0x0C:
                return b"\xf0\x00\x12\xd6" + rng.choice((b"\x87", b"\x87", b"\x87", b"\x88"))
            case 0x0E:
                return rng.choice((b"\xf0\x02\x05\x0a", b"\xf0\x02", b"\xf0\x01\x05EUR\x05\x00\x00\x00"))
            case 0x17:
                return b"\xf0\x02"
            case 0x56 if not self._acks:
                return b"\xf2"
            case 0x07 | 0x56:
                return b"\xf0" + self._polled(rng, repeats=asked[0] == 0x56)
            case 0x57 if self._state in ("credit", "cleared"):
                self._state = "stacked"
            case 0x08:
                self._state = "rejecting" if self._state == "escrow" else self._state
            case 0x01:
                self._state = "reset"
        return b"\xf0"

    def _polled(self, rng: random.Random, *, repeats: bool) -> bytes:
        state = self._state
        if state == "escrow":
            self._state = "stacking" if rng.random() < 0.8 else "rejecting"  # a poll accepts it
        elif not repeats or state not in ("credit", "cleared"):
            self._state = "stacked" if state in ("credit", "cleared") else rng.choice(AFTER[state])
        if state == "reading":
            self._channel = rng.choice((1, 1, 2, 2, 3))
            if self._state == "escrow":
                return bytes([0xEF, self._channel])
        told = {
            "rejecting": b"\xed", "rejected": b"\xec", "stacking": b"\xcc", "credit": bytes([0xEE, self._channel]),
            "stacked": b"\xeb", "jam": b"\xe9", "reset": b"\xf1",
            "cleared": bytes([rng.choice((0xE1, 0xE2)), rng.choice((0, self._channel))]),
        }  # fmt: skip
        return told.get(state, b"") + rng.choice((b"", b"", b"", b"\xe8", b"\xe3", b"\xe4"))


def anything(rng: random.Random) -> bytes:
    """Any answer, of a note more often than of nothing."""
    if rng.random() < 0.4:
        return b"\xf0" + bytes([rng.choice((0xEF, 0xEE, 0xE2, 0xE1, 0xF1)), rng.choice((0, 1, 1, 2, 9))])
    if rng.random() < 0.6:
        return b"\xf0" + bytes([rng.choice(list(KINDS))]) + rng.randbytes(rng.choice((0, 1, 8, 30)))
    return rng.randbytes(rng.randrange(1, 40))


def asked_for(rng: random.Random, events: Sequence[Event]) -> object:
    """By an owner who may be wrong, late, or in two minds."""
    numbers = [event.escrow for event in events if isinstance(event, BillEscrowed)]
    number = rng.choice((numbers[-1], numbers[-1], numbers[-1], rng.choice(numbers))) if numbers else 1
    some = frozenset({Money(500, "EUR"), rng.choice((Money(100_000, "KZT"), Money(7, "EUR")))})
    return rng.choice(
        (
            AwaitReady(), Enable(None), Enable(None), Enable(None), Enable(some), Enable(frozenset()), Disable(),
            Stack(number), Stack(number), Stack(number), GiveBack(number), Hold(number, 20.0), Hold(number, -1.0),
        )
    )  # fmt: skip


def play(seed: int, *, mangled: bool = False) -> Fuzz:
    """One seed's days."""
    device = Device(seed)
    credited: set[int] = set()

    def heard(event: Event, data: bytes) -> None:
        if isinstance(event, BillStacked):
            said = [frame.data for frame in FrameReader().feed(data)]
            assert any(each[0] == 0xF0 and set(each) & {0xEE, 0xE2} for each in said), said
            assert event.escrow not in credited, "credited twice"
            if event.escrow is not None:
                credited.add(event.escrow)

    fuzz = Fuzz(
        seed,
        protocol=lambda memories: SspProtocol(memories[""]),
        answers=device.answer,
        commands=asked_for,
        heard=heard,
        mangled=mangled,
        endless=(AwaitReady,),
        quiet_s=11.0,  # one that cannot be used at all is asked again after ten seconds
    )
    fuzz.play(400)
    return fuzz


@pytest.mark.parametrize("seed", range(60))
def test_anything(seed: int) -> None:
    play(seed)


@pytest.mark.parametrize("seed", range(10))
def test_anything_with_a_damaged_memory(seed: int) -> None:
    play(seed, mangled=True)
