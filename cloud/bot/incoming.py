"""What Telegram delivers, on the disk before Telegram is told that it was taken; worked off in order.

One chat's updates are carried out one after the other, several chats' beside each other. A row says when it was begun
and when it was done: one that an earlier life of the hub began and did not end is carried out again if that changes
nothing, and else told about. Strangers' updates are not stored. Where the database does not answer, what only reads is
carried out all the same, since that is when people ask, and what changes something is refused.
"""

import asyncio
import contextlib
import logging
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence

import msgspec
from sqlalchemy import delete, or_, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.bot.doing import Doing, How
from cloud.bot.hearing import Heard, Update, hear, read_update
from cloud.cancelled import cancelled
from cloud.db.dialect import insert_into
from cloud.db.engine import explain
from cloud.db.tables import bot_updates
from cloud.metrics import Metrics
from wire.crashpoint import crash_point

log = logging.getLogger(__name__)

TOO_OLD = 600.0  # seconds after which a command that changes something is not carried out any more
_CHATS_AT_ONCE, _STRANGERS_AT_ONCE = 8, 2
_LOADED_MAX = 300  # in memory; the rest stays in the table
_PASSING_MAX = 100  # of what is not stored, and of strangers' as many; more is dropped
_LOOK_EVERY = 1.0
_FORGET_EVERY = 3600.0
_KEPT_FOR, _KEPT_MAX = 7 * 86400.0, 1000
_FINISH_WITHIN = 1.0  # at a stop, what is under way
_SEEN_MAX = 1000


_Lane = tuple[int | str, bool]  # a chat, and whether strangers': they delay nobody in it


class _Item(msgspec.Struct, kw_only=True):
    """One update to be carried out. `age` is how old it was at `since` (monotonic)."""

    update_id: int
    heard: Heard
    age: float
    since: float
    is_stored: bool
    was_begun: bool = False


