"""All devices of the kiosk, each with its page and its keeper, from the first opening to the last closing.

Another reading of the routing file changes what it says otherwise and nothing else. A device in the middle of a work
keeps its driver until the work lets go of it; what waits for that is said (`waiting`).
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from appliance.devices import DeviceEntry
from appliance.journal import Journal, StorageError
from appliance.screen import Screen
from appliance.supervisor.keeper import Keeper
from appliance.supervisor.page import Page
from appliance.supervisor.watched import Unavailable, Watched
from hardware.events import DeviceState, Event, StateChanged
from hardware.roles import Device

_FIRST_TRY_S = 5.0  # how long the start waits for the drivers to be open; for a device it never waits

_log = logging.getLogger(__name__)
D = TypeVar("D", bound=Device)


class NoSuchDevice(LookupError):
    """There is none of that name, or it is of another kind; the words say what there is."""


class NotNow(Unavailable, NoSuchDevice):
    """There is one of that name and kind, and no driver of it at this moment."""


class Supervisor:
    """Opens and closes them; `find` one."""

    def __init__(
        self, *, journal: Journal, screen: Screen, clock: Callable[[], float], entries: Mapping[str, DeviceEntry]
    ) -> None:
        self._journal = journal
        self._screen = screen
        self._clock = clock
        self._wanted = dict(entries)
        self._watched = {name: self._make(entry) for name, entry in entries.items()}
        self._keepers: dict[str, Keeper] = {}
        self._refused: dict[str, str] = {}  # what another reading said and could not be done, by device
        self._turn = asyncio.Lock()
        self._changes: set[asyncio.Task[None]] = set()
        self._open = False
        self.changed: Callable[[], None] = lambda: None  # called when there are other devices than before

    async def open(self) -> None:
        """Begin to keep them. The desk has said before whose money is on its way (`Watched.bind`)."""
        self._open = True
        await self._start(list(self._watched))

    async def close(self) -> None:
        """Let them go; a note or a document on its way is waited for."""
        self._open = False
        for task in self._changes:
            task.cancel()
        await asyncio.gather(*self._changes, return_exceptions=True)
        async with self._turn:
            await self._stop(list(self._keepers))

    async def reload(self, entries: Mapping[str, DeviceEntry]) -> None:
        """Another reading of the routing file: open, close and change what it says otherwise."""
        self._wanted = dict(entries)
        self._refused = {}
        await self._change()

    @property
    def waiting(self) -> list[str]:
        """What the routing file says and is not in force, each in a sentence."""
        words = [f"{name}: {reason}" for name, reason in self._refused.items()]
        for name in self._unlike():
            if name not in self._refused and name in self._watched:
                verb = "changed" if name in self._wanted else "closed"
                words.append(f"{name} is {verb} as soon as {self._watched[name].work or 'its work'} has ended")
        return words

    def all(self) -> list[Watched]:
        """In the order of the file."""
        order = {name: at for at, name in enumerate(self._wanted)}
        return sorted(self._watched.values(), key=lambda each: order.get(each.name, len(order)))

    def find(self, name: str) -> Watched:
        """Raises `NoSuchDevice`."""
        try:
            return self._watched[name]
        except KeyError:
            raise NoSuchDevice(f"there is no device {name}; there are {', '.join(self._watched) or 'none'}") from None

    def find_as(self, name: str, role: type[D]) -> tuple[Watched, D]:
        """One of a role, and its driver, which is not to be kept. Raises `NoSuchDevice`; one that is `Unavailable`
        as well when it has no driver now."""
        watched = self.find(name)
        if isinstance(watched.device, role):
            return watched, watched.device
        if watched.entry.is_a(role):
            raise NotNow(name, watched.hindrance or watched.status.words)
        raise NoSuchDevice(f"{name} is a {watched.role}")

    # Making

    def _make(self, entry: DeviceEntry) -> Watched:
        watched = Watched(entry, Page(entry.name, self._journal, self._clock), self._journal, self._clock)
        watched.hear(lambda event: self._show(watched, event))
        watched.freed = self._freed
        try:
            watched.device = entry.build(watched.page)
        except Exception as error:
            # Its keeper tries again; the others are not to be without their kiosk for it.
            _log.exception("a device could not be built", extra={"device": entry.name})
            watched.trouble = f"its driver cannot be built: {error}"
        return watched

    def _show(self, watched: Watched, event: Event) -> None:
        if isinstance(event, StateChanged):
            self._screen.show(
                "device", watched.name, {
                    "role": watched.role, "state": event.state.value, "code": event.code, "words": event.words,
                },
            )  # fmt: skip

    async def _start(self, names: Iterable[str]) -> None:
        keepers = {name: Keeper(self._watched[name]) for name in names}
        self._keepers.update(keepers)
        for keeper in keepers.values():
            keeper.start()
        tries = [asyncio.ensure_future(keeper.tried.wait()) for keeper in keepers.values()]
        if tries:
            _tried, late = await asyncio.wait(tries, timeout=_FIRST_TRY_S)
            for each in late:
                each.cancel()

    async def _stop(self, names: Iterable[str]) -> None:
        """All at once: one that waits for its note keeps no other from being let go."""
        await asyncio.gather(*(self._keepers.pop(name).stop() for name in names if name in self._keepers))

    # Changing

    def _unlike(self) -> list[str]:
        """Devices that are not as the routing file wants them."""
        names = [*self._wanted, *(name for name in self._watched if name not in self._wanted)]
        return [name for name in names if self._wanted.get(name) != self._entry(name)]

    def _entry(self, name: str) -> DeviceEntry | None:
        return self._watched[name].entry if name in self._watched else None

    def _freed(self) -> None:
        """A work has let go of a device."""
        if self._open and any(name not in self._refused for name in self._unlike()):
            task = asyncio.create_task(self._change(), name="devices-change")
            self._changes.add(task)
            task.add_done_callback(self._changes.discard)

    async def _change(self) -> None:
        """Make the devices as they are wanted, but for those in the middle of a work."""
        async with self._turn:
            unlike = [name for name in self._unlike() if name not in self._refused]
            known = [name for name in unlike if name in self._watched]
            for name in [name for name in known if self._changes_owner_only(name)]:
                self._watched[name].entry = self._wanted[name]
                known.remove(name)
            free = [name for name in known if not self._watched[name].work]
            for name in free:
                gone = name not in self._wanted
                self._watched[name].leaving = "is no longer in the routing file" if gone else "is being changed"
            await self._stop(free)
            started = [name for name in unlike if name not in self._watched]
            for name in started:
                self._watched[name] = self._make(self._wanted[name])
            for name in free:
                if name in self._wanted:
                    self._replace(self._watched[name], self._wanted[name])
                    started.append(name)
                else:
                    self._forget(name)
            if self._open:
                await self._start(started)
            if unlike:
                await self._say(unlike)
                self.changed()

    def _changes_owner_only(self, name: str) -> bool:
        wanted = self._wanted.get(name)
        return wanted is not None and self._watched[name].entry.same_driver(wanted)

    def _replace(self, watched: Watched, wanted: DeviceEntry) -> None:
        """Give it the driver that is wanted; where there can be none such, the one of before."""
        try:
            watched.device = wanted.build(watched.page)
        except Exception as error:
            _log.exception("a changed device could not be built", extra={"device": watched.name})
            self._refused[watched.name] = f"stays as it was, the change cannot be built: {error}"
        else:
            watched.entry = wanted
        watched.leaving = watched.trouble = ""
        watched.circuit.succeeded()

    def _forget(self, name: str) -> None:
        watched = self._watched.pop(name)
        self._screen.clear("device", name, {
            "role": watched.role, "state": DeviceState.ABSENT.value, "code": "", "words": watched.leaving,
        })  # fmt: skip

    async def _say(self, names: list[str]) -> None:
        done = [name for name in names if self._wanted.get(name) == self._entry(name)]
        _log.info("devices were taken over from the routing file", extra={"devices": done, "waiting": self.waiting})
        data, at = {"devices": done, "waiting": self.waiting}, self._clock()
        try:
            await self._journal.write(lambda pages: pages.tell("devices-changed", data, at=at))
        except StorageError:
            await self._journal.add_event("devices-changed", data)  # which keeps it until the disk takes it
