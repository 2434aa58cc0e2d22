"""One register's clerk: brings documents to their end, one at a time, in the order they came, for as long as it takes.

Each attempt asks three things in this order, and nothing is registered before all are answered:

    the register how it stands     once it answers, its driver has found out about whatever was cut off before
    the book                       whether the register told of this reference meanwhile: then it is not asked again
    the rule of `shift`            what comes first, and whether the document can be registered now

What hinders it is no failure of a receipt: it waits, and is tried again when the register gets well, and at growing
pauses anyhow. What an operator asked for (shifts, cash) is not kept for later: once it surely has not happened, it
ends.
"""

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Callable

from appliance.fiscal import records
from appliance.fiscal.kept import Hindered, Kept
from appliance.fiscal.records import Document
from appliance.fiscal.result import NO_DISK, NO_LINK, End, Refused, Registered, Unclear, read_end
from appliance.fiscal.shift import CASH_IN, CLOSE, First, Go, No, Wait, before
from appliance.journal import Book, Journal, StorageError
from appliance.supervisor import NoSuchDevice, Supervisor, Unavailable, Watched
from hardware.errors import DeviceError, DeviceFault, LocalProtocolError, OutcomeUnknown, TransportError
from hardware.errors import Refused as RefusedByDevice
from hardware.events import DeviceState, Event, PaperReturned, StateChanged
from hardware.roles import FiscalRegister, RegisterStatus

READY_S = 5.0  # a register that is being found is waited for
CALL_S = 330.0  # above the limits of every driver
TOTALS_S = 20.0  # a Z report is more urgent than what it is compared with
PATIENCE_S = 10.0  # what a person has to remedy is not waited for any longer by who asked
AGAIN_S = (1.0, 300.0)  # between two attempts: at first, and at most
LOOKS_MAX = 8  # at one document in one attempt: a shift closed and opened, a refusal looked after
REFUSALS_MAX = 3  # by the register itself; some go away by themselves (a document of before is still printed)
UNKNOWN_MAX = 5  # answers lost for ever, each after the register said how it stands
_OURS = frozenset({"receipt", "currency", "tax", "amount", "reference"})  # a driver's, of what is in the document

_log = logging.getLogger(__name__)


