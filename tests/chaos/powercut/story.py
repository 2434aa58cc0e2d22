"""A kiosk at work on a recorded directory: the real operations and journal; only the gateway is played."""

import asyncio
import itertools
import logging
import random
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from unittest import mock

import msgspec

import appliance.journal.journal as journal_module
import appliance.journal.writer as writer_module
from appliance.gateways import Answered, Gateways, HttpTargets, NeverGot, NoAnswer
from appliance.gateways.results import Result
from appliance.health.metrics import Metrics
from appliance.journal import Journal, Limits, Row, StorageError
from appliance.journal.jobs import Job
from appliance.journal.store import Begin, Store
from appliance.operations import Operations
from appliance.routes import Route, RouteTable, StatusQuery
from appliance.screen import Screen
from tests.chaos.powercut.record import Recorder
from wire.messages import Request, Response

DIRECTORY = "lib/kiosk"
RESERVE_BYTES = 8192
LIMITS = Limits(min_free_bytes=0, max_bytes=1 << 20)
QUERY = StatusQuery(url="http://127.0.0.1:1/status", params={"id": "id"}, absent=(404,), absent_after=0.0)
ROUTES = RouteTable({
    "payment": Route(name="payment", url="http://127.0.0.1:1/payment", concurrency=1, timeout=5.0, status=QUERY),
    "fiscal": Route(name="fiscal", url="http://127.0.0.1:1/fiscal", concurrency=8, timeout=5.0),
}, None)  # fmt: skip


class Witness(Journal):
    """The journal, with a mark before and after everything that is asked of it."""

    def __init__(self, recorder: Recorder, limits: Limits) -> None:
        super().__init__(
            recorder.root / DIRECTORY, limits=limits, clock=time.time, boot_id="boot", reserve_bytes=RESERVE_BYTES
        )  # fmt: skip
        self._mark = recorder.mark

    async def begin(self, request: Request, journal: str | None = None) -> Row | None:
        self._mark("trying", request.request_id, _begin(request, None))
        known = await super().begin(request, journal)
        if known is None:
            self._mark("begun", request.request_id)
        return known

    async def refuse(self, request: Request, response: Response, journal: str | None = None) -> Row | None:
        self._mark("trying", request.request_id, _begin(request, response))
        known = await super().refuse(request, response, journal)
        if known is None:
            self._mark("begun", request.request_id)
            self._mark("finished", request.request_id, response)
        return known

    async def finish(self, response: Response) -> bool:
        self._mark("finishing", response.request_id, response)
        done = await super().finish(response)
        if done:
            self._mark("finished", response.request_id, response)
        return done

    async def add_event(self, kind: str, data: dict[str, Any], device: str = "") -> bool:
        text = msgspec.json.encode(data)
        self._mark("event", kind, text)
        kept = await super().add_event(kind, data, device)
        if kept:
            self._mark("event_kept", kind, text)
        return kept

    def settle(self, request_id: str) -> None:
        self._mark("settling", request_id)
        super().settle(request_id)

    async def tell(self, call: Callable[[Store], Any]) -> Any:
        """Have the writer's thread do something that is not the appliance's business."""
        return await self._ask(Job(call, writes=False))


def _begin(request: Request, response: Response | None) -> Begin:
    return Begin(request.request_id, request.operation, request.method, bytes(request.body), 0, 0.0, response)


class _PlayedGateways(Gateways):
    """Marks each call, and answers as it was told to."""

    def __init__(self, recorder: Recorder, rng: random.Random) -> None:
        super().__init__()
        self._recorder = recorder
        self._rng = rng
        self.called: set[str] = set()

    async def call(self, _route: Route, _method: str, body: bytes) -> Result:
        request_id = str(msgspec.json.decode(body)["id"])
        self._recorder.mark("calling", request_id)
        self.called.add(request_id)
        await asyncio.sleep(0)
        answer = msgspec.Raw(msgspec.json.encode({"of": request_id, "text": "x" * self._rng.choice((1, 40, 3000))}))
        choices: tuple[Result, ...] = (Answered(200, answer), Answered(402, answer), NoAnswer("it hung up"),
                                       NeverGot("nobody listens"))  # fmt: skip
        return self._rng.choices(choices, (6, 1, 1, 1))[0]

    async def ask(self, _url: str, pairs: list[tuple[str, str]], _tls: object, _timeout: float) -> Result:
        return self._rng.choice((Answered(200, msgspec.Raw(b'{"asked":true}')), Answered(404, msgspec.Raw(b"{}"))))


