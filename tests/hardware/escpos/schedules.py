"""Bad days of a receipt printer, played against its simulator: what was confirmed is on paper, whole and once.

An owner prints slips by reference. He asks again for what he has no outcome of (after a crash: his journal remembers
that he asked), asks for a marked copy of what is unclear, and gives up what the printer refused. In the end everything
is repaired, and a last slip must come out.

    confirmed     one piece of paper is that slip, whole, with nothing else on it; it came before the confirmation
    refused       no line of it is on any paper
    unclear       told by an event; whatever is on paper is there at most once without the word for a copy

The line towards the printer is never spoiled: ESC/POS has no checksum, and no driver can know that a letter became
another on its way. (Nor is it cut into pieces here: the duel lets a later transmission overtake the rest of one that
was cut, which no wire does; the simulator is tried with streams cut anywhere by a test of its own.)
"""

import importlib.util
import random
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from hardware.errors import OutcomeUnknown
from hardware.escpos.orders import AwaitReady, Print, Settings
from hardware.escpos.profiles import PROFILES
from hardware.escpos.protocol import EscposProtocol
from hardware.escpos.render import render
from hardware.escpos.simulator import EscposSimulator
from hardware.events import SlipPrinted, SlipUnclear
from hardware.simulation.faults import Rates
from hardware.slip import Align, Cut, Feed, Picture, QrCode, Slip, Text


def _load_duel() -> Any:
    """The tests are no packages: the module is found by its place."""
    name = "tests_hardware_duel"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[1] / "duel.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


duel = _load_duel()
HANDS = ("open_cover", "paper_out", "jam_cutter", "heat_head")
REPAIRS = {
    "open_cover": "close_cover",
    "paper_out": "load_paper",
    "jam_cutter": "clear_cutter",
    "heat_head": "cool_head",
}
A_HAND_S = 1.0  # nobody is quicker
COPY = "КОПИЯ"
SETTINGS = Settings(byte_s=10 / 9600, block_bytes=96)
LAST = "Z"


def slip(reference: str, size: int = 4) -> Slip:
    """Some lines that name it, so that what is on paper tells whose it is."""
    return Slip(
        (
            Text(text=f"{reference} Чек", align=Align.CENTER, bold=True, width=2),
            *(Text(text=f"{reference} строка {number} қазақ «{number}»") for number in range(size)),
            QrCode(content=f"{reference} код"),
            Picture(width=32, rows=tuple(bytes((0x10, 0x04, 1 + row % 4, row)) for row in range(size * 6))),
            Text(text=f"{reference} конец"),
            Feed(lines=1),
            Cut(),
        )
    )


@cache
def whole(reference: str, size: int, block_bytes: int, *, copy: bool) -> tuple[str, ...]:
    """What the paper looks like, by a printer that nothing happens to."""
    pieces: list[Sequence[str]] = []
    printer = EscposSimulator(
        {}, lambda kind, figures: pieces.append(figures["lines"]) if kind == "slip_printed" else None, boot_s=0
    )
    printer.power_on(0)
    words = SETTINGS.copy_words if copy else ""
    blocks = render(slip(reference, size), PROFILES["generic"], block_bytes=block_bytes, copy_words=words)
    printer.received(b"".join(blocks), 0)
    while printer.wake_at is not None:
        printer.wake(printer.wake_at)
    assert len(pieces) == 1
    return tuple(pieces[0])


