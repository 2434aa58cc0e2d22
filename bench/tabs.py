"""What people who look at the dashboard cost those who send: POST /send with and without twenty open overviews.

    make bench-tabs                              100,000 operations lie there, 50 kiosks answer at once
    make bench-tabs BENCH_ARGS="--rate 0"        as much as the hub does, in place of 200 a second

A tab does what its page does: its parts every 5 and 15 seconds, each chart every 30, over a connection of its own.
Rounds without and with them take turns; what is told is the median of the rounds, and of their ratios.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx

from bench.fleet_rows import fill
from bench.stage import MANY, OTHER_CORE, ROOT, Target, environment, numbered, open_stage
from bench.systems import Kioskwire

_PASSWORD = "of nobody, for a bench"
_EVERY = {"/dashboard": 5.0, "/dashboard?part=rest": 15.0}
_CHART_EVERY = 30.0
_FRAGMENT = {"HX-Request": "true"}
_FIGURES = ("rps", "p50_ms", "p99_ms", "max_ms")


def sign_in(hub: Kioskwire, base: str) -> str:
    """The Cookie header of an admin who is signed in."""
    told = hub.command("account", "add", "bench", "--role", "admin")
    link = urlsplit(re.findall(r"http\S+/dashboard/welcome/\S+", told)[0]).path
    with httpx.Client(base_url=base, trust_env=False) as http:
        answer = http.post(link, data={"password": _PASSWORD, "again": _PASSWORD})
        if answer.status_code != 303:
            raise RuntimeError(f"signing in was answered with {answer.status_code}")
        return "; ".join(f"{each.name}={each.value}" for each in http.cookies.jar)


async def look(base: str, cookie: str, tabs: int) -> None:
    """So many tabs, until it is cancelled."""
    async with asyncio.TaskGroup() as group:
        for number in range(tabs):
            group.create_task(_tab(base, cookie, random.Random(number)))


async def _tab(base: str, cookie: str, chance: random.Random) -> None:
    async with httpx.AsyncClient(base_url=base, headers={"Cookie": cookie}, trust_env=False, timeout=30) as http:
        page = (await http.get("/dashboard")).raise_for_status().text
        charts = [each.replace("&amp;", "&") for each in re.findall(r'data-src="([^"]+)"', page)]
        if not charts:
            raise RuntimeError("the overview has no charts")
        asked = {**_EVERY, **dict.fromkeys(charts, _CHART_EVERY)}
        async with asyncio.TaskGroup() as group:
            for address, every in asked.items():
                group.create_task(_again(http, address, every, chance.uniform(0, every)))


async def _again(http: httpx.AsyncClient, address: str, every: float, first: float) -> None:
    await asyncio.sleep(first)
    while True:
        (await http.get(address, headers=_FRAGMENT)).raise_for_status()
        await asyncio.sleep(every)


def load(target: Target, seconds: float, rate: float) -> dict[str, float]:
    """One round of POST /send. Raises `RuntimeError` where an answer is wrong."""
    words = [sys.executable, "-m", "bench.load", "--url", target.url, "--callers", "20", "--seconds", f"{seconds:g}"]
    words += ["--rate", f"{rate:g}", "--core", str(OTHER_CORE), "--body", target.body]
    words += [word for kiosk in target.kiosks for word in ("--kiosk", kiosk)]
    words += [word for header in target.headers for word in ("--header", header)]
    done = subprocess.run(words, cwd=ROOT, env=environment(None), capture_output=True, text=True, check=False)
    found: dict[str, float] = json.loads(done.stdout or "{}")
    if done.returncode or found["errors"]:
        raise RuntimeError(f"{found.get('error_samples')} {done.stderr[-400:]}")
    return found


def run(arguments: argparse.Namespace) -> int:
    """Fill, start, measure, print."""
    with open_stage() as stage:
        url = f"sqlite+aiosqlite:///{stage.directory / 'filled.db'}"
        asyncio.run(fill(url, kiosks=1000, operations=arguments.operations))
        hub = Kioskwire(stage, more={"DATABASE_URL": url})
        kiosks = numbered("here", MANY)
        hub.connect(kiosks)
        target = hub.target("hub", kiosks)
        base = f"http://127.0.0.1:{hub.port}"
        cookie = sign_in(hub, base)
        load(target, arguments.seconds, arguments.rate)
        rounds: dict[int, list[dict[str, float]]] = {0: [], arguments.tabs: []}
        for _ in range(arguments.rounds):
            for tabs, found in rounds.items():
                with looking(base, cookie, tabs):
                    found.append(load(target, arguments.seconds, arguments.rate))
        stage.check()
    return show(rounds)


@contextlib.contextmanager
def looking(base: str, cookie: str, tabs: int) -> Iterator[None]:
    """So many tabs meanwhile, by a program of their own. Raises `RuntimeError` if it ended by itself."""
    if not tabs:
        yield
        return
    words = [sys.executable, "-m", "bench.tabs", "--look", base, "--tabs", str(tabs)]
    process = subprocess.Popen(words, cwd=ROOT, env=environment({"COOKIE": cookie}), stderr=subprocess.PIPE)
    try:
        yield
        if process.poll() is not None:
            raise RuntimeError(f"the tabs closed: {process.communicate()[1].decode()[-600:]}")
    finally:
        process.kill()
        process.wait()


def show(rounds: dict[int, list[dict[str, float]]]) -> int:
    """Print a table; 0."""
    print(f"{'tabs':>5} {'a second':>9} {'p50':>7} {'p99':>7} {'longest':>8}  ms")
    for tabs, found in rounds.items():
        told = {name: statistics.median(one[name] for one in found) for name in _FIGURES}
        print(f"{tabs:>5} {told['rps']:>9.0f} {told['p50_ms']:>7.1f} {told['p99_ms']:>7.1f} {told['max_ms']:>8.1f}")
    alone, beside = rounds.values()
    for name in ("p50_ms", "p99_ms"):
        ratios = [two[name] / one[name] for one, two in zip(alone, beside, strict=True)]
        of_rounds = " ".join(f"{ratio:.2f}" for ratio in ratios)
        print(f"{name.removesuffix('_ms')} with tabs beside without: {statistics.median(ratios):.2f} ({of_rounds})")
    return 0


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="POST /send beside open dashboards")
    parser.add_argument("--operations", type=int, default=100_000)
    parser.add_argument("--tabs", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=200.0, help="requests a second; 0: as many as there can be")
    parser.add_argument("--look", default="", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.look:
        asyncio.run(look(arguments.look, os.environ["COOKIE"], arguments.tabs))
        return 0
    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
