"""`sim://`: a simulated device behind a port, in this process."""

import os
from pathlib import Path

import pytest

from hardware.errors import TransportError
from hardware.ports import LineSettings, Port, check_url, open_port
from hardware.simulation import local
from tests.hardware.simulation.toy import Toy


@pytest.fixture(autouse=True)
def _only_the_toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "find_simulator", lambda _: Toy)
    monkeypatch.setattr(local, "_stores", {})


async def heard(port: Port, count: int) -> bytes:
    data = b""
    while len(data) < count:
        data += await port.read()
    return data


async def test_it_has_power_and_answers_while_its_port_is_open() -> None:
    port = await open_port("sim://toy", LineSettings())
    assert await heard(port, 1) == b"!"
    await port.write(b"ab")
    assert await heard(port, 6) == b"<a><b>"
    host = local.running("sim://toy")
    host.do("insert", value="500")
    assert await heard(port, 1) == b"S"
    port.close()
    assert not host.powered
    with pytest.raises(LookupError, match="sim://toy is not open"):
        local.running("sim://toy")


async def test_what_it_keeps_without_power_outlives_its_port() -> None:
    for life in (1, 2):
        port = await open_port("sim://toy", LineSettings())
        assert local.running("sim://toy").simulator.memory["lives"] == life
        port.close()
    other = await open_port("sim://toy?fall_s=2", LineSettings())
    assert local.running("sim://toy?fall_s=2").simulator.memory["lives"] == 1
    other.close()


async def test_it_keeps_it_in_a_directory_when_one_is_named(tmp_path: Path) -> None:
    url = f"sim://toy?state={tmp_path}/bills"
    for life in (1, 2):
        local._stores.clear()
        port = await open_port(url, LineSettings())
        assert await heard(port, 1) == b"!"
        assert local.running(url).simulator.memory["lives"] == life
        port.close()
    (tmp_path / "bills" / "memory.json").write_text("nonsense")
    with pytest.raises(TransportError, match="is no simulator's memory"):
        await open_port(url, LineSettings())


async def test_one_port_at_a_time() -> None:
    port = await open_port("sim://toy", LineSettings())
    with pytest.raises(TransportError, match="is taken"):
        await open_port("sim://toy", LineSettings())
    port.close()
    (await open_port("sim://toy", LineSettings())).close()


async def test_its_cable_can_be_pulled() -> None:
    port = await open_port("sim://toy", LineSettings())
    assert await heard(port, 1) == b"!"
    local.running("sim://toy").do("unplug")
    with pytest.raises(TransportError, match="hung up"):
        await port.read()
    port.close()


async def test_nothing_is_left_open() -> None:
    async def live() -> int:
        port = await open_port("sim://toy", LineSettings())
        await port.write(b"x")
        port.close()
        return len(os.listdir("/proc/self/fd"))

    before = await live()
    for _ in range(20):
        await live()
    assert await live() == before


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sim://toy/x", "right would be sim://toy"),
        ("sim://toy?colour=red", "toy has no option colour; there are fall_s"),
        ("sim://toy?fall_s=soon", "fall_s=soon"),
    ],
)
async def test_a_wrong_url_is_refused_before_anything_is_opened(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_url(url)
    with pytest.raises(ValueError, match=words):
        await open_port(url, LineSettings())


def test_an_unknown_family_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    with pytest.raises(ValueError, match="there is no simulated 'toaster'; there are ccnet"):
        check_url("sim://toaster")
