"""A hub's end of all this: its sockets, when to leave, and the figures of the others."""

import asyncio
import logging
import os
import select
import signal
import socket
import threading
from collections.abc import Callable, Coroutine
from itertools import count
from typing import Any, Protocol

import msgspec

from cloud.cancelled import cancelled
from cloud.processes.channel import (
    BEAT_EVERY,
    Adopt,
    Beat,
    Channel,
    FromSupervisor,
    Gathered,
    Given,
    Going,
    Leave,
    Ready,
    Role,
    Wanted,
)
from cloud.processes.gathered import page
from cloud.processes.listeners import BACKLOG

log = logging.getLogger(__name__)

_GATHERED_WITHIN = 2.5  # a little more than the supervisor waits for the slowest
_ORPHAN_LIVES = 20.0  # after its supervisor's death: more than an orderly end takes


class Doors(Protocol):
    """What accepts on sockets. `whose` names them."""

    def accept(self, whose: int, sockets: list[socket.socket]) -> None:
        """Accept on these too; they are its to close."""

    def ignore(self, whose: int) -> None:
        """Accept on them no more; they stay open for others."""


class Told(msgspec.Struct, kw_only=True):
    """That this hub is to end, and how: see `channel.Leave`."""

    drain: float | None = None  # None: as the settings say
    handed_over: bool = False
    others: tuple[str, ...] = ()


class Supervised:
    """One of several processes."""

    def __init__(self, role: Role) -> None:
        self.role = role
        self.told = asyncio.Event()
        self.hurry = asyncio.Event()  # told to end at once
        self.how = Told()
        self._control = socket.socket(fileno=role.control)
        self._listeners = [[socket.socket(fileno=number) for number in group] for group in role.listeners]
        self._channel = Channel(FromSupervisor, self._heard, self._orphaned)
        self._numbers = count(1)
        self._gathering: dict[int, asyncio.Future[dict[str, bytes | None]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._doors: Doors | None = None
        self._figures: Callable[[], bytes] = bytes
        self._is_leaving = False
        threading.Thread(target=_watch, args=(os.dup(role.control),), name="supervisor-watch", daemon=True).start()

    @property
    def name(self) -> str:
        """As its series are labelled."""
        return f"{self.role.process}-leaving" if self._is_leaving else str(self.role.process)

    def sockets(self) -> list[socket.socket]:
        """Its own, to accept on. They can be closed: what waits in them stays, as the supervisor has them too."""
        return self._of(self.role.process)

    async def start(self, figures: Callable[[], bytes]) -> None:
        """Hear what the supervisor says; `figures` gives this process's, packed."""
        self._figures = figures
        await self._channel.open(self._control)
        self._spawn(self._beat())

    def ready(self, life: str, doors: Doors) -> None:
        """Say that this hub serves."""
        self._doors = doors
        self._channel.say(Ready(life))

    def told_to_end(self) -> None:
        """SIGTERM came: from somebody who wants this process gone, or from systemd to all. Twice: at once."""
        if self.told.is_set():
            self.hurry.set()
            return
        self._channel.say(Going())
        self._end(Told(handed_over=True))

    async def gather(self) -> dict[str, bytes | None]:
        """The packed figures of all processes, this one among them."""
        number, future = next(self._numbers), asyncio.get_running_loop().create_future()
        self._gathering[number] = future
        self._channel.say(Wanted(number))
        others: dict[str, bytes | None] = {}
        try:
            async with asyncio.timeout(_GATHERED_WITHIN):
                others = await future
        except TimeoutError:
            others = {str(n): None for n in range(1, self.role.of + 1)}
        finally:
            del self._gathering[number]
        return {**others, self.name: self._figures()}

    async def stop(self) -> None:
        """Hear no more."""
        await cancelled(*self._tasks)
        await self._channel.close()
        self.let_go()

    def let_go(self) -> None:
        """Close the sockets, so that whoever comes is not left waiting once all processes end."""
        for group in self._listeners:
            for listener in group:
                listener.close()

    def _heard(self, message: msgspec.Struct) -> None:
        if isinstance(message, Wanted):
            self._channel.say(Given(message.number, self._figures()))
        elif isinstance(message, Gathered):
            if (future := self._gathering.get(message.number)) and not future.done():
                future.set_result(message.figures)
        elif isinstance(message, Leave):
            if not message.handed_over:
                self.let_go()
            if message.drain <= 0 and self.told.is_set():
                self.hurry.set()
            self._end(Told(drain=message.drain, handed_over=message.handed_over, others=message.others))
        elif isinstance(message, Adopt) and not self.told.is_set():
            self._adopt(message)

    def _adopt(self, message: Adopt) -> None:
        if self._doors is None or not 1 <= message.process <= self.role.of:
            return
        log.info("sockets of another process", extra={"of": str(message.process), "accepting": message.accept})
        if message.accept:
            self._doors.accept(message.process, self._of(message.process))
        else:
            self._doors.ignore(message.process)

    def _of(self, process: int) -> list[socket.socket]:
        own = [listener.dup() for listener in self._listeners[process - 1]]
        for listener in own:
            listener.setblocking(False)
            listener.listen(BACKLOG)
        return own

    def _orphaned(self) -> None:
        log.error("the supervisor is gone: ending too")
        self.let_go()
        self._end(Told(drain=0.0))

    def _end(self, how: Told) -> None:
        if not self.told.is_set():
            self.how = how
            self._is_leaving = how.handed_over
            self.told.set()

    async def _beat(self) -> None:
        while True:
            self._channel.say(Beat())
            await asyncio.sleep(BEAT_EVERY)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, name="process")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _watch(control: int) -> None:
    """In a thread: a child whose supervisor is dead, and that does not end in order, ends outright."""
    poll = select.poll()
    poll.register(control, select.POLLRDHUP)
    while not any(events & (select.POLLRDHUP | select.POLLHUP | select.POLLERR) for _, events in poll.poll()):
        pass
    threading.Event().wait(_ORPHAN_LIVES)
    os.kill(os.getpid(), signal.SIGKILL)


async def gathered_page(supervised: Supervised) -> bytes:
    """What `/metrics` answers, whichever process is asked."""
    return await asyncio.to_thread(page, await supervised.gather())
