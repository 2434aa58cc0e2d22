"""The role as an owner uses it, over a real port, with the simulated register at the other end."""

from pathlib import Path

import pytest

from hardware.errors import DeviceFault, OutcomeUnknown, Refused, TransportError
from hardware.events import DeviceState, DocumentRegistered
from hardware.journal import FileJournal
from hardware.ports import Port
from hardware.shtrih.driver import ShtrihRegister
from hardware.shtrih.simulator import ShtrihSimulator
from hardware.simulation.host import DeviceHost
from hardware.simulation.store import Store
from hardware.simulation.wires import PtyWire, TcpWire
from hardware.slip import lines
from tests.hardware.shtrih.schedules import receipt
from wire.money import Money


class Counting:
    """A trace that counts the ports it was put around."""

    def __init__(self) -> None:
        self.ports = 0

    def wrap(self, port: Port) -> Port:
        self.ports += 1
        return port


async def test_a_day(tmp_path: Path) -> None:
    store = Store()
    journal = FileJournal(tmp_path / "register")
    trace = Counting()
    device = ShtrihSimulator(store.memory, store.note, link="v1", line_by_line=False)
    async with DeviceHost(device, store, PtyWire(baud=115200), paced=False) as host:
        register = ShtrihRegister("fiscal", host.url, journal, link="v1", poll_s=0.2, trace=trace)
        await register.open()
        await register.ready(20)
        assert register.status.state is DeviceState.READY
        assert register.status.identity.model == "SIMULATED-FR"
        with pytest.raises(Refused, match="no shift is open"):
            await register.register(receipt(), "r0")
        await register.open_shift("s1")
        sold = await register.register(receipt(), "r1")
        assert await register.register(receipt(), "r1") == sold
        assert (sold.total_minor, sold.printed) == (18999, True)
        await register.cash_in(Money(5000, "RUB"), "c1")
        with pytest.raises(Refused):
            await register.cash_out(Money(5000, "KZT"), "c3")
        await register.open_drawer()
        await register.print_slip(lines("Спасибо", cut=True), "p1")
        found = await register.find(sold.number)
        assert found is not None
        assert (found.number, found.sign) == (sold.number, sold.sign)
        assert (await register.read_status()).last_document == sold.number
        await register.close()
        assert trace.ports == 1
        with pytest.raises(TransportError):
            await register.read_status()
    stored = [line for line in store.lines if line["happened"] == "document_stored"]
    told = [event for event in journal.events() if isinstance(event, DocumentRegistered)]
    assert [line["number"] for line in stored] == [
        event.document.number for event in told if not event.reference.startswith("c")
    ]


async def test_a_power_cut_of_the_register_leaves_one_receipt(tmp_path: Path) -> None:
    store = Store()
    journal = FileJournal(tmp_path / "register")
    async with DeviceHost(ShtrihSimulator(store.memory, store.note, link="v2"), store, TcpWire(), paced=False) as host:
        register = ShtrihRegister("fiscal", host.url, journal, link="v2", poll_s=0.2)
        await register.open()
        await register.ready(20)
        await register.open_shift("s1")
        host.do("power_cut", after="60", unit="steps", seconds="0.3")
        try:
            document = await register.register(receipt(), "r1")
        except (OutcomeUnknown, DeviceFault):
            await register.ready(30)
            document = await register.register(receipt(), "r1")
        assert document.total_minor == 18999
        await register.close()
    assert [line["total"] for line in store.lines if line["happened"] == "document_stored"] == [0, 18999]


async def test_nobody_there_is_said_in_time(tmp_path: Path) -> None:
    register = ShtrihRegister("fiscal", "tcp://127.0.0.1:1", FileJournal(tmp_path / "register"))
    assert register.status.words == "not opened"
    await register.open()
    with pytest.raises(TransportError):
        await register.ready(0.05)
    with pytest.raises(TransportError):
        await register.open_shift("s1")
    await register.close()


def test_settings_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="link"):
        ShtrihRegister("fiscal", "tcp://h:1", FileJournal(tmp_path / "x"), link="v3")
    with pytest.raises(ValueError, match="fiscal"):
        ShtrihRegister("fiscal", "tcp://h:1", FileJournal(tmp_path / "x"), fiscal="eklz")


@pytest.mark.parametrize("setting", ["password", "admin_password"])
def test_a_password_that_cannot_be_is_refused_and_not_told(tmp_path: Path, setting: str) -> None:
    """What is wrong with it can be said without it."""
    with pytest.raises(ValueError, match=f"^{setting}: is a number of 4 bytes") as refused:
        ShtrihRegister("fiscal", "/dev/null", FileJournal(tmp_path / "register"), **{setting: 777777777777})  # type: ignore[arg-type]
    assert "777" not in str(refused.value)


def test_what_it_would_refuse_is_known_without_asking_it(tmp_path: Path) -> None:
    register = ShtrihRegister("fiscal", "/dev/none", FileJournal(tmp_path / "register"), currency="KZT")
    (told,) = register.objections(receipt())
    assert told == "currency: the register counts KZT, not RUB"
    assert ShtrihRegister("fiscal", "/dev/none", FileJournal(tmp_path / "r")).objections(receipt()) == []
