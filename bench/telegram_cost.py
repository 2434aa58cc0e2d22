"""What the bot, the operation log and the alerts cost the hub, beside hubs without, in one run.

Hubs that differ in their Telegram only have one core, one after the other is loaded, round after round, so that a slow
minute of the machine touches all alike. A ratio is the median of the rounds' ratios to the hub without a bot; the hub
`again` has none either, and shows what of a ratio is noise. Nothing is asserted.

* `cost`     POST /send by fifty callers: Telegram works, hangs (takes connections and never answers), refuses them
* `bodies`   one caller with longer bodies, while the log shows digests, or one by one (`lines`)
* `alerts`   a look with many kiosks gone; and many that go at once while another is asked for an operation
* `soak`     memory under a steady load while Telegram hangs (some minutes: only if named)

    python -m bench.telegram_cost [cost bodies alerts soak] [--quick]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench.looks import look_at
from bench.measure import cpu_model, read_cpu, read_usage
from bench.report import say
from bench.stage import BODY, HUB_CORE, MANY, OTHER_CORE, OURS, ROOT, Stage, answers, environment, free_port, numbered
from bench.stage import open_stage as _open_stage
from bench.systems import Kioskwire
from bench.telegram import ADMIN, ALERTS, LOG, TOKEN

_SIZES = {"0.1": 0, "1": 1024, "64": 64 * 1024, "1000": 1000 * 1024}  # KiB
_KIOSKS = (1000, 5000)
_SOON = "kinds: {kiosk-offline: {after: 5}}\n"


class Site:
    """Hubs by name on one stage, each with the same kiosks."""

    def __init__(self, stage: Stage, held: contextlib.ExitStack) -> None:
        self.stage = stage
        self.hubs: dict[str, Kioskwire] = {}
        hanging = held.enter_context(socket.create_server(("127.0.0.1", 0), backlog=4096))  # nobody accepts
        self._ports = {"works": free_port(), "hangs": hanging.getsockname()[1], "refuses": free_port()}
        argv = ["telegram", "--port", str(self._ports["works"]), "--token", TOKEN, "--admin", str(ADMIN)]
        argv += [f"--group=Log={LOG}", f"--group=Alerts={ALERTS}"]
        stage.start("telegram", [OURS / "kioskwire-sim", *argv], core=OTHER_CORE)
        stage.wait_for("telegram", lambda: answers(self._ports["works"], "/"))

    def hub(
        self, name: str, telegram: str = "", more: Mapping[str, str] | None = None, kiosks: int = MANY
    ) -> Kioskwire:
        """Start one; `telegram` says what becomes of its calls: works, hangs, refuses, or none are made."""
        given = {**self._bot(telegram), **(more or {})}
        hub = self.hubs[name] = Kioskwire(self.stage, name=f"hub-{name}", more=given)
        hub.connect(numbered("k", kiosks))
        self.end(self.begin(name, ["--callers", "10", "--requests", "600"], kiosks=kiosks))
        return hub

    def _bot(self, telegram: str) -> dict[str, str]:
        if not telegram:
            return {}
        return {
            "TELEGRAM_BOT_TOKEN": TOKEN,
            "TELEGRAM_ADMIN_IDS": str(ADMIN),
            "TELEGRAM_API_URL": f"http://127.0.0.1:{self._ports[telegram]}",
            "TELEGRAM_LOG_CHAT_ID": str(LOG),
            "TELEGRAM_ALERT_CHAT_ID": str(ALERTS),
        }

    def begin(self, name: str, argv: Sequence[str], body: str = BODY, kiosks: int = MANY) -> subprocess.Popen[str]:
        """Begin to load a hub."""
        target = self.hubs[name].target(name, numbered("k", kiosks))
        path = self.stage.directory / "body.json"
        path.write_text(body)
        command = [sys.executable, "-m", "bench.load", "--url", target.url, "--body-file", str(path)]
        command += ["--core", str(OTHER_CORE), *argv]
        command += [part for header in target.headers for part in ("--header", header)]
        command += [part for kiosk in target.kiosks for part in ("--kiosk", kiosk)]
        return subprocess.Popen(command, cwd=ROOT, env=environment(None), stdout=subprocess.PIPE, text=True)

    def end(self, load: subprocess.Popen[str]) -> dict[str, Any]:
        """What the load saw. Raises `RuntimeError` where an answer was wrong."""
        told: dict[str, Any] = json.loads(load.communicate()[0])
        self.stage.check()
        if told["errors"]:
            raise RuntimeError(f"{told['errors']} errors: {told['error_samples']}")
        return told

    def load(self, name: str, argv: Sequence[str], body: str = BODY) -> dict[str, Any]:
        """Load a hub, to the end; `cpu_us` is what a request cost it."""
        before = read_cpu([self.hubs[name].pid])
        told = self.end(self.begin(name, argv, body))
        told["cpu_us"] = (read_cpu([self.hubs[name].pid]) - before) / max(1, told["requests"]) * 1e6
        return told

    def lag(self, name: str) -> float:
        """The hub's own measure of how late its loop last woke, seconds."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.hubs[name].port}/metrics", timeout=30) as answer:
            found = re.search(r"^kioskwire_event_loop_lag_seconds (\S+)$", answer.read().decode(), re.MULTILINE)
        return float(found[1]) if found else 0.0


@contextlib.contextmanager
def open_site() -> Iterator[Site]:
    with contextlib.ExitStack() as held, _open_stage() as stage:
        yield Site(stage, held)


