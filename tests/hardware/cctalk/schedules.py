"""The money of a whole ccTalk bus over bad days: what was credited and paid against what physically happened.

A bus of three devices is enabled, fed with coins and notes and told to pay, while the line is bad, power and host come
and go. In the end the line is good again and everybody is heard; then the journal must agree with the ledger:

    coins     no credit without a coin; a coin without credit only where `CreditsLost` was told
    hopper    every payout that began has one end; those that are clear add up to the coins that left
    notes     no credit without a note in the cassette, none returned that was kept; a note without credit only where
              `BillUnclear` or `CreditsLost` was told

The host's requests may be lost, halved, flipped and late, but are not doubled by the line: no protocol without
numbers can tell a doubled payout order from two.
"""

import contextlib
import random
from collections import Counter
from collections.abc import Sequence

from hardware.bills import AwaitReady, Enable, GiveBack, Hold, Stack
from hardware.cctalk.coins import CoinConversation
from hardware.cctalk.device import DeviceConversation
from hardware.cctalk.frames import Sum
from hardware.cctalk.hopper import HopperConversation
from hardware.cctalk.lane import Conversation
from hardware.cctalk.notes import NoteConversation
from hardware.cctalk.payout import PayOut
from hardware.cctalk.protocol import BusProtocol, For
from hardware.cctalk.simulator import CctalkBusSimulator
from hardware.events import (
    BillEscrowed,
    BillReturned,
    BillStacked,
    BillUnclear,
    CoinAccepted,
    CreditsLost,
    DeviceState,
    Event,
    PayoutBegan,
    PayoutEnded,
    PayoutUnclear,
)
from hardware.simulation.faults import Rates
from hardware.simulation.simulator import ControlError
from tests.hardware.duel import Duel, Stuck, Trouble, at_every_step
from wire.money import Money

COIN = Money(10000, "KZT")
DEVICES = ("coins", "hopper", "bills")