class Kiosk:
    """One run of the program, from start to whatever end. It is its own listener, and the hub it tells."""

    def __init__(self, recorder: Recorder, rng: random.Random, limits: Limits, first: int) -> None:
        self.recorder = recorder
        self.rng = rng
        self.journal = Witness(recorder, limits)
        self.gateways = _PlayedGateways(recorder, rng)
        self.operations = Operations(
            journal=self.journal, targets=HttpTargets(self.gateways), routes=ROUTES, metrics=Metrics("test"),
            screen=Screen(),
        )  # fmt: skip
        self.operations.listen(self)
        self.told: dict[str, Response] = {}
        self.asked: list[Request] = []
        self._numbers = itertools.count(first)

    def accepted(self, request_id: str) -> None:
        """See `Listener`."""
        self.recorder.mark("begun", request_id)

    def progress(self, request_id: str, data: dict[str, Any]) -> None:
        """See `Listener`: gateways tell none."""

    def outcome(self, response: Response) -> None:
        """See `Listener`."""
        self.told[response.request_id] = response
        self.recorder.mark("told", response.request_id, response)

    def happened(self) -> None:
        """See `Listener`."""

    async def ask(self, *, operation: str, start_within: float = 60.0, fill: int = 10) -> None:
        """Have an operation carried out, and wait for its outcome."""
        request_id = f"request-{next(self._numbers):05}"
        body = msgspec.Raw(msgspec.json.encode({"id": request_id, "fill": "y" * fill}))
        request = Request(request_id=request_id, operation=operation, body=body, start_within=start_within)
        self.asked.append(msgspec.structs.replace(request, start_within=60.0))
        self.operations.request(request)
        await self.quiet()

    async def quiet(self) -> None:
        """Wait until nothing is in memory any more."""
        while self.operations._live:  # noqa: ASYNC110 - tests only; there is no event for it
            await asyncio.sleep(0)

    async def step(self) -> None:
        """Something, by chance."""
        match self.rng.choices(range(7), (8, 2, 1, 2, 3, 2, 1))[0]:
            case 0:
                await self.ask(operation=self.rng.choice(("payment", "fiscal")), fill=self.rng.choice((10, 300, 9000)))
            case 1:
                count = self.rng.randint(2, 5)
                await asyncio.gather(*(self.ask(operation="fiscal") for _ in range(count)))
            case 2:
                await self.ask(operation=self.rng.choice(("payment", "nothing")), start_within=0.0)
            case 3 if self.asked:
                self.operations.request(self.rng.choice(self.asked))
                await self.quiet()
            case 4:
                for request_id in self.rng.sample(sorted(self.told), min(2, len(self.told))):
                    self.operations.settled(request_id)
                    # After that the hub never repeats it, and a kiosk whose disk took nothing of it may forget it.
                    self.asked = [request for request in self.asked if request.request_id != request_id]
            case 5:
                await self.operations.note("door-opened", {"n": self.rng.getrandbits(40)})
            case 6:
                await self.acknowledge()
            case _:
                pass

    async def repeat(self, known: Iterable[Begin]) -> None:
        """The hub, which heard no outcome, says everything again, as it does after a hello."""
        for new in known:
            self.operations.request(Request(
                request_id=new.request_id, operation=new.operation, body=msgspec.Raw(new.body or b"{}"),
                start_within=60.0,
            ))  # fmt: skip
        await self.quiet()

    async def acknowledge(self) -> None:
        """The hub has some of the events."""
        try:
            found = await self.journal.events(self.rng.randint(1, 4), 0)
        except StorageError:
            return
        if found:
            self.recorder.mark("acknowledging", value=[(event.kind, bytes(event.data)) for event in found])
            self.journal.acknowledge(found[-1].seq, self.journal.id)


@asynccontextmanager
async def kiosk(
    recorder: Recorder, rng: random.Random, *, first: int = 1, limits: Limits = LIMITS, checkpoint_pages: int = 0
) -> AsyncIterator[Kiosk]:
    """A kiosk that runs; it ends in order. `checkpoint_pages` makes SQLite empty its log that often."""
    here = Kiosk(recorder, rng, limits, first)
    await here.journal.open()
    try:
        if here.journal.id:
            recorder.mark("opened", here.journal.id)
        if checkpoint_pages and here.journal.id:
            await here.journal.tell(
                lambda store: store.connection.execute(f"PRAGMA wal_autocheckpoint = {checkpoint_pages:d}").fetchall()
            )
        await here.operations.start()
        await here.quiet()
        yield here
    finally:
        await here.operations.stop()
        await here.gateways.close()
        await here.journal.close()


@contextmanager
def hurried() -> Iterator[None]:
    """What the journal does every second, it does every few milliseconds."""
    with mock.patch.object(writer_module, "TICK_S", 0.003), mock.patch.object(journal_module, "_RETRY_S", 0.003):
        yield


@contextmanager
def quietly() -> Iterator[None]:
    """The product says much about bad disks; thousands of times that is no news."""
    loggers = [logging.getLogger(name) for name in ("appliance.journal", "appliance.operations")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


async def work(
    recorder: Recorder, rng: random.Random, *, steps: int, first: int = 1, checkpoint_pages: int = 12,
    again: Iterable[Begin] = (),
) -> None:  # fmt: skip
    """One whole run; what is in `again` is asked for at its beginning."""
    with recorder.recording():
        async with kiosk(recorder, rng, first=first, checkpoint_pages=checkpoint_pages) as here:
            await here.repeat(again)
            for _ in range(steps):
                await here.step()
