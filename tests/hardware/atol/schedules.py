"""A cash desk on a bad day: what is told as registered is what the storage holds, or is said to be unclear."""

import functools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hardware.errors import DeviceError, OutcomeUnknown
from hardware.events import (
    CashMoved,
    DocumentAbsent,
    DocumentRegistered,
    DocumentUnclear,
    Event,
    SlipPrinted,
    SlipUnclear,
)
from hardware.registers import CashIn, CashOut, CloseShift, OpenShift, PrintSlip, RegisterReceipt
from hardware.slip import lines
from tests.hardware.atol.web_duel import HOST, WIRE, WORLD, Trouble, WebDuel
from wire.money import Money
from wire.receipt import FiscalDocument, Line, Receipt, ReceiptKind, Settlement, Tender

ASKS_MAX = 6
KINDS = (ReceiptKind.SALE, ReceiptKind.SALE_RETURN, ReceiptKind.SALE_CORRECTION)


def receipt(reference: str, minor: int, kind: ReceiptKind = ReceiptKind.SALE, *, paper: bool = True) -> Receipt:
    """One line, named after the reference, so that the ledger tells which it was."""
    return Receipt(
        kind=kind,
        currency="RUB",
        lines=(Line(name=reference, price_minor=minor, total_minor=minor),),
        settlements=(Settlement(Tender.CASH, minor),),
        paper=paper,
        correction_of="2026-11-20" if kind is ReceiptKind.SALE_CORRECTION else "",
    )


@dataclass
class Wish:
    """Something that the desk wants done once."""

    reference: str
    command: object
    fiscal: bool = True
    asks: int = 0
    word: str = ""  # the last that was said of it: done, absent, unclear
    numbers: list[int] = field(default_factory=list)
    moved: list[Money] = field(default_factory=list)  # what `CashMoved` told

    @property
    def cash(self) -> Money | None:
        """What `CashMoved` is to tell."""
        match self.command:
            case CashIn(amount):
                return amount
            case CashOut(amount):
                return Money(-amount.minor, amount.currency)
        return None


class Desk:
    """Asks for one thing after the other, again for what was not done, and remembers what it was told."""

    def __init__(self, wishes: Sequence[Wish], **world: Any) -> None:
        self.wishes = wishes
        self.breaches: list[str] = []
        self._by_reference = {wish.reference: wish for wish in wishes}
        self.duel = WebDuel(heard=self._heard, reborn=self._reborn, **world)
        self._asked: tuple[Wish, int] | None = None

    def play(self) -> list[str]:
        """All wishes, then a calm end; what was wrong."""
        duel = self.duel
        duel.start()
        for _ in range(400):
            wish = next((one for one in self.wishes if self._wanted(one)), None)
            if wish is None:
                break
            self._ask(wish)
            if not duel.run(until=self._answered, within_s=30, must=False) and duel.now > 3600:
                break
            self._note_answer()
            if wish.word != "done":
                duel.run(within_s=3, must=False)  # a customer, or an engineer, takes his time
        duel.calm()
        duel.run(within_s=200, must=False)
        self._note_answer()
        self._judge()
        return self.breaches

    @staticmethod
    def _wanted(wish: Wish) -> bool:
        return wish.word in ("", "absent") and wish.asks < ASKS_MAX

    def _ask(self, wish: Wish) -> None:
        if self.duel.protocol is None or (self._asked is not None and self._asked[1] not in self.duel.finished):
            return
        wish.asks += 1
        wish.word = ""
        self._asked = (wish, self.duel.command(wish.command))

    def _answered(self) -> bool:
        return self._asked is not None and self._asked[1] in self.duel.finished

    def _note_answer(self) -> None:
        if self._asked is None or not self._answered():
            return
        wish, ticket = self._asked
        self._asked = None
        match self.duel.finished[ticket]:
            case FiscalDocument() as document:
                self._done(wish, document.number)
            case OutcomeUnknown():
                wish.word = wish.word or "asked"  # an event says more, before or after
            case DeviceError() as error:
                self._absent(wish, str(error))
            case _:
                wish.word = "done"

    def _heard(self, event: Event) -> None:
        reference = getattr(event, "reference", "")
        wish = self._by_reference.get(reference)
        match event:
            case DocumentRegistered(document=document) if wish is not None:
                self._done(wish, document.number)
            case SlipPrinted() if wish is not None:
                wish.word = "done"
            case CashMoved(amount=amount) if wish is not None:
                wish.word = "done"
                wish.moved.append(amount)
            case DocumentAbsent(words=words) if wish is not None:
                self._absent(wish, words)
            case DocumentUnclear() | SlipUnclear() if wish is not None:
                wish.word = "unclear"

    def _reborn(self) -> None:
        if self._asked is not None and self._asked[1] not in self.duel.finished:
            self._asked = None

    def _done(self, wish: Wish, number: int) -> None:
        wish.word = "done"
        wish.numbers.append(number)
        if number not in self._numbers(wish):
            self.breaches.append(f"{wish.reference}: told document {number}, the storage has {self._numbers(wish)}")

    def _absent(self, wish: Wish, words: str) -> None:
        wish.word = "absent"
        if self._numbers(wish) and not isinstance(wish.command, OpenShift | CloseShift):
            self.breaches.append(f"{wish.reference}: told absent ({words}), it is {self._numbers(wish)}")

    def _numbers(self, wish: Wish) -> list[int]:
        if isinstance(wish.command, OpenShift | CloseShift):
            kind = "openShift" if isinstance(wish.command, OpenShift) else "closeShift"
            return [f["number"] for f in self.duel.facts("document") if f["type"] == kind]
        if isinstance(wish.command, CashIn | CashOut):
            minor = wish.command.amount.minor
            return [1 for figures in self.duel.facts("cash") if figures["minor"] == minor]
        if isinstance(wish.command, PrintSlip):
            return [1 for figures in self.duel.facts("printed") if wish.reference in figures["text"]]
        return [f["number"] for f in self.duel.facts("document") if f["text"] == wish.reference]

    def _judge(self) -> None:
        for wish in self.wishes:
            numbers = self._numbers(wish)
            many = 1 if not isinstance(wish.command, PrintSlip) else ASKS_MAX
            if len(numbers) > many:
                self.breaches.append(f"{wish.reference}: happened {len(numbers)} times: {numbers}")
            if numbers and wish.word in ("absent", ""):
                self.breaches.append(f"{wish.reference}: happened as {numbers}, and {wish.word or 'nothing'} was told")
            if numbers and wish.word == "asked":
                self.breaches.append(f"{wish.reference}: happened as {numbers}, and was never settled")
            if not numbers and wish.word in ("done", "asked"):
                self.breaches.append(f"{wish.reference}: was told {wish.word}, and never happened")
            cash = [wish.cash] if wish.cash is not None and wish.word == "done" else []
            if wish.moved != cash:
                self.breaches.append(f"{wish.reference}: {wish.moved} were told as moved, not {cash}")
            if len(set(wish.numbers)) > 1:
                self.breaches.append(f"{wish.reference}: was told as several documents: {wish.numbers}")
        protocol = self.duel.protocol
        if protocol is not None and not protocol.settled:
            self.breaches.append("something is still on its way")
        if "open" in self.duel.memory:
            self.breaches.append(f"an order was never closed: {self.duel.memory['open']}")