class World:
    """A bus, its owner, and the reckoning."""

    def __init__(
        self,
        devices: Sequence[str] = DEVICES,
        *,
        seed: int = 0,
        echo: bool = True,
        kinds: dict[str, Sum] | None = None,
        troubles: Sequence[Trouble] = (),
        to_device: Rates = Rates.NONE,
        to_host: Rates = Rates.NONE,
        options: dict[str, str] | None = None,
        security: str = "serial",
        stack: float = 1.0,
    ) -> None:
        self.devices = devices
        self.rng = random.Random(f"owner {seed}")
        self.stuck: list[str] = []
        self._stack = stack
        self.kinds = {"coins": Sum.SUM8, "hopper": Sum.SUM8, "bills": Sum.CRC16} | (kinds or {})
        said = {f"{name}_sum": self.kinds[name].value for name in devices} | (options or {})
        self.security = security
        self.duel = Duel(
            protocol=lambda memories: BusProtocol([self._make(name, memories[name]) for name in devices]),
            simulator=lambda memory, ledger: CctalkBusSimulator(
                memory, ledger, devices=",".join(devices), echo="on" if echo else "off", **said
            ),
            seed=seed,
            to_device=to_device,
            to_host=to_host,
            troubles=troubles,
            reactions=self._react,
            devices=devices,
        )
        self.duel.start()

    def _make(self, name: str, memory: object) -> Conversation:
        assert isinstance(memory, dict)
        match name:
            case "coins":
                return CoinConversation(name, 2, self.kinds[name], memory, currency="KZT")
            case "hopper":
                return HopperConversation(name, 3, self.kinds[name], memory, coin=COIN, security=self.security)
        return NoteConversation(name, 40, self.kinds[name], memory, currency="KZT")

    def _react(self, event: Event) -> list[object]:
        if not isinstance(event, BillEscrowed):
            return []
        if self.rng.random() < self._stack:
            return [For("bills", Stack(event.escrow))]
        return [For("bills", self.rng.choice([GiveBack(event.escrow), Hold(event.escrow, 3.0)]))]

    def conversation(self, name: str) -> DeviceConversation:
        assert isinstance(self.duel.protocol, BusProtocol)
        found = self.duel.protocol.conversation(name)
        assert isinstance(found, DeviceConversation)
        return found

    def ask(self, name: str, command: object) -> int:
        return self.duel.command(For(name, command))

    def wait_for(self, *tickets: int, within_s: float = 60.0) -> None:
        """Until they are over, or the host that was asked is no more."""
        life = self.duel.life
        self.duel.run(
            until=lambda: (
                self.duel.life != life
                or self.duel.protocol is None
                or all(ticket in self.duel.finished for ticket in tickets)
            ),
            within_s=within_s,
            must=False,
        )

    def enable(self) -> None:
        """Everything that takes money takes it."""
        takers = [name for name in self.devices if name != "hopper"]
        self.wait_for(*[self.ask(name, AwaitReady()) for name in self.devices])
        self.wait_for(*[self.ask(name, Enable(None)) for name in takers])

    def hand(self, control: str, **arguments: str) -> None:
        with contextlib.suppress(ControlError):  # nobody can put a second note in
            self.duel.hand(control, **arguments)

    def heal(self) -> None:
        """A good line, power for all, nothing in the way; until everybody is heard and nothing is open."""
        try:
            self._heal()
        except Stuck as stuck:
            self.stuck.append(f"it never came to rest: {stuck}")

    def _heal(self) -> None:
        duel = self.duel
        at_rest = duel.now + 2.5  # what is late has come
        duel.calm()
        duel.run(
            until=lambda: duel.connected and duel.powered and duel.protocol is not None and duel.now > at_rest,
            within_s=20,
        )
        for name in self.devices:
            if duel.powered:
                self.hand("restore", device=name)
            if name != "coins":
                self.hand("free", device=name)
        self.hand("insert_cassette")
        told = -1
        while told != len(duel.events):
            told = len(duel.events)
            duel.run(until=self._quiet, within_s=150)
            duel.run(within_s=3)

    def _quiet(self) -> bool:
        if self.duel.protocol is None or not self.duel.connected:
            return False
        return all(
            self.conversation(name).is_up
            and not self.conversation(name).inbox
            and not self.duel.memories[name].get("held")
            and not self.duel.memories[name].get("payout")
            for name in self.devices
        )

    def breaches(self) -> list[str]:
        """Where journal and ledger do not agree."""
        failed = [words for words in self.duel.said if "its driver failed" in words]
        return [*self.stuck, *failed, *self._coins(), *self._payouts(), *self._notes()]

    def _lost(self, device: str) -> float:
        told = [each.event for each in self.duel.events if each.device == device]
        return sum(
            float("inf") if event.at_most is None else event.at_most for event in told if isinstance(event, CreditsLost)
        )

    def _coins(self) -> list[str]:
        took = Counter(fact.figures["minor"] for fact in self.duel.facts("coin_accepted"))
        credited = Counter(
            event.coin.minor for event in self.duel.told(CoinAccepted) if isinstance(event, CoinAccepted)
        )
        found = [f"coins credited that never came: {invented}" for invented in [credited - took] if invented]
        missing = took - credited
        if missing.total() > self._lost("coins"):
            found.append(f"coins taken and not credited: {missing}")
        return found

    def _payouts(self) -> list[str]:
        left = len(self.duel.facts("coin_paid"))
        began = [event.reference for event in self.duel.told(PayoutBegan) if isinstance(event, PayoutBegan)]
        ends = [event for event in self.duel.told(PayoutEnded) if isinstance(event, PayoutEnded)]
        unclear = [event for event in self.duel.told(PayoutUnclear) if isinstance(event, PayoutUnclear)]
        found = []
        if sorted(began) != sorted(event.reference for event in [*ends, *unclear]):
            found.append(f"payouts began {began} and ended {[*ends, *unclear]}")
        paid = sum(event.paid for event in ends)
        # Asked again once after silence, an unclear one may have been paid as often as it was sent.
        if not paid <= left <= paid + sum(event.asked for event in unclear):
            found.append(f"{left} coins left the hopper, told {paid} paid and unclear {unclear}")
        return found

    def _notes(self) -> list[str]:
        kept = Counter(fact.figures["minor"] for fact in self.duel.facts("bill_stacked"))
        back = Counter(fact.figures["minor"] for fact in self.duel.facts("bill_returned"))
        credited = Counter(event.bill.minor for event in self.duel.told(BillStacked) if isinstance(event, BillStacked))
        returned = Counter(
            event.bill.minor
            for event in self.duel.told(BillReturned)
            if isinstance(event, BillReturned) and event.bill is not None
        )
        unclear = Counter(event.bill.minor for event in self.duel.told(BillUnclear) if isinstance(event, BillUnclear))
        found = []
        if credited - kept:
            found.append(f"notes credited that are not in the cassette: {credited - kept}")
        if returned - back:
            found.append(f"notes told as returned that were kept: {returned - back}")
        missing = kept - credited - unclear
        if missing.total() > self._lost("bills"):
            found.append(f"notes kept and not credited: {missing}")
        return found


# Every step of one thing


