"""Which scenarios are left out with several hubs, and that it is said."""

import pytest

from tests.chaos import run, several


def test_every_scenario_left_out_is_one_and_has_a_reason() -> None:
    assert set(several.ONE_HUB) <= set(run.SCENARIOS)
    assert all(several.ONE_HUB.values())
    assert several.left_out(list(run.SCENARIOS), 1) == {}
    assert several.left_out(["soak", "disk"], 2) == {"disk": several.ONE_HUB["disk"]}


def test_what_is_not_run_with_several_hubs_is_said_and_not_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HUBS", "2")
    monkeypatch.setattr("sys.argv", ["run", "--only", "disk"])
    with pytest.raises(SystemExit) as ended:
        run.main()
    assert ended.value.code == 2
    said = capsys.readouterr()
    assert said.out.startswith("disk is not run with 2 hubs: ")
    assert "nothing is left to be run with 2 hubs" in said.err
