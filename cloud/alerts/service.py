"""Looks every few seconds at what holds, keeps the alerts that come of it, and has notices ready for each way of
telling.

What counts is the memory: alerts are raised, told and acknowledged there, and written behind, so that a database that
is away keeps nobody from hearing of it. A start reads what an earlier life has written. What was told in the last
moments before a crash may be told again.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from cloud.alerts.alert import Alert, Mute, Notice
from cloud.alerts.book import Book, Looked, Seen, Unwritten
from cloud.alerts.kinds import KINDS
from cloud.alerts.memory import Memory
from cloud.alerts.outage import Outage
from cloud.alerts.rules import Rules
from cloud.alerts.shared import SharedRows
from cloud.alerts.words import say_alert
from cloud.cancelled import cancelled
from cloud.db.lease import Lease, Mine
from cloud.errors import Refused, StorageError
from cloud.metrics import Metrics

log = logging.getLogger(__name__)

EVERY = 3.0
MUTE_MAX = 30 * 86400.0
_SAVE_WITHIN = 2.0  # for who waits to hear that it is written
_BY_MAX = 200
_ANEW_EVERY = 30.0  # seconds, in which another hub's words on what stands may have changed unseen
_LOGGED_MAX = 5  # alerts of one kind that a look logs one by one


class Alerts:
    """All alerts. `async with` starts it."""

    def __init__(
        self,
        *,
        memory: Memory,
        look: Callable[[], Seen],
        rules: Callable[[], Rules],
        is_kiosk: Callable[[str], bool],
        channels: Sequence[str] = (),
        metrics: Metrics | None = None,
        every: float = EVERY,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        jobs: Lease | None = None,
        shared: SharedRows | None = None,
        outage: Outage | None = None,
    ) -> None:
        """`look` and `rules` are asked at each look, and answer from memory; `channels` are the ways of telling that
        there are, others join when they ask first. Where hubs share a database (`shared`), the one that has the lease
        of `jobs` looks and tells; the others show what it has written, and take what people do. `outage` is of that
        database."""
        self._memory = memory
        self._seen = look
        self._rules = rules
        self._is_kiosk = is_kiosk
        self._metrics = metrics
        self._every = every
        self._clock = clock
        self._monotonic = monotonic
        self._jobs = jobs or Mine()
        self._shared = shared
        self._outage = outage
        self._channels = list(channels)
        self._book = Book(memory, channels)
        self._is_loaded = False  # the book is this hub's to write
        self._read_as: tuple[object, float] | None = None  # what another hub has written, and when it was read whole
        self._left_out = 0
        self._counted: set[tuple[str, str]] = set()
        self._news = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Alerts":
        if self._jobs.is_held:
            await self._load()
        self._memory.start()
        self._task = asyncio.create_task(self._run(), name="alerts")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._task:
            await cancelled(self._task)
        await self._memory.stop()

    # What the ways of telling ask.

    async def next(self, channel: str, timeout: float) -> list[Notice]:
        """What this channel is to tell now; empty after `timeout` seconds without. What it says not to have told by
        `told` comes again, as things stand then."""
        if channel not in self._channels:
            self._channels.append(channel)
        if self._is_loaded or self._shared is None:
            self._book.join(channel)
        if self._book.is_handed(channel) and self._metrics is not None:
            self._metrics.notices.labels(channel, "failed").inc()
        try:
            async with asyncio.timeout(timeout), self._news:
                while True:
                    if self._outage is not None and (found := self._outage.due(channel, self._rules(), self._clock())):
                        return found
                    if self._is_writer and (found := self._book.due(channel, self._rules(), self._clock())):
                        return found
                    await self._news.wait()
        except TimeoutError:
            return []

    @property
    def tells(self) -> bool:
        """Whether it is this hub that tells: asked once more before each message, since it may have stood still."""
        return self._is_writer or (self._outage is not None and self._outage.is_told_here)

    @property
    def _is_writer(self) -> bool:
        """Whether the book is this hub's just now."""
        return self._is_loaded and self._jobs.is_held

    async def told(self, channel: str, notices: Iterable[Notice]) -> None:
        """These were told. What is told next of the same alerts follows from that."""
        notices = list(notices)
        if self._outage is not None:
            notices = self._outage.told(channel, notices, self._clock())
        if not self._is_loaded:  # another hub has the book by now
            return
        if self._metrics is not None and notices:
            self._metrics.notices.labels(channel, "told").inc(len(notices))
        self._book.told(channel, notices, self._clock())

    # What people do.

    async def acknowledge(self, numbers: Iterable[int], by: str) -> int:
        """Somebody has taken note: no repetition, no escalation. Returns how many nobody had acknowledged before."""
        if self._shared is not None and not self._is_writer:
            taken = await self._shared.acknowledge(numbers, by[:_BY_MAX], self._clock())
            log.info("alerts acknowledged", extra={"numbers": taken[:_LOGGED_MAX], "by": by[:_BY_MAX]})
            await self._follow(self._shared)
            return len(taken)
        found = self._book.acknowledge(numbers, by[:_BY_MAX], self._clock())
        for alert in found:
            log.info("alert acknowledged", extra={"number": alert.number, "kind": alert.kind, "by": by[:_BY_MAX]})
        if found:
            await self._memory.saved(_SAVE_WITHIN)
        return len(found)

    async def mute(self, scope: str, seconds: float, by: str) -> Mute:
        """Tell nothing of a kiosk, or of a kind, for so long. Raises `Refused` (bad-request)."""
        if scope not in KINDS and not self._is_kiosk(scope):
            detail = f"{scope[:64]!r} is neither a kiosk nor a kind of alerts"
            raise Refused("bad-request", detail, fact="not-muted", scope=scope[:64])
        if not 1.0 <= seconds <= MUTE_MAX:
            raise Refused("bad-request", f"a mute lasts from 1 second to {MUTE_MAX / 86400:.0f} days")
        now = self._clock()
        mute = Mute(scope=scope, until=now + seconds, at=now, by=by[:_BY_MAX])
        log.info("alerts muted", extra={"scope": scope, "seconds": seconds, "by": mute.by})
        if self._shared is not None and not self._is_writer:
            await self._shared.mute(mute)
            await self._follow(self._shared)
            return mute
        self._book.mute(mute)
        await self._memory.saved(_SAVE_WITHIN)
        return mute

    async def unmute(self, scope: str, by: str) -> bool:
        """Tell of it again, and of what stands. False if it was not muted."""
        if scope not in self._book.mutes:
            return False
        log.info("alerts are told again", extra={"scope": scope, "by": by[:_BY_MAX]})
        if self._shared is not None and not self._is_writer:
            await self._shared.unmute(scope)
            await self._follow(self._shared)
            return True
        self._book.unmute(scope)
        await self._wake()
        await self._memory.saved(_SAVE_WITHIN)
        return True

    def mutes(self) -> list[Mute]:
        """Those in force, the one that ends first at the beginning."""
        now = self._clock()
        return sorted((mute for mute in self._book.mutes.values() if mute.until > now), key=lambda mute: mute.until)

    def standing(self) -> list[Alert]:
        """What is not cleared, by number."""
        return sorted(self._book.standing.values(), key=lambda alert: alert.number)

    def kinds(self) -> list[str]:
        """The names of all kinds."""
        return list(KINDS)

    def rules(self) -> Rules:
        """Those in force."""
        return self._rules()

    # Looking.

    async def look(self) -> None:
        """Look once; done every few seconds."""
        if self._outage is not None:
            now = self._clock()
            found = self._outage.look(self._rules(), self._channels, self._book.mutes, now, self._monotonic())
            if found is not None:
                self._log(found)
                await self._wake()
        if self._shared is not None and not self._jobs.is_held:
            try:
                return await self._follow(self._shared)
            except StorageError as error:  # what was read last is shown
                log.debug("alerts of another hub cannot be read", extra={"error": str(error)})
                return None
        if not self._is_loaded:
            await self._load()
        if not self._is_loaded:
            return None
        if self._shared is not None:
            await self._hear(self._shared)
            if not self._is_writer:  # another hub's by now: at the next look
                return None
        looked = self._book.look(self._seen(), self._rules(), self._clock(), self._monotonic())
        self._log(looked)
        self._count(self._book.counts())
        await self._wake()
        return None

    async def _follow(self, shared: SharedRows) -> None:
        """Another hub has the book: show what it has written. Raises `StorageError`.

        Also asked for by who takes note here; meanwhile the book may have become this hub's.
        """
        if self._is_writer:
            return
        if self._is_loaded or self._read_as is None:
            self._is_loaded, self._read_as = False, None
            self._memory.drop()
            self._book = Book(Unwritten())
            self._count({})
        now, stands = self._monotonic(), await shared.signature()
        if self._read_as is not None and self._read_as[0] == stands and now - self._read_as[1] < _ANEW_EVERY:
            return
        kept = await self._memory.load(())
        if kept is not None and not self._is_loaded:
            self._book = Book(Unwritten())
            self._book.load(kept, self._clock())
            self._read_as = stands, now

    async def _hear(self, shared: SharedRows) -> None:
        """What people did at other hubs."""
        try:
            done = await shared.done()
        except StorageError:  # alerts are told all the same
            return
        mutes = {scope: mute for scope, mute in done.mutes.items() if not self._memory.is_waiting(scope)}
        mutes |= {scope: mute for scope, mute in self._book.mutes.items() if self._memory.is_waiting(scope)}
        self._book.hear(done.acknowledged, mutes)

    async def _run(self) -> None:
        while True:
            try:
                await self.look()
            except Exception:
                log.exception("a look at what is wrong failed")
            await asyncio.sleep(self._every)

    async def _load(self) -> None:
        """Read what an earlier life left. Without it nothing is raised: it would be told a second time."""
        kept = await self._memory.load(self._channels)
        if kept is not None:
            if self._shared is not None:
                self._book, self._read_as = Book(self._memory, self._channels), None
            self._book.load(kept, self._clock())
            self._is_loaded = True

    def _log(self, looked: Looked) -> None:
        for words, alerts in (("alert raised", looked.raised), ("alert cleared", looked.cleared)):
            for kind, count in Counter(alert.kind for alert in alerts).items():
                some = [alert for alert in alerts if alert.kind == kind][:_LOGGED_MAX]
                for alert in some if count <= _LOGGED_MAX else ():
                    log.info(words, extra={"number": alert.number, "kind": kind, "what": say_alert(alert)})
                if count > _LOGGED_MAX:
                    log.info(f"many alerts: {words}", extra={"kind": kind, "count": count})
        if looked.left_out and not self._left_out:
            log.error("too many alerts stand: more are not raised", extra={"count": looked.left_out})
        self._left_out = looked.left_out

    def _count(self, counts: Mapping[tuple[str, str], int]) -> None:
        if self._metrics is None:
            return
        for labels in self._counted - counts.keys():
            self._metrics.alerts.remove(*labels)
        for labels, count in counts.items():
            self._metrics.alerts.labels(*labels).set(count)
        self._counted = set(counts)

    async def _wake(self) -> None:
        async with self._news:
            self._news.notify_all()
