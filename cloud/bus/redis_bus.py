"""The bus of a hub that shares kiosks with others: Redis's pub/sub, a channel for each hub and one for all.

All that is said in one turn of the loop to one hub goes out in one PUBLISH. What is lost on the way is lost: when a
connection breaks, nothing is sent again. Each second a hub tells all that it lives, and says something to itself: while
it hears that, others can hear it, and it hears them.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import msgspec

from cloud.bus import frames
from cloud.bus.bus import Peer
from cloud.bus.clock import SharedClock
from cloud.bus.condition import Condition, State
from cloud.bus.connection import RedisTroubleError, explain
from cloud.bus.dialling import Dialler, wrong
from cloud.bus.frames import ALL, Item
from cloud.bus.line import Line, open_line
from cloud.bus.members import Beat, Echo, Goodbye, Members, ails
from cloud.bus.questions import Answering, Asked
from cloud.cancelled import cancelled
from cloud.metrics import Metrics
from cloud.redis_address import parse

log = logging.getLogger(__name__)

M = TypeVar("M", bound=msgspec.Struct)
A = TypeVar("A", bound=msgspec.Struct)

_BEAT_EVERY = 1.0
_SILENT_AFTER = 3.0  # without hearing itself the bus is down, and connects anew
_LATE = 1.0  # a heartbeat later than this: the loop stood still, and what was said meanwhile is not read yet
_CHECK_EVERY = 2  # heartbeats
_PAUSES = (0.1, 2.0)  # between attempts to connect, growing, each drawn from half of it to all of it
_START_WITHIN = 2.0
_GOODBYE_WITHIN = 0.5
_ECHO = b"Echo"


class RedisBus:
    """See `Bus`. `name` is for people; `url` as `cloud.redis_address` has it. Raises `AddressError`, ImportError."""

    is_shared = True

    def __init__(self, url: str, me: str, name: str, version: str, metrics: Metrics) -> None:
        import hiredis  # noqa: F401, PLC0415 - an extra: said now, not at the first connection

        self._address = parse(url)
        self.me = me
        self._name, self._version, self._since = name, version, time.time()
        self._metrics = metrics
        prefix = f"kioskwire.{self._address.database}."
        self._channels = {ALL: f"{prefix}all", me: f"{prefix}{me}"}
        self._prefix = prefix
        self._own_start = frames.start_of(me)
        self._dialler = Dialler(self._address, f"kioskwire-{me[:8]}")
        self._members = Members()
        self._clock = SharedClock(time.time() - time.monotonic())
        self._outbox = frames.Outbox(me)
        self._asked = Asked()
        self._answering = Answering(self._put)
        self._hearers: dict[str, tuple[Any, Callable[[str, Any], None]]] = {}
        self._came: list[Callable[[Peer], None]] = []
        self._gone: list[Callable[[str], None]] = []
        self._back: list[Callable[[], None]] = []
        self._counts: Callable[[], tuple[int, int]] = lambda: (0, 0)
        self._ails: Callable[[], Mapping[str, str]] = dict
        self._tasks: list[asyncio.Task[None]] = []
        self._line: Line | None = None
        self._flushing = False
        self._up = asyncio.Event()
        self._was_up = False
        self._said_all: asyncio.Event | None = None  # at the end
        self._condition = Condition()
        self._heard_at = 0.0  # ourselves, monotonic
        self._silent_after = _SILENT_AFTER
        self._moving = False

    # How it is

    @property
    def is_up(self) -> bool:
        """See `Bus`."""
        return self._up.is_set()

    @property
    def state(self) -> State:
        """How Redis is, in a word."""
        return self._condition.state(is_up=self.is_up)

    @property
    def trouble(self) -> str:
        """See `Bus`."""
        return self._condition.trouble(time.monotonic(), is_up=self.is_up)

    @property
    def clock_trouble(self) -> str:
        """See `RedisSeen`."""
        return self._condition.clock(is_up=self.is_up, ahead=time.time() - self.now())

    def reasons(self) -> list[str]:
        """All that is wrong between this hub and the others, each in a sentence."""
        ahead = time.time() - self.now()
        return self._condition.reasons(time.monotonic(), is_up=self.is_up, clock_ahead=ahead)

    # What others may ask of it

    def peers(self) -> list[Peer]:
        """See `Bus`."""
        return self._members.peers()

    def lives(self, life: str) -> bool:
        """See `Bus`."""
        return life == self.me or self._members.lives(life)

    def now(self) -> float:
        """See `Bus`."""
        return self._clock.now(time.monotonic())

    def hear(self, kind: type[M], handler: Callable[[str, M], None]) -> None:
        """See `Bus`."""
        self._hearers[kind.__name__] = (msgspec.msgpack.Decoder(kind), handler)

    def answer(self, kind: type[M], handler: Callable[[str, M], Awaitable[msgspec.Struct | None]]) -> None:
        """See `Bus`."""
        self._answering.add(kind, handler)

    def send(self, life: str, message: msgspec.Struct) -> bool:
        """See `Bus`."""
        return self._put(life, frames.item(message))

    def tell_all(self, message: msgspec.Struct) -> bool:
        """See `Bus`."""
        return self._put(ALL, frames.item(message))

    async def ask(self, life: str, question: msgspec.Struct, answer: type[A], timeout: float) -> A:
        """See `Bus`."""
        return await self._asked.ask(life, question, answer, timeout, lambda item: self._put(life, item))

    def when_came(self, call: Callable[[Peer], None]) -> None:
        """See `Bus`. One that was held for dead and is heard again comes anew."""
        self._came.append(call)

    def when_gone(self, call: Callable[[str], None]) -> None:
        """See `Bus`."""
        self._gone.append(call)

    def when_back(self, call: Callable[[], None]) -> None:
        """See `Bus`."""
        self._back.append(call)

    def show(self, counts: Callable[[], tuple[int, int]], ails: Callable[[], Mapping[str, str]] = dict) -> None:
        """See `Bus`."""
        self._counts, self._ails = counts, ails

    # From its beginning to its end

    async def start(self) -> None:
        """Join the others. A Redis that is away does not keep a hub from starting."""
        self._tasks = [
            asyncio.create_task(self._stay_connected(), name="bus"),
            asyncio.create_task(self._beat_on(), name="bus-heartbeat"),
        ]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_START_WITHIN):
                await self._up.wait()

    async def stop(self) -> None:
        """Tell the others, and go."""
        if not self._tasks:
            return
        await self._answering.stop()
        if self._line is not None and self.is_up:
            self._outbox.add(ALL, frames.item(Goodbye()), always=True)
            self._flush()
            if self._outbox.messages:
                self._said_all = asyncio.Event()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_GOODBYE_WITHIN):
                        await self._said_all.wait()
        await cancelled(*self._tasks)
        self._tasks = []
        if self._line is not None:
            self._line.cut("the hub ends")
        self._go_down("the hub ends")

    async def _stay_connected(self) -> None:
        dialler = self._dialler
        pause = _PAUSES[0]
        while True:
            try:
                line = await open_line(dialler, list(self._channels.values()), self._read)
            except (OSError, TimeoutError, RedisTroubleError) as error:
                why = explain(error)
                if why != self._condition.why:
                    log.warning("Redis is not reached", extra={"why": why})
                self._condition.why = why
            else:
                self._begin(line)
                why = await line.lost
                if self.is_up:
                    pause = _PAUSES[0]
                self._go_down(why)
                log.warning("the connection to Redis is lost", extra={"why": why})
            dialler.failed()
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - that hubs do not come all at once
            pause = min(2 * pause, _PAUSES[1])

    def _begin(self, line: Line) -> None:
        self._line = line
        self._heard_at = time.monotonic()
        self._clock.anew()
        self._outbox.clear()
        for _ in range(3):
            self._ask_time(line)
        self._beat(line, is_new=True)

    def _come_up(self, now: float) -> None:
        self._members.again(now)
        self._metrics.bus_up.set(1)
        self._metrics.bus_connections.inc()
        self._up.set()
        log.info("the bus works", extra={"others": len(self._members.peers())})
        if self._was_up:
            _call_all(self._back)
        self._was_up = True

    def _go_down(self, why: str) -> None:
        self._line = None
        self._condition.down(why)
        self._up.clear()
        self._metrics.bus_up.set(0)
        self._metrics.bus_lost.labels("cut").inc(self._outbox.clear())
        self._asked.fail("the bus is down")

    # Heartbeats

    async def _beat_on(self) -> None:
        number, due = 0, time.monotonic() + _BEAT_EVERY
        while True:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            now = time.monotonic()
            late, due = now - due, max(due + _BEAT_EVERY, now + _BEAT_EVERY / 2)
            number += 1
            if (line := self._line) is None:
                continue
            if late > _LATE:
                self._heard_at = max(self._heard_at, now - self._silent_after / 2)
            if now - self._heard_at > self._silent_after:
                line.cut(line.refusal or f"no answer for {now - self._heard_at:.0f} s")
                continue
            self._ask_time(line)
            self._beat(line)
            if number % _CHECK_EVERY == 0:
                self._check(line)

    def _beat(self, line: Line, *, is_new: bool = False) -> None:
        self._outbox.add(ALL, frames.item(self._own_beat(is_new=is_new)), always=True)
        self._outbox.add(self.me, frames.item(Echo(time.monotonic())), always=True)
        self._flush()

    def _own_beat(self, *, is_new: bool = False) -> Beat:
        kiosks, running = self._counts()
        return Beat(
            name=self._name,
            version=self._version,
            since=self._since,
            kiosks=kiosks,
            running=running,
            is_new=is_new,
            ails=ails(self._ails()) if self.is_up else {},  # who hears this would hear that Redis is not reached
        )

    def _ask_time(self, line: Line) -> None:
        asked = time.monotonic()

        def told(reply: Any) -> None:
            self._clock.sample(asked, time.monotonic(), int(reply[0]) + int(reply[1]) / 1e6)

        line.ask(told, "TIME")

    def _check(self, line: Line) -> None:
        """See that this is still the server that the others are at."""

        def told(reply: Any) -> None:
            why = wrong(self._address, reply)
            if why and self._address.kind != "cluster":
                line.cut(why)
            elif (why or self._address.kind == "sentinel") and not self._moving:
                self._moving = True
                task = asyncio.create_task(self._look_elsewhere(line), name="bus-elsewhere")
                self._tasks.append(task)
                task.add_done_callback(self._tasks.remove)

        line.ask(told, *self._dialler.question)

    async def _look_elsewhere(self, line: Line) -> None:
        try:
            if await self._dialler.is_elsewhere(line.node):
                line.cut("another server has taken over")
        finally:
            self._moving = False

    # What goes out, and what comes in

    def _put(self, target: str, item: Item) -> bool:
        if not self.is_up or (target != ALL and not self._members.lives(target)):
            self._metrics.bus_lost.labels("down").inc()
            return False
        if not self._outbox.add(target, item):
            self._metrics.bus_lost.labels("full").inc()
            self._condition.refused(time.monotonic())
            return False
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)
        return True

    def _flush(self) -> None:
        self._flushing = False
        if self._line is None or not self._outbox:
            return
        batches = [(self._channel(target), data) for target, data in self._outbox.take()]
        self._line.publish(batches, self._through)

    def _channel(self, target: str) -> str:
        return self._channels.get(target) or f"{self._prefix}{target}"

    def _through(self, heard_by: int) -> None:
        """A frame was given to so many; in a cluster that counts those at our node alone."""
        target, count, questions = self._outbox.acknowledge()
        if self._said_all is not None and not self._outbox.messages:
            self._said_all.set()
        self._metrics.bus_messages.labels("sent").inc(count)
        if heard_by < 0:
            self._metrics.bus_lost.labels("refused").inc(count)
        elif not heard_by and target != ALL and self._address.kind != "cluster":
            self._metrics.bus_lost.labels("unheard").inc(count)
            self._asked.fail("the other hub does not listen", life=target, numbers=questions)

    def _read(self, data: bytes) -> None:
        """A frame came."""
        now = time.monotonic()
        if data.startswith(self._own_start) and _ECHO not in data[:80]:
            return
        try:
            frame = frames.read(data)
        except msgspec.MsgspecError:
            self._metrics.bus_malformed.inc()
            return
        if isinstance(frame, frames.Strange):
            self._condition.strange(now)
            return
        if frame.sender == self.me:
            self._hear_ourselves(frame, now)
            return
        self._metrics.bus_messages.labels("received").inc(len(frame.items))
        known = self._members.heard(frame.sender, now)
        for item in frame.items:
            try:
                known = self._take(frame.sender, item, now, known=known)
            except msgspec.MsgspecError:
                self._metrics.bus_malformed.inc()
            except Exception:
                log.exception("a message of another hub could not be dealt with", extra={"kind": item.kind})

    def _take(self, sender: str, item: Item, now: float, *, known: bool) -> bool:
        """One message; returns whether its sender is known by now. What somebody unknown says is not listened to."""
        if item.kind == "Beat":
            self._hear_beat(sender, _beats.decode(item.message), now)
            return self._members.lives(sender)
        if not known:
            return False
        if item.kind == "Goodbye":
            self._members.goodbye(sender)
            self._tell_gone(sender)
            return False
        if item.answer:
            self._asked.answered(sender, item)
        elif item.question:
            self._answering.asked(sender, item)
        elif found := self._hearers.get(item.kind):
            decoder, handler = found
            handler(sender, decoder.decode(item.message))
        return True

    def _hear_ourselves(self, frame: frames.Frame, now: float) -> None:
        for item in frame.items:
            if item.kind != "Echo":
                continue
            delay = now - _echoes.decode(item.message).at
            self._heard_at = now
            self._condition.heard_ourselves(delay, now)
            self._metrics.bus_seconds.observe(delay)
            if not self.is_up and self._line is not None:
                self._come_up(now)
            for peer in self._members.own_beat(now):
                log.warning("another hub is gone", extra={"hub": peer.name, "life": peer.life})
                self._condition.vanished(peer.life, peer.name, now)
                self._tell_gone(peer.life)
            self._metrics.bus_hubs.set(len(self._members.peers()))

    def _hear_beat(self, sender: str, beat: Beat, now: float) -> None:
        if sender not in self._channels and beat.is_new:
            # Before anything else is said to it: what it hears of somebody it does not know, it does not listen to.
            self._outbox.add(sender, frames.item(self._own_beat()), always=True)
            self._flush()
        peer = self._members.beat(sender, beat, now)
        if peer is not None:
            log.info("another hub is there", extra={"hub": peer.name, "life": sender, "release": peer.version})
            self._condition.came(sender)
            _call_all(self._came, peer)

    def _tell_gone(self, life: str) -> None:
        self._asked.fail("the other hub is gone", life=life)
        _call_all(self._gone, life)


def _call_all(calls: list[Callable[..., None]], *given: Any) -> None:
    """Each of them, whatever becomes of the others."""
    for call in calls:
        try:
            call(*given)
        except Exception:
            log.exception("what another hub's coming or going calls for could not be done")


_beats = msgspec.msgpack.Decoder(Beat)
_echoes = msgspec.msgpack.Decoder(Echo)
