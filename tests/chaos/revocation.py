"""Kiosks that may not come in any more: how soon their open sockets end, whoever decided it.

By the admin API, and by the command line, which is a process of its own; clients of both dialects.
"""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.chaos.results import Result, timed
from tests.journeys.site import Site, unique, until
from wire.messages import SUBPROTOCOL

FULL = 30
CLOSED_S = 2.0
_LIMIT_S = 60.0
_HELLO = '{"type": "hello", "version": "0", "boot_id": "b", "journal": "j"}'


def _command(*words: str) -> Callable[[Site, str], None]:
    def act(site: Site, kiosk: str) -> None:
        ended = site.hub.cli("kiosk", *words, kiosk)
        if ended.returncode:
            raise RuntimeError(ended.stderr)

    return act


def _api(method: str, path: str, body: object = None) -> Callable[[Site, str], None]:
    def act(site: Site, kiosk: str) -> None:
        site.hub.admin(method, f"/admin/kiosks/{kiosk}{path}", body).raise_for_status()

    return act


WAYS = {
    "token renewed by API": (_api("POST", "/token", {}), 4401),
    "token renewed by command": (_command("token"), 4401),
    "disabled by API": (_api("PATCH", "", {"enabled": False}), 4403),
    "disabled by command": (_command("disable"), 4403),
    "removed by API": (_api("DELETE", ""), 4403),
    "removed by command": (_command("remove"), 4403),
}


def run(directory: Path, seed: int, scale: float) -> Result:
    """Revoke in every way, several times."""
    result = Result(scenario="revocation", seed=seed)
    chance = random.Random(f"{seed} revocation")
    ways = [list(WAYS)[n % len(WAYS)] for n in range(max(len(WAYS), int(FULL * scale)))]
    chance.shuffle(ways)
    site = Site(directory)
    took: dict[str, list[float]] = {"API": [], "command": []}
    with timed(result):
        try:
            for way in ways:
                seconds = _revoke(site, way, result, v2=chance.random() < 0.5)
                took[way.rpartition(" ")[2]].append(seconds)
                result.faults[way] += 1
        finally:
            site.close()
        for who, seconds_each in took.items():
            name = f"closed_after_{who.lower()}_longest_s"
            result.aim(name, max(seconds_each), CLOSED_S if scale >= 1 else CLOSED_S * 10)
    return result


def _revoke(site: Site, way: str, result: Result, *, v2: bool) -> float:
    """Seconds from the end of the act, when its operator is told that it is done, to the end of the socket."""
    act, code = WAYS[way]
    kiosk = unique("revoked")
    token = site.hub.add_kiosk(kiosk)
    with _dial(site, token, v2=v2) as socket:
        until("its being connected", lambda: site.connected(kiosk))
        act(site, kiosk)
        done = time.monotonic()
        closed = _close_code(socket)
        seconds = time.monotonic() - done
        if closed != code:
            result.breaches.append(f"{way}: the socket was closed with {closed}, not with {code}")
    with _dial(site, token, v2=v2) as socket:
        if (again := _close_code(socket)) != code:
            result.breaches.append(f"{way}: who came back was told {again}, not {code}")
    return seconds


@contextmanager
def _dial(site: Site, token: str, *, v2: bool) -> Iterator[ClientConnection]:
    headers = {"Authorization": f"Bearer {token}"}
    protocols = [Subprotocol(SUBPROTOCOL)] if v2 else None
    with connect(
        site.hub.ws_url, additional_headers=headers, subprotocols=protocols, proxy=None, ping_interval=None
    ) as socket:
        if v2:
            with suppress(ConnectionClosed):
                socket.send(_HELLO)
        yield socket


def _close_code(socket: ClientConnection) -> int | None:
    try:
        while True:
            socket.recv(timeout=_LIMIT_S)
    except TimeoutError:
        return None
    except ConnectionClosed:
        return socket.close_code
