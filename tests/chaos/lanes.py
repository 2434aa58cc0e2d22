"""One connection through the fault proxy: a pair of lanes, each with a reader that decides and a writer that waits."""

import asyncio
import contextlib
import socket
import struct
from collections import deque
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

import msgspec

from tests.chaos.frames import Conversation, FrameSplitter, HttpSplitter, Splitter, Unit
from tests.chaos.plan import CORRUPTIONS, ENDINGS, Decider, Fault, Way, Where

if TYPE_CHECKING:
    from tests.chaos.proxy import FaultProxy

REORDER_WAIT_S = 1.0
_CHUNK = 64 * 1024
_QUEUE_BYTES = 256 * 1024
_STEP_S = 0.02  # a slow line is written in pieces this far apart
_RESET = struct.pack("ii", 1, 0)  # linger for no time: the close becomes a reset

_Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Shape(msgspec.Struct, frozen=True):
    """How slow a direction is. `jitter_s` comes on top of the delay by chance; the order stays. 0 is no bound."""

    delay_s: float = 0.0
    jitter_s: float = 0.0
    bytes_per_s: float = 0.0


class _Item(msgspec.Struct, frozen=True):
    """What a lane's writer does next: write `data` when it is `due`, or with an `ending` be done."""

    due: float
    data: bytes = b""
    pace: float = 0.0
    ending: str = ""  # "fin", "rst" or "hold"


class Pair:
    """One connection and its continuation."""

    def __init__(self, proxy: "FaultProxy", number: int, here: _Stream, there: _Stream) -> None:
        self.proxy = proxy
        self.number = number
        self.black = False  # nothing comes through any more
        self._writers = (here[1], there[1])
        conversation = Conversation()
        self.up = Lane(self, "up", here[0], there[1], _splitter(proxy.kind, conversation, down=False))
        self.down = Lane(self, "down", there[0], here[1], _splitter(proxy.kind, conversation, down=True))
        self._tasks: list[asyncio.Task[None]] = []
        self._over = asyncio.Event()
        self._allowance: int | None = None
        self._allowance_plan: tuple[Decider, Fault] | None = None
        plan = proxy.plan
        if plan is not None and (fault := plan.of_connection(number)) is not None:
            self._allowance = int(fault.amount)
            self._allowance_plan = (plan, fault)

    def hold(self, up: bool, down: bool) -> None:
        """Keep back what is said in these directions."""
        for held, lane in ((up, self.up), (down, self.down)):
            if held:
                lane.gate.clear()

    def go_on(self) -> None:
        """Keep nothing back."""
        self.up.gate.set()
        self.down.gate.set()

    def cut_after(self, count: int) -> None:
        """Reset it after so many more bytes."""
        self._allowance, self._allowance_plan = count, None

    def allowed(self, size: int) -> int:
        """How many of `size` bytes may still pass."""
        if self._allowance is None:
            return size
        passed = min(size, self._allowance)
        self._allowance -= passed
        return passed

    @property
    def used_up(self) -> bool:
        """Whether `cut_after` is due."""
        return self._allowance == 0

    async def run(self) -> None:
        """Pass units both ways until one end is gone."""
        if not self._over.is_set():
            self._tasks = [asyncio.create_task(work) for lane in (self.up, self.down) for work in lane.works()]
        try:
            await self._over.wait()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            for lane in (self.up, self.down):
                lane.close()
            for writer in self._writers:
                with contextlib.suppress(OSError):
                    writer.close()

    def end(self) -> None:
        """Close both ends, after what was written."""
        self._over.set()

    def reset(self) -> None:
        """End it at once, both ways."""
        for task in self._tasks:
            task.cancel()
        for writer in self._writers:
            reset(writer)
        self._over.set()

    def cut_now(self) -> None:
        """The allowance is used up."""
        if self._allowance_plan is not None:
            plan, fault = self._allowance_plan
            self.proxy.happened(plan, fault, Where(self.number, "up", 0), "connection")
        else:
            self.proxy.count("cut-after")
        self.reset()

    def hung_up(self) -> None:
        """An end hung up. If nothing can pass, that is told to nobody; when both have, there is nothing to keep."""
        if (
            self.up.ended
            and self.down.ended
            and (self.black or not (self.up.gate.is_set() and self.down.gate.is_set()))
        ):
            self.end()


