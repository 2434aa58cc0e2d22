"""A slice of the devices' scenario."""

from pathlib import Path

import pytest

from tests.chaos import devices, every_step


def test_drivers_and_devices_agree(tmp_path: Path) -> None:
    """A few random days of every family."""
    result = devices.run(tmp_path, 20, 0.02)
    assert result.broken == []
    assert len(result.figures) == len(devices.FAMILIES)


def test_a_breach_names_the_schedule_that_repeats_it() -> None:
    """And a schedule that fails in itself is one."""

    def play(seed: int) -> list[str]:
        if seed == 2:
            raise RuntimeError("stuck")
        return ["1 note stacked, 2 credited"] if seed == 1 else []

    told = devices._play("ccnet", play, [0, 1, 2])
    assert told[0] == "tests.hardware.ccnet.schedules.run(1): 1 note stacked, 2 credited"
    assert "run(2)" in told[1]
    assert "RuntimeError: stuck" in told[1]


@pytest.mark.parametrize("family", devices.FAMILIES)
def test_a_schedule_is_the_same_for_the_same_seed(family: str) -> None:
    """Or a breach could not be repeated."""
    import importlib

    play = importlib.import_module(f"tests.hardware.{family}.schedules").run
    assert play(7) == play(7)


def test_every_step_is_played_by_family_and_stride(capsys: pytest.CaptureFixture[str]) -> None:
    """One family, a few of its steps."""
    assert every_step.main(["--only", "id003", "--stride", "97"]) == 0
    assert "id003" in capsys.readouterr().out


def test_a_family_that_is_none_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """With those there are."""
    with pytest.raises(SystemExit):
        every_step.main(["--only", "mdb"])
    assert "there is no family mdb; there are ccnet" in capsys.readouterr().err
