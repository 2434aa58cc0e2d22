"""What a hub may ask of the bus, and the bus of a hub that is alone.

A message is a `msgspec.Struct`, named by its class. Messages from one hub to another arrive in the order they were sent
in, each once or not at all. Handlers are called from the loop, one after another, and must not block.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, TypeVar

import msgspec

M = TypeVar("M", bound=msgspec.Struct)
A = TypeVar("A", bound=msgspec.Struct)


class NoAnswerError(Exception):
    """The other hub did not answer in time, is gone, or cannot be reached. It may have acted all the same."""


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """Another hub that lives. `life` names this run of it: a hub that is started anew has another one.

    `name` is for people (host and process), `version` its release, `since` Unix seconds of its start by its own clock,
    `kiosks` and `running` how many it holds and has under way, `ails` what is wrong with it, by a short name and in a
    sentence, as its last heartbeat said.
    """

    life: str
    name: str
    version: str
    since: float
    kiosks: int = 0
    running: int = 0
    ails: Mapping[str, str] = {}


class Bus(Protocol):
    """The hubs of one fleet, as one of them reaches the others."""

    async def start(self) -> None:
        """Join the others. Returns without waiting for them, or for Redis."""

    async def stop(self) -> None:
        """Say goodbye. Nothing happens if it never started."""

    @property
    def me(self) -> str:
        """This hub's life."""

    @property
    def is_shared(self) -> bool:
        """Whether there can be other hubs."""

    @property
    def is_up(self) -> bool:
        """Whether messages get through just now: this hub hears its own."""

    @property
    def trouble(self) -> str:
        """Why they do not, or only slowly; empty while all is well. For `/health`."""

    def peers(self) -> list[Peer]:
        """The other hubs that live. While the bus is down: those that lived when it went."""

    def lives(self, life: str) -> bool:
        """Whether this hub is one of them, or is this one."""

    def now(self) -> float:
        """Unix seconds by a clock that all hubs share within milliseconds while the bus is up, whatever theirs show."""

    def hear(self, kind: type[M], handler: Callable[[str, M], None]) -> None:
        """Have messages of a kind given to `handler(life of the sender, message)`. Before `start`."""

    def answer(self, kind: type[M], handler: Callable[[str, M], Awaitable[msgspec.Struct | None]]) -> None:
        """Have questions of a kind answered by `handler`; None leaves the asker without an answer. Before `start`."""

    def send(self, life: str, message: msgspec.Struct) -> bool:
        """Give one hub a message. False if it was surely not sent: the bus is down, too much waits, or it is gone."""

    def tell_all(self, message: msgspec.Struct) -> bool:
        """Give it to every other hub."""

    async def ask(self, life: str, question: msgspec.Struct, answer: type[A], timeout: float) -> A:
        """Ask one hub. Raises `NoAnswerError`."""

    def when_came(self, call: Callable[[Peer], None]) -> None:
        """Have `call` called for each other hub that is heard of for the first time. Before `start`."""

    def when_gone(self, call: Callable[[str], None]) -> None:
        """Have `call` called with the life of each that died, or said goodbye. Before `start`."""

    def when_back(self, call: Callable[[], None]) -> None:
        """Have `call` called when messages get through again and some may be missing. Before `start`."""

    def show(self, counts: Callable[[], tuple[int, int]], ails: Callable[[], Mapping[str, str]] = dict) -> None:
        """What the heartbeats tell: kiosks held and operations under way here, and what is wrong with this hub. Of that
        some 800 bytes are told at most."""


class Alone:
    """The bus of a hub that shares nothing."""

    def __init__(self, me: str) -> None:
        self.me = me
        self.is_shared = False
        self.is_up = True
        self.trouble = ""

    async def start(self) -> None:
        """See `Bus`."""

    async def stop(self) -> None:
        """See `Bus`."""

    def peers(self) -> list[Peer]:
        """See `Bus`."""
        return []

    def lives(self, life: str) -> bool:
        """See `Bus`."""
        return life == self.me

    def now(self) -> float:
        """See `Bus`."""
        return time.time()

    def hear(self, kind: type[M], handler: Callable[[str, M], None]) -> None:
        """See `Bus`."""

    def answer(self, kind: type[M], handler: Callable[[str, M], Awaitable[msgspec.Struct | None]]) -> None:
        """See `Bus`."""

    def send(self, life: str, message: msgspec.Struct) -> bool:
        """See `Bus`."""
        return False

    def tell_all(self, message: msgspec.Struct) -> bool:
        """See `Bus`."""
        return False

    async def ask(self, life: str, question: msgspec.Struct, answer: type[A], timeout: float) -> A:
        """See `Bus`."""
        raise NoAnswerError("there is no other hub")

    def when_came(self, call: Callable[[Peer], None]) -> None:
        """See `Bus`."""

    def when_gone(self, call: Callable[[str], None]) -> None:
        """See `Bus`."""

    def when_back(self, call: Callable[[], None]) -> None:
        """See `Bus`."""

    def show(self, counts: Callable[[], tuple[int, int]], ails: Callable[[], Mapping[str, str]] = dict) -> None:
        """See `Bus`."""
