"""The pump: one port, one pure protocol, one timer, one task.

Whatever happens (bytes, a command from above, the timer, the port's end) is given to the protocol, and what it answers
is carried out in order. A record that cannot be written is tried again until it can, and meanwhile nothing is said to
the device: it keeps what it was not told to forget. A port that is gone is opened again by `Reconnect`.

A second task keeps the port and reads it, so that bytes are taken while the pump waits for the journal. What it finds
(opened, bytes, gone) lies in one queue in the order it happened.
"""

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from hardware.errors import DeviceError, OutcomeUnknown, TransportError
from hardware.journal import DeviceJournal
from hardware.ports import LineSettings, Port, check_url, open_port
from hardware.protocol import Action, Actions, Finish, Memory, Protocol, Record, Say, Send, SetLine

WAITING_MAX = 64  # commands that wait for one line; one more is refused
UNREAD_MAX_BYTES = 64 * 1024  # read from the port and not yet looked at; then the port is left to wait
RECORD_AGAIN_S = (0.05, 5.0)  # how soon a failed write is tried again: at first, and at most
CLOSE_WAIT_S = 30.0  # how long a note takes at most to reach the cassette (CCNET, STACK)
_WOKEN_IN_VAIN_S = 0.01  # a protocol that wants to be woken at once, for ever, is; this often

_log = logging.getLogger(__name__)
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
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


