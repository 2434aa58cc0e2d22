"""The pump: what was asked for is done in order, and nothing of one line's trouble is another's."""

import asyncio
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from hardware import link as link_module
from hardware import pump as pump_module
from hardware.errors import DeviceFault, LocalProtocolError, OutcomeUnknown, TransportError
from hardware.events import CassetteFull, Event
from hardware.journal import DeviceJournal, FileJournal
from hardware.link import Link, Reconnect
from hardware.ports import LineSettings, Port, open_port
from hardware.protocol import Actions, Finish, Memory, Protocol, Record, Say, Send, SetLine
from hardware.pump import WAITING_MAX
from tests.hardware.ptys import Pty

FULL = CassetteFull()
LONG_S = 3600.0


@dataclass(frozen=True)
class Do:
    """A command: carried out as these actions, with a `Finish` for its own ticket at the end if `finish`."""

    actions: tuple[object, ...] = ()
    finish: bool = True


class Script(Protocol):
    """Does what commands say, and notes what it was given."""

    def __init__(self, memories: Mapping[str, Memory]) -> None:
        self.memories = memories
        self.log: list[object] = []
        self.on_data: Callable[[bytes], Actions] = lambda _: ()
        self.on_wake: Callable[[float], Actions] = lambda _: ()
        self.at: float | None = None
        self.busy = False

    @property
    def wake_at(self) -> float | None:
        return self.at

    def opened(self, now: float) -> Actions:
        self.log.append("opened")
        return ()

    def lost(self, now: float) -> Actions:
        self.log.append("lost")
        return ()

    def received(self, data: bytes, now: float) -> Actions:
        self.log.append(data)
        return self.on_data(data)

    def wake(self, now: float) -> Actions:
        self.log.append("woken")
        return self.on_wake(now)

    def command(self, command: object, ticket: int, now: float) -> Actions:
        if not isinstance(command, Do):
            raise LocalProtocolError(f"{command!r} is no command")
        self.log.append("command")
        end = (Finish(ticket, "done"),) if command.finish else ()
        return (*command.actions, *end)  # type: ignore[arg-type]

    def abandoned(self, ticket: int, now: float) -> Actions:
        self.log.append("abandoned")
        return ()

    def closing(self, now: float) -> Actions:
        self.log.append("closing")
        return (Send(b"bye"),)

    @property
    def settled(self) -> bool:
        return not self.busy


class FakePort(Port):
    """A line whose other end is the test. Everything that happens to it goes to one common list."""

    words = "fake"

    def __init__(self, happened: list[object]) -> None:
        self.happened = happened
        self.came: asyncio.Queue[bytes | Exception] = asyncio.Queue()
        self.broken = False
        self.closed = False

    async def read(self) -> bytes:
        data = await self.came.get()
        if isinstance(data, Exception):
            raise data
        return data

    async def write(self, data: bytes) -> None:
        if self.broken or self.closed:
            raise TransportError("fake: stuck")
        self.happened.append(data)

    def set_baud(self, baud: int) -> None:
        self.happened.append(baud)

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.happened.append("port closed")
            self.came.put_nowait(TransportError("fake: closed"))


class Journal(DeviceJournal):
    """Keeps what it is given, and may fail first."""

    def __init__(self, happened: list[object], memory: Memory | None = None) -> None:
        self.happened = happened
        self.memory = memory or {}
        self.failures = 0
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()

    async def recall(self) -> Memory:
        return self.memory

    async def record(self, event: Event | None, memory: Memory | None) -> None:
        await self.may_go_on.wait()
        if self.failures:
            self.failures -= 1
            self.happened.append("not written")
            raise OSError(28, "No space left on device")
        self.happened.append(event)
        self.memory = memory or self.memory


