"""The simulated register by itself: what it keeps, what it forgets, what it refuses."""

from collections.abc import Mapping
from typing import Any

import pytest

from hardware.shtrih.commands import command
from hardware.shtrih.declaration import Reply
from hardware.shtrih.frames import FrameV1, FrameV2, ReaderV2
from hardware.shtrih.simulator import ShtrihSimulator
from hardware.simulation.simulator import ControlError

ENQ, ACK, NAK = b"\x05", b"\x06", b"\x15"


class Bench:
    """A register and a clock."""

    def __init__(self, memory: dict[str, Any] | None = None, **options: Any) -> None:
        self.now = 0.0
        self.number = 0
        self.facts: list[tuple[str, Mapping[str, object]]] = []
        self.memory: dict[str, Any] = {} if memory is None else memory
        self.device = ShtrihSimulator(self.memory, lambda kind, figures: self.facts.append((kind, figures)), **options)
        self.device.power_on(0)

    def send(self, data: bytes, wait_s: float = 0.5) -> bytes:
        self.now += 0.01
        answer = b"".join(self.device.received(data, self.now))
        until = self.now + wait_s
        while self.device.wake_at is not None and self.device.wake_at <= until:
            self.now = max(self.now, self.device.wake_at)
            answer += b"".join(self.device.wake(self.now))
        self.now = until
        return answer

    def ask(self, name: str, /, **values: object) -> Reply:
        """By version 2; printing is waited for."""
        self.number += 1
        one = command(name)
        fields = {"password": 30, **values} if one.request else values
        (frame,) = ReaderV2().feed(self.send(FrameV2(self.number, one.ask(fields)).encode(), 2))
        assert frame.number == self.number
        reply = one.read_reply(frame.data)
        assert reply is not None
        return reply


def kinds(bench: Bench) -> list[str]:
    return [kind for kind, _ in bench.facts]


def test_it_locks_to_the_layer_it_hears_first() -> None:
    one, two = Bench(), Bench()
    assert one.send(b"\xff\xaa" + ENQ) == NAK
    assert one.send(FrameV2(None).encode()) == b""
    assert two.send(FrameV2(None).encode()) == FrameV2(0).encode()
    assert two.send(ENQ) == b""


def test_version_1_keeps_an_answer_until_it_is_acknowledged() -> None:
    bench = Bench(link="v1")
    ask = FrameV1(command("short_status").ask({"password": 30})).encode()
    answer = bench.send(ask)
    assert answer[:1] == ACK
    assert bench.send(ask) == b""  # nothing is taken while an answer waits
    assert bench.send(NAK) == b""
    assert bench.send(ENQ) == answer
    assert bench.send(ACK) == b""
    assert bench.send(ENQ) == NAK
    assert bench.send(ask[:-1] + bytes([ask[-1] ^ 1])) == NAK


def test_it_says_that_it_works() -> None:
    bench = Bench(link="v1", ff_noise=True)
    assert bench.send(FrameV1(command("open_shift").ask({"password": 30})).encode(), 0.1) == ACK
    assert bench.send(ENQ, 0.01) == ACK
    assert bench.send(b"")[:1] == b"\x02"
    assert bench.send(ACK) == b"\xff"


def test_version_2_repeats_the_stored_answer() -> None:
    bench = Bench(link="v2")
    ask = FrameV2(1, command("open_shift").ask({"password": 30})).encode()
    answer = bench.send(ask, 2)
    assert bench.send(ask, 2) == answer
    assert bench.send(FrameV2(9, b"\x41").encode()) == answer
    assert bench.send(FrameV2(None).encode()) == answer
    assert kinds(bench).count("document_stored") == 1


def test_what_outlives_the_power() -> None:
    bench = Bench(link="v2")
    bench.ask("open_shift")
    bench.ask("open", type=0)
    bench.ask("operation_v2", type=1, price=100, sum=None, tax_sum=None, tax=4)
    bench.device.power_off(bench.now)
    assert bench.device.wake_at is None
    assert bench.device.received(ENQ, bench.now) == ()
    again = Bench(bench.memory, link="v2")
    assert again.send(FrameV2(None).encode()) == FrameV2(0).encode()
    assert again.ask("short_status").values["mode"] == 8
    assert again.ask("subtotal").values["sum"] == 100
    closed = again.ask("close_v2", sum1=150)
    assert (closed.values["change"], closed.values["fd"]) == (50, 6)


@pytest.mark.parametrize(
    ("steps", "error"),
    [
        ([("open", {"type": 0})], 0x3D),
        ([("open_shift", {}), ("open_shift", {})], 0x3C),
        ([("open_shift", {}), ("open", {"type": 7})], 0x33),
        ([("open_shift", {}), ("open", {"type": 0}), ("open", {"type": 0})], 0x4A),
        ([("open_shift", {}), ("open", {"type": 0}), ("close_v2", {})], 0x8E),
        ([("open_shift", {}), ("close_v2", {})], 0x55),
        ([("open_shift", {}), ("subtotal", {})], 0x73),
        ([("open_shift", {}), ("cancel", {})], 0x73),
        ([("open_shift", {}), ("cash_out", {"sum": 1})], 0x46),
        ([("open_shift", {}), ("open", {"type": 0}), ("z_report", {})], 0x4A),
        ([("z_report", {})], 0x3D),
        ([("fn_find", {"fd": 999})], 0x08),
        ([("fn_cancel", {})], 0x02),
        ([("fn_tlv", {"tlv": b""})], 0x02),
        ([("shift_begin_close", {})], 0x3D),
        ([("correction_v2", {"type": 1, "sum": 1})], 0x02),
        ([("marking_status", {})], 0x37),
        ([("fn_document_block", {})], 0x08),
        ([("short_status", {"password": 77})], 0x4F),
    ],
)
def test_what_it_refuses(steps: list[tuple[str, dict[str, object]]], error: int) -> None:
    bench = Bench(link="v2")
    *before, (name, values) = steps
    for each, given in before:
        assert bench.ask(each, **given).error == 0
    assert bench.ask(name, **values).error == error


