"""A bus between hubs of one process, which loses, delays and stops as a test says.

    net = LocalNet()
    one, two = net.bus("one"), net.bus("two")

What is said is encoded and decoded as on the wire, and arrives in the loop's next turn, in order.
"""

import asyncio
import itertools
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from cloud.bus.bus import A, M, NoAnswerError, Peer

_numbers = itertools.count(1)
# The sender's life, the receiver's, the message: whether it is lost.
Loses = Callable[[str, str, msgspec.Struct], bool]


class LocalNet:
    """What is between them. `patience` is after how many seconds a hub that died is noticed."""

    def __init__(self, *, patience: float = 0.1) -> None:
        self.patience = patience
        self.members: dict[str, LocalBus] = {}
        self.losing: list[Loses] = []
        self.delay = 0.0
        self.said: list[tuple[str, str, msgspec.Struct]] = []  # all that was delivered: sender, receiver, message
        self.is_down = False

    def bus(self, name: str = "") -> "LocalBus":
        """A hub's bus, which joins when it is started."""
        return LocalBus(self, name or f"hub-{next(_numbers)}")

    # What goes wrong.

    def lose(self, *kinds: type[msgspec.Struct], of: str = "", to: str = "") -> Loses:
        """Lose messages of these kinds (none: of all), from and to these lives (none: all), until `found`."""

        def loses(sender: str, receiver: str, message: msgspec.Struct) -> bool:
            return (not kinds or isinstance(message, kinds)) and of in {"", sender} and to in {"", receiver}

        self.losing.append(loses)
        return loses

    def found(self) -> None:
        """Nothing is lost any more."""
        self.losing.clear()

    def slow(self, seconds: float) -> None:
        """Have every message take that long."""
        self.delay = seconds

    def down(self) -> None:
        """Nothing gets through, and all know it."""
        self.is_down = True

    def up(self) -> None:
        """It does again."""
        self.is_down = False
        for bus in list(self.members.values()):
            bus.came_back()

    def cut(self, bus: "LocalBus") -> None:
        """One hub dies for the others, which notice it after `patience`; it goes on by itself, and knows that."""
        bus.is_cut = True
        asyncio.get_running_loop().call_later(self.patience, self._miss, bus)

    def mend(self, bus: "LocalBus") -> None:
        """It is heard again."""
        bus.is_cut = False
        for other in list(self.members.values()):
            if other is not bus:
                other.meets(bus)
                bus.meets(other)
        bus.came_back()

    def _miss(self, bus: "LocalBus") -> None:
        if bus.is_cut:
            for other in list(self.members.values()):
                if other is not bus:
                    other.misses(bus.me)

    # Of the buses.

    def join(self, bus: "LocalBus") -> None:
        """It is one of them, and they hear of each other."""
        for other in list(self.members.values()):
            other.meets(bus)
            bus.meets(other)
        self.members[bus.me] = bus

    def leave(self, bus: "LocalBus") -> None:
        """It said goodbye."""
        self.members.pop(bus.me, None)
        for other in list(self.members.values()):
            other.misses(bus.me)

    def carry(self, sender: "LocalBus", receiver: "LocalBus", give: Callable[[], None]) -> None:
        """Have `give` called at the receiver's, later and in order."""
        loop = asyncio.get_running_loop()
        if not self.delay and receiver.due <= loop.time():
            loop.call_soon(give)
            return
        receiver.due = max(receiver.due + 1e-6, loop.time() + self.delay)
        loop.call_at(receiver.due, give)

    def loses(self, sender: "LocalBus", receiver: "LocalBus", message: msgspec.Struct) -> bool:
        """Whether this message does not arrive."""
        if self.is_down or sender.is_cut or receiver.is_cut or self.members.get(receiver.me) is not receiver:
            return True
        return any(loses(sender.me, receiver.me, message) for loses in self.losing)


