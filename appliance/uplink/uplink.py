"""Keeps a link to the hub: dials, lets the link run, waits as long as its end calls for, again.

One warning for each outage, and a summary when it is over; what happens in between is counted.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable

import msgspec

from appliance.cancelled import cancelled
from appliance.health.metrics import Metrics
from appliance.health.state import Clock
from appliance.health.state import Link as LinkState
from appliance.health.verdict import CLOCK_TOLERANCE_S
from appliance.identity import Identity
from appliance.journal import Journal, StorageError
from appliance.operations import Operations, State
from appliance.uplink.backoff import Backoff
from appliance.uplink.dial import Address, Connection, DialError, dial
from appliance.uplink.link import Ended, Link
from wire.messages import Hello, Response, Welcome
from wire.problems import CloseCode
from wire.session import KioskSession

GOODBYE_S = 6.0
_JOURNAL_PAUSE_S = 1.0
_NOWHERE_S = 3600.0  # `readdress` ends it

_log = logging.getLogger(__name__)


class Uplink:
    """The kiosk's side of the wire. `start` and `stop` are a pair; between links it listens and stays silent."""

    def __init__(
        self, *, address: Callable[[], Address | None], journal: Journal, operations: Operations, state: LinkState,
        clock: Clock, metrics: Metrics, hello: Callable[[], Hello], bad_token: Callable[[bool], None] = lambda _: None,
        chance: Callable[[], float] = random.random,
    ) -> None:  # fmt: skip
        """`address` is asked before each attempt; None: there is none yet. `bad_token` hears whether it was one."""
        self._address = address
        self._on_bad_token = bad_token
        self._readdressed = asyncio.Event()
        self._journal = journal
        self._operations = operations
        self._state = state
        self._clock = clock
        self._metrics = metrics
        self._hello = hello
        self._chance = chance
        self._backoff = Backoff(chance)
        self._session = KioskSession()
        self._link: Link | None = None
        self._unlinked = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
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
        await cancelled(self._running)

    def routes_changed(self) -> None:
        """Tell the hub what routes there are now."""
        if self._link is not None:
            self._link.say_hello()

    async def readdress(self) -> None:
        """There is another address, or none any more: leave the hub as it was, and see at once. Waits for the leaving.

        Raises TimeoutError when the old connection does not come to an end.
        """
        link = self._link
        if link is not None:
            link.end(1001, "this kiosk has another identity")
            try:
                async with asyncio.timeout(GOODBYE_S):
                    await self._unlinked.wait()
            finally:
                self._readdressed.set()
        self._readdressed.set()

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
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(delay):
                        await self._readdressed.wait()

    async def _once(self) -> float:
        """One connection from dialling to its end; returns how long to stay away."""
        if not self._journal.id:  # a kiosk that names no journal is believed: it must not speak without one
            self._lost("the journal is not open")
            return _JOURNAL_PAUSE_S
        if self._readdressed.is_set():
            self._readdressed.clear()
            self._backoff = Backoff(self._chance)
        address = self._address()
        if address is None:
            return _NOWHERE_S
        try:
            connection = await dial(address)
        except DialError as error:
            self._metrics.connect_failures.inc()
            self._lost(str(error))
            if error.bad_token:
                self._on_bad_token(True)
            if error.refused:
                return self._backoff.refused()
            if error.retry_after is not None:
                return self._backoff.told(error.retry_after)
            return self._backoff.failed()
        if self._readdressed.is_set():  # while it was dialled
            connection.transport.abort()
            return 0.0
        ended = await self._speak(connection, address.identity)
        if self._stopping:
            return 0.0
        up_for = time.monotonic() - self._up_at if self._up_at else 0.0
        self._lost(ended.reason)
        if ended.code == CloseCode.BAD_TOKEN:
            self._on_bad_token(True)
        if ended.code == CloseCode.CLONED:
            await self._begin_journal_anew()
        at_work = self._operations.count(State.WAITING, State.STARTING, State.RUNNING) > 0
        return self._backoff.closed(ended.code, up_for, words=ended.words, hub_gone=ended.hub_gone, hurry=at_work)

    async def _speak(self, connection: Connection, identity: Identity | None) -> Ended:
        self._up_at = 0.0
        self._unlinked.clear()

        def hello() -> Hello:
            plain = self._hello()
            if identity is None or not connection.challenge:  # a token alone, or a hub that asks for no proof
                return plain
            proof = identity.prove(connection.challenge, plain.boot_id, plain.journal)
            return msgspec.structs.replace(plain, proof=proof)

        self._link = Link(
            connection, self._session, journal=self._journal, operations=self._operations, hello=hello,
            welcomed=self._welcomed, malformed=self._metrics.malformed.inc, not_sent=self._metrics.not_sent.inc,
        )  # fmt: skip
        try:
            return await self._link.run()
        finally:
            self._link = None
            self._unlinked.set()

    async def _begin_journal_anew(self) -> None:
        """The hub has seen another box with this journal; what that one did, this one must not deny."""
        try:
            await self._journal.begin_anew("the hub saw another machine with it")
        except StorageError as error:  # the hub says it again
            _log.error("the journal could not be given another name", extra={"reason": str(error)})

    def _welcomed(self, welcome: Welcome) -> None:
        self._clock.heard(welcome.time)
        self._backoff.welcomed(welcome.spread)
        offset = self._clock.offset or 0.0
        wrong = abs(offset) > CLOCK_TOLERANCE_S
        if wrong and not self._clock_wrong:
            _log.warning("the clock is wrong", extra={"offset_s": round(offset, 1)})
        self._clock_wrong = wrong
        if self._state.connected:
            return  # the answer to a second hello
        self._on_bad_token(False)
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
