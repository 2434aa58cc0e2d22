"""What a pure protocol is: inputs in, actions out, time an argument.

A protocol holds the whole conversation with what hangs on one port: what to say next, when to repeat, what an answer
means for the money. It touches no port, clock, log or file. Whoever pumps it (`link.Link`, a test, a thousand random
schedules) gives it what happened and carries out what it answers, **in order, each finished before the next**: a
`Record` that stands before a `Send` is on the disk before the first byte leaves. A record that cannot be written is
tried again, with all behind it waiting; a `Send` that cannot leave is dropped with the sends behind it, and `lost`
follows.

    opened, received, wake, command, abandoned, closing, lost   →   Send, SetLine, Record, Finish, Say

The pump calls `wake` once `now >= wake_at`, and looks at `wake_at` again after every input.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from hardware.errors import DeviceError
from hardware.events import Event

Memory = Mapping[str, object]
"""What a driver must find again after a restart: small, of JSON's types, replaced as a whole."""


@dataclass(frozen=True, slots=True)
class Send:
    """Write these bytes to the line, at once and whole."""

    data: bytes


@dataclass(frozen=True, slots=True)
class SetLine:
    """Set the port's speed (bauds); what is on its way in is dropped. A TCP line ignores it."""

    baud: int


@dataclass(frozen=True, slots=True)
class Record:
    """Hand `event` up and put `memory` in the place of what was remembered: both or neither, durable when done.

    `device` says which of several devices on one bus it is of; "" where there is one.
    """

    event: Event | None = None
    memory: Memory | None = None
    device: str = ""


@dataclass(frozen=True, slots=True)
class Finish:
    """A command is over: its result, or the error its caller gets. Each ticket is finished exactly once."""

    ticket: int
    result: object = None
    error: DeviceError | None = None


@dataclass(frozen=True, slots=True)
class Say:
    """A line for the log, which a pure protocol does not have."""

    words: str
    level: Literal["debug", "info", "warning", "error"] = "info"


Action = Send | SetLine | Record | Finish | Say
Actions = Sequence[Action]


class Protocol(ABC):
    """One conversation. `now` is seconds of a monotonic clock; nothing is remembered between two lives but `Memory`."""

    @property
    @abstractmethod
    def wake_at(self) -> float | None:
        """When `wake` is wanted, or None while only an input can change anything."""

    @abstractmethod
    def opened(self, now: float) -> Actions:
        """The port is open, for the first time or again."""

    @abstractmethod
    def lost(self, now: float) -> Actions:
        """The port is gone. What half arrived is dropped; commands whose effect is open stay to be resolved."""

    @abstractmethod
    def received(self, data: bytes, now: float) -> Actions:
        """Bytes came, cut anywhere. Never raises, whatever they are."""

    @abstractmethod
    def wake(self, now: float) -> Actions:
        """`wake_at` has come. Harmless when called early."""

    @abstractmethod
    def command(self, command: object, ticket: int, now: float) -> Actions:
        """Somebody above asks for something; answered by a `Finish` of this ticket, now or later.

        Raises:
            LocalProtocolError: there is no such command here.
        """

    def abandoned(self, ticket: int, now: float) -> Actions:
        """Its caller no longer waits. What it asked for may go on; a `Finish` of it is dropped."""
        return ()

    def closing(self, now: float) -> Actions:
        """The line will be given back once `settled`: leave the device safe, take nothing new."""
        return ()

    @property
    def settled(self) -> bool:
        """Nothing is on its way that giving the line back would cut off."""
        return True