def measure_cost(rounds: int, seconds: float) -> None:
    """Fifty callers, as fast as they can."""
    with open_site() as site:
        for name, telegram in (
            ("without", ""),
            ("again", ""),
            *((each, each) for each in ("works", "hangs", "refuses")),
        ):
            site.hub(name, telegram)
        found = _rounds(site, rounds, ["--callers", str(MANY), "--seconds", str(seconds)])
        _table(f"{MANY} callers, {MANY} kiosks, {rounds} rounds of {seconds} s", found)
        for name, hub in site.hubs.items():
            usage = read_usage(hub.pid)
            print(f"memory of the hub {name:8} {usage.rss_bytes / 1e6:6.1f} MB")


def measure_bodies(rounds: int, seconds: float) -> None:
    """One caller; `lines` shows as many operations as it is let to, each drawn and sent."""
    with open_site() as site:
        site.hub("without")
        site.hub("again")
        site.hub("works", "works")
        site.hub("lines", "works", {"TELEGRAM_LOG_RATE": "1200"})
        for name, size in _SIZES.items():
            found = _rounds(site, rounds, ["--callers", "1", "--rate", "10", "--seconds", str(seconds)], _body(size))
            _table(f"1 caller, 10 a second, bodies of {name} KiB", found)


def measure_alerts(quick: bool) -> None:
    """Kiosks that are gone, looked at in a hub of this process; then real ones that go at once."""
    for count in _KIOSKS:
        print(f"\n{count} kiosks are gone")
        os.sched_setaffinity(0, {HUB_CORE})
        print(asyncio.run(look_at(count)))
    os.sched_setaffinity(0, {HUB_CORE, OTHER_CORE})
    for count in _KIOSKS[:1] if quick else _KIOSKS:
        for telegram in ("", "works"):
            _break_off(count, telegram)


def _break_off(count: int, telegram: str) -> None:
    with open_site() as site:
        rules = site.stage.directory / "alerts.yaml"
        rules.write_text(_SOON)
        name = telegram or "without"
        hub = site.hub(name, telegram, {"ALERTS_CONFIG": str(rules)}, kiosks=1)
        say(f"{count} kiosks connect")
        hub.connect(numbered("idle", count))
        many = site.stage.pids()[-1]
        load = site.begin(name, ["--callers", "1", "--rate", "50", "--seconds", "15"], kiosks=1)
        time.sleep(4)
        site.stage.end(many)
        lags = []
        while load.poll() is None:
            lags.append(site.lag(name))
            time.sleep(0.25)
        told = site.end(load)
        print(
            f"\n{count} kiosks break off at once, bot {name}: loop lag at most {max(lags) * 1000:.0f} ms;"
            f" another kiosk's operations p50 {told['p50_ms']:.1f} ms, p99 {told['p99_ms']:.1f} ms,"
            f" longest {told['max_ms']:.0f} ms"
        )


def measure_soak(seconds: float) -> None:
    """200 operations a second each; what grows without a bot as well is not the log's."""
    with open_site() as site:
        site.hub("without")
        site.hub("hangs", "hangs")
        argv = ["--callers", "20", "--rate", "200", "--seconds", str(seconds)]
        loads = [site.begin(name, argv) for name in site.hubs]
        print(f"\nresident MB under 200 operations a second, each {seconds / 9:.0f} s: {', '.join(site.hubs)}")
        while any(load.poll() is None for load in loads):
            print("  ".join(f"{read_usage(hub.pid).rss_bytes / 1e6:7.1f}" for hub in site.hubs.values()), flush=True)
            time.sleep(seconds / 9)
        for name, load in zip(site.hubs, loads, strict=True):
            told = site.end(load)
            print(f"{name:8} {told['rps']:.0f} a second, p50 {told['p50_ms']:.1f} ms, p99 {told['p99_ms']:.1f} ms")


def _rounds(site: Site, rounds: int, argv: Sequence[str], body: str = BODY) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for number in range(rounds):
        names = list(site.hubs) if number % 2 == 0 else list(site.hubs)[::-1]
        for name in names:
            say(f"round {number + 1}/{rounds}: {name}")
            found[name].append(site.load(name, argv, body))
    return found


def _table(title: str, found: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    print(f"\n{title}\n{'':10}{'a second':>16}{'CPU us':>16}{'p50 ms':>16}{'p99 ms':>16}{'longest ms':>16}")
    base = found["without"]
    for name, rows in found.items():
        cells = []
        for key in ("rps", "cpu_us", "p50_ms", "p99_ms", "max_ms"):
            ratio = statistics.median(row[key] / (other[key] or 1) for row, other in zip(rows, base, strict=True))
            cells.append(f"{statistics.median(row[key] for row in rows):8.1f} x{ratio:5.2f} ")
        print(f"{name:10}{' '.join(cells)}", flush=True)


def _body(size: int) -> str:
    """An order as a till sends it, with so many bytes of positions."""
    line = {"name": "Капучино 0,3", "price": "150.00", "count": 2, "code": "4600000000017", "vat": "20/120"}
    lines = [{**line, "id": number} for number in range(size // 150)]
    return BODY if not lines else BODY[:-1] + f',"lines":{json.dumps(lines, ensure_ascii=False)}}}'


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="bench.telegram_cost", description="What Telegram costs a hub.")
    parser.add_argument("parts", nargs="*", default=["cost", "bodies", "alerts"], help="cost bodies alerts soak")
    parser.add_argument("--quick", action="store_true", help="a smoke test")
    options = parser.parse_args(argv)
    print(f"{cpu_model()}, load average {' '.join(f'{each:.1f}' for each in os.getloadavg())}")
    if "cost" in options.parts:
        measure_cost(2 if options.quick else 6, 1.0)
    if "bodies" in options.parts:
        measure_bodies(1 if options.quick else 4, 2.0)
    if "alerts" in options.parts:
        measure_alerts(options.quick)
    if "soak" in options.parts:
        measure_soak(20.0 if options.quick else 180.0)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
