"""What the service manager hears, over a real socket, and when it hears nothing more."""

import asyncio
import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from appliance.app import Appliance, run
from appliance.logs import Logs
from appliance.notify import (
    LATE_LIMIT_S,
    STATUS_MAX,
    STOP_STEP_S,
    WRITER_LIMIT_S,
    Facts,
    Notifier,
    Pulse,
    describe,
    held_up,
)
from appliance.settings import load
from tests.appliance.worlds import TOKEN, Hub, gateway, hub, reply, request, until


class Manager:
    """The service manager's end."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.socket.setblocking(False)
        self.environ = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "600000"}

    def heard(self) -> list[str]:
        """Every line since last asked."""
        lines: list[str] = []
        with contextlib.suppress(BlockingIOError):
            while True:
                lines += self.socket.recv(4096).decode().split("\n")
        return lines


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    name = str(tmp_path / "notify") if request.param == "path" else f"@kioskwire-test-{os.getpid()}"
    found = Manager(name)
    yield found
    found.socket.close()


GOOD = Facts(writer_silent=0.1)


@pytest.mark.parametrize(
    ("facts", "word"),
    [
        (GOOD, ""),
        (Facts(writer_silent=WRITER_LIMIT_S), ""),
        (Facts(writer_silent=WRITER_LIMIT_S + 1), "journal's thread"),
        (Facts(writer_silent=0, latest=LATE_LIMIT_S), ""),
        (Facts(writer_silent=0, latest=LATE_LIMIT_S + 1), "should have begun"),
        (Facts(writer_silent=0, overrun=("payment is at work for 900 s",)), "900 s"),
        (Facts(writer_silent=0, ended=("uplink",)), "task uplink has ended"),
    ],
)
def test_what_counts_as_held_up(facts: Facts, word: str) -> None:
    reasons = held_up(facts)
    assert [word in reason for reason in reasons] == ([True] if word else [])


def test_words_reach_the_socket_wherever_it_is(manager: Manager) -> None:
    notifier = Notifier(manager.environ)
    assert (notifier.listens, notifier.watchdog_s) == (True, 0.6)
    notifier.ready("idle")
    notifier.reloading()
    notifier.stopping("two\nlines " + "x" * 999)
    heard = manager.heard()
    assert heard[:2] == ["READY=1", "STATUS=idle"]
    assert heard[2] == "RELOADING=1"
    assert heard[3].startswith("MONOTONIC_USEC=")
    assert heard[5:7] == ["STOPPING=1", f"EXTEND_TIMEOUT_USEC={int(STOP_STEP_S * 1e6)}"]
    assert heard[7].startswith("STATUS=two lines xxx")
    assert len(heard[7]) <= len("STATUS=") + STATUS_MAX
    notifier.close()


@pytest.mark.parametrize(
    "environ",
    [
        {}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "relative"}, {"NOTIFY_SOCKET": "@"},
        {"NOTIFY_SOCKET": "/nowhere/at/all", "WATCHDOG_USEC": "many"}, {"NOTIFY_SOCKET": "vsock:2:1234"},
        {"NOTIFY_SOCKET": "/" + "x" * 300},
    ],
)  # fmt: skip
def test_without_a_manager_nothing_is_told_and_nothing_fails(environ: dict[str, str]) -> None:
    notifier = Notifier(environ)
    assert notifier.watchdog_s is None
    assert notifier.tell("READY=1") is False
    assert Pulse(notifier, lambda: GOOD, lambda: "idle").beat() is True
    notifier.close()


def test_a_watchdog_that_is_another_processs_is_not_ours() -> None:
    assert Notifier({"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}, pid=77).watchdog_s is None
    assert Notifier({"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "77"}, pid=77).watchdog_s == 1.0


def test_the_watchdog_is_fed_only_while_the_work_turns(tmp_path: Path) -> None:
    manager = Manager(str(tmp_path / "notify"))
    facts = [GOOD]
    notifier = Notifier(manager.environ)
    pulse = Pulse(notifier, lambda: facts[0], lambda: "idle")
    assert pulse.beat()
    assert manager.heard() == ["WATCHDOG=1", "STATUS=idle"]
    assert pulse.beat()
    assert manager.heard() == ["WATCHDOG=1"]
    facts[0] = Facts(writer_silent=500)
    assert not pulse.beat()
    assert manager.heard() == ["STATUS=the journal's thread was last heard of 500 s ago"]
    assert not pulse.beat()
    assert manager.heard() == []
    facts[0] = GOOD
    assert pulse.beat()
    assert manager.heard() == ["WATCHDOG=1", "STATUS=idle"]
    notifier.close()
    manager.socket.close()


def test_a_status_that_was_not_heard_is_told_again(tmp_path: Path) -> None:
    address = tmp_path / "notify"
    notifier = Notifier({"NOTIFY_SOCKET": str(address)})
    pulse = Pulse(notifier, lambda: GOOD, lambda: "idle")
    pulse.beat()
    manager = Manager(str(address))
    pulse.beat()
    notifier.close()
    assert manager.heard() == ["STATUS=idle"]
    manager.socket.close()


def test_how_a_kiosk_is_in_a_line() -> None:
    assert describe(connected=True, trouble="", devices=0, ailing=0, waiting=0, running=0, owed=0) == (
        "connected to the hub; idle"
    )
    assert describe(connected=False, trouble="refused", devices=3, ailing=1, waiting=2, running=1, owed=4) == (
        "no hub: refused; 3 devices, 1 in trouble; 1 operations at work, 2 waiting; 4 outcomes to tell"
    )
    well = {"devices": 0, "ailing": 0, "waiting": 0, "running": 0, "owed": 0}
    assert describe(connected=False, trouble="", nobody="not enrolled", routes_wrong=True, **well) == (
        "not enrolled; the changed routing file is not in force: kioskwire-appliance check-config says why; idle"
    )


class World:
    """An appliance under a service manager."""

    def __init__(self, appliance: Appliance, manager: Manager, there: Hub) -> None:
        self.appliance, self.manager, self.hub = appliance, manager, there


@contextlib.asynccontextmanager
async def world(directory: Path, url: str = "http://127.0.0.1:1/") -> AsyncIterator[World]:
    """It has begun."""
    manager = Manager(str(directory / "notify"))
    async with hub() as there:
        loaded = load(None, environment(directory, there, url))
        notifier = Notifier(manager.environ)
        appliance = Appliance(loaded, notifier=notifier)
        await appliance.start()
        pulse = asyncio.create_task(appliance.pulse().run())
        try:
            yield World(appliance, manager, there)
        finally:
            pulse.cancel()
            await asyncio.gather(pulse, return_exceptions=True)
            await appliance.stop()
            notifier.close()
            manager.socket.close()


def environment(directory: Path, there: Hub, url: str) -> dict[str, str]:
    """Settings of a kiosk."""
    routes = directory / "routes.yaml"
    routes.write_text(f"routes: {{payment: {{url: '{url}', timeout: 65}}}}\n")
    return {
        "WS_SERVER_URL": there.url, "WS_TOKEN": TOKEN, "ROUTING_CONFIG": str(routes),
        "STATE_DIR": str(directory / "state"), "HEALTH_CHECK_PORT": "0",
    }  # fmt: skip


async def test_a_running_kiosk_feeds_and_says_how_it_is(tmp_path: Path) -> None:
    async with world(tmp_path) as kiosk:
        heard: list[str] = []
        await until(lambda: heard.extend(kiosk.manager.heard()) or heard.count("WATCHDOG=1") > 2)
        await until(lambda: heard.extend(kiosk.manager.heard()) or "STATUS=connected to the hub; idle" in heard)


async def test_a_hung_writer_ends_the_feeding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread hangs in a job, as in a disk that never answers; the event loop goes on turning."""
    monkeypatch.setattr("appliance.notify.WRITER_LIMIT_S", 3.0)
    async with world(tmp_path) as kiosk:
        release = threading.Event()
        hung = asyncio.ensure_future(kiosk.appliance.journal.read(lambda book: release.wait(60)))
        heard: list[str] = []
        await until(lambda: heard.extend(kiosk.manager.heard()) or any("journal's thread" in line for line in heard))
        fed = heard.count("WATCHDOG=1")
        await asyncio.sleep(1.0)
        assert kiosk.manager.heard().count("WATCHDOG=1") == 0
        assert fed > 0
        release.set()
        await until(lambda: "WATCHDOG=1" in kiosk.manager.heard())
        await hung