class Day:
    """One duel and its owner."""

    def __init__(self, settings: Settings = SETTINGS, size: int = 4, **options: Any) -> None:
        self.size, self.block_bytes = size, settings.block_bytes
        printer = {"boot_s": 3.5, **options.pop("printer", {})}
        self.duel = duel.Duel(
            protocol=lambda memories: EscposProtocol(memories[""], settings),
            simulator=lambda memory, ledger: EscposSimulator(memory, ledger, **printer),
            **options,
        )
        self.answers: dict[str, list[object]] = {}  # reference → how each asking ended
        self.copies: dict[str, list[object]] = {}

    def ready(self, within_s: float = 60) -> bool:
        """Whether it became so."""
        ticket = self.duel.command(AwaitReady())
        return bool(self.duel.run(until=lambda: ticket in self.duel.finished, within_s=within_s, must=False))

    def ask(self, reference: str, *, copy: bool = False, within_s: float = 45) -> object:
        """Print, and wait for the end; "lost" when a crash forgot it."""
        life = self.duel.life
        ticket = self.duel.command(Print(slip(reference, self.size), reference, copy))
        self.duel.run(
            until=lambda: ticket in self.duel.finished or self.duel.life != life, within_s=within_s, must=False
        )
        if ticket in self.duel.finished:
            ending = self.duel.finished[ticket]
        else:
            ending = "lost" if self.duel.life != life or self.duel.protocol is None else "never"
        (self.copies if copy else self.answers).setdefault(reference, []).append(ending)
        return ending

    def order(self, reference: str) -> None:
        """As an owner does who wants this slip: until it is printed, refused or unclear."""
        for _ in range(4):
            ending = self.ask(reference)
            if ending == "lost":
                self.ready(10)
                continue
            if isinstance(ending, OutcomeUnknown):
                self.ready(40)
                self.ask(reference, copy=True)
            return

    def repair_later(self, seconds: float, hand: str, looks: int = 60) -> None:
        """Somebody comes by, finds it, and repairs it as quickly as a person can."""

        def look() -> None:
            memory = self.duel.simulator.memory
            found = {
                "open_cover": memory["cover_open"],
                "paper_out": memory["rows"] <= 0,
                "jam_cutter": memory["jammed"],
                "heat_head": memory["hot"],
            }
            if found[hand]:
                self.duel.later(A_HAND_S, lambda: self.duel.hand(REPAIRS[hand]))
            elif looks:
                self.repair_later(A_HAND_S, hand, looks - 1)

        self.duel.later(seconds, look)

    def heal(self) -> None:
        """All is repaired, and a last slip comes out."""
        self.duel.calm()
        for control in REPAIRS.values():
            self.duel.hand(control)
        self.duel.run(within_s=8)
        self.ready(120)
        self.ask(LAST)

    def breaches(self) -> list[str]:
        """What is not as the head of this file says."""
        found: list[str] = []
        told, paper = self.duel.told(SlipPrinted, SlipUnclear), self.duel.facts("slip_printed")
        lines = [str(fact.figures.get("text", fact.figures.get("content", ""))) for fact in self.duel.ledger]
        pieces = [tuple(fact.figures["lines"]) for fact in paper]
        for reference, endings in self.answers.items():
            original = whole(reference, self.size, self.block_bytes, copy=False)
            printed = [event for event in told if isinstance(event, SlipPrinted) and event.reference == reference]
            unclear = [event for event in told if isinstance(event, SlipUnclear) and event.reference == reference]
            copies = self.copies.get(reference, [])
            marked_copy = whole(reference, self.size, self.block_bytes, copy=True)
            if "never" in endings + copies:
                found.append(f"{reference}: asked and never answered")
            if pieces.count(original) > 1:
                found.append(f"{reference} is on paper {pieces.count(original)} times without the word for a copy")
            if None in endings and pieces.count(original) != 1:
                found.append(f"{reference} was confirmed and is on paper {pieces.count(original)} times")
            if None in copies and marked_copy not in pieces:
                found.append(f"the copy of {reference} was confirmed and is not on paper")
            confirmations = bool(None in endings) + copies.count(None)
            if len(printed) < confirmations:
                found.append(f"{reference} ended well {confirmations} times and was told {len(printed)} times")
            if len(printed) > pieces.count(original) + pieces.count(marked_copy):
                found.append(f"{reference} was told printed {len(printed)} times and is not so often on paper")
            if any(isinstance(ending, OutcomeUnknown) for ending in endings + copies) and not unclear:
                found.append(f"{reference} ended unclear, and no event says so")
            if not printed and not unclear and any(line.startswith(f"{reference} ") for line in lines):
                found.append(f"{reference} was refused, and something of it is on paper")
            if (unmarked := _unmarked(lines, reference)) > 1:
                found.append(f"{reference} is on paper {unmarked} times, neither head nor foot marked as a copy")
        if self.answers.get(LAST) != [None]:
            found.append(f"the last slip, with all repaired: {self.answers.get(LAST)}; {self.duel.said[-4:]}")
        return found


