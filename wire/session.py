"""One conversation in `kiosk.v2`, from either end, without a socket and without a clock.

Each end is an object that lives as long as the program: connections come and go below it. Inputs are `opened`,
`received`, `closed`, `tick` and the owner's wishes; every input returns the actions to carry out, in order. `now` is
seconds of a monotonic clock.

Why it cannot execute twice or forget: the kiosk's end hands every `request` on to its owner, repeated or not, and the
owner answers repetitions from its journal; the hub's end repeats a request until it is accepted or answered, and only
to a kiosk that still has the journal it had when the request was first sent. Outcomes and events are repeated by the
kiosk until `settled` and `event_ack`. Messages may therefore be lost, doubled and reordered without harm; what stands
in the journal and in the hub's store decides.
"""

from collections.abc import Iterable

import msgspec

from wire.messages import (
    Accepted,
    AllSettled,
    Cancel,
    Event,
    EventAck,
    Events,
    FromHub,
    FromKiosk,
    Hello,
    Malformed,
    Message,
    Progress,
    Request,
    Response,
    Responses,
    Settled,
    Welcome,
    decode_from_hub,
    decode_from_kiosk,
)
from wire.problems import CloseCode

HELLO_TIMEOUT = 10.0
PING_INTERVAL = 20.0
# Looked at once a second: a dead connection is noticed within 45 s, not some time after.
SILENCE_LIMIT = 44.0
# A message that a live connection swallowed is said again after this long. TCP does not do that; middleboxes and
# half-dead peers have been seen to.
REPEAT_AFTER = 20.0
# Outcomes and events told but not yet confirmed, so that 72 hours of them drain without filling a hub's memory: told
# one by one, and where both ends know batches (twice as many outcomes, so that one batch is under way always).
WINDOW = 32
BATCH = 256
# Of one batch, about; what is larger by itself goes alone. And of the outcomes told but not confirmed.
BATCH_BYTES = 256 * 1024
WINDOW_BYTES = 1024 * 1024
_ENVELOPE_BYTES = 256
# Stands for the journal of a kiosk that names none. It is believed about what was sent to such a one.
NO_NAME = "none: unnamed"


class Send(msgspec.Struct, frozen=True):
    """Send this message on the present connection."""

    message: Message


class Ping(msgspec.Struct, frozen=True):
    """Send a WebSocket ping."""


class Close(msgspec.Struct, frozen=True):
    """Close the present connection; `code` 0 means without a goodbye, the other end is dead."""

    code: int
    reason: str


class Heard(msgspec.Struct, frozen=True):
    """The other end said something its owner must act on."""

    message: Message


class Misunderstood(msgspec.Struct, frozen=True):
    """The other end sent what is no message; it is counted, the connection stays."""

    reason: str


class Orphaned(msgspec.Struct, frozen=True):
    """A request was sent to a journal that no longer exists: its outcome can only be found out by a person."""

    request_id: str


class WantOutcomes(msgspec.Struct, frozen=True):
    """Give up to `count` of the oldest unsettled outcomes to `outcomes`, leaving out those in `told`."""

    count: int
    told: frozenset[str]


class WantEvents(msgspec.Struct, frozen=True):
    """Give up to `count` events after `after` to `events`, oldest first."""

    count: int
    after: int


Action = Send | Ping | Close | Heard | Misunderstood | Orphaned | WantOutcomes | WantEvents


class Heartbeat:
    """When to ping and when to give a silent connection up; one for each end of each connection."""

    __slots__ = ("heard_at", "pinged_at")

    def __init__(self, now: float) -> None:
        self.heard_at = now
        self.pinged_at = now

    def due(self, now: float) -> Ping | Close | None:
        """What the silence so far calls for. Anything received counts as life (set `heard_at`)."""
        if now - self.heard_at >= SILENCE_LIMIT:
            return Close(0, f"silent for {SILENCE_LIMIT:.0f} s")
        if now - self.pinged_at >= PING_INTERVAL:
            self.pinged_at = now
            return Ping()
        return None


class _Outstanding:
    """A request the kiosk has not answered yet, as the hub's end remembers it."""

    __slots__ = ("accepted", "journal", "lasting", "request", "sent_at", "start_by")

    def __init__(self, request: Request, start_by: float, journal: str, now: float, *, lasting: bool) -> None:
        self.request = request
        self.start_by = start_by
        self.journal = journal
        self.lasting = lasting
        self.sent_at = now
        self.accepted = False


