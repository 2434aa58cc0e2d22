"""A TCP proxy that stands for the network between two programs, and for everything that can be wrong with it.

It runs in a thread of its own; every method may be called from any other thread and has taken effect when it returns.

    with FaultProxy(hub.port, Plan(7, {"drop": 0.01, "rst": 0.005}), kind="websocket") as proxy:
        proxy.hold(up=True)      # what the dialling end says is kept back; nobody notices
        proxy.cut()              # all connections end, kept bytes are lost, new connections are refused
        proxy.cut(hang=True)     # the same, but new connections hang until it is restored
        proxy.restore()          # new connections pass; held ones go on
        proxy.shape(down=Shape(delay_s=0.2, jitter_s=0.1, bytes_per_s=20_000))
        proxy.plan = Script([Step("duplicate", way="down", kind="request", nth=3)])
        proxy.done               # Counter of what happened

"Up" is from who dialled to the target, "down" the other way. In `websocket` and `http` the faults of a plan happen to
whole frames and messages, which are passed on when they are complete; `raw` passes what comes. The kinds of faults
are told in `tests.chaos.plan`; `done` has those, and `cut`, `held` (connections), `refused` and `hung` (new ones).
"""

import asyncio
import contextlib
import random
import socket
import threading
from collections import Counter
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

from tests.chaos.lanes import Pair, Shape, reset
from tests.chaos.plan import Decider, Fault, Happened, Way, Where

__all__ = ["FaultProxy", "Kind", "Shape"]

T = TypeVar("T")
Kind = Literal["websocket", "http", "raw"]

_ANSWER_S = 60.0
_BACKLOG = 1024


class FaultProxy:
    """Listens on a port of its own and passes every connection on to `target_port` at 127.0.0.1."""

    def __init__(self, target_port: int, plan: Decider | None = None, kind: Kind = "raw") -> None:
        self.target_port = target_port
        self.plan = plan  # may be set to another, or None, at any time
        self.kind: Kind = kind
        self.shapes: dict[Way, Shape] = {"up": Shape(), "down": Shape()}
        self.chance = random.Random("jitter")
        self._done: Counter[str] = Counter()
        self._pairs: dict[int, Pair] = {}
        self._accepted = 0
        self._serving: set[asyncio.Task[None]] = set()
        self._refusing = False
        self._holding_new = (False, False)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)
        self._thread.start()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self._open = self._do(self._start())

    def cut(self, *, hang: bool = False, connection: int | None = None) -> None:
        """End every connection with a reset, losing what is under way; refuse new ones, or let them `hang`.

        With a `connection` only that one ends, and new ones pass.
        """
        self._do(self._cut(hang=hang, connection=connection))

    def cut_after(self, count: int, connection: int | None = None) -> None:
        """Reset the present connections (or one) after so many more bytes, both ways together."""
        self._do(self._cut_after(count, connection))

    def hold(self, *, up: bool = False, down: bool = False, new: bool = False, connection: int | None = None) -> None:
        """Keep back what connections (or one) say in a direction: the present ones and, if told so, `new` ones.

        They stay open, as over a dead radio link. What came before one end hung up comes after `restore`.
        """
        self._do(self._hold(up=up, down=down, new=new, connection=connection))

    def restore(self) -> None:
        """Let new connections through, and let held ones go on."""
        self._do(self._restore())

    def shape(self, *, up: Shape | None = None, down: Shape | None = None) -> None:
        """Make the line slow for present and new connections; None leaves a direction as it is."""
        self._do(self._shape(up, down))

    @property
    def connections(self) -> int:
        """How many are open now."""
        return len(self.numbers)

    @property
    def numbers(self) -> list[int]:
        """The numbers of those that are open now, counted from 1 since the start, oldest first."""
        return self._do(self._numbers())

    @property
    def accepted(self) -> int:
        """How many there were since the start."""
        return self._do(self._count_accepted())

    @property
    def done(self) -> Counter[str]:
        """What happened so far, by kind: a copy."""
        return self._do(self._copy_done())

    def close(self) -> None:
        """End everything and the thread."""
        if self._loop.is_closed():
            return
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_ANSWER_S)
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_ANSWER_S)

    # Everything below runs in the proxy's loop.

    def count(self, kind: str, times: int = 1) -> None:
        """Something was done that no plan decided."""
        self._done[kind] += times

    def happened(self, plan: Decider, fault: Fault, where: Where, unit: str) -> None:
        """What a plan decided was done."""
        self._done[fault.kind] += 1
        plan.happened(Happened(fault, where, unit))

    async def _start(self) -> asyncio.Event:
        opened = asyncio.Event()  # while it is not set, new connections hang
        opened.set()
        self._loop.add_reader(self._listener, self._accept)
        return opened

    def _accept(self) -> None:
        """Not `asyncio.start_server`: that one loses connections which come while it is being closed."""
        with contextlib.suppress(OSError):
            while True:
                connection, _address = self._listener.accept()
                self._accepted += 1
                task = self._loop.create_task(self._serve(connection, self._accepted))
                self._serving.add(task)
                task.add_done_callback(self._serving.discard)

    async def _serve(self, connection: socket.socket, number: int) -> None:
        reader, writer = await asyncio.open_connection(sock=connection)
        if not self._open.is_set():
            self.count("hung")
            await self._open.wait()
        if self._refusing:
            self.count("refused")
            reset(writer)
            return
        try:
            there = await asyncio.open_connection("127.0.0.1", self.target_port)
        except OSError:
            reset(writer)
            return
        except BaseException:
            reset(writer)
            raise
        for end in (writer, there[1]):
            end.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pair = Pair(self, number, (reader, writer), there)
        pair.hold(*self._holding_new)
        if self._refusing or not self._open.is_set():  # it was cut in between
            pair.reset()
            return
        self._pairs[number] = pair
        try:
            await pair.run()
        finally:
            del self._pairs[number]

    def _chosen(self, connection: int | None) -> list[Pair]:
        return [pair for number, pair in self._pairs.items() if connection in {None, number}]

    async def _numbers(self) -> list[int]:
        return list(self._pairs)

    async def _count_accepted(self) -> int:
        return self._accepted

    async def _copy_done(self) -> Counter[str]:
        return Counter(self._done)

    async def _cut(self, *, hang: bool, connection: int | None) -> None:
        if connection is None:
            if hang:
                self._open.clear()
            else:
                self._refusing = True
        for pair in self._chosen(connection):
            self.count("cut")
            pair.reset()

    async def _cut_after(self, count: int, connection: int | None) -> None:
        for pair in self._chosen(connection):
            pair.cut_after(count)

    async def _hold(self, *, up: bool, down: bool, new: bool, connection: int | None) -> None:
        for pair in self._chosen(connection):
            self.count("held")
            pair.hold(up, down)
        if new:
            self._holding_new = (up, down)

    async def _restore(self) -> None:
        self._refusing = False
        self._open.set()
        self._holding_new = (False, False)
        for pair in self._pairs.values():
            pair.go_on()

    async def _shape(self, up: Shape | None, down: Shape | None) -> None:
        self.shapes["up"] = up or self.shapes["up"]
        self.shapes["down"] = down or self.shapes["down"]

    async def _close(self) -> None:
        self._loop.remove_reader(self._listener)
        self._listener.close()
        self._refusing = True
        for pair in list(self._pairs.values()):
            pair.reset()
        self._open.set()
        # A connection that is just being accepted becomes a task of its own while others are waited for.
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            _ended, left = await asyncio.wait(others, timeout=2.0)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
            await asyncio.sleep(0)  # the transports' own goodbyes
