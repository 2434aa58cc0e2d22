"""Simulators by name, and options as a person types them."""

from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, ClassVar

import pytest

from hardware.simulation.families import FAMILIES, build, find_simulator, read_options
from hardware.simulation.host import DeviceHost
from hardware.simulation.simulator import Control, ControlError, Ledger, Simulator
from hardware.simulation.store import Store
from tests.hardware.simulation.toy import Toy


class Typed(Toy):
    """Options of every kind."""

    def __init__(
        self,
        memory: MutableMapping[str, Any],
        ledger: Ledger,
        *,
        baud: int = 9600,
        echo: bool = False,
        table: Mapping[str, int] | None = None,
        name: str = "",
    ) -> None:
        super().__init__(memory, ledger)
        if baud == 1:
            raise ValueError("baud: 1 is too slow")
        self.given = (baud, echo, table, name)


class Loose(Toy):
    """Takes texts, and checks them itself."""

    def __init__(self, memory: MutableMapping[str, Any], ledger: Ledger, **options: object) -> None:
        super().__init__(memory, ledger)
        if options.get("colour") == "red":
            raise ControlError("colour: it is not red")
        self.options = options


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_has_one_that_runs_and_says_what_hands_can_do(family: str) -> None:
    kind = find_simulator(family)
    assert kind.family == family
    store = Store()
    simulator = build(kind, store.memory, store.note, {})
    simulator.power_on(0.0)
    assert simulator.describe()
    for name, control in kind.controls.items():
        assert callable(getattr(simulator, f"do_{name}"))
        assert control.summary
    simulator.power_off(1.0)
    host = DeviceHost(simulator, store)
    assert set(kind.controls) <= set(host.all_controls())


def test_a_family_that_is_none_is_told() -> None:
    with pytest.raises(ControlError, match="did you mean ccnet"):
        find_simulator("ccnett")
    with pytest.raises(ControlError, match="there are ccnet, cctalk"):
        find_simulator("teapot")


def test_options_are_read_with_their_types() -> None:
    typed = {"baud": "19200", "echo": "true", "table": '{"a": 1}', "name": "5"}
    simulator = build(Typed, {}, Store().note, typed)
    assert isinstance(simulator, Typed)
    assert simulator.given == (19200, True, {"a": 1}, "5")


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"colour": "red"}, "toy has no option colour; there are baud, echo, table, name"),
        ({"baud": "fast"}, "baud=fast: "),
        ({"table": "[1"}, r"table=\[1: "),
        ({"baud": "1"}, "toy: baud: 1 is too slow"),
    ],
)
def test_a_wrong_option_is_told(typed: dict[str, str], words: str) -> None:
    with pytest.raises(ControlError, match=words):
        build(Typed, {}, Store().note, typed)


def test_who_takes_any_option_checks_it_itself() -> None:
    simulator = build(Loose, {}, Store().note, {"rows": "5"})
    assert isinstance(simulator, Loose)
    assert simulator.options == {"rows": "5"}
    with pytest.raises(ControlError, match="it is not red"):
        build(Loose, {}, Store().note, {"colour": "red"})
    with pytest.raises(ControlError, match="it has none"):
        read_options(Bare, {"x": "1"})


class Bare(Simulator):
    """No options at all."""

    family: ClassVar[str] = "bare"
    controls: ClassVar[Mapping[str, Control]] = {}

    def power_on(self, now: float) -> Sequence[bytes]:
        return ()

    def power_off(self, now: float) -> None: ...

    def received(self, data: bytes, now: float) -> Sequence[bytes]:
        return ()

    @property
    def wake_at(self) -> float | None:
        return None

    def wake(self, now: float) -> Sequence[bytes]:
        return ()

    def describe(self) -> Mapping[str, object]:
        return {}
