"""What is a line's URL, and how bytes may stand on a line."""

import ast
from pathlib import Path

import pytest

from hardware.ports import LineSettings, check_url, open_port

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    "url", ["/dev/ttyUSB0", "/dev/serial/by-id/usb-FTDI", "tcp://10.0.0.5:4001", "tcp://[::1]:7000"]
)
def test_urls_that_may_be_opened_some_day(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize("url", ["", "COM1", "ttyUSB0", "http://10.0.0.5", "udp://10.0.0.5:1", "rfc2217://h:1"])
async def test_other_urls_are_refused_naming_what_is_possible(url: str) -> None:
    with pytest.raises(ValueError, match=r"/dev/…, tcp://host:port or sim://family"):
        check_url(url)
    with pytest.raises(ValueError, match="names no line"):
        await open_port(url, LineSettings())


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"baud": 0}, "baud"), ({"parity": "X"}, "parity"), ({"stop_bits": 3}, "stop_bits"), ({"flow": "rts"}, "flow")],
)
def test_lines_that_cannot_be_are_refused_by_name(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        LineSettings(**settings)  # type: ignore[arg-type]


def test_a_line_is_told_as_engineers_write_it() -> None:
    assert str(LineSettings()) == "9600 8N1"
    assert str(LineSettings(19200, "E", 2, "rtscts")) == "19200 8E2 rtscts"
    assert LineSettings(9600).byte_s == pytest.approx(10 / 9600)
    assert LineSettings(9600, "E").byte_s == pytest.approx(11 / 9600)


def test_pyserial_is_imported_in_one_file() -> None:
    found = set()
    for path in [*ROOT.glob("hardware/**/*.py"), *ROOT.glob("appliance/**/*.py"), *ROOT.glob("cloud/**/*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(name.split(".")[0] == "serial" for name in names):
                found.add(str(path.relative_to(ROOT)))
    assert found == {"hardware/ports/serial_port.py"}
