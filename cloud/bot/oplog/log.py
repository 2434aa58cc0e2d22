"""The task that reads the feed and says what the plan says.

While a call to Telegram is under way, however long, the feed is read on, so that what cannot be shown is counted.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import datetime

import msgspec

from cloud.bot.html import Html
from cloud.bot.oplog.line import Drawn, File, draw
from cloud.bot.oplog.plan import Announce, Attach, Call, Digest, Edit, Plan, Send
from cloud.bot.reply import Language, Target
from cloud.bot.talk import Limited, Rejected, Talk, TalkError
from cloud.bot.texts import Texts
from cloud.bot.texts.times import span
from cloud.cancelled import cancelled
from cloud.operations.feed import Feed, Reader, Told

log = logging.getLogger(__name__)

_LOOK_EVERY = 0.1  # seconds between two looks at the feed: it may fill quickly
_CALL_TIMEOUT = 30.0
_AFTER_MISTAKE = 1.0
_AT_STOP = 1.0  # of a stop, for what is not yet shown
_LARGE = 4 * 1024  # bytes of bodies that are laid out beside the loop rather than in it


class _Taken(msgspec.Struct, frozen=True):
    """What Telegram gave for a call."""

    message_id: int = 0
    files: tuple[File, ...] = ()


class OpLog:
    """Writes the operations of `feed` to `target`. `rate` is messages a minute, of all `hubs` together."""

    def __init__(
        self,
        *,
        feed: Feed,
        talk: Talk,
        target: Target,
        rate: float,
        say: Texts,
        language: Language,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        hubs: Callable[[], int] = lambda: 1,
    ) -> None:
        self._feed = feed
        self._talk = talk
        self._target = target
        self._rate = rate
        self._say = say
        self._language = language
        self._clock = clock
        self._wall = wall
        self._hubs = hubs
        self._plan = Plan(rate, clock())
        self._reader: Reader | None = None
        self._lost = 0
        self._task: asyncio.Task[None] | None = None
        self._failing = ""
        self._leaving = False

    @property
    def is_digest(self) -> bool:
        """Whether operations are counted rather than shown one by one."""
        return self._plan.is_digest

    def start(self) -> None:
        """Read along from now on."""
        self._reader = self._feed.open()
        self._task = asyncio.create_task(self._keep_running(self._reader), name="operation-log")

    async def stop(self) -> None:
        """Show what can be shown at once, then no more."""
        if self._task is None or self._reader is None:
            return
        self._leaving = True
        self._feed.close(self._reader)
        await asyncio.wait([self._task], timeout=_AT_STOP)
        await cancelled(self._task)

    async def __aenter__(self) -> "OpLog":
        self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()

    async def _keep_running(self, reader: Reader) -> None:
        """A mistake of ours costs what waits, and the messages that were to be edited; not the log."""
        while True:
            try:
                return await self._run(reader)
            except Exception:
                log.exception("the operation log failed, and begins anew")
                self._plan = Plan(self._rate, self._clock())
                await asyncio.sleep(_AFTER_MISTAKE)

    async def _run(self, reader: Reader) -> None:
        under_way: tuple[Call, asyncio.Task[_Taken]] | None = None
        try:
            while True:
                self._read(reader)
                if under_way is not None:
                    call, task = under_way
                    await asyncio.wait([task], timeout=_LOOK_EVERY)
                    if task.done():
                        under_way = None
                        self._read(reader)  # it may be about the very operation
                        self._came_of(call, task)
                    continue
                now = self._clock()
                if (next_call := self._plan.next(now)) is not None:
                    under_way = next_call, asyncio.create_task(self._carry_out(next_call), name="operation-log-call")
                    continue
                if self._leaving and (self._failing or self._plan.is_idle):
                    return
                wake_at = now + _LOOK_EVERY if self._leaving else self._plan.wake_at
                if await reader.wait(60.0 if wake_at is None else min(60.0, max(0.0, wake_at - now))):
                    await asyncio.sleep(_LOOK_EVERY)  # together with what comes right after
        finally:
            if under_way is not None:
                await cancelled(under_way[1])

    def _read(self, reader: Reader) -> None:
        now = self._clock()
        self._plan.limit(self._rate / max(1, self._hubs()))
        if reader.lost > self._lost:
            self._plan.lost(reader.lost - self._lost)
            self._lost = reader.lost
        for told in reader.take():
            self._plan.told(told, now)

    def _came_of(self, call: Call, task: asyncio.Task[_Taken]) -> None:
        now = self._clock()
        try:
            taken = task.result()
        except Limited as error:
            self._plan.limited(call, error.after, now)
        except Rejected as error:
            self._trouble(str(error), quiet=isinstance(call, Edit | Attach))
            self._plan.rejected(call, now)
        except (TalkError, TimeoutError) as error:
            self._trouble(str(error) or "no answer in time")
            self._plan.unreachable(call, now)
        except Exception:  # a mistake of ours in one operation must not end the log of all
            log.exception("an operation could not be shown", extra={"call": type(call).__name__})
            self._plan.rejected(call, now)
        else:
            if self._failing:
                log.info("the operation log is taken again")
            self._failing = ""
            self._plan.done(call, now, taken.message_id, taken.files)

    def _trouble(self, words: str, *, quiet: bool = False) -> None:
        if not self._failing and not quiet:
            log.warning("the operation log is not taken", extra={"error": words[:200]})
        if not quiet:
            self._failing = words or "?"

    async def _carry_out(self, call: Call) -> _Taken:
        """Make one call. Raises `TalkError`, or `TimeoutError`: then it is not known whether it arrived."""
        match call:
            case Send(told=told, was_unknown=was_unknown):
                drawn = await self._drawn(told, was_unknown=was_unknown)
                async with asyncio.timeout(_CALL_TIMEOUT):
                    return _Taken(await self._talk.send(self._target, drawn.html, silent=True), drawn.files)
            case Edit(message_id=message_id, told=told, was_unknown=was_unknown, bodies=bodies):
                drawn = await self._drawn(told, was_unknown=was_unknown, bodies=bodies)
                async with asyncio.timeout(_CALL_TIMEOUT):
                    await self._talk.edit(self._target, message_id, drawn.html)
                return _Taken(message_id, drawn.files)
            case Attach(message_id=message_id, file=file):
                async with asyncio.timeout(2 * _CALL_TIMEOUT):
                    await self._talk.send_file(self._target, file.name, file.data, file.caption, reply_to=message_id)
                return _Taken()
            case Announce():
                html = self._say(self._language, "oplog.begins", rate=self._plan.rate)
            case Digest():
                html = self._digest(call)
        async with asyncio.timeout(_CALL_TIMEOUT):
            return _Taken(await self._talk.send(self._target, html, silent=True))

    async def _drawn(self, told: Told, *, was_unknown: bool, bodies: bool = True) -> Drawn:
        def make() -> Drawn:
            return draw(self._say, self._language, told, was_unknown=was_unknown, bodies=bodies)

        return await asyncio.to_thread(make) if len(told.body) + len(told.answer) > _LARGE else make()

    def _digest(self, digest: Digest) -> Html:
        say, language = self._say, self._language
        notes = []
        if digest.away:
            notes.append(say(language, "oplog.away", time=span(language, digest.away)))
        if digest.paused:
            notes.append(say(language, "oplog.paused", time=span(language, digest.paused)))
        if notes:
            notes[-1] = Html(f"{notes[-1]} {say(language, 'oplog.meanwhile')}")
        return digest.tally.draw(
            say,
            language,
            seconds=digest.seconds,
            until=datetime.fromtimestamp(self._wall(), say.zone).strftime("%H:%M:%S %Z"),
            notes=notes,
            foot=say(language, "oplog.calm" if digest.calm else "oplog.goes_on"),
        )
