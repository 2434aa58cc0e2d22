"""Whatever the devices of a bus say and whatever is asked of them: no script fails, nothing hangs or ends twice."""

import random
from collections.abc import Sequence

import pytest

from hardware.bills import AwaitReady, Disable, Enable, GiveBack, Hold, Stack
from hardware.cctalk.coins import CoinConversation
from hardware.cctalk.frames import Frame, FrameReader, Sum, encode
from hardware.cctalk.hopper import HopperConversation
from hardware.cctalk.notes import NoteConversation
from hardware.cctalk.payout import PayOut
from hardware.cctalk.protocol import BusProtocol, For
from hardware.cctalk.simulator import CctalkBusSimulator
from hardware.events import BillEscrowed, BillStacked, Event, PayoutBegan, PayoutEnded, PayoutUnclear
from tests.hardware.fuzz import Fuzz, Liar
from wire.money import Money

COIN = Money(10000, "KZT")
HANDS = (
    *([("insert_coin", {"minor": "10000"}), ("insert_note", {"minor": "100000"})] * 10), ("jam", {"device": "hopper"}),
    ("free", {"device": "hopper"}), ("remove_cassette", {}), ("insert_cassette", {}), ("empty_hopper", {}),
    ("fill_hopper", {}), ("damage_counters", {}), ("cut", {"device": "bills"}), ("restore", {"device": "bills"}),
)  # fmt: skip


def lie(rng: random.Random, said: bytes) -> bytes:
    """Another answer with a good sum."""
    kind = Sum.SUM8 if FrameReader(Sum.SUM8).feed(said) else Sum.CRC16
    frames = FrameReader(kind).feed(said)
    if not frames or rng.random() < 0.2:
        return encode(Frame(1, rng.choice((0, 0, 5, 6)), rng.randbytes(rng.choice((0, 1, 2, 11))), 2), Sum.SUM8)
    data = bytearray(frames[0].data)
    match rng.randrange(4):
        case 0 if data:
            data[rng.randrange(len(data))] = rng.choice((0, 1, 255, rng.randrange(256)))
        case 1:
            data[:] = rng.randbytes(len(data))
        case 2:
            data += rng.randbytes(rng.randrange(1, 5))
        case 3:
            del data[rng.randrange(len(data) + 1) :]
    return encode(
        Frame(frames[0].dest, rng.choice((0, 0, 0, frames[0].header, 5, 6)), bytes(data), frames[0].src), kind
    )


def asked_for(rng: random.Random, events: Sequence[Event]) -> object:
    """By an owner who may be wrong, late, or in two minds."""
    numbers = [event.escrow for event in events if isinstance(event, BillEscrowed)]
    number = rng.choice((numbers[-1], numbers[-1], rng.choice(numbers))) if numbers else 1
    some = frozenset({COIN, Money(7, "EUR")})
    wishes = {
        "coins": (AwaitReady(), Enable(None), Enable(None), Enable(frozenset({COIN})), Enable(some), Disable()),
        "hopper": (AwaitReady(), PayOut(rng.choice((1, 3, 3, 0, 1000)), f"p{rng.randrange(30)}")),
        "bills": (
            AwaitReady(), Enable(None), Enable(None), Enable(some), Disable(),
            Stack(number), Stack(number), GiveBack(number), Hold(number, 5.0),
        ),
    }  # fmt: skip
    device = rng.choice(list(wishes))
    return For(device, rng.choice(wishes[device]))


def play(seed: int, *, mangled: bool = False) -> Fuzz:
    """One seed's days."""
    security = random.Random(seed).choice(("serial", "none"))
    simulator = CctalkBusSimulator({}, lambda *_: None, devices="coins,hopper,bills", echo="off", bills_sum="crc16")
    device = Liar(seed, simulator, lie, HANDS)
    ended: set[int] = set()
    began: set[str] = set()

    def heard(event: Event, data: bytes) -> None:
        if isinstance(event, PayoutBegan):
            assert not began, "one began before the last had ended"
            began.add(event.reference)
        if isinstance(event, PayoutEnded | PayoutUnclear):
            assert event.reference in began, "ended twice, or never began"
            began.remove(event.reference)
        if isinstance(event, BillStacked) and event.escrow is not None:
            assert event.escrow not in ended, "credited twice"
            ended.add(event.escrow)

    fuzz = Fuzz(
        seed,
        protocol=lambda memories: BusProtocol(
            [
                CoinConversation("coins", 2, Sum.SUM8, memories["coins"], currency="KZT"),
                HopperConversation("hopper", 3, Sum.SUM8, memories["hopper"], coin=COIN, security=security),
                NoteConversation("bills", 40, Sum.CRC16, memories["bills"], currency="KZT"),
            ],
            echo=False,
        ),
        answers=device.answer,
        commands=asked_for,
        heard=heard,
        mangled=mangled,
        endless=(For,),
        devices=("coins", "hopper", "bills"),
    )
    device.clock = lambda: fuzz.now
    fuzz.play(1500)
    hanging = [
        wish for wish in fuzz.open.values() if isinstance(wish, For) and not isinstance(wish.command, AwaitReady)
    ]
    assert not hanging, f"still waiting: {hanging}"
    return fuzz


@pytest.mark.parametrize("seed", range(14))
def test_anything(seed: int) -> None:
    play(seed)


@pytest.mark.parametrize("seed", range(6))
def test_anything_with_a_damaged_memory(seed: int) -> None:
    play(seed, mangled=True)