class Lane:
    """One direction: `_read` decides what happens to each unit, `_write` does it in order and in time."""

    def __init__(
        self, pair: Pair, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, splitter: Splitter
    ) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.ended = False  # its reader has come to the end
        self._pair, self._way = pair, way
        self._reader, self._writer = reader, writer
        self._splitter = splitter
        self._index = 0
        self._queue: deque[_Item] = deque()
        self._queued = 0
        self._filled, self._room = asyncio.Event(), asyncio.Event()
        self._room.set()
        self._last_due = 0.0
        self._loop = asyncio.get_running_loop()
        self._kept: tuple[Unit, Decider, Fault, Where] | None = None  # waits for the next one to go before it
        self._timers: set[asyncio.TimerHandle] = set()

    def works(self) -> tuple[Coroutine[Any, Any, None], Coroutine[Any, Any, None]]:
        """What is to be run."""
        return self._read(), self._write()

    def close(self) -> None:
        """Nothing late comes any more."""
        for timer in self._timers:
            timer.cancel()

    async def _read(self) -> None:
        ending = "fin"
        while True:
            try:
                data = await self._reader.read(_CHUNK)
            except OSError:
                data, ending = b"", "rst"
            if not data:
                break
            if self._pair.black:
                continue
            for unit in self._splitter.feed(data):
                if not self._decide(unit):
                    await self._drain()
                    return
            while self._queued > _QUEUE_BYTES:
                self._room.clear()
                await self._room.wait()
        self.ended = True
        self._release()
        if not self._pair.black:
            rest = self._splitter.rest()
            if rest is not None:
                self._put(rest.wire)
            self._put(ending=ending)
        self._pair.hung_up()

    async def _drain(self) -> None:
        """After an ending nothing is heard any more, but a hanging up is seen."""
        with contextlib.suppress(OSError):
            while await self._reader.read(_CHUNK):
                pass
        self.ended = True
        self._pair.hung_up()

    def _decide(self, unit: Unit) -> bool:
        """Pass a unit on, or do to it what the plan says. False when nothing more is to come."""
        plan = self._pair.proxy.plan
        where = Where(self._pair.number, self._way, self._index)
        self._index += 1
        fault = plan.of_unit(where, unit) if plan is not None else None
        if plan is None or fault is None:
            self._put(unit.wire)
            self._release()
            return True
        kind = fault.kind
        if kind == "reorder":
            if self._kept is None:
                self._kept = (unit, plan, fault, where)
                self._later(REORDER_WAIT_S, self._give_up_reordering)
                return True
            self._put(unit.wire)
            self._release()
            return True
        if kind in ENDINGS or kind == "hold":
            self._release()
            self._pair.proxy.happened(plan, fault, where, unit.kind)
            ending, _, place = kind.partition("-")
            part = {"head": unit.head, "body": unit.head + _part(unit.body, fault.at), "after": unit.wire}
            self._put(part.get(place, b""))
            self._put(ending=ending)
            return False
        done = True
        if kind == "delay":
            self._put(unit.wire, delay=fault.amount)
        elif kind == "trickle":
            self._put(unit.wire, pace=max(1.0, fault.amount))
        elif kind == "duplicate":
            self._put(unit.wire * 2)
        elif kind == "duplicate-late":
            self._put(unit.wire)
            self._later(fault.amount, lambda: self._put(unit.wire))
        elif kind in CORRUPTIONS:
            spoilt = corrupted(unit, fault)
            done = spoilt is not None
            self._put(spoilt if spoilt is not None else unit.wire)
        if done:
            self._pair.proxy.happened(plan, fault, where, unit.kind)
        self._release()
        return True

    def _release(self) -> None:
        """Let the unit go that waited for another to pass it."""
        if self._kept is not None:
            unit, plan, fault, where = self._kept
            self._kept = None
            self._put(unit.wire)
            self._pair.proxy.happened(plan, fault, where, unit.kind)

    def _give_up_reordering(self) -> None:
        if self._kept is not None:
            unit, self._kept = self._kept[0], None
            self._put(unit.wire)

    def _later(self, delay: float, work: Callable[[], None]) -> None:
        def run() -> None:
            self._timers.discard(timer)
            if not self.ended and not self._pair.black:
                work()

        timer = self._loop.call_later(delay, run)
        self._timers.add(timer)

    def _put(self, data: bytes = b"", *, delay: float = 0.0, pace: float = 0.0, ending: str = "") -> None:
        if not data and not ending:
            return
        proxy = self._pair.proxy
        shape = proxy.shapes[self._way]
        if shape.delay_s or shape.jitter_s:
            delay += shape.delay_s + shape.jitter_s * proxy.chance.random()
        self._last_due = max(self._last_due, self._loop.time() + delay)
        self._queue.append(_Item(self._last_due, data, pace or shape.bytes_per_s, ending))
        self._queued += len(data)
        self._filled.set()

    async def _write(self) -> None:
        while True:
            while not self._queue:
                self._filled.clear()
                await self._filled.wait()
            item = self._queue.popleft()
            self._queued -= len(item.data)
            if self._queued <= _QUEUE_BYTES:
                self._room.set()
            if (wait := item.due - self._loop.time()) > 0:
                await asyncio.sleep(wait)
            await self.gate.wait()
            if self._pair.black:
                continue
            if item.ending:
                await self._end(item.ending)
                return
            try:
                await self._write_out(item)
            except OSError:
                self._pair.end()
                return

    async def _write_out(self, item: _Item) -> None:
        pair = self._pair
        size = max(1, int(item.pace * _STEP_S)) if item.pace else len(item.data)
        for start in range(0, len(item.data), size):
            if start:
                await asyncio.sleep(size / item.pace)
                await self.gate.wait()
            piece = item.data[start : start + size]
            allowed = pair.allowed(len(piece))
            self._writer.write(piece[:allowed])
            if pair.used_up:
                if allowed:
                    await self._flushed()
                pair.cut_now()
                return
            await self._writer.drain()

    async def _flushed(self) -> None:
        """What was written has left this process, so that a reset does not overtake it here; if it is read at all."""
        with contextlib.suppress(OSError):
            self._writer.transport.set_write_buffer_limits(0)
            async with asyncio.timeout(1.0):
                await self._writer.drain()

    async def _end(self, ending: str) -> None:
        if ending == "hold":
            self._pair.black = True
        elif ending == "rst":
            await self._flushed()
            self._pair.reset()
        else:
            self._pair.end()


