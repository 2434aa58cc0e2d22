"""A device that says anything, an owner who asks for anything, and a world that ends at any moment; in virtual time.

Nothing here tries to be like a device: frames are whole, and that is all. What is tried is what must be true of a
protocol whatever it hears: it never raises, finishes each ticket once and in the end all of them, remembers only what
JSON can hold, says something often enough, and never turns in circles. What must be true of the money is the family's
to say: `Fuzz.heard` is called with every event and what led to it.

It is pumped as `hardware.link` pumps it. A crash falls between any two actions of one input.
"""

import contextlib
import json
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hardware.errors import DeviceError
from hardware.events import Event
from hardware.protocol import Action, Actions, Finish, Memory, Protocol, Record, Say, Send
from hardware.simulation.simulator import ControlError, Simulator

SILENT_S = 120.0  # so long nobody answers in the end, and by then every caller must know how he stands
TURNS_MAX = 400  # wakes and sends of one second, above which it turns in circles

_TROUBLES = ("silent", "silent", "silent", "twice", "twice", "noise", "plug", "leap", "crash", "close", "abandon")

Answers = Callable[[random.Random, bytes], bytes]
"""What the device says, given what was sent to it last: a frame or some, or nothing."""


class Fuzz:
    """One life after the other of one protocol.

    Args:
        protocol: makes it from what each device remembered.
        answers: see `Answers`.
        commands: something that an owner may ask for, sensible or not, given the events so far.
        heard: called with each recorded event and the bytes that were received in that input.
        endless: commands that may wait for ever.
        mangled: what was remembered is damaged now and then, as by an earlier or a foreign version.
        quiet_s: the longest that an open line may be left alone by it, or None.
    """

    def __init__(
        self,
        seed: int,
        *,
        protocol: Callable[[Mapping[str, Memory]], Protocol],
        answers: Answers,
        commands: Callable[[random.Random, Sequence[Event]], object],
        heard: Callable[[Event, bytes], None] = lambda event, data: None,
        endless: tuple[type, ...] = (),
        quiet_s: float | None = 5.0,
        devices: Sequence[str] = ("",),
        mangled: bool = False,
    ) -> None:
        self.rng = random.Random(seed)
        self.now = 1000.0
        self.memories: dict[str, Memory] = {device: {} for device in devices}
        self._mangled = mangled
        self.events: list[Event] = []
        self.open: dict[int, object] = {}  # tickets that are waited for
        self._done: set[int] = set()
        self._make, self._answers, self._commands = protocol, answers, commands
        self._heard = heard
        self._endless, self._quiet_s = endless, quiet_s
        self._ticket = 0
        self._connected = False
        self._sent = b""
        self._sent_at = self.now
        self._turns: list[float] = []
        self._calm = False  # the disk is quick and the host lives on
        self._trouble = self.rng.choice((0.1, 0.3) if mangled else (0.0, 0.02, 0.1, 0.3))
        self._boot()

    def play(self, steps: int) -> None:
        """That many things happen; then nothing any more."""
        for _ in range(steps):
            self._something()
        self._settle()

    def _something(self) -> None:
        chance = self.rng.random()
        if chance >= self._trouble:
            if chance < self._trouble + 0.08:
                self._command()
            elif self._sent and self._connected:
                self.now += self.rng.choice((0.002, 0.02, 0.02, 0.1))
                sent, self._sent = self._sent, b""
                self._receive(self._answers(self.rng, sent))
            else:
                self._wake()
            return
        match self.rng.choice(_TROUBLES):
            case "silent":
                self._sent = b""
            case "twice" if self._sent:
                self._receive(self._answers(self.rng, self._sent))
            case "noise":
                self._receive(self.rng.randbytes(self.rng.randrange(1, 12)))
            case "plug" if self._connected:
                self._unplug()
            case "leap":
                self._leap(self.rng.choice((0.5, 3.0, 7.0, 60.0)))
            case "crash":
                self._boot()
            case "close" if self.rng.random() < 0.1:
                self._close()
            case "abandon" if self.open:
                self._abandon()
        if not self._connected and self.rng.random() < 0.5:
            self._plug()

    def _settle(self) -> None:
        """Nobody answers: in the end all who wait are told, and the line is still tried."""
        if not self._connected:
            self._plug()
        self._calm = True
        until = self.now + SILENT_S
        while self.now < until and self._wake():
            pass
        assert self._quiet_s is None or self._protocol.wake_at is not None, "an open line is left alone for ever"
        hanging = [each for each in self.open.values() if not isinstance(each, self._endless)]
        assert not hanging, f"still waiting: {hanging}"

    # Inputs

    def _close(self) -> None:
        """The last that this life hears; whoever still waits then is told by the link."""
        quiet_s, self._quiet_s = self._quiet_s, None
        self._do(self._protocol.closing(self.now))
        self._leap(20.0)
        self._quiet_s = quiet_s
        self._boot()

    def _boot(self) -> None:
        """A new life; whoever waited is gone with the old one."""
        self.open.clear()
        if self._mangled and self.rng.random() < 0.5:
            self.memories = {device: _mangled(self.rng, memory) for device, memory in self.memories.items()}
        self._protocol = self._make(dict(self.memories))
        self._connected = False
        self._plug()

    def _plug(self) -> None:
        self._connected, self._sent = True, b""
        self._sent_at = self.now
        self._do(self._protocol.opened(self.now))

    def _unplug(self) -> None:
        self._connected = False
        self._do(self._protocol.lost(self.now))

    def _receive(self, data: bytes) -> None:
        if data and self._connected:
            self._do(self._protocol.received(data, self.now), data)

    def _leap(self, seconds: float) -> None:
        """The device says nothing for so long."""
        until = self.now + seconds
        while self._protocol.wake_at is not None and self._protocol.wake_at <= until:
            self._wake()
        self.now = max(self.now, until)

    def _wake(self) -> bool:
        wake_at = self._protocol.wake_at
        if wake_at is None:
            return False
        self.now = max(self.now, wake_at)
        actions = self._protocol.wake(self.now)
        assert actions or self._protocol.wake_at != wake_at, f"wake at {wake_at} does nothing and wants it again"
        self._turn()
        self._do(actions)
        return True

    def _command(self) -> None:
        command = self._commands(self.rng, self.events)
        self._ticket += 1
        self.open[self._ticket] = command
        try:
            actions: Actions = self._protocol.command(command, self._ticket, self.now)
        except DeviceError as error:
            actions = (Finish(self._ticket, error=error),)
        self._do(actions)

    def _abandon(self) -> None:
        ticket = self.rng.choice(sorted(self.open))
        del self.open[ticket]
        self._do(self._protocol.abandoned(ticket, self.now))

    # What comes of it

    def _do(self, actions: Actions, received: bytes = b"") -> None:
        crash_at = (
            self.rng.randrange(len(actions)) if actions and not self._calm and self.rng.random() < 0.004 else None
        )
        for at, action in enumerate(actions):
            if at == crash_at:
                self._boot()
                return
            self._carry_out(action, received)
        for look in ("status", "settled", "denominations"):
            getattr(self._protocol, look, None)
        if self._connected and self._quiet_s is not None:
            wake_at = self._protocol.wake_at
            assert wake_at is not None, "an open line is left alone"
            assert wake_at - self._sent_at <= self._quiet_s, f"it hears nothing for {wake_at - self._sent_at} s"

    def _carry_out(self, action: Action, received: bytes) -> None:
        match action:
            case Send(data):
                assert data
                if self._connected:
                    self._sent = data
                    self._sent_at = self.now
                    self._turn()
            case Record(event, memory, device):
                assert device in self.memories, f"a record of device {device!r}"
                if memory is not None:
                    assert len(json.dumps(memory)) < 20_000
                    self.memories[device] = json.loads(json.dumps(memory))
                if not self._calm and self.rng.random() < 0.02:
                    self.now += self.rng.choice((0.05, 1.0, 600.0))  # a slow disk
                    self._sent_at = self.now
                if event is not None:
                    self.events.append(event)
                    if not self._mangled:  # what a damaged memory said is nobody's fault
                        self._heard(event, received)
            case Finish(ticket):
                assert ticket not in self._done, f"ticket {ticket} is finished twice"
                self._done.add(ticket)
                self.open.pop(ticket, None)
            case Say(words):
                assert "its driver failed" not in words, words

    def _turn(self) -> None:
        self._turns = [at for at in self._turns if at > self.now - 1.0]
        self._turns.append(self.now)
        assert len(self._turns) < TURNS_MAX, "it turns in circles"


