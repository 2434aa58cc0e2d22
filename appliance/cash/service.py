"""The cash desk: takes sessions on, finds those of the run before, and looks after money nobody waited for."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import msgspec

from appliance.cash.carrier import Carrier
from appliance.cash.claims import new_claim
from appliance.cash.cutoff import POWER, CutOff
from appliance.cash.devices import AWAY, Acceptor, Hopper
from appliance.cash.ending import ending, write_ending
from appliance.cash.reading import Wanted
from appliance.cash.result import WORK_KIND, CashResult, CashWork, NeverBegun, read_result
from appliance.cash.session import Session
from appliance.cash.stocks import read_stock
from appliance.cash.target import CashTarget
from appliance.cash.unclaimed import look, sweep
from appliance.journal import Journal, StorageError, Work
from appliance.kinds import CashRoute
from appliance.routes import Route
from appliance.supervisor import NoSuchDevice, Supervisor, Watched
from appliance.targets import Answered, NeverGot, answer
from hardware.events import BillStacked, CoinAccepted, Event, PayoutEnded
from hardware.roles import CoinHopper

MISTAKE = "a fault within the appliance"
AGAIN_S = 1.0
SWEEP_S = 30.0  # at latest; sooner when money is heard of
SWEPT_LINES = 1000  # so many lines are looked at again after a start, where there was nothing to write down
_SWEPT = (BillStacked, CoinAccepted, PayoutEnded)

_log = logging.getLogger(__name__)


class CashDesk:
    """The service. Belongs to one event loop."""

    def __init__(self, *, journal: Journal, supervisor: Supervisor, clock: Callable[[], float]) -> None:
        self._journal = journal
        self._supervisor = supervisor
        self._clock = clock
        self._running: dict[str, Carrier] = {}
        self._ends: dict[str, asyncio.Task[CashResult | NeverBegun]] = {}  # of sessions that were cut off
        self._taken: dict[str, str] = {}  # devices by the session that has them
        self._wishes: dict[str, str] = {}  # to end, of sessions that are being written down
        self._tasks: list[asyncio.Task[None]] = []
        self._came = asyncio.Event()
        self._seen = self._swept = 0  # lines of the book: looked at, and written down as such
        self._stops: list[Callable[[], None]] = []

    def target(self, route: Route) -> CashTarget:
        """Of a route of kind `CashRoute`."""
        assert isinstance(route.kind, CashRoute), route
        return CashTarget(desk=self, kind=route.kind, timeout=route.timeout, supervisor=self._supervisor)

    async def recover(self) -> None:
        """Bind devices to the sessions that were cut off, and begin to end these. Before devices are opened."""
        found = await self._find_cut_off()
        for watched in self._supervisor.all():
            self._stops.append(watched.hear(self._note(watched)))
        self._tasks.append(asyncio.create_task(self._sweep_on(), name="cash-sweep"))
        if not found:
            self._tasks.append(asyncio.create_task(self._find_later(), name="cash-find"))

    async def close(self) -> None:
        """Let go. Sessions that have not ended are found again by the next start."""
        tasks: list[asyncio.Task[Any]] = [*self._ends.values(), *self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for stop in self._stops:
            stop()

    # For the target

    def cancel(self, id: str, reason: str) -> bool:
        """End a session soon, with what was collected until then."""
        if (carrier := self._running.get(id)) is not None:
            return carrier.cancel(reason)
        if id not in self._wishes:
            return False
        self._wishes[id] = self._wishes[id] or reason
        return True

    def holder(self, device: str) -> str:
        """Which session has a device, from before it has anything to do there; empty: none."""
        return self._taken.get(device, "")

    async def carry_out(
        self, id: str, kind: CashRoute, wanted: Wanted, tell: Callable[[dict[str, Any]], None]
    ) -> Answered | NeverGot:
        """A session from its beginning to its end."""
        try:
            watched = {name: self._supervisor.find(name) for name in kind.devices}
        except NoSuchDevice as error:
            return NeverGot(str(error), "device-fault")
        for name, each in watched.items():
            if holder := self._taken.get(name) or each.page.work:
                return NeverGot(f"{name} is in use by {holder}", "device-fault")
        with self._take(id, watched):
            work = CashWork(
                amount=wanted.amount, currency=wanted.currency, overpay=wanted.overpay,
                idle_timeout=wanted.idle_timeout, timeout=wanted.timeout, devices=kind.devices, claim=new_claim(),
                reference=wanted.reference,
            )  # fmt: skip
            try:
                hoppers = await self._hoppers(watched, wanted.currency)
                known, new = await self._begin(id, work)
            except StorageError as error:
                return as_answer(await self._take_back(id, error))
            if not new:
                self._wishes.pop(id, None)
                return await self.end_of(id)
            return as_answer(await self._run(known, work, watched, hoppers, tell))

    async def end_of(self, id: str) -> Answered | NeverGot:
        """What became of a session, or its end."""
        if (task := self._ends.get(id)) is not None:
            return as_answer(await asyncio.shield(task))
        work = await self._journal.read(lambda book: book.find_work(id))
        if work is None:
            return NeverGot("the kiosk was cut off before any device was told to take money")
        if work.result is not None:
            return as_answer(read_result(work.result))
        return as_answer(await asyncio.shield(self._begin_end(work)))

    # Sessions

    @contextlib.contextmanager
    def _take(self, id: str, watched: dict[str, Watched]) -> Iterator[None]:
        self._taken.update(dict.fromkeys(watched, id))
        self._wishes[id] = ""
        try:
            yield
        finally:
            self._wishes.pop(id, None)
            for name in watched:
                self._taken.pop(name, None)

    async def _begin(self, id: str, kept: CashWork) -> tuple[Work, bool]:
        """What stands in the book, and whether it is this one: the claim is of no other."""
        work = Work(id=id, kind=WORK_KIND, begun_at=self._clock(), data=msgspec.Raw(msgspec.json.encode(kept)))
        known = await self._journal.write(
            lambda book: book.begin_work(work), point="appliance.cash.begin", needs_room=True
        )
        return known, known.kind == WORK_KIND and known.data == work.data

    async def _take_back(self, id: str, error: StorageError) -> NeverBegun:
        """It does not begin; what may have been written of it is ended first, so that nobody finds it open later."""
        result = NeverBegun(problem="kiosk-storage", detail=f"the journal does not take it: {error}")
        end = ending(id, result, 0, self._clock())
        while not error.certain:
            try:
                await self._journal.write(partial(write_ending, end=end), point="appliance.cash.take_back")
            except StorageError as again:
                _log.error("a cash session that does not begin cannot be taken back", extra={
                    "work": id, "reason": str(again),
                })  # fmt: skip
                await asyncio.sleep(AGAIN_S)
            else:
                break
        return result

    async def _hoppers(self, watched: dict[str, Watched], currency: str) -> dict[str, Hopper]:
        found = {}
        for name, each in watched.items():
            device = each.device
            if isinstance(device, CoinHopper) and not each.hindrance and device.coin.currency == currency:
                stock = await self._journal.read(partial(read_stock, device=name, coin=device.coin))
                found[name] = Hopper(stock, away=each.status.state in AWAY)
        return found

    async def _run(
        self, begun: Work, work: CashWork, watched: dict[str, Watched], hoppers: dict[str, Hopper],
        tell: Callable[[dict[str, Any]], None],
    ) -> CashResult | NeverBegun:  # fmt: skip
        id = begun.id
        acceptors = {
            name: Acceptor(name, bills=each.entry.role == "bill validator")
            for name, each in watched.items()
            if each.entry.role in {"bill validator", "coin acceptor"}
        }
        session = Session(id, work, acceptors, hoppers, time.monotonic())
        carrier = Carrier(session=session, watched=watched, journal=self._journal, clock=self._clock, tell=tell)
        self._running[id] = carrier
        for each in watched.values():
            each.bind(id)
        try:
            result = await carrier.run(self._wishes.pop(id, ""))
        except Exception:
            # A mistake of ours must not lose money: it is ended as if it had been cut off.
            _log.exception("a cash session failed within the appliance", extra={"work": id})
            return await asyncio.shield(self._begin_end(begun, MISTAKE))
        finally:
            del self._running[id]
        self._release(id, watched)
        return result

    def _release(self, id: str, watched: dict[str, Watched]) -> None:
        """Only once its end is written: whatever is cut off before belongs to it still."""
        for each in watched.values():
            if each.page.work == id:
                each.bind("")
        self._came.set()

    # Those of the run before

    async def _find_cut_off(self) -> bool:
        try:
            works = await self._journal.read(lambda book: book.open_works(WORK_KIND))
        except StorageError as error:
            _log.error("cash sessions of the run before cannot be read", extra={"reason": str(error)})
            return False
        for work in works:
            if work.id not in self._running and work.id not in self._ends:
                self._begin_end(work)
        return True

    async def _find_later(self) -> None:
        while not await self._find_cut_off():  # noqa: ASYNC110 - the disk sends no events
            await asyncio.sleep(AGAIN_S)

    def _begin_end(self, work: Work, reason: str = POWER) -> "asyncio.Task[CashResult | NeverBegun]":
        kept = msgspec.json.decode(work.data, type=CashWork)
        watched = {}
        for name in kept.devices:
            with contextlib.suppress(NoSuchDevice):
                watched[name] = self._supervisor.find(name)
        for name, each in list(watched.items()):
            if not each.page.work:
                each.bind(work.id)
            elif each.page.work != work.id:
                del watched[name]  # the next customer's by now: it is left alone
        task = asyncio.create_task(self._end(work.id, watched, reason), name=f"cash-end-{work.id}")
        self._ends[work.id] = task
        return task

    async def _end(self, id: str, watched: dict[str, Watched], reason: str) -> CashResult | NeverBegun:
        cut_off = CutOff(id=id, watched=watched, journal=self._journal, clock=self._clock, reason=reason)
        result = await cut_off.close()
        self._release(id, watched)
        return result

    # Money nobody waited for

    def _note(self, watched: Watched) -> Callable[[Event], None]:
        def hear(event: Event) -> None:
            if isinstance(event, _SWEPT) and watched.page.whose not in self._running:
                self._came.set()

        return hear

    async def _sweep_on(self) -> None:
        while True:
            try:
                await self._sweep()
            except StorageError as error:
                _log.warning("late credits cannot be looked for", extra={"reason": str(error)})
            except Exception:  # the task must outlive any mistake of ours
                _log.exception("late credits could not be looked for")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SWEEP_S):
                    await self._came.wait()
            self._came.clear()

    async def _sweep(self) -> None:
        while True:
            after = self._seen
            until, found = await self._journal.read(partial(look, after=after))
            if until == after:
                return
            if found or until > self._swept + SWEPT_LINES:
                await self._journal.write(
                    partial(sweep, after=after, until=until, at=self._clock()), point="appliance.cash.sweep"
                )
                self._swept = until
            self._seen = until


def as_answer(result: CashResult | NeverBegun) -> Answered | NeverGot:
    """For the operation."""
    return NeverGot(result.detail, result.problem) if isinstance(result, NeverBegun) else answer(result)
