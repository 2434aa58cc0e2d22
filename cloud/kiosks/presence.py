"""Where every kiosk is: this hub tells all others who came to it and who left, and hears the same of them.

What is told is told within milliseconds and in one message for many; of a kiosk that comes and goes all the time only
how it stands last. What gets lost is found by its number within a second or two, and asked for.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterable, Mapping

import msgspec

from cloud.bus.bus import Bus, NoAnswerError, Peer
from cloud.cancelled import cancelled
from cloud.kiosks.elsewhere import Seen
from cloud.kiosks.far import Asking
from cloud.kiosks.gossip import (
    DEVICES_MAX,
    ROUTES_MAX,
    Here,
    KiosksListed,
    KiosksMoved,
    KiosksStand,
    KiosksWanted,
    Known,
    Left,
    Telling,
)
from cloud.kiosks.link import Link
from cloud.kiosks.links import Links
from cloud.kiosks.newcomer import Newcomer

log = logging.getLogger(__name__)

_TELL_AFTER = 0.005
_TELL_AGAIN = 0.25  # the bus has no room just now
# In one message; of what kiosks say of themselves about so many bytes.
_MOST, _BYTES_MOST = 500, 256 * 1024
_STAND_EVERY = 1.0
_DEVICES_EVERY = 1.0  # of one kiosk
_PAGE_WITHIN = 2.0
_LIST_FOR = 30.0  # seconds after which a list that nobody finished is forgotten
# Whoever finds out that something is missing does not ask at once: so many others may, of the same hub.
_JITTER, _PAUSE_MOST = 0.3, 2.0
_AT_ONCE = 1000  # kiosks whose changes are told on before the loop has its turn


class _List:
    """A list that another hub reads."""

    __slots__ = ("begun_at", "ids", "is_whole", "number")

    def __init__(self, ids: list[str], *, number: int, is_whole: bool, now: float) -> None:
        self.ids = ids
        self.number = number
        self.is_whole = is_whole
        self.begun_at = now


class Presence:
    """The kiosks of all hubs. It is the `Elsewhere` of whoever asks, and the `Others` of the links."""

    def __init__(self, bus: Bus, links: Links, *, chance: Callable[[], float] = random.random) -> None:
        """To be made before the bus is started."""
        self._bus = bus
        self._links = links
        self._chance = chance
        self._loop = asyncio.get_running_loop()
        self._telling = Telling()
        self._known = Known()
        self._here: set[str] = set()  # as told
        self._changed: list[Callable[[str], None]] = []
        self._devices_at: dict[str, float] = {}  # when those of a kiosk were told last, or are to be
        self._lists: dict[str, _List] = {}  # by who reads them, one each
        self._fetches: dict[str, asyncio.Task[None]] = {}
        self._flushing: asyncio.TimerHandle | None = None
        self._later: set[asyncio.Handle] = set()
        self._task: asyncio.Task[None] | None = None
        self._news: list[str] = []  # changes that are to be told on
        bus.hear(KiosksMoved, self._heard_moved)
        bus.hear(KiosksStand, self._heard_stand)
        bus.answer(KiosksWanted, self._list)
        bus.when_came(self._hub_came)
        bus.when_gone(self._hub_gone)
        bus.when_back(self._bus_back)
        self._asking = Asking(bus, self, links)
        links.others = self

    async def start(self) -> None:
        """Begin to say now and then how far this hub is."""
        if self.is_shared:
            self._task = asyncio.create_task(self._run(), name="presence")

    async def stop(self) -> None:
        """Tell and ask no more."""
        if self._flushing:
            self._flushing.cancel()
        for handle in self._later:
            handle.cancel()
        tasks = [*([self._task] if self._task else []), *self._fetches.values()]
        await cancelled(*tasks)
        await self._asking.stop()

    # `Elsewhere`.

    def get(self, kiosk_id: str) -> Seen | None:
        """See `Elsewhere`."""
        return self._known.get(kiosk_id)

    def all(self) -> Mapping[str, Seen]:
        """See `Elsewhere`."""
        return self._known.all()

    def when_changed(self, call: Callable[[str], None]) -> None:
        """See `Elsewhere`."""
        self._changed.append(call)

    # `Others`.

    @property
    def is_shared(self) -> bool:
        """See `Others`."""
        return self._bus.is_shared

    def came(self, kiosk_id: str) -> None:
        """See `Others`."""
        self._note(kiosk_id)

    def left(self, kiosk_id: str) -> None:
        """See `Others`."""
        self._devices_at.pop(kiosk_id, None)
        self._note(kiosk_id)

    def changed(self, kiosk_id: str) -> None:
        """See `Others`. Told once a second at most."""
        now, at = self._loop.time(), self._devices_at.get(kiosk_id)
        if not self.is_shared or (at is not None and at > now):
            return  # about to be told
        wait = 0.0 if at is None else max(0.0, at + _DEVICES_EVERY - now)
        self._devices_at[kiosk_id] = now + wait
        if wait:
            self._call_later(wait, self._note_devices, kiosk_id)
        else:
            self._note(kiosk_id)

    def epoch(self, kiosk_id: str, least: int) -> int:
        """See `Others`."""
        seen = self._known.get(kiosk_id)
        return max(least + 1, seen.epoch + 1 if seen else 0, int(self._bus.now() * 1_000_000))

    def asks(self, kiosk_id: str, newcomer: Newcomer, done: Callable[[int, int], None]) -> bool:
        """See `Others`."""
        return self._asking.ask(kiosk_id, newcomer, done)

    def forget(self, kiosk_id: str) -> None:
        """See `Others`."""
        self._asking.forget(kiosk_id)

    def doubts(self, kiosk_id: str) -> None:
        """See `Others`."""
        self._asking.doubt(kiosk_id)

    # What is told.

    def _note(self, kiosk_id: str) -> None:
        if self.is_shared:
            self._telling.note(kiosk_id)
            if self._flushing is None:
                self._flushing = self._loop.call_later(_TELL_AFTER, self._flush)

    def _note_devices(self, kiosk_id: str) -> None:
        if kiosk_id in self._devices_at:
            self._note(kiosk_id)

    def _flush(self) -> None:
        """Tell a batch. While nobody can be reached it counts as told: who missed its number asks."""
        self._flushing = None
        came, left = self._told_of(self._telling.next(_MOST))
        if not came and not left:
            return
        news = KiosksMoved(number=self._telling.number + 1, came=came, left=left)
        if not self._bus.tell_all(news) and self._bus.is_up:
            self._flushing = self._loop.call_later(_TELL_AGAIN, self._flush)
            return
        self._here.update(each.kiosk_id for each in came)
        self._here.difference_update(each.kiosk_id for each in left)
        self._telling.told([*(each.kiosk_id for each in came), *(each.kiosk_id for each in left)])
        if self._telling:
            self._flushing = self._loop.call_later(_TELL_AFTER, self._flush)

    def _told_of(self, kiosk_ids: Iterable[str]) -> tuple[list[Here], list[Left]]:
        """How these stand; fewer where that would be too long for one message."""
        came: list[Here] = []
        left: list[Left] = []
        size, skew = 0, self._bus.now() - time.time()
        for kiosk_id in kiosk_ids:
            link = self._links.get(kiosk_id)
            if link is None or not link.ready:
                left.append(Left(kiosk_id, link.epoch if link else 0))
                continue
            came.append(here := _here(link, skew))
            size += _size(here)
            if size > _BYTES_MOST:
                break
        return came, left

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(_STAND_EVERY)
            if not self._telling:
                self._bus.tell_all(KiosksStand(number=self._telling.number, count=len(self._here)))
            now = self._loop.time()
            for kiosk_id in [each for each, at in self._devices_at.items() if at + _DEVICES_EVERY <= now]:
                del self._devices_at[kiosk_id]
            for life in [each for each, found in self._lists.items() if found.begun_at + _LIST_FOR <= now]:
                del self._lists[life]

    async def _list(self, life: str, question: KiosksWanted) -> KiosksListed:
        """A page for another hub."""
        if question.page == 0:
            self._lists[life] = self._new_list(question.since)
        found = self._lists.get(life)
        if found is None or question.offset > len(found.ids):
            return KiosksListed(number=0, is_whole=False, came=[], left=[], has_more=False, is_over=True)
        ids = found.ids[question.offset : question.offset + _MOST]
        came, left = self._told_of(ids)
        count = len(came) + len(left)
        has_more = question.offset + count < len(found.ids)
        if not has_more:
            del self._lists[life]
        return KiosksListed(number=found.number, is_whole=found.is_whole, came=came, left=left, has_more=has_more)

    def _new_list(self, since: int) -> _List:
        number, now = self._telling.number, self._loop.time()
        changed = self._telling.since(since) if since >= 0 else None
        if changed is not None:
            return _List(changed, number=number, is_whole=False, now=now)
        return _List(list(self._here), number=number, is_whole=True, now=now)

    # What is heard.

    def _heard_moved(self, life: str, news: KiosksMoved) -> None:
        self._learned(self._known.moved(life, news))
        self._outdone(life, news.came)
        self._fetch_missing()

    def _heard_stand(self, life: str, told: KiosksStand) -> None:
        self._known.stands(life, told)
        self._fetch_missing()

    def _hub_came(self, peer: Peer) -> None:
        self._known.hub_came(peer.life)
        self._fetch_missing()

    def _hub_gone(self, life: str) -> None:
        self._lists.pop(life, None)
        if (task := self._fetches.pop(life, None)) is not None:
            task.cancel()
        gone = self._known.hub_gone(life)
        log.info("a hub is gone, and its kiosks with it", extra={"hub": life, "kiosks": len(gone)})
        self._learned(gone)

    def _bus_back(self) -> None:
        """What was told meanwhile is missing: others find that out by the number, at once and not in a second."""
        if not self._telling:
            self._call_later(
                self._chance() * _JITTER,
                lambda: self._bus.tell_all(KiosksStand(number=self._telling.number, count=len(self._here))),
            )

    def _learned(self, kiosk_ids: list[str]) -> None:
        """Tell on what changed: a few at once, many by and by."""
        if not kiosk_ids:
            return
        if self._news or len(kiosk_ids) > _AT_ONCE:
            if not self._news:
                self._call_later(0.0, self._tell_on)
            self._news += kiosk_ids
        else:
            self._tell_each(kiosk_ids)

    def _tell_on(self) -> None:
        some, self._news = self._news[:_AT_ONCE], self._news[_AT_ONCE:]
        if self._news:
            self._call_later(0.0, self._tell_on)
        self._tell_each(some)

    def _tell_each(self, kiosk_ids: list[str]) -> None:
        for kiosk_id in kiosk_ids:
            for call in self._changed:
                try:
                    call(kiosk_id)
                except Exception:
                    log.exception("a change of a kiosk elsewhere was not taken in", extra={"kiosk": kiosk_id})

    def _outdone(self, life: str, came: Iterable[Here]) -> None:
        """A kiosk that is here as well: the later connection is right, be it the one here."""
        for each in came:
            link = self._links.get(each.kiosk_id)
            if link is None or not link.ready:
                continue
            if (link.epoch, self._bus.me) < (each.epoch, life):
                self._links.gives_way(link, "at another hub")
            else:  # it may not have been heard of there
                self._note(each.kiosk_id)

    def _fetch_missing(self) -> None:
        for life in self._known.wanted():
            if life not in self._fetches:
                self._fetches[life] = asyncio.create_task(self._fetch(life), name="kiosks-of-hub")

    async def _fetch(self, life: str) -> None:
        """Ask until it is known what that hub holds."""
        pause = _JITTER
        try:
            while life in self._known.wanted():
                await asyncio.sleep(self._chance() * pause)
                try:
                    await self._pages(life)
                except (NoAnswerError, msgspec.MsgspecError) as error:
                    log.info("a hub's kiosks could not be read", extra={"hub": life, "reason": str(error)})
                except Exception:  # a mistake of ours, in one of its kiosks: the others are not missed for ever
                    log.exception("a hub's kiosks could not be read", extra={"hub": life})
                else:
                    continue
                self._known.failed(life)
                pause = min(_PAUSE_MOST, pause * 2)
        finally:
            if self._fetches.get(life) is asyncio.current_task():
                del self._fetches[life]

    async def _pages(self, life: str) -> None:
        since, page, offset = self._known.begin(life), 0, 0
        while True:
            question = KiosksWanted(since=since, page=page, offset=offset)
            found = await self._bus.ask(life, question, KiosksListed, _PAGE_WITHIN)
            if found.is_over:
                raise NoAnswerError("the list was forgotten")
            self._learned(self._known.listed(life, found, is_first=page == 0))
            self._outdone(life, found.came)
            if not found.has_more:
                return
            page, offset = page + 1, offset + len(found.came) + len(found.left)

    def _call_later(self, delay: float, call: Callable[..., object], *args: object) -> None:
        def called() -> None:
            self._later.discard(handle)
            call(*args)

        handle: asyncio.Handle = self._loop.call_later(delay, called)
        self._later.add(handle)


def _here(link: Link, skew: float) -> Here:
    """`skew` is by how much the bus's clock is ahead of ours."""
    hello = link.hello
    return Here(
        kiosk_id=link.kiosk_id,
        epoch=link.epoch,
        since=link.connected_at + skew,
        generation=link.generation,
        address=link.socket.address if link.socket else "",
        dialect="v1" if link.is_v1 else "kiosk.v2",
        version=hello.version if hello else "",
        boot_id=hello.boot_id if hello else "",
        journal=link.journal,
        routes=tuple(hello.routes[:ROUTES_MAX]) if hello else (),
        devices=tuple((each.name, each.role, each.driver, each.state) for each in link.devices.all()[:DEVICES_MAX]),
    )


def _size(here: Here) -> int:
    """About how many bytes it has."""
    named = sum(map(len, here.routes)) + sum(len(text) for device in here.devices for text in device)
    return 200 + len(here.version) + len(here.boot_id) + named
