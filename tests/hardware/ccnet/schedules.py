"""What may happen to a CCNET validator and its host, and what must be true of the money in the end.

`run(seed)` is one random day; `steps()` tries every trouble at every step of a note's way, in each of the ways it can
go. Both return breaches in words.
"""

import contextlib
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hardware.bills import Disable, Enable, GiveBack, Hold, Stack
from hardware.ccnet.protocol import CcnetProtocol
from hardware.ccnet.simulator import TABLES, CcnetSimulator
from hardware.ccnet.states import State
from hardware.errors import Refused
from hardware.events import (
    BillEscrowed,
    BillHeldBack,
    BillReturned,
    BillStacked,
    BillUnclear,
    DeviceState,
    Event,
    StackCountDiffers,
    StateChanged,
)
from hardware.simulation.faults import Rates
from hardware.simulation.simulator import ControlError
from tests.hardware.duel import Duel, Trouble, at_every_step
from wire.money import Money

KINDS = ("crash", "unplug", "blackout", "outage")
VALUES = TABLES["KZT"][1]
Decide = Callable[[BillEscrowed], Sequence[object]]


def world(
    decide: Decide = lambda _: (), *, device: Mapping[str, object] | None = None, enabled: bool = True, **options: Any
) -> Duel:
    """A validator, a host that wants notes whenever the validator can take them, and an owner who decides on each."""
    simulated = dict(device or {})
    address = int(str(simulated.get("address", 3)))

    def reactions(event: Event) -> Sequence[object]:
        match event:
            case StateChanged(state=DeviceState.DISABLED) if enabled:
                return (Enable(None),)
            case BillEscrowed():
                return decide(event)
        return ()

    return Duel(
        protocol=lambda memories: CcnetProtocol(memories[""], currency="KZT", address=address),
        simulator=lambda memory, ledger: CcnetSimulator(memory, ledger, **simulated),
        reactions=reactions,
        **options,
    )


def stack(event: BillEscrowed) -> Sequence[object]:
    """An owner who wants every note."""
    return (Stack(event.escrow),)


def give_back(event: BillEscrowed) -> Sequence[object]:
    """An owner who wants none."""
    return (GiveBack(event.escrow),)


def wait(event: BillEscrowed) -> Sequence[object]:
    """An owner who cannot decide."""
    return ()


def ready(duel: Duel) -> Duel:
    """Started, and taking notes."""
    duel.start()
    duel.run(until=lambda: state_of(duel) == State.IDLING and status_of(duel) is DeviceState.READY, within_s=30)
    return duel


def state_of(duel: Duel) -> int:
    """What the device would answer to POLL."""
    return _simulator(duel).mechanism.shown


def _simulator(duel: Duel) -> CcnetSimulator:
    assert isinstance(duel.simulator, CcnetSimulator)
    return duel.simulator


def status_of(duel: Duel) -> DeviceState:
    """How the host thinks that it stands."""
    protocol = duel.protocol
    return protocol.status.state if isinstance(protocol, CcnetProtocol) else DeviceState.ABSENT


def insert(duel: Duel, value: int = 500) -> bool:
    """Whether the validator drew it in."""
    return bool(duel.powered and duel.hand("insert", value=str(value))["taken"])


def heal(duel: Duel) -> None:
    """No more trouble: power, a host, a clean line, nothing stuck; and time enough to find out."""
    duel.calm()
    _simulator(duel).unmute()
    duel.run(until=lambda: duel.connected and duel.powered, within_s=60)
    for _ in range(4):
        for control in ("repair", "put_cassette", "clear"):
            with contextlib.suppress(ControlError):
                duel.hand(control, **({"note": "on"} if control == "clear" else {}))
        if duel.run(until=lambda: at_rest(duel), within_s=60, must=False):
            break
    duel.run(within_s=3)


def at_rest(duel: Duel) -> bool:
    """The device is empty and idle, and the host knows it."""
    protocol = duel.protocol
    if not isinstance(protocol, CcnetProtocol) or state_of(duel) not in (State.IDLING, State.DISABLED):
        return False
    inside = duel.simulator.memory["validator"], duel.simulator.memory["stacker"], duel.simulator.memory["untold"]
    empty = all(place is None for place in inside)
    return empty and duel.memories[""].get("note") is None and protocol.status.state is DeviceState.READY


