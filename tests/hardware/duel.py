"""A pure protocol against a pure simulator, in virtual time, over a line that may be bad: thousands of days a minute.

Nothing here is real but the bytes. The host side is pumped as `hardware.link` pumps it: actions in order, a record
before what stands behind it, sends dropped when the port is gone. Every action and every arrival is a *step*, counted;
before any step something may happen to the world:

    crash    the host dies: the protocol and what lies in its buffers are gone, what it had sent arrives, the journal
             is as it was written; after `down_s` a new protocol is made from the journal's memory
    unplug   the port goes and comes back: both sides keep their lives, bytes on their way are lost
    blackout the device loses power and gets it back: it keeps its `memory` only; the port stays (an adapter has its
             own power)
    outage   the host and the device lose power together

A crash *at a record* falls in two: the step before it (nothing was written) and the step behind it (it was written,
and what stands behind the record was never done), so trying every step tries both.

    duel = Duel(protocol=lambda memories: CcnetProtocol(memories[""]), simulator=CcnetSimulator)
    duel.start()
    ticket = duel.command(Enable(None))
    duel.run(until=lambda: ticket in duel.finished, within_s=30)
    duel.hand("insert", minor="50000")

`reactions` is the owner above: it gets each event when it is written down and returns commands, as a cash desk does.
Commands of the owner are given after `owner_s`, and are forgotten in a crash, as a desk's memory would be.
"""

import heapq
import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hardware.errors import DeviceError
from hardware.events import Event
from hardware.protocol import Action, Actions, Finish, Memory, Protocol, Record, Say, Send, SetLine
from hardware.simulation.faults import Line, Rates
from hardware.simulation.simulator import Simulator

STEPS_MAX = 200_000


class Stuck(AssertionError):
    """The duel runs for ever, or what was waited for never came."""


@dataclass(frozen=True)
class Fact:
    """One line of a ledger: what physically happened."""

    at: float
    kind: str
    figures: Mapping[str, object]


@dataclass(frozen=True)
class Recorded:
    """One event in the journal."""

    at: float
    event: Event
    device: str
    life: int  # of the host


@dataclass
class Trouble:
    """Something that happens to the world before the given step."""

    step: int
    kind: str  # crash, unplug, blackout, outage, or control:<name>
    down_s: float = 2.0
    arguments: Mapping[str, str] = field(default_factory=dict)


