"""A printer in which something may wait."""

from hardware.escpos.cleaning import CLEAN_S, FILL, QUIET_S, Cleaning
from hardware.escpos.memory import Page, Remembered
from hardware.escpos.orders import Settings
from hardware.escpos.outgoing import Outgoing, Timers
from hardware.protocol import Record, Send


class Bench:
    def __init__(self, *, remains: bool = False, **settings: object) -> None:
        self.timers: Timers = {}
        self.out = Outgoing(0.0)
        self.page = Page(Remembered(remains=remains).memory, self.out.act)
        self.cleaning = Cleaning(Settings(**settings), self.out, self.timers, self.page)  # type: ignore[arg-type]

    def begins(self, now: float = 0.0) -> bytes:
        self.cleaning.begin(now)
        (send,) = self.out.take()
        assert isinstance(send, Send)
        return send.data


def test_one_that_was_away_gets_its_settings_and_is_ready_at_the_first_answer() -> None:
    bench = Bench(automatic=True)
    assert bench.cleaning.due
    assert bench.begins() == b"\x1b@\x1da\x0e\x1dr\x01"
    assert bench.timers == {"clean": CLEAN_S}
    bench.cleaning.answered(1.0)
    assert bench.timers == {"clean": 1.0}
    assert bench.cleaning.over(1.0, well=True)
    assert (bench.cleaning.needed, bench.cleaning.active, bench.out.take()) == (False, False, [])
    bench.cleaning.forget()
    assert bench.cleaning.needed


def test_remains_are_filled_up_and_cut_off_and_late_answers_are_waited_for() -> None:
    bench = Bench(remains=True, block_bytes=2000)
    assert bench.begins() == bytes(2000 + FILL) + b"\x1b@\x1dVB\x00\x1dr\x01"
    bench.cleaning.answered(1.0)
    bench.cleaning.answered(2.0)
    assert bench.timers == {"clean": 2.0 + QUIET_S}
    assert bench.cleaning.over(5.0, well=True)
    assert bench.out.take() == [Send(b"\x1dr\x01")]
    bench.cleaning.answered(5.1)
    assert bench.cleaning.over(5.1, well=True)
    (record,) = bench.out.take()
    assert isinstance(record, Record)
    assert record.memory is not None
    assert record.memory["remains"] is False
    assert not bench.cleaning.needed


def test_an_answer_to_an_older_question_does_not_say_that_the_paper_was_cut() -> None:
    """It came twice, and the printer went before it read the rest."""
    bench = Bench(remains=True)
    bench.begins()
    bench.cleaning.answered(1.0)
    bench.cleaning.over(4.0, well=True)
    assert bench.cleaning.active
    bench.out.take()
    bench.cleaning.forget()
    assert bench.cleaning.needed
    assert bench.begins().endswith(b"\x1dVB\x00\x1dr\x01")


def test_one_that_is_well_and_silent_confirms_nothing() -> None:
    bench = Bench()
    bench.begins()
    assert not bench.cleaning.over(10.0, well=True)
    assert bench.cleaning.unconfirmed
    assert (bench.cleaning.needed, bench.cleaning.due) == (True, False)
    del bench.timers["again"]
    assert bench.cleaning.due
    bench.begins()
    bench.cleaning.answered(21.0)
    assert not bench.cleaning.unconfirmed


def test_the_silence_of_one_that_stands_still_proves_nothing() -> None:
    bench = Bench()
    bench.begins()
    assert bench.cleaning.over(10.0, well=False)
    assert not bench.cleaning.unconfirmed
    bench = Bench()
    bench.begins()
    bench.cleaning.stop()
    assert (bench.cleaning.active, bench.timers, bench.cleaning.due) == (False, {}, True)
    assert bench.cleaning.over(10.0, well=True)
    assert bench.cleaning.needed


def test_one_that_never_answers_gr_is_clean_when_all_was_sent() -> None:
    bench = Bench(status="realtime")
    assert bench.begins() == b"\x1b@"
    assert bench.timers == {"clean": 0.0}
    assert bench.cleaning.over(0.0, well=True)
    assert not bench.cleaning.needed
