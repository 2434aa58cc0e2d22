"""What ports there are, by the names that last."""

from pathlib import Path

import pytest
from serial.tools import list_ports as pyserial_list
from serial.tools.list_ports_common import ListPortInfo

from hardware.ports import listing


@pytest.fixture
def adapters(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    (tmp_path / "by-id").mkdir()
    (tmp_path / "by-path").mkdir()
    found = []
    for number in (1, 0):
        device = tmp_path / f"ttyUSB{number}"
        device.touch()
        port = ListPortInfo(str(device))
        port.vid, port.pid, port.serial_number, port.description = 0x0403, 0x6001, f"A{number}", "FT232R USB UART"
        found.append(port)
        (tmp_path / "by-id" / f"usb-FTDI_A{number}").symlink_to(device)
        (tmp_path / "by-path" / f"pci-usb-0:{number}").symlink_to(device)
    found.append(ListPortInfo(str(tmp_path / "ttyS0")))
    monkeypatch.setattr(pyserial_list, "comports", lambda: found)
    return tmp_path


def test_each_port_is_told_with_all_its_names(adapters: Path) -> None:
    board, first, second = listing.list_ports(adapters)
    assert (board.url, board.usb, board.description) == (str(adapters / "ttyS0"), "", "")
    assert first == listing.FoundPort(
        path=str(adapters / "ttyUSB0"), description="FT232R USB UART", vid=0x0403, pid=0x6001, serial="A0",
        by_id=str(adapters / "by-id/usb-FTDI_A0"), by_path=str(adapters / "by-path/pci-usb-0:0"),
    )  # fmt: skip
    assert (first.usb, first.url) == ("0403:6001", first.by_id)
    assert second.serial == "A1"


def test_a_machine_without_adapters_has_no_such_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(pyserial_list, "comports", list)
    assert listing.list_ports(tmp_path / "nothing") == []
