"""One question at a time, and none into a picture."""

import pytest

from hardware.escpos.asking import DEAF_S, Asking
from hardware.escpos.orders import Settings
from hardware.escpos.outgoing import Outgoing, Timers
from hardware.escpos.profiles import PROFILES
from hardware.protocol import Send


class Bench:
    def __init__(self, **settings: object) -> None:
        self.timers: Timers = {}
        self.out = Outgoing(0.0)
        self.asking = Asking(Settings(**settings), self.out, self.timers)  # type: ignore[arg-type]

    def asks(self, now: float = 0.0) -> list[int]:
        self.asking.ask(now, otherwise=self.asking.everything)
        return [action.data[2] for action in self.out.take() if isinstance(action, Send)]


def test_the_next_waits_for_the_answer_before() -> None:
    bench = Bench()
    assert (bench.asks(), bench.asks()) == ([1], [])
    assert bench.asking.answered().asked == 1
    assert (bench.asks(1.0), bench.timers) == ([2], {"answer": 2.0})


@pytest.mark.parametrize(("model", "questions"), [("epson", [1, 2, 3, 4]), ("custom", [1, 2, 3, 4, 20])])
def test_a_round_asks_all_that_the_model_answers_and_begins_anew(model: str, questions: list[int]) -> None:
    bench = Bench(profile=PROFILES[model])
    asked = []
    for _ in range(2 * len(questions)):
        asked += bench.asks()
        bench.asking.answered()
    assert asked == questions * 2


def test_one_that_is_not_answered_is_asked_again_and_counted() -> None:
    bench = Bench()
    bench.asks()
    assert bench.asking.unanswered()
    assert not bench.asking.unanswered()
    assert bench.asks() == [1]
    assert (bench.asking.misses, bench.asking.repeats) == (1, 1)
    bench.asking.answered()
    assert (bench.asking.misses, bench.asking.repeats) == (0, 1)


def test_nothing_is_asked_while_a_picture_with_a_question_in_it_is_on_its_way() -> None:
    bench = Bench()
    bench.asking.next_at(1.0)
    bench.asking.keep_quiet(3.0)
    assert bench.timers["ask"] == 3.0 + DEAF_S
    bench.asking.next_at(2.0)
    assert bench.timers["ask"] == 3.0 + DEAF_S
    bench.asking.round_over()
    bench.asking.next_at(2.0)
    assert bench.timers["ask"] == 2.0


def test_on_another_line_no_answer_is_waited_for() -> None:
    bench = Bench()
    bench.asks()
    assert bench.asking.in_round
    bench.asking.forget()
    assert bench.asking.question is None
    assert bench.asking.idle
    assert not bench.asking.in_round