def corrupted(unit: Unit, fault: Fault) -> bytes | None:
    """The unit's bytes with what the corruption does to them; None when it cannot happen to such a unit."""
    if fault.kind == "corrupt-header":
        return _with_bad_head(unit, fault.at)
    if fault.kind == "corrupt-digit":
        digits = [place for place, byte in enumerate(unit.text) if 0x30 <= byte <= 0x39]
        if not digits:
            return None
        place = digits[int(fault.at * len(digits))]
        value = 0x30 + (unit.text[place] - 0x30 + 1) % 10
    else:
        if not unit.body or (fault.kind != "corrupt-raw" and unit.group not in _TEXTS):
            return None
        place = int(fault.at * len(unit.body))
        value = {"corrupt": 0x01, "corrupt-utf8": 0xFF}.get(fault.kind, unit.text[place] ^ 0x04)
    text = bytearray(unit.text)
    text[place] = value
    return unit.with_text(bytes(text)).wire


_TEXTS = frozenset({"text", "continuation", "request", "response", "bytes"})


def _with_bad_head(unit: Unit, at: float) -> bytes | None:
    if not unit.head:
        return None
    head = bytearray(unit.head)
    if unit.group in {"request", "response", "upgrade"}:
        version = head.find(b"HTTP/")
        if version < 0:
            return None
        head[version + int(at * len(b"HTTP/1.1"))] = 0x01
    else:
        bit = int(at * 16)
        head[bit // 8] ^= 1 << bit % 8
    return bytes(head) + unit.body


def _part(body: bytes, at: float) -> bytes:
    """A beginning of the body that is not all of it."""
    return body[: min(int(at * len(body)), max(0, len(body) - 1))]


def _splitter(kind: str, conversation: Conversation, *, down: bool) -> Splitter:
    if kind == "websocket":
        return FrameSplitter(conversation, down=down)
    return HttpSplitter(conversation, down=down) if kind == "http" else Splitter()


def reset(writer: asyncio.StreamWriter) -> None:
    """Close so that the other end sees a reset."""
    with contextlib.suppress(OSError):
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
