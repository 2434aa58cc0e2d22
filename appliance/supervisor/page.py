"""A device's page of the journal: an event, the driver's memory and all that follows from the event, in one commit."""

import logging
import secrets
from collections.abc import Callable, Mapping

import msgspec

from appliance.journal import Book, Entry, Journal
from appliance.levels.booking import book, kind_of
from hardware.events import Event
from hardware.journal import DeviceJournal

Heard = Callable[[Event], None]

_log = logging.getLogger(__name__)


class Page(DeviceJournal):
    """One device's. `work` names whose money or paper moves there now; empty: nobody's."""

    def __init__(self, name: str, journal: Journal, clock: Callable[[], float]) -> None:
        self.name = name
        self.work = ""
        self._journal = journal
        self._clock = clock
        self._listeners: list[Heard] = []
        self._failed: tuple[Event, Entry] | None = None  # may have been written; comes again as it was

    def hear(self, listener: Heard) -> Callable[[], None]:
        """Call `listener` with every event once it is on the disk; it must not raise or block. Returns how to stop."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    async def recall(self) -> Mapping[str, object]:
        """What the driver remembers. Raises `StorageError`."""
        return await self._journal.read(lambda pages: pages.page(self.name))

    async def record(self, event: Event | None, memory: Mapping[str, object] | None) -> None:
        """Write both or neither. Raises `StorageError`: then the driver comes again with the same."""
        entry = None if event is None else self._entry(event)

        def write(pages: Book) -> None:
            if memory is not None:
                pages.put_page(self.name, memory)
            if entry is not None and event is not None:
                book(pages, entry, event)

        if event is not None and entry is not None:
            self._failed = (event, entry)
        await self._journal.write(write, point="appliance.device.record")
        self._failed = None
        if event is None:
            return
        for listener in list(self._listeners):
            try:
                listener(event)
            except Exception:
                # It is written: were this to look like a failure, it would be written again.
                _log.exception("an event was written, but not heard", extra={"device": self.name})

    def _entry(self, event: Event) -> Entry:
        if self._failed is not None and self._failed[0] == event:
            return self._failed[1]
        return Entry(
            nonce=secrets.randbits(62) + 1, at=self._clock(), device=self.name, work=self.work, kind=kind_of(event),
            data=msgspec.Raw(msgspec.json.encode(event)),
        )  # fmt: skip
