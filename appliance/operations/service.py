"""Carries operations out: at most once each, the outcome on the disk before it is told.

A request that comes again is answered from memory or from the journal and never executed again, whatever it says.

After a cut in the middle of an operation the gateway is asked where the route says how. A route that takes one
operation at a time is kept occupied meanwhile, for a minute at most: the terminal may still be busy with the customer
of before, and a new payment must not be pressed into its dialogue; but a gateway that never answers must not close the
route for the 24 hours that are spent asking. Where the route has no status query there is nothing to wait for.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Literal, Protocol

import msgspec

from appliance.cancelled import cancelled
from appliance.health.metrics import Metrics
from appliance.journal import Journal, Row, StandstillError, StorageError, UnknowableError
from appliance.operations import outcomes
from appliance.operations.lane import Lane
from appliance.operations.operation import Happened, State, advance
from appliance.routes import Route, RouteTable
from appliance.screen import Screen
from appliance.targets import Answered, Ask, NeverGot, NoAnswer, NotUnderstood, Target, Targets
from wire.messages import Executed, Request, Response

HOLD_LANE_S = 60.0
DRAIN_S = 10.0
OVERRUN_S = 3600.0
OVERRUN_GATEWAY_S = 300.0
# Requests in memory at once, whatever the routes allow; more are dropped, and the hub says them again.
LIVE_MAX = 4096
_REFUSALS_KEPT = 1000
_RECOVER_AGAIN_S = 1.0

_log = logging.getLogger(__name__)


class Listener(Protocol):
    """Who tells the hub. None of it may block or raise."""

    def accepted(self, request_id: str) -> None:
        """It stands in the journal and is being executed."""

    def progress(self, request_id: str, data: dict[str, Any]) -> None:
        """How far it is; may be lost."""

    def outcome(self, response: Response) -> None:
        """It has an outcome, which stands in the journal."""

    def happened(self) -> None:
        """There is a new event in the journal."""


class Queue(msgspec.Struct, frozen=True):
    """How much there is to do on one route."""

    waiting: int
    running: int


class _Live:
    """A request that is in memory now."""

    __slots__ = (
        "deadline", "ended", "journal", "received_at", "request", "running_at", "state", "target", "task",
        "turn", "wish",
    )  # fmt: skip

    def __init__(self, request: Request, now: float, journal: str, state: State = State.WAITING) -> None:
        self.request = request
        self.journal = journal  # the one it was sent to, and by which alone it may be judged
        self.received_at = now
        self.deadline = now + request.start_within
        self.state = state
        self.turn: asyncio.Future[bool] | None = None
        self.task: asyncio.Task[None] | None = None
        self.target: Target | None = None  # once it is known
        self.ended: Response | None = None  # as it was told, for the screen
        self.wish = ""  # who wants it to end, until its target has heard of that
        self.running_at = 0.0  # when its target was called; 0: not yet

    def advance(self, happened: Happened) -> None:
        self.state = advance(self.state, happened)

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.received_at

    def cancel(self, reason: str) -> bool:
        """Have it end soon. False: its target does not hear of it now; it is told again as soon as it shows life."""
        if self.target is not None and self.target.cancel(self.request.request_id, reason):
            self.wish = ""
            return True
        self.wish = reason
        return False


class Operations:
    """The service. `start` recovers what the last run left; `stop` lets running operations end."""

    def __init__(
        self, *, journal: Journal, targets: Targets, routes: RouteTable, metrics: Metrics, screen: Screen
    ) -> None:  # fmt: skip
        self._journal = journal
        self._targets = targets
        self._screen = screen
        self._metrics = metrics
        self._routes = routes
        self._lanes: dict[str, Lane] = {}
        self._live: dict[str, _Live] = {}
        self._refused: OrderedDict[str, Response] = OrderedDict()  # without a disk, refusals are remembered here
        self._listener: Listener | None = None
        self._stopping = False
        # Those that came while nothing new was to be begun, in the order of their coming.
        self._held: OrderedDict[str, tuple[Request, str | None, float]] | None = None
        self.unsaid = False  # nothing was said of a request, as the journal could not be read
        self._recovering: asyncio.Task[None] | None = None

    def listen(self, listener: Listener) -> None:
        """Name who tells the hub."""
        self._listener = listener
        self._journal.listen(listener.happened)

    @property
    def routes(self) -> RouteTable:
        """The routes in force."""
        return self._routes

    def reroute(self, routes: RouteTable) -> None:
        """Take over other routes. Running operations end as they were begun, waiting ones go the new way."""
        self._routes = routes
        self._targets.forget()
        for route in routes.all():
            if route.name in self._lanes:
                self._lanes[route.name].resize(route.concurrency, route.waiting)

    async def start(self) -> None:
        """Begin to find out about what the last run left; if the journal cannot be read yet, as soon as it can."""
        if not await self._recover_all():
            self._recovering = asyncio.create_task(self._recover_later(), name="operations-recover")

    async def stop(self) -> None:
        """Take nothing new; give what runs `DRAIN_S` seconds. What does not end stays started in the journal."""
        self._stopping = True
        await cancelled(self._recovering)
        tasks = []
        for live in list(self._live.values()):
            if live.task is not None:
                if live.state in {State.WAITING, State.ASKING}:
                    live.task.cancel()
                elif live.target is not None:
                    live.cancel("the appliance stops")
                tasks.append(live.task)
        if tasks:
            _done, late = await asyncio.wait(tasks, timeout=DRAIN_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
            if late:
                _log.warning("operations were left running; the next start asks after them", extra={"count": len(late)})

    def request(self, request: Request, journal: str | None = None) -> None:
        """The hub wants this done. Returns at once; what becomes of it goes to the listener.

        `journal` is the one the hub believes to be here, None: the present one. When it is lost, nothing is said.
        """
        live = self._live.get(request.request_id)
        if live is not None:
            self._metrics.repeated.inc()
            if live.state in {State.RUNNING, State.ASKING} and self._listener is not None:
                self._listener.accepted(request.request_id)
            return
        if self._stopping:
            return
        if self._held is not None:
            if len(self._held) < LIVE_MAX:
                self._held.setdefault(request.request_id, (request, journal, time.monotonic()))
            return
        if len(self._live) >= LIVE_MAX:
            _log.warning("too many requests are in memory; one is dropped until the hub repeats it")
            return
        live = _Live(request, time.monotonic(), self._journal.id if journal is None else journal)
        self._launch(live, self._carry_out)

    def hold(self) -> bool:
        """Begin nothing until `release`, if there is nothing in memory now; whether that is so.

        What comes meanwhile is kept, and nothing is said of it: to the hub it is as if it were still on its way. Ends
        this run before the release, the hub says it again to the next one.
        """
        if self._live or self._held is not None or self._stopping:
            return False
        self._held = OrderedDict()
        return True

    def release(self) -> None:
        """Go on, with what came meanwhile, less the time it was kept."""
        held, self._held = self._held or OrderedDict(), None
        for request, journal, at in held.values():
            left = max(0.0, request.start_within - (time.monotonic() - at))
            self.request(msgspec.structs.replace(request, start_within=left), journal)

    def cancel(self, request_id: str) -> None:
        """The hub no longer wants it: what waits is not begun, and of the rest, a cash session can be ended."""
        if self._held is not None and request_id in self._held:
            request, journal, at = self._held[request_id]
            self._held[request_id] = (msgspec.structs.replace(request, start_within=0.0), journal, at)
            return
        live = self._live.get(request_id)
        if live is not None and live.state is State.WAITING and live.turn is not None and not live.turn.done():
            live.turn.set_result(False)
        elif live is None or not live.cancel("hub"):
            _log.info("too late to cancel, or not known", extra={"request_id": request_id})

    def cancel_here(self, request_id: str | None = None) -> list[str]:
        """Somebody at the kiosk does not want to go on; None: with whatever runs. Returns what is being ended."""
        return [
            each
            for each, live in self._live.items()
            if request_id in {None, each} and live.target is not None and live.cancel("customer")
        ]

    def settled(self, request_id: str) -> None:
        """The hub has the outcome."""
        self._refused.pop(request_id, None)
        self._journal.settle(request_id)

    async def note(self, kind: str, data: dict[str, Any]) -> None:
        """Keep an event and have it told."""
        await self._journal.add_event(kind, data)
        if self._listener is not None:
            self._listener.happened()

    def queues(self) -> dict[str, Queue]:
        """Every route that has had something to do."""
        return {name: Queue(lane.waiting, lane.running) for name, lane in self._lanes.items()}

    def count(self, *states: State) -> int:
        """How many requests in memory are in one of the states."""
        return sum(live.state in states for live in self._live.values())

    def belated(self, now: float) -> float:
        """Seconds since the most belated of the waiting should have begun or been refused, and has not; 0: none."""
        waiting = (now - each.deadline for each in self._live.values() if each.state is State.WAITING)
        return max(0.0, max(waiting, default=0.0))

    def overrun(self, now: float) -> list[str]:
        """Operations that have been at work for longer than their route can take, in words."""
        found = []
        for each in self._live.values():
            if each.state is State.RUNNING and each.running_at:
                took = now - each.running_at
                if took > _longest(self._routes.find(each.request.operation)):
                    found.append(f"an operation of {self._label(each.request.operation)} is at work for {took:.0f} s")
        return found

    def _launch(self, live: _Live, work: Callable[[_Live], Awaitable[None]]) -> None:
        self._live[live.request.request_id] = live
        live.task = asyncio.create_task(self._guard(live, work), name=f"operation-{live.request.request_id}")

    async def _guard(self, live: _Live, work: Callable[[_Live], Awaitable[None]]) -> None:
        """The top of an operation's task."""
        request = live.request
        try:
            await work(live)
        except UnknowableError as error:
            self.unsaid = True
            _log.warning("nothing is said of a request, as it may have come before", extra={
                "request_id": request.request_id, "operation": request.operation, "reason": str(error),
            })  # fmt: skip
        except Exception:
            _log.exception("an operation failed within the appliance", extra={
                "request_id": request.request_id, "operation": request.operation, "state": live.state.name,
            })  # fmt: skip
            if live.state is State.RUNNING:
                live.advance(Happened.ANSWER_LOST)
            if live.state is State.ASKING:
                await self._tell(await self._give_up(live, "interrupted", "the kiosk failed in the middle"))
        finally:
            del self._live[request.request_id]
            ended = {} if live.ended is None else outcomes.shown(live.ended)
            self._screen.clear("operation", request.request_id, {"operation": request.operation, **ended})

    async def _carry_out(self, live: _Live) -> None:
        request = live.request
        if known := self._refused.get(request.request_id):
            self._repeat_response(known)
            return
        if request.start_within <= 0:
            await self._refuse(live, Happened.EXPIRED, "expired", "it was not known here and will not be started")
            return
        route = self._routes.find(request.operation)
        if route is None:
            words = f"this kiosk has no route {request.operation} and no default"
            await self._refuse(live, Happened.NOT_TAKEN, "unknown-operation", words)
            return
        lane = self._lane(route)
        while await self._wait_for_turn(live, route, lane):
            route = self._routes.find(request.operation)
            if route is None or self._lane(route) is lane:
                await self._take_turn(live, lane)
                return
            if live.turn is not None:
                lane.leave(live.turn)
            lane = self._lane(route)  # other routes are in force by now: it queues where it will go

    async def _wait_for_turn(self, live: _Live, route: Route, lane: Lane) -> bool:
        """Whether it has a slot of the lane; if not, it has been answered or refused."""
        if not lane.free and await self._answer_known(live):
            return False
        live.turn = lane.enter()
        if live.turn is None:
            words = f"{lane.waiting} operations wait for {route.name} already"
            await self._refuse(live, Happened.NOT_TAKEN, "kiosk-busy", words)
            return False
        try:
            await asyncio.wait({live.turn}, timeout=max(0.0, live.deadline - time.monotonic()))
        except asyncio.CancelledError:
            lane.leave(live.turn)
            raise
        if not live.turn.done():
            lane.leave(live.turn)
            await self._refuse(live, Happened.EXPIRED, "expired", "its turn did not come in time")
        elif not live.turn.result():
            lane.leave(live.turn)
            await self._refuse(live, Happened.CANCELLED, "cancelled", "the hub cancelled it before its turn came")
        else:
            return True
        return False

    async def _take_turn(self, live: _Live, lane: Lane) -> None:
        """Start it, now that its turn has come; the slot is given back at the end, or when it is not needed."""
        slot = _Slot(lane)
        try:
            response = await self._start_and_run(live, slot)
        finally:
            slot.release()
        if response is not None:
            await self._tell(response)

    async def _start_and_run(self, live: _Live, slot: "_Slot") -> Response | None:
        """Returns the outcome to write and tell, or None when that is done or is not due."""
        request = live.request
        live.advance(Happened.TURN_CAME)
        self._metrics.waited_seconds.labels(self._label(request.operation)).observe(live.elapsed)
        route = self._routes.find(request.operation)
        if route is None:
            await self._refuse(live, Happened.NOT_TAKEN, "unknown-operation", "the route was removed while it waited")
            return None
        method = route.method or request.method
        ask = self._ask_for(request, method, bytes(request.body))
        target = self._targets.of(route)
        try:
            target.check(ask)
        except NotUnderstood as error:
            await self._refuse(live, Happened.NOT_TAKEN, "bad-request", str(error))
            return None
        if time.monotonic() > live.deadline:
            await self._refuse(live, Happened.EXPIRED, "expired", "its turn came too late")
            return None
        started = msgspec.structs.replace(request, method=_method(method))
        try:
            known = await self._journal.begin(started, live.journal)
        except StorageError as error:
            await self._refuse_without_disk(live, error)
            return None
        if known is not None:
            slot.release()
            await self._repeat(live, known)
            return None
        if time.monotonic() > live.deadline:  # the disk took too long
            live.advance(Happened.EXPIRED)
            return outcomes.refused(
                request.request_id, request.operation, "expired", "writing it down took too long", live.elapsed
            )
        live.advance(Happened.WRITTEN)
        if self._listener is not None:
            self._listener.accepted(request.request_id)
        return await self._run(live, target, ask, slot)

    async def _run(self, live: _Live, target: Target, ask: Ask, slot: "_Slot") -> Response | None:
        request = live.request
        if live.wish:  # while it was written down: nothing was begun
            live.advance(Happened.FOUND_ABSENT)
            words = f"cancelled before it was begun ({live.wish})"
            return outcomes.refused(request.request_id, request.operation, "cancelled", words, live.elapsed)
        sent_at = time.monotonic()
        live.target, live.running_at = target, sent_at
        result = await target.run(ask)
        self._metrics.gateway_seconds.labels(self._label(request.operation)).observe(time.monotonic() - sent_at)
        if not isinstance(result, NoAnswer):
            live.advance(Happened.ANSWER_CAME if isinstance(result, Answered) else Happened.FOUND_ABSENT)
            return self._outcome(live, result)
        live.advance(Happened.ANSWER_LOST)
        _log.warning("a gateway's answer was lost", extra={
            "request_id": request.request_id, "operation": request.operation, "reason": result.detail,
        })  # fmt: skip
        if target.can_tell(ask):
            if self._stopping:
                return None  # the next start asks
            return await self._ask(live, target, ask, slot=slot, problem="timeout", detail=result.detail)
        return await self._give_up(live, "timeout", result.detail)

    async def _ask(
        self, live: _Live, target: Target, ask: Ask, *, slot: "_Slot | None", problem: str, detail: str
    ) -> Response:
        """Find out what became of it, keeping the slot for a minute at most."""
        hold = asyncio.get_running_loop().call_later(HOLD_LANE_S, slot.release) if slot is not None else None
        try:
            found = await target.find_out(ask)
        finally:
            if hold is not None:
                hold.cancel()
        if found is None:
            return await self._give_up(live, problem, detail)
        live.advance(Happened.ANSWER_CAME if isinstance(found, Answered) else Happened.FOUND_ABSENT)
        return self._outcome(live, found)

    async def _give_up(self, live: _Live, problem: str, detail: str) -> Response:
        """Nobody here can know; a person learns of it."""
        request = live.request
        live.advance(Happened.GAVE_UP)
        await self.note(
            "operation-unknown",
            {"request_id": request.request_id, "operation": request.operation, "problem": problem, "detail": detail},
        )
        return outcomes.unknown(request.request_id, request.operation, problem, detail, live.elapsed)

    def _outcome(self, live: _Live, result: Answered | NeverGot) -> Response:
        request = live.request
        if isinstance(result, Answered):
            return outcomes.answered(request.request_id, request.operation, result, live.elapsed)
        return outcomes.refused(request.request_id, request.operation, result.problem, result.detail, live.elapsed)

    async def _tell(self, response: Response) -> None:
        """Write the outcome, then tell it. A disk that does not take it is no reason not to: better told than lost."""
        await self._journal.finish(response)
        self._told(response)

    def _told(self, response: Response) -> None:
        if live := self._live.get(response.request_id):
            live.ended = response
        problem = response.error.type if response.error else ""
        self._metrics.operations.labels(self._label(response.operation), response.executed.value, problem).inc()
        level = logging.INFO if response.executed is not Executed.UNKNOWN else logging.WARNING
        _log.log(level, "operation finished", extra={
            "request_id": response.request_id, "operation": response.operation, "executed": response.executed.value,
            "http_status": response.status or None, "problem": problem or None, "took_s": response.elapsed,
        })  # fmt: skip
        if self._listener is not None:
            self._listener.outcome(response)

    async def _refuse(self, live: _Live, happened: Happened, problem: str, detail: str) -> None:
        """Say no for ever: written before it is told, so that a repetition hears the same."""
        request = live.request
        response = outcomes.refused(request.request_id, request.operation, problem, detail, live.elapsed)
        try:
            known = await self._journal.refuse(request, response, live.journal)
        except StorageError as error:
            await self._refuse_without_disk(live, error)
            return
        if known is not None:
            await self._repeat(live, known)
            return
        live.advance(happened)
        self._told(response)

    async def _refuse_without_disk(self, live: _Live, error: StorageError) -> None:
        """Say no without a disk to write it on. If the row may have come to be written, an outcome is owed to it."""
        request = live.request
        live.advance(Happened.NOT_TAKEN)
        problem = "kiosk-busy" if isinstance(error, StandstillError) else "kiosk-storage"
        response = outcomes.refused(request.request_id, request.operation, problem, str(error), live.elapsed)
        if error.certain:
            self._refused[request.request_id] = response
            while len(self._refused) > _REFUSALS_KEPT:
                self._refused.popitem(last=False)
        else:
            await self._journal.finish(response)
        self._told(response)

    async def _answer_known(self, live: _Live) -> bool:
        """Answer from the journal if it can; a disk that does not say is asked again when the turn comes."""
        try:
            known = await self._journal.find(live.request.request_id, live.journal)
        except StorageError:
            return False
        if known is None:
            return False
        await self._repeat(live, known)
        return True

    async def _repeat(self, live: _Live, known: Row) -> None:
        """A request that was known already: give its outcome again, or find it out if nobody does so yet."""
        if known.response is not None:
            self._repeat_response(known.response)
        else:
            live.state = State.ASKING
            await self._recover(live, known)

    def _repeat_response(self, response: Response) -> None:
        self._metrics.repeated.inc()
        if self._listener is not None:
            self._listener.outcome(response)

    async def _recover_later(self) -> None:
        while not await self._recover_all():  # noqa: ASYNC110 - the disk sends no events
            await asyncio.sleep(_RECOVER_AGAIN_S)

    async def _recover_all(self) -> bool:
        """Find out about every operation that was cut off. False when the journal cannot be read."""
        try:
            rows = await self._journal.in_doubt()
        except StorageError:
            return False
        for row in rows:
            if row.request_id not in self._live:
                request = Request(request_id=row.request_id, operation=row.operation, method=_method(row.method))
                live = _Live(request, time.monotonic(), self._journal.id, State.ASKING)
                self._launch(live, partial(self._recover, row=row))
        return True

    async def _recover(self, live: _Live, row: Row) -> None:
        """One operation of the run before, whose outcome is not in the journal."""
        detail = "the kiosk was cut off while it ran"
        _log.warning("an operation was cut off by the end of the last run", extra={
            "request_id": row.request_id, "operation": row.operation,
        })  # fmt: skip
        route = self._routes.find(row.operation)
        target = await self._targets.of_cut_off(row.request_id, route)
        ask = self._ask_for(live.request, row.method, row.body)
        if target is None or not target.can_tell(ask):
            await self._tell(await self._give_up(live, "interrupted", detail))
            return
        slot = None
        if route is not None and route.concurrency == 1:
            lane = self._lane(route)
            lane.occupy()
            slot = _Slot(lane)
        try:
            live.target = target
            response = await self._ask(live, target, ask, slot=slot, problem="interrupted", detail=detail)
        finally:
            if slot is not None:
                slot.release()
        await self._tell(response)

    def _ask_for(self, request: Request, method: str, body: bytes) -> Ask:
        def tell(data: dict[str, Any]) -> None:
            live = self._live.get(request.request_id)
            if live is not None and live.wish:  # not within what it does just now
                asyncio.get_running_loop().call_soon(live.cancel, live.wish)
            self._screen.show("operation", request.request_id, {"operation": request.operation, **data})
            if self._listener is not None:
                self._listener.progress(request.request_id, data)

        return Ask(
            request_id=request.request_id, operation=request.operation, method=method, body=body,
            route=lambda: self._routes.find(request.operation), tell=tell,
        )  # fmt: skip

    def _lane(self, route: Route) -> Lane:
        lane = self._lanes.get(route.name)
        if lane is None:
            lane = self._lanes[route.name] = Lane(route.concurrency, route.waiting)
        return lane

    def _label(self, operation: str) -> str:
        """A route's name for metrics: operation types come from outside and are not bounded."""
        route = self._routes.find(operation)
        return route.name if route is not None else "none"


class _Slot:
    """A lane's slot that is given back once."""

    __slots__ = ("_lane",)

    def __init__(self, lane: Lane) -> None:
        self._lane: Lane | None = lane

    def release(self) -> None:
        lane, self._lane = self._lane, None
        if lane is not None:
            lane.release()


def _longest(route: Route | None) -> float:
    """Seconds after which an operation of the route is hung and not slow: of a gateway its time is known, while change
    is paid out and receipts are printed after the time of a session."""
    if route is None or route.kind is not None or route.register:
        return OVERRUN_S
    return route.timeout * (1 + route.retries) + OVERRUN_GATEWAY_S


def _method(text: str) -> Literal["GET", "POST"]:
    return "GET" if text == "GET" else "POST"
