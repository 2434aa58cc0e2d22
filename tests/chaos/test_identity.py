"""A slice of the second boxes: each kind once."""

from pathlib import Path

from tests.chaos import identity


def test_of_two_boxes_with_one_identity_one_serves_and_neither_denies_what_the_other_did(tmp_path: Path) -> None:
    result = identity.run(tmp_path, seed=1, scale=0.05)
    assert result.breaches == []
    assert set(result.faults) == {"stranger", "seen copy", "unseen copy", "copy after a cut", "two v1 clients"}
    assert result.operations > 15
