"""How long the hub takes for each page of the dashboard, with a thousand kiosks and many operations.

    make bench-dashboard                                    1,000 kiosks and 100,000 operations, on SQLite
    make bench-dashboard BENCH_ARGS="--operations 1000000"  or with --url postgresql+asyncpg://… of an empty database

Each page is asked for one after another by one browser, over a socket; the median and the worst are told, in
milliseconds from the question to the last byte of the answer. Charts are ready only once the hub has counted what it
found; that is waited for, and told.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from bench.fleet_rows import Filled, fill
from cloud.accounts.account import Doer, Role
from cloud.app import Hub
from cloud.dashboard.screen import COOKIE
from cloud.operations.figures import SPANS
from cloud.settings import Settings
from wire.environment import Secret

_BOUND_MS = 200.0
_COUNTED_WITHIN = 300.0
_WARM = 2


def pages(filled: Filled) -> list[str]:
    """Those that are measured; of lists the first page, a filtered one and a late one."""
    kiosk = filled.kiosks[len(filled.kiosks) // 2]
    figures = [f"/dashboard/figures.json?range={span}" for span in SPANS]
    unknown = [f"/dashboard/operations/{filled.unknown[0]}"] if filled.unknown else []
    return [
        "/dashboard",
        "/dashboard?range=day",
        "/dashboard?range=week",
        *figures,
        "/dashboard/figures.json?range=day&chart=latency",
        "/dashboard/alerts",
        "/dashboard/alerts?before=100",
        "/dashboard/kiosks",
        "/dashboard/kiosks?q=вокзал",
        "/dashboard/kiosks?state=never",
        "/dashboard/kiosks?page=10",
        f"/dashboard/kiosks/{kiosk}",
        f"/dashboard/kiosks/{kiosk}/events",
        f"/dashboard/kiosks/{kiosk}/connections",
        "/dashboard/operations",
        "/dashboard/operations?outcome=unknown",
        "/dashboard/operations?outcome=refused&type=cash",
        f"/dashboard/operations?kiosk={kiosk}&quick=week",
        "/dashboard/operations?quick=hour",
        *unknown,
        "/dashboard/callbacks",
        "/dashboard/keys",
        "/dashboard/accounts",
        "/dashboard/audit",
        "/dashboard/settings",
    ]


async def measure(url: str, directory: Path, filled: Filled, times: int) -> list[dict[str, Any]]:
    """Start a hub on that database and ask for each page so many times."""
    secret = Secret("a-signing-secret-of-more-than-32-characters")
    settings = Settings(jwt_secret=secret, port=0, state_dir=str(directory), database_url=url)
    async with Hub(settings) as hub:
        rooms = hub.rooms
        account = await rooms.accounts.add("bench", Role.ADMIN, by=Doer(who="bench", door="cli"))
        cookie = await rooms.sign_in.sessions.open(account, "127.0.0.1", "bench")
        began = time.monotonic()
        async with asyncio.timeout(_COUNTED_WITHIN):
            while (await rooms.tally.read(SPANS["week"])).total.begun < 0.9 * _in_a_week(filled):  # noqa: ASYNC110
                await asyncio.sleep(0.5)
        print(f"counted for the charts within {time.monotonic() - began:.1f} s of the start")
        base = f"http://127.0.0.1:{hub.port}"
        async with httpx.AsyncClient(base_url=base, cookies={COOKIE: cookie}, trust_env=False, timeout=30) as http:
            return [await _ask(http, page, times) for page in pages(filled)]


def _in_a_week(filled: Filled) -> float:
    return filled.operations / 2


async def _ask(http: httpx.AsyncClient, page: str, times: int) -> dict[str, Any]:
    took: list[float] = []
    for number in range(times + _WARM):
        began = time.perf_counter()
        answer = await http.get(page)
        if number >= _WARM:
            took.append((time.perf_counter() - began) * 1000)
        await asyncio.sleep(0.02)  # the hub does its own work meanwhile, too
    return {
        "page": page,
        "status": answer.status_code,
        "kb": round(len(answer.content) / 1000, 1),
        "median_ms": round(statistics.median(took), 1),
        "worst_ms": round(max(took), 1),
    }


async def run(arguments: argparse.Namespace) -> int:
    """Fill, measure, print. 1 where a page does not answer 200."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        url = arguments.url or f"sqlite+aiosqlite:///{directory / 'hub.db'}"
        filled = await fill(url, kiosks=arguments.kiosks, operations=arguments.operations)
        print(f"{len(filled.kiosks)} kiosks, {filled.operations} operations, filled in {filled.seconds:.1f} s")
        found = await measure(url, directory, filled, arguments.times)
    print(f"{'page':<66} {'status':>6} {'kB':>7} {'median':>8} {'worst':>8}  ms")
    for one in found:
        mark = "  over 200" if one["median_ms"] > _BOUND_MS else ""
        figures = f"{one['kb']:>7} {one['median_ms']:>8} {one['worst_ms']:>8}"
        print(f"{one['page']:<66} {one['status']:>6} {figures}{mark}")
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return int(any(one["status"] != 200 for one in found))


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="how long each page of the dashboard takes")
    parser.add_argument("--kiosks", type=int, default=1000)
    parser.add_argument("--operations", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=15)
    parser.add_argument("--url", default="", help="of an empty database; not given: a new SQLite file")
    parser.add_argument("--json", type=Path)
    return asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
