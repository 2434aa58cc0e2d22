"""What answers to a status query mean."""

import msgspec
import pytest

from appliance.gateways import Answered, NeverGot
from appliance.gateways.answer import wrap
from appliance.operations.inquiry import read_answer
from tests.appliance.worlds import status

QUERY = status("http://h", absent_after=35.0, pending_field="state.name", pending_values=("pending", "true"))


def answer(code: int, body: bytes = b"{}") -> Answered:
    return Answered(code, msgspec.Raw(body))


def test_an_answer_that_is_not_pending_is_the_outcome() -> None:
    found = answer(200, b'{"state":{"name":"approved"}}')
    assert read_answer(QUERY, found, 0.0).outcome == found


@pytest.mark.parametrize("body", [b'{"state":{"name":"pending"}}', b'{"state":{"name":true}}'])
def test_a_pending_answer_is_none_yet(body: bytes) -> None:
    assert read_answer(QUERY, answer(200, body), 1e9).outcome is None


@pytest.mark.parametrize("content", [b"", b"<html>starting up</html>", b'{"state":{"name":"pend', b"\xff{}", b"[]"])
def test_what_is_no_object_cannot_say_that_it_is_not_pending(content: bytes) -> None:
    assert read_answer(QUERY, answer(200, bytes(wrap(content, "text/html"))), 1e9).outcome is None
    plain = status("http://h")  # where nothing is pending a gateway's text is an answer
    assert read_answer(plain, answer(200, bytes(wrap(content, "text/html"))), 0.0).outcome is not None


@pytest.mark.parametrize("body", [b'{"done":true}', b'{"raw":"approved"}'])
def test_an_object_without_the_field_is_not_pending(body: bytes) -> None:
    assert read_answer(QUERY, answer(200, body), 0.0).outcome is not None


@pytest.mark.parametrize("code", [302, 401, 500, 503])
def test_other_statuses_say_nothing(code: int) -> None:
    assert read_answer(QUERY, answer(code), 1e9).outcome is None


def test_absent_is_believed_only_when_the_gateway_cannot_be_at_work_any_more() -> None:
    assert read_answer(QUERY, answer(404), 34.9).outcome is None
    assert isinstance(read_answer(QUERY, answer(404), 35.0).outcome, NeverGot)
