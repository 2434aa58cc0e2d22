"""The pump: one port, one pure protocol, one timer, one task.

Whatever happens (bytes, a command from above, the timer, the port's end) is given to the protocol, and what it answers
is carried out in order. A record that cannot be written is tried again until it can, and meanwhile nothing is said to
the device: it keeps what it was not told to forget. A port that is gone is opened again by `Reconnect`.
"""

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from hardware.errors import DeviceError, OutcomeUnknown, TransportError
from hardware.journal import DeviceJournal
from hardware.ports import LineSettings, Port, open_port
from hardware.protocol import Action, Actions, Finish, Memory, Protocol, Record, Say, Send, SetLine

WAITING_MAX = 64  # commands that wait for one line; one more is refused
UNREAD_MAX_BYTES = 64 * 1024  # read from the port and not yet looked at; then the port is left to wait
RECORD_AGAIN_S = (0.05, 5.0)  # how soon a failed write is tried again: at first, and at most
CLOSE_WAIT_S = 30.0  # how long a note takes at most to reach the cassette (CCNET, STACK)

_log = logging.getLogger(__name__)
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
P = TypeVar("P", bound=Protocol)


class Reconnect:
    """When a port is opened again: soon at first, then every `longest_s` or so; one warning an outage."""

    def __init__(self, name: str, first_s: float = 0.2, longest_s: float = 5.0) -> None:
        self._name = name
        self._first_s, self._longest_s = first_s, longest_s
        self._next_s = first_s
        self._out = False

    def failed(self, error: TransportError) -> float:
        """Seconds to wait now."""
        _log.log(logging.DEBUG if self._out else logging.WARNING, "%s: %s", self._name, error)
        self._out = True
        wait_s = self._next_s * random.uniform(0.7, 1.0)  # noqa: S311
        self._next_s = min(self._next_s * 2, self._longest_s)
        return wait_s

    def opened(self) -> None:
        """The port is there."""
        if self._out:
            _log.info("%s: the port is open again", self._name)
        self._out = False
        self._next_s = self._first_s


