"""Serial ports, on ptys: nothing is lost, nothing hangs, and every refusal says what to do."""

import asyncio
import errno
import os
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import serial
import uvloop

from hardware.errors import TransportError
from hardware.ports import LineSettings, Port, open_port, serial_port
from tests.hardware.ptys import Pty


@pytest.fixture
def wire() -> Iterator[Pty]:
    there = Pty()
    yield there
    there.unplug()


async def test_bytes_go_both_ways(wire: Pty) -> None:
    port = await open_port(wire.url, LineSettings())
    every = bytes(range(256))
    await port.write(every)
    assert every == await wire.heard(256)
    wire.send(every)
    came = b""
    while len(came) < 256:
        came += await port.read()
    assert every == came
    assert port.words == f"{wire.name}, 9600 8N1"
    port.close()


def test_it_works_on_uvloop_too(wire: Pty) -> None:
    async def talk() -> bytes:
        port = await open_port(wire.url, LineSettings())
        await port.write(b"\x05")
        wire.send(b"\x15" if await wire.heard(1) == b"\x05" else b"?")
        answer = await port.read()
        wire.unplug()
        with pytest.raises(TransportError):
            await port.read()
        port.close()
        return answer

    loop = uvloop.new_event_loop()
    try:
        assert loop.run_until_complete(talk()) == b"\x15"
    finally:
        loop.close()


