"""Devices on pseudo-terminals under one supervisor: what happens to one, happens to that one."""

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest

from appliance.devices import DeviceEntry
from appliance.journal import Journal, StorageError
from appliance.screen import Screen
from appliance.supervisor import NoSuchDevice, Supervisor, Unavailable, Watched, keeper
from appliance.supervisor.circuit import FIRST_PAUSE_S, State
from appliance.supervisor.standing import STARTING_S
from hardware import events
from hardware.errors import DeviceFault, OutcomeUnknown, Refused, TransportError
from hardware.events import BillEscrowed, BillStacked, CoinAccepted, DeviceState, Event
from hardware.journal import DeviceJournal
from hardware.roles import BillValidator, CoinAcceptor, Device, FiscalRegister, ReceiptPrinter
from tests.appliance.supervisor.yard import (
    Yard,
    entries,
    journal,
    supervised,
    telling,
    told,
    until,
    virtual,
    well,
    yard,
)


def heard(watched: Watched) -> list[Event]:
    events: list[Event] = []
    watched.hear(events.append)
    return events


async def take_note(supervisor: Supervisor, there: Yard, minor: int = 50000) -> None:
    """From the slot to the cassette, as a cash desk does it."""
    watched, bills = supervisor.find_as("bills", BillValidator)
    escrowed: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def hear(event: Event) -> None:
        if isinstance(event, BillEscrowed) and not escrowed.done():
            escrowed.set_result(event.escrow)

    stop = watched.hear(hear)
    await watched.use(bills.enable, 10.0)
    await until(lambda: watched.status.state is DeviceState.READY)
    there.do("bills", "insert", minor=str(minor))
    async with asyncio.timeout(10):
        escrow = await escrowed
    await watched.use(lambda: bills.stack(escrow), 30.0)
    stop()


@virtual
async def test_one_is_unplugged_and_the_session_of_the_other_goes_on(tmp_path: Path) -> None:
    async with yard(tmp_path) as there, journal(tmp_path / "journal") as memory:
        devices = entries(
            bills={"driver": "ccnet", "port": await there.put("bills", "ccnet"), "currency": "KZT"},
            printer={"driver": "escpos", "port": await there.put("printer", "escpos")},
        )
        screen = Screen()
        async with supervised(memory, devices, screen) as supervisor:
            await well(supervisor, "bills", "printer")
            supervisor.find("bills").bind("session-1")
            printer = supervisor.find("printer")
            there.do("printer", "unplug")
            await until(lambda: printer.status.state is DeviceState.ABSENT)
            await take_note(supervisor, there)
            there.do("printer", "plug")
            await well(supervisor, "printer")
            await take_note(supervisor, there, 100000)
        entries_ = await memory.read(lambda book: book.entries(work="session-1", kinds=["bill-stacked"]))
        assert [msgspec.json.decode(entry.data)["bill"]["minor"] for entry in entries_] == [50000, 100000]
        states = [msgspec.json.decode(event.data)["state"] for event in await told(memory, "state-changed", "printer")]
        assert {"ready", "disabled"} & set(states[states.index("absent") :])
        with screen.watch() as watcher:
            shown = {news["id"]: news async for news in _news(watcher, 2)}
        assert shown["printer"]["role"] == "receipt printer"


async def _news(watcher: Any, count: int) -> Any:
    for _ in range(count):
        yield await watcher.get()


@virtual
async def test_a_simulator_that_is_killed_and_started_again_is_found_again(tmp_path: Path) -> None:
    async with yard(tmp_path) as there, journal(tmp_path / "journal") as memory:
        devices = entries(bills={"driver": "ccnet", "port": await there.put("bills", "ccnet"), "currency": "KZT"})
        async with supervised(memory, devices) as supervisor:
            await well(supervisor, "bills")
            await take_note(supervisor, there)
            await there.kill("bills")
            await until(lambda: supervisor.find("bills").status.state is DeviceState.ABSENT)
            await there.put("bills", "ccnet")
            await well(supervisor, "bills")
            await take_note(supervisor, there)
        tallies = await memory.read(lambda book: book.tallies("bills"))
        assert sum(tallies["bills"].values()) == 2


