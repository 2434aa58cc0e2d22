"""A simulated register that people look at shows the time of day, over restarts too."""

from datetime import datetime, timedelta
from typing import Any

from hardware.atol.simulated_register import SimulatedRegister
from hardware.shtrih.simulator import ShtrihSimulator

MORNING = datetime(2027, 5, 6, 7, 8)  # noqa: DTZ001 - a register's clock has no zone
OPEN = {"type": "openShift"}


def test_shtrih() -> None:
    memory: dict[str, Any] = {}
    register = ShtrihSimulator(memory, lambda _happened, _figures: None)
    register.show_time(MORNING, 1000.0)
    assert register.handlers.storage.clock(1060.0) == MORNING + timedelta(minutes=1)
    register.handlers.storage.open_shift(1060.0)
    for hours, expired in ((23, False), (25, True)):
        again = ShtrihSimulator(memory, lambda _happened, _figures: None)  # a machine that counts from its own start
        again.show_time(MORNING + timedelta(hours=hours), 5.0)
        assert again.handlers.storage.expired(5.0) is expired


def test_atol() -> None:
    memory: dict[str, Any] = {}
    register = atol(memory, MORNING, 1000.0)
    assert register.register(OPEN, "u", 1060.0)["at"] == "2027-05-06T07:09:00"
    for hours, state in ((23, "opened"), (25, "expired")):
        again = atol(memory, MORNING + timedelta(hours=hours), 5.0)
        again.power_on(5.0)
        again.age(5.0)
        assert memory["shift"]["state"] == state


def atol(memory: dict[str, Any], wall: datetime, now: float) -> SimulatedRegister:
    register = SimulatedRegister(
        memory, lambda _happened, _figures: None, storage="1", serial="2", reads_documents=True
    )  # fmt: skip
    register.show_time(wall, now)
    return register
