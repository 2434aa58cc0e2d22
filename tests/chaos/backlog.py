"""A long outage ends: what the kiosk has to tell drains in order while everybody goes on working.

First 72 hours' worth of it at once, with callers of the same kiosk and of another; then a smaller one while hub and
appliance are killed in the middle of it again and again. At the end everything is asked for at the hub, as its readers
see it.
"""

import contextlib
import itertools
import math
import random
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from bench.program import Program, wait_for
from bench.stack import Appliance, Gateway, Hub, gateway_routes, send_headers
from tests.chaos.outage import Left, leave
from tests.chaos.results import Result, timed

ROWS = 100_000
DRAIN_S, P99_S = 60.0, 1.0
_KILLED_PART = 0.1  # of the rows, for the second part
_EVERY_S = 0.05  # a call to each kiosk
_PATIENCE_S = 120.0
# In a slice there are so few rows, and the machine may do so much else, that only what is grossly off is a breach.
_SLACK = 10.0


def run(directory: Path, seed: int, scale: float) -> Result:
    """At scale 1 the whole outage; a slice of 0.02 is 2,000 rows."""
    result = Result(scenario="backlog", seed=seed)
    chance = random.Random(f"{seed} backlog")
    rows = max(200, int(ROWS * scale))
    slack = 1.0 if scale >= 1 else _SLACK
    with timed(result), _Place(directory, result) as place:
        left = place.leave(chance, rows)
        place.drain(left, slack)
        more = place.leave(chance, max(200, int(rows * _KILLED_PART)), first=rows)
        place.drain_with_kills(more, chance, kills=2 if scale >= 0.5 else 1)
        place.check([left, more])
    return result


class _Calls:
    """Calls one kiosk at a steady pace; what a call takes counts from when it was due."""

    def __init__(self, hub: Hub, key: str, kiosk: str, threads: ThreadPoolExecutor) -> None:
        self.kiosk = kiosk
        self.took: list[float] = []  # seconds, of calls that were answered by the gateway
        self.statuses: list[int] = []
        self.orders: dict[str, int] = {}  # order → status told, 0 for none
        self._hub = hub
        self._key = key
        self._threads = threads
        self._http = httpx.Client(base_url=hub.url, timeout=60.0, trust_env=False)
        self._going = threading.Event()
        self._thread = threading.Thread(target=self._call_all, name=f"calls-{kiosk}", daemon=True)
        self._under_way: list[Any] = []

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._going.set()
        self._thread.join()
        for future in self._under_way:
            future.result()
        self._http.close()

    def _call_all(self) -> None:
        began = time.monotonic()
        for n in itertools.count():
            due = began + n * _EVERY_S
            if self._going.wait(max(0.0, due - time.monotonic())):
                return
            self._under_way.append(self._threads.submit(self._call, f"{self.kiosk}-{began:.3f}-{n}", due))

    def _call(self, order: str, due: float) -> None:
        headers = send_headers(self.kiosk, "payment", key=self._key, idempotency=order)
        self.orders[order] = 0
        try:
            answer = self._http.post("/send", json={"order_id": order, "sum": 100}, headers=headers)
        except httpx.TransportError:
            return
        self.orders[order] = answer.status_code
        self.statuses.append(answer.status_code)
        if answer.is_success:
            self.took.append(time.monotonic() - due)


