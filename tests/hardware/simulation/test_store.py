"""Memory and ledger over restarts, and at whatever moment the simulator is killed."""

import json
import os
from pathlib import Path

import pytest

from hardware.simulation import store as module
from hardware.simulation.store import Store, StoreError


def ledger(directory: Path) -> list[object]:
    return [json.loads(line) for line in (directory / "ledger.jsonl").read_text().splitlines()]


def test_what_was_committed_is_found_again(tmp_path: Path) -> None:
    first = Store(tmp_path / "sim", "toy")
    first.memory["stacked"] = [1, 2]
    first.note("note_stacked", {"minor": 100})
    first.commit()
    first.close()
    second = Store(tmp_path / "sim", "toy")
    assert second.memory == {"stacked": [1, 2]}
    assert [line["happened"] for line in second.lines] == ["note_stacked"]
    second.note("note_stacked", {"minor": 200})
    second.commit()
    assert [line["seq"] for line in second.lines] == [1, 2]
    assert second.lines == ledger(tmp_path / "sim")


def test_what_was_not_committed_never_was(tmp_path: Path) -> None:
    first = Store(tmp_path, "toy")
    first.memory["stacked"] = 1
    first.note("note_stacked", {})
    first.close()
    second = Store(tmp_path, "toy")
    assert (second.memory, second.lines) == ({}, [])


@pytest.mark.parametrize("where", ["before the memory", "before the ledger"])
def test_killed_within_a_commit_memory_and_ledger_agree(
    tmp_path: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Store(tmp_path, "toy")
    first.note("power_on", {})
    first.commit()

    class Killed(BaseException):
        pass

    def kill(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(first, "_append" if where == "before the ledger" else "_keep", kill)
    first.memory["stacked"] = 1
    first.note("note_stacked", {})
    with pytest.raises(Killed):
        first.commit()
    first.close()
    second = Store(tmp_path, "toy")
    happened = [line["happened"] for line in second.lines]
    assert second.lines == ledger(tmp_path)
    if where == "before the ledger":
        assert (second.memory, happened) == ({"stacked": 1}, ["power_on", "note_stacked"])
    else:
        assert (second.memory, happened) == ({}, ["power_on"])


def test_a_torn_last_line_is_written_anew(tmp_path: Path) -> None:
    first = Store(tmp_path, "toy")
    first.memory["stacked"] = 1
    first.note("note_stacked", {"minor": 100})
    first.commit()
    first.close()
    os.truncate(tmp_path / "ledger.jsonl", 20)
    second = Store(tmp_path, "toy")
    assert [line["minor"] for line in second.lines] == [100]
    assert second.lines == ledger(tmp_path)


def test_nothing_new_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Store(tmp_path, "toy")
    monkeypatch.setattr(module.os, "fsync", lambda _fd: pytest.fail("a sync for nothing"))
    kept.commit()


def test_two_simulators_never_share_a_memory(tmp_path: Path) -> None:
    first = Store(tmp_path, "toy")
    with pytest.raises(StoreError, match="another simulator has its memory here"):
        Store(tmp_path, "toy")
    first.close()
    Store(tmp_path, "toy").close()


def test_another_familys_memory_is_refused(tmp_path: Path) -> None:
    first = Store(tmp_path, "toy")
    first.memory["x"] = 1
    first.commit()
    first.close()
    with pytest.raises(StoreError, match="memory of a simulated toy, not of doll"):
        Store(tmp_path, "doll")


@pytest.mark.parametrize(
    ("name", "text"), [("memory.json", "{"), ("ledger.jsonl", "buy milk\n"), ("ledger.jsonl", '{"seq": 7}\n')]
)
def test_a_file_that_is_something_else_is_refused(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(StoreError, match=name):
        Store(tmp_path, "toy")
    assert (tmp_path / name).read_text() == text


def test_a_directory_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file"):
        Store(tmp_path / "file" / "sim", "toy")


def test_a_ledger_may_lie_elsewhere_and_watchers_hear_what_is_written(tmp_path: Path) -> None:
    heard = []
    kept = Store(None, "toy", ledger=tmp_path / "book.jsonl")
    kept.watchers.append(heard.append)
    kept.note("note_stacked", {"minor": 5})
    assert heard == []
    kept.commit()
    assert [line["minor"] for line in heard] == [5]
    assert json.loads((tmp_path / "book.jsonl").read_text()) == heard[0]


def test_without_a_directory_all_is_in_this_process() -> None:
    kept = Store()
    kept.note("note_stacked", {})
    kept.commit()
    assert [line["seq"] for line in kept.lines] == [1]


def test_a_memory_takes_no_other_ledger_than_its_own(tmp_path: Path) -> None:
    mine = tmp_path / "mine.jsonl"
    store = Store(tmp_path / "memory", "toy", ledger=mine)
    for figure in (1, 2):
        store.note("fell", {"figure": figure})
        store.commit()
    store.close()
    with pytest.raises(StoreError, match=r"ledger.jsonl: has 0 lines, and .* knows of 2: it is another ledger"):
        Store(tmp_path / "memory", "toy")
    assert not (tmp_path / "memory" / "ledger.jsonl").exists()
    again = Store(tmp_path / "memory", "toy", ledger=mine)
    assert len(again.lines) == 2
    again.close()
