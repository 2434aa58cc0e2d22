"""Probes and surveys, against the simulated bus."""

import pytest

from hardware.cctalk.probe import PROBES
from hardware.cctalk.simulator import CctalkBusSimulator
from hardware.cctalk.survey import addresses, answered_poll
from hardware.probe import Found


def probe(**options: object) -> list[Found]:
    """Asked as a survey of ports asks."""
    simulator = CctalkBusSimulator({}, lambda kind, figures: None, **options)
    simulator.power_on(0.0)
    asking, now = PROBES[0].ask(), 0.0
    try:
        ask = next(asking)
        while True:
            now += 1.0
            heard = b"".join(simulator.received(ask.data, now))
            assert ask.enough(heard) in {True, False}
            ask = asking.send(heard)
    except StopIteration as stop:
        found: list[Found] = stop.value
        return found


@pytest.mark.parametrize("echo", [True, False])
def test_a_bus_is_found_with_all_on_it(echo: bool) -> None:
    assert [(each.driver, each.address, each.identity.serial, each.words) for each in probe(echo=echo)] == [
        ("cctalk", 2, "1061013", "Coin Acceptor with sum8"),
        ("cctalk-hopper", 3, "70707", "Payout with sum8"),
        ("cctalk-bill", 40, "404040", "Bill Validator with crc16"),
    ]


def test_one_elsewhere_is_found_when_another_is_where_it_belongs() -> None:
    assert [each.address for each in probe(devices="coins,hopper", hopper_address=7)] == [2, 7]


def test_an_echo_alone_is_no_device() -> None:
    assert probe(devices="coins", coins_address=200) == []


def test_a_survey_asks_everybody_once_with_each_sum() -> None:
    asked = list(addresses("all"))
    assert len(asked) == len(set(asked)) == 254 * 2
    assert {address for address, _ in asked} == set(range(2, 256))
    assert asked[0][0] == 2


def test_addresses_are_read_with_an_echo_and_without() -> None:
    assert answered_poll(b"\x00\x00\x01\xfd\x02\x02\x28") == answered_poll(b"\x02\x28") == [2, 40]
