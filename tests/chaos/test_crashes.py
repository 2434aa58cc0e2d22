"""A slice of the systematic run: a few deaths with real programs, the most dangerous among them."""

from pathlib import Path

from tests.chaos import crash_cases, crashes
from tests.chaos.crash_cases import Case
from tests.chaos.crash_lives import Ended
from tests.chaos.crash_yard import Ask, Told


def test_a_few_deaths_cost_nothing_and_no_lie(tmp_path: Path) -> None:
    result = crashes.run(tmp_path, 11, 0.05)
    assert result.breaches == []
    assert result.operations > 20
    assert result.faults["killed at a crash point"] >= len(crash_cases.DANGEROUS) + 2
    assert result.figures["points_visited"] >= len(crash_cases.DANGEROUS) + 2
    assert result.figures["operations_succeeded"] > 10


PAID = Told(200, None, {"status": "success"}, "request-1")


def refused(status: int, outcome: str, problem: str) -> Told:
    return Told(status, outcome, {"type": problem}, "request-1")


def test_lies_are_seen() -> None:
    ended = Ended(Case(hub=("hub.door.answer.before",)))
    twice, unpaid, paid, changed = asks = [Ask(order) for order in ("twice", "unpaid", "paid", "changed")]
    ended.asks = asks
    unpaid.told = [PAID]
    paid.told = [refused(502, "not_executed", "gateway-unreachable")]
    changed.told = [PAID, PAID._replace(body={"status": "success", "n": 2})]
    twice.told = [refused(504, "unknown", "timeout")]
    lies = list(ended.lies({"twice": 2, "paid": 1, "changed": 1}))
    assert len(lies) == 4
    assert [lie.split(":")[0] for lie in lies] == ["twice", "unpaid", "paid", "changed"]


def test_what_is_true_is_no_lie() -> None:
    ended = Ended(Case(hub=("hub.door.answer.before",)))
    ended.asks = [Ask("paid"), Ask("not"), Ask("queued", queued=True)]
    ended.asks[0].told = [refused(504, "unknown", "timeout"), PAID, PAID]
    ended.asks[1].told = [refused(504, "not_executed", "expired")]
    ended.asks[2].told = [PAID._replace(status=202, body={"state": "queued"}), PAID]
    assert list(ended.lies({"paid": 1, "queued": 1})) == []