class HubSession:
    """The hub's end of the conversation with one kiosk."""

    __slots__ = ("_opened_at", "_outstanding", "hello")

    def __init__(self) -> None:
        self.hello: Hello | None = None  # of the present connection; None until it came
        self._opened_at: float | None = None
        self._outstanding: dict[str, _Outstanding] | None = None

    def opened(self, now: float) -> list[Action]:
        """A connection is up; the kiosk has `HELLO_TIMEOUT` seconds to say hello."""
        self._opened_at = now
        self.hello = None
        return []

    def closed(self) -> None:
        """The connection is gone. What is outstanding waits for the next, if it lasts."""
        self._opened_at = None
        self.hello = None
        for request_id in [key for key, item in (self._outstanding or {}).items() if not item.lasting]:
            self.forget(request_id)

    def welcome(self, hub: str, time: float, now: float, spread: float = 0.0) -> list[Action]:
        """Answer the hello just heard, and ask again for everything outstanding; `spread` as in `Welcome`."""
        actions: list[Action] = [Send(_welcome(hub, time, now, spread))]
        for request_id, item in list((self._outstanding or {}).items()):
            if self._same_journal(item.journal):
                actions.append(self._repeat(item, now))
            else:
                self.forget(request_id)
                actions.append(Orphaned(request_id))
        return actions

    def request(
        self, request: Request, start_by: float, now: float, journal: str | None = None, *, lasting: bool = True
    ) -> list[Action]:
        """Have a request executed. It is sent now if the kiosk is there, else with the next hello.

        `start_by` is when it may still be started; a time in the past asks only what became of it. `journal` names
        the journal it was first sent to, for operations of an earlier life of the hub. One that is not `lasting` is
        asked for on the present connection only: the kiosk may be settled at another hub before it comes back here.
        """
        if journal is None:
            journal = self.journal
        elif self.hello is not None and not self._same_journal(journal):
            return [Orphaned(request.request_id)]
        item = _Outstanding(request, start_by, journal, now, lasting=lasting)
        if self._outstanding is None:
            self._outstanding = {}
        self._outstanding[request.request_id] = item
        return [self._repeat(item, now)] if self.hello is not None else []

    def cancel(self, request_id: str) -> list[Action]:
        """Ask the kiosk not to start it, or to stop it. Its answer tells whether that worked."""
        return [Send(Cancel(request_id=request_id))] if self.hello is not None else []

    def settle(self, request_id: str) -> list[Action]:
        """The outcome is stored: let the kiosk forget it."""
        self.forget(request_id)
        return [Send(Settled(request_id=request_id))] if self.hello is not None else []

    def settle_all(self, request_ids: list[str]) -> list[Action]:
        """The outcomes are stored; to be said to a kiosk that told them in one message."""
        for request_id in request_ids:
            self.forget(request_id)
        return [Send(AllSettled(request_ids=request_ids))] if self.hello is not None and request_ids else []

    def acknowledge(self, seq: int) -> list[Action]:
        """All events up to `seq` are stored."""
        return [Send(EventAck(seq=seq))] if self.hello is not None else []

    def forget(self, request_id: str) -> None:
        """Do not ask for this request again."""
        if self._outstanding is not None:
            self._outstanding.pop(request_id, None)
            if not self._outstanding:
                self._outstanding = None

    def received(self, text: str | bytes, now: float) -> list[Action]:
        """Read one message. Nothing but hello counts before hello."""
        try:
            message: FromKiosk | None = decode_from_kiosk(text)
        except Malformed as error:
            return [Misunderstood(str(error))]
        if message is None:
            return []
        if isinstance(message, Hello):
            if self.hello is not None and message.journal != self.hello.journal:
                # What was asked and told so far belongs to the other one: only a new connection sorts that out.
                return [Close(CloseCode.NO_HELLO, "hello with another journal on the same connection")]
            self.hello = message
            return [Heard(message)]
        if self.hello is None:
            return [Misunderstood("a message before hello")]
        if self._outstanding is not None:
            if isinstance(message, Accepted):
                if item := self._outstanding.get(message.request_id):
                    item.accepted = True
            elif isinstance(message, Response):
                self.forget(message.request_id)
            elif isinstance(message, Responses):
                for response in message.responses:
                    self.forget(response.request_id)
        return [Heard(message)]

    @property
    def outstanding(self) -> int:
        """How many requests the kiosk has not answered yet."""
        return len(self._outstanding or ())

    def asks_for(self, request_id: str) -> bool:
        """Whether this is among them."""
        return self._outstanding is not None and request_id in self._outstanding

    def tick(self, now: float) -> list[Action]:
        """Call about once a second: hello that does not come, requests that were swallowed."""
        if self._opened_at is None:
            return []
        if self.hello is None:
            if now - self._opened_at >= HELLO_TIMEOUT:
                return [Close(CloseCode.NO_HELLO, f"no hello within {HELLO_TIMEOUT:.0f} s")]
            return []
        return [
            self._repeat(item, now)
            for item in (self._outstanding or {}).values()
            if not item.accepted and now - item.sent_at >= REPEAT_AFTER
        ]

    @property
    def journal(self) -> str:
        """Names what remembers the requests sent now; empty before hello."""
        return "" if self.hello is None else self.hello.journal or NO_NAME

    def _same_journal(self, journal: str) -> bool:
        """Whether the kiosk can know about a request first sent to this journal; empty: it was sent to none yet."""
        return not journal or journal == self.journal

    def _repeat(self, item: _Outstanding, now: float) -> Send:
        item.journal = item.journal or self.journal
        item.sent_at = now
        # What it accepted is in its journal, or was: one that came back with an older one must not start it again.
        start_within = 0.0 if item.accepted else max(0.0, round(item.start_by - now, 3))
        return Send(msgspec.structs.replace(item.request, start_within=start_within, clock=round(now, 3)))


