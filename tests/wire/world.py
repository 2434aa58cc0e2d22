"""A hub and a kiosk around the two ends of a session, and a link between them that does what it likes.

The model owners do what the real ones must: the kiosk's has a journal that survives power cuts, the hub's has a store.
Outside of both stands `effects`, what was really done. Nothing here waits; time is moved by hand.
"""

from collections import Counter

from wire.messages import (
    AllSettled,
    Error,
    Event,
    EventAck,
    Events,
    Executed,
    Hello,
    Message,
    Request,
    Response,
    Responses,
    Settled,
    encode,
)
from wire.session import (
    Action,
    Close,
    Heard,
    HubSession,
    KioskSession,
    Misunderstood,
    Orphaned,
    Send,
    WantEvents,
    WantOutcomes,
)

DEADLINE = 60.0
WELCOME_TIMEOUT = 15.0


class Journal:
    """What a kiosk remembers over power cuts: operations with their outcomes, and events."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.outcomes: dict[str, Response | None] = {}  # None while it is being executed
        self.settled: set[str] = set()
        self.events: list[Event] = []
        self.last_seq = 0
        self.dropped: set[int] = set()

    def unsettled(self) -> list[Response]:
        return [outcome for id_, outcome in self.outcomes.items() if outcome is not None and id_ not in self.settled]


class Operation:
    """What the hub's store knows of an operation."""

    def __init__(self, request: Request, start_by: float) -> None:
        self.request = request
        self.start_by = start_by
        self.journal = ""  # the one it was sent to
        self.outcome: Response | None = None
        self.orphaned = False