def _coins(troubles: Sequence[Trouble], count: int) -> tuple[int, list[str]]:
    world = World(("coins",))
    world.enable()
    begun = world.duel.steps
    _begin(world, troubles)
    for _ in range(count):
        world.hand("insert_coin", minor="10000")
        world.duel.run(within_s=0.02)
    world.duel.run(within_s=1.0)
    steps = world.duel.steps - begun
    world.heal()
    found = world.breaches()
    if all(trouble.kind in {"crash", "unplug"} for trouble in troubles):
        if len(world.duel.facts("coin_accepted")) != len(world.duel.told(CoinAccepted)):
            found.append("a coin was lost though the device had power all the time")
        found += ["it was told that coins may be lost, and none can be" for _ in world.duel.told(CreditsLost)]
    return steps, found


def one_coin(troubles: Sequence[Trouble]) -> tuple[int, list[str]]:
    """A coin is taken and credited."""
    return _coins(troubles, 1)


def two_coins(troubles: Sequence[Trouble]) -> tuple[int, list[str]]:
    """Two coins, most often in one answer."""
    return _coins(troubles, 2)


def payout(troubles: Sequence[Trouble], options: dict[str, str] | None = None) -> tuple[int, list[str]]:
    """Three coins are paid; and the same is asked again by a caller that did not get its answer."""
    options = options or {}
    security = "none" if options.get("hopper_secret") == "off" else "serial"
    world = World(("hopper",), options=options, security=security)
    world.enable()
    for reference in ("before", "this"):
        begun = world.duel.steps
        if reference == "this":
            _begin(world, troubles)
        ticket = world.ask("hopper", PayOut(3, reference))
        world.wait_for(ticket)
        steps = world.duel.steps - begun
    world.heal()
    if any(isinstance(event, PayoutBegan) and event.reference == "this" for event in world.duel.told(PayoutBegan)):
        world.wait_for(world.ask("hopper", PayOut(3, "this")))
        world.heal()
    found = world.breaches()
    if not options:
        found += [f"unclear though the hopper could tell: {event}" for event in world.duel.told(PayoutUnclear)]
    return steps, found


def plain_payout(troubles: Sequence[Trouble]) -> tuple[int, list[str]]:
    """The same with the simplest hopper: one byte of flags, no total, no security code."""
    return payout(troubles, {"hopper_flags": "1", "hopper_total": "off", "hopper_secret": "off"})


def note(troubles: Sequence[Trouble], options: dict[str, str] | None = None) -> tuple[int, list[str]]:
    """A note is held, stacked and credited."""
    world = World(("bills",), options=options)
    world.enable()
    begun = world.duel.steps
    _begin(world, troubles)
    world.hand("insert_note", minor="100000")
    world.duel.run(until=lambda: bool(world.duel.told(BillStacked, BillReturned, BillUnclear)), within_s=20, must=False)
    steps = world.duel.steps - begun
    world.heal()
    found = world.breaches()
    if all(trouble.kind in {"crash", "unplug"} for trouble in troubles):
        found += [f"unclear though the validator could tell: {event}" for event in world.duel.told(BillUnclear)]
    return steps, found


def silent_note(troubles: Sequence[Trouble]) -> tuple[int, list[str]]:
    """The same with a validator that does not say after a power cut what became of the note."""
    return note(troubles, {"bills_tell": "off"})


def _begin(world: World, troubles: Sequence[Trouble]) -> None:
    """The script itself begins: its steps are counted from here."""
    world.duel._troubles = [
        Trouble(world.duel.steps + each.step, each.kind, each.down_s, each.arguments) for each in troubles
    ]


def set_up(troubles: Sequence[Trouble]) -> tuple[int, list[str]]:
    """From nothing to the first coin."""
    world = World(("coins",), troubles=troubles)
    world.enable()
    world.hand("insert_coin", minor="10000")
    world.duel.run(within_s=1.0)
    steps = world.duel.steps
    world.heal()
    return steps, world.breaches()


def whole_bus(troubles: Sequence[Trouble]) -> tuple[int, list[str]]:
    """A coin, a note and a payout at once."""
    world = World(troubles=())
    world.enable()
    begun = world.duel.steps
    _begin(world, troubles)
    world.hand("insert_coin", minor="10000")
    world.hand("insert_note", minor="100000")
    ticket = world.ask("hopper", PayOut(3, "this"))
    world.wait_for(ticket)
    world.duel.run(until=lambda: bool(world.duel.told(BillStacked, BillReturned, BillUnclear)), within_s=20, must=False)
    steps = world.duel.steps - begun
    world.heal()
    found = world.breaches()
    for trouble in troubles:
        if trouble.kind == "control:cut":
            found += _touched(world, trouble.arguments["device"])
    return steps, found


