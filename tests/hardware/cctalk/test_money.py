"""Money is neither lost nor invented, whatever happens at whatever moment."""

from collections.abc import Callable, Sequence

import pytest

from hardware.cctalk import credit
from hardware.cctalk.device import DeviceConversation
from hardware.cctalk.hopper import HopperConversation
from hardware.cctalk.lane import Script
from tests.hardware.cctalk import schedules
from tests.hardware.cctalk.schedules import KINDS, SCRIPTS, one_coin, payout, plain_payout, two_coins
from tests.hardware.duel import Trouble, at_every_step

STRIDES = {"set_up": 97, "whole_bus": 173}
Play = Callable[[Sequence[Trouble]], tuple[int, list[str]]]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.__name__)
def test_trouble_on_the_way(script: Play, kind: str) -> None:
    assert at_every_step(script, [kind], stride=STRIDES.get(script.__name__, 37)) == []


def test_a_device_without_power_harms_no_other() -> None:
    assert schedules.cuts(stride=199) == []


@pytest.mark.parametrize("kind", KINDS)
def test_trouble_at_every_step_around_the_order_to_pay(kind: str) -> None:
    for step in range(43, 78, 5):
        assert payout((Trouble(step, kind, 2.0),))[1] == [], f"{kind} before step {step}"


@pytest.mark.parametrize("kind", KINDS)
def test_trouble_at_every_step_around_two_credits(kind: str) -> None:
    for step in range(34, 76, 6):
        assert two_coins((Trouble(step, kind, 2.0),))[1] == [], f"{kind} before step {step}"


@pytest.mark.parametrize("seed", range(24))
def test_a_random_day(seed: int) -> None:
    assert schedules.run(seed) == []


def test_the_proof_sees_an_order_that_is_sent_again_blindly(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(self: HopperConversation, intent: dict[str, object]) -> Script[bool]:
        yield from self.quiet()
        return False

    monkeypatch.setattr(HopperConversation, "_accepted", never)
    _, breaches = payout(())
    assert any("coins left the hopper" in breach for breach in breaches)


def test_the_proof_sees_coins_that_are_forgotten_over_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    remembered = DeviceConversation.remembered
    monkeypatch.setattr(
        DeviceConversation, "remembered", lambda self, key: remembered(self, key) if self.is_up else None
    )
    assert any("lost" in breach for breach in at_every_step(one_coin, ["crash"], stride=6))


def test_the_proof_sees_a_counter_that_is_written_down_too_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the first of two coins stands the counter behind the second: a crash between them loses that."""
    monkeypatch.setattr(credit, "back", lambda counter, steps: counter)
    found = [breach for step in range(56, 66) for breach in two_coins((Trouble(step, "crash"),))[1]]
    assert any("not credited" in breach for breach in found)


def test_the_proof_sees_an_intent_that_is_not_written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HopperConversation, "_running", lambda self: None)
    assert at_every_step(plain_payout, ["crash"], stride=40)
