"""What became of a case, and the lives of a program that is to die where the case says."""

import json
import signal
from collections import Counter
from collections.abc import Iterator, Mapping

from bench.program import Program
from bench.stack import Hub
from tests.chaos.crash_cases import Case
from tests.chaos.crash_yard import Ask, died_at, start
from wire.crashpoint import VARIABLE


class Ended:
    """What came of a case."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.asks: list[Ask] = []
        self.visited: list[str] = []  # where a program died
        self.states: Counter[str] = Counter()  # final states; `settled` of those that had been told as unknown
        self.breaches: list[str] = []
        self.took_s = 0.0

    @property
    def operations(self) -> int:
        """How many were asked for."""
        return len(self.asks)

    def lies(self, effects: Mapping[str, int]) -> Iterator[str]:
        """What was told and is not so, by the gateway's ledger."""
        for ask in self.asks:
            count = effects.get(ask.order, 0)
            if count > 1:
                yield f"{ask.order}: {count} effects"
            for told in ask.told:
                if told.outcome is None and told.body.get("status") == "success" and ask.method == "POST" and not count:
                    yield f"{ask.order}: told as paid, without effect"
                if told.outcome == "not_executed" and count:
                    yield f"{ask.order}: told as not executed ({told.body['type']}), with {count} effects"
            definite = {
                json.dumps([told.status, told.body], sort_keys=True)
                for told in ask.told
                if told.outcome is None and told.status != 202
            }
            if len(definite) > 1:
                yield f"{ask.order}: answered differently: {sorted(definite)}"

    def __str__(self) -> str:
        words = f"{self.took_s:5.1f} s  {self.case.name} ({self.case.setting}): {dict(sorted(self.states.items()))}"
        if len(self.visited) < len(self.case.appliance) + len(self.case.hub):
            words += f", died only at {self.visited}"
        return "\n".join([words, *(f"    BREACH {words}" for words in self.breaches)])


class Lives:
    """A program's lives, one after the other: each is to end at a point, the last is not."""

    def __init__(self, program: Program, points: tuple[str, ...], ended: Ended) -> None:
        self.program = program
        self.is_to_die = False  # in its present life, or it just did
        self._left = list(points)
        self._ended = ended

    def begin(self) -> None:
        """Start the next."""
        at = self._left.pop(0) if self._left else ""
        self.is_to_die = bool(at)
        start(self.program, at, wait=False)

    def has_died(self) -> bool:
        """Whether the present life is over; notes where it ended, and a breach where it should not have."""
        if self.program.alive:
            return False
        if at := died_at(self.program):
            self._ended.visited.append(at)
        else:
            self._ended.breaches.append(f"{self.program.name} ended by itself: {self.program.tail(4)}")
        return True

    def spare(self) -> None:
        """It does not get to where it is to die: let it live, and never mind what was to follow."""
        if self.is_to_die:
            self._left.clear()
            self.begin()


def dies(hub: Hub, ended: Ended, *arguments: str) -> None:
    """Run a command of the hub's that dies where the case says."""
    hub.settings[VARIABLE] = ended.case.hub[0]
    done = hub.cli(*arguments)
    del hub.settings[VARIABLE]
    if done.returncode == -signal.SIGKILL and f"crash point {ended.case.last}:" in done.stderr:
        ended.visited.append(ended.case.last)
    else:
        ended.breaches.append(f"{arguments} did not get to its end: {done.returncode} {done.stderr}")
