"""A simulator on a real pseudo-terminal and a real TCP port."""

import asyncio
import contextlib
import os
import socket
import termios
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from hardware.ports import LineSettings, open_port
from hardware.simulation.host import DeviceHost
from hardware.simulation.simulator import Control, ControlError
from hardware.simulation.store import Store
from hardware.simulation.wires import PtyWire, TcpWire, WireError
from tests.hardware.simulation.toy import Toy


class Client:
    """A host that opens a pseudo-terminal and keeps all it hears."""

    def __init__(self, path: str) -> None:
        self.fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self.heard = b""

    def write(self, data: bytes) -> None:
        os.write(self.fd, data)

    def read(self) -> bytes:
        with contextlib.suppress(BlockingIOError):
            self.heard += os.read(self.fd, 4096)
        return self.heard

    async def hears(self, expected: bytes) -> None:
        await until(lambda: self.read().endswith(expected))

    def close(self) -> None:
        os.close(self.fd)


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.002)


async def settle() -> None:
    """Let everything that is due now happen."""
    for _ in range(20):
        await asyncio.sleep(0.001)


def toy(store: Store | None = None, **options: Any) -> DeviceHost:
    store = store or Store()
    return DeviceHost(Toy(store.memory, store.note, **options), store, paced=False)


async def test_it_answers_on_a_pseudo_terminal_with_a_name_of_its_own(tmp_path: Path) -> None:
    host = DeviceHost(Toy({}, Store().note), wire=PtyWire(tmp_path / "bills"), paced=False)
    async with host:
        assert host.url == str(tmp_path / "bills")
        client = Client(host.url)
        client.write(b"ab\r\n\x00\x03\x11")
        await client.hears(b"<a><b><\r><\n><\x00><\x03><\x11>")
        client.close()
    assert os.listdir(tmp_path) == []


async def test_it_survives_the_hosts_closing_and_opening() -> None:
    async with toy() as host:
        for letter in (b"a", b"b", b"c"):
            client = Client(host.url)
            client.write(letter)
            await client.hears(b"<" + letter + b">")
            client.close()
            await settle()


async def test_a_link_left_by_a_killed_simulator_is_replaced_and_nothing_else_is(tmp_path: Path) -> None:
    (tmp_path / "left").symlink_to("/dev/pts/99999")
    async with DeviceHost(Toy({}, Store().note), wire=PtyWire(tmp_path / "left")):
        assert (tmp_path / "left").exists()
    (tmp_path / "file").write_text("mine")
    (tmp_path / "other").symlink_to(tmp_path / "file")
    for name in ("file", "other"):
        with pytest.raises(WireError, match=name):
            await DeviceHost(Toy({}, Store().note), wire=PtyWire(tmp_path / name)).open()
    with pytest.raises(WireError, match="cannot be made"):
        await DeviceHost(Toy({}, Store().note), wire=PtyWire(tmp_path / "none" / "x")).open()


async def test_unplugged_the_host_notices_and_plugged_again_it_is_found_by_its_name(tmp_path: Path) -> None:
    host = DeviceHost(Toy({}, Store().note), wire=PtyWire(tmp_path / "bills"), paced=False)
    async with host:
        client = Client(host.url)
        host.do("unplug")
        with pytest.raises(OSError, match="Input/output"):
            os.write(client.fd, b"a")
        assert not (tmp_path / "bills").exists()
        client.close()
        host.do("plug")
        again = Client(host.url)
        again.write(b"b")
        await again.hears(b"<b>")
        again.close()
        assert host.do("describe")["power"] is True


async def test_on_tcp_it_has_one_host_at_a_time() -> None:
    host = DeviceHost(Toy({}, Store().note), wire=TcpWire(), paced=False)
    async with host:
        name, port = host.url.removeprefix("tcp://").split(":")
        reader, writer = await asyncio.open_connection(name, int(port))
        writer.write(b"a")
        assert await reader.readuntil(b">") in {b"<a>", b"!<a>"}
        second, second_writer = await asyncio.open_connection(name, int(port))
        assert await second.read() == b""
        second_writer.close()
        writer.close()
        await until(lambda: host.simulator.hang_ups == 1)  # type: ignore[attr-defined]
        third, third_writer = await asyncio.open_connection(name, int(port))
        third_writer.write(b"b")
        assert await third.readuntil(b">") in {b"<b>", b"!<b>"}
        third_writer.close()


