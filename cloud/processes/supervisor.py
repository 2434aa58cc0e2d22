"""Starts the hubs of this machine, starts anew those that die, restarts them one after another, ends them."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import subprocess
from collections.abc import Coroutine, Sequence
from typing import Any

from cloud.cancelled import cancelled
from cloud.notify import notify
from cloud.processes.backoff import Backoff
from cloud.processes.channel import Adopt, Gathered
from cloud.processes.children import Child, Owner, environment
from cloud.processes.listeners import close
from cloud.processes.place import Place, State

log = logging.getLogger(__name__)

_START_WITHIN = 180.0  # as TimeoutStartSec of the unit: it may wait for a database
_END_WITHIN = 20.0  # beyond what it may take to send kiosks away
_SILENT = 60.0  # without a beat: it hangs
_LATE = 30.0  # a look later than this: we stood still, as when the machine, or its container, was paused
_LOOK_EVERY = 5.0
_FIGURES_WITHIN = 1.5


class _Slot:
    """The place of one process in the port's group."""

    def __init__(self, process: int) -> None:
        self.process = process
        self.current: Child | None = None  # the one that serves
        self.all: set[Child] = set()  # with those that come and those that leave
        self.backoff = Backoff()
        self.lock = asyncio.Lock()  # of whoever puts another one there


