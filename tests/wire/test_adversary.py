"""What an adversary tried against the conversation, and what happens instead."""

import json
from typing import Any

import msgspec
import pytest

from wire.messages import Hello, Malformed, Request, decode_from_kiosk, encode
from wire.problems import CloseCode
from wire.session import REPEAT_AFTER, Close, Heard, HubSession, Orphaned, Send


def hello(journal: str) -> bytes:
    return encode(Hello(version="1", boot_id="boot-1", journal=journal))


def test_a_kiosk_that_changes_its_journal_on_one_connection_is_asked_nothing_under_the_new_one() -> None:
    session = HubSession()
    session.opened(0.0)
    session.received(hello("journal-1"), 0.0)
    session.welcome("hub", 0.0, 0.0)
    session.request(Request(request_id="request-1", operation="payment"), 100.0, 0.0)
    (closed,) = session.received(hello("journal-2"), 1.0)
    assert isinstance(closed, Close)
    assert closed.code == CloseCode.NO_HELLO
    session.closed()
    assert session.tick(REPEAT_AFTER + 2) == []
    session.opened(30.0)
    session.received(hello("journal-2"), 30.0)
    assert session.welcome("hub", 30.0, 30.0)[1:] == [Orphaned("request-1")]


def test_a_kiosk_may_announce_itself_anew_under_the_same_journal() -> None:
    session = HubSession()
    session.opened(0.0)
    session.received(hello("journal-1"), 0.0)
    (heard,) = session.received(msgspec.json.encode({**msgspec.json.decode(hello("journal-1")), "routes": ["x"]}), 1.0)
    assert isinstance(heard, Heard)
    session.request(Request(request_id="request-1", operation="payment"), 100.0, 0.0)
    assert [type(action) for action in session.tick(REPEAT_AFTER + 2)] == [Send]


@pytest.mark.parametrize(
    "more",
    [
        {"journal": "j" * 65},
        {"version": "1" * 256},
        {"boot_id": "b" * 256},
        {"routes": [""] * 1001},
        {"routes": ["r" * 256]},
        {"devices": [{"name": "d"}] * 1001},
        {"devices": [{"name": "d", "state": "s" * 256}]},
    ],
)
def test_what_a_kiosk_says_of_itself_is_bounded(more: dict[str, Any]) -> None:
    told = {"type": "hello", "version": "1", "boot_id": "b", "routes": ["r" * 64] * 1000, "journal": "j" * 64}
    assert isinstance(decode_from_kiosk(json.dumps(told)), Hello)
    with pytest.raises(Malformed, match="hello: Expected"):
        decode_from_kiosk(json.dumps({**told, **more}))