def _touched(world: World, cut: str) -> list[str]:
    """Whom another device's power cut has harmed."""
    fine = {"coins": CoinAccepted, "hopper": PayoutEnded, "bills": BillStacked}
    found = []
    for name, kind in fine.items():
        ends = [each.event for each in world.duel.events if each.device == name and isinstance(each.event, kind)]
        if name != cut and (len(ends) != 1 or getattr(ends[0], "late", False)):
            found.append(f"the power of {cut} was cut, and {name} told {ends}")
        states = [each.event for each in world.duel.events if each.device == name]
        if name != cut and any(getattr(event, "state", None) is DeviceState.ABSENT for event in states):
            found.append(f"the power of {cut} was cut, and {name} went as well")
    return found


def cuts(stride: int = 1) -> list[str]:
    """The power of one device cut before each step of the whole bus's work: the others must not feel it."""
    count, found = whole_bus(())
    for device in DEVICES:
        for step in range(0, count, stride):
            _, breaches = whole_bus((Trouble(step, "control:cut", 0.0, {"device": device}),))
            found = [*found, *(f"cut of {device} before step {step}: {breach}" for breach in breaches)]
    return found


SCRIPTS = (set_up, one_coin, two_coins, payout, plain_payout, note, silent_note, whole_bus)
KINDS = ("crash", "unplug", "blackout", "outage")


def steps(stride: int = 1, kinds: Sequence[str] = KINDS) -> list[str]:
    """The breaches of all scripts, with each kind of trouble before each of their steps."""
    found = cuts(stride)
    for script in SCRIPTS:
        found += [f"{script.__name__}: {breach}" for breach in at_every_step(script, kinds, stride=stride)]
    return found


# Days by chance


def run(seed: int) -> list[str]:
    """One day of chance; what was wrong in the end."""
    rng = random.Random(seed)
    devices = rng.choice((("coins",), ("hopper",), ("bills",), ("coins", "hopper"), ("coins", "bills"), DEVICES))
    kinds = {name: rng.choice(list(Sum)) for name in devices if len(devices) == 1}
    bad = rng.random() < 0.7
    scale = rng.choice((0.01, 0.03, 0.08)) if bad else 0.0
    faults = {name: rng.random() * scale for name in ("lost", "half", "flipped", "noise_before", "noise_after", "cut")}
    late = rng.random() * scale
    world = World(
        devices,
        seed=seed,
        echo=rng.random() < 0.6,
        kinds=kinds,
        to_device=Rates(**faults, late=late),
        to_host=Rates(**faults, late=late, repeated=rng.random() * scale),
        options={
            "bills_tell": rng.choice(("on", "off")),
            "hopper_flags": rng.choice("123"),
            "hopper_total": rng.choice(("on", "off")),
        },
        stack=rng.choice((1.0, 0.5)),
        troubles=[
            Trouble(rng.randrange(600, 3000), rng.choice(KINDS), rng.choice((0.05, 0.5, 2.0, 6.0)))
            for _ in range(rng.choice((0, 1, 1, 2)))
        ],
    )
    world.enable()
    for at in range(rng.randrange(4, 9)):
        _act(world, rng, at)
        world.duel.run(within_s=rng.choice((0.1, 0.3, 1.0, 2.0)))
        if world.duel.life > 1 and rng.random() < 0.5:
            for name in set(devices) - {"hopper"}:
                world.ask(name, Enable(None))
    world.duel.run(within_s=2)
    world.heal()
    return [f"seed {seed}: {breach}" for breach in world.breaches()]


def _act(world: World, rng: random.Random, at: int) -> None:
    device = rng.choice(world.devices)
    if rng.random() < 0.12:
        world.hand("cut", device=device)
        world.duel.later(
            rng.choice((0.05, 0.5, 3.0)), lambda: world.duel.powered and world.hand("restore", device=device)
        )
        return
    if rng.random() < 0.05:
        world.hand("reset", device=device)
        return
    match device:
        case "coins":
            for _ in range(rng.choice((1, 1, 2, 3, 7))):
                kind = rng.choices(("insert_coin", "swallow_coin", "string_trick", "insert_slug"), (12, 1, 1, 1))[0]
                world.hand(kind, minor=rng.choice(("1000", "5000", "10000")))
                world.duel.run(within_s=rng.choice((0.0, 0.1)))
        case "hopper":
            if rng.random() < 0.2:
                world.hand(rng.choice(("jam", "free", "damage_counters")))
            if rng.random() < 0.15:
                world.hand("empty_hopper")
            elif rng.random() < 0.15:
                world.hand("fill_hopper", coins="50")
            world.ask("hopper", PayOut(rng.randrange(1, 6), f"pay {at // 2}"))
        case _:
            if rng.random() < 0.1:
                world.hand(rng.choice(("remove_cassette", "insert_cassette", "jam", "free")))
            world.hand("insert_note", minor=rng.choice(("50000", "100000", "200000")))
