"""The bus: one line, several devices, one question in flight.

Whoever has waited longest asks next; a question that went unanswered goes to the back of the queue before it is asked
again, so that a dead device costs the others one answer's time now and then and nothing else. What comes while nothing
was asked is dropped and counted.

On a one-wire adapter all that is sent comes back first. It is compared byte by byte: a difference is a collision or a
short, the question counts as unanswered. Whether there is an echo is a setting, or found out: an answer goes to the
host (1) and a question never does, so the first byte already tells them apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from hardware.cctalk.frames import BUSY, GAP_S, HOST, NAK, FrameReader
from hardware.cctalk.lane import FOREVER, LATE_S, Answer, Ask, Conversation, Lane, Outcome
from hardware.cctalk.survey import SurveyConversation
from hardware.errors import LocalProtocolError
from hardware.protocol import Action, Actions, Finish, Protocol, Say, Send

TURN_S = 0.004  # between an answer and the next question: the line turns round
BYTE_S = 10 / 9600
LONGEST_S = 1.0  # how much longer an answer may take to end once it has begun
ADDRESS_POLL = 253
BUSY_S = 0.1
BUSY_MAX = 30
COLLISIONS_MAX = 3  # in a row; then the echo is found out anew


@dataclass(frozen=True, slots=True)
class For:
    """A command for one of the devices."""

    device: str
    command: object


@dataclass(frozen=True, slots=True)
class Join:
    """One more device. Finished with None at once."""

    conversation: Conversation


@dataclass(frozen=True, slots=True)
class Leave:
    """Make a device safe and forget it. Finished with None when that is done, or with `TransportError`."""

    device: str


@dataclass(frozen=True, slots=True)
class Guest:
    """A conversation that is held once and then over, such as a survey; it finishes its own `ticket`."""

    conversation: SurveyConversation


@dataclass(slots=True)
class _Flight:
    lane: Lane
    sent: bytes
    deadline: float
    latest: float
    reader: FrameReader
    heard: bytearray = field(default_factory=bytearray)
    read: int = 0
    last: float = 0.0
    collided: bool = False


class BusProtocol(Protocol):
    """One line.

    Args:
        conversations: the devices on it to begin with.
        echo: True, False, or None to find out.
    """

    def __init__(self, conversations: Sequence[Conversation] = (), *, echo: bool | None = None) -> None:
        self._lanes = {each.name: Lane(each) for each in conversations}
        self._guests: list[Lane] = []
        self._leaving: dict[str, list[int]] = {}
        self._echo_setting = echo
        self.echo = echo
        self._collisions = 0
        self._flight: _Flight | None = None
        self._free_at = 0.0
        self._open = False
        self._closing = False

    def conversation(self, device: str) -> Conversation:
        """One device's conversation, to look at."""
        return self._lanes[device].conversation

    @property
    def wake_at(self) -> float | None:
        if self._flight is not None:
            return self._flight.deadline
        due = min(
            (
                max(lane.due, self._free_at) if isinstance(lane.step, Ask) else lane.due
                for lane in self._all()
                if self._open or not isinstance(lane.step, Ask)
            ),
            default=FOREVER,
        )
        return None if due == FOREVER else due

    def opened(self, now: float) -> Actions:
        self._open = True
        self._flight = None
        self._free_at = now
        if self._echo_setting is None:
            self.echo = None
        for lane in self._all():
            # What was asked in an earlier life may still be answered.
            lane.doubt_until, lane.doubt_of = now + LATE_S, b""
            lane.begin(now)
            lane.nudge(now)
        return self._go(now)

    def lost(self, now: float) -> Actions:
        self._open = False
        self._flight = None
        for lane in self._all():
            lane.lost(now)
            if lane.conversation.leaving:
                lane.stop()
        return self._go(now)

    def received(self, data: bytes, now: float) -> Actions:
        flight = self._flight
        if flight is None or not self._open:
            self._skip(len(data))
            return ()
        if now - flight.last > GAP_S:
            flight.lane.conversation.skipped_bytes += flight.reader.pending
            flight.reader.drop()
        flight.last = now
        flight.heard += data
        flight.deadline = min(max(flight.deadline, now + GAP_S), flight.latest)
        self._read(flight, now)
        return self._go(now)

    def wake(self, now: float) -> Actions:
        return self._go(now)

    def command(self, command: object, ticket: int, now: float) -> Actions:
        match command:
            case For(device, wish) if device in self._lanes:
                lane = self._lanes[device]
                lane.conversation.command(wish, ticket, now)
                lane.nudge(now)
                return self._go(now)
            case Join(conversation):
                if conversation.name in self._lanes:
                    raise LocalProtocolError(f"there is a {conversation.name!r} on this bus already")
                self._lanes[conversation.name] = lane = Lane(conversation)
                lane.doubt_until = now + LATE_S
                if self._open:
                    lane.begin(now)
                return (Finish(ticket), *self._go(now))
            case Leave(device) if device in self._lanes:
                self._leaving.setdefault(device, []).append(ticket)
                self._leave(device, now)
                return self._go(now)
            case Guest(conversation):
                conversation.ticket = ticket
                lane = Lane(conversation)
                lane.doubt_until = now + LATE_S
                self._guests.append(lane)
                if self._open:
                    lane.begin(now)
                return self._go(now)
        raise LocalProtocolError(f"a ccTalk bus knows no {command!r}")

    def closing(self, now: float) -> Actions:
        self._closing = True
        for name in self._lanes:
            self._leave(name, now)
        return self._go(now)

    @property
    def settled(self) -> bool:
        return self._closing and all(lane.over for lane in self._lanes.values())

    # The queue

    def _all(self) -> list[Lane]:
        return [*self._lanes.values(), *self._guests]

    def _leave(self, device: str, now: float) -> None:
        lane = self._lanes[device]
        lane.conversation.leave(now)
        if not self._open or lane.script is None:
            lane.stop()
            return
        lane.nudge(now)

    def _go(self, now: float) -> list[Action]:
        """Whatever can be done now; then what came of it, in order."""
        actions: list[Action] = []
        while True:
            self._collect(actions)
            flight = self._flight
            if flight is not None:
                if now < flight.deadline:
                    break
                self._unanswered(flight, now)
                continue
            due = [lane for lane in self._all() if lane.due <= now]
            resting = [lane for lane in due if not isinstance(lane.step, Ask)]
            if resting:
                resting[0].due = FOREVER
                resting[0].resume(Answer(Outcome.RESTED), now)
                continue
            if not due or not self._open or now < self._free_at:
                break
            self._send(min(due, key=lambda lane: (lane.due, lane.served)), now, actions)
        self._guests = [lane for lane in self._guests if not lane.over]
        for device in [device for device in self._leaving if self._lanes[device].over]:
            actions += [Finish(ticket) for ticket in self._leaving.pop(device)]
            del self._lanes[device]
        return actions

    def _collect(self, actions: list[Action]) -> None:
        for lane in self._all():
            actions += lane.conversation.out
            lane.conversation.out = []

    def _send(self, lane: Lane, now: float, actions: list[Action]) -> None:
        assert isinstance(lane.step, Ask)
        lane.served = now
        if lane.tries:
            lane.conversation.repeats += 1
        lane.tries += 1
        wait_s = lane.step.wait_s + len(lane.request) * BYTE_S
        self._flight = _Flight(
            lane,
            lane.request,
            deadline=now + wait_s,
            latest=now + wait_s + LONGEST_S,
            reader=FrameReader(lane.conversation.kind, HOST),
            last=now,
        )
        actions.append(Send(lane.request))

    # Answers

    def _skip(self, count: int) -> None:
        for lane in self._lanes.values():
            lane.conversation.skipped_bytes += count

    def _read(self, flight: _Flight, now: float) -> None:
        begin = self._answer_begins(flight)
        if begin is None or _listens(flight.lane):
            return
        start = max(begin, flight.read)
        flight.read = len(flight.heard)
        conversation = flight.lane.conversation
        skipped = flight.reader.skipped
        frames = flight.reader.feed(bytes(flight.heard[start:]))
        conversation.skipped_bytes += flight.reader.skipped - skipped
        for frame in frames:
            if not flight.lane.fits(frame):
                conversation.skipped_bytes += len(frame.data) + 5
                continue
            if self.echo is None:
                self.echo = bool(begin)
            conversation.skipped_bytes += flight.reader.pending
            self._flight = None
            self._free_at = now + TURN_S
            self._collisions = 0
            once = isinstance(flight.lane.step, Ask) and flight.lane.step.once
            if frame.header == BUSY and flight.lane.busy < BUSY_MAX and not once:
                flight.lane.busy += 1
                flight.lane.tries -= 1
                flight.lane.due = now + BUSY_S
                return
            outcome = {NAK: Outcome.REFUSED, BUSY: Outcome.SILENT}.get(frame.header, Outcome.GOOD)
            flight.lane.resume(Answer(outcome, frame.data), now)
            return

    def _answer_begins(self, flight: _Flight) -> int | None:
        """Where the answer begins in what was heard, or None while that is open (or will never come)."""
        if flight.collided:
            return None
        if self._echo_setting is False:
            return 0
        sent, heard = flight.sent, bytes(flight.heard[: len(flight.sent)])
        if heard == sent:
            if self._echo_setting is None:
                self.echo = True
            return len(sent)
        if sent.startswith(heard):
            return None
        if self.echo:
            flight.collided = True
            return None
        return 0

    def _unanswered(self, flight: _Flight, now: float) -> None:
        lane = flight.lane
        assert isinstance(lane.step, Ask)
        self._flight = None
        self._free_at = now
        if _listens(lane):
            lane.resume(Answer(Outcome.GOOD, bytes(flight.heard)), now)
            return
        lane.conversation.skipped_bytes += flight.reader.pending
        lane.doubt(now)
        if flight.collided:
            lane.conversation.out.append(Say(f"{lane.conversation.name}: what was sent came back changed", "debug"))
            self._collisions += 1
        silent_line = self.echo is True and not flight.heard
        if self._echo_setting is None and (self._collisions >= COLLISIONS_MAX or silent_line):
            self.echo = None  # another adapter, perhaps
            self._collisions = 0
        if lane.tries < lane.step.tries:
            lane.due = now
        else:
            lane.resume(Answer(Outcome.SILENT), now)


def _listens(lane: Lane) -> bool:
    """Whether bare bytes are what is waited for, until the time is over."""
    return isinstance(lane.step, Ask) and lane.step.header == ADDRESS_POLL
