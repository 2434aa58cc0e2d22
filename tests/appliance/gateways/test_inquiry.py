"""What answers to a status query mean."""

import asyncio
import time
from typing import Any

import msgspec
import pytest

from appliance.gateways import Answered, NeverGot
from appliance.gateways.answer import wrap
from appliance.gateways.inquiry import inquire, read_answer
from appliance.routes import StatusQuery
from tests.appliance.supervisor.yard import virtual
from tests.appliance.worlds import route, status

QUERY = status("http://h", absent_after=35.0, pending_field="state.name", pending_values=("pending", "true"))


def judge(query: StatusQuery, found: Answered, lost_ago: float, *, absent_before: bool = True) -> object:
    return read_answer(query, found, lost_ago, absent_before=absent_before).outcome


def answer(code: int, body: bytes = b"{}") -> Answered:
    return Answered(code, msgspec.Raw(body))


def test_an_answer_that_is_not_pending_is_the_outcome() -> None:
    found = answer(200, b'{"state":{"name":"approved"}}')
    assert judge(QUERY, found, 0.0) == found


@pytest.mark.parametrize("body", [b'{"state":{"name":"pending"}}', b'{"state":{"name":true}}'])
def test_a_pending_answer_is_none_yet(body: bytes) -> None:
    assert judge(QUERY, answer(200, body), 1e9) is None


@pytest.mark.parametrize("content", [b"", b"<html>starting up</html>", b'{"state":{"name":"pend', b"\xff{}", b"[]"])
def test_what_is_no_object_cannot_say_that_it_is_not_pending(content: bytes) -> None:
    found = answer(200, bytes(wrap(content, "text/html")))
    assert judge(QUERY, found, 1e9) is None
    plain = status("http://h")  # where nothing is pending a gateway's text is an answer
    assert judge(plain, found, 0.0) == found


@pytest.mark.parametrize("body", [b'{"done":true}', b'{"raw":"approved"}'])
def test_an_object_without_the_field_is_not_pending(body: bytes) -> None:
    assert judge(QUERY, answer(200, body), 0.0) is not None


@pytest.mark.parametrize("code", [302, 401, 500, 503])
def test_other_statuses_say_nothing(code: int) -> None:
    assert judge(QUERY, answer(code), 1e9) is None


def test_absent_is_believed_only_when_the_gateway_cannot_be_at_work_any_more() -> None:
    assert judge(QUERY, answer(404), 34.9) is None
    assert isinstance(judge(QUERY, answer(404), 35.0), NeverGot)


def test_absent_is_not_believed_when_it_is_said_once() -> None:
    assert judge(QUERY, answer(404), 1e9, absent_before=False) is None


@virtual
async def test_an_absence_that_was_said_early_and_heard_late_is_not_believed() -> None:
    """The kiosk stands still while an answer lies there; meanwhile the gateway does what it was asked for."""
    acts_at = time.monotonic() + 30.0
    found = answer(200, b'{"paid":1}')

    class Slow:
        async def ask(self, *_: object) -> Answered:
            said = found if time.monotonic() >= acts_at else answer(404)
            await asyncio.sleep(20.0)
            return said

    asked: Any = Slow()
    where = route("http://h", status=status("http://h", params={}, absent_after=35.0))
    assert await inquire(asked, lambda: where, b"{}", request_id="r") == found
