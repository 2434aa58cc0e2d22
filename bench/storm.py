"""What happens when a hub dies under its kiosks: `make storm`.

Thousands of simulated kiosks (`bench.crowd`) are connected to real hubs, one of which is killed with -9. Measured is
how soon all that it held are back and how evenly they come, how long `POST /send` to those that are back takes
meanwhile, what the hubs' processes and the cores do, and what an idle kiosk costs a hub in memory.

    python -m bench.storm                      10,000 kiosks on two hubs, PostgreSQL and Redis of their own
    python -m bench.storm --processes 2        the two hubs are processes of one `serve`, on one port
    python -m bench.storm --hubs 1             one hub on SQLite, killed and started again
    python -m bench.storm --kiosks 1000 --old --json storm.json

Two hubs have a port each; kiosks choose between those that live by chance, as behind a balancer that notices within
half a second which does not.
"""

import argparse
import asyncio
import contextlib
import json
import os
import resource
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.measure import read_usage
from bench.program import StackError, die_with
from bench.stack import Hub
from bench.storm_figures import AIMS, Seen, figures, is_met, table
from bench.storm_watch import Prober, Watch
from cloud.db.engine import open_engine
from cloud.db.migrate import migrate
from cloud.db.tables import kiosks as kiosk_rows
from cloud.kiosks.tokens import Tokens
from cloud.settings import Settings, database_url

_PER_CROWD = 5000
_SPARE_FILES = 1000
_NOTICED_AFTER = 0.5  # seconds until a balancer sends nobody to a dead hub
_SETTLE = 8.0