@pytest.fixture
def run_out(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Ends the time of the last call that has `LONG_S`: when it is begun, however long that takes a busy machine."""
    limits: list[asyncio.Timeout] = []
    plain = asyncio.timeout

    def noted(delay: float | None) -> asyncio.Timeout:
        limit = plain(delay)
        if delay == LONG_S:
            limits.append(limit)
        return limit

    monkeypatch.setattr(asyncio, "timeout", noted)
    return lambda: limits.pop().reschedule(asyncio.get_running_loop().time())


class World:
    """One link on fake ports."""

    def __init__(self, **settings: object) -> None:
        self.happened: list[object] = []
        self.ports: list[FakePort] = []
        self.refusals: list[Exception] = []
        self.journal = Journal(self.happened)
        self.link: Link[Script] = Link(
            name="bills", url="/dev/fake", line=LineSettings(), protocol=Script, journals={"": self.journal}, **settings
        )  # type: ignore[arg-type]

    async def open_port(self, url: str, line: LineSettings) -> Port:
        if self.refusals:
            raise self.refusals.pop(0)
        port = FakePort(self.happened)
        self.ports.append(port)
        return port

    @property
    def log(self) -> list[object]:
        return self.link.protocol.log

    @property
    def port(self) -> FakePort:
        return self.ports[-1]

    async def do(self, *actions: object, finish: bool = True, timeout_s: float = 20) -> object:
        return await self.link.call(Do(actions, finish), what="to do it", timeout_s=timeout_s)

    async def until(self, true: Callable[[], object]) -> None:
        await until(true)


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110, most of it has no event
            await asyncio.sleep(0.001)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    there = World()
    monkeypatch.setattr(link_module, "open_port", there.open_port)
    monkeypatch.setattr(link_module.random, "uniform", lambda _a, _b: 0.001)
    monkeypatch.setattr(pump_module, "RECORD_AGAIN_S", (0.001, 0.001))
    yield there
    assert not there.link._tasks, "a test left its link open"


async def opened(world: World) -> World:
    await world.link.open()
    await world.until(lambda: world.log == ["opened"])
    return world


# Order.


async def test_actions_are_carried_out_in_order_each_finished_before_the_next(world: World) -> None:
    await opened(world)
    assert await world.do(Send(b"1"), Record(FULL), Send(b"2"), SetLine(19200), Send(b"3")) == "done"
    assert world.happened == [b"1", FULL, b"2", 19200, b"3"]
    await world.link.close()


async def test_the_device_is_told_nothing_until_the_record_is_written(world: World) -> None:
    await opened(world)
    world.journal.may_go_on.clear()
    world.link.protocol.on_data = lambda _: (Record(FULL), Send(b"ack"))
    world.port.came.put_nowait(b"stacked")
    await world.until(lambda: b"stacked" in world.log)
    for _ in range(20):
        await asyncio.sleep(0)
    assert world.happened == []
    world.journal.may_go_on.set()
    await world.until(lambda: world.happened == [FULL, b"ack"])
    await world.link.close()


async def test_a_record_that_fails_for_a_while_holds_the_device_off_and_is_logged_once(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    await opened(world)
    world.journal.failures = 5
    await world.do(Record(FULL, {"credited": 7}), Send(b"ack"))
    assert world.happened == [*["not written"] * 5, FULL, b"ack"]
    assert world.journal.memory == {"credited": 7}
    told = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert [record.getMessage() for record in told] == [
        "bills: cannot write to the journal, the device waits: [Errno 28] No space left on device"
    ]
    await world.link.close()


async def test_what_was_remembered_is_given_to_the_protocol(world: World) -> None:
    world.journal.memory = {"serial": "123"}
    await opened(world)
    assert world.link.protocol.memories == {"": {"serial": "123"}}
    await world.link.close()


async def test_bytes_that_come_while_the_pump_waits_are_not_lost(world: World) -> None:
    await opened(world)
    world.journal.may_go_on.clear()
    call = asyncio.ensure_future(world.do(Record(FULL)))
    await world.until(lambda: "command" in world.log)
    for piece in (b"a", b"b", b"c"):
        world.port.came.put_nowait(piece)
    await world.until(lambda: world.link._unread_bytes == 3)
    world.journal.may_go_on.set()
    await call
    await world.until(lambda: b"abc" in world.log)
    await world.link.close()


async def test_lines_for_the_log_name_the_device(world: World, caplog: pytest.LogCaptureFixture) -> None:
    await opened(world)
    with caplog.at_level(logging.INFO):
        await world.do(Say("ready → fault, because the cassette is out", "warning"))
    assert (
        "hardware.link",
        logging.WARNING,
        "bills: ready → fault, because the cassette is out",
    ) in caplog.record_tuples
    await world.link.close()


async def test_another_speed_drops_what_came_at_the_old_one(world: World) -> None:
    await opened(world)
    world.journal.may_go_on.clear()
    call = asyncio.ensure_future(world.do(Record(FULL), SetLine(19200)))
    await world.until(lambda: "command" in world.log)
    world.port.came.put_nowait(b"garbage")
    await world.until(lambda: world.link._unread_bytes)
    world.journal.may_go_on.set()
    await call
    world.port.came.put_nowait(b"answer")
    await world.until(lambda: b"answer" in world.log)
    assert b"garbage" not in world.log
    await world.link.close()


async def test_a_flood_waits_in_the_port_and_goes_on_after_another_speed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "UNREAD_MAX_BYTES", 4)
    await opened(world)
    world.journal.may_go_on.clear()
    call = asyncio.ensure_future(world.do(Record(FULL), SetLine(19200)))
    await world.until(lambda: "command" in world.log)
    for _ in range(4):
        world.port.came.put_nowait(b"xx")
    await world.until(lambda: world.port.came.qsize() == 2)
    for _ in range(20):
        await asyncio.sleep(0)
    assert world.port.came.qsize() == 2
    world.journal.may_go_on.set()
    await call
    await world.until(world.port.came.empty)
    await world.until(lambda: b"".join(item for item in world.log if isinstance(item, bytes)) == b"xxxx")
    await world.link.close()


# The port.


async def test_a_lost_port_is_closed_at_once_told_and_opened_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await opened(world)
    held: list[bool] = []
    monkeypatch.setattr(Reconnect, "failed", lambda *_: held.append(world.ports[0].closed) or 0.0)
    world.port.came.put_nowait(TransportError("unplugged"))
    await world.until(lambda: world.log == ["opened", "lost", "opened"])
    assert held == [True]
    assert len(world.ports) == 2
    assert world.link.connected
    await world.link.close()


async def test_bytes_before_the_loss_are_read_first_and_those_of_the_next_port_after(world: World) -> None:
    await opened(world)
    world.journal.may_go_on.clear()
    call = asyncio.ensure_future(world.do(Record(FULL)))
    await world.until(lambda: "command" in world.log)
    world.port.came.put_nowait(b"old")
    world.port.came.put_nowait(TransportError("unplugged"))
    await world.until(lambda: len(world.ports) == 2)
    world.port.came.put_nowait(b"new")
    await world.until(world.port.came.empty)
    world.journal.may_go_on.set()
    await call
    await world.until(lambda: b"new" in world.log)
    assert world.log == ["opened", "command", b"old", "lost", "opened", b"new"]
    await world.link.close()


async def test_a_port_that_takes_nothing_is_given_up_with_all_that_stands_behind(world: World) -> None:
    await opened(world)
    world.port.broken = True
    assert await world.do(Send(b"1"), Send(b"2"), Record(FULL), SetLine(1200)) == "done"
    assert world.happened == ["port closed", FULL]
    await world.until(lambda: world.log == ["opened", "command", "lost", "opened"])
    await world.link.close()


async def test_sends_without_a_port_are_dropped(world: World) -> None:
    world.refusals = [TransportError("there is none")] * 1000
    await world.link.open()
    assert await world.do(Send(b"1"), Record(FULL)) == "done"
    assert world.happened == [FULL]
    assert not world.link.connected
    await world.link.close()


async def test_a_port_that_fails_in_an_unforeseen_way_is_tried_again(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.refusals = [RuntimeError("a driver of the kernel went mad")]
    await opened(world)
    world.port.came.put_nowait(RuntimeError("mad again"))
    await world.until(lambda: world.log == ["opened", "lost", "opened"])
    assert "the port could not be opened" in caplog.text
    assert "mad again" in caplog.text
    await world.link.close()


async def test_nothing_can_ever_be_opened_by_a_wrong_url() -> None:
    link: Link[Script] = Link(name="x", url="COM1", line=LineSettings(), protocol=Script, journals={})
    with pytest.raises(ValueError, match="names no line"):
        await link.open()
    await link.close()


async def test_the_trace_stands_around_each_port(monkeypatch: pytest.MonkeyPatch) -> None:
    wrapped: list[Port] = []
    there = World(wrap=lambda port: wrapped.append(port) or port)
    monkeypatch.setattr(link_module, "open_port", there.open_port)
    await opened(there)
    assert wrapped == there.ports
    await there.link.close()


def test_reconnecting_is_soon_at_first_then_slow_with_one_warning_an_outage(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(link_module.random, "uniform", lambda _a, b: b)
    caplog.set_level(logging.INFO)
    again = Reconnect("bills")
    error = TransportError("there is no port /dev/x")
    assert [again.failed(error, float(n)) for n in range(7)] == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    again.opened(10)
    assert again.failed(error, 12) == 5.0  # it did not stay: the same outage
    again.opened(13)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert again.failed(error, 33) == 0.2
    again.opened(34)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO", "WARNING", "INFO"]


# Callers.


async def test_a_caller_gets_the_devices_own_error(world: World) -> None:
    await opened(world)
    fault = DeviceFault("47", "pull the jammed note out")
    ticket = world.link._last_ticket + 1
    with pytest.raises(DeviceFault, match="pull the jammed note out"):
        await world.do(Finish(ticket, error=fault))
    with pytest.raises(LocalProtocolError):
        await world.link.call("nonsense", what="nothing", timeout_s=20)
    await world.link.close()


async def test_a_caller_that_leaves_is_told_to_the_protocol_once(world: World) -> None:
    await opened(world)
    call = asyncio.ensure_future(world.do(finish=False))
    await world.until(lambda: "command" in world.log)
    call.cancel()
    await world.until(lambda: "abandoned" in world.log)
    assert call.cancelled()
    assert world.log == ["opened", "command", "abandoned"]
    await world.do(Finish(1, "late"))  # dropped
    await world.link.close()


async def test_a_call_that_is_not_finished_in_time_is_unknown(world: World, run_out: Callable[[], None]) -> None:
    await opened(world)
    call = asyncio.ensure_future(world.do(finish=False, timeout_s=LONG_S))
    await world.until(lambda: "command" in world.log)
    run_out()
    with pytest.raises(OutcomeUnknown, match="to do it; bills did not answer within"):
        await call
    await world.until(lambda: "abandoned" in world.log)
    await world.link.close()


async def test_a_call_that_was_not_begun_in_time_never_is(world: World) -> None:
    await opened(world)
    world.journal.may_go_on.clear()
    first = asyncio.ensure_future(world.do(Record(FULL)))
    await world.until(lambda: "command" in world.log)
    with pytest.raises(TransportError, match="not begun within"):
        await world.do(Send(b"pay"), timeout_s=0.01)
    world.journal.may_go_on.set()
    await first
    await world.do()
    assert world.happened == [FULL]
    assert world.log == ["opened", "command", "command"]
    await world.link.close()


async def test_more_than_64_are_refused_and_nothing_of_them_is_begun(world: World) -> None:
    await opened(world)
    calls = [asyncio.ensure_future(world.do(finish=False)) for _ in range(WAITING_MAX)]
    await world.until(lambda: world.log.count("command") == WAITING_MAX)
    with pytest.raises(TransportError, match="64 commands wait already"):
        await world.do()
    for call in calls:
        call.cancel()
    await world.until(lambda: world.log.count("abandoned") == WAITING_MAX)
    assert await world.do() == "done"
    await world.link.close()


async def test_before_open_and_after_close_nothing_is_begun(world: World) -> None:
    with pytest.raises(TransportError, match="is not open"):
        await world.do()
    with pytest.raises(TransportError, match="is not open"):
        _ = world.link.protocol
    await world.link.close()
    await opened(world)
    with pytest.raises(RuntimeError, match="opened once"):
        await world.link.open()
    await world.link.close()
    with pytest.raises(TransportError, match="is closed"):
        await world.do()


# Time.


async def test_it_is_woken_when_it_wants_and_not_before(world: World) -> None:
    await opened(world)
    script = world.link.protocol
    loop = asyncio.get_running_loop()
    woken_at: list[float] = []

    def wake(now: float) -> Actions:
        woken_at.append(now)
        script.at = None
        return (Send(b"poll"),)

    script.on_wake = wake
    script.at = link_module.time.monotonic() + 0.02
    wanted = script.at
    world.link._news.set()
    await world.until(lambda: woken_at)
    assert woken_at[0] >= wanted
    assert world.happened == [b"poll"]
    assert loop.is_running()
    await world.link.close()


async def test_a_protocol_that_wants_to_be_woken_for_ever_starves_nobody(world: World) -> None:
    await opened(world)
    world.link.protocol.at = 0.0
    world.link._news.set()
    for _ in range(2000):
        await asyncio.sleep(0)
    assert 0 < world.log.count("woken") < 200
    assert await world.do(Send(b"x")) == "done"
    await world.link.close()


async def test_nothing_runs_while_nothing_happens(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await opened(world)
    looks = 0
    plain = world.link._next_actions

    def counted(protocol: Script) -> Actions:
        nonlocal looks
        looks += 1
        return plain(protocol)

    monkeypatch.setattr(world.link, "_next_actions", counted)
    for _ in range(1000):
        await asyncio.sleep(0)
    assert looks == 0
    await world.link.close()


# Closing.


async def test_closing_says_goodbye_and_waits_for_what_is_on_its_way(world: World) -> None:
    await opened(world)
    script = world.link.protocol
    script.busy = True

    def stacked(_: bytes) -> Actions:
        script.busy = False
        return (Record(FULL), Send(b"ack"))

    script.on_data = stacked
    closing = asyncio.ensure_future(world.link.close())
    await world.until(lambda: world.happened == [b"bye"])
    assert not closing.done()
    world.port.came.put_nowait(b"stacked")
    await closing
    assert world.happened == [b"bye", FULL, b"ack", "port closed"]
    assert script.log == ["opened", "closing", b"stacked"]
    await world.link.close()


async def test_closing_does_not_wait_for_ever_and_everybody_is_told(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    await opened(world)
    world.link.protocol.busy = True
    begun = asyncio.ensure_future(world.do(finish=False))
    await world.until(lambda: "command" in world.log)
    world.journal.may_go_on.clear()
    stuck = asyncio.ensure_future(world.do(Record(FULL)))
    await world.until(lambda: world.log.count("command") == 2)
    waiting = asyncio.ensure_future(world.do())
    await asyncio.sleep(0)
    await world.link.close(wait_s=0.01)
    for call in (begun, stuck):
        with pytest.raises(OutcomeUnknown, match="to do it; it was closed meanwhile"):
            await call
    with pytest.raises(TransportError, match="not begun, it was closed meanwhile"):
        await waiting
    assert "closed while something was on its way" in caplog.text


async def test_a_driver_that_fails_is_told_and_lets_go_of_its_port(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    await opened(world)
    call = asyncio.ensure_future(world.do(finish=False))
    await world.until(lambda: "command" in world.log)

    def fail(_: bytes) -> Actions:
        raise ZeroDivisionError("a mistake of ours")

    world.link.protocol.on_data = fail
    assert world.link.failed == ""
    world.port.came.put_nowait(b"x")
    with pytest.raises(OutcomeUnknown, match="its driver failed"):
        await call
    assert world.link.failed == "the driver failed: ZeroDivisionError"
    with pytest.raises(TransportError, match="out of use"):
        await world.do()
    assert "Traceback" in caplog.text
    assert world.happened == ["port closed"]
    assert not world.link.connected
    await world.until(world.link._tasks[1].done)
    assert len(world.ports) == 1
    await world.link.close()


async def test_one_lines_trouble_is_not_anothers(monkeypatch: pytest.MonkeyPatch) -> None:
    sick, well = World(), World()
    for one in (sick, well):
        monkeypatch.setattr(link_module, "open_port", one.open_port)
        await opened(one)
    sick.link.protocol.on_data = lambda _: 1 / 0  # type: ignore[arg-type,return-value]
    sick.port.came.put_nowait(b"x")
    await until(lambda: not sick.link.connected)
    assert await well.do(Send(b"ask")) == "done"
    assert well.happened == [b"ask"]
    for one in (sick, well):
        await one.link.close()


# On real ports.


class Echo(Script):
    """Says hello whenever the line opens, and what it hears into the journal."""

    def opened(self, now: float) -> Actions:
        super().opened(now)
        return (Send(b"hello"),)


def real(url: str, journal: DeviceJournal, name: str = "bills") -> Link[Echo]:
    return Link(name=name, url=url, line=LineSettings(), protocol=Echo, journals={"": journal})


async def test_a_device_that_comes_back_under_another_number_is_found_and_no_other_is_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module.random, "uniform", lambda _a, _b: 0.01)
    moved, other = Pty(tmp_path / "usb-FTDI_A1"), Pty(tmp_path / "usb-FTDI_B2")
    links = [real(wire.url, FileJournal(tmp_path / f"{n}.jsonl")) for n, wire in enumerate((moved, other))]
    for link, wire in zip(links, (moved, other), strict=True):
        await link.open()
        assert await wire.heard(5) == b"hello"
    before = moved.name
    moved.unplug()
    await until(lambda: not links[0].connected)
    placeholder = Pty()  # takes the old number, as another adapter would
    moved.plug()
    assert moved.name != before
    assert await moved.heard(5) == b"hello"
    moved.send(b"I am back")
    await until(lambda: b"I am back" in links[0].protocol.log)
    other.send(b"undisturbed")
    await until(lambda: b"undisturbed" in links[1].protocol.log)
    assert links[1].protocol.log == ["opened", b"undisturbed"]
    for link in links:
        await link.close()
    for wire in (moved, other, placeholder):
        wire.unplug()


async def test_nothing_is_left_over_after_200_lives(
    monkeypatch: pytest.MonkeyPatch, run_out: Callable[[], None]
) -> None:
    monkeypatch.setattr(link_module.random, "uniform", lambda _a, _b: 0.001)
    wire = Pty()

    async def live(number: int) -> None:
        link = real(wire.url, Journal([]))
        await link.open()
        if number % 4:
            assert await wire.heard(5) == b"hello"
        if number % 4 == 2:
            call = asyncio.ensure_future(link.call(Do(finish=False), what="it", timeout_s=LONG_S))
            await until(lambda: "command" in link.protocol.log)
            run_out()
            with pytest.raises(OutcomeUnknown):
                await call
        await link.close()
        if number % 4:
            assert await wire.heard(3) == b"bye"

    def count() -> tuple[int, int]:
        return len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks())

    async def given_back() -> None:
        # A port whose opening was cut short is given back by its thread: nobody else can have it before.
        async with asyncio.timeout(20):
            while True:
                try:
                    (await open_port(wire.url, LineSettings())).close()
                except TransportError:
                    await asyncio.sleep(0.001)
                else:
                    return

    for number in range(4):
        await live(number)
    await given_back()
    before = count()
    for number in range(200):
        await live(number)
    await given_back()
    await until(lambda: count() == before)
    wire.unplug()
