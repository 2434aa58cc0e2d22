"""Links with a socket that only remembers: what a dead or slow one does to the others."""

import asyncio
import json
import logging
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from cloud.kiosks.links import Link, Links
from cloud.metrics import Metrics
from tests.cloud.hub import until
from wire.messages import Hello, Message, Request, Response
from wire.problems import CloseCode
from wire.session import Ping


class Remembering:
    """A socket."""

    def __init__(self, *, dead: bool = False) -> None:
        self.address = "192.0.2.1"
        self.sent: list[Any] = []
        self.closed: list[tuple[int, str]] = []
        self.pings: list[bytes] = []
        self.dead = dead

    def send(self, text: bytes, point: str) -> None:
        """Keep the message."""
        if self.dead:
            raise ConnectionError("dead")
        self.sent.append(json.loads(text))

    def ping(self, data: bytes) -> None:
        """Keep its data."""
        self.pings.append(data)

    def proves(self, hello: Hello) -> bool:
        """No key is asked for."""
        return True

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
    assert (older.closed, link.ready) == ([], True)
    links.received(link, newer, HELLO)
    assert [code for code, _ in older.closed] == [4409]
    links.received(link, older, HELLO)
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


# Two boxes.


def hello(boot_id: str = "b", journal: str = "j", uptime: float = 0.0) -> bytes:
    """Another one's hello."""
    return json.dumps(
        {"type": "hello", "version": "1", "boot_id": boot_id, "journal": journal, "uptime": uptime}
    ).encode()


def here(links: Links, address: str = "192.0.2.1") -> tuple[Link, Remembering]:
    """A kiosk that serves."""
    socket = Remembering()
    socket.address = address
    link = links.opened("kiosk_001", 0, socket, is_v1=False)
    links.received(link, socket, HELLO)
    return link, socket


def arrive(links: Links, text: bytes = b"", address: str = "198.51.100.7") -> tuple[Link, Remembering]:
    """A newcomer, which says this."""
    socket = Remembering()
    socket.address = address
    link = links.opened("kiosk_001", 0, socket, is_v1=not text)
    if text:
        links.received(link, socket, text)
    return link, socket