@virtual
async def test_devices_of_one_bus_share_it_and_survive_another_reading(tmp_path: Path) -> None:
    async with yard(tmp_path) as there, journal(tmp_path / "journal") as memory:
        port = await there.put("bus", "cctalk", devices="coins,hopper")
        given: dict[str, dict[str, Any]] = {
            "coins": {"driver": "cctalk", "port": port},
            "hopper": {"driver": "cctalk-hopper", "port": port, "denomination": 10000},
        }
        async with supervised(memory, entries(**given)) as supervisor:
            await well(supervisor, "coins", "hopper")
            coins = supervisor.find("coins").device
            # Read while the devices of the true bus are open, under the same names.
            given["hopper"]["label"] = "left"
            hopper = supervisor.find("hopper").device
            await supervisor.reload(entries(**given))
            assert supervisor.find("hopper").entry.owned.label == "left"
            assert supervisor.find("hopper").device is hopper
            given["hopper"]["denomination"] = 5000
            await supervisor.reload(entries(**given))
            assert supervisor.find("hopper").device is not hopper
            assert supervisor.find("coins").device is coins
            assert supervisor.waiting == []
            await well(supervisor, "coins", "hopper")
            watched, acceptor = supervisor.find_as("coins", CoinAcceptor)
            seen = heard(watched)
            await watched.use(acceptor.enable, 10.0)
            there.do("bus", "insert_coin", minor=str(min(each.minor for each in acceptor.denominations)))
            await until(lambda: any(isinstance(event, CoinAccepted) for event in seen))


@virtual
async def test_a_driver_that_dies_of_our_mistake_is_built_anew(tmp_path: Path) -> None:
    async with yard(tmp_path) as there, journal(tmp_path / "journal") as memory:
        devices = entries(
            bills={"driver": "ccnet", "port": await there.put("bills", "ccnet"), "currency": "KZT"},
            printer={"driver": "escpos", "port": await there.put("printer", "escpos")},
        )
        async with supervised(memory, devices) as supervisor:
            await well(supervisor, "bills", "printer")
            watched = supervisor.find("bills")
            watched.bind("session-1")
            seen = heard(watched)
            first, other = watched.device, supervisor.find("printer").device

            def mistake(now: float) -> None:
                raise ZeroDivisionError

            first._link.protocol.wake = mistake  # type: ignore[attr-defined]
            await until(lambda: watched.trouble)
            assert watched.status.state is DeviceState.ABSENT
            assert "ZeroDivisionError" in watched.hindrance
            with pytest.raises(Unavailable, match="the driver failed"):
                await watched.use(lambda: watched.device.ready(1.0), 1.0)
            await well(supervisor, "bills")
            assert watched.device is not first
            assert supervisor.find("printer").device is other
            assert watched.hindrance == ""
            await take_note(supervisor, there)  # whoever listened hears the new driver as well
            assert any(isinstance(event, BillStacked) for event in seen)
            assert [getattr(e, "state", None) for e in seen].index(DeviceState.ABSENT) == 0
        assert len(await memory.read(lambda book: book.entries(work="session-1", kinds=["bill-stacked"]))) == 1


@virtual
async def test_a_bus_that_dies_of_our_mistake_is_built_anew_for_all_its_devices(tmp_path: Path) -> None:
    async with yard(tmp_path) as there, journal(tmp_path / "journal") as memory:
        port = await there.put("bus", "cctalk", devices="coins,hopper")
        devices = entries(
            coins={"driver": "cctalk", "port": port},
            hopper={"driver": "cctalk-hopper", "port": port, "denomination": 10000},
        )
        async with supervised(memory, devices) as supervisor:
            await well(supervisor, "coins", "hopper")
            both = [supervisor.find("coins"), supervisor.find("hopper")]
            first = [watched.device for watched in both]

            def mistake(now: float) -> None:
                raise ZeroDivisionError

            first[0]._link.protocol.wake = mistake  # type: ignore[attr-defined]
            await until(lambda: all(watched.trouble for watched in both))
            await well(supervisor, "coins", "hopper")
            assert not {id(device) for device in first} & {id(watched.device) for watched in both}


