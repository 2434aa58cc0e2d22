"""A slice of the revocations: each way once."""

from pathlib import Path

from tests.chaos import revocation


def test_open_sockets_end_when_their_right_ends(tmp_path: Path) -> None:
    result = revocation.run(tmp_path, seed=1, scale=0.05)
    assert result.breaches == []
    assert set(result.faults) == set(revocation.WAYS)