class Link(Generic[P]):
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
        self.name = name
        self._url, self._line = url, line
        self._make_protocol = protocol
        self._journals = dict(journals)
        self._wrap = wrap or (lambda port: port)
        self._protocol: P | None = None
        self._port: Port | None = None
        self._commands: deque[tuple[int, object]] = deque()
        self._abandoned: deque[int] = deque()
        self._unread = bytearray()
        self._port_news: deque[Port | None] = deque()  # opened, or None for gone
        self._tickets: dict[int, asyncio.Future[object]] = {}
        self._last_ticket = 0
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._tasks: list[asyncio.Task[None]] = []
        self._closing = False

    @property
    def protocol(self) -> P:
        """The conversation, to look at. Raises `TransportError` before `open`."""
        if self._protocol is None:
            raise TransportError(f"{self.name} is not open")
        return self._protocol

    @property
    def connected(self) -> bool:
        """Whether the port is open, whatever hangs on it."""
        return self._port is not None

    async def open(self) -> None:
        """Recall, and begin to keep the line. Returns without waiting for the port.

        Raises:
            Exception: what `DeviceJournal.recall` raises; nothing was begun then.
        """
        memories = {device: await journal.recall() for device, journal in self._journals.items()}
        self._protocol = self._make_protocol(memories)
        self._tasks = [
            asyncio.create_task(self._pump(self._protocol), name=f"{self.name} pump"),
            asyncio.create_task(self._keep_port(), name=f"{self.name} port"),
        ]

    async def call(self, command: object, *, what: str, timeout_s: float) -> object:
        """Have the protocol carry out a command, and wait for its end.

        Raises:
            TransportError: the link is closed, or too many commands wait already; nothing was begun.
            OutcomeUnknown: `timeout_s` passed (the protocol's own limits are meant to be reached first).
            DeviceError: what the protocol finished it with.
        """
        if self._closing or not self._tasks:
            raise TransportError(f"{self.name} is closed")
        if len(self._tickets) >= WAITING_MAX:
            raise TransportError(f"{self.name}: {WAITING_MAX} commands wait already")
        self._last_ticket += 1
        ticket = self._last_ticket
        future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._tickets[ticket] = future
        self._commands.append((ticket, command))
        self._news.set()
        try:
            async with asyncio.timeout(timeout_s):
                return await future
        except TimeoutError:
            raise OutcomeUnknown(what, f"{self.name} did not answer within {timeout_s:g} s") from None
        finally:
            if self._tickets.pop(ticket, None) is not None:
                self._abandoned.append(ticket)
                self._news.set()

    async def close(self, wait_s: float = CLOSE_WAIT_S) -> None:
        """Say good-bye, wait for what is on its way, give the port back. Whoever still waits gets an error."""
        if not self._tasks:
            return
        pump, keeper = self._tasks
        if not self._closing:
            self._closing = True
            self._news.set()
        try:
            async with asyncio.timeout(wait_s):
                await asyncio.shield(pump)
        except TimeoutError:
            _log.warning("%s: closed while something was on its way", self.name)
        finally:
            for task in (pump, keeper):
                task.cancel()
            await asyncio.gather(pump, keeper, return_exceptions=True)
            if self._port is not None:
                self._port.close()
                self._port = None
            for future in self._tickets.values():
                if not future.done():
                    future.set_exception(OutcomeUnknown(f"a command to {self.name}", "it was closed meanwhile"))
            self._tasks = []

    # The port

    async def _keep_port(self) -> None:
        reconnect = Reconnect(self.name)
        while True:
            try:
                port = self._wrap(await open_port(self._url, self._line))
            except TransportError as error:
                await asyncio.sleep(reconnect.failed(error))
                continue
            reconnect.opened()
            self._tell(port)
            try:
                await self._read(port)
            except TransportError as error:
                self._tell(None)
                await asyncio.sleep(reconnect.failed(error))
            finally:
                port.close()

    async def _read(self, port: Port) -> None:
        while True:
            data = await port.read()
            self._unread += data
            self._news.set()
            if len(self._unread) >= UNREAD_MAX_BYTES:
                self._room.clear()
                await self._room.wait()

    def _tell(self, port: Port | None) -> None:
        self._port_news.append(port)
        self._news.set()

    # The pump

    async def _pump(self, protocol: P) -> None:
        try:
            said_goodbye = False
            while True:
                await self._carry_out(protocol, self._next_actions(protocol))
                if self._closing and not said_goodbye:
                    said_goodbye = True
                    await self._carry_out(protocol, protocol.closing(time.monotonic()))
                if self._closing and protocol.settled:
                    return
                if not self._has_news():
                    self._news.clear()
                    await self._wait(protocol.wake_at)
        except Exception:
            _log.exception("%s: the driver failed; it is out of use until it is opened anew", self.name)
            for future in self._tickets.values():
                if not future.done():
                    future.set_exception(OutcomeUnknown(f"a command to {self.name}", "its driver failed; see the log"))
            raise

    async def _wait(self, until: float | None) -> None:
        if until is None:
            await self._news.wait()
            return
        left_s = until - time.monotonic()
        if left_s <= 0:
            return
        loop = asyncio.get_running_loop()
        timer = loop.call_later(left_s, self._news.set)
        try:
            await self._news.wait()
        finally:
            timer.cancel()

    def _has_news(self) -> bool:
        return bool(self._port_news or self._unread or self._commands or self._abandoned)

    def _next_actions(self, protocol: P) -> Actions:
        """What one input leads to: the port first, then what it brought, then time, then wishes from above."""
        now = time.monotonic()
        if self._port_news and (self._port_news[0] is not None or not self._unread):
            self._port = self._port_news.popleft()
            return protocol.lost(now) if self._port is None else protocol.opened(now)
        if self._unread:
            data = bytes(self._unread)
            self._unread.clear()
            self._room.set()
            return protocol.received(data, now)
        if protocol.wake_at is not None and protocol.wake_at <= now:
            return protocol.wake(now)
        if self._abandoned:
            return protocol.abandoned(self._abandoned.popleft(), now)
        if self._commands:
            ticket, command = self._commands.popleft()
            if ticket not in self._tickets:
                return ()
            try:
                return protocol.command(command, ticket, now)
            except DeviceError as error:
                return (Finish(ticket, error=error),)
        return ()

    async def _carry_out(self, protocol: P, actions: Actions) -> None:
        waiting: deque[Action] = deque(actions)
        cut_off = False
        while waiting:
            match waiting.popleft():
                case Send(data):
                    if cut_off or self._port is None:
                        continue
                    try:
                        await self._port.write(data)
                    except TransportError as error:
                        # The keeper sees it as well, reading, and opens the port again.
                        _log.debug("%s: %s", self.name, error)
                        cut_off = True
                case SetLine(baud):
                    if self._port is not None and not cut_off:
                        self._port.set_baud(baud)
                        self._unread.clear()
                case Record() as record:
                    await self._record(record)
                case Finish(ticket, result, error):
                    self._finish(ticket, result, error)
                case Say(words, level):
                    _log.log(_LEVELS[level], "%s: %s", self.name, words)

    def _finish(self, ticket: int, result: object, error: DeviceError | None) -> None:
        future = self._tickets.pop(ticket, None)
        if future is None or future.done():
            return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)

    async def _record(self, record: Record) -> None:
        journal = self._journals[record.device]
        again_s, longest_s = RECORD_AGAIN_S
        while True:
            try:
                await journal.record(record.event, record.memory)
                return
            except Exception as error:
                # Whatever the owner's journal raises: a disk that is full, a database that is locked. The device
                # holds what it was not told to forget, so the one right thing is to go on trying.
                _log.error("%s: cannot write to the journal, the device waits: %s", self.name, error)
            await asyncio.sleep(again_s)
            again_s = min(again_s * 2, longest_s)