def breaches(duel: Duel, *, repeats: bool = True, sure: bool = False, counter: bool = True) -> list[str]:
    """What the journal says against what physically happened.

    Args:
        repeats: an event that was not confirmed is told again; where it is not, money may only be known by the counter.
        sure: nothing befell that a note may be unclear after.
        counter: the firmware counts what it stacks.
    """
    stacked = Counter(int(str(fact.figures["minor"])) for fact in duel.facts("bill_stacked"))
    credited = Counter(event.bill.minor for event in duel.told(BillStacked) if isinstance(event, BillStacked))
    unclear = [event for event in duel.told(BillUnclear) if isinstance(event, BillUnclear)]
    settled_later = {event.escrow for event in duel.told(BillStacked) if isinstance(event, BillStacked)}
    open_unclear = Counter(event.bill.minor for event in unclear if event.escrow not in settled_later)
    differs = [event for event in duel.told(StackCountDiffers) if isinstance(event, StackCountDiffers)]
    found = [f"credited and never stacked: {minor}" for minor in (credited - stacked).elements()]
    lost = stacked - credited - open_unclear
    counted = sum(event.counted - event.expected for event in differs) + len(duel.told(BillHeldBack))
    if lost and (repeats or (counter and counted < sum(lost.values()))):
        found.append(f"stacked, not credited, not told of: {sorted(lost.elements())}")
    if sure and (unclear or differs):
        found.append(f"unclear without need: {unclear} {differs}")
    unclaimed = [event for event in duel.told(BillStacked) if isinstance(event, BillStacked) and event.unclaimed]
    if repeats and unclaimed:
        found.append(f"ordered, and told as unclaimed: {unclaimed}")
    return found + _endings(duel)


def _endings(duel: Duel) -> list[str]:
    """Each note that was handed up ends once; only an unclear one may be found out later."""
    found = []
    endings: dict[int | None, list[str]] = {}
    for event in duel.told(BillStacked, BillReturned, BillUnclear):
        assert isinstance(event, BillStacked | BillReturned | BillUnclear)
        endings.setdefault(event.escrow, []).append(type(event).__name__)
    for event in duel.told(BillEscrowed):
        assert isinstance(event, BillEscrowed)
        ended = endings.get(event.escrow, [])
        if ended not in (["BillStacked"], ["BillReturned"], ["BillUnclear"], ["BillUnclear", "BillStacked"]):
            unclaimed = any(isinstance(each, BillStacked) and each.unclaimed for each in duel.told(BillStacked))
            if not (unclaimed and not ended):
                found.append(f"note {event.escrow} ended as {ended}")
    return found


@dataclass(frozen=True)
class Way:
    """One way a note can go, and what the device is like."""

    name: str
    decide: Decide
    device: Mapping[str, object]
    notes: int = 1
    owner_s: float = 0.05
    journal_s: float = 0.005

    def play(self, troubles: Sequence[Trouble]) -> tuple[int, list[str]]:
        """The script with these troubles; how many steps it took, and the breaches."""
        duel = ready(world(self.decide, device=self.device, owner_s=self.owner_s, journal_s=self.journal_s))
        before = duel.steps
        duel._troubles = [Trouble(each.step + before, each.kind, each.down_s) for each in troubles]
        for _ in range(self.notes):
            duel.run(until=lambda: insert(duel), within_s=60, must=False)
            duel.run(until=lambda: _ended(duel), within_s=25, must=False)
        steps = duel.steps - before
        heal(duel)
        repeats = self.device.get("repeats", "yes") == "yes"
        counter = self.device.get("counter", "yes") == "yes"
        found = breaches(duel, repeats=repeats, sure=(repeats and counter) or not troubles, counter=counter)
        if not troubles:
            found += self._expected(duel)
        if not at_rest(duel):
            found.append(f"it does not come to rest: {duel.simulator.describe()}")
        return steps, found

    def _expected(self, duel: Duel) -> list[str]:
        wanted = "bill_stacked" if self.decide is stack else "bill_returned"
        return [] if len(duel.facts(wanted)) == self.notes else [f"{wanted}: {duel.facts(wanted)}"]


def _ended(duel: Duel) -> bool:
    return state_of(duel) == State.IDLING and duel.protocol is not None and duel.memories[""].get("note") is None


WAYS = (
    Way("stack", stack, {}),
    Way("give back", give_back, {}),
    Way("nobody decides", wait, {}),
    Way("two equal notes", stack, {}, notes=2),
    Way("no counter", stack, {"counter": "no"}),
    Way("tells events once", stack, {"repeats": "no"}),
    Way("every first ACK is late", stack, {"ack_ms": 30}, journal_s=0.05),
    Way("given back without a word", stack, {"returned_event": "no"}),
    Way("Bill-to-Bill", stack, {"address": 1}),
)