class Duel:
    """The world of one run. All public lists only grow; time is `now`, in seconds from 0."""

    def __init__(
        self,
        *,
        protocol: Callable[[Mapping[str, Memory]], Protocol],
        simulator: Callable[[dict[str, Any], Callable[[str, Mapping[str, object]], None]], Simulator],
        seed: int = 0,
        to_device: Rates = Rates.NONE,
        to_host: Rates = Rates.NONE,
        troubles: Sequence[Trouble] = (),
        reactions: Callable[[Event], Sequence[object]] | None = None,
        owner_s: float = 0.05,
        journal_s: float = 0.005,
        baud: int = 9600,
        devices: Sequence[str] = ("",),
    ) -> None:
        self.rng = random.Random(seed)
        self.now = 0.0
        self.steps = 0
        self.life = 0
        self.events: list[Recorded] = []
        self.ledger: list[Fact] = []
        self.memories: dict[str, Memory] = {device: {} for device in devices}
        self.finished: dict[int, object | DeviceError] = {}
        self.said: list[str] = []
        self.sent: list[tuple[float, str, bytes]] = []  # (when, "host" or "device", bytes)
        self.protocol: Protocol | None = None
        self.connected = False
        self.powered = False
        self.to_device, self.to_host = Line(self.rng, to_device), Line(self.rng, to_host)
        self._make_protocol = protocol
        self._make_simulator = simulator
        self._device_memory: dict[str, Any] = {}
        self.simulator = self._new_simulator()
        self._troubles = sorted(troubles, key=lambda trouble: trouble.step)
        self._reactions = reactions
        self._owner_s, self._journal_s = owner_s, journal_s
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._epochs = {"host": 0, "device": 0}  # bytes sent in an earlier one never arrive
        self._baud = self._first_baud = baud
        self._tickets = itertools.count(1)
        self._actions: list[Action] = []  # what the host still has to do
        self._busy_until = 0.0  # it writes to its disk
        self._inputs: list[Callable[[Protocol], Actions]] = []
        self._ends_at = {"host": 0.0, "device": 0.0}  # when each direction of the line is free again
        self._last_arrival = {"host": 0.0, "device": 0.0}

    # Whoever plays

    def start(self) -> None:
        """Power for the device, a host, a port."""
        self._power_on()
        self._boot()

    def command(self, command: object) -> int:
        """Ask the protocol now; the ticket is in `finished` once it is over. A crash forgets it."""
        ticket = next(self._tickets)
        if self.protocol is not None:
            self._input(lambda protocol: self._asked(protocol, command, ticket))
        return ticket

    def hand(self, control: str, **arguments: str) -> Mapping[str, object]:
        """A person's hand at the device. Raises `ControlError`."""
        return self.simulator.control(control, arguments, self.now)

    def later(self, seconds: float, what: Callable[[], object]) -> None:
        """Have something happen after that time."""
        self._at(self.now + seconds, lambda: (what(), None)[1])

    def trouble(self, kind: str, down_s: float = 2.0, arguments: Mapping[str, str] | None = None) -> None:
        """Let it happen now."""
        match kind:
            case "crash":
                self._crash()
                self._at(self.now + down_s, self._boot)
            case "unplug":
                self._unplug()
                self._at(self.now + down_s, self._plug)
            case "blackout":
                self._power_off()
                self._at(self.now + down_s, self._power_on)
            case "outage":
                self._crash()
                self._power_off()
                self._at(self.now + down_s, self._power_on)
                self._at(self.now + down_s * 1.5, self._boot)
            case _ if kind.startswith("control:"):
                self.hand(kind.removeprefix("control:"), **(arguments or {}))
            case _:
                raise ValueError(kind)

    def run(self, *, until: Callable[[], bool] | None = None, within_s: float, must: bool = True) -> bool:
        """Let time pass until something is so, or that many seconds are over; whether it is so.

        Raises:
            Stuck: it never became so and `must`; or nothing ends.
        """
        limit = self.now + within_s
        while True:
            if until is not None and until():
                return True
            if self.steps > STEPS_MAX:
                raise Stuck(f"{STEPS_MAX} steps and no end; the last bytes: {self.sent[-6:]}")
            moment = self._next_moment()
            if moment is None or moment > limit:
                self.now = max(self.now, limit)
                if until is not None and must and not until():
                    raise Stuck(f"not within {within_s:g} s; said: {self.said[-5:]}; bytes: {self.sent[-6:]}")
                return until is not None and until()
            self.now = max(self.now, moment)
            self._step()

    def facts(self, kind: str) -> list[Fact]:
        """Those of one kind in the ledger."""
        return [fact for fact in self.ledger if fact.kind == kind]

    def told(self, *kinds: type[Event]) -> list[Event]:
        """The events of these kinds in the journal."""
        return [recorded.event for recorded in self.events if isinstance(recorded.event, kinds)]

    def calm(self) -> None:
        """From now on the line is good and nothing more happens by itself."""
        self.to_device.rates = self.to_host.rates = Rates.NONE
        self.to_device.once.clear()
        self.to_host.once.clear()
        self._troubles.clear()

    # Time

    def _at(self, moment: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (moment, next(self._order), what))

    def _next_moment(self) -> float | None:
        moments = [self._agenda[0][0]] if self._agenda else []
        if self.protocol is not None:
            if self._actions or self._inputs:
                moments.append(max(self._busy_until, self.now))
            elif self.protocol.wake_at is not None:
                moments.append(max(self.protocol.wake_at, self._busy_until))
        if self.powered and self.simulator.wake_at is not None:
            moments.append(self.simulator.wake_at)
        return min(moments, default=None)

    def _step(self) -> None:
        while self._troubles and self._troubles[0].step <= self.steps:
            trouble = self._troubles.pop(0)
            self.trouble(trouble.kind, trouble.down_s, trouble.arguments)
        if self._agenda and self._agenda[0][0] <= self.now:
            heapq.heappop(self._agenda)[2]()
            return
        self.steps += 1
        if self.powered and self.simulator.wake_at is not None and self.simulator.wake_at <= self.now:
            self._from_device(self.simulator.wake(self.now))
            return
        protocol = self.protocol
        if protocol is None or self._busy_until > self.now:
            return
        if self._actions:
            self._carry_out(self._actions.pop(0))
        elif self._inputs:
            self._actions = list(self._inputs.pop(0)(protocol))
        elif protocol.wake_at is not None and protocol.wake_at <= self.now:
            before = protocol.wake_at
            self._actions = list(protocol.wake(self.now))
            if not self._actions and protocol.wake_at == before:
                raise Stuck(f"wake does nothing and wants to be called again at {before}")

    # The host

    def _boot(self) -> None:
        if self.protocol is not None:
            return
        self.life += 1
        self.protocol = self._make_protocol(dict(self.memories))
        self._busy_until = self.now
        self._plug()

    def _crash(self) -> None:
        self.protocol = None
        self._actions, self._inputs = [], []
        self.connected = False
        self._epochs["device"] += 1

    def _plug(self) -> None:
        if self.protocol is None or self.connected:
            return
        self._baud = self._first_baud  # a port that is opened has the speed of its settings
        self.connected = True
        self._input(lambda protocol: protocol.opened(self.now))

    def _unplug(self) -> None:
        if not self.connected:
            return
        self.connected = False
        self._epochs["device"] += 1
        self._epochs["host"] += 1
        self._input(lambda protocol: protocol.lost(self.now))

    def _input(self, give: Callable[[Protocol], Actions]) -> None:
        self._inputs.append(give)

    def _asked(self, protocol: Protocol, command: object, ticket: int) -> Actions:
        try:
            return protocol.command(command, ticket, self.now)
        except DeviceError as error:
            return (Finish(ticket, error=error),)

    def _carry_out(self, action: Action) -> None:
        match action:
            case Send(data):
                if self.connected:
                    self._transmit("host", data)
            case SetLine(baud):
                self._baud = baud
                self._epochs["device"] += 1
            case Record(event, memory, device):
                if device not in self.memories:
                    raise AssertionError(f"a record of device {device!r}, of which there is none")
                if memory is not None:
                    self.memories = {**self.memories, device: memory}
                self._busy_until = self.now + self._journal_s
                if event is not None:
                    self.events.append(Recorded(self.now, event, device, self.life))
                    for command in self._reactions(event) if self._reactions else ():
                        self._ask_later(command)
            case Finish(ticket, result, error):
                if ticket in self.finished:
                    raise AssertionError(f"ticket {ticket} is finished twice")
                self.finished[ticket] = result if error is None else error
            case Say(words):
                self.said.append(words)

    def _ask_later(self, command: object) -> None:
        life = self.life
        self._at(self.now + self._owner_s, lambda: (self.command(command) if self.life == life else None, None)[1])

    # The device

    def _new_simulator(self) -> Simulator:
        return self._make_simulator(
            self._device_memory, lambda kind, figures: self.ledger.append(Fact(self.now, kind, dict(figures)))
        )

    def _power_on(self) -> None:
        if self.powered:
            return
        self.powered = True
        self._from_device(self.simulator.power_on(self.now))

    def _power_off(self) -> None:
        if not self.powered:
            return
        self.powered = False
        self.simulator.power_off(self.now)
        self._epochs["device"] += 1

    def _from_device(self, sent: Sequence[bytes]) -> None:
        for data in sent:
            self._transmit("device", data)

    # The line

    def _transmit(self, sender: str, data: bytes) -> None:
        self.sent.append((self.now, sender, data))
        line = self.to_device if sender == "host" else self.to_host
        begins = max(self.now, self._ends_at[sender])
        arrives = begins + len(data) * 10 / self._baud
        self._ends_at[sender] = arrives
        epoch = self._epochs[sender]
        if self._baud != self.simulator.baud:
            data = self.rng.randbytes(len(data))  # what another speed makes of it
        for delay, piece in line.carry(data):
            # No wire lets one byte overtake another: what is late holds up what comes behind it.
            moment = max(arrives + delay, self._last_arrival[sender])
            self._last_arrival[sender] = moment
            self._at(moment, lambda piece=piece: self._arrive(sender, piece, epoch))  # type: ignore[misc]

    def _arrive(self, sender: str, data: bytes, epoch: int) -> None:
        if epoch != self._epochs[sender]:
            return
        self.steps += 1
        if sender == "host":
            if self.powered:
                self._from_device(self.simulator.received(data, self.now))
        elif self.connected:
            self._input(lambda protocol: protocol.received(data, self.now))


def at_every_step(
    play: Callable[[Sequence[Trouble]], tuple[int, list[str]]],
    kinds: Sequence[str],
    *,
    down_s: float = 2.0,
    stride: int = 1,
) -> list[str]:
    """The breaches of one script, with each kind of trouble at each of its steps.

    `play` runs the script with those troubles, heals the world, and returns how many steps the script itself took and
    what was wrong in the end. It is run once without any first.
    """
    steps, breaches = play(())
    found = [f"without any trouble: {breach}" for breach in breaches]
    for kind in kinds:
        for step in range(0, steps, stride):
            _, breaches = play((Trouble(step, kind, down_s),))
            found += [f"{kind} before step {step} of {steps}: {breach}" for breach in breaches]
    return found
