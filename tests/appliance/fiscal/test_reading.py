"""What a request asks of a register, and every mistake of one that cannot be understood."""

import contextlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.fiscal.reading import ACTIONS, Asked, Mistakes, check_receipt, read_asked, read_receipt, round_total
from wire.money import Money
from wire.receipt import (
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
)


def asked(**body: Any) -> Asked:
    return read_asked(msgspec.json.encode(body))


def wrong(**body: Any) -> list[str]:
    with pytest.raises(Mistakes) as caught:
        asked(**body)
    return caught.value.found


COFFEE = {"name": "Coffee", "price": 15_000}
PAID = [{"tender": "cash", "amount": 15_000}]


def test_a_receipt_with_everything() -> None:
    body = {
        "kind": "sale_correction", "currency": "KZT", "tax_system": "osn", "contact": "+77010000000", "paper": False,
        "operator": {"name": "Kiosk", "tax_number": "123456789012"}, "correction_of": "2026-11-20",
        "lines": [{"name": "Milk", "price": 1_001, "quantity": "0.5", "tax": "vat12", "method": "prepayment",
                   "subject": 4, "department": 2, "total": 500}],
        "settlements": [{"tender": "electronic", "amount": 500}],
    }  # fmt: skip
    assert asked(**body) == Asked(
        action="receipt",
        receipt=Receipt(
            kind=ReceiptKind.SALE_CORRECTION, currency="KZT", tax_system=TaxSystem.GENERAL, contact="+77010000000",
            paper=False, operator=Operator("Kiosk", "123456789012"), correction_of="2026-11-20",
            lines=(Line(name="Milk", price_minor=1_001, total_minor=500, quantity=500_000, tax=Tax.VAT_12,
                        method=Method.PREPAYMENT, subject=Subject.SERVICE, department=2),),
            settlements=(Settlement(Tender.ELECTRONIC, 500),),
        ),
    )  # fmt: skip


def test_what_a_short_receipt_means() -> None:
    receipt = asked(lines=[COFFEE], settlements=PAID, currency="KZT").receipt
    assert receipt is not None
    assert receipt.kind is ReceiptKind.SALE
    assert receipt.paper
    assert receipt.lines == (Line(name="Coffee", price_minor=15_000, total_minor=15_000),)


@pytest.mark.parametrize(
    ("price", "quantity", "total"),
    [(1_001, 500_000, 501), (999, 500_000, 500), (1, 499_999, 0), (1, 500_000, 1), (333, 3_000_000, 999)],
)
def test_totals_are_rounded_half_up(price: int, quantity: int, total: int) -> None:
    assert round_total(price, quantity) == total


@given(st.integers(0, 10**9), st.integers(1, 10**11))
def test_a_total_is_never_off_by_more_than_half(price: int, quantity: int) -> None:
    exact = price * quantity
    assert abs(round_total(price, quantity) * 1_000_000 - exact) * 2 <= 1_000_000


@given(st.integers(1, 10**11))
def test_a_quantity_in_text_is_exact(millionths: int) -> None:
    text = f"{millionths // 10**6}.{millionths % 10**6:06}"
    body = {"lines": [{"name": "x", "price": 0, "quantity": text}], "currency": "KZT",
            "settlements": [{"tender": "cash", "amount": 0}]}  # fmt: skip
    assert read_receipt(body).lines[0].quantity == millionths


@pytest.mark.parametrize("quantity", [0.5, "0.5000001", "-1", 0, -1, True, "1e3", "", "0", "٣", [1], "1.", ".5"])
def test_a_quantity_that_is_none(quantity: object) -> None:
    found = check_receipt({"lines": [{**COFFEE, "quantity": quantity}], "currency": "KZT", "settlements": PAID})
    assert [mistake.partition(":")[0] for mistake in found] == ["receipt.lines[0].quantity"]
    assert 'text such as "0.5"' in found[0]


