"""The bill validator's role on top of a link, the same for every family: only the conversation differs.

A family's protocol for one validator is a `BillProtocol`: it takes `AwaitReady` and the five commands below and reports
the events of `hardware.events`. Its `driver` module builds a `LinkedBillValidator` with it.
"""

from abc import abstractmethod
from collections.abc import Collection
from dataclasses import dataclass

from hardware.calling import AwaitReady, CalledDevice, LinkedDevice
from hardware.errors import TransportError
from hardware.link import Link
from hardware.protocol import Protocol
from hardware.roles import BillValidator, Status
from wire.money import Money

__all__ = [
    "AwaitReady",
    "BillProtocol",
    "CalledBillValidator",
    "Disable",
    "Enable",
    "GiveBack",
    "Hold",
    "LinkedBillValidator",
    "Stack",
]

CALL_S = 40.0  # above the 30 s that a note takes at most, and the protocol's own repeats


@dataclass(frozen=True, slots=True)
class Enable:
    """Take these notes (None: all that are known), into escrow. Finished with None once the device agreed."""

    accept: frozenset[Money] | None


@dataclass(frozen=True, slots=True)
class Disable:
    """Take none. Finished with None once the device agreed; at once when there is no link (it is not forgotten)."""


@dataclass(frozen=True, slots=True)
class Stack:
    """Keep the note in escrow. Finished with its `Money` once `BillStacked` is recorded."""

    escrow: int


@dataclass(frozen=True, slots=True)
class GiveBack:
    """Return it. Finished with None once `BillReturned` is recorded."""

    escrow: int


@dataclass(frozen=True, slots=True)
class Hold:
    """Keep it in escrow this much longer. Finished with None at once."""

    escrow: int
    seconds: float


class BillProtocol(Protocol):
    """One validator's conversation."""

    @property
    @abstractmethod
    def status(self) -> Status:
        """As `Device.status`."""

    @property
    @abstractmethod
    def denominations(self) -> tuple[Money, ...]:
        """As `BillValidator.denominations`."""


class CalledBillValidator(CalledDevice, BillValidator):
    """A validator asked by the commands above, whoever carries them."""

    async def enable(self, accept: Collection[Money] | None = None) -> None:
        await self._call(Enable(None if accept is None else frozenset(accept)), "take notes", CALL_S)

    async def disable(self) -> None:
        await self._call(Disable(), "take no notes", CALL_S)

    async def stack(self, escrow: int) -> Money:
        stacked = await self._call(Stack(escrow), f"stack note {escrow}", CALL_S)
        if not isinstance(stacked, Money):
            raise TypeError(f"{self.name}: a stacked note came back as {stacked!r}")
        return stacked

    async def give_back(self, escrow: int) -> None:
        await self._call(GiveBack(escrow), f"return note {escrow}", CALL_S)

    async def hold(self, escrow: int, seconds: float) -> None:
        await self._call(Hold(escrow, seconds), f"hold note {escrow}", CALL_S)


class LinkedBillValidator(LinkedDevice, CalledBillValidator):
    """A validator behind a link of its own."""

    _link: Link[BillProtocol]

    def __init__(self, name: str, link: Link[BillProtocol]) -> None:
        super().__init__(name, link)

    @property
    def denominations(self) -> Collection[Money]:
        try:
            return self._link.protocol.denominations
        except TransportError:
            return ()