class Incoming:
    """Takes updates and has them carried out. `is_working` says whether this hub is the one that works them off."""

    def __init__(
        self,
        engine: AsyncEngine,
        doing: Doing,
        *,
        is_admin: Callable[[int], bool],
        metrics: Metrics,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._engine = engine
        self._doing = doing
        self._is_admin = is_admin
        self._metrics = metrics
        self._clock = clock
        self.username = ""  # the bot's own, once Telegram has told it
        self.is_working = True
        self._queues: OrderedDict[_Lane, deque[_Item]] = OrderedDict()  # each with what waits there
        self._chats: dict[_Lane, asyncio.Task[None]] = {}  # those that are worked on
        self._known: set[int] = set()  # stored ones in memory
        self._done: dict[int, float] = {}  # carried out, and not yet noted in the table
        self._ages: OrderedDict[int, tuple[float, float]] = OrderedDict()  # of those that came in this life
        self._passing: OrderedDict[int, None] = OrderedDict()  # not stored; they may come again as well
        self._waiting: set[int] = set()  # stored ones that wait for the database, and whose senders know it
        self._held: set[int] = set()  # stored ones that Telegram may still tell another hub
        self._left: dict[int, None] = {}  # held when this hub lost the lease: another hub's, unless they come again
        self._has_looked_back = False  # since this hub works them off
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._forgot_at = 0.0
        self._taken = 0
        self._is_failing = False
        self._is_stopping = False

    def start(self) -> None:
        """Begin to work off what is there."""
        self._task = asyncio.create_task(self._run(), name="bot: incoming")

    async def stop(self) -> None:
        """Stop; what is under way has a moment to end."""
        if self._task is None:
            return
        self._is_stopping = True
        self._news.set()
        # A statement that is cut off costs its connection: all of them have a moment to end.
        await asyncio.wait([self._task, *self._chats.values()], timeout=_FINISH_WITHIN)
        tasks = [self._task, *self._chats.values()]
        await cancelled(*tasks)
        with contextlib.suppress(SQLAlchemyError, OSError):
            await self._note_done()

    def wake(self) -> None:
        """Look at once: this hub may work them off now."""
        self._news.set()

    def release(self) -> None:
        """Telegram has been told that what was taken is taken: it is nobody else's, and may be carried out."""
        if self._held:
            self._held.clear()
            self._news.set()

    def leave(self) -> None:
        """Another hub is the one that hears: what Telegram was not told to be taken, Telegram tells it."""
        self._left.update(dict.fromkeys(self._held))
        self._held.clear()
        while len(self._left) > _SEEN_MAX:
            del self._left[next(iter(self._left))]

    async def take(self, payloads: Sequence[bytes], *, fresh_within: float | None = None, hold: bool = False) -> None:
        """Take updates as Telegram delivered them; once this returns, Telegram may forget them.

        None of them can be older than `fresh_within` seconds where that is known, whatever the clocks say. With `hold`
        those that are stored wait for `release`.
        """
        rows: list[dict[str, object]] = []
        items: dict[int, _Item] = {}
        now, since = self._clock(), time.monotonic()
        for payload in payloads:
            found = read_update(payload)
            heard = self._hear(found)
            if found is None:
                log.warning("an update of Telegram could not be read", extra={"bytes": len(payload)})
            if found is None or heard is None:
                self._metrics.telegram_updates.labels("ignored").inc()
                continue
            age = max(0.0, now - heard.sent_at) if heard.sent_at else 0.0
            if fresh_within is not None:
                age = min(age, fresh_within)
            item = _Item(update_id=found.update_id, heard=heard, age=age, since=since, is_stored=False)
            if heard.what in ("stranger", "moved"):
                self._pass(item)
            else:
                items[item.update_id] = item
                rows.append({"update_id": item.update_id, "received_at": now, "payload": payload})
        if not rows:
            return
        for item in items.values():
            self._remember_age(item)
            self._left.pop(item.update_id, None)
        if hold:
            self._held.update(items)
        try:
            async with self._engine.begin() as connection:
                await connection.execute(insert_into(self._engine, bot_updates).on_conflict_do_nothing(), rows)
                crash_point("hub.bot.take.before")
            crash_point("hub.bot.take.after")
        except (SQLAlchemyError, OSError) as error:
            log.warning("updates of Telegram are not stored", extra={"count": len(rows), "error": explain(error)})
            self._held.difference_update(items)
            for item in items.values():
                self._pass(item)
        else:
            self._taken += len(rows)
            self._news.set()

    def _hear(self, found: Update | None) -> Heard | None:
        return hear(found, username=self.username, is_admin=self._is_admin) if found is not None else None

    def _remember_age(self, item: _Item) -> None:
        self._ages[item.update_id] = item.since, item.age
        while len(self._ages) > _SEEN_MAX:
            self._ages.popitem(last=False)

    def _pass(self, item: _Item) -> None:
        """Carry one out without storing it, once."""
        if item.update_id in self._passing:
            return
        self._passing[item.update_id] = None
        while len(self._passing) > _SEEN_MAX:
            self._passing.popitem(last=False)
        most = _PASSING_MAX if _is_strangers(item) else _PASSING_MAX + _LOADED_MAX
        if sum(len(queue) for lane, queue in self._queues.items() if lane[1] == _is_strangers(item)) >= most:
            self._metrics.telegram_updates.labels("dropped").inc()
            return
        self._put(item)
        self._begin()

    def _put(self, item: _Item) -> None:
        self._queues.setdefault((item.heard.target.chat_id, _is_strangers(item)), deque()).append(item)

    async def _run(self) -> None:
        while not self._is_stopping:
            self._news.clear()
            try:
                await self._note_done()
                if self.is_working and self.username:  # before that nobody knows which commands name this bot
                    await self._load()
                    await self._forget()
                if not self.is_working:
                    self._has_looked_back = False
                self._is_failing = False
            except (SQLAlchemyError, OSError) as error:
                if not self._is_failing:
                    log.warning("what the bot was told waits for the database", extra={"error": explain(error)})
                self._is_failing = True
            except Exception:
                log.exception("what the bot was told could not be read")
            self._begin()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY):
                    await self._news.wait()

    async def _load(self) -> None:
        """Have what is stored and not done in memory, as much as there is room for."""
        room = _LOADED_MAX - len(self._known)
        if room <= 0:
            return
        not_now = [*self._known, *self._held, *self._left]
        wanted = select(bot_updates).where(bot_updates.c.done_at.is_(None), bot_updates.c.update_id.not_in(not_now))
        if self._has_looked_back:
            # What is found begun now, another hub on this database has begun just now; or this one, without knowing.
            is_mine = bot_updates.c.update_id.in_(list(self._waiting))
            wanted = wanted.where(or_(bot_updates.c.begun_at.is_(None), is_mine))
        async with self._engine.connect() as connection:
            rows = list(await connection.execute(wanted.order_by(bot_updates.c.update_id).limit(room)))
        self._has_looked_back = self._has_looked_back or len(rows) < room
        for row in rows:
            found = read_update(row.payload)
            # Whoever is no admin any more since it was stored is not obeyed; and what was carried out as not stored, or
            # refused as that, may be stored all the same, where the answer to a commit was lost.
            heard = self._hear(found)
            if heard is None or heard.what == "stranger" or row.update_id in self._passing:
                self._done[row.update_id] = self._clock()
                self._news.set()
                continue
            since, age = self._ages.get(row.update_id, (0.0, 0.0))
            if not since:  # of an earlier life
                since, age = time.monotonic(), max(0.0, self._clock() - (heard.sent_at or row.received_at))
            self._known.add(row.update_id)
            self._put(
                _Item(
                    update_id=row.update_id,
                    heard=heard,
                    age=age,
                    since=since,
                    is_stored=True,
                    was_begun=row.begun_at is not None,
                )
            )

    def _begin(self) -> None:
        """Work on chats where something waits."""
        for lane in list(self._queues):
            if self._is_stopping:
                return
            most = _STRANGERS_AT_ONCE if lane[1] else _CHATS_AT_ONCE
            if lane not in self._chats and sum(lane[1] == other[1] for other in self._chats) < most:
                task = self._chats[lane] = asyncio.create_task(self._work(lane), name="bot: chat")
                task.add_done_callback(lambda _, lane=lane: self._ended(lane))  # type: ignore[misc]

    def _ended(self, lane: _Lane) -> None:
        del self._chats[lane]
        self._begin()

    async def _work(self, lane: _Lane) -> None:
        queue = self._queues[lane]
        while queue and not self._is_stopping:
            item = queue.popleft()
            try:
                await self._one(item)
            except Exception:
                log.exception("an update could not be carried out")
                self._done[item.update_id] = self._clock()
        del self._queues[lane]

    async def _one(self, item: _Item) -> None:
        heard, changes = item.heard, self._doing.changes(item.heard)
        age = item.age + time.monotonic() - item.since
        how = How.DO
        if item.was_begun and changes:
            how = How.RESTARTED
        elif changes and age > TOO_OLD:
            how = How.TOO_OLD
        elif changes and not item.is_stored:
            how = How.NO_DATABASE
        if item.is_stored and changes and how is How.DO:
            mine = await self._note_begun(item)
            if mine is None:
                # It stays open in the table, and is loaded again once that answers.
                if item.update_id not in self._waiting:
                    self._waiting.add(item.update_id)
                    await self._doing.carry_out(heard, How.WAITS, age)
                self._known.discard(item.update_id)
                return
            if not mine:
                log.warning("another hub has begun an update", extra={"update_id": item.update_id})
                self._known.discard(item.update_id)
                return
        elif item.is_stored:
            await self._note_begun(item)
        self._waiting.discard(item.update_id)
        self._metrics.telegram_updates.labels(how.value).inc()
        await self._doing.carry_out(heard, how, age)
        if item.is_stored:
            self._done[item.update_id] = self._clock()
            with contextlib.suppress(SQLAlchemyError, OSError):  # tried again in a while
                await self._note_done()

    async def _note_begun(self, item: _Item) -> bool | None:
        """Note that it is begun: False where another hub has begun it meanwhile, None where that cannot be written.

        What only reads and was begun before counts as done: it may be what ended the hub.
        """
        now = self._clock()
        this = update(bot_updates).where(bot_updates.c.update_id == item.update_id, bot_updates.c.done_at.is_(None))
        if item.was_begun:
            values = {"begun_at" if self._doing.changes(item.heard) else "done_at": now}
        else:
            this, values = this.where(bot_updates.c.begun_at.is_(None)), {"begun_at": now}
        try:
            async with self._engine.begin() as connection:
                is_mine = (await connection.execute(this.values(values))).rowcount == 1
                crash_point("hub.bot.begin.before")
            crash_point("hub.bot.begin.after")
        except (SQLAlchemyError, OSError):
            return None
        return is_mine

    async def _note_done(self) -> None:
        """Note what was carried out."""
        if not self._done:
            return
        done = dict(self._done)
        async with self._engine.begin() as connection:
            for update_id, at in done.items():
                this = update(bot_updates).where(bot_updates.c.update_id == update_id)
                await connection.execute(this.values(done_at=at))
            crash_point("hub.bot.done.before")
        crash_point("hub.bot.done.after")
        for update_id in done:
            self._done.pop(update_id, None)
            self._known.discard(update_id)

    async def _forget(self) -> None:
        """Delete what was done long ago, and what is too much of it."""
        now = time.monotonic()
        if self._forgot_at and now - self._forgot_at < _FORGET_EVERY and self._taken < _KEPT_MAX:
            return
        is_done = bot_updates.c.done_at.is_not(None)
        wanted = select(bot_updates.c.update_id).where(is_done).order_by(bot_updates.c.done_at.desc())
        too_many = wanted.offset(_KEPT_MAX).limit(_KEPT_MAX)
        async with self._engine.begin() as connection:
            await connection.execute(
                delete(bot_updates).where(is_done, bot_updates.c.done_at < self._clock() - _KEPT_FOR)
            )
            await connection.execute(delete(bot_updates).where(bot_updates.c.update_id.in_(too_many)))
            crash_point("hub.bot.forget.before")
        crash_point("hub.bot.forget.after")
        self._forgot_at, self._taken = now, 0


def _is_strangers(item: _Item) -> bool:
    return item.heard.what == "stranger"
