"""What a process used and how quiet the machine was, read from /proc (Linux only).

A process is measured with its children, because some hubs (Crossbar) do their work in one.
"""

from __future__ import annotations

import os
import socket
import statistics
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


@dataclass(frozen=True)
class Usage:
    """What a process and its children have used so far. PSS is None where the kernel does not tell it."""

    cpu_seconds: float
    rss_bytes: int
    pss_bytes: int | None


def read_usage(pid: int) -> Usage:
    """The usage of a process with its children; raises ProcessLookupError if it is gone."""
    cpu, rss, pss = 0.0, 0, 0
    pss_known = True
    for each in _family(pid):
        try:
            fields = _stat_fields(each)
            status = (_PROC / str(each) / "status").read_text()
        except OSError as error:
            if each == pid:
                raise ProcessLookupError(pid) from error
            continue
        if each == pid and fields[0] == "Z":
            raise ProcessLookupError(pid)
        cpu += (int(fields[11]) + int(fields[12])) / _TICK
        rss += _kilobytes(status, "VmRSS:")
        try:
            pss += _kilobytes((_PROC / str(each) / "smaps_rollup").read_text(), "Pss:")
        except OSError:
            pss_known = False
    return Usage(cpu, rss, pss if pss_known else None)


def read_cpu(pids: Iterable[int]) -> float:
    """CPU seconds of the processes with their children; one that is gone counts nothing."""
    total = 0.0
    for pid in pids:
        for each in _family(pid):
            try:
                fields = _stat_fields(each)
            except OSError:
                continue
            total += (int(fields[11]) + int(fields[12])) / _TICK
    return total


@dataclass(frozen=True)
class Machine:
    """Seconds all cores were busy, and seconds the hypervisor gave to others, since boot."""

    busy: float
    steal: float


def read_machine() -> Machine:
    """The first line of /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal."""
    with (_PROC / "stat").open() as file:
        ticks = [int(each) for each in file.readline().split()[1:9]]
    user, nice, system, _idle, _iowait, irq, softirq, steal = ticks
    return Machine((user + nice + system + irq + softirq) / _TICK, steal / _TICK)


@dataclass(frozen=True)
class Noise:
    """How fast the machine does three plain things now; far from another run's, the runs do not compare."""

    loadavg: tuple[float, float, float]
    python_mops: float
    round_trips_per_s: float
    fsync_ms: float

    def __str__(self) -> str:
        load = " ".join(f"{each:.2f}" for each in self.loadavg)
        return (
            f"load average {load}; plain Python {self.python_mops:.1f} M loops/s; loopback TCP "
            f"{self.round_trips_per_s:.0f} round trips/s; fsync of 4 KiB {self.fsync_ms:.2f} ms (median)"
        )


def read_noise(directory: Path) -> Noise:
    """Take the baselines, about a second; `directory` is where the journals will be."""
    return Noise(
        loadavg=os.getloadavg(),
        python_mops=round(max(python_mops() for _ in range(3)), 2),
        round_trips_per_s=round(_round_trips(0.3), 1),
        fsync_ms=round(_fsync_ms(directory), 3),
    )


def python_mops(count: int = 1_000_000) -> float:
    """How fast an empty Python loop runs here and now, in millions of turns a second."""
    started = time.perf_counter()
    for _ in range(count):
        pass
    return count / (time.perf_counter() - started) / 1e6


def cpu_model() -> str:
    """The processor's name, as it calls itself."""
    for line in (_PROC / "cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown"


def _round_trips(seconds: float) -> float:
    """One byte there and back between two threads over loopback."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        peer, _ = server.accept()

    def answer() -> None:
        with peer:
            while received := peer.recv(1):
                peer.sendall(received)

    for end in (client, peer):
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    thread = threading.Thread(target=answer, name="echo", daemon=True)
    thread.start()
    trips = 0
    started = time.perf_counter()
    while time.perf_counter() - started < seconds:
        client.sendall(b"x")
        client.recv(1)
        trips += 1
    took = time.perf_counter() - started
    client.close()
    thread.join()
    return trips / took


def _fsync_ms(directory: Path) -> float:
    path = directory / "fsync-baseline"
    took = []
    with path.open("wb", buffering=0) as file:
        for _ in range(30):
            started = time.perf_counter()
            file.write(b"\0" * 4096)
            os.fsync(file.fileno())
            took.append(time.perf_counter() - started)
    path.unlink()
    return statistics.median(took) * 1000


def _family(pid: int) -> list[int]:
    """The process and all below it."""
    found = [pid]
    for each in found:
        for task in (_PROC / str(each) / "task").glob("*/children"):
            try:
                found.extend(int(child) for child in task.read_text().split())
            except OSError:
                continue
    return found


def _stat_fields(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat after the name, which may itself hold spaces and brackets."""
    return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()


def _kilobytes(text: str, label: str) -> int:
    for line in text.splitlines():
        if line.startswith(label):
            return int(line.split()[1]) * 1024
    return 0