@pytest.mark.parametrize(("text", "code"), [(hello("c", "k"), 4410), (hello("c"), 4411), (b"", 4410)])
async def test_the_one_that_answers_stays_and_the_newcomer_is_refused(
    text: bytes, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    links, owner = make()
    link, one = here(links)
    _, two = arrive(links, text)
    assert (two.closed, len(one.pings)) == ([], 1)
    with caplog.at_level(logging.ERROR):
        links.heard(link, one, one.pings[0])
    assert [told for told, _ in two.closed] == [code]
    assert (one.closed, link.socket, link.ready, owner.told) == ([], one, True, ["ready"])
    assert (links.duplicated, links.connected) == (1, 1)
    [record] = caplog.records
    assert (record.kiosk, record.address, record.other_address) == ("kiosk_001", "192.0.2.1", "198.51.100.7")  # type: ignore[attr-defined]
    # Said once a minute, however often it tries.
    arrive(links, text)
    with caplog.at_level(logging.ERROR):
        links.heard(link, one, one.pings[-1])
    assert len(caplog.records) == 1


async def test_only_the_answer_to_the_question_counts() -> None:
    links, _ = make()
    link, one = here(links)
    links.perform(link, [Ping()])
    _, two = arrive(links, hello("c", "k"))
    links.heard(link, one, one.pings[0])  # asked before the newcomer came
    links.heard(link, one, b"")
    assert two.closed == []
    links.heard(link, one, one.pings[1])
    assert [code for code, _ in two.closed] == [4410]


async def test_a_newcomer_takes_over_from_one_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloud.kiosks.links.ANSWER_WITHIN", 0.01)
    links, owner = make()
    link, one = here(links)
    links.request(link, request(), links.now() + 30)
    _, two = arrive(links, hello("c"))
    await until(lambda: one.closed)
    assert [code for code, _ in one.closed] == [4409]
    assert ([message["type"] for message in two.sent], owner.told) == (["welcome", "request"], ["ready", "ready"])
    heard_at = link.heartbeat.heard_at
    await asyncio.sleep(0.01)
    links.heard(link, one, one.pings[0])
    assert (link.socket, two.closed, links.duplicated, link.heartbeat.heard_at) == (two, [], 0, heard_at)


def stand_still() -> None:
    """As a hub does whose machine was stopped."""
    time.sleep(0.5)


def turns_later(turns: int, call: Callable[[], object]) -> None:
    """What has come is read in a turn of the loop, and understood in a later one."""
    asyncio.get_running_loop().call_soon((lambda: turns_later(turns - 1, call)) if turns else call)


async def test_a_hub_that_stood_still_reads_the_answer_before_it_gives_the_place_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cloud.kiosks.links.ANSWER_WITHIN", 0.05)
    links, owner = make()
    link, one = here(links)
    _, two = arrive(links, hello("c", "k"))
    stand_still()
    turns_later(4, lambda: links.heard(link, one, one.pings[0]))
    await until(lambda: two.closed)
    assert [code for code, _ in two.closed] == [4410]
    assert (one.closed, link.socket, owner.told) == ([], one, ["ready"])


async def test_a_hub_that_stood_still_and_finds_no_answer_gives_the_place_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloud.kiosks.links.ANSWER_WITHIN", 0.05)
    links, _ = make()
    link, one = here(links)
    _, two = arrive(links, hello("c", "k"))
    stand_still()
    await until(lambda: one.closed)
    assert (link.socket, two.closed) == (two, [])


async def test_a_hub_that_stood_still_reads_what_was_said_before_it_calls_anybody_silent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("wire.session.SILENCE_LIMIT", 0.4)
    monkeypatch.setattr("cloud.kiosks.links._TICK", 0.05)
    links, owner = make()
    links.start()
    link, one = here(links)
    await asyncio.sleep(0)
    stand_still()
    turns_later(4, lambda: links.heard(link, one, b""))
    heard_at = link.heartbeat.heard_at
    await until(lambda: link.heartbeat.heard_at != heard_at)
    assert (one.closed, owner.told) == ([], ["ready"])
    await until(lambda: one.closed)  # now it is
    assert owner.told == ["ready", "lost"]
    await links.stop()


async def test_a_newcomer_is_let_in_when_the_older_one_goes() -> None:
    links, owner = make()
    link, one = here(links)
    _, two = arrive(links, hello("c", "k"))
    links.closed(link, one, 1006)
    assert (link.socket, link.ready, link.journal) == (two, True, "k")
    assert owner.told == ["ready", "lost", "ready"]


async def test_a_newcomer_that_has_said_nothing_yet_is_let_in_when_the_older_one_goes() -> None:
    links, owner = make()
    link, one = here(links)
    two = Remembering()
    links.opened("kiosk_001", 0, two, is_v1=False)
    links.closed(link, one, 1006)
    assert (link.socket, link.ready) == (two, False)
    links.received(link, two, hello("c", "k"))
    assert (link.ready, owner.told) == (True, ["ready", "lost", "ready"])


async def test_a_newcomer_that_goes_leaves_nothing() -> None:
    links, _ = make()
    link, one = here(links)
    _, two = arrive(links, hello("c", "k"))
    links.closed(link, two, 1001)
    links.heard(link, one, one.pings[0])
    assert (link.newcomer, link.socket, links.duplicated, two.closed) == (None, one, 0, [])


async def test_of_two_newcomers_the_later_one_counts() -> None:
    links, _ = make()
    link, one = here(links)
    _, two = arrive(links, hello("c", "k"))
    _, three = arrive(links, HELLO)
    assert [code for code, _ in (*two.closed, *one.closed)] == [4409, 4409]
    assert (link.socket, three.closed) == (three, [])


async def test_rubbish_of_a_newcomer_is_counted_and_says_nothing() -> None:
    links, _ = make()
    link, one = here(links)
    two = Remembering()
    links.opened("kiosk_001", 0, two, is_v1=False)
    for text in (b"rubbish", b'{"type":"accepted","request_id":"request-1"}', b'{"type":"later"}'):
        links.received(link, two, text)
    assert (one.pings, one.closed, two.closed) == ([], [], [])


async def test_a_newcomer_that_never_says_hello_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wire.session.HELLO_TIMEOUT", 0.01)
    monkeypatch.setattr("cloud.kiosks.links._TICK", 0.005)
    links, _ = make()
    links.start()
    _, one = here(links)
    two = Remembering()
    links.opened("kiosk_001", 0, two, is_v1=False)
    await until(lambda: two.closed)
    assert ([code for code, _ in two.closed], one.closed) == ([4400], [])
    await links.stop()


async def test_whoever_is_closed_takes_the_newcomer_along() -> None:
    links, _ = make()
    _, one = here(links)
    _, two = arrive(links, hello("c", "k"))
    links.close("kiosk_001", CloseCode.BAD_TOKEN, "the kiosk has a newer token")
    assert [code for code, _ in (*one.closed, *two.closed)] == [4401, 4401]
    _, one = here(links)
    _, two = arrive(links, hello("c", "k"))
    await links.stop()
    assert [code for code, _ in (*one.closed, *two.closed)] == [1012, 1012]


async def test_who_waited_for_the_other_to_go_is_refused_and_the_other_returns() -> None:
    """It ran while the other one served: with the same journal it would deny what that one did."""
    links, owner = make()
    link, one = here(links)
    links.perform(link, [Ping()])
    await asyncio.sleep(0.01)
    links.heard(link, one, one.pings[0])
    links.closed(link, one, 1006)
    lost_at = link.lost_at
    _, two = arrive(links, hello("c", uptime=3600.0))
    assert ([code for code, _ in two.closed], link.socket, links.duplicated) == ([4411], None, 1)
    assert ([message["type"] for message in two.sent], owner.told) == ([], ["ready", "lost"])
    assert link.lost_at == lost_at
    _, again = here(links)
    assert link.socket is again


async def test_what_a_v1_client_says_before_it_takes_over_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloud.kiosks.links.ANSWER_WITHIN", 0.01)
    links, owner = make()
    one = Remembering()
    link = links.opened("kiosk_001", 0, one, is_v1=True)
    _, two = arrive(links)
    links.received(link, two, b'{"request_id":"request-1","paid":true}')
    assert owner.told == ["ready"]
    await until(lambda: one.closed)
    assert owner.told == ["ready", "ready", "Response"]
    # From the same address it is the same one.
    _, three = arrive(links)
    assert (link.socket, [code for code, _ in two.closed]) == (three, [4409])


async def test_an_alarm_ends_when_nobody_was_seen_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloud.kiosks.identity.ALARM_FOR", 0.05)
    monkeypatch.setattr("cloud.kiosks.links._TICK", 0.005)
    links, _ = make()
    links.start()
    link, one = here(links)
    arrive(links, hello("c", "k"))
    links.heard(link, one, one.pings[0])
    assert links.duplicated == 1
    await until(lambda: not links.duplicated)
    await links.stop()
