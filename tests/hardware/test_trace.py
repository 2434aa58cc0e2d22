"""A trace holds what passed, is read back as it was, and never disturbs the line it is of."""

import datetime
import errno
import logging
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware import trace as trace_module
from hardware.errors import TransportError
from hardware.ports import LineSettings, Port
from hardware.trace import Piece, Trace, TraceError, read_trace


class Wire(Port):
    """Gives what it was given to give."""

    words = "/dev/ttyUSB0, 9600 8N1"

    def __init__(self, *came: bytes) -> None:
        self.came = list(came)
        self.written: list[bytes] = []
        self.baud = LineSettings().baud
        self.closed = 0

    async def read(self) -> bytes:
        if not self.came:
            raise TransportError("/dev/ttyUSB0: the port is gone (unplugged?)")
        return self.came.pop(0)

    async def write(self, data: bytes) -> None:
        if self.closed:
            raise TransportError("closed")
        self.written.append(data)

    def set_baud(self, baud: int) -> None:
        self.baud = baud

    def close(self) -> None:
        self.closed += 1


def make(path: Path, **settings: object) -> Trace:
    return Trace(path, device="bills", protocol="ccnet", url="/dev/ttyUSB0", line="9600 8N1", **settings)  # type: ignore[arg-type]


def told(path: Path) -> list[tuple[str | None, bytes, str]]:
    return [(piece.sender, piece.data, piece.words) for one in read_trace(path) for piece in one.pieces]


async def test_everything_that_passes_is_written_down_and_passes(tmp_path: Path) -> None:
    trace, wire = make(tmp_path / "t"), Wire(b"\x02\x03", b"\x06")
    port = trace.wrap(wire)
    assert port.words == wire.words
    await port.write(b"\x05")
    assert [await port.read(), await port.read()] == [b"\x02\x03", b"\x06"]
    port.set_baud(19200)
    with pytest.raises(TransportError):
        await port.read()
    port.close()
    port.close()
    with pytest.raises(TransportError):
        await port.write(b"late")
    trace.close()
    assert (wire.written, wire.baud, wire.closed) == ([b"\x05"], 19200, 2)
    assert told(tmp_path / "t") == [
        (None, b"", "opened /dev/ttyUSB0, 9600 8N1"),
        ("host", b"\x05", ""),
        ("device", b"\x02\x03", ""),
        ("device", b"\x06", ""),
        (None, b"", "baud 19200"),
        (None, b"", "lost /dev/ttyUSB0: the port is gone (unplugged?)"),
        ("host", b"late", ""),
    ]


async def test_a_person_can_read_it(tmp_path: Path) -> None:
    trace = make(tmp_path / "t")
    await trace.wrap(Wire()).write(b"\x02\x03\x06\x33\xda\x81")
    trace.close()
    lines = (tmp_path / "t").read_text().splitlines()
    assert lines[0] == "# kioskwire trace 1"
    assert lines[2:6] == ["# device: bills", "# protocol: ccnet", "# url: /dev/ttyUSB0", "# line: 9600 8N1"]
    assert lines[-1].endswith(" > 02 03 06 33 DA 81")


async def test_what_it_is_not_told_of_the_line_it_takes_from_the_port(tmp_path: Path) -> None:
    trace = Trace(tmp_path / "t", device="bills", protocol="ccnet", note="firmware 1.2,\nbench")
    trace.wrap(Wire())
    trace.close()
    header = read_trace(tmp_path / "t")[0].header
    assert (header["url"], header["line"], header["note"]) == ("/dev/ttyUSB0", "9600 8N1", "firmware 1.2, bench")


async def test_times_are_told_by_both_clocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace_module.time, "monotonic", lambda: 12.5)
    trace = make(tmp_path / "t")
    before = datetime.datetime.now(datetime.UTC)
    trace.bytes_passed("device", b"\x06")
    trace.wrap(Wire())
    trace.close()
    piece = read_trace(tmp_path / "t")[0].pieces[0]
    assert piece.seconds == 12.5
    assert before <= piece.at <= datetime.datetime.now(datetime.UTC)


async def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    """A fiscal register's password stands in its frames."""
    (tmp_path / "t").write_text("")
    (tmp_path / "t").chmod(0o644)
    trace = make(tmp_path / "t")
    trace.wrap(Wire())
    trace.close()
    assert stat.S_IMODE((tmp_path / "t").stat().st_mode) == 0o600