async def test_a_blocked_loop_ends_the_feeding(tmp_path: Path) -> None:
    async with world(tmp_path) as kiosk:
        await until(lambda: "WATCHDOG=1" in kiosk.manager.heard())
        time.sleep(1.0)  # noqa: ASYNC251 - the mistake that is to be found
        assert kiosk.manager.heard().count("WATCHDOG=1") == 0


async def test_an_uplink_that_ended_ends_the_feeding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with world(tmp_path) as kiosk:
        monkeypatch.setattr(type(kiosk.appliance.uplink), "ended", True)
        heard: list[str] = []
        await until(lambda: heard.extend(kiosk.manager.heard()) or "STATUS=the task uplink has ended" in heard)
        await asyncio.sleep(0.5)
        assert "WATCHDOG=1" not in kiosk.manager.heard()


async def test_an_operation_beyond_its_routes_time_ends_the_feeding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = asyncio.Event()

    async def answer(call: object) -> bytes:
        await held.wait()
        return reply()

    monkeypatch.setattr("appliance.operations.service.OVERRUN_GATEWAY_S", -64.0)
    async with gateway(answer) as terminal, world(tmp_path, terminal.url) as kiosk:
        kiosk.appliance.operations.request(request())
        heard: list[str] = []
        await until(
            lambda: heard.extend(kiosk.manager.heard()) or any("of payment is at work" in line for line in heard)
        )
        kiosk.manager.heard()
        await asyncio.sleep(0.5)
        assert "WATCHDOG=1" not in kiosk.manager.heard()
        held.set()
        await until(lambda: "WATCHDOG=1" in kiosk.manager.heard())


async def test_the_program_says_ready_reloading_and_stopping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Signals from the moment of READY=1 on are heeded: none of them kills."""
    manager = Manager(str(tmp_path / "notify"))
    for name, value in manager.environ.items():
        monkeypatch.setenv(name, value)
    async with hub() as there:
        loaded = load(None, environment(tmp_path, there, "http://127.0.0.1:1/"))
        running = asyncio.create_task(run(loaded, Logs("ERROR")))
        heard: list[str] = []
        await until(lambda: heard.extend(manager.heard()) or "READY=1" in heard)
        assert heard[0] == "READY=1"
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: heard.extend(manager.heard()) or heard.count("READY=1") == 2)
        assert heard.index("RELOADING=1") < len(heard) - heard[::-1].index("READY=1")
        os.kill(os.getpid(), signal.SIGTERM)
        await running
    heard += manager.heard()
    assert "STOPPING=1" in heard
    assert f"EXTEND_TIMEOUT_USEC={int(STOP_STEP_S * 1e6)}" in heard
    manager.socket.close()
