"""Simulated devices as a stranger types them, and the words they answer with."""

import os
from pathlib import Path

import msgspec
import pytest

from appliance.simulate import expand, main
from appliance.workbench import simulated
from hardware.simulation import families
from hardware.simulation.control import Running, read_words
from hardware.simulation.simulator import ControlError
from tests.hardware.simulation.toy import Toy


@pytest.fixture(autouse=True)
def _toys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The toy is a family too, and runs in a place of its own."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))

    def find(family: str) -> object:
        return Toy if family == "toy" else families.find_simulator(family)

    monkeypatch.setattr(simulated, "find_simulator", find)


def told(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line.removeprefix("kioskwire-sim: ") for line in capsys.readouterr().err.splitlines()]


def test_all_mistakes_are_told_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--link", "/nowhere/x", "--tcp", "somewhere", "--option", "fall_s=soon", "--option", "colour=red"]
    arguments += ["--option", "x", "--seed", "-", "--lodger", "y"]
    assert main(["device", "toy", *arguments]) == 2
    names = [line.split(": ")[0] for line in told(capsys)]
    assert names == [
        "--lodger", "y", "--option=fall_s=soon", "--option=colour=red", "--option=x", "--tcp=somewhere",
        "--tcp=somewhere", "--seed=-",
    ]  # fmt: skip


@pytest.mark.parametrize("family", families.FAMILIES)
def test_options_of_a_family_are_listed(family: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["device", family, "--option", "help"]) == 0
    title, *lines = capsys.readouterr().out.splitlines()
    assert title == f"options of the simulated {family}:"
    assert lines
    assert lines[0].startswith("  ")
    assert not lines[-1].startswith("      ")
    assert lines != ["  none"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["ccnett"], "did you mean ccnet?"),
        (["teapot"], "there are ccnet, cctalk"),
        (["toy", "--link", "/nowhere/x"], "its directory does not exist"),
        (["toy", "--option", "fall_s=1", "--option", "fall_s=2"], "fall_s is given twice"),
        (["toy", "--tcp", "host:99999"], "right would be HOST:PORT"),
        (["toy", "--state", "/dev/null/x"], "Not a directory"),
        (["toy", "--ledger", "/nowhere/x"], "No such file"),
    ],
)
def test_a_mistake_exits_with_2(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["device", *arguments]) == 2
    assert words in "\n".join(told(capsys))


def test_a_link_that_is_something_else_exits_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine").write_text("")
    assert main(["device", "toy", "--link", str(tmp_path / "mine")]) == 1
    assert "exists already" in told(capsys)[0]


def test_hands_may_be_typed_straight_away() -> None:
    assert expand(["unplug"]) == ["do", "unplug"]
    assert expand(["power-cut", "3"]) == ["do", "power-cut", "3"]
    for words in (["teapot"], ["device", "toy"], ["--help"], []):
        assert expand(words) == words


def test_nobody_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    assert capsys.readouterr().out == "no simulated device runs; kioskwire-sim device FAMILY starts one\n"
    assert main(["list", "--json"]) == 0
    assert capsys.readouterr().out == "[]\n"
    assert main(["unplug"]) == 1
    assert "no simulated device runs" in told(capsys)[0]
    assert main(["do"]) == 2


def running(family: str, url: str, *controls: str) -> Running:
    return Running(family, url, os.getpid(), "", {name: {} for name in controls}, {})


TWO = (running("ccnet", "/tmp/bills", "insert", "jam"), running("id003", "/tmp/jcm", "insert", "pull"))


@pytest.mark.parametrize(
    ("typed", "family", "rest"),
    [
        ("ccnet insert", "ccnet", ["insert"]),
        ("/tmp/jcm insert 5", "id003", ["insert", "5"]),
        ("jcm insert", "id003", ["insert"]),
        ("jam", "ccnet", ["jam"]),
        ("pull now", "id003", ["pull", "now"]),
        ("ccnet", "ccnet", ["help"]),
    ],
)
def test_which_is_meant(typed: str, family: str, rest: list[str]) -> None:
    chosen, words = simulated._choose(TWO, typed.split())
    assert (chosen.family, list(words)) == (family, rest)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("insert 5", "several are meant: ccnet at /tmp/bills, id003 at /tmp/jcm; say which, as in: "
         "kioskwire-sim do /tmp/bills insert 5"),
        ("dance", "nothing that runs is called dance or can do it; there are ccnet at /tmp/bills, id003 at /tmp/jcm; "
         "kioskwire-sim do /tmp/bills help tells what one can do"),
    ],
)  # fmt: skip
def test_which_is_not_clear(typed: str, words: str) -> None:
    with pytest.raises(ControlError) as caught:
        simulated._choose(TWO, typed.split())
    assert str(caught.value) == words


