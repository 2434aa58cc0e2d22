"""One child of a supervisor: a fresh interpreter, and the channel to it."""

import asyncio
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

import cloud
from cloud.processes.channel import Beat, Channel, FromChild, Given, Going, Leave, Ready, Role, Wanted

log = logging.getLogger(__name__)


def own_command() -> list[str]:
    """What starts another `kioskwire-hub` of the tree, or the frozen program, that this one is of."""
    if getattr(sys, "frozen", False):
        return [sys.executable]
    return [sys.executable, "-P", "-m", "cloud"]  # -P: what lies in the working directory is no program of ours


def environment() -> dict[str, str]:
    """Of a child: as ours, but that only the supervisor speaks with systemd."""
    mine = {name: value for name, value in os.environ.items() if name not in {"NOTIFY_SOCKET", "WATCHDOG_USEC"}}
    if not getattr(sys, "frozen", False):
        tree = str(Path(cloud.__file__).parents[1])
        mine["PYTHONPATH"] = os.pathsep.join([tree, *filter(None, [mine.get("PYTHONPATH")])])
    return mine


class Owner:
    """Who is told of what children say."""

    def ended(self, child: "Child") -> None:
        """It is dead; `child.status` says how."""

    def going(self, child: "Child") -> None:
        """It was told to end, not by us."""

    def wants_figures(self, child: "Child", number: int) -> None:
        """Somebody asked it for the figures of all."""


class Child:
    """One process. `process` is its number, 1 and on, which its successors have as well."""

    def __init__(self, process: int, owner: Owner) -> None:
        loop = asyncio.get_running_loop()
        self.process = process
        self.life = ""
        self.status: int | None = None  # its exit status, -n for signal n
        self.ready: asyncio.Future[bool] = loop.create_future()  # False: it ended before
        self.ready_at = 0.0
        self.heard_at = loop.time()
        self.is_leaving = False
        self.over = asyncio.Event()
        self.adopted: set[int] = set()  # whose sockets it accepts on beside its own
        self._figures: dict[int, asyncio.Future[bytes]] = {}
        self._loop = loop
        self._owner = owner
        self._channel = Channel(FromChild, self._heard, lambda: None)
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """As the label `process` has it: one that leaves is shown beside its successor."""
        return f"{self.process}-leaving" if self.is_leaving else str(self.process)

    @property
    def pid(self) -> int:
        """Of the process, 0 before it is started."""
        return self._process.pid if self._process else 0

    async def start(self, command: Sequence[str], listeners: Sequence[Sequence[socket.socket]]) -> None:
        """Start it; `ready` tells when it serves."""
        ours, theirs = socket.socketpair()
        numbers = tuple(tuple(one.fileno() for one in sockets) for sockets in listeners)
        role = Role(process=self.process, of=len(listeners), control=theirs.fileno(), listeners=numbers)
        try:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                "--as-process",
                msgspec.json.encode(role).decode(),
                stdin=subprocess.DEVNULL,
                env=environment(),
                pass_fds=[theirs.fileno(), *(number for group in numbers for number in group)],
            )
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        await self._channel.open(ours)
        self._task = asyncio.create_task(self._wait(), name=f"process-{self.process}")

    def say(self, message: msgspec.Struct) -> None:
        """Give it a message."""
        self._channel.say(message)

    def leave(self, drain: float, *, handed_over: bool, others: Sequence[str] = ()) -> None:
        """Have it end. One that does not serve yet has nothing to bring to an end."""
        self.is_leaving = True
        if self.ready.done():
            self.say(Leave(drain, handed_over, tuple(others)))
        elif self._process is not None and self.status is None:
            self._process.terminate()

    def kill(self) -> None:
        """End it outright."""
        if self._process is not None and self.status is None:
            self._process.kill()

    async def figures(self, number: int, within: float) -> bytes | None:
        """Its figures, packed; None if it does not answer in time."""
        future: asyncio.Future[bytes] = self._loop.create_future()
        self._figures[number] = future
        self.say(Wanted(number))
        try:
            async with asyncio.timeout(within):
                return await future
        except TimeoutError:
            return None
        finally:
            del self._figures[number]

    def _heard(self, message: msgspec.Struct) -> None:
        self.heard_at = self._loop.time()
        if isinstance(message, Ready):
            self.life, self.ready_at = message.life, self.heard_at
            if not self.ready.done():
                self.ready.set_result(True)
        elif isinstance(message, Given):
            if (future := self._figures.get(message.number)) and not future.done():
                future.set_result(message.figures)
        elif isinstance(message, Wanted):
            self._owner.wants_figures(self, message.number)
        elif isinstance(message, Going):
            self._owner.going(self)
        elif not isinstance(message, Beat):
            log.info("a message of a process is passed over", extra={"of": type(message).__name__})

    async def _wait(self) -> None:
        assert self._process is not None
        self.status = await self._process.wait()
        await self._channel.close()
        if not self.ready.done():
            self.ready.set_result(False)
        self.over.set()
        self._owner.ended(self)
