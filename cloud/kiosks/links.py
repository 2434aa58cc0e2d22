"""The sockets held here: one link for each kiosk, which outlives its sockets.

A link runs `wire.session.HubSession` over whatever socket the kiosk has now, or speaks v1 with a client that knows
nothing better. A newer socket of the same kiosk replaces the older, whatever state that is in, unless the older
belongs to another box that still lives: see `identity`.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from typing import Protocol

from cloud.kiosks.identity import ANSWER_WITHIN, Box, Conflict, Identity, Verdict
from cloud.kiosks.newcomer import Newcomer, Socket, box_of
from cloud.metrics import Metrics
from wire import legacy
from wire import session as wire
from wire.messages import (
    AllSettled,
    Cancel,
    Event,
    EventAck,
    Events,
    Hello,
    Malformed,
    Message,
    Request,
    Settled,
    Welcome,
    encode,
)
from wire.problems import CloseCode
from wire.session import Action, Close, Heard, Heartbeat, HubSession, Misunderstood, Orphaned, Ping, Send

log = logging.getLogger(__name__)

_TICK = 1.0
# A v1 client or a broken one may send rubbish all day: said once a minute for each kiosk.
_COMPLAIN_EVERY = 60.0
_REASONS = {
    CloseCode.REPLACED: "replaced by a newer connection of this kiosk",
    CloseCode.DUPLICATE: "another box is connected with this kiosk's identity",
    CloseCode.CLONED: "another box with this kiosk's identity has the same journal",
}
NOT_PROVED = "the kiosk does not prove its key"
CRASH_POINTS: dict[type, str] = {
    Welcome: "hub.links.welcome",
    Request: "hub.links.request",
    Settled: "hub.links.settled",
    AllSettled: "hub.links.all_settled",
    EventAck: "hub.links.event_ack",
    Cancel: "hub.links.cancel",
}


class Owner(Protocol):
    """Who acts on what kiosks say; called in order, must not block."""

    def kiosk_ready(self, link: "Link") -> None:
        """The kiosk can take requests now."""

    def kiosk_lost(self, link: "Link") -> None:
        """Its socket is gone, and no newer one took its place."""

    def kiosk_said(self, link: "Link", message: Message) -> None:
        """It said something else than hello."""

    def orphaned(self, link: "Link", request_id: str) -> None:
        """It came back without the journal that knew this request."""


class Link:
    """One kiosk as this hub reaches it."""

    __slots__ = (
        "_alarmed_at",
        "_complained_at",
        "admitted",
        "connected_at",
        "events_gap",
        "events_stored",
        "events_waiting",
        "generation",
        "heartbeat",
        "identity",
        "is_v1",
        "kiosk_id",
        "lost_at",
        "newcomer",
        "opened_at",
        "pinged",
        "ready",
        "session",
        "socket",
        "waiters",
    )

    def __init__(self, kiosk_id: str) -> None:
        self.kiosk_id = kiosk_id
        self.session = HubSession()
        self.socket: Socket | None = None
        self.is_v1 = False
        self.ready = False  # takes requests: connected and, in v2, greeted
        self.generation = 0  # of the token it came with
        self.heartbeat = Heartbeat(0.0)
        self.connected_at = 0.0  # Unix seconds, of the present or last connection
        self.lost_at: float | None = None  # monotonic
        self.opened_at = 0.0  # monotonic, of the present socket
        self.waiters: list[asyncio.Future[None]] | None = None
        self.identity = Identity()
        self.admitted: Box | None = None  # at the other end of the socket; None before it is let in
        self.newcomer: Newcomer | None = None  # only while the kiosk is ready
        self.pinged: tuple[bytes, float] | None = None  # the last ping without its pong: data, and when
        # Where its events stand: kept by `kiosks.inbox`.
        self.events_stored: int | None = None
        self.events_gap: int | None = None
        self.events_waiting: list[Event | Events] | None = None
        self._complained_at = 0.0
        self._alarmed_at: float | None = None

    @property
    def hello(self) -> Hello | None:
        """What the kiosk said of itself on the present connection; None for v1."""
        return self.session.hello

    @property
    def journal(self) -> str:
        """Names what remembers the requests sent now; empty while that is not known."""
        if self.is_v1:
            return legacy.NO_JOURNAL
        return self.session.journal

    def complain(self, reason: str) -> None:
        """Log that it sends rubbish, once a minute at most."""
        now = time.monotonic()
        if not self._complained_at or now - self._complained_at >= _COMPLAIN_EVERY:
            self._complained_at = now
            log.warning("kiosk sent what is no message", extra={"kiosk": self.kiosk_id, "reason": reason})

    def alarm(self, conflict: Conflict) -> bool:
        """Log that two boxes have its identity, once a minute at most. True if that was done."""
        if self._alarmed_at is not None and conflict.last_at - self._alarmed_at < _COMPLAIN_EVERY:
            return False
        self._alarmed_at = conflict.last_at
        here, there = conflict.here, conflict.there
        log.error(
            "two boxes go by the identity of one kiosk: one of them must get another",
            extra={
                "kiosk": self.kiosk_id,
                "address": here.address,
                "other_address": there.address,
                "boot_id": here.boot_id or None,
                "other_boot_id": there.boot_id or None,
                "same_journal": there.has_journal_of(here),
                "count": conflict.count,
            },
        )
        return True


class Links:
    """All links. The owner is set once, before the first socket comes."""

    def __init__(self, *, hub_name: str, metrics: Metrics) -> None:
        self.owner: Owner
        self.seen_twice: Callable[[str, Conflict], None] = lambda _kiosk_id, _conflict: None  # told with each alarm
        self._hub_name = hub_name
        self._metrics = metrics
        self._links: dict[str, Link] = {}
        self._alarming: dict[str, Link] = {}
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None
        self.connected = 0

    def start(self) -> None:
        """Begin to watch for silence."""
        self._task = asyncio.create_task(self._watch(), name="kiosk-links")

    async def stop(self) -> None:
        """Close every socket with 1012: the kiosks come back to whoever answers next."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for link in self._links.values():
            if link.newcomer:
                self._turn_away(link, CloseCode.RESTARTING, "the hub restarts")
            if link.socket:
                link.socket.close(CloseCode.RESTARTING, "the hub restarts")

    def now(self) -> float:
        """Seconds of the clock that deadlines are told in."""
        return self._loop.time()

    def get(self, kiosk_id: str) -> Link | None:
        """The link of a kiosk that was here since the hub started."""
        return self._links.get(kiosk_id)

    def all(self) -> Iterable[Link]:
        """Every link, connected or not."""
        return self._links.values()

    @property
    def duplicated(self) -> int:
        """How many kiosks' identity two boxes were seen with lately."""
        return len(self._alarming)

    # What the door brings.

    def opened(self, kiosk_id: str, generation: int, socket: Socket, *, is_v1: bool) -> Link:
        """A kiosk whose token was good has a socket."""
        link = self._links.get(kiosk_id)
        if link is None:
            link = self._links[kiosk_id] = Link(kiosk_id)
        newcomer = Newcomer(socket, generation, self._loop.time(), is_v1=is_v1)
        if link.newcomer is not None:
            self._turn_away(link, CloseCode.REPLACED)
        if link.ready:
            link.newcomer = newcomer
            self._decide(link, newcomer)
        else:
            self._replace(link, socket)
            self._take(link, newcomer)
        return link

    def closed(self, link: Link, socket: Socket, code: int | None) -> None:
        """A socket ended. Nothing happens if it was replaced before."""
        if link.socket is socket:
            log.info("kiosk disconnected", extra={"kiosk": link.kiosk_id, "code": code})
            self._drop(link, str(code) if code in _KNOWN_CODES else "lost")
        elif link.newcomer is not None and link.newcomer.socket is socket:
            self._forget_newcomer(link)

    def heard(self, link: Link, socket: Socket, data: bytes) -> None:
        """A pong or ping arrived; those of a replaced socket prove nothing."""
        if link.socket is not socket:
            return
        now = self._loop.time()
        link.heartbeat.heard_at = now
        if link.pinged is None or link.pinged[0] != data:
            return
        (_, at), link.pinged = link.pinged, None
        link.identity.alive(at)
        newcomer = link.newcomer
        if newcomer and newcomer.box and newcomer.asked_at is not None and at >= newcomer.asked_at:
            self._act(link, newcomer, self._noted(link, link.identity.answered(newcomer.box, now), now))

    def received(self, link: Link, socket: Socket, text: str | bytes) -> None:
        """A message arrived; those of a replaced socket are not heard any more."""
        if link.socket is not socket:
            if link.newcomer is not None and link.newcomer.socket is socket:
                self._newcomer_said(link, link.newcomer, text)
            return
        now = self._loop.time()
        link.heartbeat.heard_at = now
        if isinstance(text, bytes):  # the library checks text messages, not binary ones; bodies are kept as they came
            try:
                text = text.decode()
            except UnicodeDecodeError:
                self._misunderstood(link, "a message that is not UTF-8")
                return
        if link.is_v1:
            try:
                self.owner.kiosk_said(link, legacy.decode_answer(text))
            except Malformed as error:
                self._misunderstood(link, str(error))
        else:
            self.perform(link, link.session.received(text, now))

    # What the owner wants.

    def close(self, kiosk_id: str, code: CloseCode, reason: str) -> None:
        """End a kiosk's socket."""
        link = self._links.get(kiosk_id)
        if link and link.socket:
            if link.newcomer is not None:  # let in by the same right
                self._turn_away(link, code, reason)
            socket = link.socket
            log.info("kiosk closed", extra={"kiosk": kiosk_id, "code": int(code), "reason": reason})
            self._drop(link, str(int(code)))
            socket.close(code, reason)

    async def wait_ready(self, kiosk_id: str, timeout: float) -> Link | None:
        """The link once it takes requests, or None if it does not within `timeout` seconds."""
        link = self._links.get(kiosk_id)
        if link is None or link.ready:
            return link
        future: asyncio.Future[None] = self._loop.create_future()
        link.waiters = [*(link.waiters or []), future]
        try:
            async with asyncio.timeout(timeout):
                await future
        except TimeoutError:
            return None
        finally:
            if link.waiters is not None and future in link.waiters:
                link.waiters.remove(future)
        return link

    def request(self, link: Link, request: Request, start_by: float, journal: str | None = None) -> bool:
        """Have a request carried out; see `HubSession.request`. True if it went onto a socket just now."""
        if link.is_v1:
            return link.ready and self._send(
                link, legacy.encode_request(link.kiosk_id, request), point="hub.links.v1_request"
            )
        return self.perform(link, link.session.request(request, start_by, self._loop.time(), journal))

    def perform(self, link: Link, actions: list[Action]) -> bool:
        """Carry out what a session wants. True if everything to be sent went onto the socket."""
        sent = bool(actions)
        for action in actions:
            if isinstance(action, Send):
                sent = self._send(link, encode(action.message), CRASH_POINTS.get(type(action.message), "")) and sent
            elif isinstance(action, Heard):
                if isinstance(action.message, Hello):
                    self._greet(link)
                else:
                    self.owner.kiosk_said(link, action.message)
            elif isinstance(action, Misunderstood):
                self._misunderstood(link, action.reason)
            elif isinstance(action, Orphaned):
                sent = False
                self._metrics.orphaned.inc()
                self.owner.orphaned(link, action.request_id)
            elif isinstance(action, Close) and link.socket:
                socket = link.socket
                log.info("kiosk closed", extra={"kiosk": link.kiosk_id, "code": action.code, "reason": action.reason})
                self._drop(link, str(action.code) if action.code else "silent")
                socket.close(action.code, action.reason)
            elif isinstance(action, Ping):
                self._ping(link)
        return sent

    # Which socket is the kiosk's.

    def _newcomer_said(self, link: Link, newcomer: Newcomer, text: str | bytes) -> None:
        try:
            told = newcomer.hear(text, self._loop.time())
        except Malformed as error:
            self._misunderstood(link, str(error))
            return
        if told:
            self._decide(link, newcomer)

    def _decide(self, link: Link, newcomer: Newcomer) -> None:
        if newcomer.box is not None:
            now = self._loop.time()
            self._act(link, newcomer, self._noted(link, link.identity.arrives(newcomer.box, now), now))

    def _act(self, link: Link, newcomer: Newcomer, verdict: Verdict) -> None:
        if verdict is Verdict.ASK:
            newcomer.asked_at = self._loop.time()
            newcomer.timer = self._loop.call_later(ANSWER_WITHIN, self._unanswered, link, newcomer)
            self._ping(link)
        elif verdict is Verdict.LET_IN:
            self._forget_newcomer(link)
            self._replace(link, newcomer.socket)
            self._take(link, newcomer, newcomer.box)
        else:
            self._turn_away(link, _code_of(verdict))

    def _unanswered(self, link: Link, newcomer: Newcomer) -> None:
        if newcomer.box is not None:
            heard_at, now = link.heartbeat.heard_at, self._loop.time()
            self._act(link, newcomer, link.identity.unanswered(newcomer.box, heard_at, now))

    def _noted(self, link: Link, verdict: Verdict, now: float) -> Verdict:
        """Raise the alarm if two boxes were seen just now."""
        conflict = link.identity.conflict
        if conflict is not None and conflict.last_at == now:
            self._alarming[link.kiosk_id] = link
            self._metrics.duplicated.set(len(self._alarming))
            self._metrics.duplicates.inc()
            if link.alarm(conflict):
                self.seen_twice(link.kiosk_id, conflict)
        return verdict

    def _replace(self, link: Link, newer: Socket) -> None:
        older = link.socket
        if older is None:
            return
        log.info(
            "kiosk connected anew, older socket closed",
            extra={"kiosk": link.kiosk_id, "address": newer.address, "older": older.address},
        )
        self._drop(link, "replaced", tell=False)
        older.close(CloseCode.REPLACED, _REASONS[CloseCode.REPLACED])

    def _take(self, link: Link, newcomer: Newcomer, admitted: Box | None = None) -> None:
        """Its socket is the kiosk's from now on; a v2 client that is not yet `admitted` must say who it is."""
        now = self._loop.time()
        link.socket, link.generation, link.is_v1 = newcomer.socket, newcomer.generation, newcomer.is_v1
        link.opened_at, link.connected_at = newcomer.opened_at, time.time()
        link.heartbeat = Heartbeat(now)
        link.admitted, link.pinged = admitted, None
        link.events_stored = link.events_gap = None
        if link.events_waiting:
            link.events_waiting.clear()  # told before, perhaps under another journal; they are told again
        self.connected += 1
        self._metrics.connected.set(self.connected)
        self._metrics.connections.inc()
        if not link.is_v1:
            link.session.opened(now)
        elif newcomer.box is not None and self._admit(link, newcomer.box):
            self._is_ready(link)
        for text in newcomer.said:
            self.received(link, newcomer.socket, text)

    def _admit(self, link: Link, box: Box) -> bool:
        """Whether this box may be the kiosk. Its socket is closed if not."""
        now, socket = self._loop.time(), link.socket
        if link.admitted is None and socket is not None:
            verdict = self._noted(link, link.identity.arrives(box, now), now)
            if verdict is not Verdict.LET_IN:
                code = _code_of(verdict)
                self._refused(link, socket, code)
                self._drop(link, str(int(code)), tell=False)
                socket.close(code, _REASONS[code])
                return False
        link.admitted = box
        link.identity.serves(box, link.opened_at)
        return True

    def _turn_away(self, link: Link, code: CloseCode, reason: str = "") -> None:
        newcomer = link.newcomer
        if newcomer is not None:
            self._forget_newcomer(link)
            self._refused(link, newcomer.socket, code)
            newcomer.socket.close(code, reason or _REASONS[code])

    def _refused(self, link: Link, socket: Socket, code: CloseCode) -> None:
        self._metrics.refused.labels(str(int(code))).inc()
        log.info("kiosk refused", extra={"kiosk": link.kiosk_id, "address": socket.address, "code": int(code)})

    def _forget_newcomer(self, link: Link) -> None:
        if link.newcomer is not None:
            link.newcomer.leave()
            link.newcomer = None

    def _ping(self, link: Link) -> None:
        if link.socket is not None:
            now = self._loop.time()
            link.pinged = f"{now:.6f}".encode(), now
            link.socket.ping(link.pinged[0])

    def _greet(self, link: Link) -> None:
        socket = link.socket
        if socket is not None and link.hello is not None and not socket.proves(link.hello):
            self._refused(link, socket, CloseCode.BAD_TOKEN)
            self._drop(link, str(int(CloseCode.BAD_TOKEN)))
            socket.close(CloseCode.BAD_TOKEN, NOT_PROVED)
            return
        if link.ready:  # it announces itself anew, after a change of its routes or devices
            return
        if link.socket is None or not self._admit(link, box_of(link.socket.address, link.hello, self._loop.time())):
            return
        self.perform(link, link.session.welcome(self._hub_name, time.time(), self._loop.time()))
        if link.socket is not None:  # it took the welcome
            self._is_ready(link)

    def _is_ready(self, link: Link) -> None:
        link.ready = True
        hello = link.hello
        log.info(
            "kiosk connected",
            extra={
                "kiosk": link.kiosk_id,
                "address": link.socket.address if link.socket else "",
                "dialect": "v1" if link.is_v1 else "kiosk.v2",
                "version": hello.version if hello else None,
                "unsettled": hello.unsettled if hello else None,
            },
        )
        for future in link.waiters or ():
            if not future.done():
                future.set_result(None)
        self.owner.kiosk_ready(link)

    def _send(self, link: Link, text: bytes, point: str) -> bool:
        socket = link.socket
        if socket is None:
            return False
        try:
            socket.send(text, point)
        except OSError as error:
            log.info("kiosk's socket does not take messages", extra={"kiosk": link.kiosk_id, "error": str(error)})
            self._drop(link, "lost")
            socket.close(0, "")
            return False
        return True

    def _drop(self, link: Link, reason: str, *, tell: bool = True) -> None:
        now = self._loop.time()
        if link.ready:
            link.lost_at = now
            link.identity.lost(now)
        link.socket = link.admitted = link.pinged = None
        link.ready = False
        link.session.closed()
        self.connected -= 1
        self._metrics.connected.set(self.connected)
        self._metrics.closed.labels(reason).inc()
        if tell:
            self.owner.kiosk_lost(link)
            if (newcomer := link.newcomer) is not None:  # nobody is in its way any more
                self._forget_newcomer(link)
                self._take(link, newcomer)

    def _misunderstood(self, link: Link, reason: str) -> None:
        self._metrics.malformed.inc()
        link.complain(reason)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_TICK)
            now = self._loop.time()
            for link in list(self._links.values()):
                if link.socket is not None:
                    due = link.heartbeat.due(now)
                    if due is not None:
                        self.perform(link, [due])
                    if not link.is_v1 and (actions := link.session.tick(now)):
                        self.perform(link, actions)
                newcomer = link.newcomer
                if newcomer and newcomer.box is None and now - newcomer.opened_at >= wire.HELLO_TIMEOUT:
                    self._turn_away(link, CloseCode.NO_HELLO, f"no hello within {wire.HELLO_TIMEOUT:.0f} s")
            for link in list(self._alarming.values()):
                if not link.identity.is_alarming(now):
                    del self._alarming[link.kiosk_id]
                    self._metrics.duplicated.set(len(self._alarming))
                    log.info("no second box was seen for a while", extra={"kiosk": link.kiosk_id})


def _code_of(verdict: Verdict) -> CloseCode:
    return CloseCode.CLONED if verdict is Verdict.CLONED else CloseCode.DUPLICATE


_KNOWN_CODES = {1000, 1001, 1006, 1009, *map(int, CloseCode)}
