"""What the devices' measurement tells."""

from pathlib import Path

from bench import devices


def test_the_spread_of_times_is_in_milliseconds(tmp_path: Path) -> None:
    """And says how many were later than the protocol allows."""
    (tmp_path / "acks").write_text("".join(f"{each / 1000:.6f}\n" for each in range(1, 101)))
    assert devices._spread(tmp_path / "acks") == {
        "notes": 100, "p50": 51.0, "p99": 100.0, "longest": 100.0, "later_than_10": 0.9,
    }  # fmt: skip


def test_no_note_no_spread(tmp_path: Path) -> None:
    """Rather than a division by zero."""
    (tmp_path / "acks").write_text("")
    assert devices._spread(tmp_path / "acks") == {"notes": 0}


def test_the_table_names_both_and_their_ratio() -> None:
    """Ratios are what counts on a shared machine."""
    told = devices._table(
        {
            "devices": 8,
            "load_before": 0.5,
            "core_share": {"kioskwire": 0.02, "threads": 0.01},
            "acknowledged_ms": {
                "kioskwire": {"notes": 9, "p50": 6.0, "p99": 8.0, "longest": 9.0, "later_than_10": 0.0},
                "threads": {"notes": 0},
            },
        }
    )
    assert "2.00%" in told
    assert "2.0 times as much" in told
    assert "9 notes, 0.0% later than 10 ms" in told
