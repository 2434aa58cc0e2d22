"""A slice of what can happen to frames, and to HTTP between kiosk and gateway; `make chaos` has all of it."""

from pathlib import Path

from tests.chaos import frame_faults, gateway_faults

SLICE = 0.05


def test_whatever_happens_to_a_frame_each_payment_is_made_once_at_most_and_told_truly(tmp_path: Path) -> None:
    result = frame_faults.run(tmp_path, 3, SLICE)
    assert result.breaches == []
    assert result.operations >= 4 * len(frame_faults.choose(3, SLICE))
    assert result.faults["duplicate"] >= 5
    assert result.faults["duplicate-late"] >= 5
    assert result.faults["reorder"] >= 1
    assert result.faults.total() >= 15


def test_whatever_happens_before_the_gateway_each_payment_is_made_once_at_most_and_told_truly(tmp_path: Path) -> None:
    result = gateway_faults.run(tmp_path, 3, SLICE)
    assert result.breaches == []
    assert result.operations >= 2 * len(gateway_faults.choose(3, SLICE))
    assert result.faults["duplicate"] >= 2
    assert result.faults["duplicate-late"] >= 2
    assert result.faults.total() >= 12


def test_every_kind_of_message_suffers_every_fault() -> None:
    """A message that is added to the wire is not forgotten here; what is never said is known not to be."""
    hit = {(each.way, each.kind) for case in frame_faults.cases() for each in case.steps}
    assert {("up", kind) for kind in (*frame_faults.UP, "ping", "pong")} - hit == {
        ("up", kind) for kind in frame_faults.NEVER_SAID
    }
    assert {("down", kind) for kind in (*frame_faults.DOWN, "ping", "pong")} - hit == set()
    faults = {each.fault for case in frame_faults.cases() for each in case.steps if each.kind == "response"}
    assert faults == {*frame_faults.TOGETHER, *frame_faults.EACH, "hold"}


def test_a_seed_chooses_the_same_cases_again() -> None:
    for scenario in (frame_faults, gateway_faults):
        assert scenario.choose(1, SLICE) == scenario.choose(1, SLICE) != scenario.choose(2, SLICE)
        assert set(scenario.choose(1, 1.0)) == set(scenario.cases())
