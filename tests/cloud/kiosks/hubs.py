"""Hubs of which only the links and what they know of each other are there, on a bus that a test breaks."""

import asyncio
import functools
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any
from unittest.mock import patch

from cloud.kiosks.identity import Conflict
from cloud.kiosks.link import Link
from cloud.kiosks.links import Links
from cloud.kiosks.presence import Presence
from cloud.metrics import Metrics
from tests.chaos.desk_clock import Clock, run
from tests.cloud.local_bus import LocalBus, LocalNet
from wire.messages import Hello, Message
from wire.problems import CloseCode


def virtual(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A test in virtual time: all that is waited for lies in this loop, and none of it is late on a busy machine."""

    @functools.wraps(test)
    def played(*arguments: Any, **fixtures: Any) -> None:
        run(test(*arguments, **fixtures), Clock())

    return played


class Wire:
    """A kiosk's socket, of a box that answers pings unless it is dead."""

    def __init__(self, hub: "Hub", address: str, *, dead: bool = False) -> None:
        self.hub = hub
        self.address = address
        self.dead = dead
        self.sent: list[dict[str, Any]] = []
        self.code: int | None = None
        self.link: Link

    @property
    def is_open(self) -> bool:
        """Whether the hub has not closed it."""
        return self.code is None

    @property
    def is_welcome(self) -> bool:
        """Whether it is the kiosk's."""
        return self.is_open and any(message["type"] == "welcome" for message in self.sent)

    def send(self, text: bytes, point: str) -> None:
        """Keep the message."""
        self.sent.append(json.loads(text))

    def ping(self, data: bytes) -> None:
        """Answer it."""
        if not self.dead:
            asyncio.get_running_loop().call_soon(self.hub.links.heard, self.link, self, data)

    def proves(self, hello: Hello) -> bool:
        """No key is asked for."""
        return True

    def close(self, code: int, reason: str) -> None:
        """Keep the code."""
        self.code = int(code)

    def hang_up(self) -> None:
        """The kiosk ends it."""
        self.code = 1006
        self.hub.links.closed(self.link, self, 1006)


class Hub:
    """Links, presence, and what they were told to pass on."""

    def __init__(self, bus: LocalBus) -> None:
        self.bus = bus
        self.links = Links(hub_name=bus.name, metrics=Metrics())
        self.links.owner = self
        self.links.seen_twice = self._seen_twice
        self.presence = Presence(bus, self.links)
        self.alarms: list[tuple[str, Conflict]] = []
        self.lost: list[str] = []
        self.moved: list[str] = []
        self.presence.when_changed(self.moved.append)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Hub"]:
        """It runs."""
        self.links.start()
        await self.bus.start()
        await self.presence.start()
        try:
            yield self
        finally:
            await self.links.stop()
            await self.bus.stop()
            await self.presence.stop()

    def open(
        self,
        kiosk_id: str = "kiosk_001",
        *,
        box: str = "one",
        journal: str = "",
        uptime: float = 0.0,
        v1: bool = False,
        dead: bool = False,
        devices: tuple[str, ...] = (),
    ) -> Wire:
        """A box connects, and says hello in v2."""
        wire = Wire(self, f"192.0.2.{len(box)}", dead=dead)
        wire.link = self.links.opened(kiosk_id, 0, wire, is_v1=v1)
        if not v1:
            hello = {"type": "hello", "version": "1", "boot_id": f"boot-{box}", "journal": journal or f"journal-{box}"}
            named = [{"name": name, "state": "ready"} for name in devices]
            text = json.dumps({**hello, "uptime": uptime, "routes": ["default"], "devices": named})
            self.links.received(wire.link, wire, text)
        return wire

    def holds(self, kiosk_id: str = "kiosk_001") -> bool:
        """Whether the kiosk is ready here."""
        link = self.links.get(kiosk_id)
        return link is not None and link.ready

    def knows(self, kiosk_id: str = "kiosk_001") -> str:
        """The name of the hub that holds it; empty: none of the others."""
        seen = self.presence.get(kiosk_id)
        return "" if seen is None else self.bus.net.members[seen.hub].name

    # `links.Owner`.

    def kiosk_ready(self, link: Link) -> None:
        """See `Owner`."""

    def kiosk_lost(self, link: Link) -> None:
        """See `Owner`."""
        self.lost.append(link.kiosk_id)

    def kiosk_said(self, link: Link, message: Message) -> None:
        """See `Owner`."""

    def orphaned(self, link: Link, request_id: str) -> None:
        """See `Owner`."""

    def _seen_twice(self, kiosk_id: str, conflict: Conflict) -> None:
        self.alarms.append((kiosk_id, conflict))


@asynccontextmanager
async def hubs(net: LocalNet, count: int = 2) -> AsyncIterator[tuple[Hub, ...]]:
    """Hubs called one, two, three, four, without any kiosk."""
    async with AsyncExitStack() as stack:
        names = ("one", "two", "three", "four")[:count]
        yield tuple([await stack.enter_async_context(Hub(net.bus(name)).running()) for name in names])


@contextmanager
def quick() -> Iterator[None]:
    """What is waited for in seconds is waited for in tenths: no test judges how long exactly."""
    far, presence = "cloud.kiosks.far.", "cloud.kiosks.presence."
    with (
        patch("cloud.kiosks.links.ANSWER_WITHIN", 0.2),
        patch(far + "_JUDGED_WITHIN", 0.5),
        patch(far + "_ALIVE_WITHIN", 0.1),
        patch(presence + "_STAND_EVERY", 0.05),
        patch(presence + "_PAGE_WITHIN", 0.3),
        patch(presence + "_JITTER", 0.02),
    ):
        yield


__all__ = ["CloseCode", "Hub", "Wire", "hubs", "quick", "virtual"]