class _Place(contextlib.AbstractContextManager["_Place"]):
    """A hub, a gateway, the kiosk that was away and another."""

    def __init__(self, directory: Path, result: Result) -> None:
        self._result = result
        self._stack = contextlib.ExitStack()
        settings = {"RATE_LIMIT_PER_KEY": "0", "RATE_LIMIT_PER_KIOSK": "0"}
        self.gateway = Gateway(directory / "gateway")
        self.hub = Hub(directory / "hub", settings=settings)
        for program in (self.gateway, self.hub):
            self._stack.callback(program.http.close)
            self._stack.callback(program.kill)
            program.start()
        self.key = self.hub.add_api_key("backlog")["key"]
        self.away, self.other = (self._appliance(directory / name, name) for name in ("away_kiosk", "other_kiosk"))
        self.other.start()
        self._threads = self._stack.enter_context(ThreadPoolExecutor(64, thread_name_prefix="backlog"))
        self._orders: dict[str, int] = {}

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def leave(self, chance: random.Random, rows: int, first: int = 0) -> Left:
        """An outage of so many rows; neither of the two programs runs meanwhile."""
        self.away.kill()
        self.hub.kill()
        database = self.hub.directory / "state" / "hub.db"
        left = leave(self.away.directory / "state", database, "away_kiosk", chance, rows=rows, first=first)
        self.hub.start()
        wait_for("the other kiosk's return", self._other_is_there, _PATIENCE_S)
        return left

    def drain(self, left: Left, slack: float) -> None:
        """All of it at once, and measured."""
        figures = self._result.figures
        with self._calling() as (same, other):
            self.away.start(wait=False)
            self.away.wait_ready(_PATIENCE_S)
            began = time.monotonic()
            self._wait_drained()
            took = time.monotonic() - began
            # A slice is told before anybody has called often enough to speak of a worst case.
            wait_for("calls enough", lambda: min(len(same.took), len(other.took)) >= 20, _PATIENCE_S)
        figures["rows"] = float(left.rows)
        self._result.aim("drain_s", took, DRAIN_S * slack)
        figures["rows_per_s"] = round(left.rows / took, 1)
        for name, calls in (("same_kiosk", same), ("other_kiosk", other)):
            figures[f"{name}_calls"] = float(len(calls.took))
            figures[f"{name}_p50_s"] = round(_quantile(calls.took, 0.5), 3)
            self._result.aim(f"{name}_p99_s", _quantile(calls.took, 0.99), P99_S * slack)
        for program in (self.hub, self.away):
            figures[f"{program.name}_rss_peak_mib"] = _peak_mib(program)
        wrong = sorted({status for calls in (same, other) for status in calls.statuses} - {200, 503})
        if wrong:
            self._result.breaches.append(f"calls in the drain were answered {wrong}")

    def drain_with_kills(self, left: Left, chance: random.Random, *, kills: int) -> None:
        """Again, while both programs are killed in the middle."""
        whom = [self.hub, self.away] * kills
        chance.shuffle(whom)
        # Fewer and fewer are left at each, whoever it was before.
        points = sorted((chance.uniform(0.05, 0.9) for _ in whom), reverse=True)
        with self._calling():
            self.away.start(wait=False)
            for program, point in zip(whom, points, strict=True):
                self._wait_until_left(point * left.rows)
                program.kill()
                self._result.faults[f"kill-9 {program.name} in a drain"] += 1
                if program is self.hub:
                    self._check_nothing_forgotten()
                program.start(wait=False)
                program.wait_ready(_PATIENCE_S)
            self._wait_drained()

    @contextlib.contextmanager
    def _calling(self) -> Iterator[tuple[_Calls, _Calls]]:
        calls = [_Calls(self.hub, self.key, kiosk, self._threads) for kiosk in ("away_kiosk", "other_kiosk")]
        for one in calls:
            one.start()
        try:
            yield calls[0], calls[1]
        finally:
            for one in calls:
                one.stop()
                self._orders |= one.orders
                self._result.operations += len(one.orders)

    def check(self, outages: list[Left]) -> None:
        """What the hub's readers see in the end, when it has asked for what the kiosk never heard of, too."""
        wait_for("a word on everything", self._all_answered, _PATIENCE_S)
        operations = {found["request_id"]: found for found in self._all_operations()}
        losses = disorder = 0
        for left in outages:
            last = ""
            for expected in left.outcomes:
                found = operations.get(expected.response.request_id)
                body = None if found is None or not found["answer"] else found["answer"]["body"]
                told = (found["state"], found["executed"]) if found else ("nothing", None)
                if told != (expected.state, str(expected.response.executed)) or (
                    body is not None and httpx.Response(200, content=bytes(expected.response.body)).json() != body
                ):
                    losses += 1
                elif found and found["finished_at"]:
                    disorder += found["finished_at"] < last
                    last = max(last, found["finished_at"])
            for name in left.never_heard:
                losses += operations[name]["state"] != "expired"
            for name in left.cut_off:
                losses += (operations[name]["state"], operations[name]["executed"]) != ("unknown", "unknown")
        self._note("outcomes_lost", losses, "outcomes of the outage are not at the hub as they were")
        self._note("outcomes_disordered", disorder, "outcomes came to the hub before older ones")
        self._check_events(outages)
        self._check_orders()

    def _check_events(self, outages: list[Left]) -> None:
        with contextlib.closing(self._database()) as database:
            rows = database.execute(
                "SELECT seq, json_extract(data, '$.n'), kind FROM events WHERE kiosk_id = 'away_kiosk' ORDER BY rowid"
            ).fetchall()
        numbers = [n for _seq, n, _kind in rows if n is not None]
        expected = [n for left in outages for n in left.events]
        sequence = [seq for seq, _n, _kind in rows]
        self._note("events_lost", len(set(expected) - set(numbers)), "events are not at the hub")
        self._note("events_repeated", len(numbers) - len(set(numbers)), "events came twice")
        disorder = sum(a >= b for a, b in itertools.pairwise(sequence)) + sum(
            a >= b for a, b in itertools.pairwise(numbers)
        )  # fmt: skip
        self._note("events_disordered", disorder, "events came out of order")
        if missing := sequence[-1] - len(sequence):
            self._result.breaches.append(f"{missing} numbers are missing among the stored events")

    def _check_orders(self) -> None:
        paid = [line["order_id"] for line in self.gateway.lines() if line["effect"] == "payment"]
        self._note("double_effects", len(paid) - len(set(paid)), "orders were paid twice")
        unpaid = [order for order, status in self._orders.items() if status == 200 and order not in set(paid)]
        self._note("paid_without_effect", len(unpaid), "orders were told as paid and were not")

    def _check_nothing_forgotten(self) -> None:
        """The hub is dead: what its kiosk has let go of must stand in what is left of it."""
        path = self.away.directory / "state" / "journal.db"
        with contextlib.closing(self._database()) as hub, contextlib.closing(_read_only(path)) as kiosk:
            settled = {name for (name,) in kiosk.execute("SELECT request_id FROM operations WHERE state = 'settled'")}
            ((least,),) = kiosk.execute("SELECT coalesce(min(seq), 0) FROM events").fetchall()
            stored = {
                name
                for (name,) in hub.execute(
                    "SELECT request_id FROM operations WHERE kiosk_id = 'away_kiosk' AND executed IS NOT NULL"
                )
            }
            ((count,),) = hub.execute(
                "SELECT count(*) FROM events WHERE kiosk_id = 'away_kiosk' AND seq < ?", (least,)
            ).fetchall()
        forgotten = len(settled - stored) + (max(0, least - 1 - count) if least else 0)
        self._note("forgotten_too_early", forgotten, "rows the kiosk let go of are not in the dead hub's database")

    def _note(self, name: str, count: int, words: str) -> None:
        self._result.figures[name] = self._result.figures.get(name, 0.0) + count
        if count:
            self._result.breaches.append(f"{count} {words}")

    def _wait_until_left(self, rows: float) -> None:
        wait_for("the drain's progress", lambda: self._left_to_tell() <= rows, _PATIENCE_S, 0.002)

    def _wait_drained(self) -> None:
        wait_for("the end of the drain", lambda: self._left_to_tell() == 0, _PATIENCE_S + DRAIN_S)

    def _left_to_tell(self) -> float:
        with contextlib.suppress(httpx.TransportError):
            health = self.away.health()
            return float(health["unsettled"] + health["journal"]["events"])
        return math.inf

    def _other_is_there(self) -> bool:
        return bool(self.hub.admin("GET", "/admin/kiosks/other_kiosk").json()["connected"])

    def _all_answered(self) -> bool:
        open_ones = "SELECT 1 FROM operations WHERE kiosk_id = 'away_kiosk' AND NOT final AND executed IS NULL LIMIT 1"
        with contextlib.closing(self._database()) as database:
            return database.execute(open_ones).fetchone() is None

    def _all_operations(self) -> Iterator[dict[str, Any]]:
        cursor = ""
        headers = {"Authorization": f"Bearer {self.key}"}
        while True:
            page = self.hub.http.get(f"/operations?kiosk=away_kiosk&limit=500{cursor}", headers=headers)
            page.raise_for_status()
            found = page.json()
            yield from found["operations"]
            if found["cursor"] is None:
                return
            cursor = f"&cursor={found['cursor']}"

    def _database(self) -> sqlite3.Connection:
        return _read_only(self.hub.directory / "state" / "hub.db")

    def _appliance(self, directory: Path, kiosk: str) -> Appliance:
        routes = gateway_routes(self.gateway.url)
        routes["routes"]["payment"] |= {"concurrency": 8, "waiting": 500}
        appliance = Appliance(directory, self.hub.ws_url, self.hub.add_kiosk(kiosk), routes)
        self._stack.callback(appliance.http.close)
        self._stack.callback(appliance.kill)
        return appliance


def _read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)


def _peak_mib(program: Program) -> float:
    status = Path(f"/proc/{program.pid}/status").read_text(encoding="ascii")
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return round(int(line.split()[1]) / 1024, 1)


def _quantile(values: list[float], part: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]