class World:
    """Both programs, the link, and the truth. `batch` is what the kiosk's hello says of it."""

    def __init__(self, batch: int = 0) -> None:
        self.batch = batch
        self.now = 1000.0
        self.effects: Counter[str] = Counter()
        self.journal = Journal("j1")
        self.kiosk = KioskSession()
        self.running: list[str] = []
        self.store: dict[str, Operation] = {}
        self.stored_events: dict[str, list[int]] = {}
        self.hub = HubSession()
        self.connected = False
        self.opened_at = 0.0
        self.greeted = False
        self.to_hub: list[bytes] = []
        self.to_kiosk: list[bytes] = []
        self.misunderstood: list[str] = []

    # The link.

    def connect(self) -> None:
        """A new connection, which replaces the one there may be."""
        self.cut()
        self.connected = True
        self.opened_at = self.now
        self._hub_does(self.hub.opened(self.now))
        hello = Hello(
            version="1",
            boot_id="b",
            journal=self.journal.name,
            unsettled=len(self.journal.unsettled()),
            batch=self.batch,
        )
        self._kiosk_does(self.kiosk.opened(hello))

    def cut(self) -> None:
        """The connection breaks, and what was on its way is lost."""
        if self.connected:
            self.connected = False
            self.greeted = False
            self.to_hub.clear()
            self.to_kiosk.clear()
            self.hub.closed()
            self.kiosk.closed()

    def deliver(self, which: int = 0) -> bool:
        """Deliver one message of those on their way, the oldest unless told otherwise. False if there is none."""
        total = len(self.to_hub) + len(self.to_kiosk)
        if not total:
            return False
        which %= total
        if which < len(self.to_hub):
            self._hub_does(self.hub.received(self.to_hub.pop(which), self.now))
        else:
            self._kiosk_does(self.kiosk.received(self.to_kiosk.pop(which - len(self.to_hub)), self.now))
        return True

    def lose(self, which: int) -> None:
        """One message is swallowed."""
        queue, index = self._on_its_way(which)
        if queue:
            del queue[index]

    def double(self, which: int) -> None:
        """One message will arrive twice."""
        queue, index = self._on_its_way(which)
        if queue:
            queue.append(queue[index])

    def _on_its_way(self, which: int) -> tuple[list[bytes], int]:
        total = len(self.to_hub) + len(self.to_kiosk)
        if not total:
            return [], 0
        which %= total
        return (self.to_hub, which) if which < len(self.to_hub) else (self.to_kiosk, which - len(self.to_hub))

    # Time.

    def pass_time(self, seconds: float) -> None:
        """Both ends tick every second."""
        for _ in range(int(seconds)):
            self.now += 1.0
            if self.connected:
                self._hub_does(self.hub.tick(self.now))
            if self.connected:
                self._kiosk_does(self.kiosk.tick(self.now))
            if self.connected and not self.kiosk.welcomed and self.now - self.opened_at >= WELCOME_TIMEOUT:
                self.cut()

    def settle_down(self) -> None:
        """The link is good from now on and everybody has time: what had to come has come."""
        for _ in range(8):
            if not self.connected:
                self.connect()
            while self.deliver() or self.finish():
                pass
            self.pass_time(21)
        assert [*self.to_hub, *self.to_kiosk] == []

    # The hub's owner.

    def ask(self, request_id: str, start_within: float = DEADLINE) -> None:
        """A backend wants an operation done."""
        request = Request(request_id=request_id, operation="payment")
        operation = self.store[request_id] = Operation(request, self.now + start_within)
        self._hub_does(self.hub.request(request, operation.start_by, self.now))

    def restart_hub(self) -> None:
        """The hub is killed and comes back with its store."""
        self.cut()
        self.hub = HubSession()
        for operation in self.store.values():
            if operation.outcome is None and not operation.orphaned:
                self._hub_does(self.hub.request(operation.request, operation.start_by, self.now, operation.journal))

    def _hub_does(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Send(Message() as message):
                    if isinstance(message, Request) and self.hub.hello:
                        self.store[message.request_id].journal = self.hub.hello.journal
                    if self.connected:
                        self.to_kiosk.append(encode(message))
                case Heard(Hello()):
                    if not self.greeted:
                        self.greeted = True
                        self._hub_does(self.hub.welcome("hub", 1.0, self.now))
                case Heard(Response() as response):
                    operation = self.store[response.request_id]
                    operation.outcome = operation.outcome or response
                    self._hub_does(self.hub.settle(response.request_id))
                case Heard(Responses(responses)):
                    for response in responses:
                        operation = self.store[response.request_id]
                        operation.outcome = operation.outcome or response
                    self._hub_does(self.hub.settle_all([response.request_id for response in responses]))
                case Heard(Events(after, events)):
                    self._store_events(after, events)
                case Heard(Event() as event):
                    self._store_event(event)
                case Orphaned(request_id):
                    self.store[request_id].orphaned = True
                case Misunderstood(reason):
                    self.misunderstood.append(reason)
                case Close():
                    self.cut()
                case _:
                    pass

    def _store_event(self, event: Event) -> None:
        assert self.hub.hello is not None
        stored = self.stored_events.setdefault(self.hub.hello.journal, [])
        last = stored[-1] if stored else 0
        if event.seq == last + 1:
            stored.append(event.seq)
        self._hub_does(self.hub.acknowledge(stored[-1] if stored else 0))

    def _store_events(self, after: int, events: list[Event]) -> None:
        assert self.hub.hello is not None
        stored = self.stored_events.setdefault(self.hub.hello.journal, [])
        if after <= (stored[-1] if stored else 0):
            for event in events:
                if event.seq > (stored[-1] if stored else 0):
                    stored.append(event.seq)
        self._hub_does(self.hub.acknowledge(stored[-1] if stored else 0))

    # The kiosk's owner.

    def finish(self) -> bool:
        """The gateway acts on the oldest operation under way and answers. False if there is none."""
        if not self.running:
            return False
        request_id = self.running.pop(0)
        self.effects[request_id] += 1
        self._write(Response(request_id=request_id, operation="payment", executed=Executed.YES, status=200))
        return True

    def happen(self) -> None:
        """Something happens at the kiosk."""
        self.journal.last_seq += 1
        self.journal.events.append(Event(seq=self.journal.last_seq, at=self.now, kind="jam"))
        self._kiosk_does(self.kiosk.happened())

    def drop(self) -> None:
        """There is no room for the oldest event of those that are not told yet, save the newest."""
        if self.batch and len(self.journal.events) > 1:
            self.journal.dropped.add(self.journal.events.pop(0).seq)

    def cut_power(self, *, acted: bool = True) -> None:
        """The kiosk restarts; what was under way did or did not reach its gateway, and nobody knows."""
        self.cut()
        self.kiosk = KioskSession()
        self.effects.update(self.running if acted else [])
        self.running.clear()
        for request_id, outcome in self.journal.outcomes.items():
            if outcome is None:
                self._write(Response(request_id=request_id, operation="payment", executed=Executed.UNKNOWN))

    def lose_journal(self) -> None:
        """The kiosk's disk is replaced."""
        self.cut_power(acted=True)
        self.journal = Journal(f"j{int(self.journal.name[1:]) + 1}")

    def _write(self, response: Response) -> None:
        self.journal.outcomes[response.request_id] = response
        self._kiosk_does(self.kiosk.outcome(response, self.now))

    def _take(self, request: Request) -> None:
        known = self.journal.outcomes
        if request.request_id in known:
            outcome = known[request.request_id]
            told = self.kiosk.outcome(outcome, self.now) if outcome else self.kiosk.accepted(request.request_id)
            self._kiosk_does(told)
        elif request.start_within <= 0:
            no = Error(type="expired")
            self._write(Response(request_id=request.request_id, operation="payment", executed=Executed.NO, error=no))
        else:
            known[request.request_id] = None
            self.running.append(request.request_id)
            self._kiosk_does(self.kiosk.accepted(request.request_id))

    def _kiosk_does(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Send(Message() as message):
                    if self.connected:
                        self.to_hub.append(encode(message))
                case Heard(Request() as request):
                    self._take(request)
                case Heard(Settled(request_id)):
                    if request_id in self.journal.outcomes:
                        self.journal.settled.add(request_id)
                case Heard(AllSettled(request_ids)):
                    self.journal.settled.update(self.journal.outcomes.keys() & set(request_ids))
                case Heard(EventAck(seq)):
                    self.journal.events = [event for event in self.journal.events if event.seq > seq]
                case WantOutcomes(count, told):
                    some = [outcome for outcome in self.journal.unsettled() if outcome.request_id not in told]
                    self._kiosk_does(self.kiosk.outcomes(some[:count], self.now))
                case WantEvents(count, after):
                    some_events = [event for event in self.journal.events if event.seq > after]
                    self._kiosk_does(self.kiosk.events(some_events[:count], self.now, after))
                case Misunderstood(reason):
                    self.misunderstood.append(reason)
                case _:
                    pass
