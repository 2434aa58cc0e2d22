"""What proves a slip to be on paper, and what does not."""

from collections import deque

import pytest

from hardware.errors import DeviceError, DeviceFault, OutcomeUnknown, TransportError
from hardware.escpos.asking import Asking
from hardware.escpos.memory import Page
from hardware.escpos.orders import Settings
from hardware.escpos.outgoing import Outgoing, Timers
from hardware.escpos.proof import Phase, Printing
from hardware.escpos.states import Health, Trouble
from hardware.escpos.waiting import Job
from hardware.events import Event, SlipPrinted, SlipUnclear
from hardware.protocol import Finish, Record, Send

GS_R = b"\x1dr\x01"


class Bench:
    """A printing without a conversation around it."""

    def __init__(self, blocks: tuple[bytes, ...] = (b"one",), byte_s: float = 0.0, **settings: object) -> None:
        chosen = Settings(byte_s=byte_s, **settings)  # type: ignore[arg-type]
        self.timers: Timers = {}
        self.out = Outgoing(byte_s)
        self.page = Page({}, self.out.act)
        self.asking = Asking(chosen, self.out, self.timers)
        self.printing = Printing(chosen, self.out, self.timers, self.page, self.asking)
        self.job = Job("A", False, deque(blocks), 10.0, [7])
        self.events: list[Event] = []
        self.ending: DeviceError | str | None = "none yet"

    def sent(self) -> list[bytes]:
        sent = []
        for action in self.out.take():
            match action:
                case Send(data):
                    sent.append(data)
                case Record(event) if event is not None:
                    self.events.append(event)
                case Finish():
                    self.ending = action.error
        return sent

    def begun(self) -> list[bytes]:
        self.printing.take(self.job)
        self.printing.checked(None, 0.0)
        assert self.page.now.begun == "A"
        assert self.sent() == []  # the intent is on the disk first
        self.printing.begin(0.0)
        self.printing.go_on(0.0)
        return self.sent()

    def rechecking(self) -> None:
        self.begun()
        for now in (0.1, 0.2):
            assert self.printing.confirmed(now)
            self.printing.go_on(now)
        assert self.printing.phase is Phase.RECHECKING


def test_three_proofs_and_it_is_printed() -> None:
    bench = Bench()
    assert bench.begun() == [b"one" + GS_R]
    assert bench.printing.confirmed(0.1)
    bench.printing.go_on(0.1)
    assert bench.sent() == [GS_R]
    assert bench.printing.confirmed(0.2)
    bench.printing.go_on(0.2)
    assert bench.sent() == [b"\x10\x04\x04"]
    assert bench.ending == "none yet"
    bench.printing.rechecked(None)
    bench.sent()
    assert bench.events == [SlipPrinted(reference="A")]
    assert bench.ending is None
    assert (bench.printing.job, bench.page.now.last, bench.page.now.begun) == (None, "A", None)
    assert "life" not in bench.timers


def test_two_blocks_are_on_their_way_and_no_more() -> None:
    bench = Bench((b"one", b"two", b"three"))
    assert bench.begun() == [b"one" + GS_R, b"two" + GS_R]
    assert bench.printing.confirmed(0.1)
    bench.printing.go_on(0.1)
    assert bench.sent() == [b"three" + GS_R]


def test_a_slow_line_is_not_filled_for_longer_than_a_question_may_wait() -> None:
    bench = Bench((bytes(100), bytes(100)), byte_s=0.01)
    assert len(bench.begun()) == 1
    bench.printing.go_on(0.9)
    assert len(bench.sent()) == 1


def test_nothing_was_sent_nothing_is_unclear() -> None:
    bench = Bench()
    bench.printing.take(bench.job)
    bench.printing.checked(Trouble.COVER_OPEN, 0.0)
    bench.sent()
    assert isinstance(bench.ending, DeviceFault)
    bench.printing.take(bench.job)
    bench.printing.checked(None, 0.0)
    bench.printing.cut_off("the line was lost")
    bench.sent()
    assert isinstance(bench.ending, TransportError)
    assert bench.page.now.begun is None
    assert bench.events == []


@pytest.mark.parametrize("trouble", [{"errors": 0x08}, {"cover_open": True}, {"paper_out": True}])
def test_what_stops_it_in_the_middle_is_unclear(trouble: dict[str, object]) -> None:
    bench = Bench()
    bench.begun()
    bench.printing.learned(Health(**trouble).judged())  # type: ignore[arg-type]
    bench.sent()
    assert isinstance(bench.ending, OutcomeUnknown)
    assert [type(event) for event in bench.events] == [SlipUnclear]
    assert bench.page.now.remains


@pytest.mark.parametrize(("hot", "kind"), [(True, SlipPrinted), (False, SlipUnclear)])
def test_it_may_stand_still_for_a_reason_that_it_tells(hot: bool, kind: type[Event]) -> None:
    bench = Bench()
    bench.rechecking()
    bench.printing.learned(Health(online=False, errors=0x40 if hot else 0).judged())
    bench.printing.learned(Health(online=True).judged())
    bench.printing.rechecked(None)
    bench.sent()
    assert [type(event) for event in bench.events] == [kind]


def test_more_time_than_it_needs_to_start_proves_nothing() -> None:
    bench = Bench()
    bench.begun()
    bench.printing.alive(2.0, 2.5)
    assert bench.timers["life"] == 5.0
    bench.printing.alive(5.05, 5.1)
    bench.sent()
    assert isinstance(bench.ending, OutcomeUnknown)


def test_an_answer_too_many_is_not_believed() -> None:
    bench = Bench()
    bench.begun()
    assert bench.printing.confirmed(0.1)
    assert not bench.printing.confirmed(0.1)
    bench.sent()
    assert isinstance(bench.ending, OutcomeUnknown)


def test_a_trouble_at_the_last_look_is_unclear() -> None:
    bench = Bench()
    bench.rechecking()
    bench.printing.rechecked(Trouble.HEAD_HOT)
    bench.sent()
    assert isinstance(bench.ending, OutcomeUnknown)


@pytest.mark.parametrize("status", ["realtime", "none"])
def test_one_that_cannot_confirm_is_unclear_and_leaves_nothing_behind(status: str) -> None:
    bench = Bench(status=status)
    assert bench.begun()[0] == b"one"
    if status == "realtime":
        bench.printing.rechecked(None)
        bench.sent()
    assert isinstance(bench.ending, OutcomeUnknown)
    assert not bench.page.now.remains


def test_without_a_slip_nothing_is_cut_off() -> None:
    bench = Bench()
    bench.printing.cut_off("whatever")
    bench.printing.alive(0.0, 100.0)
    bench.printing.learned(Health(cover_open=True).judged())
    assert bench.out.take() == []
