"""The role as it is built, and the whole way through a simulated port."""

import inspect
from pathlib import Path

from hardware.events import DeviceState
from hardware.journal import FileJournal
from hardware.ssp.driver import LINE, SspValidator


def test_the_line_has_two_stop_bits() -> None:
    assert (LINE.baud, LINE.parity, LINE.stop_bits) == (9600, "N", 2)


def test_a_driver_is_built_closed(tmp_path: Path) -> None:
    driver = SspValidator("bills", "tcp://localhost:1", FileJournal(tmp_path / "bills"), address=1)
    assert driver.name == "bills"
    assert driver.status.state is DeviceState.ABSENT
    assert list(driver.denominations) == []
    assert "trace" in inspect.signature(SspValidator).parameters
