"""The journal's door: async calls that end when the disk has it.

What cannot be written now and must not be lost (outcomes) is kept in memory and tried again every second.
"""

import asyncio
import contextlib
import itertools
import logging
import secrets
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from appliance.box import Marks
from appliance.journal.book import Book
from appliance.journal.errors import StorageError, UnknowableError
from appliance.journal.files import RESERVE_BYTES, Files
from appliance.journal.jobs import Facts, Job, Limits
from appliance.journal.store import Begin, Recent, Row, Store
from appliance.journal.writer import Writer
from wire.messages import Event, Request, Response

_RETRY_S = 1.0
_BACKLOG_BYTES = 1024 * 1024
_SETTLING_MAX = 256
_PENDING_EVENTS = 100

T = TypeVar("T")

_log = logging.getLogger(__name__)

__all__ = ["Journal", "Limits"]


class Journal:
    """The kiosk's memory. Belongs to one event loop."""

    def __init__(
        self, directory: Path, *, limits: Limits, clock: Callable[[], float], boot_id: str,
        marks: Marks | None = None, reserve_bytes: int = RESERVE_BYTES,
    ) -> None:  # fmt: skip
        self._clock = clock
        self._limits = limits
        self._boot_id = boot_id
        self._writer = Writer(Files(directory, reserve_bytes), limits, clock, boot_id, marks)
        self._unwritten: dict[str, Response] = {}  # outcomes the disk did not take
        self._unwritten_events: list[Event] = []
        # Settled by the hub and not yet written: cheap to lose, so it waits for the next commit.
        self._settling: set[str] = set()
        self._flushing: set[str] = set()
        self._acknowledged = ("", 0)  # journal, event number
        self._tending: asyncio.Task[None] | None = None
        self._heard: Callable[[], None] = lambda: None

    async def open(self) -> None:
        """Open or make the file. Raises `JournalInUseError`, `StorageError` (the directory cannot be used)."""
        await asyncio.to_thread(self._writer.start)
        self._tending = asyncio.create_task(self._tend(), name="journal-tend")

    async def close(self) -> None:
        """Write what is left and let go of the file."""
        if self._tending is not None:
            self._tending.cancel()
            await asyncio.gather(self._tending, return_exceptions=True)
            await self._write_left()
        await asyncio.to_thread(self._writer.stop)

    @property
    def id(self) -> str:
        """Names this memory; another one after it was lost or damaged."""
        return self._writer.facts.id

    @property
    def facts(self) -> Facts:
        """The journal at this moment."""
        facts = self._writer.facts
        unsettled = max(0, facts.unsettled - len(self._settling)) + len(self._unwritten)
        trouble = facts.trouble
        if self._unwritten and not trouble:
            trouble = "outcomes wait in memory for the disk"
        return msgspec.structs.replace(facts, unsettled=unsettled, trouble=trouble)

    @property
    def silent(self) -> float:
        """Seconds since the journal's thread last came round; below two while it is not at work on something long."""
        return time.monotonic() - self._writer.turned_at

    async def begin_anew(self, reason: str) -> None:
        """Go on under another name: another machine has a copy. Raises `StorageError`."""
        new_id, at = uuid.uuid4().hex, self._clock()
        await self._write(Job(lambda store: store.begin_anew(new_id, reason, at), point="appliance.journal.begin_anew"))
        self._writer.say_copied(reason)

    async def stand_still(self, for_s: float) -> list[str]:
        """Have nothing new begun for so many seconds, if nothing is under way now; what is, in words, else nothing.

        One transaction looks and takes it: what was begun before is seen, and what comes behind is refused with
        `StandstillError`. It stands in the journal, for this run alone: the next start is free of it. Under way are
        operations without an outcome, works that have not ended, and outcomes that only the memory has; what the hub
        has not settled is safe on the disk, and waits for whoever runs then. Raises `StorageError`.
        """
        if self._unwritten:
            return [f"{len(self._unwritten)} outcomes wait in memory for the disk"]
        run, until = self._boot_id, time.monotonic() + for_s
        under_way: list[str] = await self._write(
            Job(lambda store: store.stand_still(run, until), point="appliance.journal.standstill", apart=True)
        )
        return under_way

    async def go_on(self) -> None:
        """End the standstill. Raises `StorageError`; it ends by itself as well."""
        await self._write(Job(lambda store: store.go_on(), apart=True))

    async def begin(self, request: Request, journal: str | None = None) -> Row | None:
        """Write that a request is being started. Returns None, or what is known of it already.

        `journal` is the one the request was sent to, None: this. Raises `StorageError` when there is no room and the
        request is not known; then it may still come to be written, so that an outcome is owed (`finish`) all the
        same. Raises `UnknowableError` when it may have come before and that cannot be looked up.
        """
        if known := self._find_unwritten(request.request_id):
            return known
        return await self._begin(request, None, needs_room=True, journal=journal)

    async def refuse(self, request: Request, response: Response, journal: str | None = None) -> Row | None:
        """Write that a request never will be started. Returns and raises as `begin`."""
        if known := self._find_unwritten(request.request_id):
            return known
        return await self._begin(request, response, needs_room=False, journal=journal)

    async def find(self, request_id: str, journal: str | None = None) -> Row | None:
        """What that journal, or this, knows of a request. Raises `StorageError`, `UnknowableError`."""
        if known := self._find_unwritten(request_id):
            return known
        row: Row | None = await self._ask(Job(lambda store: store.find(request_id), writes=False, journal=journal))
        return row

    async def finish(self, response: Response) -> bool:
        """Write an outcome. False when the disk did not take it: it is kept in memory and tried again."""
        at = self._clock()
        try:
            await self._write(_finishing(response, at))
        except StorageError as error:
            self._unwritten[response.request_id] = response
            _log.error("an outcome could not be written and is kept in memory", extra={
                "request_id": response.request_id, "reason": str(error),
            })  # fmt: skip
            return False
        return True

    def settle(self, request_id: str) -> None:
        """The hub has the outcome. Written with the next commit or when many wait, at latest after a second."""
        if len(self._settling) < self._limits.queue_jobs:
            self._settling.add(request_id)
        if len(self._settling) >= _SETTLING_MAX and not self._flushing:
            self._flush()

    async def keep(self) -> None:
        """Have the disk know all that was settled and acknowledged until now. Raises `StorageError`.

        For who is about to become another: what is told must not be told again, as somebody else's.
        """
        await self._write(Job(lambda store: None))
        if self._settling or self._flushing:
            raise StorageError("what the hub has settled is not on the disk yet")

    async def unsettled(self, count: int, leaving_out: frozenset[str]) -> list[Response]:
        """Up to `count` of the oldest outcomes to tell, fewer when they are large. Raises `StorageError`."""
        left_out = leaving_out | self._settling | self._flushing
        memory = [r for r in self._unwritten.values() if r.request_id not in left_out][:count]
        left_out |= {response.request_id for response in memory}
        if len(memory) < count:
            try:
                memory += await self._ask(
                    Job(lambda store: store.unsettled(count - len(memory), left_out, _BACKLOG_BYTES), writes=False)
                )
            except StorageError:
                if not memory:
                    raise
        return memory

    async def in_doubt(self) -> list[Row]:
        """Requests that were started and have no outcome. Raises `StorageError`."""
        rows: list[Row] = await self._ask(Job(lambda store: store.in_doubt(), writes=False))
        return [row for row in rows if row.request_id not in self._unwritten]

    async def recent(self, count: int) -> list[Recent]:
        """The newest operations, the newest first. Raises `StorageError`."""
        found: list[Recent] = await self._ask(Job(lambda store: store.recent(count), writes=False))
        return found

    async def write(self, call: Callable[[Book], T], *, point: str = "", needs_room: bool = False) -> T:
        """Do something with the book, in one transaction; it is on the disk when this returns.

        `call` runs in another thread, and again after a commit that failed: it takes values in and gives values back,
        and changes nothing but the book. `needs_room`: it begins something new, and is refused while there is no room;
        ends, and what has happened, never are. A caller that is cancelled has asked all the same: it is written
        unless the disk refuses, and nobody is told which.

        Raises:
            StorageError: `certain`: surely nothing of it is written, nor will be (no room, a closed or overrun journal,
                a disk that failed before the commit, a mistake in `call`). Otherwise it may have been written, or
                still be: repeat it with the same nonces, or look.
        """

        def work(store: Store) -> tuple[T, bool]:
            store.book.told = False
            return call(store.book), store.book.told

        found: T
        found, told = await self._write(Job(work, point=point, needs_room=needs_room))
        if told:
            self._heard()
        return found

    def listen(self, heard: Callable[[], None]) -> None:
        """Have `heard` called when there is a new event for the hub out of the book."""
        self._heard = heard

    async def read(self, call: Callable[[Book], T]) -> T:
        """Look something up in the book; several look-ups in one `call` see one moment. Raises `StorageError`."""
        found: T = await self._ask(Job(lambda store: call(store.book), writes=False))
        return found

    async def add_event(self, kind: str, data: dict[str, Any], device: str = "") -> bool:
        """Keep an informational event for the hub. False when the disk did not take it; the newest are tried again."""
        event = Event(
            seq=0, at=self._clock(), kind=kind, device=device, data=msgspec.Raw(msgspec.json.encode(data))
        )  # fmt: skip
        try:
            await self._write(_adding(event))
        except StorageError:
            self._unwritten_events = [*self._unwritten_events[-_PENDING_EVENTS:], event]
            return False
        return True

    async def events(self, count: int, after: int) -> list[Event]:
        """Up to `count` events after number `after`. Raises `StorageError`."""
        journal, seq = self._acknowledged
        after = max(after, seq) if journal == self.id else after
        found: list[Event] = await self._ask(Job(lambda store: store.events(count, after), writes=False))
        return found

    def acknowledge(self, seq: int, journal: str) -> None:
        """The hub has all events of that journal up to this number. Written at latest after a second."""
        self._acknowledged = (
            max(self._acknowledged, (journal, seq)) if journal == self._acknowledged[0] else (journal, seq)
        )

    async def _begin(
        self, request: Request, response: Response | None, *, needs_room: bool, journal: str | None
    ) -> Row | None:
        new = Begin(
            request.request_id, request.operation, request.method, bytes(request.body),
            secrets.randbits(62) + 1, self._clock(), response,
        )  # fmt: skip
        job = Job(
            lambda store: store.begin(new), needs_room=needs_room, journal=journal,
            point="appliance.journal.begin" if response is None else "appliance.journal.refuse",
        )  # fmt: skip
        known: Row | None
        self._flush()
        try:
            known = await self._ask(job)
        except StorageError as refused:
            # It may have been executed before: only what can be looked up may be called never started.
            try:
                known = await self._ask(Job(lambda store: store.find_before(new), writes=False, journal=journal))
            except StorageError as error:
                raise UnknowableError(str(error)) from error
            if known is None:
                raise refused from None
        return known

    def _find_unwritten(self, request_id: str) -> Row | None:
        response = self._unwritten.get(request_id)
        if response is None:
            return None
        return Row(request_id, response.operation, "", b"", "done", response)

    async def _write(self, job: Job) -> Any:
        self._flush()
        return await self._ask(job)

    async def _ask(self, job: Job) -> Any:
        self._writer.submit(job)
        try:
            async with asyncio.timeout(self._limits.answer_within_s):
                return await asyncio.wrap_future(job.future)
        except TimeoutError as error:
            if job.future.done() and not job.future.cancelled():  # it did, and it was this program that stood still
                return job.future.result()
            raise StorageError(f"the disk did not answer within {self._limits.answer_within_s:g} s") from error

    def _flush(self) -> None:
        """Queue what could wait until now; the next commit takes it along."""
        (journal, seq), at = self._acknowledged, self._clock()
        if not self._settling and not seq:
            return
        ids, self._settling = self._settling, set()
        self._acknowledged = ("", 0)
        self._flushing |= ids
        left = {request_id: self._unwritten.pop(request_id) for request_id in ids & self._unwritten.keys()}

        def write(store: Store) -> None:
            for response in left.values():
                store.finish(response, at, settled=True)
            store.settle(ids, at)
            if seq and store.id == journal:  # another journal numbers its events anew
                store.acknowledge(seq)

        def done() -> None:
            self._flushing -= ids
            if job.future.cancelled() or job.future.exception() is not None:
                self._settling |= ids
                self._unwritten.update(left)
                if not self._acknowledged[1]:
                    self._acknowledged = (journal, seq)

        job = Job(write, point="appliance.journal.settle" if ids else "appliance.journal.acknowledge")
        loop = asyncio.get_running_loop()

        def hand_over(_future: object) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to care
                loop.call_soon_threadsafe(done)

        job.future.add_done_callback(hand_over)
        self._writer.submit(job)

    async def _write_left(self) -> None:
        self._flush()
        for response in list(self._unwritten.values()):
            at = self._clock()
            try:
                await self._ask(_finishing(response, at))
            except StorageError:
                return
            self._unwritten.pop(response.request_id, None)
        while self._unwritten_events:
            event = self._unwritten_events[0]
            try:
                await self._ask(_adding(event, again=True))
            except StorageError:
                return
            if self._unwritten_events and self._unwritten_events[0] is event:
                self._unwritten_events.pop(0)

    async def _tend(self) -> None:
        while True:
            await asyncio.sleep(_RETRY_S)
            try:
                await self._write_left()
            except Exception:  # the task must outlive any mistake of ours
                _log.exception("tending the journal failed")


def _finishing(response: Response, at: float) -> Job:
    return Job(lambda store: store.finish(response, at), point="appliance.journal.finish")


def _adding(event: Event, *, again: bool = False) -> Job:
    times = itertools.count(int(again))
    return Job(lambda store: store.add_event(event, again=next(times) > 0), point="appliance.journal.event")
