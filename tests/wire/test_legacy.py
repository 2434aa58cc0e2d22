"""The first dialect, byte for byte as clients in the field speak it."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.legacy import decode_answer, encode_request
from wire.messages import Executed, Malformed, Request


def test_a_request_as_v1_clients_read_it() -> None:
    request = Request(
        request_id="req-0001",
        operation="payment",
        method="POST",
        body=msgspec.Raw(b'{"order_id":"A1","sum":100.50}'),
        start_within=12.0,
    )
    assert encode_request("kiosk_001", request) == (
        b'{"request_id":"req-0001","headers":{"header-kiosk-id":"kiosk_001",'
        b'"header-operation-type":"payment","header-http-method":"POST"},'
        b'"body":{"order_id":"A1","sum":100.50}}'
    )


def test_an_answer_is_the_gateways_without_the_request_id() -> None:
    response = decode_answer('{"status":"success","request_id":"req-0001","sum":100.50}')
    assert response.request_id == "req-0001"
    assert response.executed is Executed.YES
    assert response.status == 200
    assert bytes(response.body) == b'{"status":"success","sum":100.50}'


def test_an_answers_numbers_are_not_rounded() -> None:
    response = decode_answer(b'{"request_id":"req-0001","n":12345678901234567890123,"f":0.1000}')
    assert bytes(response.body) == b'{"n":12345678901234567890123,"f":0.1000}'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{}", "request_id is missing"),
        ('{"request_id":7}', "answer: "),
        ('{"request_id":null}', "answer: "),
        ("[]", "answer: "),
        ("", "answer: "),
        (b"\xff", "answer: "),
        (b'{"request_id":"req-0001","a":' + b"[" * 100_000, "answer: "),
    ],
)
def test_what_is_no_answer_is_malformed(text: str | bytes, words: str) -> None:
    with pytest.raises(Malformed, match=words):
        decode_answer(text)


@given(st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text()))
def test_any_flat_object_comes_through(fields: dict[str, object]) -> None:
    expected = {name: value for name, value in fields.items() if name != "request_id"}
    response = decode_answer(json.dumps({**fields, "request_id": "req-0001"}))
    assert json.loads(bytes(response.body)) == expected
