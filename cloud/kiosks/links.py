"""The sockets held here: one link for each kiosk, which outlives its sockets.

A link runs `wire.session.HubSession` over whatever socket the kiosk has now, or speaks v1 with a client that knows
nothing better. A newer socket of the same kiosk replaces the older at once, whatever state that is in.
"""

import asyncio
import logging
import time
from collections.abc import Iterable
from typing import Protocol

from cloud.metrics import Metrics
from wire import legacy
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
CRASH_POINTS: dict[type, str] = {
    Welcome: "hub.links.welcome",
    Request: "hub.links.request",
    Settled: "hub.links.settled",
    AllSettled: "hub.links.all_settled",
    EventAck: "hub.links.event_ack",
    Cancel: "hub.links.cancel",
}


class Socket(Protocol):
    """What the door gives for one connection. None of these waits; `send` raises `OSError` on a dead socket."""

    address: str

    def send(self, text: bytes, point: str) -> None:
        """Send one text message, whose sending has that name among the crash points."""

    def ping(self) -> None:
        """Send a ping; its pong comes as `Links.heard`."""

    def close(self, code: int, reason: str) -> None:
        """Close; code 0 cuts the connection without a goodbye."""


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
        "_complained_at",
        "connected_at",
        "events_gap",
        "events_stored",
        "events_waiting",
        "generation",
        "heartbeat",
        "is_v1",
        "kiosk_id",
        "lost_at",
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
        self.waiters: list[asyncio.Future[None]] | None = None
        # Where its events stand: kept by `kiosks.inbox`.
        self.events_stored: int | None = None
        self.events_gap: int | None = None
        self.events_waiting: list[Event | Events] | None = None
        self._complained_at = 0.0

    @property
    def hello(self) -> Hello | None:
        """What the kiosk said of itself on the present connection; None for v1."""
        return self.session.hello

    @property
    def journal(self) -> str:
        """Names what remembers the requests sent now; empty while that is not known."""
        if self.is_v1:
            return legacy.NO_JOURNAL
        return self.session.hello.journal if self.session.hello else ""

    def complain(self, reason: str) -> None:
        """Log that it sends rubbish, once a minute at most."""
        now = time.monotonic()
        if not self._complained_at or now - self._complained_at >= _COMPLAIN_EVERY:
            self._complained_at = now
            log.warning("kiosk sent what is no message", extra={"kiosk": self.kiosk_id, "reason": reason})


class Links:
    """All links. The owner is set once, before the first socket comes."""

    def __init__(self, *, hub_name: str, metrics: Metrics) -> None:
        self.owner: Owner
        self._hub_name = hub_name
        self._metrics = metrics
        self._links: dict[str, Link] = {}
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

    # What the door brings.

    def opened(self, kiosk_id: str, generation: int, socket: Socket, *, is_v1: bool) -> Link:
        """A kiosk whose token was good has a socket."""
        link = self._links.get(kiosk_id)
        if link is None:
            link = self._links[kiosk_id] = Link(kiosk_id)
        if link.socket is not None:
            older = link.socket
            log.info(
                "kiosk connected anew, older socket closed",
                extra={"kiosk": kiosk_id, "address": socket.address, "older": older.address},
            )
            self._drop(link, "replaced", tell=False)
            older.close(CloseCode.REPLACED, "replaced by a newer connection of this kiosk")
        now = self._loop.time()
        link.socket = socket
        link.generation = generation
        link.is_v1 = is_v1
        link.heartbeat = Heartbeat(now)
        link.connected_at = time.time()
        link.events_stored = link.events_gap = None
        if link.events_waiting:
            link.events_waiting.clear()  # told before, perhaps under another journal; they are told again
        self.connected += 1
        self._metrics.connected.set(self.connected)
        self._metrics.connections.inc()
        if is_v1:
            self._is_ready(link)
        else:
            link.session.opened(now)
        return link

    def closed(self, link: Link, socket: Socket, code: int | None) -> None:
        """A socket ended. Nothing happens if it was replaced before."""
        if link.socket is socket:
            log.info("kiosk disconnected", extra={"kiosk": link.kiosk_id, "code": code})
            self._drop(link, str(code) if code in _KNOWN_CODES else "lost")

    def heard(self, link: Link) -> None:
        """A pong or ping arrived."""
        link.heartbeat.heard_at = self._loop.time()

    def received(self, link: Link, socket: Socket, text: str | bytes) -> None:
        """A message arrived; those of a replaced socket are not heard any more."""
        if link.socket is not socket:
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
            elif isinstance(action, Ping) and link.socket:
                link.socket.ping()
        return sent

    def _greet(self, link: Link) -> None:
        if link.ready:  # it announces itself anew, after a change of its routes or devices
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
        link.socket = None
        link.ready = False
        link.lost_at = self._loop.time()
        link.session.closed()
        self.connected -= 1
        self._metrics.connected.set(self.connected)
        self._metrics.closed.labels(reason).inc()
        if tell:
            self.owner.kiosk_lost(link)

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


_KNOWN_CODES = {1000, 1001, 1006, 1009, *map(int, CloseCode)}
