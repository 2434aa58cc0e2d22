"""When a version has proved itself, and what it is held against."""

from appliance.updates.trial import (
    GAINED_AFTER_S,
    LOOKS,
    LOST_AFTER_S,
    Baseline,
    Seen,
    Trial,
    Watching,
    as_it_is,
    lacking,
)

WELL = Baseline(version="1.0.0", at=0.0, connected=True, up=["bills", "register"])


def seen(connected: bool = True, trouble: str = "", **devices: bool) -> Seen:
    return Seen(connected=connected, trouble=trouble, devices=devices or {"bills": True, "register": True})


def test_only_what_was_is_missed() -> None:
    assert lacking(WELL, seen()) == []
    assert lacking(WELL, seen(connected=False)) == ["the hub is not reached, and was before"]
    assert lacking(WELL, seen(bills=False, register=True)) == ["bills does not work, and did before"]
    assert lacking(WELL, seen(register=True)) == [], "no longer in the routing file"
    assert lacking(WELL, seen(bills=True, register=True, printer=False)) == []
    assert lacking(Baseline(version="1.0.0", at=0.0), seen(False, bills=False)) == []
    assert lacking(None, seen(connected=False)) == []
    assert lacking(None, seen(trouble="the disk is full")) == ["the journal takes nothing: the disk is full"]


def test_five_good_looks_in_a_row_within_its_time() -> None:
    trial = Trial(100.0, 180.0)
    for at in range(LOOKS - 1):
        assert trial.look(100.0 + at, []) is None
    assert trial.look(110.0, ["no hub"]) is None
    for at in range(LOOKS - 1):
        assert trial.look(111.0 + at, []) is None
    assert trial.look(120.0, []) is True
    trial = Trial(100.0, 180.0)
    assert trial.look(279.0, ["no hub"]) is None
    assert trial.look(280.0, ["no hub"]) is False
    assert trial.lacking == ["no hub"]


def test_what_comes_is_noted_soon_and_what_goes_late() -> None:
    watching = Watching(None)
    assert watching.look(0.0, 1.0, "1.0.0", seen())
    assert watching.baseline == Baseline(version="1.0.0", at=1.0)
    assert not watching.look(GAINED_AFTER_S - 1, 1.0, "1.0.0", seen())
    assert watching.look(GAINED_AFTER_S, 2.0, "1.0.0", seen())
    assert watching.baseline == Baseline(version="1.0.0", at=2.0, connected=True, up=["bills", "register"])
    at = 1000.0
    assert not watching.look(at, 2.0, "1.0.0", seen(False, bills=False, register=True))
    assert not watching.look(at + LOST_AFTER_S - 1, 2.0, "1.0.0", seen(False, bills=False, register=True))
    assert watching.look(at + LOST_AFTER_S, 2.0, "1.0.0", seen(True, bills=False, register=True)) is not False
    assert watching.baseline is not None
    assert (watching.baseline.connected, watching.baseline.up) == (True, ["register"])


def test_a_new_system_does_not_make_its_own_trouble_the_measure() -> None:
    """It has ten minutes, its trial three."""
    watching = Watching(WELL)
    for at in range(0, 180, 2):
        assert not watching.look(float(at), 1.0, "2.0.0", seen(False, bills=False, register=False))
    assert watching.baseline == WELL


def test_who_steps_aside_notes_how_it_is_now() -> None:
    assert as_it_is("1.0.0", 5.0, seen(False, bills=True, register=False)) == Baseline(
        version="1.0.0", at=5.0, up=["bills"]
    )
