"""Kiosks gone mad: what a socket with a good token may send without harm to the hub or to other kiosks."""

import contextlib
import json
import socket as sockets
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests import hubs
from tests.chaos.proxy import FaultProxy
from tests.journeys.site import Kiosk, Site, payment, problem, unique, until
from wire.messages import SUBPROTOCOL

_MIB = 1024 * 1024
_LIMIT_S = 60.0
HELLO = {"type": "hello", "version": "0", "boot_id": "b", "started_at": 0, "routes": [], "unsettled": 0, "journal": "j"}


def dial(site: Site, token: str) -> ClientConnection:
    return connect(
        site.hub.ws_url, subprotocols=[SUBPROTOCOL], additional_headers={"Authorization": f"Bearer {token}"},
        proxy=None, ping_interval=None, open_timeout=_LIMIT_S,
    )  # type: ignore[list-item]  # fmt: skip


def say(socket: ClientConnection, **message: Any) -> None:
    socket.send(json.dumps(message))


def hear(socket: ClientConnection, kind: str) -> dict[str, Any]:
    """The next message of that kind."""
    while True:
        message: dict[str, Any] = json.loads(socket.recv(timeout=_LIMIT_S))
        if message["type"] == kind:
            return message


@pytest.fixture
def mad(site: Site) -> Iterator[tuple[str, ClientConnection]]:
    """A registered kiosk whose program has gone mad, greeted."""
    name = unique("mad")
    with dial(site, site.hub.add_kiosk(name)) as socket:
        say(socket, **HELLO)
        hear(socket, "welcome")
        until("its being connected", lambda: site.connected(name))  # as every hub sees it
        yield name, socket


@pytest.fixture(scope="module", autouse=True)
def silent(site: Site) -> Iterator[tuple[str, ClientConnection]]:
    """A kiosk that says no hello, connected before anything else: it has ten seconds."""
    name = unique("silent")
    with dial(site, site.hub.add_kiosk(name)) as socket:
        say(socket, type="response", request_id=unique("early"), operation="payment", executed="yes", status=200)
        yield name, socket


def works(site: Site, name: str, socket: ClientConnection) -> None:
    """The hub still gives it requests and takes its outcomes, and still stores what it is told."""
    until("its being connected", lambda: site.connected(name))
    order = unique("order")
    sent = site.backend.later(name, "payment", payment(order), key=order)
    request = hear(socket, "request")
    outcome = {"request_id": request["request_id"], "operation": "payment", "executed": "yes", "status": 200}
    say(socket, type="response", **outcome, body={"order_id": order})
    assert (sent.result().status_code, sent.result().json()) == (200, {"order_id": order})
    while hear(socket, "settled")["request_id"] != request["request_id"]:
        pass  # of what was told before
    assert site.backend.operation(request["request_id"])["state"] == "succeeded"


