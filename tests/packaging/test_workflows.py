"""Workflows are well formed, call what exists, and may do no more than they must; `make lint-workflows` says more."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def load(path: Path) -> dict[Any, Any]:
    found: dict[Any, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def steps(path: Path) -> Iterator[dict[str, Any]]:
    for job in load(path)["jobs"].values():
        yield from job.get("steps", ())


def targets() -> set[str]:
    text = "\n".join(
        path.read_text("utf-8") for path in (ROOT / "Makefile", *ROOT.glob("*/*.mk"), *ROOT.glob("tests/*/*.mk"))
    )
    return set(re.findall(r"^([a-z][a-z-]*):", text, re.MULTILINE))


def test_there_are_workflows_for_a_push_and_for_a_tag() -> None:
    assert [path.name for path in WORKFLOWS] == ["release.yml", "test.yml"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_what_a_workflow_calls_exists(path: Path) -> None:
    called = set()
    for step in steps(path):
        for line in step.get("run", "").splitlines():
            made = re.search(r"(?:^|\s)make ((?:[a-z][a-z-]* ?)+)$", line)
            called |= set(made[1].split()) if made else set()
            for script in re.findall(r"packaging/\S+\.py", line):
                assert (ROOT / script).is_file(), script
    assert called
    assert called - targets() == set()


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_named_by_their_whole_hash(path: Path) -> None:
    used = [step["uses"] for step in steps(path) if "uses" in step]
    assert used
    assert [name for name in used if not re.fullmatch(r"[\w-]+/[\w./-]+@[0-9a-f]{40}", name)] == []
    # And what the hash stands for is said, for people and for what looks for newer ones.
    for line in path.read_text("utf-8").splitlines():
        if re.search(r"uses: [\w-]+/", line):
            assert re.search(r" # v\d+\.\d+\.\d+$", line), line


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_nothing_may_more_than_it_must_or_run_for_ever(path: Path) -> None:
    workflow = load(path)
    assert workflow["permissions"] == {}
    assert workflow["concurrency"]["group"]
    for name, job in workflow["jobs"].items():
        assert "permissions" in job, name
        assert "uses" in job or 0 < job["timeout-minutes"] <= 60, name
        writes = {what for what, how in job["permissions"].items() if how == "write"}
        assert writes <= ({"contents", "id-token", "attestations"} if name == "publish" else set()), name
        if "secrets." in str(job):
            assert job["environment"] == "release", name
    for step in steps(path):
        assert "${{" not in step.get("run", ""), step  # what others may have written is never part of a script
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False
