"""The bill validator's role on top of a link, the same for every family: only the conversation differs.

A family's protocol for one validator is a `BillProtocol`: it takes the five commands below and reports the events of
`hardware.events`. Its `driver` module builds a `LinkedBillValidator` with it.
"""

from abc import abstractmethod
from collections.abc import Collection
from dataclasses import dataclass

from hardware.errors import DeviceFault, TransportError
from hardware.events import DeviceState
from hardware.link import Link
from hardware.protocol import Protocol
from hardware.roles import BillValidator, Status
from wire.money import Money

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


@dataclass(frozen=True, slots=True)
class AwaitReady:
    """Finished with None as soon as the device is set up, at once if it is."""


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


class LinkedBillValidator(BillValidator):
    """A validator behind a link of its own."""

    def __init__(self, name: str, link: Link[BillProtocol]) -> None:
        self._name = name
        self._link = link

    @property
    def name(self) -> str:
        return self._name

    async def open(self) -> None:
        await self._link.open()

    async def close(self) -> None:
        await self._link.close()

    @property
    def status(self) -> Status:
        try:
            return self._link.protocol.status
        except TransportError:
            return Status(state=DeviceState.ABSENT, words="not opened")

    async def ready(self, timeout_s: float) -> None:
        try:
            await self._call(AwaitReady(), "wait", timeout_s)
        except DeviceFault:
            raise
        except Exception:
            status = self.status
            if status.state is DeviceState.FAULT:
                raise DeviceFault(status.code, status.words) from None
            raise TransportError(f"{self._name}: {status.words or 'no answer'} ({status.state})") from None

    @property
    def denominations(self) -> Collection[Money]:
        try:
            return self._link.protocol.denominations
        except TransportError:
            return ()

    async def enable(self, accept: Collection[Money] | None = None) -> None:
        await self._call(Enable(None if accept is None else frozenset(accept)), "take notes")

    async def disable(self) -> None:
        await self._call(Disable(), "take no notes")

    async def stack(self, escrow: int) -> Money:
        stacked = await self._call(Stack(escrow), f"stack note {escrow}")
        if not isinstance(stacked, Money):
            raise TypeError(f"{self._name}: a stacked note came back as {stacked!r}")
        return stacked

    async def give_back(self, escrow: int) -> None:
        await self._call(GiveBack(escrow), f"return note {escrow}")

    async def hold(self, escrow: int, seconds: float) -> None:
        await self._call(Hold(escrow, seconds), f"hold note {escrow}")

    async def _call(self, command: object, what: str, timeout_s: float = CALL_S) -> object:
        return await self._link.call(command, what=f"{self._name}: {what}", timeout_s=timeout_s)
