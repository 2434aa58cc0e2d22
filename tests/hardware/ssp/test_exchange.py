"""One command at a time, and the flag that makes each happen once."""

from hardware.ssp.exchange import Exchange
from hardware.ssp.frames import Frame, parse


def test_the_flag_turns_with_each_answered_command_and_sync_sets_it() -> None:
    line = Exchange(0)
    flags = []
    for command in (b"\x11", b"\x06\x08", b"\x05", b"\x07"):
        frame = parse(line.send(command, 0.0).data)
        flags.append(frame.flag)
        assert line.take(Frame(b"\xf0", frame.flag)) is not None
    assert flags == [True, False, True, False]


def test_what_is_not_answered_goes_again_byte_for_byte() -> None:
    line = Exchange(0)
    first = line.send(b"\x07", 0.0)
    assert line.again(1.0) == first
    assert (line.tries, line.repeats, line.until) == (2, 1, 2.0)


def test_an_answer_with_another_flag_or_address_is_none() -> None:
    line = Exchange(0)
    flag = parse(line.send(b"\x07", 0.0).data).flag
    assert line.take(Frame(b"\xf0", not flag)) is None
    assert line.take(Frame(b"\xf0", flag, 0x10)) is None
    assert line.take(Frame(b"\xf0", flag)) is not None


def test_a_second_answer_is_read_when_it_says_something_else() -> None:
    line = Exchange(0)
    flag = parse(line.send(b"\x07", 0.0).data).flag
    line.take(Frame(b"\xf0", flag))
    assert line.take(Frame(b"\xf0", flag)) is None
    again = line.take(Frame(b"\xf0\xee\x01", flag))
    assert again is not None
    assert again[1] == b"\xf0\xee\x01"
    assert line.take(Frame(b"\xf0\xee\x02", flag)) is None


def test_after_forgetting_nothing_is_an_answer() -> None:
    line = Exchange(0)
    flag = parse(line.send(b"\x07", 0.0).data).flag
    line.forget()
    assert line.take(Frame(b"\xf0", flag)) is None