@dataclass(eq=False, slots=True)
class _Waiting:
    """A caller."""

    what: str
    future: "asyncio.Future[object]"
    begun: bool = False  # the protocol has it


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
        self._url, self._settings = url, line
        self._make_protocol = protocol
        self._journals = dict(journals)
        self._wrap = wrap or (lambda port: port)
        self._protocol: P | None = None
        self._port: Port | None = None
        self._line: deque[Port | bytearray | None] = deque()  # opened, what came, gone; in this order
        self._unread_bytes = 0
        self._commands: deque[tuple[int, object]] = deque()
        self._abandoned: deque[int] = deque()
        self._tickets: dict[int, _Waiting] = {}
        self._last_ticket = 0
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._tasks: list[asyncio.Task[None]] = []
        self._closing = False
        self._out_of_use = "is not open"
        self._woken = self._woken_in_vain = False

    def add_page(self, device: str, journal: DeviceJournal) -> None:
        """One more device on this line (`Record.device`), and its page; before anything of it is recorded."""
        self._journals[device] = journal

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
        """Recall, and begin to keep the line. Returns without waiting for the port. Once in a link's life.

        Raises:
            ValueError: nothing can be opened by this URL.
            Exception: what `DeviceJournal.recall` raises; nothing was begun then.
        """
        if self._protocol is not None:
            raise RuntimeError(f"{self.name}: a link is opened once")
        check_url(self._url)
        memories = {device: await journal.recall() for device, journal in self._journals.items()}
        self._protocol = self._make_protocol(memories)
        self._out_of_use = ""
        keeper = asyncio.create_task(self._keep_port(), name=f"{self.name} port")
        pump = asyncio.create_task(self._pump(self._protocol, keeper), name=f"{self.name} pump")
        self._tasks = [pump, keeper]

    async def call(self, command: object, *, what: str, timeout_s: float) -> object:
        """Have the protocol carry out a command, and wait for its end.

        Raises:
            TransportError: the link is closed, or too busy to begin within `timeout_s`; nothing was begun.
            OutcomeUnknown: `timeout_s` passed (the protocol's own limits are meant to be reached first).
            DeviceError: what the protocol finished it with.
        """
        if self._out_of_use:
            raise TransportError(f"{self.name} {self._out_of_use}")
        if len(self._tickets) >= WAITING_MAX:
            raise TransportError(f"{self.name}: {WAITING_MAX} commands wait already")
        self._last_ticket += 1
        ticket = self._last_ticket
        waiting = _Waiting(what, asyncio.get_running_loop().create_future())
        self._tickets[ticket] = waiting
        self._commands.append((ticket, command))
        self._news.set()
        try:
            async with asyncio.timeout(timeout_s):
                return await waiting.future
        except TimeoutError:
            if waiting.future.done() and not waiting.future.cancelled():
                return waiting.future.result()  # in the same moment
            if not waiting.begun:
                raise TransportError(f"{self.name}: not begun within {timeout_s:g} s, it is busy: {what}") from None
            raise OutcomeUnknown(what, f"{self.name} did not answer within {timeout_s:g} s") from None
        finally:
            if self._tickets.pop(ticket, None) is not None and waiting.begun:
                self._abandoned.append(ticket)
                self._news.set()
            if waiting.future.done() and not waiting.future.cancelled():
                waiting.future.exception()  # seen, even if the caller was cancelled in the same moment

    async def close(self, wait_s: float = CLOSE_WAIT_S) -> None:
        """Say good-bye, wait for what is on its way, give the port back. Whoever still waits gets an error."""
        if not self._tasks:
            return
        pump, keeper = self._tasks
        self._closing = True
        self._out_of_use = self._out_of_use or "is closed"
        self._news.set()
        try:
            done, _ = await asyncio.wait({pump}, timeout=wait_s)
            if not done:
                _log.warning("%s: closed while something was on its way", self.name)
        finally:
            for task in (pump, keeper):
                task.cancel()
            await asyncio.gather(pump, keeper, return_exceptions=True)
            self._let_go("it was closed meanwhile")
            self._tasks = []

    def _let_go(self, why: str) -> None:
        """Of the port and of everybody who waits."""
        ports = [self._port, *self._line]
        self._port = None
        self._line.clear()
        for port in ports:
            if isinstance(port, Port):
                port.close()
        for waiting in self._tickets.values():
            if waiting.future.done():
                continue
            if waiting.begun:
                waiting.future.set_exception(OutcomeUnknown(waiting.what, why))
            else:
                waiting.future.set_exception(TransportError(f"{self.name}: not begun, {why}: {waiting.what}"))

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

    # The pump

    async def _pump(self, protocol: P, keeper: "asyncio.Task[None]") -> None:
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
            self._out_of_use = "is out of use: its driver failed; see the log"
            keeper.cancel()
            self._let_go("its driver failed; see the log")

    async def _wait(self, until: float | None) -> None:
        if until is None:
            await self._news.wait()
            return
        left_s = max(until - time.monotonic(), _WOKEN_IN_VAIN_S if self._woken_in_vain else 0.0)
        if left_s <= 0:
            await asyncio.sleep(0)  # the other devices' turn
            return
        timer = asyncio.get_running_loop().call_later(left_s, self._news.set)
        try:
            await self._news.wait()
        finally:
            timer.cancel()

    def _has_news(self) -> bool:
        return bool(self._line or self._commands or self._abandoned)

    def _next_actions(self, protocol: P) -> Actions:
        """What one input leads to: what came over the line first, then time, then wishes from above."""
        now = time.monotonic()
        if self._line:
            self._woken_in_vain = False
            news = self._line.popleft()
            if isinstance(news, bytearray):
                return protocol.received(self._take(news), now)
            self._port = news
            return protocol.lost(now) if news is None else protocol.opened(now)
        wake_at = protocol.wake_at
        # Not twice while somebody waits: a wish that never ends must not keep everybody else's from being heard.
        woken, self._woken = self._woken, False
        if wake_at is not None and wake_at <= now and not (woken and (self._abandoned or self._commands)):
            self._woken = True
            actions = protocol.wake(now)
            self._woken_in_vain = not actions and protocol.wake_at == wake_at
            return actions
        if self._abandoned:
            return protocol.abandoned(self._abandoned.popleft(), now)
        if self._commands:
            ticket, command = self._commands.popleft()
            waiting = self._tickets.get(ticket)
            if waiting is None:
                return ()
            waiting.begun = True
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
                        _log.debug("%s: %s", self.name, error)
                        cut_off = True
                        self._port.close()  # its reader hears of it, and the keeper opens it again
                case SetLine(baud):
                    if self._port is not None and not cut_off:
                        self._port.set_baud(baud)
                        while self._line and isinstance(self._line[0], bytearray):
                            self._take(self._line.popleft())  # type: ignore[arg-type]
                case Record() as record:
                    await self._record(record)
                case Finish(ticket, result, error):
                    self._finish(ticket, result, error)
                case Say(words, level):
                    _log.log(_LEVELS[level], "%s: %s", self.name, words)

    def _finish(self, ticket: int, result: object, error: DeviceError | None) -> None:
        waiting = self._tickets.pop(ticket, None)
        if waiting is None or waiting.future.done():
            return
        if error is None:
            waiting.future.set_result(result)
        else:
            waiting.future.set_exception(error)

    async def _record(self, record: Record) -> None:
        journal = self._journals[record.device]
        again_s, longest_s = RECORD_AGAIN_S
        failures = 0
        while True:
            try:
                await journal.record(record.event, record.memory)
            except Exception as error:
                # Whatever the owner's journal raises: a disk that is full, a database that is locked. The device
                # holds what it was not told to forget, so the one right thing is to go on trying.
                level = logging.DEBUG if failures else logging.ERROR
                _log.log(level, "%s: cannot write to the journal, the device waits: %s", self.name, error)
                failures += 1
            else:
                if failures:
                    _log.info("%s: the journal takes writes again, after %d that failed", self.name, failures)
                return
            await asyncio.sleep(again_s)
            again_s = min(again_s * 2, longest_s)
