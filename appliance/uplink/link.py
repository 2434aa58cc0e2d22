"""One connection's life: pumps the conversation between the socket, the journal and the operations."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Any

import msgspec
from websockets.exceptions import ConnectionClosed

from appliance.cancelled import cancelled
from appliance.journal import Journal, StorageError
from appliance.operations import Operations
from appliance.uplink.dial import Connection
from appliance.uplink.outbox import Outbox, Ping, Text
from wire import session as wire
from wire.crashpoint import crash_points
from wire.freshness import Freshness
from wire.messages import (
    MESSAGE_MAX_BYTES,
    Accepted,
    AllSettled,
    Cancel,
    Event,
    EventAck,
    Events,
    FromHub,
    Hello,
    Request,
    Response,
    Responses,
    Settled,
    Welcome,
    encode,
)

SEND_TIMEOUT_S = 30.0
WELCOME_TIMEOUT_S = 20.0
_TICK_S = 1.0
_MALFORMED_NOTE_S = 60.0
CRASH_POINTS: dict[type, str] = {
    Hello: "appliance.uplink.hello",
    Accepted: "appliance.uplink.accepted",
    Response: "appliance.uplink.response",
    Responses: "appliance.uplink.responses",
    Event: "appliance.uplink.events",  # to a hub that knows no batches
    Events: "appliance.uplink.events",
}

_log = logging.getLogger(__name__)


class Ended(msgspec.Struct, frozen=True):
    """How a link ended: the close code (0: none), a reason for a person, and the hub's own words.

    `hub_gone`: the hub's end was closed without a word.
    """

    code: int
    reason: str
    words: str = ""
    hub_gone: bool = False


class Link:
    """Listens to operations and speaks to the hub, from hello to the end of the connection."""

    def __init__(
        self, connection: Connection, session: wire.KioskSession, *, journal: Journal, operations: Operations,
        hello: Callable[[], Hello], welcomed: Callable[[Welcome], None], malformed: Callable[[], None],
        not_sent: Callable[[int], None],
    ) -> None:  # fmt: skip
        self._connection = connection
        self._session = session
        self._journal = journal
        self._operations = operations
        self._hello = hello
        self._on_welcome = welcomed
        self._on_malformed = malformed
        self._on_not_sent = not_sent
        self._outbox = Outbox()
        self._wants: dict[type, wire.WantOutcomes | wire.WantEvents] = {}  # the newest wish of each kind
        self._wanted = asyncio.Event()
        self._heartbeat = wire.Heartbeat(time.monotonic())
        self._freshness = Freshness()
        self._journal_id = ""
        self._events_told = 0
        self._opened_at = 0.0
        self._malformed_noted = float("-inf")
        self._ended: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()

    async def run(self) -> Ended:
        """Speak until the connection ends."""
        self._opened_at = time.monotonic()
        self._connection.pinged = self._pinged
        hello = self._hello()
        self._journal_id = hello.journal
        self._carry_out(self._session.opened(hello))
        tasks = [
            asyncio.create_task(self._guard(work()), name=f"link-{name}")
            for name, work in (
                ("read", self._read), ("write", self._write), ("tick", self._tick), ("fetch", self._fetch)
            )
        ]  # fmt: skip
        try:
            return await self._ended
        finally:
            self._session.closed()
            await cancelled(*tasks)
            self._on_not_sent(self._outbox.dropped)
            await self._hang_up()

    def end(self, code: int, reason: str) -> None:
        """End it from our side."""
        self._end(Ended(code, reason))

    def _end(self, ended: Ended) -> None:
        if not self._ended.done():
            self._ended.set_result(ended)

    async def flush(self, timeout: float) -> None:
        """Give what is queued a chance to be written."""
        until = time.monotonic() + timeout
        while len(self._outbox) and not self._ended.done() and time.monotonic() < until:  # noqa: ASYNC110
            await asyncio.sleep(0.02)

    def say_hello(self) -> None:
        """Tell the hub anew what this kiosk has, on the same connection."""
        self._carry_out([wire.Send(self._hello())])

    # What operations tell (`operations.Listener`).

    def accepted(self, request_id: str) -> None:
        """Tell that it is being executed."""
        self._carry_out(self._session.accepted(request_id))

    def progress(self, request_id: str, data: dict[str, Any]) -> None:
        """Tell how far it is."""
        self._carry_out(self._session.progress(request_id, msgspec.Raw(msgspec.json.encode(data))))

    def outcome(self, response: Response) -> None:
        """Tell the outcome."""
        self._carry_out(self._session.outcome(response, time.monotonic()))

    def happened(self) -> None:
        """Tell the new event, in its turn."""
        self._carry_out(self._session.happened())

    async def _guard(self, work: Any) -> None:
        """The top of each task: whichever ends, ends the link."""
        try:
            await work
        except ConnectionClosed as error:
            frame = error.rcvd
            if frame:
                self._end(Ended(frame.code, f"closed by the hub: {frame.code} {frame.reason}".strip(), frame.reason))
            else:
                self._end(Ended(0, "the connection broke", hub_gone=self._connection.hub_gone))
        except OSError as error:
            self.end(0, f"the connection broke: {error}")
        except Exception:
            _log.exception("the link failed within the appliance")
            self.end(0, "the appliance failed while talking to the hub")

    async def _read(self) -> None:
        while True:
            text = await self._connection.recv()
            self._carry_out(self._session.received(text, time.monotonic()))

    async def _write(self) -> None:
        while True:
            item = await self._outbox.get()
            try:
                async with asyncio.timeout(SEND_TIMEOUT_S):
                    if isinstance(item, Ping):
                        await self._connection.ping()
                    else:
                        crash_points((item.point,), "before")
                        await self._connection.send(item.text, text=True)
                        crash_points((item.point,), "after")
            except TimeoutError:
                self.end(0, f"the hub takes nothing for {SEND_TIMEOUT_S:.0f} s")
                return

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            now = time.monotonic()
            self._heartbeat.heard_at = self._connection.heard_at
            action = self._heartbeat.due(now)
            if action is not None:
                self._carry_out([action])
            if not self._session.welcomed and now - self._opened_at >= WELCOME_TIMEOUT_S:
                self.end(0, f"no welcome within {WELCOME_TIMEOUT_S:.0f} s")
            if self._journal.id != self._journal_id:
                self.end(1001, "the journal was begun anew")
            self._carry_out(self._session.tick(now))
            if self._operations.unsaid:
                await self._have_it_asked_again()

    async def _have_it_asked_again(self) -> None:
        """Requests were left unanswered as the journal could not be read. At a hello the hub asks for them again."""
        try:
            await self._journal.in_doubt()
        except StorageError:
            return
        self._operations.unsaid = False
        self.end(1001, "the journal can be read again")

    async def _fetch(self) -> None:
        """Read from the journal what the conversation wants, one wish at a time."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            while self._wants:
                want = self._wants.pop(next(iter(self._wants)))
                try:
                    if isinstance(want, wire.WantOutcomes):
                        responses = await self._journal.unsettled(want.count, want.told)
                        if responses:
                            # A wish from before these were told would fetch them twice; `settled` renews it.
                            self._wants.pop(wire.WantOutcomes, None)
                        self._carry_out(self._session.outcomes(responses, time.monotonic()))
                    else:
                        events = await self._journal.events(want.count, want.after)
                        self._events_told = max([self._events_told, *(event.seq for event in events)])
                        self._carry_out(self._session.events(events, time.monotonic(), want.after))
                except StorageError as error:
                    _log.warning("the journal cannot be read to tell the hub", extra={"reason": str(error)})
                    await asyncio.sleep(1.0)
                    self._wants.setdefault(type(want), want)

    def _carry_out(self, actions: list[wire.Action]) -> None:
        for action in actions:
            match action:
                case wire.Send(message):
                    self._send(message)
                case wire.Ping():
                    self._outbox.put(Ping())
                case wire.Close(code, reason):
                    self.end(code, reason)
                case wire.Heard(message):
                    self._heard(message)  # type: ignore[arg-type]
                case wire.Misunderstood(reason):
                    self._misunderstood(reason)
                case wire.WantOutcomes() | wire.WantEvents():
                    self._wants[type(action)] = action
                    self._wanted.set()

    def _send(self, message: Any) -> None:
        text = encode(message)
        if len(text) > MESSAGE_MAX_BYTES:  # bodies are cut long before; an error's words are not
            _log.error("a message is too large to be sent", extra={"kind": type(message).__name__, "size": len(text)})
            return
        self._outbox.put(Text(text, CRASH_POINTS.get(type(message), "")))

    def _heard(self, message: FromHub) -> None:
        match message:
            case Request():
                self._operations.request(self._aged(message), self._journal_id)
            case Settled(request_id):
                self._operations.settled(request_id)
            case AllSettled(request_ids):
                for request_id in request_ids:
                    self._operations.settled(request_id)
            case EventAck(seq):
                self._journal.acknowledge(min(seq, self._events_told), self._journal_id)
            case Cancel(request_id):
                self._operations.cancel(request_id)
            case Welcome():
                self._freshness.heard(message.clock, time.monotonic())
                self._on_welcome(message)

    def _pinged(self, data: bytes) -> None:
        with contextlib.suppress(ValueError):  # a hub before this one pings without a word
            self._freshness.heard(float(data), time.monotonic())

    def _aged(self, request: Request) -> Request:
        """The request with as much time left as it has: it may have lain in a buffer while nobody read."""
        now = time.monotonic()
        age = self._freshness.age(request.clock, now)
        self._freshness.heard(request.clock, now)
        return msgspec.structs.replace(request, start_within=max(0.0, request.start_within - age))

    def _misunderstood(self, reason: str) -> None:
        self._on_malformed()
        now = time.monotonic()
        if now - self._malformed_noted >= _MALFORMED_NOTE_S:
            self._malformed_noted = now
            _log.warning("the hub sent what is no message", extra={"reason": reason})

    async def _hang_up(self) -> None:
        """Say goodbye if the other end can still hear it; never wait long."""
        ended = self._ended.result() if self._ended.done() and not self._ended.cancelled() else Ended(0, "")
        try:
            async with asyncio.timeout(5.0):
                if ended.code:
                    await self._connection.close(1000 if ended.code != 1001 else 1001)
        except (TimeoutError, OSError, ConnectionClosed):
            pass
        finally:
            cut(self._connection.transport)


def cut(transport: asyncio.WriteTransport) -> None:
    """End a connection now, whatever is not sent yet.

    One that has ended is left alone: where it was closed with something left to send, asyncio's `abort` fails then.
    """
    with contextlib.suppress(AttributeError):
        transport.abort()
