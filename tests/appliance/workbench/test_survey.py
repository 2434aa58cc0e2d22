"""What is found on which port, on real pseudo-terminals and TCP ports."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from appliance.workbench import survey as module
from appliance.workbench.survey import State, in_order, look_at, survey
from hardware.errors import TransportError
from hardware.ports import LineSettings, open_port
from hardware.ports.listing import FoundPort
from hardware.probe import Ask, Found, Probe, Probing
from hardware.roles import Identity
from hardware.simulation.host import DeviceHost
from hardware.simulation.store import Store
from hardware.simulation.wires import TcpWire
from tests.appliance.supervisor.yard import virtual
from tests.hardware.simulation.toy import Toy
from tests.listening import listening

LINE = LineSettings()


def asking(data: bytes, answer: bytes, driver: str = "toy") -> Callable[[], Probing]:
    def ask() -> Probing:
        heard = yield Ask(data, 0.5, lambda came: answer in came)
        return [Found(driver, Identity(model="Toy"), "stands well")] if answer in heard else []

    return ask


def probes(*families: tuple[str, bytes, bytes]) -> dict[str, Sequence[Probe]]:
    return {family: (Probe(family, LINE, asking(data, answer)),) for family, data, answer in families}


TOY = probes(("toy", b"a", b"<a>"))


def toy() -> DeviceHost:
    store = Store()
    return DeviceHost(Toy(store.memory, store.note), store, paced=False)


@virtual
async def test_a_device_that_answers_is_found() -> None:
    async with toy() as host:
        (found,) = await survey([host.url], TOY, listed=False)
    assert found.state is State.FOUND
    assert [(each.found.driver, each.found.identity.model, each.line) for each in found.answers] == [
        ("toy", "Toy", LINE)
    ]


@virtual
async def test_on_tcp_too_and_each_question_once_whatever_the_speed() -> None:
    store = Store()
    ask = asking(b"a", b"nothing of the kind")
    asked = {"toy": [Probe("toy", LineSettings(baud=baud), ask) for baud in (9600, 19200)]}
    async with DeviceHost(Toy(store.memory, store.note), store, TcpWire(), paced=False) as host:
        (found,) = await survey([host.url], asked, listed=False)
        assert host.simulator.heard.count(b"a") == 1  # type: ignore[attr-defined]
    assert found.state is State.SILENT


@virtual
async def test_a_mute_printers_line_buffer_is_emptied_after_each_question() -> None:
    async with toy() as host:
        await survey([host.url], probes(("ccnet", b"a", b"?"), ("cctalk", b"b", b"?")), listed=False)
        assert host.simulator.heard.startswith(b"a\x1b@\x1b@b")  # type: ignore[attr-defined]


@virtual
async def test_after_the_family_that_answered_no_other_is_asked() -> None:
    async with toy() as host:
        families = probes(("cctalk", b"z", b"<z>"), ("escpos", b"a", b"<a>"))
        (found,) = await survey([host.url], families, listed=False)
        assert host.simulator.heard == b"a"  # type: ignore[attr-defined]
    assert found.answers[0].found.driver == "toy"


def test_printers_are_asked_first_then_the_register_that_locks_itself() -> None:
    families = ("cctalk", "ccnet", "ssp", "escpos", "another", "id003", "shtrih")
    chosen = in_order("/dev/ttyUSB0", probes(*((name, b"", b"") for name in families)))
    assert [probe.family for probe in chosen] == ["escpos", "shtrih", "id003", "ssp", "ccnet", "cctalk", "another"]


@virtual
async def test_a_port_that_is_open_elsewhere_is_in_use_and_never_touched() -> None:
    async with toy() as host:
        with contextlib.closing(await open_port(host.url, LINE)):
            (found,) = await survey([host.url], TOY, listed=False)
        assert host.simulator.heard == b""  # type: ignore[attr-defined]
    assert found.state is State.IN_USE


@virtual
async def test_what_cannot_be_opened_says_why_and_stops_no_other() -> None:
    with socket.socket() as taken:  # nobody listens there, nor will meanwhile
        taken.bind(("127.0.0.1", 0))
        refused = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        async with toy() as host:
            gone, closed, there = await survey(["/dev/nowhere", refused, host.url], TOY, listed=False)
    assert (gone.state, closed.state, there.state) == (State.UNREACHABLE, State.UNREACHABLE, State.FOUND)
    assert "there is no port /dev/nowhere" in gone.words
    assert "refused" in closed.words


@virtual
async def test_a_url_that_can_be_no_port_is_refused() -> None:
    with pytest.raises(ValueError, match="names no line"):
        await survey(["COM1"], TOY, listed=False)


@virtual
async def test_listed_ports_are_looked_at_once_under_whatever_name(monkeypatch: pytest.MonkeyPatch) -> None:
    async with toy() as host:
        port = FoundPort(path=host.url, by_id="/dev/serial/by-id/usb-toy")
        monkeypatch.setattr(module, "list_ports", lambda: [port])
        found = await survey([host.url, "/dev/serial/by-id/usb-toy"], TOY)
        assert [each.port for each in found] == [port]
        listed = await survey([], TOY, ask=False)
        assert [each.state for each in listed] == [State.NOT_ASKED]
        assert host.simulator.heard == b"a"  # type: ignore[attr-defined]


@virtual
async def test_a_port_takes_so_long_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PORT_S", 0.2)

    def endless() -> Probing:
        while True:
            yield Ask(b"?", 0.05)

    async with toy() as host:
        found = await look_at(FoundPort(path=host.url), {"toy": [Probe("toy", LINE, endless)]})
        assert (found.state, found.words) == (State.SILENT, "gave up after 0.2 s")
        again = await open_port(host.url, LINE)
        again.close()


@virtual
async def test_unplugged_while_it_is_asked() -> None:
    async with toy() as host:

        def pull() -> Probing:
            asyncio.get_running_loop().call_soon(host.do, "unplug")
            yield Ask(b"a", 5.0)
            return []

        found = await look_at(FoundPort(path=host.url), {"toy": [Probe("toy", LINE, pull)]})
    assert found.state is State.UNREACHABLE


def test_who_has_a_port_open_without_a_lock_is_found(tmp_path: Path) -> None:
    for pid, comm, target in ((812, "cashd", "ttyX"), (813, "bash", "other"), (os.getpid(), "me", "ttyX")):
        (tmp_path / str(pid) / "fd").mkdir(parents=True)
        (tmp_path / str(pid) / "comm").write_text(f"{comm}\n")
        (tmp_path / str(pid) / "fd" / "3").symlink_to(tmp_path / target)
    (tmp_path / "814").mkdir()
    (tmp_path / "ttyX").write_text("")
    assert module.users_of(str(tmp_path / "ttyX"), tmp_path) == ["cashd (pid 812)"]
    assert module.users_of("/dev/nowhere") == []
    assert module.users_of("tcp://host:1") == []


@virtual
async def test_a_port_that_somebody_has_open_is_not_even_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "users_of", lambda path: ["cashd (pid 812)"])
    async with toy() as host:
        (found,) = await survey([host.url], TOY, listed=False)
        assert host.simulator.heard == b""  # type: ignore[attr-defined]
    assert (found.state, found.words) == (State.IN_USE, "open in cashd (pid 812)")


def test_in_use_is_known_by_its_cause() -> None:
    error = TransportError("taken")
    assert not module._is_taken(error)
    error.__cause__ = OSError(11, "try again")
    assert module._is_taken(error)


def test_the_adapters_driver_is_known_or_not() -> None:
    assert module.adapter_driver("/dev/nowhere") == ""
    assert module.adapter_driver("tcp://host:1") == ""


@virtual
async def test_on_tcp_who_hangs_up_on_one_question_is_asked_the_next() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.read(1) == b"G":
            writer.write(b"HTTP")
        writer.close()

    families = probes(("ccnet", b"x", b"y"), ("cctalk", b"x", b"y"), ("atol", b"G", b"HTTP"))
    async with listening(talk) as server:
        (found,) = await survey([f"tcp://127.0.0.1:{server.port}"], families, listed=False)
    assert found.state is State.FOUND


def test_no_web_server_is_looked_for_where_a_printer_may_be() -> None:
    families = probes(("atol", b"", b""), ("escpos", b"", b""))
    assert [probe.family for probe in in_order("tcp://10.0.0.2:16732", families)] == ["escpos", "atol"]
    for url in ("/dev/ttyUSB0", "tcp://10.0.0.2:9100"):
        assert [probe.family for probe in in_order(url, families)] == ["escpos"]
