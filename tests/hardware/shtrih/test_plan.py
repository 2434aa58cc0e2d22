"""A receipt in the register's own words, and what is refused before anything is sent."""

import datetime
from typing import Any

import msgspec
import pytest

from hardware.errors import Refused
from hardware.shtrih.plan import Settings, cashier_tags, plan
from hardware.shtrih.tags import split
from tests.hardware.shtrih.schedules import receipt
from wire.receipt import Line, Operator, Receipt, ReceiptKind, Settlement, Tax, TaxSystem, Tender

FN = Settings()
BASE = Settings(fiscal="base")


def test_more_than_five_bytes_in_all_is_refused() -> None:
    asked = one(price_minor=1 << 39, total_minor=1 << 39)
    parts = (Settlement(Tender.CASH, 1 << 39), Settlement(Tender.ELECTRONIC, 1 << 39))
    with pytest.raises(Refused, match="more than a register can count"):
        plan(msgspec.structs.replace(asked, lines=asked.lines * 2, settlements=parts), FN)


def one(**changes: Any) -> Receipt:
    line = Line(**{"name": "Кофе", "price_minor": 1000, "total_minor": 1000, **changes})
    return Receipt(
        kind=ReceiptKind.SALE,
        currency="RUB",
        lines=(line,),
        settlements=(Settlement(Tender.CASH, line.total_minor),),
    )


def test_a_sale() -> None:
    made = plan(receipt(), FN)
    assert [step.command for step in (*made.before, *made.lines, *made.tags, made.close)] == [
        "open", "operation_v2", "operation_v2", "fn_tlv", "close_v2",
    ]  # fmt: skip
    assert made.before[0].values == {"type": 0}
    assert made.lines[1].values == {
        "type": 1, "quantity": 3_000_000, "price": 1333, "sum": 3999, "tax_sum": None, "tax": 4, "department": 1,
        "method": 4, "object": 1, "name": "Сахар",
    }  # fmt: skip
    assert list(split(bytes(made.tags[0].values["tlv"]))) == [(1008, b"buyer@example.org")]  # type: ignore[call-overload]
    assert made.close.values == {"sum1": 20000, "tax_system": 0}


@pytest.mark.parametrize(
    ("kind", "opened", "entered"),
    [
        (ReceiptKind.SALE, 0, 1),
        (ReceiptKind.PURCHASE, 1, 3),
        (ReceiptKind.SALE_RETURN, 2, 2),
        (ReceiptKind.PURCHASE_RETURN, 3, 4),
    ],
)
def test_a_return_is_2_for_one_command_and_another_for_the_other(kind: ReceiptKind, opened: int, entered: int) -> None:
    made = plan(receipt(kind), FN)
    assert (made.before[0].values["type"], made.lines[0].values["type"]) == (opened, entered)


@pytest.mark.parametrize(
    ("tender", "place"),
    [(Tender.CASH, 1), (Tender.ELECTRONIC, 2), (Tender.PREPAID, 14), (Tender.CREDIT, 15), (Tender.OTHER, 16)],
)
def test_every_way_of_payment_has_its_place(tender: Tender, place: int) -> None:
    paid = msgspec.structs.replace(one(), settlements=(Settlement(tender, 400), Settlement(tender, 600)))
    assert plan(paid, FN).close.values[f"sum{place}"] == 1000


def test_a_discount_is_in_the_price() -> None:
    made = plan(one(price_minor=1000, quantity=3_000_000, total_minor=2700), FN)
    assert (made.lines[0].values["price"], made.lines[0].values["sum"]) == (900, 2700)


def test_a_total_that_no_price_gives_is_refused() -> None:
    with pytest.raises(Refused, match=r"lines\[0\].total_minor"):
        plan(one(price_minor=1000, quantity=1_000_000_000, total_minor=500_400), FN)


def test_a_rate_without_a_group_is_refused_and_not_guessed() -> None:
    with pytest.raises(Refused, match="no tax group is set for vat22"):
        plan(one(tax=Tax.VAT_22), FN)
    assert plan(one(tax=Tax.VAT_22), Settings(taxes={Tax.VAT_22: 1})).lines[0].values["tax"] == 1


def test_taxation_is_the_receipts_or_the_settings() -> None:
    by_settings = Settings(tax_system=TaxSystem.PATENT)
    assert plan(one(), by_settings).close.values["tax_system"] == 32
    named = msgspec.structs.replace(one(), tax_system=TaxSystem.SIMPLIFIED_INCOME)
    assert plan(named, by_settings).close.values["tax_system"] == 2


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"currency": "KZT"}, "counts RUB, not KZT"),
        ({"lines": ()}, "at least one"),
        ({"contact": "қ@b.kz"}, "has no place in CP866"),
        ({"operator": Operator("Қанат")}, "operator.name"),
    ],
)
def test_what_it_cannot_take_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        plan(msgspec.structs.replace(one(), **changes), FN)


def test_a_name_of_letters_that_cp1251_lacks_is_refused() -> None:
    with pytest.raises(Refused, match="cp1251"):
        plan(one(name="Қымыз"), FN)


def test_a_cashier() -> None:
    (step,) = cashier_tags(Operator("Иванов", "123456789012"))
    assert [tag for tag, _ in split(bytes(step.values["tlv"]))] == [1021, 1203]  # type: ignore[call-overload]
    assert cashier_tags(None) == ()


def test_a_correction_stands_on_a_day_or_an_order() -> None:
    asked = msgspec.structs.replace(one(tax=Tax.VAT_20), kind=ReceiptKind.SALE_CORRECTION, correction_of="2026-11-20")
    made = plan(asked, FN)
    assert [step.command for step in (*made.before, *made.tags, made.close)] == [
        "correction_begin", "fn_tlv", "correction_v2",
    ]  # fmt: skip
    assert made.close.values == {
        "correction_type": 0,
        "type": 1,
        "sum": 1000,
        "tax_system": 0,
        "cash": 1000,
        "tax1": 167,
    }
    ground = dict(split(dict(split(bytes(made.tags[0].values["tlv"])))[1174]))  # type: ignore[call-overload]
    assert int.from_bytes(ground[1178], "little") == 1795132800
    by_order = msgspec.structs.replace(asked, correction_of="A-17")
    ground = dict(
        split(dict(split(bytes(plan(by_order, FN, datetime.date(2026, 11, 20)).tags[0].values["tlv"])))[1174])  # type: ignore[call-overload]
    )
    assert (ground[1179], int.from_bytes(ground[1178], "little")) == (b"A-17", 1795132800)
    with pytest.raises(Refused, match="needs its ground"):
        plan(msgspec.structs.replace(asked, correction_of=""), FN)
    with pytest.raises(Refused, match="gives no change"):
        plan(msgspec.structs.replace(asked, settlements=(Settlement(Tender.CASH, 2000),)), FN)
    with pytest.raises(Refused, match="makes no corrections"):
        plan(asked, BASE)


def test_a_register_without_a_storage() -> None:
    made = plan(one(quantity=2_500_000, total_minor=2500, tax=Tax.VAT_20), BASE)
    assert made.lines[0].command == "sale"
    assert made.lines[0].values == {"quantity": 2500, "price": 1000, "department": 1, "tax1": 1, "text": "Кофе"}
    assert made.close.command == "close_extended"
    with pytest.raises(Refused, match="thousandths"):
        plan(one(quantity=500, total_minor=1), BASE)
    with pytest.raises(Refused, match="reckons it itself"):
        plan(one(quantity=3_000_000, total_minor=2999), BASE)
    with pytest.raises(Refused, match="four groups"):
        plan(one(tax=Tax.VAT_12), BASE)