class Supervisor(Owner):
    """`command` starts a hub, to which a role is added; `migrate` brings the database to its schema."""

    def __init__(
        self,
        command: Sequence[str],
        migrate: Sequence[str],
        listeners: list[list[socket.socket]],
        place: Place,
        drain: float,
    ) -> None:
        self._command = command
        self._migrate = migrate
        self._listeners = listeners
        self._place = place
        self._drain = drain
        self._slots = [_Slot(process) for process in range(1, len(listeners) + 1)]
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._asked = asyncio.Event()  # for a rolling restart
        self._has_terminal = False
        self._state = State(pid=os.getpid(), processes=len(listeners))

    async def run(self) -> int:
        """Serve until told to stop. Returns the exit status."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):
            self._has_terminal = os.isatty(2)
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, self._told_to_stop)
        loop.add_signal_handler(signal.SIGHUP, self._told_to_restart)
        self._place.write(self._state)
        try:
            return await self._run()
        finally:
            await self._end()

    async def _run(self) -> int:
        if status := await self._migrated():
            return status
        # The first one alone: what is done once in a fleet's life, such as the first admin's link, is done by it.
        if status := await self._begin(self._slots[:1]) or await self._begin(self._slots[1:]):
            return status
        if self._stop.is_set():
            return 0
        notify("READY=1")
        port = self._listeners[0][0].getsockname()[1]
        log.info("all processes serve", extra={"processes": len(self._slots), "port": port})
        self._spawn(self._watch())
        while not self._stop.is_set():
            await self._either(self._stop, self._asked)
            if self._asked.is_set() and not self._stop.is_set():
                self._asked.clear()
                await self._restart_all()
        return 0

    # Signals.

    def _told_to_stop(self) -> None:
        if self._stop.is_set():
            log.info("told again: stopping at once")
            self._hurry.set()
        self._stop.set()

    def _told_to_restart(self) -> None:
        if self._has_terminal and not _is_terminal(2):  # the terminal was closed, with us in it
            self._told_to_stop()
        else:
            self._asked.set()

    # Starting.

    async def _migrated(self) -> int:
        """Bring the database to the schema, once for all; an exit status, 0 when it is there."""
        process = await asyncio.create_subprocess_exec(
            *self._migrate, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=environment()
        )
        ended = asyncio.ensure_future(process.wait())
        told = asyncio.ensure_future(self._stop.wait())
        both: list[asyncio.Future[Any]] = [ended, told]
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        if not ended.done():
            process.terminate()
            await ended
            return 0
        status = ended.result()
        return status if status >= 0 else 1

    async def _begin(self, slots: Sequence[_Slot]) -> int:
        """Have these serve. One that cannot at the very beginning could not later: its exit status is ours."""
        brought = await asyncio.gather(*(self._bring(slot) for slot in slots))
        if self._stop.is_set():
            return 0
        for slot, child in zip(slots, brought, strict=True):
            if child.ready.done() and child.ready.result():
                self._put(slot, child)
            else:
                log.error("a process cannot begin", extra={"of": child.name, "status": child.status})
                return child.status if child.status and child.status > 0 else 1
        return 0

    async def _bring(self, slot: _Slot) -> Child:
        """Start a process; returns once it serves, has ended, took too long, or all are to stop."""
        child = Child(slot.process, self)
        slot.all.add(child)
        try:
            await child.start(self._command, self._listeners)
        except OSError as error:
            log.error("a process cannot be started", extra={"of": child.name, "error": str(error)})
            slot.all.discard(child)
            child.status = 1
            child.ready.set_result(False)
            return child
        told = asyncio.ensure_future(self._stop.wait())
        either: list[asyncio.Future[Any]] = [child.ready, told]
        try:
            await asyncio.wait(either, timeout=_START_WITHIN, return_when=asyncio.FIRST_COMPLETED)
        finally:
            told.cancel()
        if not child.ready.done() and not self._stop.is_set():
            log.error("a process does not come to serve", extra={"of": child.name, "after": _START_WITHIN})
            child.kill()
            await child.over.wait()
        return child

    def _put(self, slot: _Slot, child: Child) -> None:
        """It serves in this place now."""
        slot.current = child
        log.info("a process serves", extra={"of": child.name, "child": child.pid})
        for other in self._serving():
            if slot.process in other.adopted:
                other.adopted.discard(slot.process)
                other.say(Adopt(slot.process, False))

    def _serving(self) -> list[Child]:
        return [slot.current for slot in self._slots if slot.current is not None]

    # When one is gone.

    def ended(self, child: Child) -> None:
        """See `Owner`."""
        slot = self._slots[child.process - 1]
        slot.all.discard(child)
        for orphan in child.adopted:  # what it did for others somebody else does now
            self._adopt(orphan)
        if slot.current is child:
            slot.current = None
            if not self._stop.is_set():
                lived = asyncio.get_running_loop().time() - child.ready_at
                log.error(
                    "a process has died, and is started anew",
                    extra={"of": child.name, "child": child.pid, "status": child.status, "after": round(lived, 1)},
                )
                self._replace(slot, lived)
        elif child.is_leaving and not self._stop.is_set():
            log.info("a process has left", extra={"of": child.name, "child": child.pid, "status": child.status})

    def going(self, child: Child) -> None:
        """See `Owner`."""
        slot = self._slots[child.process - 1]
        if slot.current is child and not self._stop.is_set():
            log.warning("a process was told to end, and is started anew", extra={"of": child.name, "child": child.pid})
            child.is_leaving = True
            slot.current = None
            for orphan in child.adopted:
                self._adopt(orphan)
            self._replace(slot, 0.0)
            self._spawn(self._see_off(child))

    def _replace(self, slot: _Slot, lived: float) -> None:
        self._adopt(slot.process)
        self._spawn(self._revive(slot, lived))

    def _adopt(self, process: int) -> None:
        """Have another process accept on the sockets of this one, so that nobody waits there."""
        if self._stop.is_set() or self._slots[process - 1].current is not None:
            return
        serving = self._serving()
        if serving and not any(process in child.adopted for child in serving):
            child = min(serving, key=lambda one: len(one.adopted))
            child.adopted.add(process)
            child.say(Adopt(process, True))

    async def _revive(self, slot: _Slot, lived: float) -> None:
        while not self._stop.is_set():
            pause = slot.backoff.pause(lived)
            if pause:
                log.info(
                    "a process is started after a pause", extra={"of": str(slot.process), "pause": round(pause, 1)}
                )
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stop.wait()
            async with slot.lock:
                if slot.current is not None or self._stop.is_set():
                    return
                child = await self._bring(slot)
                if self._is_good(child):
                    self._put(slot, child)
                    return
            lived = 0.0
            if not self._stop.is_set():
                log.error("a process cannot begin", extra={"of": str(slot.process), "status": child.status})

    def _is_good(self, child: Child) -> bool:
        return not self._stop.is_set() and child.ready.done() and child.ready.result() and child.status is None

    async def _watch(self) -> None:
        """Those that hang are ended; systemd, where it asks for it, is told that we do not."""
        loop = asyncio.get_running_loop()
        every = min(_LOOK_EVERY, int(os.environ.get("WATCHDOG_USEC") or 10**8) / 2e6)
        due = loop.time() + every
        while True:
            await asyncio.sleep(every)
            now = loop.time()
            late, due = now - due, now + every
            notify("WATCHDOG=1")
            for slot in self._slots:
                for child in slot.all:
                    if late > _LATE:  # nobody said anything meanwhile, or it is not read yet
                        child.heard_at = now
                    if child.ready_at and now - child.heard_at > _SILENT:
                        log.error("a process says nothing any more, and is killed", extra={"of": child.name})
                        child.kill()

    # Restarting them all.

    async def _restart_all(self) -> None:
        """One after another, each only when its successor serves. Where one cannot, those that are left stay."""
        log.info("restarting all processes, one after another", extra={"processes": len(self._slots)})
        self._tell(is_restarting=True)
        failed = await self._round()
        if failed and not self._stop.is_set():
            log.error("the restart is given up: the processes that serve go on", extra={"reason": failed})
        else:
            log.info("all processes are restarted")
        self._tell(is_restarting=False, failed=failed, rounds=self._state.rounds + 1)

    async def _round(self) -> str:
        if status := await self._migrated():
            return f"the database cannot be brought to this version's schema: exit status {status}, see the log"
        for slot in self._slots:
            async with slot.lock:
                child = await self._bring(slot)
                if not self._is_good(child):
                    if self._stop.is_set():
                        return "the hub was stopped meanwhile"
                    return f"process {slot.process} could not begin anew: exit status {child.status}, see the log"
                before, slot.current = slot.current, None
                self._put(slot, child)
            if before is not None:
                for orphan in before.adopted:
                    self._adopt(orphan)
                before.leave(self._drain, handed_over=True)
                await self._see_off(before)
        return "the hub was stopped meanwhile" if self._stop.is_set() else ""

    async def _see_off(self, child: Child) -> None:
        """Wait until one that was told to end has."""
        try:
            async with asyncio.timeout(self._drain + _END_WITHIN):
                await self._either(child.over, self._stop)
        except TimeoutError:
            log.error("a process does not end, and is killed", extra={"of": child.name, "child": child.pid})
            child.kill()

    def _tell(self, **changes: Any) -> None:
        self._state = State(**{**{f: getattr(self._state, f) for f in State.__struct_fields__}, **changes})
        self._place.write(self._state)

    # Figures.

    def wants_figures(self, child: Child, number: int) -> None:
        """See `Owner`."""
        self._spawn(self._gather(child, number))

    async def _gather(self, asker: Child, number: int) -> None:
        others = {
            child.name: child for slot in self._slots for child in slot.all if child.ready_at and child is not asker
        }
        # The asker's number alone would be another's as well.
        key = asker.pid * 2**32 + number
        found = await asyncio.gather(*(child.figures(key, _FIGURES_WITHIN) for child in others.values()))
        figures: dict[str, bytes | None] = dict(zip(others, found, strict=True))
        figures |= {str(slot.process): None for slot in self._slots if slot.current is None}
        asker.say(Gathered(number, figures))

    # Ending.

    async def _end(self) -> None:
        """All at once, each in its order; whoever does not end in time is killed."""
        self._stop.set()
        left = [child for slot in self._slots for child in slot.all]
        if left:
            notify(f"STOPPING=1\nEXTEND_TIMEOUT_USEC={int((self._drain + _END_WITHIN) * 1e6)}")
            log.info("stopping", extra={"processes": len(left)})
        close(self._listeners)  # the children have theirs: once they let go, nobody waits there for nothing
        lives = [child.life for child in left if child.life]
        for child in left:
            child.leave(self._drain, handed_over=False, others=lives)
        over = asyncio.gather(*(child.over.wait() for child in left))
        hurry = asyncio.ensure_future(self._hurry.wait())
        both: list[asyncio.Future[Any]] = [over, hurry]
        await asyncio.wait(both, timeout=self._drain + _END_WITHIN, return_when=asyncio.FIRST_COMPLETED)
        if not over.done() and self._hurry.is_set():
            for child in left:
                child.leave(0.0, handed_over=False, others=lives)
            await asyncio.wait([over], timeout=_END_WITHIN)
        hurry.cancel()
        if not over.done():
            for child in left:
                if not child.over.is_set():
                    log.error("a process does not end, and is killed", extra={"of": child.name, "child": child.pid})
                child.kill()
        await over
        await cancelled(*self._tasks)
        log.info("stopped")

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="supervisor")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _either(self, *events: asyncio.Event) -> None:
        tasks = [asyncio.ensure_future(event.wait()) for event in events]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()


def _is_terminal(number: int) -> bool:
    try:
        return os.isatty(number)
    except OSError:
        return False