def test_every_mistake_at_once_by_its_path() -> None:
    found = wrong(
        kind="sail", currency="tenge", contact="nobody", paper="no", tax_system="x", correction_of=5, tip=1,
        operator={"tax_number": "12a"}, settlements=[{"tender": "cach", "amount": -1}, 5],
        lines=[{"name": " ", "price": 1.5, "tax": "vat99", "method": 9, "subject": "comodity", "department": 100,
                "total": "x"}, "tea", {"name": "x", "price": 100, "total": 101, "quanttiy": 1}],
    )  # fmt: skip
    assert [mistake.partition(":")[0] for mistake in found] == [
        "tip", "kind", "contact", "paper", "correction_of", "currency",
        "lines[0].name", "lines[0].price", "lines[0].total", "lines[0].department", "lines[0].tax", "lines[0].method",
        "lines[0].subject", "lines[1]", "lines[2].quanttiy", "lines[2].total",
        "settlements[0].tender", "settlements[0].amount", "settlements[1]", "tax_system",
        "operator.name", "operator.tax_number",
    ]  # fmt: skip
    words = "\n".join(found)
    for hint in ("did you mean sale?", "did you mean cash?", "did you mean quantity?", "4 full_payment", "KZT"):
        assert hint in words


def test_a_correction_needs_its_ground() -> None:
    settled = {
        "currency": "KZT",
        "lines": [{"name": "x", "price": 5}],
        "settlements": [{"tender": "cash", "amount": 5}],
    }
    (mistake,) = wrong(kind="sale_correction", **settled)
    assert mistake.startswith("correction_of: is required on a correction; right would be an order's number")
    assert asked(kind="sale_correction", correction_of="17", **settled).receipt is not None


def test_what_does_not_add_up_is_told_by_its_path() -> None:
    assert check_receipt({"lines": [COFFEE], "settlements": [{"tender": "cash", "amount": 1}], "currency": "KZT"}) == [
        "receipt.settlements: 1 paid of 15000 minor units"
    ]
    assert check_receipt({"lines": [COFFEE], "settlements": PAID, "currency": "KZT"}) == []


@pytest.mark.parametrize("body", [None, [], "receipt", 5, {}, {"lines": []}, {"lines": [None] * 501}])
def test_what_is_no_receipt(body: object) -> None:
    assert check_receipt(body, "here")
    assert all(mistake.startswith("here") for mistake in check_receipt(body, "here"))


def test_the_other_actions() -> None:
    assert asked(action="close-shift", operator={"name": "K"}) == Asked(action="close-shift", operator=Operator("K"))
    assert asked(action="z-report") == Asked(action="close-shift")
    assert asked(action="cash-in", amount=5, currency="KZT") == Asked(action="cash-in", amount=Money(5, "KZT"))
    assert asked(action="find", number=7) == Asked(action="find", number=7)
    assert asked(action="find", reference="r") == Asked(action="find", reference="r")
    assert [asked(action=action).action for action in ("x-report", "copy", "pending", "register-status")]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "action"), ({"action": "recipt"}, "action"), ({"action": 5}, "action"), ({"action": ["x"]}, "action"),
        ({"action": "copy", "number": 5}, "number"), ({"action": "find"}, "find"),
        ({"action": "find", "number": 5, "reference": "r"}, "find"), ({"action": "find", "number": 0}, "number"),
        ({"action": "find", "reference": 5}, "reference"), ({"action": "cash-in", "currency": "KZT"}, "amount"),
        ({"action": "cash-out", "amount": 0, "currency": "KZT"}, "amount"),
    ],
)  # fmt: skip
def test_mistakes_of_the_other_actions(body: dict[str, Any], path: str) -> None:
    assert [mistake.partition(":")[0] for mistake in wrong(**body)] == [path]


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b"\xff", b'{"action": "copy"'])
def test_a_body_that_is_none(body: bytes) -> None:
    with pytest.raises(Mistakes, match="body"):
        read_asked(body)


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["action", "lines", "price", "name", "kind", "settlements", "quantity", "currency", "operator"])
        | st.text(max_size=3), inner | st.sampled_from(ACTIONS), max_size=5,
    ),
))  # fmt: skip
def test_nothing_else_is_raised(body: object) -> None:
    with contextlib.suppress(Mistakes):
        read_asked(msgspec.json.encode(body))
