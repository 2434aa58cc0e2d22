"""The fiscal desk: takes documents in, has each register's clerk bring them to their end, says how they stand.

    document in  ->  begun in the book  ->  the register's clerk  ->  ended in the book  ->  answer
                                              | hindered, or the time is over
                                              v
                                            pending: answered so, and carried on without anybody waiting

Whoever asks for a reference that is known gets what became of it, and nothing is done a second time.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Any

import msgspec

from appliance.fiscal import records
from appliance.fiscal.clerk import Clerk
from appliance.fiscal.kept import Kept
from appliance.fiscal.reading import check_receipt as check
from appliance.fiscal.reading import read_receipt
from appliance.fiscal.records import Document
from appliance.fiscal.result import Pending, Registered, Result, fields, read_end
from appliance.fiscal.shift import RECEIPT
from appliance.fiscal.shifts import Shifts
from appliance.fiscal.target import Desk, FiscalTarget
from appliance.journal import Journal, StorageError
from appliance.kinds import DeviceRoute
from appliance.routes import Route
from appliance.supervisor import NoSuchDevice, Supervisor, Unavailable
from hardware.roles import FiscalRegister

WAITING_MAX = 200  # documents of one register; beyond that only money that was taken already is let in
CLOSE_S = 8.0
RECOVER_AGAIN_S = 1.0

_log = logging.getLogger(__name__)


class FiscalDesk(Desk):
    """Fiscal documents of all registers. `recover` before devices are opened, `start` behind that."""

    def __init__(self, *, journal: Journal, supervisor: Supervisor, clock: Callable[[], float]) -> None:
        self._journal = journal
        self._supervisor = supervisor
        self._clock = clock
        self._clerks: dict[str, Clerk] = {}
        self._recovering: asyncio.Task[None] | None = None
        self._started = False
        self._shifts = Shifts(
            journal=journal, supervisor=supervisor, clock=clock, is_free=lambda name: not self.waiting(name)
        )

    async def recover(self) -> None:
        """Take up what the run before left open; where the journal does not say it now, as soon as it does."""
        try:
            await self._recover()
        except StorageError as error:
            _log.error("documents of the run before cannot be read yet", extra={"reason": str(error)})
            self._recovering = asyncio.create_task(self._recover_later(), name="fiscal-recover")

    def start(self) -> None:
        """Go on with what was taken up."""
        self._started = True
        self._shifts.start()
        for clerk in self._clerks.values():
            clerk.start()

    async def close(self) -> None:
        """Begin nothing more; a document at the register is waited for, a while here and then by its driver."""
        if self._recovering is not None:
            self._recovering.cancel()
            await asyncio.gather(self._recovering, return_exceptions=True)
        await self._shifts.close()
        await asyncio.gather(*(clerk.close(CLOSE_S) for clerk in self._clerks.values()))

    def target(self, route: Route | None) -> FiscalTarget:
        """Who carries out the operations of a route; None: the ends of those whose route has gone."""
        kind = None if route is None else route.kind
        device = kind.device if isinstance(kind, DeviceRoute) else ""
        within_s = DeviceRoute.timeout_default if route is None else route.timeout
        return FiscalTarget(self, device, within_s)

    # For payments

    def check_receipt(self, body: object, where: str = "receipt", register: str = "") -> list[str]:
        """Every mistake of a receipt, by its path, and what that register would refuse; empty when there is none."""
        found = check(body, where)
        if found or not register:
            return found
        try:
            objections = self.register(register).objections(read_receipt(body, where))
        except NoSuchDevice as error:  # one that has no driver just now may have one by then
            return [] if isinstance(error, Unavailable) else [f"{where}: {error}"]
        return [f"{where}.{words}" for words in objections]

    def ready_for_receipts(self, register: str) -> str:
        """Why no money should be taken that needs a receipt by this register; empty when nothing speaks against it.

        A register without paper or link is no such reason: receipts wait for it.
        """
        try:
            watched, _ = self._supervisor.find_as(register, FiscalRegister)  # type: ignore[type-abstract]
        except Unavailable:
            return self.refuses(register)  # it will be there again
        except NoSuchDevice as error:
            return str(error)
        if not watched.in_service:
            return f"{register} is {watched.hindrance}"
        return self.refuses(register)

    async def receipt(self, *, reference: str, register: str, body: dict[str, Any], within_s: float) -> dict[str, Any]:
        """The receipt of a payment, as `result` says it. Idempotent by `reference`; never raises for a device's sake.

        The money is taken: it is let in however many wait, and kept in memory where the disk does not take it.

        Raises:
            Mistakes: the body is no receipt; `check_receipt` would have said so.
        """
        document = Document(device=register, kind=RECEIPT, receipt=read_receipt(body), due=True)
        kept = self._find(reference)
        if kept is None:
            try:
                ended = await self._ended(reference)
            except StorageError:
                ended = None  # the clerk looks, too, before it asks the register
            if ended is not None:
                return fields(ended)
            kept = self._find(reference) or self._take(Kept(reference, document))
        return fields(await self.outcome(kept, within_s))

    def waiting(self, register: str = "") -> int:
        """How many documents have not ended."""
        clerks = [clerk for name, clerk in self._clerks.items() if register in ("", name)]
        return sum(len(clerk.waiting) for clerk in clerks)

    # For the target

    def register(self, name: str) -> FiscalRegister:
        """Raises `NoSuchDevice`."""
        return self._supervisor.find_as(name, FiscalRegister)[1]  # type: ignore[type-abstract]

    async def standing(self, reference: str) -> Result | None:
        kept = self._find(reference)
        return await self._ended(reference) if kept is None else self._pending(kept)

    async def resume(self, reference: str, within_s: float) -> Result | None:
        kept = self._find(reference)
        if kept is None:
            work = await self._journal.read(lambda book: book.find_work(reference))
            kept = self._find(reference)
            if kept is None and work is not None and work.result is None and work.kind == records.WORK:
                document = records.read_document(work)  # written by a commit that was said to have failed
                kept = None if document is None else self._take(_of_before(reference, document))
        return await self._ended(reference) if kept is None else await self.outcome(kept, within_s)

    def refuses(self, register: str) -> str:
        if self.waiting(register) >= WAITING_MAX:
            return f"{self.waiting(register)} documents wait for {register} already"
        return ""

    async def enter(self, reference: str, document: Document, within_s: float) -> Result:
        until = time.monotonic() + within_s
        at = self._clock()
        work = await self._journal.write(
            lambda book: records.begin(book, reference, document, at), point="appliance.fiscal.take", needs_room=True
        )
        kept = self._find(reference)
        if kept is None:
            if work.result is not None:
                return read_end(reference, document.kind, work.result)
            kept = Kept(reference, records.read_document(work) or document, until=until, in_book=True)
            self._take(kept)
        return await self.outcome(kept, until - time.monotonic())

    async def outcome(self, kept: Kept, within_s: float) -> Result:
        """Its end, or that it is pending: when the time is over, or as soon as something is in its way for long."""
        either: set[asyncio.Future[Any]] = {kept.ended, kept.hindered}
        await asyncio.wait(either, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        if kept.ended.done():
            return kept.ended.result()
        at, reason = self._clock(), kept.reason or "the register has not come to it yet"
        try:
            document, end = await self._journal.write(
                lambda book: records.pend(book, kept.reference, reason, at), point="appliance.fiscal.pend"
            )
        except StorageError as error:
            _log.error("that a document is pending cannot be written", extra={
                "reference": kept.reference, "reason": str(error),
            })  # fmt: skip
            document, end = None, None
        if end is not None:
            return end
        if document is not None:
            kept.document = document
        kept.reason, kept.since = reason, kept.document.since or at
        return self._pending(kept)

    def let_go(self, reference: str) -> bool:
        kept = self._find(reference)
        return kept is not None and kept.reason != "" and kept.lose_patience()

    def pending(self, register: str) -> list[Pending]:
        clerk = self._clerks.get(register)
        return [] if clerk is None else [self._pending(kept) for kept in clerk.waiting]

    def _find(self, reference: str) -> Kept | None:
        """A document that is on its way."""
        return next((kept for clerk in self._clerks.values() if (kept := clerk.find(reference))), None)

    async def _ended(self, reference: str) -> Result | None:
        """How a document ended that is not on its way; one that nobody can carry on is pending."""
        work = await self._journal.read(lambda book: book.find_work(reference))
        if work is None or work.kind != records.WORK:
            return None
        document = records.read_document(work)
        kind = "" if document is None else document.kind
        if work.result is None:
            reason = "this version of the program cannot carry it on"
            return Pending(reference=reference, document=kind, reason=reason, since=work.begun_at)
        end = read_end(reference, kind, work.result)
        if document is None or not isinstance(end, Registered) or end.printed:
            return end
        printed = await self._journal.read(lambda book: records.is_printed(book, reference, document))
        return msgspec.structs.replace(end, printed=True) if printed else end

    def _pending(self, kept: Kept) -> Pending:
        return Pending(
            reference=kept.reference, document=kept.document.kind, reason=kept.reason or "it is on its way",
            since=kept.since or self._clock(),
        )  # fmt: skip

    def _take(self, kept: Kept) -> Kept:
        clerk = self._clerk(kept.document.device)
        clerk.take(kept)
        clerk.start()
        return kept

    def _clerk(self, register: str) -> Clerk:
        clerk = self._clerks.get(register)
        if clerk is None:
            clerk = Clerk(register, journal=self._journal, supervisor=self._supervisor, clock=self._clock)
            self._clerks[register] = clerk
        return clerk

    async def _recover(self) -> None:
        for work in await self._journal.read(lambda book: book.open_works(records.WORK)):
            document = records.read_document(work)
            if document is None:
                _log.error("a document of the run before cannot be read", extra={"reference": work.id})
            elif self._find(work.id) is None:
                self._clerk(document.device).take(_of_before(work.id, document))
        for clerk in self._clerks.values():
            doubtful = [kept for kept in clerk.waiting if kept.in_doubt]
            if doubtful:
                clerk.bind(doubtful[0].reference)
                lost = await self._lost(clerk.name)
                for kept in doubtful:
                    kept.lost = lost

    async def _recover_later(self) -> None:
        while True:
            await asyncio.sleep(RECOVER_AGAIN_S)
            with contextlib.suppress(StorageError):
                await self._recover()
                if self._started:
                    self.start()
                return

    async def _lost(self, register: str) -> str:
        """Why its driver cannot find out about a document that may be at it; empty: it can."""
        was = (await self._journal.read(lambda book: book.page(register))).get("@driver")
        try:
            now = self._supervisor.find(register).entry.driver
        except NoSuchDevice:
            return ""  # it may come back
        if was in (None, now):
            return ""
        return f"the register's driver was changed from {was} to {now} meanwhile: look for it in the register's journal"


def _of_before(reference: str, document: Document) -> Kept:
    """One of the run before: what an operator ordered then is only found out about."""
    return Kept(reference, document, until=0.0, in_book=True)
