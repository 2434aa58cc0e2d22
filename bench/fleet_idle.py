"""Thousands of silent kiosks on some hubs: what each holds in memory, and what coming and coming again costs."""

import argparse
import asyncio
import contextlib
import tempfile
import time
from pathlib import Path

from bench.fleet_figures import Idle
from bench.measure import read_cpu, read_usage
from bench.program import StackError
from bench.storm import Crowds, Site, allow_files

_SPARE_FILES = 1000
_QUIET = 15.0  # seconds that are watched while all are silent
_PATIENCE = 3.0  # times what it should take


def measure(hubs: int, kiosks: int, rate: float) -> Idle:
    """`rate`: kiosks that come a second. Raises `StackError` in words."""
    allow_files(kiosks + _SPARE_FILES)
    options = argparse.Namespace(kiosks=kiosks, hubs=hubs, processes=0, accept_rate=None, postgresql=True, redis=True)
    with tempfile.TemporaryDirectory(prefix="kioskwire-idle-") as name, contextlib.ExitStack() as stack:
        return asyncio.run(_measure(options, Path(name), stack, rate))


async def _measure(options: argparse.Namespace, directory: Path, stack: contextlib.ExitStack, rate: float) -> Idle:
    site = Site(directory, options, stack)
    stack.callback(site.stop)
    kiosks = await site.fill()
    await asyncio.to_thread(site.start)
    pids = list(site.pids().values())
    redis = [site.redis] if site.redis else []
    await asyncio.sleep(3.0)
    before, kernel, redis_before = _memory(pids), _kernel(), _memory(redis)
    first = Crowds(kiosks, directory, rate)
    at, used = time.monotonic(), read_cpu(pids)
    try:
        await first.start(site.ports)
        await _all_there(first, len(kiosks), rate)
        came = time.monotonic() - at
        connect = read_cpu(pids) - used
        await asyncio.sleep(_QUIET / 2)
        used = read_cpu(pids)
        await asyncio.sleep(_QUIET)
        idle = (read_cpu(pids) - used) / _QUIET
        after, kernel_after, redis_after = _memory(pids), _kernel(), _memory(redis)
    finally:
        at, used = time.monotonic(), read_cpu(pids)
        await first.stop()
    again = Crowds(kiosks, directory, rate)
    try:
        await asyncio.sleep(5.0)  # within which all are known to have left
        await again.start(site.ports)
        await _all_there(again, len(kiosks), rate)
        reconnect = read_cpu(pids) - used - idle * (time.monotonic() - at) / 2
    finally:
        await again.stop()
    count = len(kiosks)
    return Idle(
        processes=len(pids), kiosks=count, bytes_hubs=after - before, bytes_kernel=kernel_after - kernel,
        came_s=came, connect_ms=(connect - idle * came / 2) / count * 1000, reconnect_ms=reconnect / count * 1000,
        idle_cores=idle, bytes_redis=redis_after - redis_before,
    )  # fmt: skip


async def _all_there(crowds: Crowds, count: int, rate: float) -> None:
    end = time.monotonic() + 60 + _PATIENCE * count / rate
    while len(crowds.up) < count:
        crowds.check()
        if time.monotonic() > end:
            raise StackError(f"{len(crowds.up)} of {count} kiosks came")
        await asyncio.sleep(0.1)


def _memory(pids: list[int]) -> int:
    return sum(read_usage(pid).rss_bytes for pid in pids)


def _kernel() -> int:
    """Bytes of the kernel's own objects, all of the machine: sockets are there, and no process has them."""
    lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines())
    return int(lines["Slab"].split()[0]) * 1024
