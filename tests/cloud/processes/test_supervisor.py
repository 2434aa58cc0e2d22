"""Processes of one port: begun, killed, restarted one after another under load, ended; nobody's request is cut off."""

import asyncio
import json
import os
import signal
import socket
import sys
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any

import httpx

from tests.cloud import hub

_SMALL = Path(__file__).with_name("small.py")
_TREE = Path(__file__).parents[3]


async def until(check: Callable[[], Any]) -> Any:
    """As ever, with patience for interpreters that begin on a machine that has much else to do."""
    return await hub.until(check, timeout=60.0)


class Family:
    """A supervisor of small hubs, from outside."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path, systemd: socket.socket) -> None:
        self.process = process
        self.log = log
        self._systemd = systemd
        self._notified: list[str] = []

    def notified(self) -> list[str]:
        """What systemd was told, but that nothing hangs."""
        with suppress(BlockingIOError):
            while True:
                self._notified.append(self._systemd.recv(4096).decode())
        return [text for text in self._notified if text != "WATCHDOG=1"]

    def told(self, message: str) -> list[dict[str, Any]]:
        """What the log has of this message."""
        self.notified()  # or no more would go into the socket, of which ten are enough
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.endswith("}")]
        return [line for line in lines if line["message"] == message]

    async def port(self) -> int:
        """Once all serve."""
        found = await until(lambda: self.told("all processes serve"))
        return int(found[0]["port"])

    def children(self) -> dict[str, int]:
        """The last of each process that came to serve, as the log has it."""
        return {line["of"]: line["child"] for line in self.told("a process serves")}


@asynccontextmanager
async def family(directory: Path, processes: int = 2, drain: float = 0.5) -> AsyncIterator[Family]:
    """It runs in `directory` until the context ends."""
    log = directory / "log"
    systemd, address = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM), f"kioskwire-{uuid.uuid4()}"
    systemd.bind(f"\0{address}")
    systemd.setblocking(False)
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(_SMALL),
            str(directory),
            str(processes),
            str(drain),
            stdout=file,
            stderr=file,
            env={**os.environ, "PYTHONPATH": str(_TREE), "NOTIFY_SOCKET": f"@{address}"},
        )
    with closing(systemd):
        try:
            yield Family(process, log, systemd)
        finally:  # all of them end in order, whatever was done to them
            if process.returncode is None:
                process.terminate()
                async with asyncio.timeout(90):
                    assert await process.wait() == 0
            assert b"is killed" not in log.read_bytes()


class Found(Counter[str]):
    """Who answered, and failures; `ended` counts both by caller."""

    def __init__(self) -> None:
        super().__init__()
        self.ended: Counter[int] = Counter()


@asynccontextmanager
async def callers(port: int, many: int = 8) -> AsyncIterator[Found]:
    """They send without a pause, half of them over a new connection each time."""
    found = Found()
    over = asyncio.Event()

    async def call(number: int) -> None:
        limits = httpx.Limits(max_keepalive_connections=0 if number % 2 else 5)
        async with httpx.AsyncClient(trust_env=False, limits=limits, timeout=120) as http:
            while not over.is_set():
                try:
                    answer = await http.post(f"http://127.0.0.1:{port}/send", content=b"{}")
                except httpx.HTTPError as error:
                    found[f"failed: {error!r}"] += 1
                else:
                    found[str(answer.json()["pid"]) if answer.status_code == 200 else f"failed: {answer}"] += 1
                found.ended[number] += 1
                await asyncio.sleep(0.002)

    tasks = [asyncio.create_task(call(number)) for number in range(many)]
    try:
        yield found
    finally:
        over.set()
        await asyncio.gather(*tasks)


def failures(found: Counter[str]) -> dict[str, int]:
    """What callers were not answered."""
    return {name: number for name, number in found.items() if name.startswith("failed")}


async def test_a_rolling_restart_cuts_off_nobody_and_is_given_up_where_it_cannot_go_on(tmp_path: Path) -> None:
    async with family(tmp_path) as hubs:
        port = await hubs.port()
        async with callers(port) as found:
            await until(lambda: len(found) == 2)
            before = hubs.children()
            hubs.process.send_signal(signal.SIGHUP)
            await until(lambda: hubs.told("all processes are restarted"))
            after = hubs.children()
            await until(lambda: {str(pid) for pid in after.values()} <= set(found))
            (tmp_path / "status").write_text("2")
            hubs.process.send_signal(signal.SIGHUP)
            told = await until(lambda: hubs.told("the restart is given up: the processes that serve go on"))
        assert hubs.notified() == ["READY=1"]
        assert failures(found) == {}
        assert set(found) == {str(pid) for pid in [*before.values(), *after.values()]}
        assert len(found) == 4
        assert told[0]["reason"].startswith("process 1 could not begin anew: exit status 2")
        assert hubs.children() == after


async def test_one_that_is_killed_is_started_anew_and_its_port_served_meanwhile(tmp_path: Path) -> None:
    async with family(tmp_path) as hubs:
        port = await hubs.port()
        async with callers(port, many=4) as found:
            killed = hubs.children()["1"]
            await until(lambda: found[str(killed)] > 5)
            os.kill(killed, signal.SIGSTOP)
            async with callers(port, many=16) as waiting:  # about half of them in its queue, which nobody reads now
                await asyncio.sleep(0.3)
                os.kill(killed, signal.SIGKILL)
            await until(lambda: hubs.told("a process has died, and is started anew"))
            # Those that were connected to it have failed by now: each of them has asked again.
            ended = found.ended.copy()
            await until(lambda: all(found.ended[number] >= ended[number] + 2 for number in range(4)))
            lost = sum(failures(found).values())
            await until(lambda: hubs.children()["1"] != killed and found[str(hubs.children()["1"])])
        assert lost <= 4
        assert failures(waiting) == {}
        assert sum(failures(found).values()) == lost
        assert hubs.told("sockets of another process")[0]["process"] == "2"
        for _ in range(4):
            await until(lambda: _all_up(port))  # one that comes late to its turn is left out, as it should be
        os.kill(stands := hubs.children()["2"], signal.SIGSTOP)
        try:
            assert await until(lambda: up(port)) == {"1": 1.0, "2": 0.0}
        finally:
            os.kill(stands, signal.SIGCONT)


async def _all_up(port: int) -> bool:
    return await up(port) == {"1": 1.0, "2": 1.0}


async def up(port: int) -> dict[str, float]:
    """Of which processes the page has figures, whichever answers; nothing where none of several does."""

    async def page() -> str:
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=10) as http:
                return (await http.get(f"http://127.0.0.1:{port}/metrics")).text
        except httpx.TimeoutException:  # it came to one that stands still
            return ""

    asked = [asyncio.ensure_future(page()) for _ in range(6)]
    try:
        for answer in asyncio.as_completed(asked):
            lines = [line for line in (await answer).splitlines() if line.startswith("kioskwire_process_up{")]
            if lines:
                return {line.split('"')[1]: float(line.split()[1]) for line in lines}
        return {}
    finally:
        for each in asked:
            each.cancel()
        await asyncio.gather(*asked, return_exceptions=True)


async def test_what_cannot_begin_at_first_ends_all_with_its_status(tmp_path: Path) -> None:
    (tmp_path / "status").write_text("2")
    async with family(tmp_path) as hubs, asyncio.timeout(90):
        assert await hubs.process.wait() == 2
        assert hubs.notified() == []


async def test_children_of_a_supervisor_that_is_killed_end(tmp_path: Path) -> None:
    async with family(tmp_path) as hubs:
        await hubs.port()
        children = hubs.children().values()
        hubs.process.kill()
        await hubs.process.wait()
        await until(lambda: not any(_lives(pid) for pid in children))


async def test_told_twice_they_end_at_once(tmp_path: Path) -> None:
    async with family(tmp_path, drain=100.0) as hubs:
        await until(hubs.notified)
        assert set(hubs.children()) == {"1", "2"}  # before which nobody is told that all is ready
        children = hubs.children().values()
        hubs.process.terminate()
        await until(lambda: hubs.told("stopping"))
        hubs.process.terminate()
        async with asyncio.timeout(90):  # rather than 100 s for each
            assert await hubs.process.wait() == 0
        assert not any(_lives(pid) for pid in children)
        # The time that it asks for is what it needs where it is not told twice: to send kiosks away, and to end.
        assert hubs.notified() == ["READY=1", f"STOPPING=1\nEXTEND_TIMEOUT_USEC={int((100.0 + 20.0) * 1e6)}"]


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
