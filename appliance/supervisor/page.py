"""A device's page of the journal: an event, the driver's memory and all that follows from the event, in one commit."""

import logging
import secrets
import time
from collections.abc import Callable, Mapping

import msgspec

from appliance.journal import Book, Entry, Journal
from appliance.levels.booking import book, kind_of
from appliance.levels.marks import Marks
from appliance.supervisor.flapping import Flapping
from hardware.events import Event, StateChanged
from hardware.journal import DeviceJournal

Heard = Callable[[Event], None]

_DRIVER = "@driver"  # whose memory it is, beside what that driver remembers

_log = logging.getLogger(__name__)


class Page(DeviceJournal):
    """One device's.

    Attributes:
        work: whose money or paper moves there now; empty: nobody's.
        driver: whose memory stands there.
        marks: from how much on it is near full or near empty, if its owner said so.
    """

    def __init__(self, name: str, journal: Journal, clock: Callable[[], float]) -> None:
        self.name = name
        self.driver = ""
        self.work = ""
        self.whose = ""  # the work of the event that listeners hear now, as it stands in the book
        self.marks: Marks | None = None
        self._journal = journal
        self._clock = clock
        self._flapping = Flapping()
        self._listeners: list[Heard] = []
        self._failed: tuple[Event, Entry] | None = None  # may have been written; comes again as it was

    def hear(self, listener: Heard) -> Callable[[], None]:
        """Call `listener` with every event once it is on the disk; it must not raise or block. Returns how to stop."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    async def recall(self) -> Mapping[str, object]:
        """What the driver remembers; nothing of what another driver wrote under this name. Raises `StorageError`."""
        memory = await self._journal.read(lambda pages: pages.page(self.name))
        of = memory.pop(_DRIVER, self.driver)
        if of != self.driver:
            _log.warning("a device has another driver now, which does not know what the one before remembered", extra={
                "device": self.name, "driver": self.driver, "was": of,
            })  # fmt: skip
            return {}
        return memory

    async def record(self, event: Event | None, memory: Mapping[str, object] | None) -> None:
        """Write both or neither. Raises `StorageError`: then the driver comes again with the same."""
        entry = None if event is None else self._entry(event)
        now = time.monotonic()
        told = not isinstance(event, StateChanged) or self._flapping.tells(event, now)
        marks = self.marks
        kept = None if memory is None else {**memory, _DRIVER: self.driver}

        def write(pages: Book) -> None:
            if kept is not None:
                pages.put_page(self.name, kept)
            if entry is not None and event is not None:
                book(pages, entry, event, tell=told, marks=marks)

        if event is not None and entry is not None:
            self._failed = (event, entry)
        await self._journal.write(write, point="appliance.device.record")
        self._failed = None
        if event is None:
            return
        if isinstance(event, StateChanged):
            self._flapping.written(event, now, told=told)
            _log.log(logging.INFO if told else logging.DEBUG, "a device: %s → %s", event.was, event.state, extra={
                "device": self.name, "reason": event.words, "code": event.code,
            })  # fmt: skip
        self.whose = "" if entry is None else entry.work
        for listener in list(self._listeners):
            try:
                listener(event)
            except Exception:
                # It is written: were this to look like a failure, it would be written again.
                _log.exception("an event was written, but not heard", extra={"device": self.name})

    async def sum_up(self) -> None:
        """Tell of changes of state that were too many to be told one by one, when it is time. Raises `StorageError`."""
        due = self._flapping.sum_up(time.monotonic())
        if due is None:
            return
        last, count = due
        data = {**msgspec.to_builtins(last), "changes": count}
        del data["kind"]
        try:
            await self.tell("state-changed", data)
        except BaseException:
            self._flapping.not_told(last, count)
            raise
        _log.warning("a device changed its state too often to tell each time", extra={
            "device": self.name, "changes": count, "state": last.state.value,
        })  # fmt: skip

    async def tell(self, kind: str, data: Mapping[str, object]) -> None:
        """Tell the hub how this device does, as long as there is room for that. Raises `StorageError`."""
        at, fields = self._clock(), dict(data)
        await self._journal.write(lambda pages: pages.tell(kind, fields, at=at, device=self.name, important=False))

    def _entry(self, event: Event) -> Entry:
        if self._failed is not None and self._failed[0] == event:
            return self._failed[1]
        return Entry(
            nonce=secrets.randbits(62) + 1, at=self._clock(), device=self.name, work=self.work, kind=kind_of(event),
            data=msgspec.Raw(msgspec.json.encode(event)),
        )  # fmt: skip
