"""The protocol against the simulated web server, request by request, in virtual time.

As in `tests.hardware.duel`, every action and every arrival is a step, and before any step something may happen:

    crash     the host dies, and starts again from its journal
    blackout  the server and the register lose power, and get it back
    outage    all of them do
    forget    the web server is installed anew
    paper     the roll ends, and somebody puts in another after a while
    block     the queue is blocked by somebody else's task, for a while
    stranger  another program registers a sale of another sum, if it may
    deaf      the next request is lost on its way, and nobody hears of it
    mute      the next request arrives, its answer does not
    late      the next request arrives when the host has given it up
    refused   the next request finds nobody listening

`rates` says how often the last four happen by themselves.
"""

import contextlib
import heapq
import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hardware.atol.protocol import AtolProtocol
from hardware.atol.simulated_register import TaskError
from hardware.atol.simulator import AtolSimulator
from hardware.atol.steps import NoAnswer, Request, Response, Timing
from hardware.errors import DeviceError
from hardware.events import Event
from hardware.protocol import Action, Actions, Finish, Memory, Record, Say

STEPS_MAX = 100_000
HOST = ("crash", "outage")
WORLD = ("blackout", "forget", "paper", "block", "stranger")
WIRE = ("deaf", "mute", "late", "refused")
TRAVEL_S = 0.01
LATE_S = 3.0


class Stuck(AssertionError):
    """Nothing ends, or what was waited for never came."""


@dataclass(frozen=True)
class Fact:
    """One line of the ledger."""

    at: float
    kind: str
    figures: Mapping[str, Any]


@dataclass(frozen=True)
class Trouble:
    """Something that happens before a step."""

    step: int
    kind: str
    down_s: float = 4.0


