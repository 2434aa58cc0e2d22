"""Links with a socket that only remembers: what a dead or slow one does to the others."""

import asyncio
import json
import logging
from typing import Any

import msgspec
import pytest

from cloud.kiosks.links import Link, Links
from cloud.metrics import Metrics
from wire.messages import Message, Request, Response
from wire.problems import CloseCode


class Remembering:
    """A socket."""

    def __init__(self, *, dead: bool = False) -> None:
        self.address = "192.0.2.1"
        self.sent: list[Any] = []
        self.closed: list[tuple[int, str]] = []
        self.pings = 0
        self.dead = dead

    def send(self, text: bytes, point: str) -> None:
        """Keep the message."""
        if self.dead:
            raise ConnectionError("dead")
        self.sent.append(json.loads(text))

    def ping(self) -> None:
        """Count it."""
        self.pings += 1

    def close(self, code: int, reason: str) -> None:
        """Keep the code."""
        self.closed.append((int(code), reason))


class Owner:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def kiosk_ready(self, link: Link) -> None:
        """Note it."""
        self.told.append("ready")

    def kiosk_lost(self, link: Link) -> None:
        """Note it."""
        self.told.append("lost")

    def kiosk_said(self, link: Link, message: Message) -> None:
        """Note it."""
        self.told.append(type(message).__name__)

    def orphaned(self, link: Link, request_id: str) -> None:
        """Note it."""
        self.told.append(f"orphaned {request_id}")


def make() -> tuple[Links, Owner]:
    """Links and their owner."""
    links, owner = Links(hub_name="hub", metrics=Metrics()), Owner()
    links.owner = owner
    return links, owner


HELLO = b'{"type":"hello","version":"1","boot_id":"b","journal":"j"}'


def request(request_id: str = "request-1") -> Request:
    """Any request."""
    return Request(request_id=request_id, operation="payment", body=msgspec.Raw(b"{}"))


async def test_a_kiosk_is_ready_after_hello_and_a_v1_client_at_once() -> None:
    links, owner = make()
    one = Remembering()
    link = links.opened("kiosk_001", 0, one, is_v1=False)
    assert (link.ready, owner.told) == (False, [])
    links.received(link, one, HELLO)
    assert (link.ready, owner.told, one.sent[0]["type"]) == (True, ["ready"], "welcome")
    assert links.opened("kiosk_002", 0, Remembering(), is_v1=True).ready


async def test_a_replaced_socket_is_neither_heard_nor_missed() -> None:
    links, owner = make()
    older, newer = Remembering(), Remembering()
    link = links.opened("kiosk_001", 0, older, is_v1=False)
    links.received(link, older, HELLO)
    assert links.opened("kiosk_001", 0, newer, is_v1=False) is link
    assert [code for code, _ in older.closed] == [4409]
    links.received(link, older, HELLO)
    assert not link.ready
    links.received(link, newer, HELLO)
    links.received(link, older, b'{"type":"response","request_id":"r","operation":"o","executed":"no"}')
    links.closed(link, older, 1006)
    assert (owner.told, link.socket, links.connected) == (["ready", "ready"], newer, 1)


async def test_a_dead_socket_counts_as_lost_and_is_cut() -> None:
    links, owner = make()
    socket = Remembering()
    link = links.opened("kiosk_001", 0, socket, is_v1=False)
    links.received(link, socket, HELLO)
    socket.dead = True
    assert not links.request(link, request(), 1.0)
    assert (owner.told, socket.closed, links.connected) == (["ready", "lost"], [(0, "")], 0)
    # The request waits for the next connection.
    again = Remembering()
    links.opened("kiosk_001", 0, again, is_v1=False)
    links.received(link, again, HELLO)
    assert [message["type"] for message in again.sent] == ["welcome", "request"]


async def test_a_v1_client_that_is_away_gets_a_request_neither_now_nor_later() -> None:
    links, _ = make()
    socket = Remembering()
    link = links.opened("kiosk_001", 0, socket, is_v1=True)
    links.closed(link, socket, 1006)
    assert not links.request(link, request(), 1.0)
    again = Remembering()
    links.opened("kiosk_001", 0, again, is_v1=True)
    assert again.sent == []


async def test_waiting_for_a_kiosk_ends_when_it_is_ready_or_the_time_is_over() -> None:
    links, _ = make()
    assert await links.wait_ready("never-seen", 10.0) is None
    socket = Remembering()
    link = links.opened("kiosk_001", 0, socket, is_v1=False)
    assert await links.wait_ready("kiosk_001", 0.01) is None
    waiting = [asyncio.create_task(links.wait_ready("kiosk_001", 10.0)) for _ in range(3)]
    await asyncio.sleep(0)
    links.received(link, socket, HELLO)
    assert [link] * 3 == await asyncio.gather(*waiting)
    assert not link.waiters


async def test_rubbish_is_logged_once_a_minute_and_counted_each_time(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics()
    links = Links(hub_name="hub", metrics=metrics)
    links.owner = Owner()
    socket = Remembering()
    link = links.opened("kiosk_001", 0, socket, is_v1=True)
    with caplog.at_level(logging.WARNING):
        for _ in range(100):
            links.received(link, socket, b"canary rubbish")
    assert len(caplog.records) == 1
    assert "canary" not in caplog.text
    assert metrics.registry.get_sample_value("kioskwire_kiosk_malformed_messages_total") == 100


async def test_stopping_closes_every_socket_with_1012() -> None:
    links, _ = make()
    links.start()
    sockets = [Remembering() for _ in range(3)]
    for n, socket in enumerate(sockets):
        links.opened(f"kiosk_{n}", 0, socket, is_v1=bool(n % 2))
    await links.stop()
    assert [[code for code, _ in socket.closed] for socket in sockets] == [[CloseCode.RESTARTING]] * 3


async def test_an_answer_reaches_the_owner() -> None:
    links, owner = make()
    socket = Remembering()
    link = links.opened("kiosk_001", 0, socket, is_v1=True)
    links.received(link, socket, b'{"request_id":"request-1","paid":true}')
    assert ["ready", Response.__name__] == owner.told
