"""The printer without a printer: what it obeys, when, and what a hand may do to it."""

from typing import Any

import pytest

from hardware.escpos import commands as c
from hardware.escpos.declaration import encode
from hardware.escpos.profiles import PROFILES
from hardware.escpos.render import render
from hardware.escpos.simulator import BOOT_S, EscposSimulator
from hardware.simulation.simulator import ControlError
from hardware.slip import Cut, Picture, QrCode, Slip, Text

SLIP = Slip(
    (
        Text(text="Чек", bold=True),
        *(Text(text=f"строка {number}") for number in range(4)),
        QrCode(content="код"),
        Picture(width=16, rows=(b"\x10\x04",) * 5),
        Text(text="конец"),
        Cut(),
    )
)
STREAM = b"".join(render(SLIP, PROFILES["generic"], block_bytes=96))


class Bench:
    def __init__(self, memory: dict[str, Any] | None = None, **options: object) -> None:
        self.told: list[tuple[str, Any]] = []
        self.printer = EscposSimulator(
            {} if memory is None else memory,
            lambda kind, figures: self.told.append((kind, dict(figures))),
            **{"boot_s": 0, **options},
        )
        self.printer.power_on(0)

    def runs(self, now: float = 0.0) -> float:
        """Until nothing moves; when that is."""
        while self.printer.wake_at is not None:
            now = max(now, self.printer.wake_at)
            self.printer.wake(now)
        return now

    def paper(self) -> list[list[str]]:
        return [figures["lines"] for kind, figures in self.told if kind == "slip_printed"]


@pytest.mark.parametrize("size", [1, 2, 7])
def test_a_stream_cut_anywhere_comes_out_the_same(size: int) -> None:
    whole = Bench()
    whole.printer.received(STREAM, 0)
    whole.runs()
    pieces = Bench()
    for at in range(0, len(STREAM), size):
        pieces.printer.received(STREAM[at : at + size], at)
    pieces.runs(len(STREAM))
    assert pieces.paper() == whole.paper()
    assert whole.paper()[0][0] == "bold|Чек"
    assert "конец" in pieces.printer.describe()["paper"]  # type: ignore[operator]


def test_it_takes_its_time_and_answers_gs_r_behind_it() -> None:
    bench = Bench()
    assert bench.printer.received(b"one\n" + encode(c.READ_STATUS, n=1), 0) == []
    assert bench.told == []
    assert bench.printer.wake_at == pytest.approx(30 / 1200)
    assert bench.printer.wake(1.0) == [b"\x00"]
    assert bench.told == [("line_printed", {"text": "one", "style": ""})]


def test_a_status_is_answered_at_once_in_a_picture_too() -> None:
    bench = Bench()
    bench.printer.received(b"one\n" * 20, 0)
    assert bench.printer.received(b"\x10\x04\x01", 0) == [b"\x12"]
    assert Bench().printer.received(encode(c.RASTER, m=0, x=3, y=1, dots=b"\x10\x04\x04"), 0) == [b"\x12"]


def test_power_takes_what_is_not_printed_yet_and_leaves_the_paper() -> None:
    memory: dict[str, Any] = {}
    bench = Bench(memory)
    bench.printer.received(b"one\ntwo\n", 0)
    bench.printer.wake(0.03)
    bench.printer.power_off(0.03)
    assert memory["piece"] == ["|one"]
    later = EscposSimulator(memory, lambda kind, figures: None)
    later.power_on(1)
    assert later.received(b"\x10\x04\x01", 1 + BOOT_S / 2) == []
    assert later.received(b"\x10\x04\x01", 1 + BOOT_S) == [b"\x12"]
    assert later.describe()["hanging_out"] == ["|one"]


def test_an_open_cover_spoils_the_line_and_it_goes_on_when_closed() -> None:
    bench = Bench()
    bench.printer.received(b"one\ntwo\n", 0)
    bench.printer.control("open_cover", {}, 0.01)
    assert bench.printer.wake_at is None
    bench.printer.control("close_cover", {}, 5)
    bench.runs()
    assert [kind for kind, _ in bench.told] == ["line_spoiled", "line_printed"]


def test_a_host_that_does_not_wait_overruns_a_small_buffer() -> None:
    bench = Bench(buffer=8)
    bench.printer.received(b"one\n", 0)
    bench.printer.received(b"x" * 20, 0)
    assert ("overrun", {"bytes": 12}) in bench.told


def test_changes_are_told_to_who_asked_for_them() -> None:
    bench = Bench()
    assert bench.printer.received(encode(c.AUTO_STATUS, n=14), 0) == [b"\x10\x00\x00\x00"]
    bench.printer.control("paper_out", {}, 1)
    assert bench.printer.wake_at == 0
    assert bench.printer.wake(1) == [b"\x18\x00\x0f\x00"]


@pytest.mark.parametrize(
    ("answers", "data", "answer"),
    [
        ("full", encode(c.READ_ID, n=0x42), [b"_KIOSKWIRE\0"]),
        ("full", encode(c.READ_ID, n=1), [b"\x20"]),
        ("full", encode(c.QR_ASK_SIZE, m=0x30), [b"7663\x1f63\x1f1\x1f1\0"]),
        ("realtime", encode(c.READ_STATUS, n=1), []),
        ("realtime", encode(c.DLE_EOT, n=4), [b"\x12"]),
        ("none", encode(c.DLE_EOT, n=4), []),
    ],
)
def test_what_it_answers(answers: str, data: bytes, answer: list[bytes]) -> None:
    assert Bench(answers=answers).printer.received(data, 0) == answer


def test_the_feed_button_moves_paper_unless_it_stands_still() -> None:
    bench = Bench()
    bench.printer.control("press_feed", {}, 0)
    assert bench.told == [("line_printed", {"text": "", "style": ""})]
    bench.printer.control("paper_out", {}, 0)
    with pytest.raises(ControlError, match="stands still"):
        bench.printer.control("press_feed", {}, 0)


@pytest.mark.parametrize("options", [{"model": "nokia"}, {"rows": "x"}, {"answers": "some"}, {"colour": 1}])
def test_options_it_has_not_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ControlError):
        EscposSimulator({}, lambda kind, figures: None, **options)
