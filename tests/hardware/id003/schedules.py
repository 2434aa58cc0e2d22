"""What may happen to an ID-003 validator and its host, and what must be true of the money in the end.

`run(seed)` is one random day; `steps()` tries every trouble at every step of one note's way. Both return breaches in
words.
"""

import contextlib
import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from hardware.bills import Enable, GiveBack, Hold, Stack
from hardware.events import (
    BillEscrowed,
    BillHeldBack,
    BillReturned,
    BillStacked,
    BillUnclear,
    DeviceState,
    Event,
    StateChanged,
)
from hardware.id003.commands import STACK_1, STACK_2, Command
from hardware.id003.protocol import Id003Protocol
from hardware.id003.simulator import VALUES, Id003Simulator
from hardware.simulation.faults import Rates
from hardware.simulation.simulator import ControlError
from tests.hardware.duel import Duel, Trouble, at_every_step
from wire.money import Money

KINDS = ("crash", "unplug", "blackout", "outage")
NOTES = [value * 100 for value in VALUES.values()]


def world(decide: Callable[[BillEscrowed], Sequence[object]], *, stack: Command = STACK_1, **options: Any) -> Duel:
    """A validator, a host that wants notes, and an owner who decides on each."""
    late_vend = options.pop("late_vend", 0)

    def reactions(event: Event) -> Sequence[object]:
        match event:
            case StateChanged(state=DeviceState.DISABLED):
                return (Enable(None),)
            case BillEscrowed():
                return decide(event)
        return ()

    return Duel(
        protocol=lambda memories: Id003Protocol(memories[""], stack=stack),
        simulator=lambda memory, ledger: Id003Simulator(memory, ledger, late_vend=late_vend),
        reactions=reactions,
        **options,
    )


def insert(duel: Duel, minor: int, forged: bool = False) -> bool:
    """Whether the validator took it."""
    try:
        duel.hand("insert", minor=str(minor), forged=str(int(forged)))
    except ControlError:
        return False
    return True


def heal(duel: Duel) -> None:
    """No more trouble: power, a host, a clean line, nothing jammed; and time enough to find out."""
    duel.calm()
    duel.run(until=lambda: duel.connected and duel.powered, within_s=40)
    for _ in range(5):
        for control in ("repair", "clear", "put_cassette"):
            with contextlib.suppress(ControlError):
                duel.hand(control)
        duel.run(within_s=3.5)
        if duel.run(until=lambda: at_rest(duel), within_s=60, must=False):
            duel.run(within_s=0.5)  # what it decided is still to be written down
            break


def at_rest(duel: Duel) -> bool:
    """The validator idles, and the host has no open note."""
    protocol = duel.protocol
    idle = duel.simulator.describe()["status"] in ("11", "1A")
    return idle and isinstance(protocol, Id003Protocol) and protocol.at_rest


def money_breaches(duel: Duel, *, clean: bool = False, clear: bool = False) -> list[str]:
    """What the journal says against what physically happened.

    `clean`: nothing happened that a note may be unclear after. `clear`: the line lost nothing, so that
    nobody is told of notes that are not there.
    """
    stacked = Counter(int(str(fact.figures["minor"])) for fact in duel.facts("bill_stacked"))
    credited = Counter(event.bill.minor for event in duel.told(BillStacked) if isinstance(event, BillStacked))
    unclear = Counter(event.bill.minor for event in duel.told(BillUnclear) if isinstance(event, BillUnclear))
    held_back = len(duel.told(BillHeldBack))
    found = [f"credited and never stacked: {minor}" for minor in (credited - stacked).elements()]
    lost = stacked - credited - unclear
    if sum(lost.values()) > held_back:
        found.append(f"stacked, not credited, not told of: {sorted(lost.elements())}")
    if clear and held_back > sum(lost.values()):
        found.append(f"{held_back} notes told of as held back, {sum(lost.values())} are")
    if clean and (unclear or held_back):
        found.append(f"unclear without need: {sorted(unclear.elements())}, held back {held_back}")
    closed: Counter[int | None] = Counter()
    for event in duel.told(BillStacked, BillReturned, BillUnclear):
        assert isinstance(event, BillStacked | BillReturned | BillUnclear)
        closed[event.escrow] += 1
    for event in duel.told(BillEscrowed):
        assert isinstance(event, BillEscrowed)
        if closed[event.escrow] != 1:
            found.append(f"escrow {event.escrow} ended {closed[event.escrow]} times")
    for result in duel.finished.values():
        if isinstance(result, Money) and not credited[result.minor]:
            found.append(f"a caller was told that {result} was stacked; no event says so")
    return found