def steps(ways: Sequence[Way] = WAYS, kinds: Sequence[str] = KINDS, stride: int = 1, down_s: float = 2.0) -> list[str]:
    """Each kind of trouble at every step of every way."""
    found: list[str] = []
    for way in ways:
        found += [f"{way.name}: {each}" for each in at_every_step(way.play, kinds, stride=stride, down_s=down_s)]
    return found


def run(seed: int) -> list[str]:
    """One random day, or one trouble at one random moment of one of the ways."""
    rng = random.Random(seed)
    if rng.random() < 0.25:
        way = rng.choice(WAYS)
        trouble = Trouble(rng.randrange(way.notes * 160), rng.choice(KINDS), rng.choice((0.1, 2.0, 7.0)))
        return [f"{way.name}, {trouble}: {each}" for each in way.play((trouble,))[1]]
    device: dict[str, object] = {
        "counter": rng.choice(("yes", "yes", "no")),
        "repeats": rng.choice(("yes", "yes", "yes", "no")),
        "baud": rng.choice((9600, 9600, 19200)),
        "types": rng.choice((24, 24, 48)),
        "ack_ms": rng.choice((10, 10, 30)),
        "address": rng.choice((3, 3, 3, 3, 1)),
        "returned_event": rng.choice(("yes", "no")),
    }
    line = rng.choice(("clean", "clean", "dirty", "dirty", "delayed"))
    rates = Rates.NONE
    if line == "delayed":
        # What was said twice or late may be taken for an answer to something else: then the counter must tell.
        rates = Rates(late=0.03, repeated=0.03, late_s=0.3)
    elif line == "dirty":
        rates = Rates(
            lost=rng.choice((0, 0.02, 0.2)), half=0.02, flipped=0.03, noise_before=0.02, noise_after=0.02, cut=0.1,
        )  # fmt: skip
    duel = world(
        lambda event: _decide(rng, event),
        device=device,
        seed=seed,
        to_device=rates,
        to_host=rates,
        owner_s=rng.choice((0.0, 0.05, 1.0, 9.9)),
        journal_s=rng.choice((0.0, 0.005, 0.05)),
        troubles=[Trouble(rng.randrange(50, 1500), rng.choice(KINDS), rng.choice((0.1, 2.0, 7.0))) for _ in range(3)],
    )
    duel.start()
    duel.run(within_s=rng.uniform(1, 5))
    for _ in range(rng.randrange(2, 6)):
        _customer(rng, duel)
        duel.run(within_s=rng.choice((0.3, 1.5, 3.0, 8.0, 14.0)))
    heal(duel)
    repeats = device["repeats"] == "yes" and line != "delayed"
    found = breaches(duel, repeats=repeats, counter=device["counter"] == "yes")
    found += _told(duel)
    if not at_rest(duel):
        found.append(f"it does not come to rest: {duel.simulator.describe()} {duel.protocol and status_of(duel)}")
    return [f"{each} ({device})" for each in found]


def _decide(rng: random.Random, event: BillEscrowed) -> Sequence[object]:
    choice = rng.random()
    if choice < 0.7:
        return (Stack(event.escrow),)
    if choice < 0.8:
        return (GiveBack(event.escrow),)
    if choice < 0.85:
        return (Disable(), Enable(None))
    return (Hold(event.escrow, 5.0), Stack(event.escrow)) if choice < 0.95 else ()


def _customer(rng: random.Random, duel: Duel) -> None:
    """Somebody stands before it."""
    choice = rng.random()
    if choice < 0.75 or not duel.powered:
        insert(duel, rng.choice((500, 500, 1000, 20000)))
        return
    hand = rng.choice(("jam", "pull_cassette", "fill_cassette", "cheat", "fail", "insert_two", "insert_fake", "mute"))
    arguments = {"value": "500"} if hand == "insert_two" else {}
    if hand == "jam":
        arguments = {"where": rng.choice(("validator", "cassette"))}
    with contextlib.suppress(ControlError):
        duel.hand(hand, **arguments)


def _told(duel: Duel) -> list[str]:
    """What callers were told agrees with the journal."""
    credited = Counter(event.bill for event in duel.told(BillStacked) if isinstance(event, BillStacked))
    found = []
    for result in duel.finished.values():
        if isinstance(result, Money) and not credited[result]:
            found.append(f"a caller was told that {result} was stacked; no event says so")
        if isinstance(result, Exception) and not isinstance(result, Refused) and not str(result):
            found.append(f"an error without words: {result!r}")
    return found