async def test_it_is_bounded_with_one_predecessor(tmp_path: Path) -> None:
    path = tmp_path / "t"
    trace = make(path, max_bytes=2000)
    port = trace.wrap(Wire())
    for number in range(200):
        await port.write(bytes([number]))
    trace.close()
    assert sorted(os.listdir(tmp_path)) == ["t", "t.1"]
    sizes = [(tmp_path / name).stat().st_size for name in ("t", "t.1")]
    assert all(size <= 2000 for size in sizes)
    kept = [data[0] for name in ("t.1", "t") for sender, data, _ in told(tmp_path / name) if sender]
    assert kept == list(range(200 - len(kept), 200))
    assert read_trace(path)[0].header["device"] == "bills"


async def test_it_goes_on_where_it_ended_even_in_the_middle_of_a_line(tmp_path: Path) -> None:
    path = tmp_path / "t"
    for number in range(2):
        trace = make(path)
        await trace.wrap(Wire()).write(bytes([number]))
        trace.close()
        if not number:
            os.truncate(path, path.stat().st_size - 1)  # the power went
            with path.open("ab") as file:
                file.write(b"\n2026-11-21T13:")
    recordings = read_trace(path)
    assert [[piece.data for piece in one.pieces if piece.sender] for one in recordings] == [[b"\0"], [b"\1"]]


async def test_a_last_line_that_is_not_whole_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "t"
    trace = make(path)
    await trace.wrap(Wire()).write(b"\x05")
    trace.close()
    whole = told(path)
    with path.open("a") as file:
        file.write("2026-11-21T13:20:11.123456Z   8123.456789 > 02 0")
    assert told(path) == whole


async def test_a_full_disk_ends_the_trace_and_not_the_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(trace_module.os, "write", full)
    trace, wire = make(tmp_path / "t"), Wire(b"answer")
    port = trace.wrap(wire)
    assert trace._writer is not None
    await port.write(b"ask")
    trace._writer.join(20)
    await port.write(b"ask again")
    assert await port.read() == b"answer"
    assert trace._lines.empty()  # nobody takes them any more
    trace.wrap(Wire())
    trace.close()
    assert wire.written == [b"ask", b"ask again"]
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert warnings == [f"bills: the trace ends, {tmp_path / 't'}: No space left on device"]


async def test_a_directory_that_is_missing_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    trace = make(tmp_path / "nowhere" / "t")
    port = trace.wrap(Wire())
    assert trace._writer is not None
    trace._writer.join(20)
    await port.write(b"ask")
    trace.close()
    assert [record.levelname for record in caplog.records] == ["WARNING"]


async def test_what_a_slow_disk_cannot_take_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace_module, "BEHIND_MAX", 3)
    trace = make(tmp_path / "t")
    for _ in range(10):
        trace.bytes_passed("device", b"x")
    trace.wrap(Wire())  # only now somebody writes; its own word may be left out as well
    trace.close()
    kept = told(tmp_path / "t")
    assert [data for _, data, _ in kept[:3]] == [b"x"] * 3
    assert kept[3][2] in {f"{count} pieces left out, the disk was too slow" for count in (7, 8)}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "it is empty"),
        ("hello\nworld\n", "does not begin with"),
        ("# kioskwire trace 1\nnonsense\n# device: x\n", "line 2: is no line of a trace: 'nonsense'"),
        ("# kioskwire trace 1\n2026-11-21T13:20:11.123456Z 1.000000 > 0G\n# x: y\n", "line 2"),
        ("# kioskwire trace 1\n2026-13-21T13:20:11.123456Z 1.000000 > 00\n# x: y\n", "line 2"),
    ],
)
def test_what_is_no_trace_is_refused_with_the_place(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "t").write_text(text)
    with pytest.raises(TraceError, match=words):
        read_trace(tmp_path / "t")
    (tmp_path / "t").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TraceError, match="not text"):
        read_trace(tmp_path / "t")


@given(st.lists(st.tuples(st.sampled_from(["host", "device"]), st.binary(min_size=1, max_size=40))))
def test_what_was_written_is_read(pieces: list[tuple[str, bytes]]) -> None:
    lines = [trace_module._written(trace_module._SIGNS[sender], data.hex(" ").upper()) for sender, data in pieces]  # type: ignore[index]
    read = [trace_module._piece(line.removesuffix("\n")) for line in lines]
    assert [(piece.sender, piece.data) for piece in read if isinstance(piece, Piece)] == pieces
