"""The cash desk as `operations` sees it."""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from appliance.cash.reading import Wanted, read_wanted
from appliance.devices import DeviceEntry
from appliance.journal import StorageError
from appliance.kinds import TAKES_MONEY, CashRoute
from appliance.supervisor import NoSuchDevice, Supervisor
from appliance.targets import Answered, Ask, NeverGot, Result, Target
from hardware.roles import BillValidator, CoinAcceptor

AGAIN_S = 1.0


class Desk(Protocol):
    """What a target needs of the service."""

    def cancel(self, id: str, reason: str) -> bool:
        """End a session soon."""

    async def carry_out(
        self, id: str, kind: CashRoute, wanted: Wanted, tell: Callable[[dict[str, Any]], None]
    ) -> Answered | NeverGot:
        """From its beginning to its end."""

    async def end_of(self, id: str) -> Answered | NeverGot:
        """What became of it. Raises `StorageError`."""


class CashTarget(Target):
    """Payments by one route's devices."""

    def __init__(self, *, desk: Desk, kind: CashRoute, timeout: float, supervisor: Supervisor) -> None:
        self._desk = desk
        self._kind = kind
        self._timeout = timeout
        self._supervisor = supervisor

    def check(self, ask: Ask) -> None:
        self._read(ask)

    async def run(self, ask: Ask) -> Result:
        return await self._desk.carry_out(ask.request_id, self._kind, self._read(ask), ask.tell)

    def can_tell(self, ask: Ask) -> bool:
        return True

    async def find_out(self, ask: Ask) -> Answered | NeverGot | None:
        while True:
            try:
                return await self._desk.end_of(ask.request_id)
            except StorageError:
                await asyncio.sleep(AGAIN_S)

    def cancel(self, request_id: str, reason: str) -> bool:
        return self._desk.cancel(request_id, reason)

    def _read(self, ask: Ask) -> Wanted:
        return read_wanted(ask.body, self._kind, self._timeout, self._currencies())

    def _currencies(self) -> set[str]:
        """What its devices take, as far as that is known now; empty: nothing is."""
        found: set[str] = set()
        for name in self._kind.devices:
            try:
                watched = self._supervisor.find(name)
            except NoSuchDevice:
                continue
            device = watched.device
            known: set[str] = set()
            if isinstance(device, BillValidator | CoinAcceptor):
                known = {money.currency for money in device.denominations}
            if watched.role in TAKES_MONEY:
                found |= known or _declared(watched.entry)
        return found


def _declared(entry: DeviceEntry) -> set[str]:
    """By its settings, or its driver's default."""
    return {entry.currency} if entry.currency else set()