GARBAGE: dict[str, bytes | str] = {
    "bytes": bytes(range(256)),
    "nothing": "",
    "no JSON": "hello?",
    "an array": "[]",
    "a number": "7",
    "null": "null",
    "no type": "{}",
    "a type that is no text": '{"type": 7}',
    "a type of a later version": '{"type": "teleport", "to": "mars"}',
    "a message of the hub's": '{"type": "settled", "request_id": "x"}',
    "a second hello": json.dumps(HELLO),
    "a hello of wrong types": '{"type": "hello", "version": 1, "boot_id": [], "started_at": "now"}',
    "a response without fields": '{"type": "response"}',
    "a response of wrong types": '{"type": "response", "request_id": 1, "operation": [], "executed": "maybe"}',
    "an event without fields": '{"type": "event"}',
    "accepted for nothing": '{"type": "accepted", "request_id": "no-such-request"}',
    "progress for nothing": '{"type": "progress", "request_id": "no-such-request", "data": {}}',
    "deep": '{"type": "progress", "request_id": "x", "data": ' + "[" * 200_000 + "]" * 200_000 + "}",
    "a lone surrogate": '{"type": "event", "seq": 1, "at": 1, "kind": "\\ud800", "data": {}}',
    "a NUL": '{"type": "event", "seq": 1, "at": 1, "kind": "a\\u0000b", "device": "\\u0000", "data": {}}',
    "an event before the first": '{"type": "event", "seq": -1, "at": 1, "kind": "x"}',
    "an event of the far future": '{"type": "event", "seq": 1, "at": 1e300, "kind": "x"}',
    "an event with a number no database holds": '{"type": "event", "seq": 99999999999999999999, "at": 1, "kind": "x"}',
    "an event with the largest number": '{"type": "event", "seq": 9223372036854775807, "at": 1, "kind": "x"}',
    "a response with an endless id": json.dumps(
        {"type": "response", "request_id": "x" * 10_000, "operation": "payment", "executed": "yes"}
    ),
    "a response with a hostile id": json.dumps(
        {"type": "response", "request_id": "a\r\nX: 1", "operation": "'; drop table operations; --", "executed": "yes"}
    ),
    "almost a mebibyte": json.dumps({"type": "progress", "request_id": "x", "data": "y" * 1_000_000}),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_is_counted_and_the_socket_stays(site: Site, mad: tuple[str, ClientConnection], name: str) -> None:
    kiosk, socket = mad
    for _ in range(3):
        socket.send(GARBAGE[name])
    works(site, kiosk, socket)


OUTCOMES: dict[str, dict[str, Any]] = {
    "no status": {"executed": "yes"},
    "a status below all": {"executed": "yes", "status": -1},
    "a status of continuing": {"executed": "yes", "status": 101},
    "a status above all": {"executed": "yes", "status": 1000},
    "a status no database holds": {"executed": "yes", "status": 2**70},
    "an elapsed time without end": {"executed": "yes", "status": 200, "elapsed": 1e308},
    "a body that is no object": {"executed": "yes", "status": 200, "body": [1, 2]},
    "a body of nothing": {"executed": "yes", "status": 204, "body": {}},
    "a problem nobody knows": {"executed": "no", "error": {"type": "meteor", "detail": "x" * 100_000}},
    "a problem that contradicts it": {"executed": "no", "error": {"type": "timeout"}},
    "an unknown without a reason": {"executed": "unknown"},
    "a lone surrogate": {"executed": "no", "error": {"type": "expired", "detail": "\ud800"}},
}


@pytest.mark.parametrize("name", OUTCOMES)
def test_a_strange_outcome_harms_only_its_own_operation(
    site: Site, mad: tuple[str, ClientConnection], name: str
) -> None:
    kiosk, socket = mad
    order = unique("order")
    sent = site.backend.later(kiosk, "payment", payment(order), key=order, timeout=4)
    request_id = hear(socket, "request")["request_id"]
    say(socket, type="response", request_id=request_id, operation="payment", **OUTCOMES[name])
    answer = sent.result()
    assert answer.headers["x-request-id"] == request_id
    if OUTCOMES[name]["executed"] == "no":
        assert answer.json()["outcome"] in {"not_executed", "unknown"}
    elif OUTCOMES[name]["executed"] == "unknown":
        assert problem(answer)[2] == "unknown"
    else:
        assert 200 <= answer.status_code < 600
    works(site, kiosk, socket)

    def stored() -> bool:
        row = site.backend.with_key(kiosk, order)  # as the database has it
        return row is not None and row["state"] not in {"sent", "accepted"}

    until("its outcome being stored", stored)


def test_a_strange_outcome_of_nothing_the_hub_knows_harms_nothing(
    site: Site, mad: tuple[str, ClientConnection]
) -> None:
    kiosk, socket = mad
    for fields in OUTCOMES.values():
        say(socket, type="response", request_id=unique("never-sent"), operation="payment", **fields)
    works(site, kiosk, socket)


def test_a_kiosk_cannot_answer_for_another(site: Site, wire: FaultProxy, mad: tuple[str, ClientConnection]) -> None:
    name, socket = mad
    order, settled = unique("order"), unique("order")
    with site.kiosk("victim", site.routes_through(wire)) as kiosk:
        done = site.backend.send(kiosk.id, "payment", payment(settled), key=settled)
        wire.hold(down=True, new=True)
        sent = site.backend.later(kiosk.id, "payment", payment(order), key=order)
        kiosk.wait_running()
        request_id = site.backend.sent(kiosk.id, order)
        for victim in (request_id, done.headers["x-request-id"]):
            fields = {"request_id": victim, "operation": "payment"}
            say(socket, type="accepted", request_id=victim)
            say(socket, type="response", **fields, executed="yes", status=200, body={"stolen": True})
            say(socket, type="response", **fields, executed="no", error={"type": "expired"})
        works(site, name, socket)  # it has been heard to here
        wire.restore()
        assert (sent.result().status_code, sent.result().json()["order_id"]) == (200, order)
        assert site.backend.final(request_id)["answer"]["body"]["order_id"] == order
        assert site.backend.operation(done.headers["x-request-id"])["answer"]["body"] == done.json()


def test_a_message_over_the_limit_ends_its_own_socket_only(site: Site, kiosk: Kiosk) -> None:
    name = unique("mad")
    token = site.hub.add_kiosk(name)
    with dial(site, token) as socket:
        say(socket, **HELLO)
        hear(socket, "welcome")
        with contextlib.suppress(ConnectionClosed):
            socket.send("x" * 2 * _MIB)
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=_LIMIT_S)
        assert socket.close_code in {1009, 1006}  # the reset may overtake the goodbye
    order = unique("order")
    assert site.backend.send(kiosk.id, "payment", payment(order)).status_code == 200
    with dial(site, token) as socket:
        say(socket, **HELLO)
        works(site, name, socket)


