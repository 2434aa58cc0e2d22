"""A database that is away for all hubs that share it: one of them tells, once, and tells the end."""

from cloud.alerts.alert import What
from cloud.alerts.outage import Outage, why
from cloud.alerts.rules import Rules

AWAY = {"database": "the database does not work: nobody listens there"}


def test_one_tells_and_only_where_nobody_has_the_database() -> None:
    words = AWAY["database"]
    assert why("a", AWAY, {}, is_heard=True) == words
    assert why("a", AWAY, {"b": AWAY, "c": AWAY}, is_heard=True) == words
    assert why("b", AWAY, {"a": AWAY, "c": AWAY}, is_heard=True) == ""
    assert why("a", AWAY, {"b": AWAY, "c": {}}, is_heard=True) == ""  # c has it, and the lease: it tells of a and b
    assert why("a", {"redis": "slow"}, {}, is_heard=True) == ""
    # With Redis away as well, what they said last is of before.
    assert why("a", AWAY, {"b": {}}, is_heard=False) == words
    assert why("b", AWAY, {"a": {}}, is_heard=False) == ""


def test_it_is_told_and_its_end_too_and_nothing_is_left() -> None:
    words = ""
    outage, rules = Outage(lambda: words), Rules()
    told: list[tuple[float, What, str]] = []

    def run(begin: int, end: int) -> None:
        for second in range(begin, end):
            now = 1_800_000_000.0 + second
            outage.look(rules, ["telegram"], {}, now, float(second))
            found = outage.due("telegram", rules, now)
            told.extend((second, notice.what, str(notice.alerts[0].data["error"])) for notice in found)
            assert outage.told("telegram", found, now) == []

    run(0, 20)
    assert not outage.is_told_here
    words = AWAY["database"]
    run(20, 60)
    assert [(at, what) for at, what, _ in told] == [(30, What.RAISED)]
    assert outage.is_told_here
    words = ""
    run(60, 120)
    assert [what for _, what, _ in told] == [What.RAISED, What.CLEARED]
    assert not outage.is_told_here


def test_what_another_book_tells_is_not_its_own_and_its_numbers_are_none_that_are_written() -> None:
    outage, rules = Outage(lambda: "away"), Rules()
    for second in range(30):
        outage.look(rules, ["telegram"], {}, 1_800_000_000.0 + second, float(second))
    (mine,) = outage.due("telegram", rules, 1_800_000_030.0)
    assert mine.alerts[0].number > 1_000_000_000_000
    other = Outage(lambda: "away")
    assert other.told("telegram", [mine], 1_800_000_031.0) == [mine]
