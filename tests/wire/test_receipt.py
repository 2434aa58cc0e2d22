"""A receipt that no register would take is known before one is asked."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.receipt import (
    QUANTITY_ONE,
    FiscalDocument,
    Line,
    Method,
    Operator,
    Receipt,
    ReceiptKind,
    Settlement,
    Subject,
    Tax,
    TaxSystem,
    Tender,
    mistakes,
)

COFFEE = Line(name="Кофе", price_minor=50000, total_minor=50000)


def receipt(*settlements: Settlement, lines: tuple[Line, ...] = (COFFEE,)) -> Receipt:
    return Receipt(kind=ReceiptKind.SALE, currency="KZT", lines=lines, settlements=settlements)


def test_a_sale_for_cash_with_change_is_right() -> None:
    sold = receipt(Settlement(Tender.CASH, 100000))
    assert mistakes(sold) == []
    assert (sold.total_minor, sold.paid_minor) == (50000, 100000)


def test_a_sale_paid_in_two_ways_is_right() -> None:
    assert mistakes(receipt(Settlement(Tender.ELECTRONIC, 30000), Settlement(Tender.CASH, 20000))) == []


def test_a_line_without_price_is_right() -> None:
    """A gift stands on the receipt at nothing."""
    gift = Line(name="Сахар", price_minor=0, total_minor=0)
    assert mistakes(receipt(Settlement(Tender.CASH, 50000), lines=(COFFEE, gift))) == []


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (receipt(), ["settlements: 0 paid of 50000 minor units"]),
        (receipt(Settlement(Tender.ELECTRONIC, 49999)), ["settlements: 49999 paid of 50000 minor units"]),
        (
            receipt(Settlement(Tender.ELECTRONIC, 50001)),
            ["settlements: 50001 paid without cash for 50000; only cash gives change"],
        ),
        (
            receipt(Settlement(Tender.ELECTRONIC, 60000), Settlement(Tender.CASH, 10000)),
            ["settlements: 60000 paid without cash for 50000; only cash gives change"],
        ),
        (receipt(lines=()), ["lines: a receipt has at least one"]),
        (
            receipt(
                Settlement(Tender.CASH, 1),
                Settlement(Tender.CASH, -1),
                lines=(Line(name=" ", price_minor=-1, total_minor=0, quantity=0),),
            ),
            [
                "lines[0].name: is empty",
                "lines[0].quantity: is 0 millionths, must be above 0",
                "lines[0]: a price or total below 0; a return is a receipt of its own kind",
                "settlements[1].minor: is below 0",
            ],
        ),
    ],
)
def test_everything_that_is_wrong_is_told(wrong: Receipt, words: list[str]) -> None:
    assert mistakes(wrong) == words


lines = st.builds(
    Line,
    name=st.text(min_size=1, max_size=20),
    price_minor=st.integers(0, 10**9),
    total_minor=st.integers(0, 10**9),
    quantity=st.integers(1, 1000 * QUANTITY_ONE),
    tax=st.sampled_from(Tax),
    method=st.sampled_from(Method),
    subject=st.sampled_from(Subject),
    department=st.integers(1, 16),
)
receipts = st.builds(
    Receipt,
    kind=st.sampled_from(ReceiptKind),
    currency=st.sampled_from(["KZT", "RUB"]),
    lines=st.lists(lines, max_size=4).map(tuple),
    settlements=st.lists(st.builds(Settlement, st.sampled_from(Tender), st.integers(-1, 10**9)), max_size=3).map(tuple),
    tax_system=st.none() | st.sampled_from(TaxSystem),
    contact=st.text(max_size=20),
    operator=st.none() | st.builds(Operator, st.text(max_size=20), st.text(max_size=12)),
    paper=st.booleans(),
    correction_of=st.text(max_size=10),
)


@given(receipts)
def test_a_receipt_travels_whole(one: Receipt) -> None:
    assert one == msgspec.json.decode(msgspec.json.encode(one), type=Receipt)
    assert one == msgspec.convert(msgspec.to_builtins(one), Receipt)


@given(receipts)
def test_money_is_conserved_in_what_is_right(one: Receipt) -> None:
    """What is paid covers the total, and no more change is owed than there was cash."""
    if mistakes(one):
        return
    cash = sum(part.minor for part in one.settlements if part.tender is Tender.CASH)
    assert 0 <= one.paid_minor - one.total_minor <= cash


def test_a_document_of_an_older_version_is_still_read() -> None:
    assert msgspec.convert({"number": 7}, FiscalDocument) == FiscalDocument(number=7)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({}, FiscalDocument)