def run(seed: int) -> list[str]:
    """One random day."""
    rng = random.Random(seed)
    dirty = rng.random() < 0.5
    rates = Rates.NONE
    if dirty:
        rates = Rates(
            lost=rng.choice((0, 0.02, 0.2)), half=0.02, flipped=0.03, noise_before=0.02, noise_after=0.02,
            late=rng.choice((0, 0.02)), repeated=rng.choice((0, 0.02)), cut=0.1,
        )  # fmt: skip

    def decide(event: BillEscrowed) -> Sequence[object]:
        choice = rng.random()
        if choice < 0.7:
            return (Stack(event.escrow),)
        if choice < 0.85:
            return (GiveBack(event.escrow),)
        return (Hold(event.escrow, 5.0),) if choice < 0.95 else ()

    duel = world(
        decide,
        stack=rng.choice((STACK_1, STACK_2)),
        late_vend=rng.randrange(2),
        seed=seed,
        to_device=rates,
        to_host=rates,
        owner_s=rng.choice((0.0, 0.05, 1.0)),
        troubles=[Trouble(rng.randrange(50, 800), rng.choice(KINDS), rng.choice((0.1, 2.0))) for _ in range(3)],
    )
    duel.start()
    duel.run(within_s=rng.uniform(1, 5))
    for _ in range(rng.randrange(2, 6)):
        insert(duel, rng.choice(NOTES), rng.random() < 0.1)
        for _ in range(rng.choice((0, 0, 1, 1, 2, 3))):
            duel.run(within_s=rng.uniform(0, 3))
            _mishap(duel, rng)
        duel.run(within_s=rng.uniform(2, 8))
    heal(duel)
    return money_breaches(duel, clear=not dirty)


def _mishap(duel: Duel, rng: random.Random) -> None:
    kind = rng.choice(
        (*KINDS, *KINDS, *KINDS, "jam", "pull", "clear", "pull_cassette", "put_cassette", "fail", "repair")
    )
    if kind in KINDS:
        duel.trouble(kind, rng.choice((0.05, 0.5, 2.0, 15.0)))
        return
    arguments = {}
    if kind == "jam":
        arguments = {"where": rng.choice(("stacker", "acceptor"))}
    elif kind == "clear":
        arguments = {"note": rng.choice(("returned", "stacked"))}
    with contextlib.suppress(ControlError):
        duel.hand(kind, **arguments)


def play(
    order: type, troubles: Sequence[Trouble], *, late_vend: int = 0, stack: Command = STACK_1
) -> tuple[int, list[str]]:
    """One note's way from the slot to the end, with these troubles; the steps it took without them, and breaches."""
    duel = world(lambda event: (order(event.escrow),), troubles=[], late_vend=late_vend, stack=stack)
    duel.start()
    duel.run(until=lambda: duel.simulator.describe()["status"] == "11", within_s=30)
    duel.run(within_s=0.3)
    first = duel.steps
    duel._troubles = [Trouble(first + trouble.step, trouble.kind, trouble.down_s) for trouble in troubles]
    insert(duel, 50000)
    duel.run(until=lambda: bool(duel.told(BillStacked, BillReturned)), within_s=12, must=False)
    duel.run(within_s=1.0)
    took = duel.steps - first
    heal(duel)
    # A host that dies and comes back never makes a note unclear: the device still knows.
    clean = all(trouble.kind == "crash" for trouble in troubles)
    return took, money_breaches(duel, clean=clean, clear=True)


VARIANTS = ((STACK_1, 0, 2.0), (STACK_2, 1, 0.1), (STACK_1, 1, 12.0))  # order, late VEND VALID, seconds of trouble


def steps(*, stride: int = 1, kinds: Sequence[str] = KINDS, variants: int = len(VARIANTS)) -> list[str]:
    """Every trouble at every step of stacking and of returning."""
    found = []
    for order in (Stack, GiveBack):
        for stack, late_vend, down_s in VARIANTS[:variants]:

            def script(
                troubles: Sequence[Trouble], order: type = order, stack: Command = stack, late_vend: int = late_vend
            ) -> tuple[int, list[str]]:
                return play(order, troubles, late_vend=late_vend, stack=stack)

            breaches = at_every_step(script, kinds, down_s=down_s, stride=stride)
            found += [f"{order.__name__}, {stack.name}, late vend {late_vend}: {breach}" for breach in breaches]
    return found
