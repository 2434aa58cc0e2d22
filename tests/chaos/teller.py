"""A scripted kiosk that has much to tell: events, numbered and kept until the hub has acknowledged them.

It speaks `kiosk.v2` by `wire.session`, over whatever connection it gets, and returns as soon as it is cut off. Its
memory lasts for the run, so that at the end the hub's store can be held against every word of it.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Iterable

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, WebSocketException
from websockets.typing import Subprotocol

from tests.chaos import history
from wire.messages import SUBPROTOCOL, Event, EventAck, Hello, encode
from wire.session import BATCH, Action, Heard, KioskSession, Send, WantEvents, WantOutcomes

_DIAL_S = 3.0
_PAUSE_S = 0.3
# The library tells of every socket that breaks; here that is the point.
_QUIET = logging.getLogger("tests.chaos.teller.websockets")
_QUIET.setLevel(logging.CRITICAL)


class Teller:
    """`run` until it is cancelled; `tell` adds an event."""

    def __init__(self, kiosk: str, token: str, port: int, chance: random.Random) -> None:
        self.kiosk = kiosk
        self.journal = f"{chance.getrandbits(64):016x}"
        self._token = token
        self._url = f"ws://127.0.0.1:{port}/ws"
        self._session = KioskSession()
        self._events: list[history.Json] = []
        self._acknowledged = 0
        self._socket: ClientConnection | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def told_all(self) -> bool:
        """Whether the hub has acknowledged everything."""
        return self._acknowledged == len(self._events)

    def memory(self) -> history.Teller:
        """What it told, for the checker."""
        return history.Teller(
            kiosk=self.kiosk, journal=self.journal, events=self._events, acknowledged=self._acknowledged
        )

    async def run(self) -> None:
        """Live."""
        ticking = asyncio.create_task(self._tick())
        try:
            while True:
                with contextlib.suppress(OSError, InvalidHandshake, WebSocketException, TimeoutError):
                    await self._live()
                self._session.closed()
                await asyncio.sleep(_PAUSE_S)
        finally:
            ticking.cancel()
            await asyncio.gather(ticking, return_exceptions=True)

    async def tell(self) -> None:
        """Something happened."""
        self._events.append({"n": len(self._events) + 1, "at": round(time.time(), 3)})
        await self._carry_out(self._session.happened())

    async def _live(self) -> None:
        async with connect(
            self._url,
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            additional_headers={"Authorization": f"Bearer {self._token}"},
            proxy=None,
            ping_interval=2,
            ping_timeout=4,
            open_timeout=_DIAL_S,
            close_timeout=0.2,
            logger=_QUIET,
        ) as socket:
            self._socket = socket
            try:
                hello = Hello(version="0", boot_id=self.journal, journal=self.journal, batch=BATCH)
                await self._carry_out(self._session.opened(hello))
                async for text in socket:
                    await self._carry_out(self._session.received(text, time.monotonic()))
            finally:
                self._socket = None

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(1)
            with contextlib.suppress(OSError, WebSocketException):
                await self._carry_out(self._session.tick(time.monotonic()))

    async def _carry_out(self, actions: Iterable[Action]) -> None:
        for action in actions:
            match action:
                case Send(message) if self._socket is not None:
                    with contextlib.suppress(WebSocketException):
                        await self._socket.send(encode(message), text=True)
                case Heard(EventAck(seq=seq)):
                    self._acknowledged = max(self._acknowledged, seq)
                case WantEvents(count, after):
                    events = self._after(after, count)
                    await self._carry_out(self._session.events(events, time.monotonic(), after))
                case WantOutcomes():
                    await self._carry_out(self._session.outcomes([], time.monotonic()))

    def _after(self, seq: int, count: int) -> list[Event]:
        first = max(seq, self._acknowledged)
        return [
            Event(seq=number, at=data["at"], kind="told", data=msgspec.Raw(msgspec.json.encode(data)))
            for number, data in enumerate(self._events[first : first + count], first + 1)
        ]