class LocalBus:
    """See `cloud.bus.bus.Bus`."""

    def __init__(self, net: LocalNet, name: str) -> None:
        self.net = net
        self.me = uuid.uuid4().hex
        self.name = name
        self.is_shared = True
        self.is_cut = False
        self.due = 0.0
        self.offset = 0.0  # of its clock
        self._peers: dict[str, Peer] = {}
        self._hears: dict[str, tuple[type[Any], Callable[[str, Any], None]]] = {}
        self._answers: dict[str, tuple[type[Any], Callable[[str, Any], Awaitable[msgspec.Struct | None]]]] = {}
        self._came: list[Callable[[Peer], None]] = []
        self._gone: list[Callable[[str], None]] = []
        self._back: list[Callable[[], None]] = []
        self._counts: Callable[[], tuple[int, int]] = lambda: (0, 0)
        self._ails: Callable[[], Mapping[str, str]] = dict
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Join the others."""
        self.net.join(self)

    async def stop(self) -> None:
        """Say goodbye."""
        self.net.leave(self)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def is_up(self) -> bool:
        """See `Bus`."""
        return not (self.net.is_down or self.is_cut)

    @property
    def trouble(self) -> str:
        """See `Bus`."""
        return "" if self.is_up else "the bus is down"

    def peers(self) -> list[Peer]:
        """See `Bus`."""
        return [self._told(peer) for peer in self._peers.values()]

    def lives(self, life: str) -> bool:
        """See `Bus`."""
        return life == self.me or life in self._peers

    def now(self) -> float:
        """See `Bus`."""
        return time.time() + self.offset

    def hear(self, kind: type[M], handler: Callable[[str, M], None]) -> None:
        """See `Bus`."""
        self._hears[kind.__name__] = kind, handler

    def answer(self, kind: type[M], handler: Callable[[str, M], Awaitable[msgspec.Struct | None]]) -> None:
        """See `Bus`."""
        self._answers[kind.__name__] = kind, handler

    def send(self, life: str, message: msgspec.Struct) -> bool:
        """See `Bus`."""
        receiver = self.net.members.get(life)
        if not self.is_up or life not in self._peers or receiver is None:
            return False
        self._give(receiver, message)
        return True

    def tell_all(self, message: msgspec.Struct) -> bool:
        """See `Bus`."""
        if not self.is_up:
            return False
        for receiver in list(self.net.members.values()):
            if receiver is not self:
                self._give(receiver, message)
        return True

    async def ask(self, life: str, question: msgspec.Struct, answer: type[A], timeout: float) -> A:
        """See `Bus`."""
        receiver = self.net.members.get(life)
        if not self.is_up or life not in self._peers or receiver is None:
            raise NoAnswerError(f"{life} cannot be reached")
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        if not self.net.loses(self, receiver, question):
            encoded, name = msgspec.msgpack.encode(question), type(question).__name__
            self.net.carry(self, receiver, lambda: receiver.asked(self, name, encoded, future))
        try:
            async with asyncio.timeout(timeout):
                return msgspec.msgpack.decode(await future, type=answer)
        except TimeoutError:
            raise NoAnswerError(f"{life} did not answer within {timeout} s") from None

    def when_came(self, call: Callable[[Peer], None]) -> None:
        """See `Bus`."""
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

    def _told(self, peer: Peer) -> Peer:
        """As its last heartbeat said, while there are any."""
        other = self.net.members.get(peer.life)
        if other is None or not self.is_up or other.is_cut:
            return peer
        kiosks, running = other._counts()
        return msgspec.structs.replace(peer, kiosks=kiosks, running=running, ails=dict(other._ails()))

    # Of the net.

    def meets(self, other: "LocalBus") -> None:
        """It hears of another hub."""
        if other.me not in self._peers:
            kiosks, running = other._counts()
            self._peers[other.me] = peer = Peer(
                life=other.me, name=other.name, version="0", since=0.0, kiosks=kiosks, running=running
            )
            for call in self._came:
                call(peer)

    def misses(self, life: str) -> None:
        """Another hub is gone."""
        if self._peers.pop(life, None) is not None:
            for call in self._gone:
                call(life)

    def came_back(self) -> None:
        """Messages get through again."""
        for call in self._back:
            call()

    def asked(self, asker: "LocalBus", name: str, encoded: bytes, future: "asyncio.Future[bytes]") -> None:
        """A question came."""
        if name not in self._answers or self.net.members.get(self.me) is not self:
            return
        kind, handler = self._answers[name]

        async def answer() -> None:
            found = await handler(asker.me, msgspec.msgpack.decode(encoded, type=kind))
            if found is not None and not self.net.loses(self, asker, found):
                reply = msgspec.msgpack.encode(found)
                self.net.carry(self, asker, lambda: future.done() or future.set_result(reply))

        task = asyncio.create_task(answer())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _give(self, receiver: "LocalBus", message: msgspec.Struct) -> None:
        if not self.net.loses(self, receiver, message):
            encoded, name = msgspec.msgpack.encode(message), type(message).__name__
            self.net.carry(self, receiver, lambda: receiver._take(self, name, encoded))

    def _take(self, sender: "LocalBus", name: str, encoded: bytes) -> None:
        if name in self._hears and self.net.members.get(self.me) is self and not self.is_cut:
            kind, handler = self._hears[name]
            message = msgspec.msgpack.decode(encoded, type=kind)
            self.net.said.append((sender.me, self.me, message))
            handler(sender.me, message)
