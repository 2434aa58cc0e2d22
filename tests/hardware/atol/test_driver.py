"""The role on real HTTP over a real socket, against the simulated web server."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hardware.atol.driver import AtolRegister
from hardware.atol.probe import PROBES
from hardware.atol.simulator import AtolSimulator
from hardware.atol.steps import Timing
from hardware.errors import DeviceFault, Refused, TransportError
from hardware.events import CashMoved, DeviceState, DocumentRegistered, Event, SlipPrinted
from hardware.journal import FileJournal
from hardware.ports import open_port
from hardware.pump import WAITING_MAX
from hardware.simulation.host import DeviceHost
from hardware.simulation.local import running
from hardware.simulation.store import Store
from hardware.simulation.wires import TcpWire
from hardware.slip import lines
from hardware.trace import Trace, read_trace
from tests.hardware.atol.schedules import receipt
from wire.money import Money

QUICK = Timing(poll_s=0.02, retry_s=0.05, settle_s=0.1, request_s=2.0, watch_fault_s=0.1)


@asynccontextmanager
async def served(**options: Any) -> AsyncIterator[DeviceHost]:
    store = Store(None, "atol")
    async with DeviceHost(AtolSimulator(store.memory, store.note, speed=20.0, **options), store, TcpWire()) as host:
        yield host


def url_of(host: DeviceHost) -> str:
    return host.url.replace("tcp://", "http://")


def happened(host: DeviceHost, kind: str) -> list[dict[str, Any]]:
    assert host.store is not None
    return [line for line in host.store.lines if line["happened"] == kind]


@asynccontextmanager
async def opened(url: str, path: Path, **settings: Any) -> AsyncIterator[AtolRegister]:
    register = AtolRegister("kkt", url, FileJournal(path), **{"timing": QUICK, **settings})
    await register.open()
    try:
        yield register
    finally:
        await register.close()


async def until(so: Callable[[], bool]) -> None:
    while not so():  # noqa: ASYNC110 - the simulator and the driver run in this loop
        await asyncio.sleep(0)


def told(path: Path, *kinds: type[Event]) -> list[Any]:
    return [event for event in FileJournal(path).events() if isinstance(event, kinds)]


@pytest.mark.parametrize("api", ["v2", "v1"])
async def test_a_shift_over_a_real_socket(tmp_path: Path, api: str) -> None:
    async with served(login="kiosk", password="s3cret") as host, opened(
        url_of(host), tmp_path / "j", login="kiosk", password="s3cret", api=api, operator="Киоск"
    ) as register:  # fmt: skip
        await register.ready(10)
        assert register.status.state is DeviceState.READY
        assert register.status.identity.serial == "00106900000001"
        with pytest.raises(Refused):
            await register.register(receipt("r", 12_345), "r")
        await register.open_shift("open")
        sold = await register.register(receipt("r", 12_345), "r")
        assert await register.register(receipt("r", 12_345), "r") == sold
        await register.cash_in(Money(5000, "RUB"), "c")
        await register.cash_out(Money(100, "RUB"), "d")
        await register.print_slip(lines("Добро пожаловать"), "slip")
        await register.x_report()
        await register.print_copy()
        status = await register.read_status()
        assert (status.shift.state, status.last_document, status.paper) == ("open", 2, True)
        found = await register.find(sold.number)
        assert found is not None
        assert (found.number, found.sign, found.total_minor) == (sold.number, sold.sign, 12_345)
        assert await register.find(77) is None
        await register.close_shift("close")
        documents = [(line["number"], line["type"], line["total"]) for line in happened(host, "document")]
        assert documents == [(1, "openShift", 0), (2, "receipt", 12_345), (3, "closeShift", 0)]
        assert [line["minor"] for line in happened(host, "cash")] == [5000, 100]
        assert "Добро пожаловать" in [line["text"] for line in happened(host, "printed")]
    assert [event.document.number for event in told(tmp_path / "j", DocumentRegistered)] == [1, 2, 3]
    assert told(tmp_path / "j", CashMoved) == [
        CashMoved(reference="c", amount=Money(5000, "RUB")),
        CashMoved(reference="d", amount=Money(-100, "RUB")),
    ]
    assert [event.reference for event in told(tmp_path / "j", SlipPrinted)] == ["slip"]


async def test_a_new_driver_on_the_same_journal_finds_out(tmp_path: Path) -> None:
    async with served() as host:
        killed = AtolRegister("kkt", url_of(host), FileJournal(tmp_path / "j"), timing=QUICK)
        await killed.open()
        await killed.open_shift("open")
        asked = asyncio.create_task(killed.register(receipt("r", 500), "r"))
        await until(lambda: len(happened(host, "document")) == 2)
        web = killed._link
        tasks = [task for task in (*web._tasks, web._request, asked) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert web._client is not None
        await web._client.aclose()
        async with opened(url_of(host), tmp_path / "j") as register:
            document = await register.register(receipt("r", 500), "r")
        assert document.number == 2
        assert len(happened(host, "document")) == 2


async def test_power_cut_in_a_receipt(tmp_path: Path) -> None:
    async with served(on_cut="interrupted") as host, opened(url_of(host), tmp_path / "j") as register:
        await register.open_shift("open")
        asked = asyncio.create_task(register.register(receipt("r", 500), "r"))
        await until(lambda: len(happened(host, "document")) == 2)
        host.do("power_off")
        host.do("power_on")
        assert (await asked).number == 2
        assert len(happened(host, "document")) == 2


async def test_nobody_there(tmp_path: Path) -> None:
    async with served() as host:
        url = url_of(host)
        host.do("unplug")
        async with opened(url, tmp_path / "j") as register:
            with pytest.raises(TransportError):
                await register.ready(0.2)
            with pytest.raises(TransportError):
                await register.register(receipt("r", 500), "r")
            assert register.status.state is DeviceState.ABSENT
            host.do("plug")
            await register.ready(10)


async def test_a_wrong_password_never_shows(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    async with served(login="kiosk", password="right") as host, opened(
        url_of(host), tmp_path / "j", login="kiosk", password="wr0ng-one"
    ) as register:  # fmt: skip
        with pytest.raises(DeviceFault) as refused:
            await register.ready(2)
        assert refused.value.code == "504"
        shown = f"{register!r} {register.status} {refused.value} {caplog.text}"
        assert "wr0ng-one" not in shown
    assert b"wr0ng-one" not in (tmp_path / "j").read_bytes()


@pytest.mark.parametrize(
    ("url", "settings"),
    [
        ("http://u:p@host:1", {}),
        ("ftp://host", {}),
        ("http://", {}),
        ("http://host:99999", {}),
        ("http://host:1", {"api": "v3"}),
    ],
)
def test_settings_that_are_wrong_say_so(tmp_path: Path, url: str, settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="kkt: "):
        AtolRegister("kkt", url, FileJournal(tmp_path / "j"), **settings)


async def test_not_open(tmp_path: Path) -> None:
    register = AtolRegister("kkt", "", FileJournal(tmp_path / "j"))
    assert register.status.state is DeviceState.ABSENT
    assert "127.0.0.1:16732" in repr(register)
    with pytest.raises(TransportError):
        await register.x_report()
    await register.close()


async def test_a_caller_that_stops_waiting_changes_nothing(tmp_path: Path) -> None:
    async with served() as host, opened(url_of(host), tmp_path / "j") as register:
        await register.open_shift("open")
        asked = asyncio.create_task(register.register(receipt("r", 500), "r"))
        await until(lambda: len(happened(host, "document")) == 2)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        assert (await register.register(receipt("r", 500), "r")).number == 2
    assert len(told(tmp_path / "j", DocumentRegistered)) == 2


async def test_no_more_commands_wait_than_may(tmp_path: Path) -> None:
    async with served() as host, opened(url_of(host), tmp_path / "j") as register:
        await register.ready(10)
        host.do("power_off")
        reports = [asyncio.create_task(register.x_report()) for _ in range(WAITING_MAX)]
        await asyncio.sleep(0)
        with pytest.raises(TransportError, match="64 commands wait already"):
            await register.x_report()
        for report in reports:
            report.cancel()
        ended = await asyncio.gather(*reports, return_exceptions=True)
        assert all(isinstance(end, asyncio.CancelledError | TransportError) for end in ended)


async def test_a_full_disk_sends_nothing(tmp_path: Path) -> None:
    class Full(FileJournal):
        full = False

        async def record(self, event: Event | None, memory: Any) -> None:
            if self.full:
                raise OSError("no space left on device")
            await super().record(event, memory)

    journal = Full(tmp_path / "j")
    async with served() as host:
        register = AtolRegister("kkt", url_of(host), journal, timing=QUICK)
        await register.open()
        await register.open_shift("open")
        journal.full = True
        asked = asyncio.create_task(register.register(receipt("r", 500), "r"))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await asyncio.shield(asked)
        assert len(happened(host, "document")) == 1
        journal.full = False
        assert (await asked).number == 2
        await register.close()


async def test_a_simulated_one_in_this_process_with_a_trace(tmp_path: Path) -> None:
    trace = Trace(tmp_path / "t", device="kkt", protocol="", url="sim://atol")
    url = "sim://atol?speed=20&serial=7"
    async with opened(url, tmp_path / "j", trace=trace) as register:
        await register.ready(10)
        assert register.status.identity.serial == "7"
        running(url).do("paper_out")
        with pytest.raises(DeviceFault):
            await register.open_shift("open")
        running(url).do("paper_in")
        await register.open_shift("open")
    trace.close()
    pieces = read_trace(tmp_path / "t")[0].pieces
    assert any(b'"openShift"' in piece.data for piece in pieces)


async def test_closing_with_a_document_on_its_way_waits_for_it(tmp_path: Path) -> None:
    async with served() as host:
        async with opened(url_of(host), tmp_path / "j") as register:
            asked = asyncio.create_task(register.open_shift("open"))
            await until(lambda: host.simulator.describe()["running"] == "openShift")
        assert (await asked).number == 1
        with pytest.raises(TransportError):
            await register.x_report()


async def test_the_probe_finds_it_and_asks_nothing_of_it() -> None:
    for options, words in (({}, "answers"), ({"login": "u", "password": "p"}, "login")):
        async with served(**options) as host:
            talk = PROBES[0].ask()
            asked = next(talk)
            port = await open_port(host.url, PROBES[0].line)
            await port.write(asked.data)
            came = b""
            while not asked.enough(came):
                came += await port.read()
            port.close()
            with pytest.raises(StopIteration) as end:
                talk.send(came)
            (found,) = end.value.value
            assert found.driver == "atol"
            assert words in found.words
            assert host.simulator.memory["count"] == 0


@pytest.mark.parametrize(
    "came", [b"", b"\x00\xff", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n{}{}", b"SSH-2.0-x\r\n"]
)
def test_the_probe_finds_nothing_else(came: bytes) -> None:
    talk = PROBES[0].ask()
    next(talk)
    with pytest.raises(StopIteration) as end:
        talk.send(came)
    assert end.value.value == []


def test_what_it_would_refuse_is_known_without_asking_it(tmp_path: Path) -> None:
    register = AtolRegister("kkt", "http://127.0.0.1:1", FileJournal(tmp_path / "j"))
    assert register.objections(receipt("r", 100)) == []
    (told,) = register.objections(msgspec.structs.replace(receipt("r", 100), currency="KZT"))
    assert told == "this register counts in RUB, not in KZT"