class WebDuel:
    """One world."""

    def __init__(
        self,
        *,
        options: Mapping[str, Any] | None = None,
        seed: int = 0,
        rates: Mapping[str, float] | None = None,
        troubles: Sequence[Trouble] = (),
        heard: Callable[[Event], None] = lambda _: None,
        reborn: Callable[[], None] = lambda: None,
        timing: Timing | None = None,
        memory: Memory | None = None,
    ) -> None:
        self.rng = random.Random(seed)
        self.rates = dict(rates or {})
        self.now, self.steps, self.life = 0.0, 0, 0
        self.events: list[Event] = []
        self.ledger: list[Fact] = []
        self.memory: Memory = memory or {}
        self.finished: dict[int, object] = {}
        self.said: list[str] = []
        self.requests: list[tuple[float, Request]] = []
        self.protocol: AtolProtocol | None = None
        self.once: list[str] = []  # what befalls the next requests
        self._troubles = sorted(troubles, key=lambda trouble: trouble.step)
        self._timing = timing
        self._heard, self._reborn = heard, reborn
        self._device_memory: dict[str, Any] = {}
        self.simulator = AtolSimulator(self._device_memory, self._note, **(options or {}))
        self.powered = False
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._tickets = itertools.count(1)
        self._actions: list[Action] = []
        self._inputs: list[Callable[[AtolProtocol], Actions]] = []
        self._busy_until = 0.0

    def _note(self, kind: str, figures: Mapping[str, object]) -> None:
        self.ledger.append(Fact(self.now, kind, dict(figures)))

    # Whoever plays

    def start(self) -> None:
        """Power, and a host."""
        self.power_on()
        self.boot()

    def command(self, command: object) -> int:
        """Ask; the ticket is in `finished` once it is over."""
        ticket = next(self._tickets)
        if self.protocol is not None:
            self._inputs.append(lambda protocol: self._asked(protocol, command, ticket))
        return ticket

    def hand(self, control: str, **arguments: str) -> None:
        """At the register."""
        self.simulator.control(control, arguments, self.now)

    def later(self, seconds: float, what: Callable[[], object]) -> None:
        """After that time."""
        self._at(self.now + seconds, lambda: (what(), None)[1])

    def facts(self, kind: str) -> list[Mapping[str, Any]]:
        """Those of the ledger."""
        return [fact.figures for fact in self.ledger if fact.kind == kind]

    def told(self, *kinds: type[Event]) -> list[Any]:
        """Those of the journal."""
        return [event for event in self.events if isinstance(event, kinds)]

    def trouble(self, kind: str, down_s: float = 4.0) -> None:
        """Now."""
        match kind:
            case "crash":
                self.crash()
                self._at(self.now + down_s, self.boot)
            case "blackout":
                self.power_off()
                self._at(self.now + down_s, self.power_on)
            case "outage":
                self.crash()
                self.power_off()
                self._at(self.now + down_s, self.power_on)
                self._at(self.now + down_s * self.rng.choice((0.5, 1.5)), self.boot)
            case "forget":
                self.hand("forget_results")
            case "paper":
                self.hand("paper_out")
                self._at(self.now + down_s * 5, lambda: self.hand("paper_in"))
            case "block":
                self.hand("block")
                self._at(self.now + down_s * 5, self._unblock)
            case "stranger":
                with contextlib.suppress(TaskError):
                    self.hand("other_sale", total="777.77")
            case _ if kind in WIRE:
                self.once.append(kind)
            case _:
                raise ValueError(kind)

    def calm(self) -> None:
        """From now on all is well."""
        self.rates, self._troubles = {}, []
        self.once.clear()
        self.power_on()
        self.hand("paper_in")
        self.hand("cover_close")
        self._unblock()
        self.boot()

    def _unblock(self) -> None:
        if (self._device_memory["blocked"] or {}).get("uuid") == "somebody's":
            self.hand("unblock")

    def run(self, *, until: Callable[[], bool] | None = None, within_s: float, must: bool = True) -> bool:
        """Let time pass."""
        limit = self.now + within_s
        while True:
            if until is not None and until():
                return True
            if self.steps > STEPS_MAX:
                raise Stuck(f"{STEPS_MAX} steps and no end; {self.said[-3:]}")
            moment = self._next_moment()
            if moment is None or moment > limit:
                self.now = max(self.now, limit)
                if until is not None and must and not until():
                    raise Stuck(f"not within {within_s:g} s; {self.said[-3:]}; {self._tail()}")
                return until is not None and until()
            self.now = max(self.now, moment)
            self._step()

    def _tail(self) -> str:
        return "; ".join(f"{at:.1f} {r.method} {r.path[-12:]} {r.data[:80]!r}" for at, r in self.requests[-4:])

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
            self.trouble(trouble.kind, trouble.down_s)
        if self._agenda and self._agenda[0][0] <= self.now:
            heapq.heappop(self._agenda)[2]()
            return
        self.steps += 1
        if self.powered and self.simulator.wake_at is not None and self.simulator.wake_at <= self.now:
            self.simulator.wake(self.now)
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

    def boot(self) -> None:
        """A new life, from the journal."""
        if self.protocol is not None:
            return
        self.life += 1
        self.protocol = AtolProtocol("register", self.memory, nonce=str(self.life), timing=self._timing)
        self._busy_until = self.now
        self._inputs.append(lambda protocol: protocol.opened(self.now))
        self._reborn()

    def crash(self) -> None:
        """It is gone."""
        self.protocol = None
        self._actions, self._inputs = [], []

    def _asked(self, protocol: AtolProtocol, command: object, ticket: int) -> Actions:
        try:
            return protocol.command(command, ticket, self.now)
        except DeviceError as error:
            return (Finish(ticket, error=error),)

    def _carry_out(self, action: Action) -> None:
        match action:
            case Request():
                self._send(action)
            case Record(event, memory):
                if memory is not None:
                    self.memory = memory
                self._busy_until = self.now + 0.005
                if event is not None:
                    self.events.append(event)
                    self._heard(event)
            case Finish(ticket, result, error):
                if ticket in self.finished:
                    raise AssertionError(f"ticket {ticket} is finished twice")
                self.finished[ticket] = result if error is None else error
            case Say(words):
                self.said.append(words)
            case _:
                raise AssertionError(f"{action!r} is not for HTTP")

    # The network

    def _send(self, request: Request) -> None:
        self.requests.append((self.now, request))
        fate = self.once.pop(0) if self.once else ""
        if not fate:
            dice = self.rng.random()
            for kind, rate in self.rates.items():
                if dice < rate:
                    fate = kind
                    break
                dice -= rate
        life, gives_up = self.life, self.now + request.timeout_s
        if fate == "refused":
            self._answer_at(self.now + TRAVEL_S, life, NoAnswer(False, "refused"))
            return
        if fate in ("deaf", "mute", "late"):
            self._answer_at(gives_up, life, NoAnswer(True, "timed out"))
        if fate != "deaf":
            late = gives_up + self.rng.uniform(-1, LATE_S) if fate == "late" else self.now + TRAVEL_S
            self._at(late, lambda: self._arrive(request, life, gives_up, heard=not fate))

    def _arrive(self, request: Request, life: int, gives_up: float, *, heard: bool) -> None:
        self.steps += 1
        if not self.powered:
            refused = self.rng.random() < 0.5
            if heard:
                reply = NoAnswer(False, "refused") if refused else NoAnswer(True, "timed out")
                self._answer_at(self.now + TRAVEL_S if refused else gives_up, life, reply)
            return
        http, body = self.simulator.answer(request.method, request.path, request.data, self.now)
        if heard:
            self._answer_at(self.now + TRAVEL_S, life, Response(http, body))

    def _answer_at(self, moment: float, life: int, reply: Response | NoAnswer) -> None:
        def come() -> None:
            if self.life == life and self.protocol is not None:
                self._inputs.append(lambda protocol: protocol.answered(reply, self.now))

        self._at(moment, come)

    # The device

    def power_on(self) -> None:
        """It comes."""
        if not self.powered:
            self.powered = True
            self.simulator.power_on(self.now)

    def power_off(self) -> None:
        """It goes."""
        if self.powered:
            self.powered = False
            self.simulator.power_off(self.now)
