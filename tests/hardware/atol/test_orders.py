"""Which of the storage's new documents is the order's: only one that cannot be another's."""

import pytest

from hardware.atol.asking import Look
from hardware.atol.frames import Condition, Found, Outcome, Shift
from hardware.atol.orders import (
    Done,
    Never,
    Order,
    Unclear,
    document_of,
    error_of,
    mapping,
    order_of,
    pick,
    recalled,
    refuse_first,
)
from hardware.atol.states import TaskStatus
from hardware.errors import DeviceFault, Refused
from hardware.registers import CashIn
from wire.money import Money

SALE = Order(reference="r", type="sell", tasks=(), what="a sale", total=500)
SHIFT = Order(reference="s", type="openShift", tasks=(), what="a shift")


def receipt(number: int, total: int | None = 500, operation: int | None = 1, kind: str = "receipt") -> Found:
    return Found(number=number, type=kind, operation=operation, total_minor=total)


def shift(number: int, kind: str) -> Found:
    return Found(number=number, type=kind)


@pytest.mark.parametrize(
    ("order", "found", "kind"),
    [
        (SALE, [receipt(2)], Done),
        (SALE, [receipt(2, total=501)], Never),
        (SALE, [receipt(2, operation=2)], Never),
        (SALE, [receipt(2, kind="receiptCorrection")], Never),
        (SALE, [receipt(2, total=None)], Unclear),
        (SALE, [receipt(2, kind="")], Unclear),
        (SALE, [receipt(2), receipt(3)], Unclear),
        (SALE, [receipt(2), receipt(3, total=9)], Unclear),
        (SALE, [receipt(2), shift(3, "closeShift"), shift(4, "openShift")], Done),
        (SALE, [shift(2, "closeShift")], Never),
        (SHIFT, [shift(2, "openShift")], Done),
        (SHIFT, [shift(2, "closeShift")], Never),
        (SHIFT, [shift(2, "openShift"), receipt(3)], Done),
        (SHIFT, [shift(2, "openShift"), shift(3, "closeShift"), shift(4, "openShift")], Unclear),
    ],
)
def test_pick(order: Order, found: list[Found], kind: type[object]) -> None:
    assert isinstance(pick(order, found), kind)


@pytest.mark.parametrize(
    ("kind", "state", "code"),
    [
        ("openShift", "opened", "83"),
        ("openShift", "expired", "68"),
        ("closeShift", "closed", "73"),
        ("sell", "closed", "73"),
        ("sell", "expired", "68"),
        ("openShift", "closed", ""),
        ("closeShift", "opened", ""),
        ("closeShift", "expired", ""),
        ("sell", "opened", ""),
        ("cashIn", "closed", ""),
    ],
)
def test_the_shift_is_asked_first(kind: str, state: str, code: str) -> None:
    look = Look(Shift(state=state), 1, None, "")
    order = Order(reference="x", type=kind, tasks=(), what="")
    if not code:
        refuse_first(order, look)
        return
    with pytest.raises(Refused) as refused:
        refuse_first(order, look)
    assert refused.value.code == code


def test_paper_is_asked_first_but_for_electronic_receipts() -> None:
    for condition in (Condition(paper_present=False), Condition(cover_opened=True)):
        look = Look(None, 1, condition, "")
        with pytest.raises(DeviceFault):
            refuse_first(SALE, look)
        refuse_first(Order(reference="e", type="sell", tasks=(), what="", paper=False), look)
    refuse_first(SALE, Look(None, 1, Condition(), ""))


def test_what_an_end_without_a_document_means() -> None:
    assert isinstance(error_of(Outcome(TaskStatus.CANCELED, "canceled", 503)), DeviceFault)
    assert isinstance(error_of(Outcome(TaskStatus.INTERRUPTED, "interrupted")), DeviceFault)
    assert isinstance(error_of(Outcome(TaskStatus.ERROR, "error", 66, "x")), Refused)


def test_memories_of_anything() -> None:
    assert mapping(5) == {}
    assert mapping({1: 2}) == {"1": 2}
    assert recalled({}) is None
    assert recalled({"reference": "r", "uuid": 5}) is None
    assert document_of({"number": "x"}) is None
    order = recalled({"reference": "r", "uuid": "u", "before": True, "total": "5"})
    assert order is not None
    assert (order.before, order.total, order.late) == (None, None, True)


def test_a_digest_tells_contents_apart() -> None:
    orders = [order_of(CashIn(Money(minor, "RUB"), "r"), None, "") for minor in (1, 2, 1)]
    digests = [order.digest for order in orders if order is not None]
    assert digests[0] == digests[2] != digests[1]
    assert order_of("dance", None, "") is None
