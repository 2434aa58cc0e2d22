"""Kiosks that other hubs hold: what those tell of them, at hand without asking.

Each hub tells the others who came to it and who left; from that every hub knows where each kiosk is. Nothing of it is
kept anywhere else.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from wire.messages import Device


class Seen(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A kiosk that is ready at another hub, as that hub told last.

    `hub` is that hub's life. `epoch` grows with each connection of the kiosk, at whichever hub: of two hubs that both
    believe to hold it, the one with the greater epoch is right. `since` is Unix seconds by the bus's clock. `journal`
    is as `Link.journal`; `dialect`, `version`, `boot_id` as in `absence.Came`; `devices` in the state told last.
    """

    kiosk_id: str
    hub: str
    epoch: int
    since: float
    generation: int
    address: str = ""
    dialect: str = "kiosk.v2"
    version: str = ""
    boot_id: str = ""
    journal: str = ""
    routes: tuple[str, ...] = ()
    devices: tuple[Device, ...] = ()

    @property
    def is_v1(self) -> bool:
        """Whether it has no journal, so that nothing may be sent to it twice."""
        return self.dialect == "v1"


class Elsewhere(Protocol):
    """Where kiosks are that are not here."""

    def get(self, kiosk_id: str) -> Seen | None:
        """The kiosk, if another hub that lives holds it."""

    def all(self) -> Mapping[str, Seen]:
        """All of them, by id."""

    def when_changed(self, call: Callable[[str], None]) -> None:
        """Have `call` called with the id of each kiosk that came to, or left, another hub."""


class Nowhere:
    """Of a hub that is alone."""

    def get(self, kiosk_id: str) -> Seen | None:
        """See `Elsewhere`."""
        return None

    def all(self) -> Mapping[str, Seen]:
        """See `Elsewhere`."""
        return {}

    def when_changed(self, call: Callable[[str], None]) -> None:
        """See `Elsewhere`."""