@virtual
async def test_a_page_that_cannot_be_read_stops_its_device_and_no_other(tmp_path: Path) -> None:
    async with yard(tmp_path) as there, journal(tmp_path / "journal") as memory:
        devices = entries(
            bills={"driver": "ccnet", "port": await there.put("bills", "ccnet"), "currency": "KZT"}, coins=TWO
        )

        def spoil(pages: Any) -> None:
            pages._connection.execute("INSERT INTO pages VALUES ('coins', ?)", (b"not JSON",))

        await memory.write(spoil)
        async with supervised(memory, devices) as supervisor:
            await well(supervisor, "bills")
            await take_note(supervisor, there)
            assert "cannot be opened" in supervisor.find("coins").hindrance
            assert supervisor.find("coins").status.state is DeviceState.ABSENT
            assert memory.facts.trouble == ""


class Odd(Device):
    """A driver with a bad day: its `build`, `open` or `close` does not do what it should."""

    closed: ClassVar[list[str]] = []

    def __init__(self, name: str, how: str = "") -> None:
        self._name, self.how = name, how

    @property
    def name(self) -> str:
        return self._name

    async def open(self) -> None:
        if self.how == "open":
            raise OSError("no such thing")

    async def close(self) -> None:
        if self.how == "close":
            raise OSError("it does not let go")
        if self.how == "slow":
            await asyncio.sleep(0.5)
        self.closed.append(self._name)

    @property
    def status(self) -> Any:
        from hardware.roles import Status

        return Status(state=DeviceState.READY)

    async def ready(self, timeout_s: float) -> None:
        """It is."""


