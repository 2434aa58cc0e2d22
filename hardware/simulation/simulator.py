"""What a simulated device is: the other end of the line, with a memory, a ledger and bad days.

It is pure, as a protocol is, so that a test can play thousands of schedules without a port or a clock, and `host` can
run the same thing on a pty.

**Memory** is what the real device keeps without power: fiscal storage, counters, a note that lies in its stacker. It
is one JSON-able dict, changed in place; all else must be lost in `power_off`. **The ledger** is what physically
happened, told the moment it does (a note fell into the cassette, a coin left, a document was stored); it is kept
outside of everything under test, and what the driver says is checked against it.
"""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

Ledger = Callable[[str, Mapping[str, object]], None]
"""Takes what happened and its figures: `ledger("bill_stacked", {"type": 3, "minor": 50000, "currency": "KZT"})`."""


class ControlError(ValueError):
    """A person's hand did something impossible; `str()` says what is wrong."""


@dataclass(frozen=True, slots=True)
class Control:
    """What a person can do to the device while it runs: its sentence, and its arguments as `name=example`.

    The method that does it is `do_<name>`, with the arguments as keywords (str or int); it may return figures.
    """

    summary: str
    arguments: Mapping[str, str] = field(default_factory=dict)


class Simulator(ABC):
    """One simulated device (or a bus of them).

    Args:
        memory: what it kept from its last life, empty for one from the factory; changed in place.
        ledger: takes what physically happens.
        options: the family's own, by keyword: `table`, `address`, …; unknown ones raise `ControlError`.

    It is built without power: `power_on` comes first.
    """

    family: ClassVar[str]
    controls: ClassVar[Mapping[str, Control]]
    baud: ClassVar[int] = 9600

    def __init__(self, memory: MutableMapping[str, Any], ledger: Ledger) -> None:
        self.memory = memory
        self.ledger = ledger

    @abstractmethod
    def power_on(self, now: float) -> Sequence[bytes]:
        """Power comes; what it sends by itself (mostly nothing)."""

    @abstractmethod
    def power_off(self, now: float) -> None:
        """Power goes, between any two bytes: motors stop, all but `memory` is forgotten."""

    @abstractmethod
    def received(self, data: bytes, now: float) -> Sequence[bytes]:
        """Bytes from the host, cut anywhere; what it answers, each item one frame or control byte."""

    @property
    @abstractmethod
    def wake_at(self) -> float | None:
        """When something inside moves next: a note reaches the cassette, a coin drops."""

    @abstractmethod
    def wake(self, now: float) -> Sequence[bytes]:
        """`wake_at` has come."""

    def control(self, name: str, arguments: Mapping[str, str], now: float) -> Mapping[str, object]:
        """A person's hand.

        Raises:
            ControlError: there is no such control, an argument is missing or wrong, or it cannot be done now.
        """
        if name not in self.controls:
            raise ControlError(f"there is no {name!r}; there are {', '.join(sorted(self.controls))}")
        unknown = set(arguments) - set(self.controls[name].arguments)
        if unknown:
            raise ControlError(f"{name} takes no {', '.join(sorted(unknown))}")
        hand = getattr(self, f"do_{name}")
        try:
            inspect.signature(hand).bind(now=now, **arguments)
        except TypeError as error:
            word = name.replace("_", "-")
            example = " ".join(f"{key}={value}" for key, value in self.controls[name].arguments.items())
            raise ControlError(f"{word}: {error}; right would be such as {word} {example}".rstrip()) from None
        done = hand(now=now, **arguments)
        return {} if done is None else dict(done)

    def show_time(self, wall: datetime, now: float) -> None:  # noqa: B027 - most devices have no clock
        """Its clock shows `wall` at `now`; until told it begins on a day of its own, the same in every test."""

    def hung_up(self, now: float) -> None:  # noqa: B027 - a serial line has no such thing
        """The host closed the connection, on a line that has one (TCP): half a request is forgotten."""

    def takes(self) -> Mapping[str, Sequence[int]]:
        """Its controls that put money in, each with the denominations it takes, in minor units."""
        return {}

    @abstractmethod
    def describe(self) -> Mapping[str, object]:
        """How it stands, for a person at the bench: state, what is inside, counters."""
