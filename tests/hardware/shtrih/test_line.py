"""One question and its answer, byte by byte, with time moved by hand."""

import pytest

from hardware.shtrih.frames import FrameV1, FrameV2
from hardware.shtrih.line import Answered, Gone, Line, LineV1, LineV2

ENQ, ACK, NAK = b"\x05", b"\x06", b"\x15"
ASK = b"\x11\x1e\x00\x00\x00"
ANSWER = b"\x11\x00\x1e"
OTHER = b"\x50\x00\x1e\x01\x00"


def v1_in_step() -> LineV1:
    line = LineV1()
    assert line.begin(b"", 5, 0) == [ENQ]
    assert line.received(NAK, 0.1) == [ENQ]
    assert line.received(NAK, 0.2) == []
    assert line.result == Answered(b"")
    return line


def v2_in_step(number: int = 7) -> LineV2:
    line = LineV2()
    assert line.begin(b"", 5, 0) == [FrameV2(None).encode()]
    assert line.received(FrameV2(number, OTHER).encode(), 0.1) == [FrameV2(None).encode()]
    line.received(FrameV2(number, OTHER).encode(), 0.2)
    assert line.result == Answered(b"")
    return line


def v1_sent() -> LineV1:
    line = v1_in_step()
    assert line.begin(ASK, 10, 1) == [ENQ]
    assert line.received(NAK, 1.1) == [FrameV1(ASK).encode()]
    return line


def test_version_1_on_a_good_day() -> None:
    line = v1_sent()
    assert line.received(ACK, 1.2) == []
    assert line.received(FrameV1(ANSWER).encode(), 1.3) == [ACK]
    assert line.result == Answered(ANSWER)
    assert line.wake_at is None


def test_ff_noise_is_skipped() -> None:
    line = v1_sent()
    line.received(b"\xff" + ACK, 1.2)
    assert line.received(b"\xff" + FrameV1(ANSWER).encode(), 1.3) == [ACK]
    assert line.result == Answered(ANSWER)


def test_an_answer_that_waits_is_fetched_before_anything_is_sent() -> None:
    line = v1_in_step()
    line.begin(ASK, 10, 1)
    assert line.received(ACK, 1.1) == []
    # It even is of the same command, and still is somebody else's: ours was not sent yet.
    assert line.received(FrameV1(ANSWER).encode(), 1.2) == [ACK, ENQ]
    assert line.received(NAK, 1.3) == [ENQ]  # twice, for something was out of order
    assert line.received(NAK, 1.4) == [FrameV1(ASK).encode()]
    assert line.result is None


def test_a_frame_that_is_not_acknowledged_is_not_sent_again() -> None:
    line = v1_sent()
    assert line.wake_at is not None
    assert line.wake(line.wake_at) == [ENQ]
    assert line.received(NAK, 2.0) == []
    assert line.result == Gone(True, "it is idle and has no answer")


def test_after_a_lost_acknowledgement_the_answer_is_fetched() -> None:
    line = v1_sent()
    line.wake(line.wake_at or 0)
    assert line.received(ACK + FrameV1(ANSWER).encode(), 2.0) == [ACK]
    assert line.result == Answered(ANSWER)


def test_a_frame_that_was_refused_is_sent_again_once_the_device_is_idle_twice() -> None:
    line = v1_sent()
    assert line.received(NAK, 1.2) == [ENQ]
    assert line.received(NAK, 1.3) == [ENQ]
    assert line.received(NAK, 1.4) == [FrameV1(ASK).encode()]
    assert line.repeats >= 1


def test_a_frame_that_is_refused_for_ever_was_not_begun() -> None:
    line = v1_sent()
    now = 1.2
    while line.result is None:
        line.received(NAK, now)
        now += 0.01
    assert line.result == Gone(False, "it refused the frame 10 times")


def test_a_damaged_answer_is_asked_for_again() -> None:
    line = v1_sent()
    line.received(ACK, 1.2)
    broken = bytearray(FrameV1(ANSWER).encode())
    broken[-1] ^= 1
    assert line.received(bytes(broken), 1.3) == [NAK, ENQ]
    assert line.received(ACK + FrameV1(ANSWER).encode(), 1.4) == [ACK]
    assert line.result == Answered(ANSWER)


def test_half_an_answer_is_asked_for_again_after_the_byte_time_out() -> None:
    line = v1_sent()
    line.received(ACK, 1.2)
    line.received(FrameV1(ANSWER).encode()[:3], 1.3)
    assert line.wake_at == pytest.approx(1.4)
    assert line.wake(1.41) == [NAK, ENQ]


