"""What is asked of a Kaspi terminal is understood, or refused with everything that is wrong with it."""

from typing import Any

import msgspec
import pytest

from appliance.gateways.kaspi_pos_wish import Wish, read_wish
from appliance.targets import NotUnderstood


def read(body: Any, unit: str = "tenge") -> Wish:
    return read_wish(msgspec.json.encode(body), unit)


def mistakes(body: Any, unit: str = "tenge") -> list[str]:
    with pytest.raises(NotUnderstood) as caught:
        read(body, unit)
    return str(caught.value).split("; ")


def test_a_payment_needs_an_amount_and_its_currency() -> None:
    wish = read({"amount": 125000, "currency": "KZT", "order_id": "A1", "receipt": {"lines": []}})
    assert wish == Wish(action="payment", amount=125000)
    assert (wish.amount_in("tenge"), wish.amount_in("tiyn")) == ("1250", "125000")


def test_a_refund_names_what_is_given_back() -> None:
    body = {"action": "refund", "amount": 100, "currency": "KZT", "method": "card", "transaction_id": 600000000001}
    assert read(body) == Wish(action="refund", amount=100, method="card", transaction_id="600000000001")


def test_every_mistake_is_told_at_once() -> None:
    told = "; ".join(mistakes({"action": "refund", "amount": 12.5, "currency": "RUB", "transactionid": "1"}))
    assert "amount=12.5: right would be a whole number of tiyn" in told
    assert "currency=RUB: a Kaspi terminal takes tenge alone; right would be KZT" in told
    assert "method: is missing; right would be how it was paid, one of qr, card, alaqan" in told
    assert "transaction_id: is missing" in told
    assert "transactionid: is not known; did you mean transaction_id?" in told


@pytest.mark.parametrize("amount", [0, -100, True, "100", 1.0, None, 10**18, [100], {"minor": 1}])
def test_what_is_no_amount(amount: object) -> None:
    assert mistakes({"amount": amount, "currency": "KZT"})[0].startswith("amount")


def test_half_a_tenge_is_refused_where_the_terminal_counts_in_tenge() -> None:
    told = "; ".join(mistakes({"amount": 125050, "currency": "KZT"}))
    assert told == (
        "amount=125050: is 1250 tenge and 50 tiyn, and this terminal counts in whole tenge; "
        "right would be 125000 or 125100"
    )
    assert read({"amount": 125050, "currency": "KZT"}, "tiyn").amount_in("tiyn") == "125050"


def test_currency_is_never_guessed() -> None:
    assert mistakes({"amount": 100}) == ["currency: is missing", "right would be KZT"]


@pytest.mark.parametrize("action", ["pay", "", 1, None, ["payment"]])
def test_actions_that_there_are(action: object) -> None:
    assert "right would be one of payment, refund, status, device, register" in mistakes({"action": action})[0]


@pytest.mark.parametrize("process", ["", "a b", "1&amount=5", "é", "x" * 65, 1.5, None])
def test_a_process_id_cannot_carry_parameters(process: object) -> None:
    assert mistakes({"action": "status", "process_id": process})[0].startswith("process_id")


@pytest.mark.parametrize("body", [b"[]", b"{", b"\xff", b'"x"', b"{" * 100000])
def test_what_is_no_object(body: bytes) -> None:
    with pytest.raises(NotUnderstood, match="not a JSON object"):
        read_wish(body, "tenge")
