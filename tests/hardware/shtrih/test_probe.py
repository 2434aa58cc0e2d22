"""The probe finds a register by either link layer and leaves it as it was."""

import pytest

from hardware.probe import Found
from hardware.shtrih.probe import PROBES, ask_v1, ask_v2
from hardware.shtrih.simulator import ShtrihSimulator


def heard(simulator: ShtrihSimulator, data: bytes, now: float) -> bytes:
    answer = b"".join(simulator.received(data, now))
    while simulator.wake_at is not None and simulator.wake_at < now + 1:
        answer += b"".join(simulator.wake(simulator.wake_at))
    return answer


def ask(probing: object, simulator: ShtrihSimulator | None) -> list[Found]:
    now = 0.0
    try:
        question = next(probing)  # type: ignore[call-overload]
        while True:
            now += 2
            answer = b"" if simulator is None else heard(simulator, question.data, now)
            assert simulator is None or not answer or question.enough(answer)
            question = probing.send(answer)  # type: ignore[attr-defined]
    except StopIteration as ended:
        found: list[Found] = ended.value
        return found


@pytest.mark.parametrize(("link", "probing"), [("v1", ask_v1), ("v2", ask_v2)])
def test_a_register_says_what_it_is(link: str, probing: object) -> None:
    facts: list[str] = []
    simulator = ShtrihSimulator({}, lambda kind, _: facts.append(kind), link=link)
    simulator.power_on(0)
    before = dict(simulator.describe())
    (found,) = ask(probing(), simulator)  # type: ignore[operator]
    assert (found.driver, found.identity.model) == ("shtrih", "SIMULATED-FR")
    assert found.words == f"link layer {link}"
    assert simulator.describe() == before
    assert facts == []


def test_an_answer_that_waits_is_left_to_its_owner() -> None:
    simulator = ShtrihSimulator({}, lambda *_: None, link="v1")
    simulator.power_on(0)
    waiting = heard(simulator, bytes.fromhex("0205101E0000000B"), 0)
    (found,) = ask(ask_v1(), simulator)
    assert "an answer waits" in found.words
    assert heard(simulator, b"\x05", 90)[1:] == waiting[1:]


def test_silence_is_nobody() -> None:
    for probe in PROBES:
        assert ask(probe.ask(), None) == []


def test_each_layer_is_asked_for_at_both_speeds() -> None:
    assert {(probe.line.baud, probe.ask) for probe in PROBES} == {
        (baud, one) for baud in (115200, 4800) for one in (ask_v1, ask_v2)
    }
