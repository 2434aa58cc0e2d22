"""Keeps a link to the hub: dials, lets the link run, waits as long as its end calls for, again.

One warning for each outage, and a summary when it is over; what happens in between is counted.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable

from appliance.health.metrics import Metrics
from appliance.health.state import Clock
from appliance.health.state import Link as LinkState
from appliance.health.verdict import CLOCK_TOLERANCE_S
from appliance.journal import Journal, StorageError
from appliance.operations import Operations
from appliance.uplink.backoff import Backoff
from appliance.uplink.dial import Address, Connection, DialError, dial
from appliance.uplink.link import Ended, Link
from wire.messages import Hello, Response, Welcome
from wire.problems import CloseCode
from wire.session import KioskSession

GOODBYE_S = 6.0
_JOURNAL_PAUSE_S = 1.0

_log = logging.getLogger(__name__)


class Uplink:
    """The kiosk's side of the wire. `start` and `stop` are a pair; between links it listens and stays silent."""

    def __init__(
        self, *, address: Address, journal: Journal, operations: Operations, state: LinkState, clock: Clock,
        metrics: Metrics, hello: Callable[[], Hello], chance: Callable[[], float] = random.random,
    ) -> None:  # fmt: skip
        self._address = address
        self._journal = journal
        self._operations = operations
        self._state = state
        self._clock = clock
        self._metrics = metrics
        self._hello = hello
        self._backoff = Backoff(chance)
        self._session = KioskSession()
        self._link: Link | None = None
        self._running: asyncio.Task[None] | None = None
        self._notes: set[asyncio.Task[None]] = set()
        self._lost_at: float | None = None  # monotonic; of the present outage
        self._attempts = 0
        self._up_at = 0.0
        self._clock_wrong = False
        self._stopping = False

    def start(self) -> None:
        """Begin to dial."""
        self._operations.listen(self)
        self._running = asyncio.create_task(self._run(), name="uplink")

    @property
    def ended(self) -> bool:
        """Whether dialling has come to an end that nobody wanted."""
        return self._running is not None and self._running.done() and not self._stopping

    async def stop(self) -> None:
        """Say what is queued, then goodbye."""
        self._stopping = True
        if self._link is not None and self._running is not None:
            await self._link.flush(2.0)
            self._link.end(1001, "the appliance stops")
            await asyncio.wait({self._running}, timeout=GOODBYE_S)
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        for task in list(self._notes):
            task.cancel()
        await asyncio.gather(*self._notes, return_exceptions=True)

    def routes_changed(self) -> None:
        """Tell the hub what routes there are now."""
        if self._link is not None:
            self._link.say_hello()

    def accepted(self, request_id: str) -> None:
        """See `operations.Listener`; without a link the hub asks again."""
        if self._link is not None:
            self._link.accepted(request_id)

    def progress(self, request_id: str, data: dict[str, object]) -> None:
        """See `operations.Listener`; without a link nobody hears it."""
        if self._link is not None:
            self._link.progress(request_id, data)

    def outcome(self, response: Response) -> None:
        """See `operations.Listener`; without a link it waits in the journal."""
        if self._link is not None:
            self._link.outcome(response)

    def happened(self) -> None:
        """See `operations.Listener`; without a link it waits in the journal."""
        if self._link is not None:
            self._link.happened()

    async def _run(self) -> None:
        """The top of the task."""
        while not self._stopping:
            try:
                delay = await self._once()
            except Exception:
                _log.exception("the uplink failed within the appliance")
                delay = self._backoff.failed()
            if not self._stopping:
                await asyncio.sleep(delay)

    async def _once(self) -> float:
        """One connection from dialling to its end; returns how long to stay away."""
        if not self._journal.id:  # a kiosk that names no journal is believed: it must not speak without one
            self._lost("the journal is not open")
            return _JOURNAL_PAUSE_S
        try:
            connection = await dial(self._address)
        except DialError as error:
            self._metrics.connect_failures.inc()
            self._lost(str(error))
            if error.refused:
                return self._backoff.refused()
            if error.retry_after is not None:
                return self._backoff.told(error.retry_after)
            return self._backoff.failed()
        ended = await self._speak(connection)
        if self._stopping:
            return 0.0
        up_for = time.monotonic() - self._up_at if self._up_at else 0.0
        self._lost(ended.reason)
        if ended.code == CloseCode.CLONED:
            await self._begin_journal_anew()
        return self._backoff.closed(ended.code, up_for)

    async def _speak(self, connection: Connection) -> Ended:
        self._up_at = 0.0
        self._link = Link(
            connection, self._session, journal=self._journal, operations=self._operations, hello=self._hello,
            welcomed=self._welcomed, malformed=self._metrics.malformed.inc, not_sent=self._metrics.not_sent.inc,
        )  # fmt: skip
        try:
            return await self._link.run()
        finally:
            self._link = None

    async def _begin_journal_anew(self) -> None:
        """The hub has seen another box with this journal; what that one did, this one must not deny."""
        try:
            await self._journal.begin_anew("the hub saw another machine with it")
        except StorageError as error:  # the hub says it again
            _log.error("the journal could not be given another name", extra={"reason": str(error)})

    def _welcomed(self, welcome: Welcome) -> None:
        self._clock.heard(welcome.time)
        offset = self._clock.offset or 0.0
        wrong = abs(offset) > CLOCK_TOLERANCE_S
        if wrong and not self._clock_wrong:
            self._note("clock-wrong", {"offset_s": round(offset, 1)})
            _log.warning("the clock is wrong", extra={"offset_s": round(offset, 1)})
        self._clock_wrong = wrong
        if self._state.connected:
            return  # the answer to a second hello
        self._up_at = time.monotonic()
        self._metrics.connects.inc()
        self._state.up()
        fields: dict[str, object] = {"hub": welcome.hub}
        if self._lost_at is not None:
            fields |= {"away_s": round(time.monotonic() - self._lost_at, 1), "attempts": self._attempts}
        _log.info("connected to the hub", extra=fields)
        self._lost_at = None
        self._attempts = 0

    def _lost(self, reason: str) -> None:
        self._attempts += 1
        same = reason == self._state.trouble
        self._state.down(reason)
        if self._lost_at is None:
            self._lost_at = time.monotonic()
            _log.warning("no link to the hub", extra={"reason": reason})
        elif not same:
            _log.info("still no link to the hub", extra={"reason": reason, "attempts": self._attempts})

    def _note(self, kind: str, data: dict[str, object]) -> None:
        task = asyncio.create_task(self._operations.note(kind, data), name=f"note-{kind}")
        self._notes.add(task)
        task.add_done_callback(self._notes.discard)