def _unmarked(lines: Sequence[str], reference: str) -> int:
    """How often it came out from its first line to its last without the word for a copy at either end.

    A line that was spoiled before the first, or a foot that never came, is what an open cover left of the word.
    """
    count, marked = 0, True
    for at, line in enumerate(lines):
        if line == f"{reference} Чек":
            marked = at > 0 and lines[at - 1] == COPY
        elif line == f"{reference} конец" and not marked:
            count += lines[at + 1 : at + 2] != [COPY]
    return count


def play(troubles: Sequence[Any], repair_s: float = 6.0) -> tuple[int, list[str]]:
    """One slip with these troubles, by their steps from when the printer was ready."""
    day = Day(size=2)
    day.duel.start()
    day.ready()
    begin = day.duel.steps
    schedule = [duel.Trouble(begin + one.step, one.kind, one.down_s, one.arguments) for one in troubles]
    for trouble in schedule:
        day.duel._troubles.append(trouble)
        if trouble.kind.startswith("control:"):
            day.repair_later(repair_s, trouble.kind.removeprefix("control:"))
    day.order("A")
    steps = day.duel.steps - begin
    day.duel.run(within_s=repair_s)
    day.heal()
    return steps, day.breaches()


def steps(stride: int = 1) -> list[str]:
    """Each trouble at every step of printing a slip."""
    kinds = ["crash", "unplug", "blackout", "outage", *(f"control:{hand}" for hand in HANDS)]
    found: list[str] = duel.at_every_step(play, kinds, stride=stride)
    found += duel.at_every_step(play, ["crash", "unplug", "blackout"], down_s=0.05, stride=stride * 2)
    return found


def run(seed: int) -> list[str]:
    """A day chosen by its seed."""
    rng = random.Random(seed)
    noisy = rng.random() < 0.4
    rates = Rates(lost=0.02, flipped=0.02, noise_before=0.02, noise_after=0.02, late=0.02, repeated=0.02, cut=0.2)
    settings = Settings(
        byte_s=10 / 9600,
        block_bytes=rng.choice((64, 96, 256, 1024)),
        automatic=rng.random() < 0.3 and not noisy,
        status=rng.choices(("full", "realtime"), (9, 1))[0],
    )
    day = Day(
        settings,
        size=rng.randrange(1, 7),
        seed=seed,
        to_host=rates if noisy else Rates(cut=0.3),
    )
    day.duel.start()
    day.ready()
    for _ in range(rng.randrange(1, 4)):
        kind = rng.choice(("crash", "unplug", "blackout", "outage", *(f"control:{hand}" for hand in HANDS)))
        step = day.duel.steps + rng.randrange(0, 400)
        day.duel._troubles.append(duel.Trouble(step, kind, rng.choice((0.05, 0.5, 2.0, 6.0))))
        if kind.startswith("control:"):
            day.repair_later(rng.uniform(1, 20), kind.removeprefix("control:"))
    day.duel._troubles.sort(key=lambda trouble: trouble.step)
    for reference in "ABC"[: rng.randrange(1, 4)]:
        day.order(reference)
        day.duel.run(within_s=rng.uniform(0, 3))
    day.heal()
    found = day.breaches()
    if settings.status == "realtime":
        # It confirms nothing, the last slip neither: that must be told, and nothing else may be wrong.
        found = [breach for breach in found if not breach.startswith("the last slip")]
        if day.duel.told(SlipPrinted):
            found.append("a printer that cannot confirm was believed")
    return [f"seed {seed}: {breach}" for breach in found]
