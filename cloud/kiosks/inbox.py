"""Kiosks' events, stored once each and in order, then acknowledged.

A kiosk numbers its events within its journal. An event that skips a number is left aside once: if the kiosk, telling
again from the last acknowledged one, skips it again, the kiosk has dropped what lies between, and it is taken. A batch
says after which number it comes, so that what is missing in it is known to be dropped.

Events that are stored together are stored all or not at all: the last number stored stands for all before it.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Sequence

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.db.dialect import insert_ignoring
from cloud.db.tables import events
from cloud.db.writer import Write, Writer
from cloud.errors import StorageError
from cloud.kiosks.links import Link, Links
from cloud.metrics import Metrics
from wire.messages import Event, Events

log = logging.getLogger(__name__)

_TEXT_MAX = 64
_WAITING_MAX = 1000  # messages; a kiosk with batches has one under way
_BATCHES_MAX = 4
_COLUMNS = ("kiosk_id", "journal", "seq", "at", "received_at", "kind", "device", "data")

_Row = tuple[Write, tuple[object, ...]]
Beside = Callable[[str, Event], _Row | None]


class Inbox:
    """Takes events off the links and into the store."""

    def __init__(
        self,
        *,
        engine: AsyncEngine,
        writer: Writer,
        links: Links,
        metrics: Metrics,
        beside: Sequence[Beside] = (),
    ) -> None:
        """Each of `beside` may give a row that is to be written with a kiosk's event, or not at all."""
        self._engine = engine
        self._writer = writer
        self._links = links
        self._metrics = metrics
        self._beside = beside
        self._insert = Write(3, engine, insert_ignoring(engine, events), _COLUMNS, point="hub.inbox.event")
        self._tasks: set[asyncio.Task[None]] = set()

    async def stop(self) -> None:
        """Wait for what is being stored."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def take(self, link: Link, message: Event | Events) -> None:
        """Store events and acknowledge them. What cannot be stored now is told again by the kiosk later."""
        if link.events_waiting is not None:
            most = _BATCHES_MAX if isinstance(message, Events) else _WAITING_MAX
            if len(link.events_waiting) < most:
                link.events_waiting.append(message)
            return
        link.events_waiting = [message]
        task = asyncio.create_task(self._drain(link), name="store-events")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _drain(self, link: Link) -> None:
        try:
            while link.events_waiting and link.socket and link.hello:
                group, link.events_waiting = link.events_waiting, []
                socket, journal = link.socket, link.hello.journal[:_TEXT_MAX]
                async with self._writer.turns:
                    if link.socket is socket:  # else it is told again, on the next socket, be it of another journal
                        await self._store(link, journal, group)
                if link.socket is not socket:
                    link.events_stored = link.events_gap = None  # of another journal, perhaps
                elif link.events_stored is not None:
                    self._links.perform(link, link.session.acknowledge(link.events_stored))
        except (StorageError, SQLAlchemyError, OSError) as error:
            log.warning("events could not be stored", extra={"kiosk": link.kiosk_id, "error": str(error)[:200]})
            link.events_stored = None
        finally:
            link.events_waiting = None

    async def _store(self, link: Link, journal: str, group: list[Event | Events]) -> None:
        devices = link.devices  # a hello that comes while this is stored knows better
        if link.events_stored is None:
            link.events_stored = await self._last(link.kiosk_id, journal)
        last = link.events_stored
        new: list[Event] = []
        for message in group:
            for event in self._new(link, message, last):
                last = event.seq
                new.append(event)
        if new:
            rows = [(self._insert, _row(link.kiosk_id, journal, event)) for event in new]
            rows += [row for event in new for each in self._beside if (row := each(link.kiosk_id, event)) is not None]
            (insert, first), *more = rows
            await self._writer.write(insert, first, *more)
        for event in new:
            devices.heard(event)
            if event.kind == "state-changed":
                self._links.others.changed(link.kiosk_id)
            log.info(
                "kiosk event",
                extra={
                    "kiosk": link.kiosk_id,
                    "kind": event.kind[:_TEXT_MAX],
                    "device": event.device[:_TEXT_MAX] or None,
                    "seq": event.seq,
                },
            )
        self._metrics.events.inc(len(new))
        link.events_stored = last

    def _new(self, link: Link, message: Event | Events, last: int) -> Iterator[Event]:
        """What of a message comes next after number `last`."""
        if isinstance(message, Events):
            if message.after > last:  # one before it was swallowed, and will be told again
                return
            for event in message.events:
                if event.seq > last:
                    last = event.seq
                    yield event
            link.events_gap = None
            return
        if message.seq <= last:
            return
        if message.seq != last + 1 and message.seq != link.events_gap:
            if link.events_gap is None:
                link.events_gap = message.seq
            return
        link.events_gap = None
        yield message

    async def _last(self, kiosk_id: str, journal: str) -> int:
        async with self._engine.connect() as connection:
            statement = select(func.max(events.c.seq)).where(events.c.kiosk_id == kiosk_id, events.c.journal == journal)
            return (await connection.execute(statement)).scalar() or 0


def _row(kiosk_id: str, journal: str, event: Event) -> tuple[object, ...]:
    kind, device = event.kind[:_TEXT_MAX], event.device[:_TEXT_MAX]
    return (kiosk_id, journal, event.seq, event.at, time.time(), kind, device, bytes(event.data))