def wishes_of(rng: random.Random, count: int = 4, *, others: bool = True) -> list[Wish]:
    """A shift with some receipts in it."""
    wishes = [Wish("open", OpenShift("open"))]
    for index in range(count):
        reference, minor = f"r{index}", 10_000 + index * 700
        dice = rng.random()
        if others and dice < 0.12:
            command: object = CashIn(Money(minor, "RUB"), reference)
            wishes.append(Wish(reference, command, fiscal=False))
        elif others and dice < 0.24:
            wishes.append(Wish(reference, PrintSlip(lines(f"slip {reference}"), reference), fiscal=False))
        else:
            kind = rng.choice(KINDS)
            wishes.append(
                Wish(reference, RegisterReceipt(receipt(reference, minor, kind, paper=dice < 0.8), reference))
            )
    wishes.append(Wish("close", CloseShift("close")))
    return wishes


def run(seed: int) -> list[str]:
    """One random day; its breaches."""
    rng = random.Random(seed)
    options = {
        "on_cut": rng.choice(("interrupted", "error", "blocked")),
        "on_paper": rng.choice(("error", "block", "warn")),
        "unblock": rng.choice(("self", "continue")),
        "documents": rng.choice(("yes", "yes", "yes", "no")),
    }
    rate = rng.choice((0.0, 0.003, 0.01, 0.04))
    troubles = [
        Trouble(rng.randrange(0, 400), rng.choice((*HOST, *WORLD, *WIRE)), rng.uniform(0.2, 12.0))
        for _ in range(rng.randrange(0, 5))
    ]
    wishes = wishes_of(rng)
    desk = Desk(wishes, options=options, seed=seed, rates=dict.fromkeys(WIRE, rate), troubles=troubles)
    try:
        breaches = desk.play()
    except AssertionError as error:
        breaches = [*desk.breaches, f"{type(error).__name__}: {error}"]
    if options["documents"] == "yes" and not any(trouble.kind == "stranger" for trouble in troubles):
        breaches += [
            f"{wish.reference}: unclear, although the storage tells" for wish in wishes
            if wish.fiscal and wish.word == "unclear"
        ]  # fmt: skip
    return [f"seed {seed} {options} {troubles}: {breach}" for breach in breaches]


def script(options: Mapping[str, str], trouble: Trouble | None) -> tuple[int, list[str]]:
    """Two receipts in a shift, with that trouble; how many steps it took, and its breaches."""
    wishes = [
        Wish("open", OpenShift("open")),
        Wish("r0", RegisterReceipt(receipt("r0", 12_345), "r0")),
        Wish("r1", RegisterReceipt(receipt("r1", 12_345, ReceiptKind.SALE_RETURN), "r1")),
        Wish("close", CloseShift("close")),
    ]
    desk = Desk(wishes, options=options, troubles=() if trouble is None else (trouble,))
    try:
        breaches = desk.play()
    except AssertionError as error:
        breaches = [*desk.breaches, f"{type(error).__name__}: {error}"]
    breaches += [f"{wish.reference}: ended as {wish.word}" for wish in wishes if wish.word not in ("done", "absent")]
    return desk.duel.steps, breaches


OPTIONS = tuple(
    {"on_cut": cut, "on_paper": paper, "unblock": unblock}
    for cut, paper, unblock in (
        ("interrupted", "error", "self"),
        ("error", "block", "continue"),
        ("blocked", "warn", "self"),
        ("blocked", "block", "self"),
    )
)


def steps(stride: int = 1) -> list[str]:
    """The breaches of every kind of trouble before every step of the script."""
    return [breach for play in plays(stride) for breach in play()]


def plays(stride: int = 1) -> Iterator[Callable[[], list[str]]]:
    """The same, one by one."""
    for options in OPTIONS:
        count, _ = script(options, None)
        for kind in (*HOST, *WORLD, *WIRE):
            for step in range(0, count, stride):
                yield functools.partial(_one, options, Trouble(step, kind))


def _one(options: Mapping[str, str], trouble: Trouble) -> list[str]:
    _, breaches = script(options, trouble)
    return [f"{options} {trouble.kind} before step {trouble.step}: {breach}" for breach in breaches]