def test_a_document_is_read_as_tags() -> None:
    bench = Bench(link="v2")
    bench.ask("open_shift")
    bench.ask("operation_v2", type=1, price=100, sum=None, tax_sum=None, tax=4)
    bench.ask("close_v2", sum1=100)
    assert bench.ask("fn_document", fd=6).values["type"] == 3
    assert bench.ask("short_status").values["mode"] == 1
    tags: dict[str, object] = {}
    while (reply := bench.ask("fn_document_block")).error == 0:
        block = reply.values["tlv"]
        assert isinstance(block, list)
        tags.update({tag["name"]: tag["value"] for tag in block})
    assert (tags["total"], tags["registration"]) == (100, "0000000001012345")
    assert bench.ask("short_status").values["mode"] == 2
    for name in ("fn_number", "fn_expiry", "fn_version", "unconfirmed", "beep", "fn_registration_tag"):
        values = {"registration": 1, "tag": 1} if name == "fn_registration_tag" else {}
        assert bench.ask(name, **values).error in {0, 0x37}
    assert bench.ask("write_table", table=1, row=1, field=1, value="05").error == 0
    assert bench.ask("read_table", table=1, row=1, field=1).values["value"] == "05"


def test_paper() -> None:
    bench = Bench(link="v2")
    bench.device.control("paper_out", {}, 0)
    assert bench.ask("short_status").values["submode"] == 1
    assert bench.ask("open_shift").error == 0x6B
    assert bench.ask("continue_print").error == 0x6B
    bench.device.control("paper_in", {}, 0)
    bench.device.control("paper_out", {"after": "2"}, 0)
    assert bench.ask("open_shift").error == 0
    assert bench.ask("short_status").values["submode"] == 2
    bench.device.control("paper_in", {}, 0)
    assert bench.ask("short_status").values["submode"] == 3
    assert bench.ask("x_report").error == 0x58
    bench.device.control("cover_open", {}, 0)
    assert bench.ask("short_status").values["submode"] == 2
    bench.device.control("cover_close", {}, 0)
    assert bench.ask("continue_print").error == 0
    assert bench.ask("short_status").values["submode"] == 0
    assert kinds(bench) == ["document_stored", "document_printed"]


def test_a_base_register_has_no_storage_commands() -> None:
    bench = Bench(link="v2", fiscal="base")
    assert bench.ask("fn_status").error == 0x37
    bench.ask("open_shift")
    for name in ("sale", "purchase", "return_purchase", "return_sale"):
        assert bench.ask(name, price=100).error == 0
        assert bench.ask("close", sum1=100).error == 0
    assert bench.ask("sale", price=100).error == 0
    assert bench.ask("close", sum1=50).error == 0x45
    assert bench.ask("cancel").error == 0
    assert [bench.ask("operation_register", number=number).values["value"] for number in range(148, 152)] == [
        1,
        1,
        1,
        1,
    ]


def test_hands_that_cannot_be() -> None:
    bench = Bench(link="v2")
    for name, arguments in (
        ("kick", {}), ("fail", {"code": "zz"}), ("paper_out", {"after": "soon"}), ("foreign_receipt", {"minor": "1"}),
    ):  # fmt: skip
        with pytest.raises(ControlError):
            bench.device.control(name, arguments, 0)
    for options in ({"link": "v3"}, {"fiscal": "x"}):
        with pytest.raises(ControlError):
            ShtrihSimulator({}, lambda *_: None, **options)
    assert bench.device.describe()["link"] == "v2"


def test_what_is_on_paper_can_be_read() -> None:
    bench = Bench()
    assert bench.device.control("paper", {}, bench.now) == {"paper": []}
    bench.ask("fn_open_shift")
    bench.ask("operation_v2", type=1, quantity=1_500_000, price=90000, sum=None, tax_sum=None, tax=4, name="Кофе")
    assert "Кофе" not in str(bench.device.control("paper", {"last": "2"}, bench.now)), "not before it is closed"
    bench.ask("close_v2", sum1=150000)
    (paper,) = bench.device.control("paper", {}, bench.now).values()
    assert isinstance(paper, list)
    assert max(map(len, paper)) <= 40
    text = "\n".join(" ".join(line.split()) for line in paper)
    assert "ПРИХОД\nКофе\n1.5 x 900.00 1350.00\n" in text
    assert "ИТОГ 1350.00\nНАЛИЧНЫМИ 1500.00\nСДАЧА 150.00\n" in text
    assert "СМЕНА 1 ЧЕК 1 " in text
    both = bench.device.control("paper", {"last": "2"}, bench.now)["paper"]
    assert "СМЕНА ОТКРЫТА" in str(both)


def test_what_waits_for_paper_is_not_on_it() -> None:
    bench = Bench()
    bench.device.control("paper_out", {}, bench.now)
    assert bench.device.control("paper", {}, bench.now) == {"paper": []}
