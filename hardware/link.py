"""A pump with a port: opened again by `Reconnect` whenever it is gone.

A second task keeps the port and reads it, so that bytes are taken while the pump waits for the journal. What it finds
(opened, bytes, gone) lies in one queue in the order it happened.
"""

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import TypeVar

from hardware.errors import TransportError
from hardware.journal import DeviceJournal
from hardware.ports import LineSettings, Port, check_url, open_port
from hardware.protocol import Action, Actions, Memory, Protocol, Send, SetLine
from hardware.pump import Pump

UNREAD_MAX_BYTES = 64 * 1024  # read from the port and not yet looked at; then the port is left to wait

_log = logging.getLogger(__name__)
P = TypeVar("P", bound=Protocol)


class Reconnect:
    """When a port is opened again: soon at first, then every `longest_s` or so; one warning an outage.

    A port that does not stay open for `steady_s` belongs to the outage before it.
    """

    def __init__(self, name: str, first_s: float = 0.2, longest_s: float = 5.0, steady_s: float = 10.0) -> None:
        self._name = name
        self._first_s, self._longest_s, self._steady_s = first_s, longest_s, steady_s
        self._next_s = first_s
        self._out = self._told_open = False
        self._opened_at: float | None = None

    def failed(self, error: TransportError, now: float) -> float:
        """Not opened, or gone again. Seconds to wait now."""
        if self._opened_at is not None and now - self._opened_at >= self._steady_s:
            self._out = self._told_open = False
            self._next_s = self._first_s
        self._opened_at = None
        _log.log(logging.DEBUG if self._out else logging.WARNING, "%s: %s", self._name, error)
        self._out = True
        wait_s = self._next_s * random.uniform(0.7, 1.0)  # noqa: S311
        self._next_s = min(self._next_s * 2, self._longest_s)
        return wait_s

    def opened(self, now: float) -> None:
        """The port is there."""
        self._opened_at = now
        if self._out:
            _log.log(logging.DEBUG if self._told_open else logging.INFO, "%s: the port is open again", self._name)
            self._told_open = True


class Link(Pump[P]):
    """Keeps one line until it is closed.

    Args:
        name: for the log.
        url: see `ports.open_port`.
        line: how bytes stand on it.
        protocol: makes the protocol from what each device remembered.
        journals: each device's page, by `Record.device`.
        wrap: put around each port that is opened, such as a trace.
    """

    def __init__(
        self,
        *,
        name: str,
        url: str,
        line: LineSettings,
        protocol: Callable[[Mapping[str, Memory]], P],
        journals: Mapping[str, DeviceJournal],
        wrap: Callable[[Port], Port] | None = None,
    ) -> None:
        super().__init__(name=name, protocol=protocol, journals=journals)
        self._url, self._settings = url, line
        self._wrap = wrap or (lambda port: port)
        self._port: Port | None = None
        self._line: deque[Port | bytearray | None] = deque()  # opened, what came, gone; in this order
        self._cut_off = False  # a write failed; nothing more goes to this port
        self._unread_bytes = 0
        self._room = asyncio.Event()
        self._room.set()

    @property
    def connected(self) -> bool:
        """Whether the port is open, whatever hangs on it."""
        return self._port is not None

    def _check(self) -> None:
        check_url(self._url)

    def _keep(self) -> list["asyncio.Task[None]"]:
        return [asyncio.create_task(self._keep_port(), name=f"{self.name} port")]

    def _hang_up(self) -> None:
        ports = [self._port, *self._line]
        self._port = None
        self._line.clear()
        for port in ports:
            if isinstance(port, Port):
                port.close()

    @property
    def _heard(self) -> bool:
        return bool(self._line)

    def _hear(self, protocol: P, now: float) -> Actions:
        news = self._line.popleft()
        if isinstance(news, bytearray):
            return protocol.received(self._take(news), now)
        self._port, self._cut_off = news, False
        return protocol.lost(now) if news is None else protocol.opened(now)

    async def _do(self, action: Action) -> None:
        if self._port is None or self._cut_off:
            return
        match action:
            case Send(data):
                try:
                    await self._port.write(data)
                except TransportError as error:
                    _log.debug("%s: %s", self.name, error)
                    self._cut_off = True
                    self._port.close()  # its reader hears of it, and the keeper opens it again
            case SetLine(baud):
                self._port.set_baud(baud)
                while self._line and isinstance(self._line[0], bytearray):
                    self._take(self._line.popleft())  # type: ignore[arg-type]

    # The port

    async def _keep_port(self) -> None:
        reconnect = Reconnect(self.name)
        while True:
            try:
                port = await open_port(self._url, self._settings)
            except TransportError as error:
                await asyncio.sleep(reconnect.failed(error, time.monotonic()))
                continue
            except Exception as error:
                # No reason to leave the device alone for ever: whatever it is, the next try may go well.
                _log.exception("%s: the port could not be opened", self.name)
                await asyncio.sleep(reconnect.failed(TransportError(f"{error}"), time.monotonic()))
                continue
            reconnect.opened(time.monotonic())
            gone = TransportError(f"{self._url}: the port failed; see the log")
            try:
                port = self._wrap(port)
                self._tell(port)
                await self._read(port)
            except TransportError as error:
                gone = error
            except Exception:
                _log.exception("%s: the port failed", self.name)
            finally:
                # At once: a descriptor that is still held keeps an adapter's number from being given out again.
                port.close()
            self._tell(None)
            await asyncio.sleep(reconnect.failed(gone, time.monotonic()))

    async def _read(self, port: Port) -> None:
        while True:
            data = await port.read()
            if self._line and isinstance(self._line[-1], bytearray):
                self._line[-1] += data
            else:
                self._line.append(bytearray(data))
            self._unread_bytes += len(data)
            self._news.set()
            if self._unread_bytes >= UNREAD_MAX_BYTES:
                self._room.clear()
                await self._room.wait()

    def _tell(self, port: Port | None) -> None:
        self._line.append(port)
        self._news.set()

    def _take(self, data: bytearray) -> bytes:
        self._unread_bytes -= len(data)
        self._room.set()
        return bytes(data)
