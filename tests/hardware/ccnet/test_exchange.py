"""The line: repeats, damaged answers, the gap."""

import pytest

from hardware.ccnet import commands
from hardware.ccnet.exchange import GAP_S, TRIES, End, Ended, Exchange
from hardware.ccnet.frames import Frame, encode

ACK, NAK = encode(Frame(3, b"\x00"), "host"), encode(Frame(3, b"\xff"), "host")
POLL = encode(Frame(3, b"\x33"), "host")
IDLING = encode(Frame(3, b"\x14"), "device")


def asked() -> Exchange:
    """POLL was sent at 0."""
    exchange = Exchange(3)
    assert exchange.ask(commands.POLL, b"\x33", 0.0).data == POLL
    assert exchange.wake_at == 0.0
    exchange.input(0.0)
    return exchange


def test_an_answer_ends_the_question_and_its_ack_the_gap() -> None:
    exchange = asked()
    _, ended = exchange.received(IDLING, 0.1)
    assert ended == Ended(commands.POLL, End.ANSWERED, b"\x14")
    assert exchange.confirm(0.1).data == ACK
    exchange.input(0.3)  # what stood before the ACK took its time
    assert not exchange.free(0.3 + GAP_S - 0.001)
    assert exchange.free(0.3 + GAP_S)


def test_silence_is_asked_again_three_times_in_all() -> None:
    exchange = asked()
    now, sent = 0.0, 1
    while True:
        assert exchange.wake_at is not None
        now = exchange.wake_at
        exchange.input(now)
        sends, ended = exchange.wake(now)
        sent += len(sends)
        assert all(send.data == POLL for send in sends)
        if ended is not None:
            break
    assert ended.end is End.SILENT
    assert sent == TRIES
    assert exchange.repeats == TRIES - 1


def test_a_damaged_answer_is_asked_for_again_with_nak() -> None:
    exchange = asked()
    [send], ended = exchange.received(IDLING[:-1] + b"\x00", 0.1)
    assert ended is None
    assert send.data == NAK
    exchange.input(0.1)
    assert exchange.received(IDLING, 0.2)[1] is not None


def test_half_an_answer_is_waited_for_and_then_asked_for_again() -> None:
    exchange = asked()
    assert exchange.received(IDLING[:3], 0.19) == ([], None)
    assert exchange.wake(0.2) == ([], None)
    assert exchange.wake_at == pytest.approx(0.24)
    [send], _ = exchange.wake(0.24)
    assert send.data == NAK


def test_a_command_that_was_damaged_on_its_way_is_said_again() -> None:
    exchange = asked()
    [send], ended = exchange.received(encode(Frame(3, b"\xff"), "device"), 0.1)
    assert ended is None
    assert send.data == POLL


def test_no_nak_is_said_to_what_has_no_answer_but_ack() -> None:
    exchange = Exchange(3)
    command = exchange.ask(commands.RESET, b"\x30", 0.0).data
    exchange.input(0.0)
    [send], _ = exchange.received(encode(Frame(3, b"\x00"), "device")[:-1] + b"\x00", 0.1)
    assert send.data == command


def test_illegal_ends_it() -> None:
    exchange = asked()
    assert exchange.received(encode(Frame(3, b"\x30"), "device"), 0.1)[1] == Ended(commands.POLL, End.ILLEGAL)


def test_others_and_what_nobody_asked_for_are_left() -> None:
    exchange = asked()
    assert exchange.received(encode(Frame(2, b"\x14"), "device"), 0.1) == ([], None)
    assert exchange.received(encode(Frame(3, b"\x00"), "device"), 0.1) == ([], None)
    assert exchange.received(IDLING + IDLING, 0.1)[1] is not None
    assert exchange.received(IDLING, 0.2) == ([], None)


def test_data_is_no_answer_to_an_order() -> None:
    exchange = Exchange(3)
    exchange.ask(commands.STACK, b"\x35", 0.0, tries=1)
    exchange.input(0.0)
    assert exchange.received(IDLING, 0.05) == ([], None)
    assert exchange.received(encode(Frame(3, b"\x00"), "device"), 0.06)[1] == Ended(commands.STACK, End.AGREED)


def test_nothing_is_asked_in_the_middle_of_a_question() -> None:
    exchange = asked()
    assert exchange.free_at == float("inf")
    exchange.drop()
    assert exchange.free(0.0)
