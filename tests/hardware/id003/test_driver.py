"""The role as it is built, and the whole way through a simulated port."""

import inspect
from pathlib import Path

from hardware.events import DeviceState
from hardware.id003.driver import LINE, Id003Validator
from hardware.journal import FileJournal


def test_the_line_has_even_parity() -> None:
    assert (LINE.baud, LINE.parity, LINE.stop_bits) == (9600, "E", 1)


def test_a_driver_is_built_closed(tmp_path: Path) -> None:
    driver = Id003Validator("bills", "tcp://localhost:1", FileJournal(tmp_path / "bills"), credit="stacker")
    assert driver.name == "bills"
    assert driver.status.state is DeviceState.ABSENT
    assert list(driver.denominations) == []
    assert "trace" in inspect.signature(Id003Validator).parameters
