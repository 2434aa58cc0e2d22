"""Every entry of the catalogue is there, and is what it says."""

import inspect

import pytest

from appliance.workbench.arguments import PROTOCOLS as OFFERED
from hardware.catalogue import (
    DRIVERS,
    PROBED,
    PROTOCOLS,
    SIMULATORS,
    NotInCatalogue,
    bare,
    explainer,
    find_driver,
    find_simulator,
    probes,
)
from hardware.explain import Explainer
from hardware.probe import Probe
from hardware.roles import Device
from hardware.simulation.simulator import Simulator


@pytest.mark.parametrize("name", DRIVERS)
def test_every_driver_can_be_built_by_its_role(name: str) -> None:
    entry = find_driver(name)
    kind = entry.load()
    assert issubclass(kind, entry.role)
    assert issubclass(kind, Device)
    assert not inspect.isabstract(kind)
    first, second, third = [*inspect.signature(kind).parameters][:3]
    assert (first, third) == ("name", "journal")
    assert second in {"url", "bus"}  # a bus is a URL, or what several devices on it share
    assert "trace" in inspect.signature(kind).parameters
    assert "trace" not in entry.settings()
    assert entry.protocol in {*PROTOCOLS, ""}
    assert kind.__doc__


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_protocol_can_be_read(name: str) -> None:
    reader = explainer(name)
    assert isinstance(reader, Explainer)
    assert not any(item.fault is None and item.frame for item in reader.finish("host"))
    assert bare(name, b"") is None


@pytest.mark.parametrize("family", SIMULATORS)
def test_every_family_has_its_simulator(family: str) -> None:
    kind = find_simulator(family)
    assert issubclass(kind, Simulator)
    assert kind.family == family


@pytest.mark.parametrize("family", PROBED)
def test_every_probed_family_asks_for_drivers_that_exist(family: str) -> None:
    asked = probes([family])
    assert asked
    assert {probe.family for probe in asked} == {family}
    assert all(isinstance(probe, Probe) for probe in asked)


def test_the_command_offers_what_can_be_read() -> None:
    """`--help` has its own list, so that it need not import a family."""
    assert set(OFFERED) == set(PROTOCOLS)


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda: find_driver("ccnett"), "no driver 'ccnett'; did you mean ccnet"),
        (lambda: find_driver("xyzzy"), "there are ccnet, id003"),
        (lambda: explainer("shtrih"), "no protocol 'shtrih'; did you mean shtrih-v"),
        (lambda: bare("xyzzy", b""), "no protocol 'xyzzy'"),
    ],
)
def test_what_is_not_there_is_refused_naming_what_is(ask: object, words: str) -> None:
    with pytest.raises(NotInCatalogue, match=words):
        ask()  # type: ignore[operator]