def allow_files(wanted: int) -> None:
    """Have this process and its children open so many files. Raises `StackError` in words."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= wanted:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))
    except (ValueError, OSError):
        raise StackError(
            f"each socket is an open file: {wanted} are needed and {hard} allowed. As root: ulimit -n {wanted}; "
            f"or take fewer kiosks: --kiosks {max(1, hard - _SPARE_FILES)}"
        ) from None


class Crowds:
    """The kiosks: processes of `bench.crowd`, and what they told."""

    def __init__(self, kiosks: list[tuple[str, str]], directory: Path, rate: float, *, is_old: bool = False) -> None:
        self.up: dict[str, float] = {}  # since when, of those that are
        self.downs: list[tuple[str, float]] = []
        self.ups: list[tuple[str, float]] = []
        self.turned_away: list[float] = []
        self.failed = 0
        self._directory = directory
        self._parts = [kiosks[at : at + _PER_CROWD] for at in range(0, len(kiosks), _PER_CROWD)]
        self._arguments = ["--rate", str(rate / len(self._parts)), *(["--old"] if is_old else [])]
        self._processes: list[asyncio.subprocess.Process] = []
        self._readers: list[asyncio.Task[None]] = []

    async def start(self, ports: list[int]) -> None:
        """Let them in."""
        for number, part in enumerate(self._parts):
            path = self._directory / f"kiosks-{number}.json"
            path.write_text(json.dumps(part), encoding="utf-8")
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "bench.crowd", str(path), *self._arguments,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=16 * 1024 * 1024,
                preexec_fn=die_with(os.getpid()),
            )  # fmt: skip
            self._processes.append(process)
            self._readers.append(asyncio.create_task(self._read(process)))
        await self.dial(ports)

    async def dial(self, ports: list[int]) -> None:
        """Where they go from now on."""
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write(json.dumps(ports).encode() + b"\n")
            await process.stdin.drain()

    async def stop(self) -> None:
        """Send them home."""
        for process in self._processes:
            if process.returncode is None:
                process.kill()
            await process.wait()
        for reader in self._readers:
            reader.cancel()

    def check(self) -> None:
        """Raise `StackError` if one of the processes has ended."""
        if ended := [process.returncode for process in self._processes if process.returncode is not None]:
            raise StackError(f"a process with kiosks ended with {ended[0]}")

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            told = json.loads(line)
            # One that went and came within one line did so in this order.
            for name, at in told["down"]:
                self.up.pop(name, None)
                self.downs.append((name, at))
            for name, at in told["up"]:
                self.up[name] = at
                self.ups.append((name, at))
            self.turned_away += told["turned_away"]
            self.failed += told["failed"]


class Site:
    """Hubs, and what they stand on."""

    def __init__(self, directory: Path, options: argparse.Namespace, stack: contextlib.ExitStack) -> None:
        self.options = options
        given = {"LOG_LEVEL": "WARNING"}
        if options.accept_rate is not None:
            given["ACCEPT_RATE"] = str(options.accept_rate)
        self.redis = 0  # its pid, where there is one
        count = 1 if options.processes else options.hubs
        if count > 1 or options.processes > 1 or options.postgresql:
            given |= self._servers(stack, is_shared=count > 1 or options.processes > 1 or options.redis)
        first = Hub(directory / "hub-1")
        self.hubs = [
            Hub(directory / f"hub-{number}", settings=given, jwt_secret=first.jwt_secret, admin_key=first.admin_key)
            for number in range(1, count + 1)
        ]
        if options.processes:
            self.hubs[0].command = (*Hub.command, "--processes", str(options.processes))  # type: ignore[assignment]

    def _servers(self, stack: contextlib.ExitStack, *, is_shared: bool) -> dict[str, str]:
        """Start PostgreSQL and Redis; the settings that name them."""
        from bench.postgresql import running_server  # noqa: PLC0415 - one hub on SQLite needs neither
        from bench.redis_server import running_redis  # noqa: PLC0415

        database = stack.enter_context(running_server())
        database.execute("CREATE DATABASE storm")
        given = {"DATABASE_URL": database.url("storm")}
        if is_shared:
            redis = stack.enter_context(running_redis())
            self.redis = redis.pid
            given["REDIS_URL"] = redis.url
        return given

    async def fill(self) -> list[tuple[str, str]]:
        """Register the kiosks; their ids and tokens."""
        hub = self.hubs[0]
        (hub.directory / "state").mkdir(exist_ok=True)
        engine = open_engine(database_url(Settings(database_url={**hub.environment(), **hub.settings}["DATABASE_URL"])))
        await migrate(engine)
        names = [f"kiosk_{number:05d}" for number in range(1, self.options.kiosks + 1)]
        now = time.time()
        async with engine.begin() as connection:
            values = {"enabled": True, "removed": False, "generation": 0, "created_at": now}
            rows = [{"id": name, "name": name, "revision": at, **values} for at, name in enumerate(names, 1)]
            await connection.execute(kiosk_rows.insert(), rows)
        await engine.dispose()
        tokens = Tokens(hub.jwt_secret)
        return [(name, tokens.issue(name, 0)) for name in names]

    def start(self) -> str:
        """Start them; an API key."""
        for hub in self.hubs:
            hub.start()
        key: str = self.hubs[0].add_api_key("storm")["key"]
        time.sleep(2.5)  # within which the others obey
        return key

    @property
    def ports(self) -> list[int]:
        """Of those that live."""
        return [hub.port for hub in self.hubs if hub.alive]

    def pids(self) -> dict[str, int]:
        """The processes that serve, by name."""
        if not self.options.processes:
            return {hub.directory.name: hub.pid for hub in self.hubs if hub.alive}
        return {f"process-{number}": pid for number, pid in enumerate(_children(self.hubs[0].pid), 1)}

    def victim(self) -> tuple[str, int]:
        """Who is to die."""
        return list(self.pids().items())[-1]

    def stop(self) -> None:
        """End all."""
        for hub in self.hubs:
            hub.stop()
            hub.http.close()


def _children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text(encoding="ascii").split()]
    return sorted(found)


async def storm(options: argparse.Namespace, directory: Path, stack: contextlib.ExitStack) -> dict[str, Any]:
    """All of it; the figures."""
    site = Site(directory, options, stack)
    stack.callback(site.stop)
    kiosks = await site.fill()
    key = await asyncio.to_thread(site.start)
    watch, crowds = Watch(), Crowds(kiosks, directory, options.rate, is_old=options.old)
    watch.pids = site.pids()
    empty = {name: read_usage(pid).rss_bytes for name, pid in watch.pids.items()}
    prober = Prober(lambda: crowds.up, key)
    tasks = [asyncio.create_task(watch.run()), asyncio.create_task(prober.run())]
    try:
        came_at = time.monotonic()
        await crowds.start(site.ports)
        await _until(lambda: len(crowds.up) >= len(kiosks), 60 + 3 * len(kiosks) / options.rate, crowds)
        _say(f"{len(kiosks)} kiosks came in {time.monotonic() - came_at:.1f} s")
        await asyncio.sleep(_SETTLE)
        full = {name: read_usage(pid).rss_bytes for name, pid in watch.pids.items()}
        prober.ports = site.ports
        calm_at = time.monotonic()
        await asyncio.sleep(options.calm)
        name, pid = site.victim()
        if len(site.ports) > 1:
            prober.ports = site.ports[:-1]
            await asyncio.sleep(0.2)
        before = set(crowds.up)
        killed_at = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        _say(f"{name} was killed")
        reborn = asyncio.create_task(_after(site, crowds, prober))
        await _until(lambda: _lost(crowds, killed_at), 10, crowds)
        await asyncio.sleep(1.0)
        lost = {kiosk for kiosk, at in crowds.downs if at >= killed_at}
        prober.only = lost
        await reborn
        watch.pids |= site.pids()
        await _until(lambda: before <= set(crowds.up), options.patience, crowds, must=False)
        over_at = time.monotonic()
        await asyncio.sleep(1.0)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await crowds.stop()
    seen = Seen(
        kiosks=len(kiosks),
        hubs=options.processes or options.hubs,
        calm_at=calm_at,
        killed_at=killed_at,
        over_at=over_at,
        up=dict(crowds.up),
        downs=crowds.downs,
        ups=crowds.ups,
        turned_away=crowds.turned_away,
        failed=crowds.failed,
        probes=prober.seen,
        hub_cpu=watch.hubs,
        core_cpu=watch.cores,
        bytes_held=sum(full[name] - empty[name] for name in full),
    )
    return figures(seen)


def _lost(crowds: Crowds, killed_at: float) -> bool:
    return any(at >= killed_at for _, at in crowds.downs)


async def _after(site: Site, crowds: Crowds, prober: Prober) -> None:
    """What an operator's machine does about a dead hub."""
    await asyncio.sleep(_NOTICED_AFTER)
    if site.options.processes:
        return  # it has a supervisor
    if len(site.hubs) > 1:
        await asyncio.to_thread(site.hubs[-1].kill)
        await crowds.dial(site.ports)
        return
    await asyncio.to_thread(site.hubs[0].kill)  # until the kernel has closed all its sockets
    await asyncio.to_thread(site.hubs[0].start)
    prober.ports = site.ports


