"""The sockets held here: one link for each kiosk, which outlives its sockets.

A link runs `wire.session.HubSession` over whatever socket the kiosk has now, or speaks v1 with a client that knows
nothing better. A newer socket of the same kiosk replaces the older, whatever state that is in, unless the older
belongs to another box that still lives: see `identity`. The older may be at another hub: see `far`.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from functools import partial

from cloud.cancelled import cancelled
from cloud.kiosks.absence import Came, Ended, Nobody, Refusals, Witness
from cloud.kiosks.devices import Devices, shared
from cloud.kiosks.far import Envoy
from cloud.kiosks.identity import ANSWER_WITHIN, Box, Conflict, Verdict
from cloud.kiosks.link import Link, Owner
from cloud.kiosks.newcomer import Newcomer, Socket, box_of
from cloud.kiosks.others import NoOthers, Others
from cloud.metrics import Metrics
from wire import legacy
from wire import session as wire
from wire.messages import (
    AllSettled,
    Cancel,
    EventAck,
    Hello,
    Malformed,
    Request,
    Settled,
    Welcome,
    encode,
)
from wire.problems import CloseCode
from wire.session import Action, Close, Heard, Heartbeat, Misunderstood, Orphaned, Ping, Send

__all__ = ["CRASH_POINTS", "NOT_PROVED", "Link", "Links", "Owner"]

log = logging.getLogger(__name__)

_TICK = 1.0
# A timer that comes so much later than it was due: the hub stood still, and what kiosks said meanwhile is not read yet.
# So long it is given to read that, before anybody is judged for having been silent.
_LATE, _READS_WITHIN = 0.25, 0.25
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


class Links:
    """All links. The owner is set once, before the first socket comes."""

    def __init__(self, *, hub_name: str, metrics: Metrics) -> None:
        self.owner: Owner
        self.seen_twice: Callable[[str, Conflict], None] = lambda _kiosk_id, _conflict: None  # told with each alarm
        self.witness: Witness = Nobody()
        self.others: Others = NoOthers()
        # How the fleet comes back, should this hub go: as `returning` has it.
        self.spread: Callable[[], float] = lambda: 0.0
        self.goodbye: Callable[[str], str] = lambda words: words
        self._hub_name = hub_name
        self._metrics = metrics
        self._links: dict[str, Link] = {}
        self._alarming: dict[str, Link] = {}
        self._refusals = Refusals()
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None
        self.connected = 0

    def start(self) -> None:
        """Begin to watch for silence."""
        self._task = asyncio.create_task(self._watch(), name="kiosk-links")

    async def stop(self) -> None:
        """Close every socket with 1012: the kiosks come back to whoever answers next."""
        if self._task:
            await cancelled(self._task)
        words = self.goodbye("the hub restarts")
        for link in self._links.values():
            if link.newcomer:
                self._turn_away(link, CloseCode.RESTARTING, words)
            if link.socket:
                link.socket.close(CloseCode.RESTARTING, words)

    def now(self) -> float:
        """Seconds of the clock that deadlines are told in."""
        return self._loop.time()

    def get(self, kiosk_id: str) -> Link | None:
        """The link of a kiosk that was here since the hub started."""
        return self._links.get(kiosk_id)

    def all(self) -> Iterable[Link]:
        """Every link, connected or not."""
        return self._links.values()

    def last_refusal(self, kiosk_id: str) -> Ended | None:
        """The last attempt of a kiosk, since the hub started, that was not let in."""
        return self._refusals.get(kiosk_id)

    @property
    def duplicated(self) -> int:
        """How many kiosks' identity two boxes were seen with lately."""
        return len(self._alarming)

    def alarming(self) -> Iterable[Link]:
        """Their links."""
        return self._alarming.values()

    # What the door brings.

    def opened(self, kiosk_id: str, generation: int, socket: Socket, *, is_v1: bool) -> Link:
        """A kiosk whose token was good has a socket."""
        link = self._links.get(kiosk_id)
        if link is None:
            link = self._links[kiosk_id] = Link(kiosk_id)
        newcomer = Newcomer(socket, generation, self._loop.time(), is_v1=is_v1)
        if link.newcomer is not None:
            self._turn_away(link, CloseCode.REPLACED)
        if not link.ready:
            self._replace(link, socket)
        if link.ready or self.others.is_shared:  # it must say who it is before it is known whom to ask
            link.newcomer = newcomer
            self._decide(link, newcomer)
        else:
            self._take(link, newcomer)
        return link

    def refused(self, kiosk_id: str, code: CloseCode, address: str, words: str = "") -> None:
        """The door did not let in who came with a token of this kiosk, in force or not."""
        ended = Ended(at=time.time(), why=str(int(code)), code=int(code), address=address, words=words)
        self._refusals.note(kiosk_id, ended)
        self.witness.refused(kiosk_id, ended)

    def closed(self, link: Link, socket: Socket, code: int | None, words: str = "") -> None:
        """A socket ended. Nothing happens if it was replaced before."""
        if link.socket is socket:
            log.info("kiosk disconnected", extra={"kiosk": link.kiosk_id, "code": code})
            self._drop(link, str(code) if code in _KNOWN_CODES else "lost", code=code, words=words)
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
        if link is None:
            return
        if link.newcomer is not None:  # let in by the same right
            self._turn_away(link, code, reason)
        if (socket := link.socket) is not None:
            log.info("kiosk closed", extra={"kiosk": kiosk_id, "code": int(code), "reason": reason})
            self._drop(link, str(int(code)), code=code, words=reason)
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

    def request(
        self, link: Link, request: Request, start_by: float, journal: str | None = None, *, lasting: bool = True
    ) -> bool:
        """Have a request carried out; see `HubSession.request`. True if it went onto a socket just now."""
        if link.is_v1:
            return link.ready and self._send(
                link, legacy.encode_request(link.kiosk_id, request), point="hub.links.v1_request"
            )
        actions = link.session.request(request, start_by, self._loop.time(), journal, lasting=lasting)
        return self.perform(link, actions)

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
                why = str(action.code) if action.code else "silent"
                self._drop(link, why, code=action.code or None, words=action.reason)
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
        if newcomer.box is None:
            return
        now, judged = self._loop.time(), partial(self._judged, link, newcomer)
        verdict = self._noted(link, link.identity.arrives(newcomer.box, now), now)
        # Who is here is judged here, and so is who is asked for by another hub.
        is_free = verdict is Verdict.LET_IN and not link.ready and not isinstance(newcomer.socket, Envoy)
        if not (is_free and self.others.asks(link.kiosk_id, newcomer, judged)):
            self._act(link, newcomer, verdict)

    def _judged(self, link: Link, newcomer: Newcomer, code: int, epoch: int) -> None:
        """The hub that held the kiosk has said what becomes of the newcomer."""
        link.epoch = max(link.epoch, epoch)
        if link.newcomer is not newcomer:
            return
        if code:
            self._turn_away(link, CloseCode(code))
        else:
            self._act(link, newcomer, Verdict.LET_IN)

    def came_elsewhere(self, kiosk_id: str, newcomer: Newcomer) -> int | None:
        """See `far.Holder`."""
        link = self._links.get(kiosk_id)
        if link is None or newcomer.box is None:
            return None
        if not link.ready:  # its place may be kept for the box that was here
            now = self._loop.time()
            verdict = self._noted(link, link.identity.arrives(newcomer.box, now), now)
            if verdict in {Verdict.LET_IN, Verdict.ASK}:
                return None
            newcomer.socket.close(_code_of(verdict), "")
            return link.epoch
        if link.newcomer is not None:
            self._turn_away(link, CloseCode.REPLACED)
        link.newcomer = newcomer
        self._decide(link, newcomer)
        return link.epoch

    def gave_up_elsewhere(self, kiosk_id: str, newcomer: Newcomer) -> None:
        """See `far.Holder`."""
        link = self._links.get(kiosk_id)
        if link is not None and link.newcomer is newcomer:
            self._forget_newcomer(link)

    def _act(self, link: Link, newcomer: Newcomer, verdict: Verdict) -> None:
        if verdict is Verdict.ASK:
            newcomer.asked_at = self._loop.time()
            newcomer.timer = self._loop.call_later(ANSWER_WITHIN, self._is_time, link, newcomer)
            self._ping(link)
        elif verdict is Verdict.LET_IN:
            self._forget_newcomer(link)
            if isinstance(newcomer.socket, Envoy):
                self.gives_way(link, newcomer.socket.address)
                newcomer.socket.admit()
                return
            self._replace(link, newcomer.socket)
            self._take(link, newcomer, newcomer.box)
        else:
            self._turn_away(link, _code_of(verdict))

    def _is_time(self, link: Link, newcomer: Newcomer) -> None:
        asked_at = newcomer.asked_at
        if asked_at is not None and self._loop.time() - asked_at >= ANSWER_WITHIN + _LATE:
            newcomer.timer = self._loop.call_later(_READS_WITHIN, self._unanswered, link, newcomer)
        else:
            self._unanswered(link, newcomer)

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
            self.others.doubts(link.kiosk_id)
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

    def gives_way(self, link: Link, newer: str) -> None:
        """The kiosk is at another hub from now on."""
        if (older := link.socket) is not None:
            told = {"kiosk": link.kiosk_id, "address": newer, "older": older.address}
            log.info("kiosk connected to another hub, older socket closed", extra=told)
            self._drop(link, "replaced")
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
            link.devices = Devices()  # it names none
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
                self._refused(link, socket, code, _REASONS[code])
                self._drop(link, str(int(code)), code=code, tell=False, noted=True)
                socket.close(code, _REASONS[code])
                return False
        link.admitted = box
        link.identity.serves(box, link.opened_at)
        return True

    def _turn_away(self, link: Link, code: CloseCode, reason: str = "") -> None:
        newcomer = link.newcomer
        if newcomer is not None:
            self._forget_newcomer(link)
            if not isinstance(newcomer.socket, Envoy):  # noted where it is
                self._refused(link, newcomer.socket, code, reason or _REASONS[code])
            newcomer.socket.close(code, reason or _REASONS[code])

    def _refused(self, link: Link, socket: Socket, code: CloseCode, words: str) -> None:
        self.refused(link.kiosk_id, code, socket.address, words)
        self._metrics.refused.labels(str(int(code))).inc()
        log.info("kiosk refused", extra={"kiosk": link.kiosk_id, "address": socket.address, "code": int(code)})

    def _forget_newcomer(self, link: Link) -> None:
        if link.newcomer is not None:
            link.newcomer.leave()
            link.newcomer = None
            self.others.forget(link.kiosk_id)

    def _ping(self, link: Link) -> None:
        if link.socket is not None:
            now = self._loop.time()
            link.pinged = f"{now:.6f}".encode(), now
            link.socket.ping(link.pinged[0])

    def _greet(self, link: Link) -> None:
        socket = link.socket
        if link.hello is not None:
            link.session.hello = shared(link.hello)
        if socket is not None and link.hello is not None and not socket.proves(link.hello):
            self._refused(link, socket, CloseCode.BAD_TOKEN, NOT_PROVED)
            self._drop(link, str(int(CloseCode.BAD_TOKEN)), code=CloseCode.BAD_TOKEN, words=NOT_PROVED, noted=True)
            socket.close(CloseCode.BAD_TOKEN, NOT_PROVED)
            return
        if link.ready:  # it announces itself anew, after a change of its routes or devices
            link.devices = Devices(link.hello)
            self.others.changed(link.kiosk_id)
            return
        if link.socket is None or not self._admit(link, box_of(link.socket.address, link.hello, self._loop.time())):
            return
        self.perform(link, link.session.welcome(self._hub_name, time.time(), self._loop.time(), self.spread()))
        if link.socket is not None:  # it took the welcome
            link.devices = Devices(link.hello)
            self._is_ready(link)

    def _is_ready(self, link: Link) -> None:
        link.ready = True
        link.epoch = self.others.epoch(link.kiosk_id, link.epoch)
        self.others.came(link.kiosk_id)
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
        self.witness.began(
            link.kiosk_id,
            Came(
                at=link.connected_at,
                address=link.socket.address if link.socket else "",
                dialect="v1" if link.is_v1 else "kiosk.v2",
                version=hello.version if hello else "",
                boot_id=hello.boot_id if hello else "",
            ),
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
            self._drop(link, "lost", words=str(error))
            socket.close(0, "")
            return False
        return True

    def _drop(
        self,
        link: Link,
        reason: str,
        *,
        code: int | None = None,
        words: str = "",
        tell: bool = True,
        noted: bool = False,  # as refused
    ) -> None:
        now = self._loop.time()
        address = link.socket.address if link.socket else ""
        number = None if code is None else int(code)
        ended = Ended(at=time.time(), why=reason, code=number, address=address, words=words)
        if link.ready:
            link.lost_at, link.left = now, ended
            link.identity.lost(now)
            self.others.left(link.kiosk_id)
            self.witness.ended(link.kiosk_id, ended)
        elif reason != "replaced":
            self._refusals.note(link.kiosk_id, ended)
            if not noted:
                self.witness.refused(link.kiosk_id, ended)
        link.socket = link.admitted = link.pinged = None
        link.ready = False
        link.session.closed()
        self.connected -= 1
        self._metrics.connected.set(self.connected)
        self._metrics.closed.labels(reason).inc()
        if tell:
            self.owner.kiosk_lost(link)
            if (newcomer := link.newcomer) is not None:
                self._nobody_serves(link, newcomer)

    def _nobody_serves(self, link: Link, newcomer: Newcomer) -> None:
        """Nobody is in its way any more, here."""
        if self.others.is_shared and not isinstance(newcomer.socket, Envoy):
            newcomer.leave()
            self._decide(link, newcomer)
            return
        self._forget_newcomer(link)
        if isinstance(newcomer.socket, Envoy):
            newcomer.socket.admit()
        else:
            self._take(link, newcomer)

    def _misunderstood(self, link: Link, reason: str) -> None:
        self._metrics.malformed.inc()
        link.complain(reason)

    async def _watch(self) -> None:
        while True:
            due_at = self._loop.time() + _TICK
            await asyncio.sleep(_TICK)
            if self._loop.time() - due_at >= _LATE:
                await asyncio.sleep(_READS_WITHIN)
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
