"""Simulated devices as a stranger types them, and the words they answer with."""

import os
from pathlib import Path

import pytest

from appliance.simulate import expand, main
from appliance.workbench import simulated
from hardware.simulation import families
from hardware.simulation.control import Running
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
        ("dance", "none of those that run is or can dance: ccnet at /tmp/bills, id003 at /tmp/jcm"),
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
