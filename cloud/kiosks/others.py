"""What links tell of their kiosks to whoever tells the other hubs, and ask of them: `presence`, or nobody."""

from collections.abc import Callable
from typing import Protocol

from cloud.kiosks.newcomer import Newcomer


class Others(Protocol):
    """The other hubs, as links see them. None of these waits."""

    @property
    def is_shared(self) -> bool:
        """Whether there can be any."""

    def came(self, kiosk_id: str) -> None:
        """It is ready here."""

    def changed(self, kiosk_id: str) -> None:
        """What was told of it may be out of date: its devices."""

    def left(self, kiosk_id: str) -> None:
        """It is not ready here any more."""

    def epoch(self, kiosk_id: str, least: int) -> int:
        """For a connection that begins now: greater than `least` and all that is known of the kiosk."""

    def asks(self, kiosk_id: str, newcomer: Newcomer, done: Callable[[int, int], None]) -> bool:
        """Whether another hub holds the kiosk and is asked; `done(code, epoch)` tells what it said, 0: let it in."""

    def forget(self, kiosk_id: str) -> None:
        """Who was asked for does not wait any more."""

    def doubts(self, kiosk_id: str) -> None:
        """Two boxes were seen with its identity just now."""


class NoOthers:
    """Of a hub that is alone."""

    is_shared = False

    def came(self, kiosk_id: str) -> None:
        """See `Others`."""

    def changed(self, kiosk_id: str) -> None:
        """See `Others`."""

    def left(self, kiosk_id: str) -> None:
        """See `Others`."""

    def epoch(self, kiosk_id: str, least: int) -> int:
        """See `Others`."""
        return least + 1

    def asks(self, kiosk_id: str, newcomer: Newcomer, done: Callable[[int, int], None]) -> bool:
        """See `Others`."""
        return False

    def forget(self, kiosk_id: str) -> None:
        """See `Others`."""

    def doubts(self, kiosk_id: str) -> None:
        """See `Others`."""