def test_a_newer_connection_replaces_the_older_one_at_once(site: Site) -> None:
    name = unique("twin")
    token = site.hub.add_kiosk(name)
    with dial(site, token) as older:
        say(older, **HELLO)
        hear(older, "welcome")
        with dial(site, token) as newer:
            say(newer, **HELLO)
            with pytest.raises(ConnectionClosed):
                older.recv(timeout=_LIMIT_S)
            assert older.close_code == 4409
            works(site, name, newer)


def test_who_tries_many_bad_tokens_is_told_to_stop_and_the_others_are_let_in(site: Site) -> None:
    codes: list[int | None] = []
    while 4429 not in codes and len(codes) < 200 * hubs.wanted():  # each hub counts those that come to it
        # From an address of its own: bad tokens are counted by address.
        source = sockets.create_connection(("127.0.0.1", site.hub.port), _LIMIT_S, source_address=("127.0.0.2", 0))
        with connect(f"{site.hub.ws_url}?token=wrong", sock=source, proxy=None, open_timeout=_LIMIT_S) as socket:
            with pytest.raises(ConnectionClosed):
                socket.recv(timeout=_LIMIT_S)
            codes.append(socket.close_code)
    assert set(codes[:-1]) == {4401}
    assert codes[-1] == 4429
    name = unique("good")
    with dial(site, site.hub.add_kiosk(name)) as socket:
        say(socket, **HELLO)
        works(site, name, socket)


def test_what_is_no_upgrade_is_refused(site: Site) -> None:
    answer = site.hub.http.get("/ws")
    assert 400 <= answer.status_code < 500
    with pytest.raises(InvalidStatus), connect(site.hub.ws_url + "/elsewhere", proxy=None):
        pass


def test_a_kiosk_that_does_not_read_holds_no_memory_and_hurts_nobody(site: Site, kiosk: Kiosk) -> None:
    name = unique("deaf")
    key = site.hub.add_api_key("deaf")["key"]
    with dial(site, site.hub.add_kiosk(name)) as socket:
        say(socket, **HELLO)
        hear(socket, "welcome")
        until("its being connected", lambda: site.connected(name))
        socket.socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
        sent = [site.backend.later(name, "payment", {"pad": "x" * 900_000}, timeout=2, as_key=key) for _ in range(24)]
        order = unique("order")
        assert site.backend.send(kiosk.id, "payment", payment(order)).status_code == 200
        outcomes = {answer.result().json()["outcome"] for answer in sent}
        assert outcomes <= {"unknown", "not_executed"}
    until("its being gone", lambda: not site.connected(name))


def test_nothing_counts_before_hello_and_who_says_none_is_closed(
    site: Site, silent: tuple[str, ClientConnection]
) -> None:
    name, socket = silent
    assert not site.connected(name)
    with pytest.raises(ConnectionClosed):
        socket.recv(timeout=_LIMIT_S)
    assert socket.close_code == 4400
