"""Whatever a register says and whatever is asked of it: nothing raises, nothing hangs, no document ends twice."""

import random
from collections.abc import Mapping, Sequence

import pytest

from hardware.events import DocumentAbsent, DocumentRegistered, DocumentUnclear, Event
from hardware.registers import (
    AwaitReady,
    CashIn,
    CashOut,
    CloseShift,
    Find,
    OpenDrawer,
    OpenShift,
    PrintCopy,
    PrintSlip,
    ReadStatus,
    RegisterReceipt,
    XReport,
)
from hardware.shtrih.frames import Control, FrameV1, FrameV2, ReaderV1, ReaderV2
from hardware.shtrih.plan import Settings
from hardware.shtrih.protocol import ShtrihProtocol
from hardware.shtrih.simulator import ShtrihSimulator
from hardware.slip import Cut, QrCode, Slip, Text
from tests.hardware.fuzz import Fuzz, Liar
from tests.hardware.shtrih.schedules import receipt
from wire.money import Money
from wire.receipt import Operator, ReceiptKind

HANDS: Sequence[tuple[str, Mapping[str, str]]] = (
    ("paper_out", {"after": "3"}), *([("paper_in", {})] * 4), ("cover_open", {}), *([("cover_close", {})] * 2),
    ("expire_shift", {}), ("fail", {"code": "71", "count": "1"}), ("foreign_receipt", {"minor": "10000"}),
)  # fmt: skip
SLIP = Slip((Text(text="Чек"), QrCode(content="https://example.org"), Cut()))


def lie(rng: random.Random, said: bytes) -> bytes:
    """Other answers with good sums, or other control bytes."""
    version2: list[FrameV2] = ReaderV2().feed(said)
    if version2:
        frame = version2[-1]
        number = frame.number if rng.random() < 0.8 else rng.choice((None, 0, 0xFFFF, rng.randrange(0x10000)))
        return FrameV2(number, b"" if number is None else _twisted(rng, frame.data)).encode()
    lied = b""
    for each in ReaderV1().feed(said):
        match each:
            case FrameV1(data):
                lied += FrameV1(_twisted(rng, data)[:255] or b"\x00").encode()
            case Control():
                lied += rng.choice((b"\x05", b"\x06", b"\x15", b"\x06\x06", b"", each.encode()))
    return lied or rng.choice((b"\x06", b"\x15", FrameV1(b"\x11\x00").encode()))


def _twisted(rng: random.Random, data: bytes) -> bytes:
    twisted = bytearray(data)
    match rng.randrange(5):
        case 0 if twisted:
            twisted[rng.randrange(len(twisted))] = rng.choice((0, 1, 255, rng.randrange(256)))
        case 1:
            twisted[1:] = rng.randbytes(len(data))
        case 2:
            twisted += rng.randbytes(rng.randrange(1, 9))
        case 3:
            del twisted[rng.randrange(len(twisted) + 1) :]
        case 4 if len(twisted) > 1:
            at = 2 if twisted[0] == 0xFF and len(twisted) > 2 else 1
            twisted[at] = rng.choice((0x50, 0x58, 0x4E, 0x71, 0x46, rng.randrange(256)))  # an error
    return bytes(twisted)


def asked_for(rng: random.Random, events: Sequence[Event]) -> object:
    """By an owner who may be wrong or in two minds, but never comes back to an earlier reference."""
    number = len(events) // 3
    reference = f"d{number}"
    match number % 6:
        case 0:
            document: object = OpenShift(reference)
        case 1 | 2 | 3:
            document = RegisterReceipt(receipt(list(ReceiptKind)[number % len(ReceiptKind)]), reference)
        case 4:
            document = CloseShift(reference, Operator(name="Анна") if number % 2 else None)
        case _:
            amount = Money(100 * number + 100, "RUB")
            document = CashIn(amount, reference) if number % 2 else CashOut(amount, reference)
    slip = PrintSlip(SLIP, f"s{number}")
    others = (AwaitReady(), Find(number), XReport(), PrintCopy(), OpenDrawer(), ReadStatus(), slip)
    return document if rng.random() < 0.6 else rng.choice(others)


def play(seed: int, *, mangled: bool = False) -> Fuzz:
    """One seed's days."""
    rng = random.Random(seed)
    link, fiscal = rng.choice(("v1", "v2", "auto")), rng.choice(("fn", "fn", "base"))
    device = Liar(seed, ShtrihSimulator({}, lambda *_: None, link=link, fiscal=fiscal), lie, HANDS)
    ended: set[str] = set()

    def heard(event: Event, data: bytes) -> None:
        if isinstance(event, DocumentRegistered | DocumentUnclear):
            assert event.reference not in ended, f"{event.reference} ended twice"
            ended.add(event.reference)
        if isinstance(event, DocumentAbsent):
            assert event.reference not in ended, f"{event.reference} was registered, and is absent"

    fuzz = Fuzz(
        seed,
        protocol=lambda memories: ShtrihProtocol(memories[""], Settings(fiscal=fiscal), link=link),
        answers=device.answer,
        commands=asked_for,
        heard=heard,
        mangled=mangled,
        endless=(AwaitReady,),
        quiet_s=None,
    )
    device.clock = lambda: fuzz.now
    fuzz.play(700)
    return fuzz


@pytest.mark.parametrize("seed", range(25))
def test_anything(seed: int) -> None:
    play(seed)


@pytest.mark.parametrize("seed", range(10))
def test_anything_with_a_damaged_memory(seed: int) -> None:
    play(seed, mangled=True)
