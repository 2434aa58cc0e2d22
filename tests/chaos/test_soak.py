"""A slice of the soak; `make chaos` runs it at length."""

import os
import random
from pathlib import Path

import pytest

from tests.chaos import soak
from tests.chaos.history import Ask, Order, Told
from tests.chaos.spoiler import Trouble


def test_whatever_breaks_nothing_is_done_twice_and_all_that_is_told_is_true(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = int(os.environ.get("CHAOS_SEED", "") or random.SystemRandom().randrange(1_000_000))
    with capsys.disabled():
        print(f"\nsoak: CHAOS_SEED={seed}")
    result = soak.run(tmp_path, seed, 0.01)
    assert result.breaches == []
    assert result.figures["faulted_operations"] >= 100
    assert result.figures["told_answers"] > 0
    assert result.figures["executed"] > 0
    assert result.figures["events"] > 0
    assert any(kind.startswith("line: ") for kind in result.faults)
    assert any(kind.startswith("gateway: ") for kind in result.faults)


def test_an_operation_is_faulted_by_its_gateway_or_by_trouble_of_its_own_at_that_time() -> None:
    def order(name: str, kiosk: str, at: float, fault: str = "") -> Order:
        told = [Told(asked_at=at, told_at=at + 1, status=200)]
        return Order(id=name, kiosk=kiosk, ask=Ask.PAYMENT, key=None, amount=1, fault=fault, told=told)

    troubles = [Trouble("k1", "kill the kiosk", 100.0, 102.0), Trouble("hub", "kill the hub", 200.0, 201.0)]
    orders = [
        order("its gateway", "k2", 10.0, "lost"),
        order("its kiosk", "k1", 101.0),
        order("just before", "k1", 98.5),
        order("another kiosk", "k2", 101.0),
        order("long after", "k1", 150.0),
        order("the hub, everybody's", "k2", 200.5),
    ]
    assert [each.id for each in soak.faulted(orders, troubles)] == [
        "its gateway",
        "its kiosk",
        "just before",
        "the hub, everybody's",
    ]
