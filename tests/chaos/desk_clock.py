"""An event loop whose clock jumps to whatever happens next, and waits for threads and for the kernel.

As `tests.hardware.contracts.warp`, but for a program that writes to a real disk: while a write is on its way (`held`),
or anything that was given to a thread (`asyncio.to_thread`), no virtual time passes, so that a schedule is the same
however busy the machine is.
"""

import asyncio
import contextlib
import selectors
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple
from unittest.mock import patch

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

BEGIN_S = 1_000_000.0
_TURNS_MAX = 3_000_000  # of the loop, in one run; more is something that never ends
_DISK_S = 30.0  # real seconds that a write may take


class Stuck(AssertionError):
    """Nothing is left that could ever happen, or nothing ends."""


class Clock(selectors.PollSelector):
    """Virtual time. `now` is what `time.monotonic` says while the loop runs.

    By poll(2), which brings what was written to a pseudo-terminal before it answers: with epoll, the time at which that
    comes is the kernel's own.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = BEGIN_S
        self.turns = 0
        self._holds = 0

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Let no time pass: something outside of the loop is at work and will tell."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1

    def select(self, timeout: float | None = None) -> Any:
        """What has come, or the next moment."""
        self.turns += 1
        if self.turns > _TURNS_MAX:
            raise Stuck(f"{_TURNS_MAX} turns of the loop and no end, {self.now - BEGIN_S:.1f} s in")
        if self._holds and timeout != 0:
            found = super().select(_DISK_S)
            if not found:
                raise Stuck(f"the disk, or a thread, took more than {_DISK_S:g} s")
            return found
        found = super().select(0) if timeout != 0 or self.turns % 16 == 0 else []
        if not found and timeout is None:
            raise Stuck("nothing is left that could happen")
        if not found and timeout:
            self.now += timeout
        return found


class _Loop(asyncio.SelectorEventLoop):
    """Threads' time is none."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._clock = clock

    def run_in_executor(self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts) -> "asyncio.Future[T]":
        """As the loop's own, while the clock is held."""
        holding = contextlib.ExitStack()
        holding.enter_context(self._clock.held())
        ended: asyncio.Future[T] = super().run_in_executor(executor, func, *args)
        ended.add_done_callback(lambda _: holding.close())
        return ended


def run(what: Coroutine[Any, Any, T], clock: Clock) -> T:
    """Run it to its end; what it leaves behind is cancelled."""
    with patch.object(time, "monotonic", lambda: clock.now):
        loop = _Loop(clock)
        try:
            return loop.run_until_complete(what)
        finally:
            for task in (left := asyncio.all_tasks(loop)):
                task.cancel()
            loop.run_until_complete(_gather(left))
            loop.run_until_complete(loop.shutdown_asyncgens())
            with clock.held():
                loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()


async def _gather(tasks: set["asyncio.Task[Any]"]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)
