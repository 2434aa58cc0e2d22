"""What holds just now, from everywhere in the hub. A look is answered from memory: what stands in the database is read
in the background, and while that cannot be read, what was read last holds.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping

import msgspec
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.alerts import kinds as k
from cloud.alerts.alert import Condition
from cloud.alerts.book import Seen
from cloud.alerts.config import RulesFile
from cloud.alerts.crowd import bounded
from cloud.alerts.presence import Presence
from cloud.alerts.told import ALERTS
from cloud.cancelled import cancelled
from cloud.db.hubs_seen import hubs_lately, missed
from cloud.db.tables import callbacks, operations, resolutions
from cloud.kiosks.history import History
from cloud.kiosks.links import Links
from cloud.kiosks.registry import Registry
from cloud.kiosks.whereabouts import Whereabouts
from cloud.operations.operation import State
from cloud.updates.standings import Rollouts
from wire.masking import mask

log = logging.getLogger(__name__)

_WITHIN = 5.0  # for one question to the database
_TICK = 0.5
UNKNOWN_MAX = 200  # operations that are alerts of their own; of the rest it is said how many they are
_FAILED_MAX = 500
_CONTRADICTED_FOR = 3 * 86400.0
_CALLERS_WAIT = 300.0  # at most: see `Header-Timeout`
_WORDS_MAX = 200
_TROUBLES = {"database": k.DATABASE, "redis": k.REDIS}  # as `web.health` names them
_WELL = frozenset({"disabled", "connecting", "connected", "standby"})  # states of the bot that are no trouble

Data = dict[str, str | int | float | None]


class Source:
    """Something that is read from the database again and again. `found` is None while it is not known."""

    def __init__(
        self, name: str, kinds: Iterable[str], every: float, read: Callable[[], Awaitable[list[Condition] | None]]
    ) -> None:
        self.name = name
        self.kinds = frozenset(kinds)
        self.every = every
        self.read = read
        self.due = 0.0  # monotonic
        self.found: list[Condition] | None = None
        self.is_failing = False


class Facts:
    """Collects conditions. `start` begins to read; `look` is for `service.Alerts`."""

    def __init__(
        self,
        *,
        engine: AsyncEngine,
        registry: Registry,
        links: Links,
        rollouts: Rollouts,
        presence: Presence,
        standing: Callable[[float], Awaitable[list[Condition]]],
        troubles: Callable[[], Mapping[str, str]],
        telegram: Callable[[], str],
        rules: RulesFile,
        clock: Callable[[], float] = time.time,
        where: Whereabouts | None = None,
        history: History | None = None,
        is_heard: Callable[[str], bool] | None = None,
        hubs: Callable[[], Mapping[str, Mapping[str, str]]] | None = None,
    ) -> None:
        """`standing` are the rows of kiosks' events, for shifts from so many seconds on; `troubles` the hub's own by
        name; `telegram` the state of the bot. `where` knows of kiosks at other hubs; with `history`, since when kiosks
        are gone is known from that, whichever hub held them, and not from `presence`. `is_heard` says of a hub's life
        whether the bus brings what it says, `hubs` has what each of them says is wrong with it, this one's own among
        it, by what they are called; both None where no others share the database."""
        self._engine = engine
        self._registry = registry
        self._links = links
        self._rollouts = rollouts
        self._presence = presence
        self._standing = standing
        self._troubles = hubs or (lambda: {"": troubles()})
        self._telegram = telegram
        self._rules = rules
        self._clock = clock
        self._where = where or Whereabouts(links)
        self._history = history
        self._is_heard = is_heard
        self._unheard: dict[str, float] = {}  # hubs that live by the database, and since when the bus has none of them
        self._loop = asyncio.get_running_loop()
        self._began: dict[tuple[str, str], float] = {}  # troubles of hubs: since when, by kind and hub
        self._counts: deque[tuple[float, int]] = deque()  # of unsettled operations: monotonic, how many
        self._growing_since: float | None = None
        self._started = self._loop.time()
        self._task: asyncio.Task[None] | None = None
        # For metrics, as counted last: operations of unknown outcome; with those that are too late for their callers.
        self.unknown = self.unsettled = 0
        self._sources = [
            Source("rules", (), 3.0, self._read_rules),
            Source("presence", (k.OFFLINE,), 1.0, self._read_presence),
            Source("hubs", (k.GONE,), 3.0, self._read_hubs),
            Source("standing", frozenset(ALERTS.values()), 3.0, self._read_standing),
            Source("unknown operations", (k.UNKNOWN,), 5.0, self._read_unknown),
            Source("contradictions", (k.CONTRADICTED,), 5.0, self._read_contradictions),
            Source("unsettled operations", (k.UNSETTLED,), 5.0, self._read_unsettled),
            Source("updates", (k.UPDATE_FAILED, k.ROLLOUT_HELD), 5.0, self._read_updates),
            Source("callbacks", (k.CALLBACKS,), 5.0, self._read_callbacks),
        ]

    def start(self) -> None:
        """Begin to read."""
        self._task = asyncio.create_task(self._run(), name="alerts-facts")

    async def stop(self) -> None:
        """Stop."""
        if self._task:
            await cancelled(self._task)

    def look(self) -> Seen:
        """All that holds."""
        now = self._clock()
        found = [*self._own(now), *self._offline(now), *self._duplicates(now)]
        blind: set[str] = set()
        for source in self._sources:
            if source.found is None:
                blind |= source.kinds
            else:
                found += source.found
        return Seen(found, blind)

    # From memory

    def _own(self, now: float) -> list[Condition]:
        """The hub's own troubles, and what other hubs say is wrong with them."""
        told: dict[tuple[str, str], Data] = {
            (_TROUBLES[name], hub): {"error": words[:_WORDS_MAX]}
            for hub, troubles in self._troubles().items()
            for name, words in troubles.items()
            if name in _TROUBLES
        }
        if (state := self._telegram()) not in _WELL:
            told[k.TELEGRAM, ""] = {"words": state}
        if (error := self._rules.error) is not None:
            told[k.CONFIG, ""] = {"words": error[:_WORDS_MAX]}
        self._began = {key: min(self._began.get(key, now), now) for key in told}
        return [
            Condition(kind=kind, subject=hub, since=self._began[kind, hub], data=data)
            for (kind, hub), data in told.items()
        ]

    def _offline(self, now: float) -> list[Condition]:
        """Kiosks that are let in, were here once, and are not."""
        found, monotonic = [], self._loop.time()
        for kiosk in self._registry.all():
            if not kiosk.enabled or self._where.is_connected(kiosk.id):
                continue
            link = self._links.get(kiosk.id)
            if self._history is not None:
                last = self._history.last(kiosk.id)
                if last is None and kiosk.enrolled_at is None:
                    continue  # it was never here
                since = kiosk.enrolled_at if last is None else last.ended_at
                found.append(Condition(kind=k.OFFLINE, kiosk_id=kiosk.id, since=min(since or now, now)))
                continue
            if link is not None and link.lost_at is not None:
                since = now - (monotonic - link.lost_at)
            elif (gone := self._presence.gone_since(kiosk.id, kiosk.enrolled_at)) is not None:
                since = min(gone, now)
            else:
                continue
            found.append(Condition(kind=k.OFFLINE, kiosk_id=kiosk.id, since=since))
        return found

    def _duplicates(self, now: float) -> list[Condition]:
        """Identities that two boxes have."""
        found = []
        for kiosk_id, double in self._where.doubles().items():
            data: Data = {"address": double.address, "other_address": double.other}
            since = min(now, double.first_at)
            found.append(Condition(kind=k.DUPLICATE, kiosk_id=kiosk_id, since=since, data=data))
        return found

    # From the database

    async def _run(self) -> None:
        while True:
            for source in self._sources:
                if self._loop.time() >= source.due:
                    await self._read(source)
            await asyncio.sleep(_TICK)

    async def _read(self, source: Source) -> None:
        try:
            async with asyncio.timeout(_WITHIN):
                source.found = await source.read()
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            if not source.is_failing:
                extra = {"what": source.name, "error": str(error)[:_WORDS_MAX]}
                log.warning("what is wrong cannot be read; what was read last holds", extra=extra)
            source.is_failing = True
        except Exception:
            if not source.is_failing:
                log.exception("what is wrong cannot be read", extra={"what": source.name})
            source.is_failing = True
        else:
            source.is_failing = False
        source.due = self._loop.time() + source.every

    async def _read_rules(self) -> list[Condition]:
        await asyncio.to_thread(self._rules.look)
        return []

    async def _read_presence(self) -> list[Condition]:
        if self._history is not None:
            return []
        registry = self._registry
        links = list(self._links.all())
        await self._presence.note(links, lambda id: registry.get(id) is not None, self._clock(), self._loop.time())
        return []

    async def _read_hubs(self) -> list[Condition]:
        """Other hubs: those that died, and those that live and cannot be talked to."""
        if self._is_heard is None:
            return []
        now = self._clock()
        seen = await hubs_lately(self._engine, now)
        found = [
            Condition(kind=k.GONE, subject=each.name, since=min(now, each.ended_at or now))
            for each in missed(seen, now)
        ]
        unheard = {each.life: each for each in seen if each.ended_at is None and not self._is_heard(each.life)}
        self._unheard = {life: self._unheard.get(life, now) for life in unheard}
        words = "other hubs do not hear it, though it writes to the database"
        found += [
            Condition(kind=k.REDIS, subject=each.name, since=self._unheard[each.life], data={"error": words})
            for each in unheard.values()
        ]
        return found

    async def _read_standing(self) -> list[Condition]:
        rules = self._rules.rules.kinds
        found = []
        off_by = rules[k.CLOCK].limits["seconds"]
        for condition in await self._standing(rules[k.SHIFT].limits["hours"] * 3600.0):
            kiosk = self._registry.get(condition.kiosk_id)
            if kiosk is None or not kiosk.enabled:
                continue
            offset = condition.data.get("offset")
            if condition.kind == k.CLOCK and isinstance(offset, int | float) and abs(offset) <= off_by:
                continue
            found.append(_masked(condition))
        return bounded(found)

    async def _read_unknown(self) -> list[Condition]:
        c = operations.c
        is_unknown = c.final.is_(False) & (c.state == State.UNKNOWN)
        columns = (c.request_id, c.kiosk_id, c.operation, c.created_at, c.detail)
        statement = select(*columns).where(is_unknown).order_by(c.created_at, c.request_id).limit(UNKNOWN_MAX + 1)
        async with self._engine.connect() as connection:
            rows = (await connection.execute(statement)).all()
            count = len(rows)
            if count > UNKNOWN_MAX:
                count = (await connection.execute(select(func.count()).where(is_unknown))).scalar() or 0
        self.unknown = count
        found = [
            Condition(
                kind=k.UNKNOWN,
                kiosk_id=row.kiosk_id,
                subject=row.request_id,
                since=row.created_at,
                data={"operation": row.operation, "detail": mask(row.detail or "")[:_WORDS_MAX] or None},
            )
            for row in rows[:UNKNOWN_MAX]
        ]
        if count > UNKNOWN_MAX:
            data: Data = {"count": count - UNKNOWN_MAX}
            found.append(Condition(kind=k.UNKNOWN, since=rows[-1].created_at, data=data))
        return found

    async def _read_contradictions(self) -> list[Condition]:
        """Nothing heals them, so they hold for some days: whoever knows of one acknowledges it."""
        c = resolutions.c
        statement = (
            select(operations.c.kiosk_id, operations.c.operation, c.request_id, c.contradicted_at, c.contradiction)
            .join(operations, operations.c.request_id == c.request_id)
            .where(c.contradicted_at >= self._clock() - _CONTRADICTED_FOR)
            .order_by(c.contradicted_at.desc())
            .limit(UNKNOWN_MAX)
        )
        async with self._engine.connect() as connection:
            rows = (await connection.execute(statement)).all()
        return [
            Condition(
                kind=k.CONTRADICTED,
                kiosk_id=row.kiosk_id,
                subject=row.request_id,
                since=row.contradicted_at,
                data={"operation": row.operation, "words": mask(row.contradiction)[:_WORDS_MAX]},
            )
            for row in rows
        ]

    async def _read_unsettled(self) -> list[Condition] | None:
        c = operations.c
        # What is under way is as many as there are callers; what has been for so long has none any more.
        is_late = (c.state != State.QUEUED) & (c.created_at < self._clock() - _CALLERS_WAIT)
        is_open = c.final.is_(False) & ((c.state == State.UNKNOWN) | is_late)
        async with self._engine.connect() as connection:
            count = (
                await connection.execute(select(func.count()).select_from(operations).where(is_open))
            ).scalar() or 0
        self.unsettled = count
        limits = self._rules.rules.kinds[k.UNSETTLED].limits
        now, window = self._loop.time(), limits["minutes"] * 60.0
        self._counts.append((now, count))
        while self._counts[0][0] < now - window:
            self._counts.popleft()
        grown = count - min(before for _, before in self._counts)
        # Once it is told, it is over when they are few again, not when they only grow no more.
        grows = count >= limits["count"] and (grown >= limits["growth"] or self._growing_since is not None)
        if not grows:
            self._growing_since = None
            # Whether they grew before the hub started nobody knows: what an earlier life told of stands for a while.
            return None if count >= limits["count"] and now < self._started + window else []
        self._growing_since = self._growing_since or self._clock()
        return [Condition(kind=k.UNSETTLED, since=self._growing_since, data={"count": count})]

    async def _read_updates(self) -> list[Condition]:
        found: dict[tuple[str, str, str], Condition] = {}
        for standing in await self._rollouts.read_all():
            if standing.paused and standing.reason:
                data: Data = {"version": standing.version, "reason": standing.reason[:_WORDS_MAX]}
                since = standing.changed_at
                held = Condition(kind=k.ROLLOUT_HELD, subject=standing.channel, since=since, data=data)
                found[held.key] = held
            for failure in await self._rollouts.failures(standing.version):
                one = Condition(
                    kind=k.UPDATE_FAILED,
                    kiosk_id=failure.kiosk,
                    subject=failure.version,
                    since=failure.at,
                    data={"reason": mask(failure.reason)[:_WORDS_MAX]},
                )
                found[one.key] = one
        return list(found.values())[:_FAILED_MAX]

    async def _read_callbacks(self) -> list[Condition]:
        c = callbacks.c
        waits = c.next_at.is_not(None)
        async with self._engine.connect() as connection:
            oldest = (await connection.execute(select(func.min(c.created_at)).where(waits))).scalar()
            if oldest is None:
                return []
            tried = select(func.count()).select_from(callbacks).where(waits, c.attempts > 0)
            failing = (await connection.execute(tried)).scalar() or 0
        limits = self._rules.rules.kinds[k.CALLBACKS].limits
        if self._clock() - oldest < limits["minutes"] * 60.0 and failing <= limits["failing"]:
            return []
        return [Condition(kind=k.CALLBACKS, since=oldest, data={"count": failing})]


def _masked(condition: Condition) -> Condition:
    """What a device or a kiosk says may hold anything."""
    data = {name: mask(value) if isinstance(value, str) else value for name, value in condition.data.items()}
    return condition if data == condition.data else msgspec.structs.replace(condition, data=data)