@pytest.mark.parametrize(
    ("line", "flags", "speed"),
    [
        (LineSettings(), 0, termios.B9600),
        (LineSettings(19200, "E", 2, "rtscts"), termios.PARENB | termios.CSTOPB | termios.CRTSCTS, termios.B19200),
        (LineSettings(115200, "O"), termios.PARENB | termios.PARODD, termios.B115200),
    ],
)
def test_the_line_is_set_as_asked(line: LineSettings, flags: int, speed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen where it is handed to the kernel: a pty forgets parity."""
    handed: list[list[int]] = []
    monkeypatch.setattr(termios, "tcsetattr", lambda _fd, _when, attributes: handed.append(attributes))
    wire = Pty()
    serial_port._open(wire.url, line).close()
    wire.unplug()
    _iflag, _oflag, cflag, _lflag, ispeed, ospeed, _cc = handed[-1]
    assert (termios.PARENB | termios.PARODD | termios.CSTOPB | termios.CRTSCTS) & cflag == flags
    assert cflag & termios.CSIZE == termios.CS8
    assert (ispeed, ospeed) == (speed, speed)


async def test_xonxoff_is_the_kernels(wire: Pty) -> None:
    port = await open_port(wire.url, LineSettings(flow="xonxoff"))
    assert termios.tcgetattr(wire._slave)[0] & termios.IXON
    port.close()


async def test_a_second_open_is_refused_by_this_and_by_another_process(wire: Pty) -> None:
    port = await open_port(wire.url, LineSettings())
    with pytest.raises(TransportError, match=f"{wire.name} is taken by another program"):
        await open_port(wire.url, LineSettings())
    code = (
        "import asyncio\nfrom hardware.ports import *\nfrom hardware.errors import *\n"
        f"try: asyncio.run(open_port({wire.url!r}, LineSettings()))\nexcept TransportError as e: print(e)"
    )
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    said = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", code], capture_output=True, env=environ)
    assert b"is taken by another program" in said.stdout
    port.close()
    (await open_port(wire.url, LineSettings())).close()


async def test_an_unplugged_port_tells_its_reader_and_closes_quietly(wire: Pty) -> None:
    port = await open_port(wire.url, LineSettings())
    reading = asyncio.ensure_future(port.read())
    await asyncio.sleep(0)
    wire.unplug()
    with pytest.raises(TransportError, match=wire.name):
        await reading
    with pytest.raises(TransportError):
        await port.write(b"x")
    port.close()
    port.close()


async def test_a_port_that_is_gone_is_no_longer_watched(wire: Pty, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hung-up descriptor is readable for ever: who goes on watching it spins."""
    port = await open_port(wire.url, LineSettings())
    reads = 0
    plain = os.read

    def counted(fd: int, count: int) -> bytes:
        nonlocal reads
        reads += 1
        return plain(fd, count)

    monkeypatch.setattr(os, "read", counted)
    wire.unplug()
    with pytest.raises(TransportError):
        await port.read()
    for _ in range(20):
        await asyncio.sleep(0)
    assert reads == 1
    port.close()


async def test_closing_ends_a_read_that_waits(wire: Pty) -> None:
    port = await open_port(wire.url, LineSettings())
    reading = asyncio.ensure_future(port.read())
    await asyncio.sleep(0)
    port.close()
    with pytest.raises(TransportError, match="closed"):
        await reading


async def test_a_read_that_is_cancelled_loses_nothing(wire: Pty) -> None:
    port = await open_port(wire.url, LineSettings())
    reading = asyncio.ensure_future(port.read())
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    wire.send(b"abc")
    assert await port.read() == b"abc"
    port.close()


async def test_a_write_that_is_stuck_ends_within_its_limit(wire: Pty, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serial_port.SerialPort, "_write_limit_s", lambda _self, _size: 0.01)
    port = await open_port(wire.url, LineSettings(flow="rtscts"))
    with pytest.raises(TransportError, match=r"stuck: \d+ of 100000 bytes .* rtscts"):
        await port.write(bytes(100_000))
    with pytest.raises(TransportError, match="stuck"):
        await port.read()
    port.close()


async def test_a_long_write_waits_for_a_slow_device(wire: Pty) -> None:
    port = await open_port(wire.url, LineSettings())
    data = os.urandom(50_000)
    writing = asyncio.ensure_future(port.write(data))
    assert data == await wire.heard(50_000)
    await writing
    port.close()


async def test_the_limit_goes_with_bytes_and_speed(wire: Pty) -> None:
    port = await open_port(wire.url, LineSettings(baud=9600))
    assert isinstance(port, serial_port.SerialPort)
    assert port._write_limit_s(960) == pytest.approx(1 + 3 * 1.0)
    port.set_baud(19200)
    assert port._write_limit_s(960) == pytest.approx(1 + 3 * 0.5)
    port.close()


async def test_another_speed_drops_what_had_come(wire: Pty) -> None:
    port = await open_port(wire.url, LineSettings())
    wire.send(b"old")
    await settled()
    wire.send(b"older")  # this lies in the kernel yet
    port.set_baud(19200)
    assert termios.tcgetattr(wire._slave)[4] == termios.B19200
    wire.send(b"new")
    assert await port.read() == b"new"
    port.close()


async def test_a_speed_that_cannot_be_set_is_a_lost_line(wire: Pty) -> None:
    port = await open_port(wire.url, LineSettings())
    wire.unplug()
    port.set_baud(19200)
    with pytest.raises(TransportError):
        await port.read()
    port.close()
    port.set_baud(9600)


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


# Errors, in words for an engineer.


async def test_no_such_port_names_those_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serial_port, "comports", lambda: [("/dev/ttyUSB7", "", None, None, "")])
    with pytest.raises(TransportError, match="there is no port /dev/ttyNONE; there are /dev/ttyUSB7"):
        await open_port("/dev/ttyNONE", LineSettings())
    monkeypatch.setattr(serial_port, "comports", list)
    with pytest.raises(TransportError, match="there is no serial port at all"):
        await open_port("/dev/ttyNONE", LineSettings())


@pytest.mark.parametrize("path", ["/dev/null", "/dev", __file__, f"{__file__}/x"])
async def test_what_is_no_serial_port_is_called_so(path: str) -> None:
    with pytest.raises(TransportError, match="is no serial port"):
        await open_port(path, LineSettings())


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EACCES, r"no right to open .* group dialout; sudo usermod -aG dialout <user>"),
        (errno.EBUSY, "taken by another program"),
        (errno.EIO, "no device behind it"),
        (errno.EMFILE, "cannot be opened: Too many open files"),
    ],
)
async def test_refusals_say_what_to_do(number: int, words: str, wire: Pty, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise serial.SerialException(number, os.strerror(number))

    monkeypatch.setattr(serial, "Serial", refuse)
    monkeypatch.setattr(serial_port, "_group", lambda url: "dialout")
    with pytest.raises(TransportError, match=words):
        await open_port(wire.url, LineSettings())


def test_nobody_is_told_to_join_roots_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serial_port, "_group", lambda url: "root")
    words = serial_port._why_not("/dev/pts/3", OSError(errno.EACCES, "no"))
    assert "for root alone" in words
    assert "usermod" not in words