def test_what_happened_is_told_in_words() -> None:
    line = {"seq": 1, "at": 0.0, "happened": "bill_stacked", "minor": 50000, "currency": "KZT", "late": True}
    assert simulated._told(line)[8:] == "  bill stacked: 500.00 KZT, late yes"
    assert simulated._event("paper_out", {}) == "paper out"
    assert simulated._event("line_printed", {"text": "x" * 500, "style": ""}) == f"line printed: text {'x' * 120}…"
    assert simulated._event("x", {"minor": 5, "currency": "KAZAKH"}) == "x: minor 5, currency KAZAKH"
    assert simulated._shown({"state": "19", "path": None, "lines": [line]}).splitlines()[:2] == [
        "state: 19",
        "path: null",
    ]


BILLS = msgspec.structs.replace(TWO[0], takes={"insert": [20000, 50000, 100000]})
COINS = msgspec.structs.replace(
    running("cctalk", "/tmp/bus", "insert_coin", "insert_note"), takes={"insert_coin": [5000, 10000, 20000]}
)
PRINTER = running("escpos", "/tmp/printer", "paper_out")


@pytest.mark.parametrize(
    ("typed", "family", "rest"),
    [
        ("insert 1000", "ccnet", ["insert", "minor=100000"]),
        ("insert value=500", "ccnet", ["insert", "minor=50000"]),
        ("insert minor=5000", "cctalk", ["insert-coin", "minor=5000"]),
        ("insert 50", "cctalk", ["insert-coin", "minor=5000"]),
        ("insert 500 forged=1", "ccnet", ["insert", "minor=50000", "forged=1"]),
        ("bus insert 200", "cctalk", ["insert-coin", "minor=20000"]),
        ("bills insert 200", "ccnet", ["insert", "minor=20000"]),
        ("insert-coin 200", "cctalk", ["insert-coin", "200"]),
    ],
)
def test_money_goes_to_who_takes_it(typed: str, family: str, rest: list[str]) -> None:
    chosen, words = simulated._choose((BILLS, COINS, PRINTER), typed.split())
    assert (chosen.family, list(words)) == (family, rest)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("insert 200", "several take 200; say which:\n  kioskwire-sim do /tmp/bills insert 200\n"
         "  kioskwire-sim do /tmp/bus insert-coin 200"),
        ("insert 55", "nothing here takes 55:\n  ccnet at /tmp/bills takes 200, 500, 1000\n"
         "  cctalk at /tmp/bus takes 50, 100, 200"),
        ("insert 0.5", "nothing here takes 0.5"),
        ("insert", "insert: say how much, as in: kioskwire-sim insert 1000"),
        ("insert paper", "insert: paper is no amount; right would be such as kioskwire-sim insert 1000"),
        ("insert 1e999999", "no amount"),
        ("bus insert 1000", "nothing here takes 1000:\n  cctalk at /tmp/bus takes 50, 100, 200"),
        ("printer insert 5", "there is no"),
    ],
)  # fmt: skip
def test_money_that_cannot_be_placed_is_told(typed: str, words: str) -> None:
    def carry_out() -> None:
        chosen, rest = simulated._choose((BILLS, COINS, PRINTER), typed.split())
        read_words(chosen.controls, rest)

    with pytest.raises(ControlError) as caught:
        carry_out()
    assert words in str(caught.value)


@pytest.mark.parametrize("family", ["ccnet", "id003", "ssp", "cctalk"])
def test_every_family_tells_what_it_takes_and_takes_it(family: str) -> None:
    simulator = families.build(families.find_simulator(family), {}, lambda _happened, _figures: None, {})
    takes = simulator.takes()
    assert takes
    for control, minors in takes.items():
        assert control in simulator.controls
        for minor in minors:
            told = ""
            try:
                simulator.control(control, {"minor": str(minor)}, 0.0)
            except ControlError as error:  # some take none without power; but they know it
                told = str(error)
            assert "there is no coin" not in told
            assert "there is no note" not in told


def test_a_word_that_is_nearly_one_is_asked_about(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["pull-casette"])
    assert "did you mean pull-cassette?" in capsys.readouterr().err
