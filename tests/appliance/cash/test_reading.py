"""What a request may say, and what it is told when it says something else."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.cash.reading import Wanted, read_wanted
from appliance.kinds import CashRoute
from appliance.targets import NotUnderstood

ROUTE = CashRoute(devices=("bills",), idle_timeout=60.0, overpay="change")
GOOD = {"amount": 150000, "currency": "KZT"}


def read(**fields: Any) -> Wanted:
    return read_wanted(msgspec.json.encode(fields), ROUTE, 180.0, {"KZT"})


def test_what_is_missing_is_as_the_route_says() -> None:
    assert read(**GOOD) == Wanted(
        amount=150000, currency="KZT", overpay="change", idle_timeout=60.0, timeout=180.0, reference=""
    )


def test_other_fields_are_nobodys_here() -> None:
    assert read(**GOOD, receipt={"lines": []}, x=1) == read(**GOOD)


@pytest.mark.parametrize(("name", "meant"), [("idle_timout", "idle_timeout"), ("overpaid", "overpay")])
def test_a_slip_of_the_pen_is_told(name: str, meant: str) -> None:
    with pytest.raises(NotUnderstood, match=f'"{name}" is not known; did you mean {meant}'):
        read(**GOOD, **{name: 5})


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"amount": True}, "amount: true"),
        ({"amount": 1500.0}, "amount: 1500.0"),
        ({"amount": "150000"}, 'amount: "150000"'),
        ({"amount": 0}, "amount: 0"),
        ({"amount": -5}, "amount: -5"),
        ({"amount": 10**30}, "amount: 1"),
        ({"amount": None}, "amount: null"),
        ({"currency": "kzt"}, 'currency: "kzt"'),
        ({"currency": 398}, "currency: 398"),
        ({"currency": "EUR"}, "do not take EUR; right would be KZT"),
        ({"currency": "K1T"}, "K1T"),
        ({"overpay": "all"}, "change, keep, refuse"),
        ({"overpay": ["change"]}, "change, keep, refuse"),
        ({"timeout": 181}, "1 to 180"),
        ({"timeout": True}, "timeout: true"),
        ({"idle_timeout": 0}, "idle_timeout: 0"),
        ({"idle_timeout": "60"}, 'idle_timeout: "60"'),
        ({"reference": 7}, "reference: 7"),
        ({"reference": "x" * 201}, "200"),
    ],
)
def test_a_mistake_is_told_with_what_would_be_right(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(NotUnderstood, match=r"right would be|is none of") as refused:
        read(**{**GOOD, **fields})
    assert words in str(refused.value)


def test_all_of_them_at_once() -> None:
    with pytest.raises(NotUnderstood) as refused:
        read(overpay=1, timeout=-1)
    assert [part.split(":")[0] for part in str(refused.value).split("; ") if ":" in part] == [
        "amount", "currency", "overpay", "timeout",
    ]  # fmt: skip


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b'"x"', b"\xff"])
def test_what_is_no_object(body: bytes) -> None:
    with pytest.raises(NotUnderstood):
        read_wanted(body, ROUTE, 180.0, set())


@given(st.dictionaries(st.sampled_from(["amount", "currency", "overpay", "timeout", "reference"]), st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(),
    st.lists(st.integers()),
)))  # fmt: skip
def test_whatever_it_says_it_is_read_or_refused(fields: dict[str, Any]) -> None:
    try:
        wanted = read(**fields)
    except NotUnderstood:
        return
    assert type(wanted.amount) is int
    assert wanted.amount > 0
    assert 1 <= wanted.timeout <= 180
