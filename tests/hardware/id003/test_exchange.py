"""One request at a time, and what answers it."""

from hardware.id003 import commands as c
from hardware.id003.exchange import TRIES, Exchange, Request
from hardware.id003.frames import Frame


def test_a_status_answers_a_status_request_and_nothing_else() -> None:
    line = Exchange()
    line.send(Request(c.STATUS), 0.0)
    assert line.take(Frame(0x50)) is None
    assert line.take(Frame(0x8A)) is None
    assert line.take(Frame(0x15)) is not None
    assert line.take(Frame(0x15)) is None  # nothing was asked


def test_an_order_is_answered_by_ack_not_by_a_late_status() -> None:
    line = Exchange()
    line.send(Request(c.STACK_1), 0.0)
    assert line.take(Frame(0x13, b"\x63")) is None
    answered = line.take(Frame(0x50))
    assert answered is not None
    assert not answered.refused


def test_a_setting_is_done_when_its_echo_is_the_same() -> None:
    line = Exchange()
    line.send(Request(c.SET_INHIBIT, b"\x01"), 0.0)
    answered = line.take(Frame(0xC3, b"\x00"))
    assert answered is not None
    assert answered.broken


def test_refused_and_misheard() -> None:
    line = Exchange()
    for code, refused in ((0x4B, True), (0x4A, False)):
        line.send(Request(c.RETURN), 0.0)
        answered = line.take(Frame(code))
        assert answered is not None
        assert (answered.refused, answered.broken) == (refused, not refused)


def test_an_acknowledgement_waits_for_nothing() -> None:
    line = Exchange()
    line.send(Request(c.ACK), 0.0)
    assert line.request is None


def test_a_request_has_so_many_attempts() -> None:
    request: Request | None = Request(c.GET_VERSION)
    attempts = 0
    while request is not None:
        attempts += 1
        request = request.again()
    assert attempts == TRIES


def test_what_half_came_is_dropped_when_it_is_asked_again() -> None:
    line = Exchange()
    line.send(Request(c.STATUS), 0.0)
    assert line.reader.feed(bytes.fromhex("FC05")) == []
    line.send(Request(c.STATUS, attempt=2), 0.5)
    assert line.reader.skipped == 2
    assert line.repeats == 1