# What an adapter has besides.


class Recorded(serial.Serial):
    """A port whose lines are looked at."""

    ready = iter([True])

    def __init__(self, *args: object, **settings: object) -> None:
        self.said: list[str] = []
        super().__init__(*args, **settings)  # type: ignore[arg-type]

    def _update_dtr_state(self) -> None:
        self.said.append(f"dtr {self._dtr_state}")

    def _update_rts_state(self) -> None:
        self.said.append(f"rts {self._rts_state}")

    def set_low_latency_mode(self, low_latency_settings: bool) -> None:
        self.said.append(f"quick {low_latency_settings}")

    @property
    def dsr(self) -> bool:
        self.said.append("dsr?")
        return next(self.ready)


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Callable[[Port], list[str]]:
    monkeypatch.setattr(serial, "Serial", Recorded)

    def said(port: Port) -> list[str]:
        assert isinstance(port, serial_port.SerialPort)
        assert isinstance(port._device, Recorded)
        return port._device.said

    return said


async def test_dtr_and_rts_are_up_while_it_is_open(wire: Pty, recorded: Callable[[Port], list[str]]) -> None:
    port = await open_port(wire.url, LineSettings())
    assert recorded(port) == ["dtr True", "rts True", "quick True"]
    port.close()
    assert recorded(port)[3:] == ["dtr False", "rts False"]


async def test_rts_is_the_flow_controls_where_there_is_one(wire: Pty, recorded: Callable[[Port], list[str]]) -> None:
    port = await open_port(wire.url, LineSettings(flow="rtscts"))
    port.close()
    assert recorded(port) == ["dtr True", "quick True", "dtr False"]


async def test_a_printer_with_dsr_down_is_waited_for(
    wire: Pty, recorded: Callable[[Port], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serial_port.SerialPort, "_write_limit_s", lambda _self, _size: 60.0)
    port = await open_port(wire.url, LineSettings(flow="dsrdtr"))
    Recorded.ready = iter([False, False, True, True])
    await port.write(bytes(100))
    assert bytes(100) == await wire.heard(100)
    assert recorded(port).count("dsr?") == 4
    port.close()


async def test_a_printer_that_never_raises_dsr_is_stuck(
    wire: Pty, recorded: Callable[[Port], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serial_port.SerialPort, "_write_limit_s", lambda _self, _size: 0.01)
    port = await open_port(wire.url, LineSettings(flow="dsrdtr"))
    Recorded.ready = iter([False] * 1000)
    with pytest.raises(TransportError, match="DSR was not raised"):
        await port.write(b"text")
    port.close()


async def test_dsr_is_not_asked_for_where_there_is_none(wire: Pty) -> None:
    port = await open_port(wire.url, LineSettings(flow="dsrdtr"))
    await port.write(b"text")
    assert await wire.heard(4) == b"text"
    port.close()


def test_an_ftdi_adapter_is_told_to_hurry(tmp_path: Path, wire: Pty) -> None:
    timer = tmp_path / Path(wire.name).name / "latency_timer"
    timer.parent.mkdir()
    timer.write_text("16\n")
    with serial.Serial(wire.name) as device:
        serial_port._hurry(device, Path(wire.name), tmp_path)
        assert timer.read_text() == "1"
        timer.write_text("nonsense")
        serial_port._hurry(device, Path(wire.name), tmp_path)


async def test_an_open_that_nobody_waits_for_is_given_back(wire: Pty) -> None:
    opening = asyncio.ensure_future(open_port(wire.url, LineSettings()))
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    async with asyncio.timeout(20):
        while True:
            try:
                port = await open_port(wire.url, LineSettings())
            except TransportError:  # the thread still has it
                await asyncio.sleep(0)
            else:
                break
    port.close()
