"""The audit is kept, and bounded whatever is tried."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine

from cloud.db.tables import metadata
from cloud.kiosks.audit import KEPT, note, read
from cloud.kiosks.codes import Reason, Result


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    """A database with our tables."""
    engine = create_engine(f"sqlite:///{tmp_path / 'audit.db'}")
    metadata.create_all(engine)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def refused(connection: Connection, now: float, address: str, kiosk_id: str = "") -> None:
    """A code that was refused."""
    note(connection, now, kiosk_id=kiosk_id, result=Result.REFUSED, reason=Reason.UNKNOWN, address=address)


def test_alike_lines_within_an_hour_are_one(connection: Connection) -> None:
    for second in range(50):
        refused(connection, 1000.0 + second, "192.0.2.1")
        if second == 0:
            refused(connection, 1000.0, "192.0.2.2")
    refused(connection, 9000.0, "192.0.2.1")
    lines = read(connection, "", 10)
    assert [(line.address, line.count, line.at, line.last_at) for line in lines] == [
        ("192.0.2.1", 1, 9000.0, 9000.0),
        ("192.0.2.1", 50, 1000.0, 1049.0),
        ("192.0.2.2", 1, 1000.0, 1000.0),
    ]


def test_a_flood_pushes_out_no_enrolment(connection: Connection) -> None:
    note(connection, 1.0, kiosk_id="kiosk_001", result=Result.ENROLLED, address="192.0.2.1", fingerprint="a:b")
    for number in range(KEPT + 20):
        refused(connection, 10.0, f"198.51.100.{number}", "kiosk_001")
        refused(connection, 10.0, f"198.51.100.{number}")
    assert len(read(connection, None, 10_000)) == 2 * KEPT + 1
    lines = read(connection, "kiosk_001", 10_000)
    assert (len(lines), lines[-1].result, lines[0].address) == (KEPT + 1, "enrolled", f"198.51.100.{KEPT + 19}")


def test_a_clock_that_jumps_loses_no_line(connection: Connection) -> None:
    for now in (1e9, 0.0, 2e9):
        refused(connection, now, "192.0.2.1")
    assert [line.at for line in read(connection, "", 10)] == [2e9, 0.0, 1e9]


def test_what_is_too_long_is_cut(connection: Connection) -> None:
    refused(connection, 1.0, "x" * 500)
    refused(connection, 1.0, "x" * 500)
    assert [(len(line.address), line.count) for line in read(connection, "", 10)] == [(64, 2)]
