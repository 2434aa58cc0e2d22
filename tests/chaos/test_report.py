"""The table that a person reads, and the file that a program reads."""

from collections import Counter

import msgspec

from tests.chaos import report
from tests.chaos.results import Result, read


def run_of(*breaches: str) -> report.Run:
    soak = Result(scenario="soak", seed=7, operations=12_000, took_s=301.0, breaches=list(breaches))
    soak.faults = Counter({"kill the hub": 3, "line: drop": 40})
    soak.figures = {"faulted_operations": 10_000, "double_effects": 0, "settle_longest_s": 60.13, "callbacks": 5}
    takeover = Result(scenario="takeover", seed=7, operations=10, took_s=61.4, faults=Counter({"line: drop": 2}))
    takeover.aim("takeover_longest_s", 0.25, 5.0)
    return report.Run(seed=7, operations=10_000, took_s=362.0, results=[soak, takeover])


def test_the_table_adds_up_and_says_that_nothing_broke() -> None:
    lines = [line.split() for line in report.text(run_of()).splitlines()]
    assert ["operations", "12,010"] in lines
    assert ["faults", "45"] in lines
    assert ["double", "effects", "0", "0"] in lines
    assert ["longest", "time", "to", "settle,", "s", "60.1"] in lines
    assert ["takeover", "longest", "s", "0.25", "5"] in lines
    assert ["line:", "drop", "40"] in lines
    assert ["takeover,", "of", "1", "kinds", "2"] in lines
    assert ["no", "promise", "broken"] in lines
    assert ["seed", "7,", "6:02"] in lines


def test_the_table_names_what_broke() -> None:
    text = report.text(run_of("double effect: A: twice", "lost outcome: B"))
    assert "2 promises broken" in text
    assert "  soak: double effect: A: twice" in text.splitlines()


def test_a_line_says_how_a_scenario_ended() -> None:
    good, bad = (report.line(run_of(*breaches).results[0]) for breaches in [(), ("x",)])
    assert good.split() == ["soak", "12,000", "operations", "43", "faults", "5:01", "ok"]
    assert bad.endswith("1 BROKEN")


def test_a_figure_above_its_aim_is_a_breach() -> None:
    result = Result(scenario="takeover", seed=1)
    result.aim("takeover_longest_s", 5.0, 5.0)
    result.aim("leaked_sockets", 0, 0)
    assert result.broken == []
    result.aim("takeover_longest_s", 5.1, 5.0)
    result.aim("leaked_sockets", 2, 0)
    assert result.late == ["takeover_longest_s is 5.100, the aim is 5 at most"]
    assert result.breaches == ["leaked_sockets is 2.000, the aim is 0 at most"]
    assert len(result.broken) == 2


def test_the_file_can_be_read_back() -> None:
    run = run_of("x")
    assert read(msgspec.json.encode(run), report.Run) == run
