"""The declared task types."""

from hardware.atol.commands import PATHS, TASKS, Evidence
from hardware.atol.receipts import OPERATIONS


def test_each_is_declared_once_with_a_sentence() -> None:
    assert all(name == task.name for name, task in TASKS.items())
    assert all(task.summary.endswith((".", "changes nothing.")) for task in TASKS.values())
    for task in TASKS.values():
        assert len(set(task.fields)) == len(task.fields), task.name
        assert len(set(task.result)) == len(task.result), task.name


def test_what_registers_is_fiscal() -> None:
    assert set(OPERATIONS) <= {name for name, task in TASKS.items() if task.fiscal}
    assert TASKS["openShift"].fiscal
    assert TASKS["closeShift"].fiscal
    assert not TASKS["cashIn"].fiscal
    assert not TASKS["nonFiscal"].fiscal


def test_it_says_what_was_never_seen_answered() -> None:
    assert TASKS["sell"].confirmed
    assert not TASKS["sellCorrection"].confirmed
    assert TASKS["getFnDocument"].evidence is Evidence.CALLED


def test_paths() -> None:
    assert PATHS == {"v2": "/api/v2/requests", "v1": "/requests"}