def test_an_answer_of_another_command_is_not_ours() -> None:
    line = v1_sent()
    line.received(ACK, 1.2)
    assert line.received(FrameV1(OTHER).encode(), 1.3) == [ACK, ENQ]
    assert line.result is None


def test_a_device_that_is_silent_was_not_told_anything() -> None:
    line = LineV1()
    line.begin(ASK, 60, 0)
    while line.result is None:
        line.wake(line.wake_at or 0)
    assert line.result == Gone(False, "it does not answer ENQ")


def test_a_working_device_is_waited_for_until_the_limit() -> None:
    line = v1_sent()
    line.received(ACK, 1.2)
    sent = []
    while line.result is None:
        now = line.wake_at or 0
        sent += line.wake(now)
        if line.result is None:
            line.received(ACK, now)
    assert line.result == Gone(True, "no answer")
    assert set(sent) == {ENQ}


def test_version_2_on_a_good_day() -> None:
    line = v2_in_step(7)
    assert line.begin(ASK, 10, 1) == [FrameV2(8, ASK).encode()]
    line.received(FrameV2(8, ANSWER).encode(), 1.1)
    assert line.result == Answered(ANSWER)
    assert line.begin(ASK, 10, 2) == [FrameV2(9, ASK).encode()]


def test_numbers_go_round() -> None:
    line = v2_in_step(0xFFFF)
    assert line.begin(ASK, 10, 1) == [FrameV2(0, ASK).encode()]


def test_the_number_a_rebooted_device_begins_with_is_told_as_risky() -> None:
    assert v2_in_step(0).risky
    assert not v2_in_step(1).risky


def test_silence_repeats_the_same_frame() -> None:
    line = v2_in_step(7)
    first = line.begin(ASK, 10, 1)
    assert line.wake(line.wake_at or 0) == first
    assert line.wake(line.wake_at or 0) == first
    assert line.repeats == 2
    line.received(FrameV2(8, ANSWER).encode(), 5)
    assert line.result == Answered(ANSWER)


def test_an_earlier_answer_that_came_late_is_not_ours() -> None:
    line = v2_in_step(7)
    line.begin(ASK, 10, 1)
    assert line.received(FrameV2(7, ANSWER).encode(), 1.1) == []
    assert line.result is None


def test_another_number_ends_it_and_the_next_begins_by_getting_in_step() -> None:
    line = v2_in_step(7)
    line.begin(ASK, 10, 1)
    line.received(FrameV2(3, ANSWER).encode(), 1.1)
    assert isinstance(line.result, Gone)
    assert line.result.begun
    assert line.begin(ASK, 10, 2) == [FrameV2(None).encode()]
    line.received(FrameV2(3, ANSWER).encode(), 2.1)
    assert line.received(FrameV2(3, ANSWER).encode(), 2.2) == [FrameV2(4, ASK).encode()]


def test_a_device_that_lost_power_has_done_nothing_yet() -> None:
    line = v2_in_step(7)
    line.begin(ASK, 10, 1)
    line.received(FrameV2(0).encode(), 1.1)
    assert isinstance(line.result, Gone)


def test_another_command_under_our_number_is_not_ours() -> None:
    line = v2_in_step(7)
    line.begin(ASK, 10, 1)
    line.received(FrameV2(8, OTHER).encode(), 1.1)
    assert line.result == Gone(True, "another command was carried out under this number")


def test_numbers_that_differ_are_asked_for_once_more() -> None:
    line = LineV2()
    line.begin(b"", 5, 0)
    line.received(FrameV2(7, OTHER).encode(), 0.1)
    assert line.received(FrameV2(8, OTHER).encode(), 0.2) == [FrameV2(None).encode()]
    line.received(FrameV2(8, OTHER).encode(), 0.3)
    assert line.result == Answered(b"")


def test_a_device_that_does_not_speak_version_2_is_given_up() -> None:
    line = LineV2()
    line.begin(b"", line.call_s, 0)
    while line.result is None:
        line.wake(line.wake_at or 0)
    assert isinstance(line.result, Gone)
    assert not line.result.begun


@pytest.mark.parametrize("line", [LineV1(), LineV2()], ids=["v1", "v2"])
def test_a_port_that_is_gone_ends_it(line: Line) -> None:
    line.begin(ASK, 10, 0)
    line.drop()
    assert isinstance(line.result, Gone)
    assert line.wake(100) == []
    assert line.received(b"\x06\x15", 100) == []


def test_version_1_tells_whether_the_port_went_before_or_after_it_was_sent() -> None:
    line = v1_sent()
    line.drop()
    assert line.result == Gone(True, "the port is gone")