async def test_on_tcp_without_power_there_is_silence_and_after_it_a_reset() -> None:
    host = DeviceHost(Toy({}, Store().note), wire=TcpWire(), paced=False)
    async with host:
        name, port = host.url.removeprefix("tcp://").split(":")
        reader, writer = await asyncio.open_connection(name, int(port))
        host.do("power_off")
        writer.write(b"a")
        await settle()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((name, int(port)), timeout=30).close()
        assert not reader.at_eof()
        host.do("power_on")
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        again, again_writer = await asyncio.open_connection(name, int(port))
        again_writer.write(b"b")
        assert await again.readuntil(b">") in {b"<b>", b"!<b>"}
        again_writer.close()
        host.do("unplug")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((name, int(port)), timeout=30).close()


async def test_a_tcp_port_that_is_taken_is_told() -> None:
    async with DeviceHost(Toy({}, Store().note), wire=TcpWire()) as host:
        port = int(host.url.rpartition(":")[2])
        with pytest.raises(WireError, match=f"{port}"):
            await DeviceHost(Toy({}, Store().note), wire=TcpWire(port=port)).open()


async def test_a_persons_hand_moves_it_and_the_ledger_is_written_before_it_is_told(tmp_path: Path) -> None:
    store = Store(tmp_path, "toy")
    async with toy(store) as host:
        client = Client(host.url)
        assert host.do("insert", value="1000") == {"inserted": 1000}
        await client.hears(b"S")
        assert '"minor":100000' in (tmp_path / "ledger.jsonl").read_text()
        assert host.do("ledger", last="1")["lines"] == store.lines
        assert host.do("describe")["stacked"] == 1
        client.close()
    store.close()
    assert Store(tmp_path, "toy").memory == {"lives": 1, "stacked": 1}


async def test_on_a_disk_that_takes_no_more_nothing_is_told_to_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store()
    host = toy(store)
    await host.open()
    client = Client(host.url)
    await client.hears(b"!")

    def full() -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "commit", full)
    client.write(b"a")
    with pytest.raises(OSError, match="No space"):
        await host.ended()
    await settle()
    assert client.read() == b"!"
    client.close()
    with pytest.raises(OSError, match="No space"):
        await host.close()


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("dance", {}, "there is no dance; there are describe, fail, fault, insert"),
        ("insert", {}, "missing a required argument: 'value'"),
        ("insert", {"valu": "1"}, "takes no valu"),
        ("insert", {"value": "many"}, "insert: invalid literal"),
        ("jam", {}, "it never jams"),
        ("power_on", {}, "it has power already"),
        ("power_cut", {"after": "-1"}, "after=-1: right would be a whole number"),
        ("power_cut", {"unit": "miles"}, "right would be steps or bytes"),
        ("line", {"lost": "2"}, "lost=2: right would be a number from 0 to 1"),
        ("line", {"direction": "up"}, "right would be both, to_device or to_host"),
        ("line", {"gremlins": "1"}, "takes no gremlins"),
        ("fault", {}, "needs its name"),
        ("fault", {"name": "gremlins"}, "right would be one of lost, half"),
        ("ledger", {"last": "0"}, "from 1 on"),
    ],
)
async def test_what_cannot_be_done_is_told_in_words(name: str, arguments: dict[str, str], words: str) -> None:
    async with toy() as host:
        with pytest.raises(ControlError) as caught:
            host.do(name, **arguments)
        assert words.replace("both, to_device or to_host", "one of both, to_device, to_host") in str(caught.value)
        host.do("insert", value="1")


async def test_what_host_and_device_call_the_same_is_told_apart_by_its_arguments() -> None:
    class Bus(Toy):
        controls: ClassVar[Mapping[str, Control]] = {
            **Toy.controls,
            "power_off": Control("take one device's power", {"device": "coins"}),
        }

        def do_power_off(self, device: str, now: float) -> Mapping[str, object]:
            return {"device": device}

    async with DeviceHost(Bus({}, Store().note)) as host:
        assert host.all_controls()["power_off"].arguments == {"device": "coins"}
        assert host.do("power_off", device="coins") == {"device": "coins"}
        assert host.powered
        host.do("power_off")
        assert not host.powered


async def test_a_mistake_in_the_simulator_ends_the_host_and_is_raised() -> None:
    host = toy()
    await host.open()
    with pytest.raises(ControlError, match="the simulator failed"):
        host.do("fail")
    with pytest.raises(ZeroDivisionError):
        await host.ended()
    with pytest.raises(ZeroDivisionError):
        await host.close()


