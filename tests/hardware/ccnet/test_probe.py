"""Asking without harm."""

from collections.abc import Callable

from hardware.ccnet.frames import Frame, FrameReader, encode
from hardware.ccnet.probe import PROBES
from hardware.ccnet.simulator import CcnetSimulator
from hardware.probe import Found, Probe

ALLOWED = {b"\x31", b"\x33", b"\x37"}


def play(probe: Probe, answer: Callable[[bytes], bytes]) -> list[Found]:
    """Carry a probe out."""
    asking = probe.ask()
    try:
        ask = next(asking)
        while True:
            [frame] = FrameReader("host").feed(ask.data)
            assert frame.data in ALLOWED
            heard = answer(ask.data)
            assert not heard or ask.enough(heard) or len(heard) < 6
            ask = asking.send(heard)
    except StopIteration as end:
        found: list[Found] = end.value
        return found


def device(**options: object) -> Callable[[bytes], bytes]:
    """A simulated one."""
    simulator = CcnetSimulator({}, lambda kind, figures: None, **options)
    simulator.power_on(0.0)
    return lambda data: b"".join(simulator.received(data, 1.0))


def test_both_speeds_and_both_addresses_are_tried() -> None:
    assert {probe.line.baud for probe in PROBES} == {9600, 19200}
    assert len(PROBES) == 4


def test_a_validator_is_found() -> None:
    [found] = play(PROBES[0], device())
    assert (found.driver, found.address) == ("ccnet", 3)
    assert found.identity.model == "SM-KZ0721"
    assert found.identity.serial == "21K100004711"
    assert found.words


def test_so_is_a_bill_to_bill_unit_at_its_address_alone() -> None:
    assert play(PROBES[0], device(address=1)) == []
    [found] = play(PROBES[1], device(address=1))
    assert found.address == 1


def test_one_that_cannot_say_who_it_is_now_is_found_all_the_same() -> None:
    answers = {b"\x31": bytes(6), b"\x37": b"\x30"}  # POLL would be a KeyError
    [found] = play(
        PROBES[0],
        lambda data: encode(Frame(3, answers[FrameReader("host").feed(data)[0].data]), "device"),
    )
    assert found.identity.model == ""


def test_a_credit_that_is_told_once_only_is_left_to_the_driver() -> None:
    simulator = CcnetSimulator({}, lambda kind, figures: None, repeats="no")
    simulator.power_on(0.0)
    now = 0.0

    def hear(data: bytes) -> bytes:
        return b"".join(simulator.received(data, now))

    def pass_time(seconds: float) -> None:
        nonlocal now
        end = now + seconds
        while simulator.wake_at is not None and simulator.wake_at <= end:
            now = max(now, simulator.wake_at)
            simulator.wake(now)
        now = end

    def ask(data: bytes) -> bytes:
        answer = hear(encode(Frame(3, data), "host"))
        hear(encode(Frame(3, b"\x00"), "host"))
        pass_time(0.2)
        return answer

    ask(b"\x30")
    pass_time(30)
    ask(b"\x34" + b"\xff" * 3 + bytes(3))  # no escrow
    simulator.control("insert", {"value": "500"}, now)
    pass_time(30)
    [found] = play(PROBES[0], hear)
    assert "at work" in found.words
    [told] = FrameReader("device").feed(ask(b"\x33"))
    assert told.data[0] == 0x81


def test_silence_noise_and_an_echo_are_no_device() -> None:
    assert play(PROBES[0], lambda data: b"") == []
    assert play(PROBES[0], lambda data: b"\x02\x03\xff") == []
    assert play(PROBES[0], lambda data: data) == []