class Clerk:
    """One register's. `take` documents; `start` and `close` are a pair."""

    def __init__(
        self, name: str, *, journal: Journal, supervisor: Supervisor, clock: Callable[[], float]
    ) -> None:  # fmt: skip
        self.name = name
        self._journal = journal
        self._supervisor = supervisor
        self._clock = clock
        self._waiting: list[Kept] = []
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._watched: Watched | None = None
        self._deaf: Callable[[], None] = lambda: None
        self._bound = ""  # the reference whose document the register is said to be at
        self._busy = False
        self._closing = False

    @property
    def waiting(self) -> list[Kept]:
        """What has not ended, in order."""
        return list(self._waiting)

    def find(self, reference: str) -> Kept | None:
        """One that has not ended."""
        return next((kept for kept in self._waiting if kept.reference == reference), None)

    def take(self, kept: Kept) -> None:
        """It is carried out behind those before it."""
        self._waiting.append(kept)
        self._woken.set()

    def bind(self, reference: str) -> None:
        """Say whose document the register may be at. Nothing is said of a register that is not there."""
        with contextlib.suppress(Hindered):
            watched, _ = self._find()
            self._bound = reference
            watched.bind(reference)

    def start(self) -> None:
        """Begin, if there is anything to do that way."""
        if self._task is None and not self._closing:
            self._task = asyncio.create_task(self._work(), name=f"fiscal-{self.name}")

    async def close(self, wait_s: float) -> None:
        """Begin no other document; wait so long for the one that is at the register, which its driver finishes else."""
        self._closing = True
        self._woken.set()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=wait_s if self._busy else 0.1)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._deaf()

    # Its task

    async def _work(self) -> None:
        pause_s = AGAIN_S[0]
        while not self._closing:
            self._woken.clear()
            try:
                done = await self._pass()
            except Exception:  # whatever it is, the documents behind it must not wait for a restart
                _log.exception("a clerk failed; it goes on", extra={"device": self.name})
                done = False
            pause_s = AGAIN_S[0] if done else min(pause_s * 2, AGAIN_S[1])
            if self._closing:
                return
            try:
                async with asyncio.timeout(pause_s if self._waiting else None):
                    await self._woken.wait()
            except TimeoutError:
                continue
            if not done:
                await asyncio.sleep(AGAIN_S[0])  # news come in swarms
            pause_s = AGAIN_S[0]

    async def _pass(self) -> bool:
        """Try all that wait, in order. Whether any came to its end."""
        done = False
        for kept in list(self._waiting):
            if self._closing:
                break
            if kept not in self._waiting:
                continue
            try:
                end = await self._write_down(kept) or await self._carry_out(kept)
            except Hindered as hindered:
                if await self._hinder(kept, hindered):
                    break
            else:
                done = True
                await self._end(kept, end)
        return done

    async def _hinder(self, kept: Kept, hindered: Hindered) -> bool:
        """It goes on waiting, or ends for want of somebody to wait for it. Whether the register is the reason."""
        words = str(hindered)
        if kept.reason != words:
            _log.warning("a document waits", extra={
                "device": self.name, "reference": kept.reference, "reason": words,
            })  # fmt: skip
        for each in [kept] if hindered.elsewhere else list(self._waiting):
            each.reason, each.since = words, each.since or self._clock()
            if not each.keeps and not each.in_doubt:
                refused = Refused(
                    reference=each.reference, document=each.document.kind, reason=words, code=hindered.code
                )
                await self._end(each, refused)
            else:
                asyncio.get_running_loop().call_later(PATIENCE_S, each.lose_patience)
        return not hindered.elsewhere

    # One document

    async def _carry_out(self, kept: Kept) -> End:
        """Raises `Hindered`."""
        for _ in range(LOOKS_MAX):
            watched, register = self._find()
            status = await self._status(watched, register)
            end, absences = await self._read(kept)
            if end is not None:
                return end
            if kept.in_doubt and kept.lost:
                return Unclear(reference=kept.reference, document=kept.document.kind, remedy=kept.lost)
            kept.in_doubt = False
            if absences > kept.absences:
                kept.absences, kept.unknowns = absences, 0
            document = kept.document
            paper = document.receipt is None or document.receipt.paper
            match before(document.kind, status, due=document.due, paper=paper):
                case Go():
                    if not kept.keeps and time.monotonic() > kept.until:
                        return self._refused(kept, "it was not done in time; ask for it anew", "late")
                    if document.kind == CLOSE:
                        await self._ask_totals(watched, register)
                    end = await self._once(kept, watched, register)
                    if end is not None:
                        return end
                case First(kind):
                    await self._shift_first(kept, kind)
                case Wait(words):
                    raise Hindered(words)
                case No(words):
                    return self._refused(kept, words, "shift")
        raise Hindered("the register and its shift do not come to rest", elsewhere=True)

    async def _once(self, kept: Kept, watched: Watched, register: FiscalRegister) -> End | None:
        """Ask the register for it. None: it is looked at again. Raises `Hindered`."""
        if watched.testing:  # since it was looked at
            raise Hindered(f"{self.name}: {watched.testing}")
        self.bind(kept.reference)
        await self._mark(kept, asked=True)
        self._busy = kept.in_doubt = True
        try:
            return await watched.use(lambda: self._asked(kept, register), CALL_S)
        except RefusedByDevice as error:
            kept.in_doubt = False
            if error.code == "absent":
                return None
            kept.refusals += 1
            if error.code in _OURS or kept.refusals >= REFUSALS_MAX:
                return self._refused(kept, error.words, error.code)
            await asyncio.sleep(AGAIN_S[0])
            return None
        except (DeviceFault, TransportError) as error:
            kept.in_doubt = False
            await self._mark(kept, asked=False)
            well = isinstance(error, DeviceFault) and register.status.state is DeviceState.READY
            code = error.code if isinstance(error, DeviceFault) else NO_LINK
            raise Hindered(str(error), code, elsewhere=well) from error
        except LocalProtocolError as error:  # one that was begun ends as unknown
            _log.exception("a driver failed", extra={"device": self.name, "reference": kept.reference})
            return self._refused(kept, str(error), "driver")
        except DeviceError as error:
            kept.unknowns += 1
            _log.warning("it is not known whether a document was registered", extra={
                "device": self.name, "reference": kept.reference, "reason": str(error),
            })  # fmt: skip
            if kept.unknowns >= UNKNOWN_MAX:
                remedy = error.remedy if isinstance(error, OutcomeUnknown) else str(error)
                return Unclear(reference=kept.reference, document=kept.document.kind, remedy=remedy)
            return None
        finally:
            self._busy = False

    async def _asked(self, kept: Kept, register: FiscalRegister) -> End:
        document, reference = kept.document, kept.reference
        match document.kind:
            case "receipt" if document.receipt is not None:
                made = await register.register(document.receipt, reference)
            case "open-shift":
                made = await register.open_shift(reference, document.operator)
            case "close-shift":
                made = await register.close_shift(reference, document.operator)
            case "cash-in" | "cash-out" as kind if document.amount is not None:
                await (register.cash_in if kind == CASH_IN else register.cash_out)(document.amount, reference)
                return records.moved(reference, document)
            case kind:
                return self._refused(kept, f"this version does not know a document {kind}", "kind")
        return records.registered(reference, document, made)

    async def _shift_first(self, kept: Kept, kind: str) -> None:
        """Open or close the shift for a document. Raises `Hindered`."""
        operator = kept.document.receipt.operator if kept.document.receipt else kept.document.operator
        document = Document(device=self.name, kind=kind, operator=operator)
        until = time.monotonic() + AGAIN_S[1]
        first = Kept(f"{self.name}/{kind}/{secrets.token_hex(8)}", document, until=until)
        self._waiting.insert(0, first)
        try:
            end = await self._write_down(first) or await self._carry_out(first)
        except Hindered as hindered:
            if not first.in_doubt:
                await self._end(first, self._refused(first, str(hindered), hindered.code))
            raise
        await self._end(first, end)
        if not isinstance(end, Registered):
            words = end.reason if isinstance(end, Refused) else "it is not known whether the shift was changed"
            _log.warning("a shift was not changed", extra={"device": self.name, "kind": kind, "reason": words})

    def _find(self) -> tuple[Watched, FiscalRegister]:
        """The register as it is kept now. Raises `Hindered`."""
        try:
            watched, register = self._supervisor.find_as(self.name, FiscalRegister)  # type: ignore[type-abstract]
        except (NoSuchDevice, Unavailable) as error:
            raise Hindered(str(error), NO_LINK) from error
        if watched is not self._watched:
            self._deaf()
            self._watched, self._deaf = watched, watched.hear(self._hear)
        if not watched.in_service:
            raise Hindered(f"{self.name} is {watched.hindrance}", "out-of-service")
        if watched.testing:
            raise Hindered(f"{self.name}: {watched.testing}")
        return watched, register

    async def _status(self, watched: Watched, register: FiscalRegister) -> RegisterStatus:
        """Ask it how it stands, once it is there. Raises `Hindered`."""
        try:
            if register.status.state in (DeviceState.ABSENT, DeviceState.STARTING):
                await register.ready(READY_S)
            return await watched.use(register.read_status, CALL_S)
        except TransportError as error:
            raise Hindered(str(error), NO_LINK) from error
        except (DeviceFault, RefusedByDevice) as error:
            raise Hindered(str(error), error.code) from error
        except DeviceError as error:
            raise Hindered(str(error)) from error

    async def _ask_totals(self, watched: Watched, register: FiscalRegister) -> None:
        """For the reconciliation, which finds in the book what was told; a shift closes without it as well."""
        try:
            await watched.use(register.read_totals, TOTALS_S)
        except DeviceError as error:
            _log.warning("a register did not tell its totals before its shift's end", extra={
                "device": self.name, "reason": str(error),
            })  # fmt: skip

    def _hear(self, event: Event) -> None:
        """Something may be better than it was."""
        if isinstance(event, PaperReturned) or (isinstance(event, StateChanged) and event.state is DeviceState.READY):
            self._woken.set()

    # The book

    async def _write_down(self, kept: Kept) -> End | None:
        """Have it in the book; its end, where it was known there. Raises `Hindered`."""
        if kept.in_book:
            return None
        at = self._clock()
        try:
            work = await self._journal.write(
                lambda book: records.begin(book, kept.reference, kept.document, at), point="appliance.fiscal.begin"
            )
        except StorageError as error:
            raise Hindered(f"the kiosk's disk does not take it: {error}", NO_DISK) from error
        kept.in_book = True
        kept.document = records.read_document(work) or kept.document
        return None if work.result is None else read_end(kept.reference, kept.document.kind, work.result)

    async def _mark(self, kept: Kept, *, asked: bool) -> None:
        """Write whether the register may have it. Raises `Hindered`, but not for taking it back."""
        if kept.document.asked == asked:
            return
        try:
            kept.document = await self._journal.write(
                lambda book: records.mark(book, kept.reference, kept.document, asked=asked),
                point="appliance.fiscal.mark",
            )
        except StorageError as error:
            if asked:
                raise Hindered(f"the kiosk's disk does not take it: {error}", NO_DISK) from error

    async def _read(self, kept: Kept) -> tuple[End | None, int]:
        """What the register told of it: see `records.find_end`."""
        try:
            return await self._journal.read(lambda book: records.find_end(book, kept.reference, kept.document))
        except StorageError as error:
            raise Hindered(f"the kiosk's journal cannot be read: {error}", NO_DISK) from error

    async def _end(self, kept: Kept, end: End) -> None:
        """Write it, until the disk takes it; then tell whoever waits."""
        at = self._clock()
        pause_s = AGAIN_S[0]

        def write(book: Book) -> End:
            return records.end(book, kept.reference, kept.document, end, at)

        while True:
            try:
                stands = await self._journal.write(write, point="appliance.fiscal.end")
                break
            except StorageError as error:
                _log.error("the end of a document cannot be written now", extra={
                    "reference": kept.reference, "reason": str(error),
                })  # fmt: skip
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, AGAIN_S[1])
        if self._watched is not None and self._bound == kept.reference:
            self._watched.bind("")
            self._bound = ""
        if kept in self._waiting:
            self._waiting.remove(kept)
        if not kept.ended.done():
            kept.ended.set_result(stands)
        _log.info("a document ended", extra={
            "device": self.name, "reference": kept.reference, "document": kept.document.kind,
            "status": type(stands).__name__.lower(), "number": getattr(stands, "number", None),
        })  # fmt: skip

    def _refused(self, kept: Kept, reason: str, code: str) -> Refused:
        return Refused(reference=kept.reference, document=kept.document.kind, reason=reason, code=code)
