"""Whatever a printer says and whatever is asked of it: nothing raises, nothing hangs, no slip ends twice."""

import random
from collections.abc import Mapping, Sequence

import pytest

from hardware.escpos.orders import AwaitReady, Print, ReadStatus, Settings
from hardware.escpos.protocol import EscposProtocol
from hardware.escpos.simulator import EscposSimulator
from hardware.events import Event, SlipPrinted, SlipUnclear
from hardware.slip import Cut, Feed, QrCode, Slip, Text
from tests.hardware.fuzz import Fuzz, Liar

HANDS: Sequence[tuple[str, Mapping[str, str]]] = tuple(
    (hand, {})
    for hand in (
        "open_cover", "close_cover", "close_cover", "paper_out", "load_paper", "load_paper", "jam_cutter",
        "clear_cutter", "clear_cutter", "heat_head", "cool_head", "cool_head",
    )
)  # fmt: skip
SLIP = Slip((Text(text="Чек №1"), QrCode(content="https://example.org"), Feed(lines=1), Cut()))
ANSWERS = (b"\x12", b"\x16", b"\x1a", b"\x10\x12\x12", b"\x14\x00\x00\x0f", b"\x00", b"\x5f1\x00", b"\x37\x22\x00", b"")


def lie(rng: random.Random, said: bytes) -> bytes:
    """Other answers: there is no sum that would tell."""
    lied = bytearray(said)
    match rng.randrange(4):
        case 0 if lied:
            lied[rng.randrange(len(lied))] ^= 1 << rng.randrange(8)
        case 1:
            lied += rng.choice(ANSWERS)
        case 2:
            return rng.choice(ANSWERS)
        case 3:
            return rng.randbytes(rng.randrange(6))
    return bytes(lied)


def asked_for(rng: random.Random, events: Sequence[Event]) -> object:
    """By an owner who never comes back to an earlier reference: the page remembers one outcome."""
    reference = f"s{len(events) // 2}"
    return rng.choice((AwaitReady(), ReadStatus(), *[Print(SLIP, reference)] * 4, Print(SLIP, reference, copy=True)))


def play(seed: int, *, mangled: bool = False) -> Fuzz:
    """One seed's days."""
    rng = random.Random(seed)
    status = rng.choice(("full", "full", "full", "realtime", "none"))
    device = Liar(seed, EscposSimulator({}, lambda *_: None, answers=status, boot_s=0.5), lie, HANDS)
    settings = Settings(status=status, automatic=rng.random() < 0.3, byte_s=rng.choice((0.0, 10 / 9600)))
    ended: list[str] = []
    copies: set[str] = set()

    def asked(rng: random.Random, events: Sequence[Event]) -> object:
        wish = asked_for(rng, events)
        if isinstance(wish, Print) and wish.copy:
            copies.add(wish.reference)
        return wish

    def heard(event: Event, data: bytes) -> None:
        if isinstance(event, SlipPrinted | SlipUnclear):
            assert event.reference not in ended or event.reference in copies, f"{event.reference} ended twice"
            ended.append(event.reference)

    fuzz = Fuzz(
        seed,
        protocol=lambda memories: EscposProtocol(memories[""], settings),
        answers=device.answer,
        commands=asked,
        heard=heard,
        mangled=mangled,
        endless=(AwaitReady,),
        quiet_s=None,
    )
    device.clock = lambda: fuzz.now
    fuzz.play(500)
    return fuzz


@pytest.mark.parametrize("seed", range(25))
def test_anything(seed: int) -> None:
    play(seed)


@pytest.mark.parametrize("seed", range(10))
def test_anything_with_a_damaged_memory(seed: int) -> None:
    play(seed, mangled=True)
