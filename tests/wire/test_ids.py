"""Names that travel are parsed strictly."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.ids import (
    parse_idempotency_key,
    parse_kiosk_id,
    parse_method,
    parse_operation,
    parse_request_id,
)


@pytest.mark.parametrize("text", ["k", "kiosk_001", "7", "Almaty.shop-3:left", "a" * 64])
def test_kiosk_ids_that_are_taken(text: str) -> None:
    assert parse_kiosk_id(text) == text


@pytest.mark.parametrize("text", ["", "_k", ".", "a" * 65, "kiosk 1", "киоск", "k/1", "k\r\nX: y", "k\n", "k\x00", "٣"])
def test_kiosk_ids_that_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a kiosk id is 1 to 64"):
        parse_kiosk_id(text)


@pytest.mark.parametrize("text", ["payment", "fiscal.z-report_2", "a" * 64])
def test_operations_that_are_taken(text: str) -> None:
    assert parse_operation(text) == text


@pytest.mark.parametrize("text", ["", "pay ment", "../payment", "pay:ment", "payment\n", "a" * 65])
def test_operations_that_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="an operation type is 1 to 64"):
        parse_operation(text)


@pytest.mark.parametrize("text", ["12345678", "0b5f9f4e-6f2b-4a39-9a1c-0123456789ab", "a" * 64])
def test_request_ids_that_are_taken(text: str) -> None:
    assert parse_request_id(text) == text


@pytest.mark.parametrize("text", ["", "1234567", "-2345678", "a" * 65, "12345678.", "12345678\n"])
def test_request_ids_that_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a request id is 8 to 64"):
        parse_request_id(text)


@pytest.mark.parametrize(("text", "method"), [("GET", "GET"), ("post", "POST"), ("Get", "GET")])
def test_methods_are_taken_in_any_case(text: str, method: str) -> None:
    assert parse_method(text) == method


@pytest.mark.parametrize("text", ["", "PUT", "DELETE", "POST ", "GET\r\n"])
def test_other_methods_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="the method is GET or POST"):
        parse_method(text)


@pytest.mark.parametrize("text", ["k", "order 17 / attempt 1", "~" * 255])
def test_idempotency_keys_that_are_taken(text: str) -> None:
    assert parse_idempotency_key(text) == text


@pytest.mark.parametrize("text", ["", "x" * 256, "ключ", "a\tb", "a\nb", "a\x7f"])
def test_idempotency_keys_that_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="an Idempotency-Key is 1 to 255"):
        parse_idempotency_key(text)


@given(st.text())
def test_nothing_that_could_end_a_header_or_a_path_gets_through(text: str) -> None:
    for parse in (parse_kiosk_id, parse_operation, parse_request_id):
        try:
            parsed = parse(text)
        except ValueError:
            continue
        assert parsed.isascii()
        assert not set(parsed) & set("\r\n\0/\\ ?#%\"'<>")