async def test_quit_ends_it() -> None:
    async with toy() as host:
        host.do("quit")
        await host.ended()


async def test_power_off_forgets_what_was_on_the_line_and_time_stands_still() -> None:
    async with toy(fall_s=0.0) as host:
        client = Client(host.url)
        await client.hears(b"!")
        host.do("insert", value="5")
        host.do("power_off")
        client.write(b"a")
        await settle()
        assert client.read() == b"!"
        assert host.do("describe") == {**host.do("describe"), "power": False, "stacked": 0}
        with pytest.raises(ControlError, match="no power"):
            host.do("power_off")
        host.do("power_on")
        await client.hears(b"!!")
        client.close()


@pytest.mark.parametrize(("after", "heard"), [(1, b""), (2, b"<a>"), (3, b"<a><b>"), (4, b"<a><b><c>")])
async def test_power_is_cut_behind_the_step_asked_for(after: int, heard: bytes) -> None:
    """Taken in is one step, each frame of the answer another."""
    async with toy() as host:
        client = Client(host.url)
        await client.hears(b"!")
        host.do("power_cut", after=str(after))
        client.write(b"abc")
        await until(lambda: not host.powered)
        await client.hears(b"!" + heard)
        await settle()
        assert client.read() == b"!" + heard
        client.close()


@pytest.mark.parametrize("after", range(10))
async def test_power_is_cut_behind_the_byte_asked_for_and_comes_back(after: int) -> None:
    async with toy() as host:
        client = Client(host.url)
        await client.hears(b"!")
        host.do("power_cut", after=str(after), unit="bytes", seconds="0.01")
        client.write(b"abc")
        await until(lambda: host.powered and host.store.memory["lives"] == 2)  # type: ignore[union-attr]
        if after == 0:
            await settle()
            assert client.read().startswith(b"!")
        else:
            await client.hears(b"!" + b"<a><b><c>"[:after] + b"!")
        client.close()


async def test_bytes_take_the_time_of_the_line() -> None:
    store = Store()
    host = DeviceHost(Toy(store.memory, store.note), store)
    async with host:
        client = Client(host.url)
        began = time.monotonic()
        client.write(b"a" * 24)  # 72 bytes come back, which take 75 ms at 9600
        await client.hears(b"<a>" * 24)
        assert time.monotonic() - began >= 0.075
        client.close()


async def test_a_host_at_another_speed_is_not_understood_nor_understands() -> None:
    store = Store()
    async with DeviceHost(Toy(store.memory, store.note), store) as host:
        client = Client(host.url)
        await client.hears(b"!")
        attributes = termios.tcgetattr(client.fd)
        attributes[4] = attributes[5] = termios.B19200
        termios.tcsetattr(client.fd, termios.TCSANOW, attributes)
        client.write(b"aaaaaaaa")
        await until(lambda: len(client.read()) == 1 + 24)
        assert host.simulator.heard != b"aaaaaaaa"  # type: ignore[attr-defined]
        assert b"<a>" not in client.heard
        client.close()


async def test_a_host_that_wants_parity_can_open_it_again_and_again() -> None:
    async with toy() as host:
        for _ in range(3):
            port = await open_port(host.url, LineSettings(parity="E"))
            await port.write(b"a")
            heard = b""
            while not heard.endswith(b">"):
                heard += await port.read()
            port.close()


async def test_the_line_is_spoilt_by_rate_or_once() -> None:
    async with toy() as host:
        client = Client(host.url)
        await client.hears(b"!")
        host.do("fault", name="lost")
        client.write(b"a")
        await until(lambda: host.do("line") == {"faults_so_far": 1})
        client.write(b"b")
        await client.hears(b"!<b>")
        host.do("line", lost="1", direction="to_device")
        client.write(b"c")
        await until(lambda: host.to_device.faults + host.to_host.faults == 2)
        assert host.do("line") == {"faults_so_far": 2}
        client.write(b"d")
        await client.hears(b"!<b><d>")
        client.close()


async def test_nobody_listening_loses_bytes_and_stops_nothing() -> None:
    async with toy() as host:
        host.wire.put(b"x" * 100_000)
        client = Client(host.url)
        await settle()
        client.read()
        client.write(b"a")
        await client.hears(b"<a>")
        client.close()
