"""The shift of each register as the hub was told of it, and as the register says: they may differ.

What this kiosk opens and closes is told with its document (`records`). But a shift was open before the kiosk knew the
register, or somebody closes it by the register's own buttons: then the hub would know of none, or would see one grow
old that has long been closed. So each register is asked when it is there first, and once an hour. What is found is
told as `shift-opened` or `shift-closed` with `"found": true`; when it was opened nobody knows then, but that it is
older than a day the register says (`"state": "expired"`).
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

from appliance.journal import Book, Journal, JournalError
from appliance.supervisor import NoSuchDevice, Supervisor
from hardware.errors import DeviceError
from hardware.events import DeviceState
from hardware.roles import FiscalRegister, ShiftState

LOOK_S = 5.0
AGAIN_S = 3600.0
STATUS_S = 60.0
OPENED, CLOSED = "shift-opened", "shift-closed"

_log = logging.getLogger(__name__)


def note(book: Book, register: str, *, is_open: bool, shift: int | None, found: str = "") -> None:
    """Write how the hub was told that it stands. `found`: "open" or "expired", of one that was found so."""
    book.put_page(_page(register), {"open": is_open, "shift": shift, "found": found})


def known(book: Book, register: str) -> dict[str, Any]:
    """What `note` wrote last; empty: nothing was told of this register."""
    return book.page(_page(register))


def compare(book: Book, register: str, says: ShiftState, at: float) -> bool:
    """Tell what is otherwise than the hub was told. Whether there was anything."""
    told = known(book, register)
    was_open, number = bool(told.get("open")), told.get("shift")
    if says.state == "closed":
        if was_open:
            _tell(book, CLOSED, register, {"shift": number}, at)
            note(book, register, is_open=False, shift=number)
        return was_open
    same = was_open and (number is None or says.number in (None, number))
    if same and (not told.get("found") or told["found"] == says.state):
        return False
    if was_open and not same:  # two, of which nobody was told: when this one began is not when that one did
        _tell(book, CLOSED, register, {"shift": number}, at)
    shift = number if says.number is None and same else says.number
    _tell(book, OPENED, register, {"shift": shift, "state": says.state}, at)
    note(book, register, is_open=True, shift=shift, found=says.state)
    return True


def _tell(book: Book, kind: str, register: str, data: dict[str, Any], at: float) -> None:
    book.tell(kind, {**data, "found": True}, at=at, device=register)


def _page(register: str) -> str:
    return f"{register}/shift"  # no device has such a name


class Shifts:
    """Asks the registers. `start` and `close` are a pair.

    Args:
        is_free: whether nothing is done or waits at this register now.
    """

    def __init__(
        self, *, journal: Journal, supervisor: Supervisor, clock: Callable[[], float], is_free: Callable[[str], bool]
    ) -> None:
        self._journal = journal
        self._supervisor = supervisor
        self._clock = clock
        self._is_free = is_free
        self._due: dict[str, float] = {}  # monotonic, by register
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="fiscal-shifts")

    async def close(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            for watched in self._supervisor.all():
                try:
                    if watched.entry.is_a(FiscalRegister) and time.monotonic() >= self._due.get(watched.name, 0.0):  # type: ignore[type-abstract]
                        await self._look(watched.name)
                except (DeviceError, NoSuchDevice, JournalError) as error:
                    _log.debug("a register's shift is not known", extra={"device": watched.name, "reason": str(error)})
                except Exception:  # the task must outlive any mistake of ours
                    _log.exception("a register's shift could not be looked at", extra={"device": watched.name})
                    self._due[watched.name] = time.monotonic() + AGAIN_S

    async def _look(self, name: str) -> None:
        """Raises DeviceError, `NoSuchDevice`, `JournalError`: it is tried again."""
        watched, register = self._supervisor.find_as(name, FiscalRegister)  # type: ignore[type-abstract]
        if watched.status.state is not DeviceState.READY or watched.hindrance or not self._is_free(name):
            return
        before = await self._journal.read(lambda book: known(book, name))
        status = await watched.use(register.read_status, STATUS_S)
        at = self._clock()

        def write(book: Book) -> bool:
            # A document that came meanwhile may have opened or closed it behind what the register said.
            return known(book, name) == before and compare(book, name, status.shift, at)

        if not self._is_free(name):
            return
        if await self._journal.write(write):
            _log.info(
                "a shift is otherwise than it was known to be", extra={"device": name, "shift": status.shift.state}
            )
        self._due[name] = time.monotonic() + AGAIN_S
