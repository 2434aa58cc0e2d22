"""The pump: one pure protocol, one timer, one task, whatever is at the other end.

Whatever happens (a command from above, the timer, news from the other end) is given to the protocol, and what it
answers is carried out in order. A record that cannot be written is tried again until it can, and meanwhile nothing is
said to the device: it keeps what it was not told to forget.

What the other end is, and how it is kept, the two kinds of pump say: `link.Link` has a port, `atol.web.WebEnd` a web
server.
"""

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from hardware.errors import DeviceError, OutcomeUnknown, TransportError
from hardware.journal import DeviceJournal
from hardware.protocol import Action, Actions, Finish, Memory, Protocol, Record, Say

WAITING_MAX = 64  # commands that wait for one pump; one more is refused
RECORD_AGAIN_S = (0.05, 5.0)  # how soon a failed write is tried again: at first, and at most
CLOSE_WAIT_S = 30.0  # how long a note takes at most to reach the cassette (CCNET, STACK)
_WOKEN_IN_VAIN_S = 0.01  # a protocol that wants to be woken at once, for ever, is; this often

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
P = TypeVar("P", bound=Protocol)


@dataclass(eq=False, slots=True)
class _Waiting:
    """A caller."""

    what: str
    future: "asyncio.Future[object]"
    begun: bool = False  # the protocol has it


class Pump(ABC, Generic[P]):
    """Runs one protocol until it is closed.

    A kind of it says what came from the other end (`_heard`, `_hear`), carries out what is meant for it (`_do`), and
    keeps `_news` set when there is something to hear.

    Args:
        name: for the log.
        protocol: makes the protocol from what each device remembered.
        journals: each device's page, by `Record.device`.
    """

    def __init__(
        self, *, name: str, protocol: Callable[[Mapping[str, Memory]], P], journals: Mapping[str, DeviceJournal]
    ) -> None:
        self.name = name
        self._log = logging.getLogger(type(self).__module__)
        self._make_protocol = protocol
        self._journals = dict(journals)
        self._protocol: P | None = None
        self._commands: deque[tuple[int, object]] = deque()
        self._abandoned: deque[int] = deque()
        self._tickets: dict[int, _Waiting] = {}
        self._last_ticket = 0
        self._news = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []  # the pump, and what keeps the other end
        self._closing = False
        self._out_of_use = "is not open"
        self._failed = ""
        self._woken = self._woken_in_vain = False

    # The other end

    def _check(self) -> None:
        """Raise what is wrong with the settings, before anything is begun."""

    def _keep(self) -> list["asyncio.Task[None]"]:
        """Begin to keep the other end; the tasks that do, which are cancelled when the pump ends."""
        return []

    @property
    @abstractmethod
    def _heard(self) -> bool:
        """Whether there is anything to `_hear`."""

    @abstractmethod
    def _hear(self, protocol: P, now: float) -> Actions:
        """Give the protocol what came first from the other end, while `_heard`."""

    @abstractmethod
    async def _do(self, action: Action) -> None:
        """Carry out what is meant for the other end. Never raises for its sake."""

    def _hang_up(self) -> None:
        """Let go of the other end, at once."""

    # From above

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
    def failed(self) -> str:
        """Why it is out of use until it is made anew: a mistake of ours ended it. Empty: none did."""
        return self._failed

    async def open(self) -> None:
        """Recall, and begin to keep the other end. Returns without waiting for it. Once in a pump's life.

        Raises:
            ValueError: there can be no such other end.
            Exception: what `DeviceJournal.recall` raises; nothing was begun then.
        """
        if self._protocol is not None:
            raise RuntimeError(f"{self.name} is opened once")
        self._check()
        memories = {device: await journal.recall() for device, journal in self._journals.items()}
        self._protocol = self._make_protocol(memories)
        self._out_of_use = ""
        keepers = self._keep()
        self._tasks = [asyncio.create_task(self._pump(self._protocol), name=f"{self.name} pump"), *keepers]

    async def call(self, command: object, *, what: str, timeout_s: float) -> object:
        """Have the protocol carry out a command, and wait for its end.

        Raises:
            TransportError: it is closed, or too busy to begin within `timeout_s`; nothing was begun.
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
        """Say good-bye, wait for what is on its way, let go. Whoever still waits gets an error."""
        if not self._tasks:
            return
        self._closing = True
        self._out_of_use = self._out_of_use or "is closed"
        self._news.set()
        try:
            done, _ = await asyncio.wait(self._tasks[:1], timeout=wait_s)
            if not done:
                self._log.warning("%s: closed while something was on its way", self.name)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self._let_go("it was closed meanwhile")
            self._tasks = []

    def _let_go(self, why: str) -> None:
        """Of the other end and of everybody who waits."""
        self._hang_up()
        for waiting in self._tickets.values():
            if waiting.future.done():
                continue
            if waiting.begun:
                waiting.future.set_exception(OutcomeUnknown(waiting.what, why))
            else:
                waiting.future.set_exception(TransportError(f"{self.name}: not begun, {why}: {waiting.what}"))

    # The pump

    async def _pump(self, protocol: P) -> None:
        try:
            said_goodbye = False
            while True:
                await self._carry_out(self._next_actions(protocol))
                if self._closing and not said_goodbye:
                    said_goodbye = True
                    await self._carry_out(protocol.closing(time.monotonic()))
                if self._closing and protocol.settled:
                    return
                if not self._has_news():
                    self._news.clear()
                    await self._wait(protocol.wake_at)
        except Exception as error:
            self._log.exception("%s: the driver failed; it is out of use until it is opened anew", self.name)
            self._failed = f"the driver failed: {type(error).__name__}"
            self._out_of_use = "is out of use: its driver failed; see the log"
            for keeper in self._tasks[1:]:
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
        return self._heard or bool(self._commands or self._abandoned)

    def _next_actions(self, protocol: P) -> Actions:
        """What one input leads to: what came from the other end first, then time, then wishes from above."""
        now = time.monotonic()
        if self._heard:
            self._woken_in_vain = False
            return self._hear(protocol, now)
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

    async def _carry_out(self, actions: Actions) -> None:
        for action in actions:
            match action:
                case Record() as record:
                    await self._record(record)
                case Finish(ticket, result, error):
                    self._finish(ticket, result, error)
                case Say(words, level):
                    self._log.log(_LEVELS[level], "%s: %s", self.name, words)
                case _:
                    await self._do(action)

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
                self._log.log(level, "%s: cannot write to the journal, the device waits: %s", self.name, error)
                failures += 1
            else:
                if failures:
                    self._log.info("%s: the journal takes writes again, after %d that failed", self.name, failures)
                return
            await asyncio.sleep(again_s)
            again_s = min(again_s * 2, longest_s)
