"""Asking a printer for its statuses: DLE EOT, one question at a time, each until it is answered or its time is over.

Questions come in rounds: all of them for a printer that has nothing to do, those that tell soonest while it prints. A
status byte does not say what it answers. So the next question waits for the answer before, and for a while after one
that never came (`DRAIN_S`), lest a late answer be read as another's.

A question never stands inside a command. A picture may itself hold the bytes of one; some printers answer it. While
such a block is on its way nothing is asked (`keep_quiet`), and statuses that come are answers to nothing.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from hardware.escpos import commands as c
from hardware.escpos.declaration import encode
from hardware.escpos.orders import Settings
from hardware.escpos.outgoing import Outgoing, Timers

GAP_S = 0.1  # between two questions while a slip is printed; a cover cannot be opened and closed unseen
DEAF_S = 0.2  # after a block that holds the bytes of a question was carried over: what it called forth has come
DRAIN_S = 0.3  # a late answer is waited for before the next question
FULL = 20  # Custom's: everything in six bytes
ROUND = (1, 2, 3, 4)
WHILE_PRINTING = (1, 2, 1, 4, 1, 3)  # 1 tells of anything that stops it
AFTER = (4, 2, 3, 1)


@dataclass(frozen=True, slots=True)
class Question:
    """One that is on its way."""

    asked: int
    at: float


class Asking:
    """Timers: "ask" for the next question, "answer" for the end of waiting."""

    def __init__(self, settings: Settings, out: Outgoing, timers: Timers) -> None:
        self._settings, self._out, self._timers = settings, out, timers
        self.question: Question | None = None
        self.misses = 0  # one after the other
        self.repeats = 0  # ever
        self._round: deque[int] = deque()
        self._deaf_until = float("-inf")

    @property
    def everything(self) -> tuple[int, ...]:
        """A round that tells all."""
        return (*ROUND, FULL) if self._settings.profile.full_status else ROUND

    @property
    def idle(self) -> bool:
        """Nothing is asked, and nothing is about to be."""
        return self.question is None and "ask" not in self._timers

    @property
    def in_round(self) -> bool:
        """Questions of the round are left."""
        return bool(self._round)

    def plan(self, questions: Sequence[int]) -> None:
        """A new round in place of the old one; a question that is on its way is not taken back."""
        self._round = deque(questions)

    def next_at(self, at: float) -> None:
        """When the next question is due; later where the line must be kept quiet."""
        self._timers["ask"] = max(at, self._deaf_until)

    def hold(self) -> None:
        """No question is due until somebody says so."""
        self._timers.pop("ask", None)

    def ask(self, now: float, *, otherwise: Sequence[int]) -> None:
        """The next question; `otherwise` is the round to begin where none goes on."""
        if self.question is not None:
            return
        if not self._round:
            self.plan(otherwise)
        asked = self._round.popleft()
        self._out.send(encode(c.DLE_EOT, n=asked), now)
        self.question = Question(asked, now)
        self._timers["answer"] = self._out.free_at + self._settings.answer_s

    def answered(self) -> Question:
        """What the answer that came is to. There must be a question."""
        question = self.question
        assert question is not None
        self.question = None
        self._timers.pop("answer", None)
        self.misses = 0
        return question

    def unanswered(self) -> bool:
        """Its time is over: it is the next of the round again. False when nothing was asked."""
        if self.question is None:
            return False
        self._round.appendleft(self.question.asked)
        self.question = None
        self.misses += 1
        self.repeats += 1
        return True

    def keep_quiet(self, until: float) -> None:
        """Bytes of a question are on their way in a picture."""
        self._deaf_until = until + DEAF_S
        if "ask" in self._timers:
            self.next_at(self._timers["ask"])

    def round_over(self) -> None:
        """What is left of the round is not asked, and the line need not be quiet any more."""
        self._round.clear()
        self._deaf_until = float("-inf")

    def forget(self) -> None:
        """The line is another one: no answer will come."""
        self.question = None
        self.round_over()