def _mangled(rng: random.Random, memory: Memory) -> Memory:
    """The same, but for one thing in it somewhere."""
    mangled: Any = json.loads(json.dumps(memory))
    if not mangled:
        return {"version": 7, "note": "?", "last": [], "open": {}, "held": 5}
    place = mangled
    key: Any = rng.choice(list(place))
    while isinstance(place[key], dict | list) and place[key] and rng.random() < 0.8:
        place = place[key]
        key = rng.choice(list(place)) if isinstance(place, dict) else rng.randrange(len(place))
    place[key] = rng.choice((None, True, -1, 10**30, 1.5, "", "?" * 40, "٣", [], [None], {}, {"type": None}, 0, 1))
    return dict(mangled)


class Liar:
    """A simulated device that now and then says something else than it should.

    Args:
        lie: what it says in the place of the frames that it should say.
        hands: what a person does to it, by name with arguments.
    """

    def __init__(
        self,
        seed: int,
        simulator: Simulator,
        lie: Callable[[random.Random, bytes], bytes],
        hands: Sequence[tuple[str, Mapping[str, str]]] = (),
    ) -> None:
        self.odd = random.Random(seed).choice((0.0, 0.02, 0.1, 0.5))
        self.clock: Callable[[], float] = lambda: 0.0
        self._simulator, self._lie, self._hands = simulator, lie, hands
        simulator.power_on(0.0)

    def answer(self, rng: random.Random, sent: bytes) -> bytes:
        """See `Answers`."""
        now = self.clock()
        simulator = self._simulator
        said = bytearray()
        for _ in range(1000):
            if simulator.wake_at is None or simulator.wake_at > now:
                break
            said += b"".join(simulator.wake(simulator.wake_at))
        if self._hands and rng.random() < 0.05:
            name, arguments = rng.choice(self._hands)
            with contextlib.suppress(ControlError):
                simulator.control(name, arguments, now)
        if rng.random() < 0.005:
            simulator.power_off(now)
            simulator.power_on(now)
        said += b"".join(simulator.received(sent, now))
        return self._lie(rng, bytes(said)) if rng.random() < self.odd else bytes(said)