def _welcome(hub: str, time: float, now: float, spread: float) -> Welcome:
    return Welcome(hub=hub, time=time, ping_interval=PING_INTERVAL, batch=BATCH, clock=round(now, 3), spread=spread)


class KioskSession:
    """The kiosk's end of the conversation with its hub. Memory is the journal's; this only knows what was told."""

    def __init__(self) -> None:
        self.welcomed = False
        self._wants_batches = 0
        self._batch = 0  # outcomes or events in one message; 0: told one by one
        self._told: dict[str, tuple[float, int]] = {}  # outcomes sent here and not settled: when, and their bytes
        self._told_bytes = 0
        self._more_outcomes = False
        self._events_sent = 0  # last event sent on this connection
        self._events_acked = 0
        self._events_at = 0.0

    def opened(self, hello: Hello) -> list[Action]:
        """A connection is up."""
        self.closed()
        self._wants_batches = hello.batch
        return [Send(hello)]

    def closed(self) -> None:
        """The connection is gone, and with it all certainty of what the hub has heard."""
        self.welcomed = False
        self._batch = 0
        self._told.clear()
        self._told_bytes = 0
        self._more_outcomes = False
        self._events_sent = self._events_acked = 0

    def received(self, text: str | bytes, now: float) -> list[Action]:
        """Read one message."""
        try:
            message: FromHub | None = decode_from_hub(text)
        except Malformed as error:
            return [Misunderstood(str(error))]
        if message is None:
            return []
        actions: list[Action] = [Heard(message)]
        if isinstance(message, Welcome):
            self.welcomed = True
            self._batch = min(message.batch, self._wants_batches)
            self._more_outcomes = True
            actions.append(WantOutcomes(self._window, frozenset()))
            actions.append(self._want_events(0))
        elif isinstance(message, Settled | AllSettled):
            ids = message.request_ids if isinstance(message, AllSettled) else [message.request_id]
            for request_id in ids:
                self._forget(request_id)
            if self._more_outcomes and self._has_room:
                actions.append(WantOutcomes(self._window - len(self._told), frozenset(self._told)))
        elif isinstance(message, EventAck):
            self._events_acked = max(self._events_acked, message.seq)
            self._events_at = now
            if self._events_acked >= self._events_sent:
                self._events_sent = self._events_acked
                actions.append(self._want_events(self._events_sent))
        return actions

    def outcomes(self, responses: Iterable[Response], now: float) -> list[Action]:
        """The journal's answer to `WantOutcomes`. None at all means that the backlog is told."""
        responses = list(responses)
        if not responses:
            self._more_outcomes = False
            return [Send(Responses(responses=[], more=False))] if self._batch else []
        if not self._batch:
            return [action for response in responses for action in self.outcome(response, now)]
        actions: list[Action] = []
        some: list[Response] = []
        size = 0
        for response in responses:
            self._tell(response, now)
            its = _size(response)
            if some and (len(some) >= self._batch or size + its > BATCH_BYTES):
                actions.append(_batch_of(some))
                some, size = [], 0
            some.append(response)
            size += its
        return [*actions, _batch_of(some)]

    def outcome(self, response: Response, now: float) -> list[Action]:
        """An outcome now stands in the journal. Without a hub to tell it waits there for the next welcome."""
        if not self.welcomed:
            return []
        self._tell(response, now)
        return [Send(response)]

    def events(self, events: Iterable[Event], now: float, after: int | None = None) -> list[Action]:
        """The journal's answer to `WantEvents`, oldest first; `after` is the wish's, None: of the newest.

        An answer to a wish that is no longer true tells nothing in batches: one stands for all after its `after`.
        """
        if self._batch:
            return self._event_batch(events, now) if after in {None, self._events_sent} else []
        actions: list[Action] = []
        for event in events:
            if self.welcomed and event.seq > self._events_sent:
                self._events_sent = event.seq
                self._events_at = now
                actions.append(Send(event))
        return actions

    def happened(self) -> list[Action]:
        """A new event stands in the journal: ask for it if the hub has confirmed all before it."""
        if self.welcomed and self._events_acked >= self._events_sent:
            return [self._want_events(self._events_sent)]
        return []

    def accepted(self, request_id: str) -> list[Action]:
        """The request stands in the journal and is being executed."""
        return [Send(Accepted(request_id=request_id))] if self.welcomed else []

    def progress(self, request_id: str, data: msgspec.Raw) -> list[Action]:
        """Tell how far an operation is; lost when the hub is away."""
        return [Send(Progress(request_id=request_id, data=data))] if self.welcomed else []

    def tick(self, now: float) -> list[Action]:
        """Call about once a second: outcomes and events that were swallowed are told again from the journal."""
        if not self.welcomed:
            return []
        actions: list[Action] = []
        late = [request_id for request_id, (at, _size) in self._told.items() if now - at >= REPEAT_AFTER]
        if late:
            for request_id in late:
                self._forget(request_id)
            self._more_outcomes = True
            count = max(min(len(late), self._window), self._window - len(self._told))
            actions.append(WantOutcomes(count, frozenset(self._told)))
        if self._events_sent > self._events_acked and now - self._events_at >= REPEAT_AFTER:
            self._events_sent = self._events_acked
            self._events_at = now
            actions.append(self._want_events(self._events_acked))
        return actions

    @property
    def _window(self) -> int:
        """How many outcomes may be told and not settled."""
        return 2 * self._batch or WINDOW

    @property
    def _has_room(self) -> bool:
        """Whether more of the backlog is to be told: half of what may be under way is confirmed."""
        return len(self._told) <= self._window // 2 and self._told_bytes <= WINDOW_BYTES // 2

    def _want_events(self, after: int) -> WantEvents:
        return WantEvents(self._batch or WINDOW, after)

    def _event_batch(self, events: Iterable[Event], now: float) -> list[Action]:
        """As many of them as one message holds; the rest is wanted again when they are confirmed."""
        some: list[Event] = []
        size = 0
        for event in events:
            if event.seq <= self._events_sent:
                continue
            size += _ENVELOPE_BYTES + len(event.kind) + len(event.device) + memoryview(event.data).nbytes
            if some and (len(some) >= self._batch or size > BATCH_BYTES):
                break
            some.append(event)
        if not some:
            return []
        message = Events(after=self._events_sent, events=some)
        self._events_sent = some[-1].seq
        self._events_at = now
        return [Send(message)]

    def _tell(self, response: Response, now: float) -> None:
        self._forget(response.request_id)
        size = _size(response)
        self._told[response.request_id] = (now, size)
        self._told_bytes += size

    def _forget(self, request_id: str) -> None:
        _at, size = self._told.pop(request_id, (0.0, 0))
        self._told_bytes -= size


def _size(response: Response) -> int:
    """About how many bytes it has on the wire."""
    words = len(response.error.detail) if response.error else 0
    return _ENVELOPE_BYTES + memoryview(response.body).nbytes + words


def _batch_of(responses: list[Response]) -> Send:
    """A message for these; a large one by itself goes bare, as the wrapping may not fit around it."""
    if len(responses) == 1 and _size(responses[0]) > BATCH_BYTES:
        return Send(responses[0])
    return Send(Responses(responses=responses))
