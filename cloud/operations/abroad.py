"""The other hubs, as who settles late outcomes sees them."""

from typing import Protocol

from cloud.kiosks.link import Link
from cloud.operations.operation import Operation
from wire.messages import Response


class Abroad(Protocol):
    """What they have under way."""

    @property
    def is_anybody(self) -> bool:
        """Whether there can be other hubs."""

    def owner_of(self, operation: Operation) -> str:
        """The other hub that has it under way, and lives; empty: none."""

    async def whose(self, kiosk_id: str, request_ids: list[str]) -> dict[str, tuple[str, Operation]]:
        """Of outcomes that have no row: the hub that has each under way, and what it knows of it."""

    def hand_over(self, link: Link, operation: Operation, response: Response, owner: str) -> bool:
        """Have the owner told what its kiosk told here. False if it cannot be reached."""

    def settled(self, request_id: str) -> None:
        """Its kiosk may forget it from now on."""

    def ids_at(self, kiosk_id: str) -> set[str]:
        """What is under way here for others."""


class Nobody:
    """Of a hub that is alone."""

    is_anybody = False

    def owner_of(self, operation: Operation) -> str:
        """See `Abroad`."""
        return ""

    async def whose(self, kiosk_id: str, request_ids: list[str]) -> dict[str, tuple[str, Operation]]:
        """See `Abroad`."""
        return {}

    def hand_over(self, link: Link, operation: Operation, response: Response, owner: str) -> bool:
        """See `Abroad`."""
        return False

    def settled(self, request_id: str) -> None:
        """See `Abroad`."""

    def ids_at(self, kiosk_id: str) -> set[str]:
        """See `Abroad`."""
        return set()