@pytest.fixture
def odd(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Devices by name: what is wrong with each; those named have no other driver."""
    days: dict[str, str] = {}
    build = DeviceEntry.build
    Odd.closed = []

    def make(self: DeviceEntry, page: DeviceJournal, **more: Any) -> Device:
        if self.name not in days:
            return build(self, page, **more)
        if days[self.name] == "build":
            raise ValueError("it cannot be")
        return Odd(self.name, days[self.name])

    monkeypatch.setattr(DeviceEntry, "build", make)
    return days


TWO = {"driver": "ccnet", "port": "/dev/nowhere-a", "currency": "KZT"}


@virtual
async def test_who_cannot_be_built_opened_or_closed_keeps_nobody_from_it(tmp_path: Path, odd: dict[str, str]) -> None:
    names = ["build", "open", "close", "slow", "slower", "well"]
    given = entries(**{name: {**TWO, "port": f"/dev/nowhere-{name}"} for name in names})
    odd.update({name: name.replace("slower", "slow").replace("well", "") for name in names})
    async with journal(tmp_path / "journal") as memory:
        async with supervised(memory, given) as supervisor:
            assert supervisor.find("well").status.state is DeviceState.READY
            for name in ("build", "open"):
                watched = supervisor.find(name)
                assert watched.status.state is DeviceState.ABSENT
                assert "cannot be" in watched.hindrance
            with pytest.raises(Unavailable, match="it cannot be"):
                supervisor.find_as("build", BillValidator)
            with pytest.raises(NoSuchDevice, match="open is a bill validator"):
                supervisor.find_as("open", FiscalRegister)
            with pytest.raises(NoSuchDevice, match="there is no device other; there are build, open"):
                supervisor.find("other")
            odd["build"] = odd["open"] = ""
            await until(lambda: not any(supervisor.find(name).trouble for name in names))
            before = time.monotonic()
        assert time.monotonic() - before < 0.95
    assert set(Odd.closed) >= set(names) - {"close"}


@virtual
async def test_a_journal_that_fails_for_a_while_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with yard(tmp_path) as there, journal(tmp_path / "journal") as memory:
        devices = entries(bills={"driver": "ccnet", "port": await there.put("bills", "ccnet"), "currency": "KZT"})
        broken = True
        write, read = Journal.write, Journal.read

        def breakable(call: Callable[..., Any]) -> Callable[..., Any]:
            async def maybe(self: Journal, *arguments: Any, **more: Any) -> Any:
                if broken:
                    raise StorageError("the disk is full")
                return await call(self, *arguments, **more)

            return maybe

        monkeypatch.setattr(Journal, "write", breakable(write))
        monkeypatch.setattr(Journal, "read", breakable(read))
        async with supervised(memory, devices) as supervisor:
            watched = supervisor.find("bills")
            assert "the disk is full" in watched.hindrance
            broken = False
            await well(supervisor, "bills")
            seen = heard(watched)
            bills = supervisor.find_as("bills", BillValidator)[1]
            await watched.use(bills.enable, 10.0)
            await until(lambda: watched.status.state is DeviceState.READY)
            broken = True
            there.do("bills", "insert", minor="50000")
            await asyncio.sleep(1.0)
            assert not any(isinstance(event, BillEscrowed) for event in seen)
            broken = False
            await until(lambda: any(isinstance(event, BillEscrowed) for event in seen))
            escrow = next(event.escrow for event in seen if isinstance(event, BillEscrowed))
            await watched.use(lambda: bills.stack(escrow), 30.0)
        assert len(await memory.read(lambda book: book.entries(kinds=["bill-stacked"]))) == 1


@virtual
async def test_a_listener_that_raises_disturbs_nobody(tmp_path: Path) -> None:
    async with yard(tmp_path) as there, journal(tmp_path / "journal") as memory:
        devices = entries(bills={"driver": "ccnet", "port": await there.put("bills", "ccnet"), "currency": "KZT"})
        async with supervised(memory, devices) as supervisor:
            watched = supervisor.find("bills")

            def angry(event: Event) -> None:
                raise ZeroDivisionError

            watched.hear(angry)
            seen = heard(watched)
            await well(supervisor, "bills")
            await take_note(supervisor, there)
            assert any(isinstance(event, BillStacked) for event in seen)
        assert len(await memory.read(lambda book: book.entries(kinds=["bill-stacked"]))) == 1


# The circuit


@virtual
async def test_a_device_that_fails_again_and_again_is_left_alone_until_a_probe(
    tmp_path: Path, odd: dict[str, str]
) -> None:
    odd["bills"] = ""
    async with journal(tmp_path / "journal") as memory, supervised(memory, entries(bills=TWO)) as supervisor:
        watched = supervisor.find("bills")
        calls = 0

        async def fail() -> None:
            nonlocal calls
            calls += 1
            raise DeviceFault("47", "it is jammed")

        async def refuse() -> None:
            raise Refused("no", "not now")

        for _ in range(2):
            with pytest.raises(DeviceFault):
                await watched.use(fail, 1.0)
        with pytest.raises(Refused):  # it understood: in a row means in a row
            await watched.use(refuse, 1.0)
        for _ in range(3):
            with pytest.raises(DeviceFault):
                await watched.use(fail, 1.0)
        with pytest.raises(Unavailable, match=r"fails again and again since 2027-01-15 .*, last: it is jammed") as it:
            await watched.use(fail, 1.0)
        assert isinstance(it.value, TransportError)
        assert calls == 5
        assert watched.hindrance.startswith("fails again and again")
        with pytest.raises(DeviceFault):
            await watched.use(fail, 1.0, anyway=True)
        await until(lambda: watched.hindrance == "")  # two seconds, then the probe goes well
        assert [event.kind for event in await told(memory, "circuit-opened", "bills")] == ["circuit-opened"]
        assert await telling(memory, "circuit-closed", 1)


@virtual
async def test_a_call_that_does_not_end_is_unknown_and_counts(tmp_path: Path, odd: dict[str, str]) -> None:
    odd["bills"] = ""
    async with journal(tmp_path / "journal") as memory, supervised(memory, entries(bills=TWO)) as supervisor:
        watched = supervisor.find("bills")
        for _ in range(3):
            with pytest.raises(OutcomeUnknown, match="did not end within"):
                await watched.use(lambda: asyncio.sleep(60), 0.01)
        assert not watched.circuit.admits
        watched.reset_circuit()
        assert await watched.use(lambda: asyncio.sleep(0, "done"), 1.0) == "done"


@virtual
async def test_what_a_device_tells_is_written_whatever_the_circuit_says(tmp_path: Path) -> None:
    async with yard(tmp_path) as there, journal(tmp_path / "journal") as memory:
        devices = entries(printer={"driver": "escpos", "port": await there.put("printer", "escpos")})
        async with supervised(memory, devices) as supervisor:
            await well(supervisor, "printer")
            watched, printer = supervisor.find_as("printer", ReceiptPrinter)
            there.do("printer", "paper_out")
            await until(lambda: watched.status.state is DeviceState.FAULT)
            for _ in range(3):
                watched.went_wrong(DeviceFault("paper-out", "no paper"))
            await until(lambda: watched.circuit.pause_s > FIRST_PAUSE_S)  # the first probe: still no paper
            assert watched.circuit.state is State.OPEN
            there.do("printer", "load_paper")
            await until(lambda: watched.circuit.admits, 3.0)  # its own word, not the next pause
            assert (await printer.read_status()).paper
        kinds = [entry.kind for entry in await memory.read(lambda book: book.entries(device="printer"))]
        assert {"paper-out", "paper-returned", "state-changed"} <= set(kinds)


# The owner's order


@virtual
async def test_an_order_holds_over_restarts_and_is_told_once(tmp_path: Path, odd: dict[str, str]) -> None:
    odd["bills"] = ""
    async with journal(tmp_path / "journal") as memory:
        async with supervised(memory, entries(bills=TWO)) as supervisor:
            watched = supervisor.find("bills")
            assert watched.in_service
            for _ in range(2):
                await watched.give_order(in_service=False, reason="being cleaned", nonce=5)
            assert watched.hindrance == "out of service by order since 2027-01-15 08:00:00 UTC: being cleaned"
        async with supervised(memory, entries(bills=TWO)) as supervisor:
            watched = supervisor.find("bills")
            assert not watched.in_service
            await watched.use(lambda: watched.device.ready(1.0), 1.0)  # what was begun is brought to its end
            await watched.give_order(in_service=True, reason="", nonce=6)
            await watched.give_order(in_service=False, reason="being cleaned", nonce=5)  # comes again, too late
            assert watched.in_service
        assert len(await told(memory, "service-ordered", "bills")) == 2


# Another reading of the routing file


@virtual
async def test_devices_come_and_go_without_touching_the_others(tmp_path: Path, odd: dict[str, str]) -> None:
    async with yard(tmp_path) as there, journal(tmp_path / "journal") as memory:
        bills = {"driver": "ccnet", "port": await there.put("bills", "ccnet"), "currency": "KZT"}
        printer = {"driver": "escpos", "port": await there.put("printer", "escpos")}
        screen = Screen()
        async with supervised(memory, entries(bills=bills), screen) as supervisor:
            await well(supervisor, "bills")
            first = supervisor.find("bills").device
            await supervisor.reload(entries(printer=printer, bills=bills))
            assert [watched.name for watched in supervisor.all()] == ["printer", "bills"]
            await well(supervisor, "printer")
            assert supervisor.find("bills").device is first
            gone = supervisor.find("printer")
            with screen.watch() as watcher:
                await supervisor.reload(entries(bills=bills))
                while not (news := await watcher.get()).get("over"):
                    """What stands, and how it is closed."""
            assert (news["id"], news["over"], news["state"]) == ("printer", True, "absent")
            assert [watched.name for watched in supervisor.all()] == ["bills"]
            assert gone.hindrance == "is no longer in the routing file"
            with pytest.raises(Unavailable):
                await gone.use(lambda: gone.device.ready(1.0), 1.0)
            await take_note(supervisor, there)
            # Its line is free again for whoever has it now under another name.
            await supervisor.reload(entries(bills=bills, other={**printer, "label": "the other"}))
            await well(supervisor, "other")
        assert [msgspec.json.decode(e.data)["devices"] for e in await told(memory, "devices-changed")] == [
            ["printer"], ["printer"], ["other"],
        ]  # fmt: skip


@virtual
async def test_a_device_in_the_middle_of_a_work_is_changed_when_it_is_free(tmp_path: Path, odd: dict[str, str]) -> None:
    odd.update(bills="", coins="", hopper="")
    three: Mapping[str, Any] = {name: {**TWO, "port": f"/dev/{name}"} for name in ("bills", "coins", "hopper")}
    async with journal(tmp_path / "journal") as memory, supervised(memory, entries(**three)) as supervisor:
        before = {watched.name: watched.device for watched in supervisor.all()}
        supervisor.find("bills").bind("session-1")
        supervisor.find("coins").bind("session-1")
        changed = {"bills": {**three["bills"], "baud": 9600}, "hopper": {**three["hopper"], "baud": 9600}}
        await supervisor.reload(entries(**changed))
        assert supervisor.find("bills").device is before["bills"]
        assert supervisor.find("coins").device is before["coins"]
        assert supervisor.find("hopper").device is not before["hopper"]
        assert supervisor.waiting == [
            "bills is changed as soon as session-1 has ended", "coins is closed as soon as session-1 has ended",
        ]  # fmt: skip
        supervisor.find("coins").bind("")
        supervisor.find("bills").bind("")
        await until(lambda: not supervisor.waiting)
        assert supervisor.find("bills").device is not before["bills"]
        assert supervisor.find("bills").entry.settings["baud"] == 9600
        with pytest.raises(NoSuchDevice):
            supervisor.find("coins")
        data = [msgspec.json.decode(event.data) for event in await told(memory, "devices-changed")]
        assert data[0]["devices"] == ["hopper"]
        assert len(data[0]["waiting"]) == 2


@virtual
async def test_a_change_that_cannot_be_built_leaves_the_old_in_force(tmp_path: Path, odd: dict[str, str]) -> None:
    odd.update(bills="")
    async with journal(tmp_path / "journal") as memory, supervised(memory, entries(bills=TWO)) as supervisor:
        changed = entries(bills={**TWO, "baud": 9600})
        odd["bills"] = "build"
        task = asyncio.ensure_future(supervisor.reload(changed))
        await asyncio.sleep(0.1)
        odd["bills"] = ""
        await task
        await until(lambda: supervisor.find("bills").status.state is DeviceState.READY)
        assert "baud" not in supervisor.find("bills").entry.settings
        assert supervisor.waiting == ["bills: stays as it was, the change cannot be built: it cannot be"]
        await supervisor.reload(entries(bills=TWO))
        assert supervisor.waiting == []


@virtual
async def test_another_driver_knows_nothing_of_what_the_one_before_remembered(tmp_path: Path) -> None:
    async with yard(tmp_path) as there, journal(tmp_path / "journal") as memory:
        port = await there.put("bills", "ccnet")
        async with supervised(memory, entries(bills={"driver": "ccnet", "port": port, "currency": "KZT"})) as it:
            await well(it, "bills")
            page = it.find("bills").page
            assert await page.recall()
            await it.reload(entries(bills={"driver": "id003", "port": "/dev/nowhere"}))
            assert not await it.find("bills").page.recall()


@virtual
async def test_a_storm_of_changes_is_summed_up_for_the_hub(
    tmp_path: Path, odd: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from appliance.supervisor import flapping

    monkeypatch.setattr(flapping, "WINDOW_S", 1.0)
    odd["bills"] = ""
    states = [DeviceState.ABSENT, DeviceState.READY]
    async with journal(tmp_path / "journal") as memory, supervised(memory, entries(bills=TWO)) as supervisor:
        page = supervisor.find("bills").page
        for n in range(50):
            await page.record(events.StateChanged(state=states[n % 2], was=states[1 - n % 2]), None)
        assert len(await told(memory, "state-changed")) == flapping.TOLD_MAX
        last = msgspec.json.decode((await telling(memory, "state-changed", flapping.TOLD_MAX + 1))[-1].data)
        assert (last["state"], last["changes"]) == ("ready", 50 - flapping.TOLD_MAX)
        assert len(await memory.read(lambda book: book.entries(device="bills"))) == 50


def test_pauses_are_bounded() -> None:
    assert keeper.AGAIN_S[1] <= 60


@virtual
async def test_a_device_that_was_never_there_is_told_once_and_when_it_comes(tmp_path: Path) -> None:
    async with yard(tmp_path) as there, journal(tmp_path / "journal") as memory:
        devices = entries(printer={"driver": "escpos", "port": str(tmp_path / "printer")})
        async with supervised(memory, devices) as supervisor:
            await asyncio.sleep(STARTING_S - 2)
            assert await told(memory, "state-changed") == []
            await asyncio.sleep(60)
            (event,) = await told(memory, "state-changed", "printer")
            data = msgspec.json.decode(event.data)
            assert (data["state"], bool(data["words"])) == ("absent", True)
            await there.put("printer", "escpos", boot_s="0")
            await well(supervisor, "printer", timeout=60)
        states = [msgspec.json.decode(each.data)["state"] for each in await told(memory, "state-changed", "printer")]
        assert states[0] == "absent"
        assert "ready" in states
