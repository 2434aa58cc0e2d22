"""The list of crash points is what stands in the source, and every point has a case that gets there."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos import crash_cases, crash_settings
from tests.chaos.crashes import choose
from tests.chaos.points import ROOT, all_points, names


def tree(directory: Path, **modules: str) -> Path:
    for name, text in modules.items():
        package, _, module = name.partition("_")
        (directory / package).mkdir(exist_ok=True)
        (directory / package / f"{module}.py").write_text(text)
    return directory


def test_points_are_found_wherever_they_may_stand(tmp_path: Path) -> None:
    cloud = """
CRASH_POINTS: dict[type, str] = {A: "hub.links.a", B: "hub.links.b", C: "hub.links.b"}
crash_point("hub.door.answer.before")
Write(1, names, point="hub.store.put")
crash_points((row.point for row in rows), "before")
"""
    root = tree(tmp_path, cloud_it=cloud, appliance_it='Job(call, point="appliance.j.x" if yes else "appliance.j.y")')
    assert sorted(point.name for point in all_points(root)) == [
        *(f"appliance.j.{action}.{moment}" for action in "xy" for moment in ("after", "before")),
        "hub.door.answer.before",
        *(f"hub.{action}.{moment}" for action in ("links.a", "links.b", "store.put") for moment in ("after", "before")),
    ]


@pytest.mark.parametrize(
    "text",
    [
        'crash_point(f"hub.door.{name}.before")',
        "crash_point(name)",
        'crash_point("hub.door.answer")',
        'crash_point("hub.door.answer.meanwhile")',
        'crash_point("appliance.door.answer.before")',
        'crash_point("hub.door.answer.before")\ncrash_point("hub.door.answer.before")',
        'crash_point("hub.door.answer.after")\nWrite(point="hub.door.answer")',
        'Write(point="hub.door.answer.before.too")',
        "from wire.crashpoint import crash_point as boom",
    ],
)
def test_what_cannot_be_listed_or_stands_twice_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match=r"right would be|begin with|already|names no action|own name"):
        all_points(tree(tmp_path, cloud_it=text))


def test_every_point_of_both_programs_is_listed_once() -> None:
    listed = names()
    assert len(listed) == len(set(listed))
    assert {name.split(".")[0] for name in listed} == {"appliance", "hub"}
    assert len(names("appliance")) + len(names("hub")) == len(listed) > 80
    # One half of a pair alone would be a mistake.
    actions = {name.rpartition(".")[0] for name in listed}
    assert {f"{action}.{moment}" for action in actions for moment in ("before", "after")} == set(listed)


def test_the_list_is_printed() -> None:
    command = [sys.executable, "-m", "tests.chaos.points"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True).stdout
    assert [line.split()[0] for line in printed.splitlines()] == names()


def test_a_full_run_has_a_case_for_every_point() -> None:
    cases = choose(random.Random(1), 1.0)
    of_cases = {case.last for case in cases if case.must}
    assert of_cases == set(names()) - crash_cases.NOT_VISITED.keys()
    assert {case.setting for case in cases} == set(crash_settings.SETTINGS)
    assert set(crash_cases.NOT_VISITED) <= set(names())
    both = [case for case in cases if case.hub and case.appliance]
    assert both


def test_a_slice_has_the_most_dangerous_points() -> None:
    cases = choose(random.Random(1), 0.05)
    assert {case.last for case in cases} > set(crash_cases.DANGEROUS)
    assert len(cases) < 10


def test_the_same_seed_has_the_same_cases() -> None:
    assert choose(random.Random(5), 1.0) == choose(random.Random(5), 1.0) != choose(random.Random(6), 1.0)


def test_settings_and_prefixes_name_points_that_exist() -> None:
    listed = names()
    for start in (*crash_cases.SETTINGS, *crash_cases._SECOND_ONLY, *crash_cases._SECOND_TOO, *crash_cases._AGAIN):
        assert any(name.startswith(start) for name in listed), start
