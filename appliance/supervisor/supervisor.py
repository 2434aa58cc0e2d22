"""All devices of the kiosk, each with its page, from the first opening to the last closing."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import TypeVar

from appliance.devices import DeviceEntry
from appliance.journal import Journal
from appliance.screen import Screen
from appliance.supervisor.page import Heard, Page
from hardware.events import Event, StateChanged
from hardware.roles import Device, Status

_log = logging.getLogger(__name__)
D = TypeVar("D", bound=Device)


class NoSuchDevice(LookupError):
    """There is none of that name, or it is of another kind; the words say what there is."""


class Watched:
    """One device under watch."""

    def __init__(self, entry: DeviceEntry, device: Device, page: Page) -> None:
        self.entry = entry
        self.device = device
        self.page = page

    @property
    def name(self) -> str:
        """As in the routing file."""
        return self.entry.name

    @property
    def status(self) -> Status:
        """As it was last heard."""
        return self.device.status

    def bind(self, work: str) -> None:
        """From now on what moves there belongs to this work; empty: to nobody."""
        self.page.work = work

    def hear(self, listener: Heard) -> Callable[[], None]:
        """See `Page.hear`."""
        return self.page.hear(listener)


class Supervisor:
    """Opens and closes them; `find` one."""

    def __init__(
        self, *, journal: Journal, screen: Screen, clock: Callable[[], float], entries: Mapping[str, DeviceEntry]
    ) -> None:
        self._journal = journal
        self._screen = screen
        self._clock = clock
        self._watched = {name: self._build(entry) for name, entry in entries.items()}

    async def open(self) -> None:
        """Begin to keep them. The desk has said before whose money is on its way (`Watched.bind`)."""
        for watched in self._watched.values():
            await watched.device.open()

    async def close(self) -> None:
        """Let them go; a note or a document on its way is waited for."""
        results = await asyncio.gather(*(each.device.close() for each in self.all()), return_exceptions=True)
        for watched, result in zip(self.all(), results, strict=True):
            if isinstance(result, BaseException):
                _log.error("a device did not close", extra={"device": watched.name, "reason": str(result)})

    def all(self) -> list[Watched]:
        """In the order of the file."""
        return list(self._watched.values())

    def find(self, name: str) -> Watched:
        """Raises `NoSuchDevice`."""
        try:
            return self._watched[name]
        except KeyError:
            raise NoSuchDevice(f"there is no device {name}; there are {', '.join(self._watched) or 'none'}") from None

    def find_as(self, name: str, role: type[D]) -> tuple[Watched, D]:
        """One of a role. Raises `NoSuchDevice`."""
        watched = self.find(name)
        if not isinstance(watched.device, role):
            raise NoSuchDevice(f"{name} is a {watched.entry.role}")
        return watched, watched.device

    def _build(self, entry: DeviceEntry) -> Watched:
        page = Page(entry.name, self._journal, self._clock)
        watched = Watched(entry, entry.build(page), page)
        page.hear(lambda event: self._heard(watched, event))
        return watched

    def _heard(self, watched: Watched, event: Event) -> None:
        if isinstance(event, StateChanged):
            self._screen.show("device", watched.name, {"state": event.state.value, "words": event.words})
