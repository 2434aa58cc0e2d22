"""A connection that waits for another's answer."""

import pytest

from cloud.kiosks.identity import Box
from cloud.kiosks.newcomer import Newcomer, box_of
from wire.messages import MESSAGE_MAX_BYTES, Hello, Malformed


class Nothing:
    """A socket that does nothing."""

    address = "192.0.2.1"

    def send(self, text: bytes, point: str) -> None:
        """Nothing."""

    def ping(self, data: bytes) -> None:
        """Nothing."""

    def proves(self, hello: Hello) -> bool:
        """No key is asked for."""
        return True

    def close(self, code: int, reason: str) -> None:
        """Nothing."""


HELLO = '{"type":"hello","version":"1","boot_id":"b","journal":"j","uptime":3}'


def test_it_tells_who_it_is_once() -> None:
    newcomer = Newcomer(Nothing(), 0, 10.0, is_v1=False)
    assert not newcomer.hear('{"type":"of-a-later-version"}', 11.0)
    with pytest.raises(Malformed, match="before hello"):
        newcomer.hear('{"type":"accepted","request_id":"r"}', 11.0)
    with pytest.raises(Malformed):
        newcomer.hear(b"\xff", 11.0)
    assert newcomer.hear(HELLO, 11.0)
    assert newcomer.box == Box(address="192.0.2.1", since=8.0, journal="j", boot_id="b")
    assert not newcomer.hear(HELLO, 12.0)
    assert newcomer.said == [HELLO, HELLO]


def test_a_v1_client_is_known_by_its_address() -> None:
    newcomer = Newcomer(Nothing(), 0, 10.0, is_v1=True)
    assert newcomer.box == Box(address="192.0.2.1", since=10.0, is_v1=True)
    assert not newcomer.hear("anything", 11.0)
    assert newcomer.said == ["anything"]


def test_what_it_says_is_kept_up_to_a_bound() -> None:
    newcomer = Newcomer(Nothing(), 0, 10.0, is_v1=True)
    for _ in range(1000):
        newcomer.hear("x", 11.0)
    assert len(newcomer.said) == 64
    large = Newcomer(Nothing(), 0, 10.0, is_v1=True)
    for _ in range(10):
        large.hear("x" * MESSAGE_MAX_BYTES, 11.0)
    assert len(large.said) == 2


def test_a_run_that_says_it_began_in_the_future_begins_now() -> None:
    assert box_of("a", Hello(version="1", boot_id="b", uptime=-5.0), 10.0).since == 10.0
