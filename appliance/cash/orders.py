"""What a session wants done, as values, and how each of them can end."""

from dataclasses import dataclass
from enum import Enum, auto

from appliance.cash.result import Intent
from wire.money import Money


@dataclass(frozen=True, slots=True)
class Find:
    """Wait until the device is ready, and say what it knows."""

    device: str


@dataclass(frozen=True, slots=True)
class Enable:
    """Take these, and nothing else."""

    device: str
    accept: frozenset[Money]


@dataclass(frozen=True, slots=True)
class Disable:
    """Take nothing; a note in escrow goes back."""

    device: str


@dataclass(frozen=True, slots=True)
class Stack:
    """Keep the note."""

    device: str
    escrow: int


@dataclass(frozen=True, slots=True)
class GiveBack:
    """Do not keep it."""

    device: str
    escrow: int


@dataclass(frozen=True, slots=True)
class PayOut:
    """Coins from a hopper, once the intent is on the disk."""

    intent: Intent

    @property
    def device(self) -> str:
        """The hopper."""
        return self.intent.device


@dataclass(frozen=True, slots=True)
class Keep:
    """Write down what is kept of the session as it is now."""


@dataclass(frozen=True, slots=True)
class Tell:
    """There is something new for whoever watches."""


@dataclass(frozen=True, slots=True)
class End:
    """Nothing is left to do: write the outcome, if nothing else has come into the book meanwhile."""


Command = Find | Enable | Disable | Stack | GiveBack | PayOut
Order = Command | Keep | Tell | End


class How(Enum):
    """How a command ended."""

    DONE = auto()
    NOT_NOW = auto()  # no link, out of service: nothing was begun, and it may be tried again
    REFUSED = auto()  # the device said no: nothing was begun
    UNKNOWN = auto()  # it may have been done; an event may tell


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of a command. `known`: what a device found takes, or a hopper's coin."""

    how: How
    words: str = ""
    known: tuple[Money, ...] = ()
