"""What is physical: it stays what it is without power, and the sensors say so."""

from typing import Any

import pytest

from hardware.escpos.frames import is_automatic, is_status
from hardware.escpos.mechanism import NEAR_END_ROWS, Mechanism
from hardware.escpos.states import Health, Trouble


def bench(**memory: object) -> tuple[Mechanism, list[tuple[str, Any]]]:
    told: list[tuple[str, Any]] = []
    return Mechanism(dict(memory), lambda kind, figures: told.append((kind, dict(figures))), 100_000), told


def health(mechanism: Mechanism) -> Health:
    """As the driver reads it."""
    found = Health()
    for asked in (1, 2, 3, 4):
        (value,) = mechanism.status(asked, presenter=False)
        assert is_status(value)
        found = found.after_real_time(asked, value)
    return found


@pytest.mark.parametrize(
    ("memory", "trouble"),
    [
        ({}, None),
        ({"rows": NEAR_END_ROWS}, None),
        ({"rows": 0}, Trouble.PAPER_OUT),
        ({"cover_open": True}, Trouble.COVER_OPEN),
        ({"cutter_error": True}, Trouble.CUTTER),
        ({"hot": True}, Trouble.HEAD_HOT),
    ],
)
def test_the_sensors_tell_what_is_so(memory: dict[str, object], trouble: Trouble | None) -> None:
    mechanism, _ = bench(**memory)
    assert health(mechanism).trouble is trouble
    assert mechanism.stopped is (trouble is not None)
    automatic = mechanism.automatic_status()
    assert is_automatic(automatic)
    assert Health().after_automatic(automatic).trouble is trouble
    full = mechanism.full_status()
    assert Health().after_full(*full[2:6]).trouble is trouble
    assert health(mechanism).paper_low is (memory.get("rows", 100_000) in (0, NEAR_END_ROWS))


def test_another_question_has_no_answer() -> None:
    assert bench()[0].status(7, presenter=False) == b""


def test_on_a_presenter_only_one_bit_means_the_end_of_paper() -> None:
    mechanism, _ = bench(rows=0)
    assert mechanism.status(4, presenter=True) == b"\x3e"
    assert mechanism.status(4, presenter=False) == b"\x7e"


def test_what_hangs_out_is_cut_once() -> None:
    mechanism, told = bench()
    mechanism.add("line_printed", "bold|one", {"text": "one"})
    mechanism.cut(whole=True)
    mechanism.cut(whole=False)
    assert told == [
        ("line_printed", {"text": "one"}),
        ("slip_printed", {"lines": ["bold|one"], "whole": True}),
        ("slip_printed", {"lines": [], "whole": False}),
    ]


def test_a_jam_cuts_nothing_and_stays_until_it_was_cleared_and_tried_again() -> None:
    mechanism, told = bench(jammed=True)
    mechanism.add("line_printed", "|one", {})
    mechanism.cut(whole=True)
    assert mechanism.stopped
    assert mechanism.hanging_out == ["|one"]
    assert not mechanism.recover()
    mechanism.memory["jammed"] = False
    assert mechanism.stopped
    assert mechanism.recover()
    assert not mechanism.recover()
    assert not mechanism.stopped
    assert [kind for kind, _ in told] == ["line_printed"]


def test_the_roll_ends() -> None:
    mechanism, _ = bench(rows=50)
    mechanism.feed(30)
    assert not mechanism.paper_end
    mechanism.feed(30)
    assert mechanism.paper_end
    assert mechanism.memory["rows"] == 0


def test_a_drawer_is_told_of() -> None:
    mechanism, told = bench()
    mechanism.open_drawer(5)
    assert told == [("drawer_opened", {"pin": 5})]


def test_drawn_for_people() -> None:
    mechanism, _ = bench()
    mechanism.add("line_printed", "center|ab", {})
    mechanism.cut(whole=True)
    mechanism.add("line_printed", "right bold|c", {})
    assert mechanism.drawn(4) == "| ab |\n+- - +\n|   c|"