async def _until(check: Any, timeout: float, crowds: Crowds, *, must: bool = True) -> None:
    end = time.monotonic() + timeout
    while not check():
        crowds.check()
        if time.monotonic() > end:
            if must:
                raise StackError(f"{len(crowds.up)} kiosks are there after {timeout:.0f} s")
            return
        await asyncio.sleep(0.1)


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def main() -> int:
    """The command line. Exit status 1 where an aim is missed."""
    parser = argparse.ArgumentParser(description="kill a hub under its kiosks, and see how they come back")
    parser.add_argument("--kiosks", type=int, default=10_000)
    parser.add_argument("--hubs", type=int, default=2)
    parser.add_argument("--processes", type=int, default=0, help="hubs are processes of one `serve --processes N`")
    parser.add_argument("--postgresql", action="store_true", help="for one hub as well")
    parser.add_argument("--redis", action="store_true", help="for one hub as well, with PostgreSQL")
    parser.add_argument("--accept-rate", type=float, help="ACCEPT_RATE of each hub; not given: its default")
    parser.add_argument("--rate", type=float, default=250.0, help="kiosks that come a second, at first")
    parser.add_argument("--calm", type=float, default=5.0, help="seconds before the kill")
    parser.add_argument("--patience", type=float, default=120.0, help="seconds after it")
    parser.add_argument("--old", action="store_true", help="kiosks that hear of no spread: the gate alone has them")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    try:
        allow_files(options.kiosks + _SPARE_FILES)
        with tempfile.TemporaryDirectory(prefix="kioskwire-storm-") as name, contextlib.ExitStack() as stack:
            found = asyncio.run(storm(options, Path(name), stack))
    except StackError as error:
        print(f"storm: {error}", file=sys.stderr)
        return 2
    print("\n".join(table(found)))
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return int(not all(is_met(found, aim) for aim in AIMS))


if __name__ == "__main__":
    sys.exit(main())
