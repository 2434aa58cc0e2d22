"""One device under watch, as the desk's rooms have it.

    watched = supervisor.find("bills")
    if words := watched.hindrance: …                                      nothing new is to be begun with it
    watched.bind(work_id)                                                 first: whose money moves there
    stop = watched.hear(listener)                                         events, once they are on the disk
    await watched.use(lambda: validator.enable(notes), 10.0)
    await watched.use(validator.disable, 10.0, anyway=True)               what makes it safe goes through whatever

The driver behind it may be built anew at any time, so it is asked for each time (`device`, `find_as`) and not kept
beyond one piece of work: a call of one that was replaced raises `TransportError`, as does one of an absent device.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar

from appliance.devices import DeviceEntry
from appliance.journal import Journal
from appliance.levels.marks import Marks
from appliance.supervisor.circuit import Circuit
from appliance.supervisor.order import Order, read_order, write_order
from appliance.supervisor.page import Heard, Page
from hardware.errors import DeviceError, LocalProtocolError, OutcomeUnknown, Refused, TransportError
from hardware.events import DeviceState, Event, StateChanged
from hardware.roles import Device, Status

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Unavailable(TransportError):
    """A device that is not to be used now; nothing was begun. `words` say why, and since when."""

    def __init__(self, name: str, words: str) -> None:
        self.name = name
        self.words = words
        super().__init__(f"{name}: {words}")


class NotBuilt(Device):
    """In the place of a driver that there is not: it could not be built, or is being changed."""

    def __init__(self, name: str, words: str) -> None:
        self._name = name
        self.words = words

    @property
    def name(self) -> str:
        return self._name

    async def open(self) -> None:
        raise TransportError(f"{self._name}: {self.words}")

    async def close(self) -> None:
        """Nothing is open."""

    @property
    def status(self) -> Status:
        return Status(state=DeviceState.ABSENT, words=self.words)

    async def ready(self, timeout_s: float) -> None:
        raise TransportError(f"{self._name}: {self.words}")


class Watched:
    """One device. `since` is when its state last changed, Unix seconds."""

    def __init__(self, entry: DeviceEntry, page: Page, journal: Journal, clock: Callable[[], float]) -> None:
        self.page = page
        self.entry = entry
        self.device: Device = NotBuilt(entry.name, "not opened yet")
        self.circuit = Circuit()
        self.admits_told = True  # what the hub was told of it
        self.order = Order()
        self.since = clock()
        self.seen = False  # it was there since the start
        self.trouble = ""  # why there is no driver that works
        self.testing = ""  # why nothing new is to be begun with it though calls go through: an engineer has it
        self.leaving = ""  # why it is not to be used though it may be well: it is changed, or was removed
        self.freed: Callable[[], None] = lambda: None  # called when it is nobody's any more
        self.wake = asyncio.Event()  # look after it now
        self._journal = journal
        self._clock = clock
        page.hear(self._heard)

    @property
    def entry(self) -> DeviceEntry:
        """What is in force of the routing file."""
        return self._entry

    @entry.setter
    def entry(self, entry: DeviceEntry) -> None:
        self._entry = entry
        self.page.driver = entry.driver
        self.page.marks = marks_of(entry)

    @property
    def name(self) -> str:
        """As in the routing file."""
        return self.entry.name

    @property
    def role(self) -> str:
        """What it is: "bill validator"."""
        return self.entry.role

    @property
    def status(self) -> Status:
        """As it was last heard."""
        status = self.device.status
        return Status(state=DeviceState.ABSENT, words=self.trouble) if self.trouble else status

    # Whose it is

    @property
    def work(self) -> str:
        """Whose money or paper moves there now; empty: nobody's."""
        return self.page.work

    def bind(self, work: str) -> None:
        """From now on what moves there belongs to this work; empty: to nobody."""
        self.page.work = work
        if not work:
            self.freed()

    def hear(self, listener: Heard) -> Callable[[], None]:
        """See `Page.hear`."""
        return self.page.hear(listener)

    # Using it

    @property
    def in_service(self) -> bool:
        """Whether its owner wants it used. What is being done is brought to its end all the same."""
        return self.order.in_service

    @property
    def hindrance(self) -> str:
        """Why nothing new is to be begun with it, in words for a person; empty: nothing is known against it.

        Its state (`status`) is not looked at: a room knows which it can do with.
        """
        if not self.order.in_service:
            reason = f": {self.order.reason}" if self.order.reason else ""
            return f"out of service by order since {_moment(self.order.at)}{reason}"
        return self._barred() or self.testing

    async def use(self, what: Callable[[], Awaitable[T]], timeout_s: float, *, anyway: bool = False) -> T:
        """Carry out a call of the device, and learn from its end whether it can be used.

        Args:
            what: begins the call.
            timeout_s: above the driver's own limits, which are meant to be reached first.
            anyway: even if the device fails again and again: for what leaves it safe, such as `disable`.

        Raises:
            Unavailable: it is not to be used now; at once, nothing was begun.
            OutcomeUnknown: `timeout_s` passed.
            DeviceError: what the driver says.
        """
        if not anyway and (words := self._barred()):
            raise Unavailable(self.name, words)
        try:
            async with asyncio.timeout(timeout_s):
                result = await what()
        except TimeoutError:
            unknown = OutcomeUnknown(f"a call of {self.name}", f"it did not end within {timeout_s:g} s")
            self.went_wrong(unknown)
            raise unknown from None
        except Refused:
            self.went_well()  # it has understood us
            raise
        except LocalProtocolError:
            raise  # a mistake of ours says nothing of the device
        except DeviceError as error:
            self.went_wrong(error)
            raise
        self.went_well()
        return result

    def went_well(self) -> None:
        """It did what it was asked."""
        if self.circuit.succeeded():
            _log.info("a device can be used again", extra={"device": self.name})
            self.wake.set()

    def went_wrong(self, error: Exception) -> None:
        """It did not."""
        if self.circuit.failed(str(error), time.monotonic()):
            _log.warning("a device fails again and again; nobody is let wait for it", extra={
                "device": self.name, "reason": str(error),
            })  # fmt: skip
            self.wake.set()

    def reset_circuit(self) -> None:
        """A person says that it is well; what follows shows."""
        self.went_well()
        self.wake.set()

    # The owner's order

    async def recall_order(self) -> None:
        """As it stands in the journal. Raises `StorageError`."""
        self.order = await self._journal.read(lambda pages: read_order(pages, self.name))

    async def give_order(self, *, in_service: bool, reason: str, nonce: int) -> None:
        """Have it used, or not, until the next order; over restarts. Raises `StorageError`."""
        order = Order(in_service=in_service, reason=reason, at=self._clock())
        await self._journal.write(
            lambda pages: write_order(pages, self.name, order, nonce=nonce), point="appliance.device.order"
        )
        await self.recall_order()

    def _barred(self) -> str:
        if self.leaving:
            return self.leaving
        if self.trouble:
            return self.trouble
        if not self.circuit.admits:
            circuit = self.circuit
            ago = max(0.0, time.monotonic() - circuit.since)
            return f"fails again and again since {_moment(self._clock() - ago)}, last: {circuit.words}"
        return ""

    def _heard(self, event: Event) -> None:
        if not isinstance(event, StateChanged):
            return
        self.since = self._clock()
        self.seen |= event.state is not DeviceState.ABSENT
        if event.state not in {DeviceState.ABSENT, DeviceState.FAULT, DeviceState.STARTING}:
            self.circuit.hope(time.monotonic())
            self.wake.set()


def marks_of(entry: DeviceEntry) -> Marks | None:
    """When it is near full or empty, if its owner said so."""
    owned = entry.owned
    if not (owned.capacity or owned.near_full or owned.near_empty):
        return None
    return Marks(capacity=owned.capacity, near_full=owned.near_full, near_empty=owned.near_empty)


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
