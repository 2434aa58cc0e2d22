"""A hub's database with two lively weeks of a fleet in it: for measuring pages, and for looking at them.

    filled = await fill("sqlite+aiosqlite:///…/hub.db", kiosks=1000, operations=100_000)

The same seed gives the same rows. The hub that is to show them is started afterwards. What stands in it is invented;
the shops are none. `python -m bench.fleet_rows <url or file> [operations]` does it from the command line.
"""

import asyncio
import json
import math
import random
import sqlite3
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import msgspec
from sqlalchemy.engine import make_url

from cloud.db.engine import open_engine
from cloud.db.migrate import migrate

DAY, DAYS = 86400.0, 14
KEY = "f1ee7000"  # the id of the API key that most operations were asked for with; it lets nobody in
_CITIES = ("Алматы", "Астана", "Шымкент", "Қарағанды", "Ақтөбе", "Тараз", "Павлодар", "Өскемен", "Атырау", "Қостанай")
_PLACES = ("вокзал", "рынок", "ТЦ, 1 этаж", "ТЦ, 2 этаж", "аптека", "АЗС", "университет", "больница", "супермаркет")
_TYPES = (("payment", 60), ("cash", 20), ("fiscal", 12), ("print", 5), ("status", 3))
_TOOK = {"payment": 1.4, "cash": 38.0, "fiscal": 0.8, "print": 0.5, "status": 0.04}  # seconds, the middle
# How busy each hour of the day is, of UTC+5.
_HOURS = (1, 1, 1, 1, 1, 2, 4, 9, 14, 18, 20, 22, 25, 24, 22, 22, 23, 26, 28, 24, 16, 9, 5, 2)
_EVENTS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("state-changed", "bills", {"state": "ready"}),
    ("state-changed", "bills", {"state": "fault", "code": "E-12", "words": "bill jammed in the transport"}),
    ("state-changed", "register", {"state": "absent", "words": "no answer on the port"}),
    ("cassette-removed", "bills", {}),
    ("cassette-returned", "bills", {}),
    (
        "collection",
        "bills",
        {"by": "cassette", "counts": {"100000": 300, "500000": 63}, "total": 61_500_000, "currency": "KZT"},
    ),
    ("level-near-full", "bills", {"count": 540, "capacity": 600}),
    ("level-near-empty", "hopper", {"count": 35, "capacity": 800}),
    ("level-normal", "hopper", {"count": 800, "capacity": 800}),
    ("paper-low", "printer", {}),
    ("paper-returned", "printer", {}),
    ("shift-opened", "register", {"shift": 118}),
    ("shift-closed", "register", {"shift": 117}),
    ("started", "", {"version": "2.7.0"}),
)
_STANDING: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("fault", "bills", {"code": "E-12", "words": "bill jammed in the transport"}),
    ("near-full", "bills", {"count": 540, "capacity": 600}),
    ("full", "bills", {"count": 600, "capacity": 600}),
    ("near-empty", "hopper", {"count": 35, "capacity": 800}),
    ("paper-out", "printer", {}),
    ("paper-low", "printer", {}),
    ("absent", "register", {"words": "no answer on the port"}),
    ("clock", "", {"offset": 10_830.0}),
    ("owed", "claim-77", {"owed": 35_000, "currency": "KZT", "reason": "the hopper ran empty"}),
)
_CLEARED = ("kiosk-offline", "device-fault", "paper-out", "cassette-full", "cassette-removed", "hopper-near-empty")
_CRITICAL = frozenset({"kiosk-offline", "device-fault", "paper-out", "cassette-full"})

Row = tuple[Any, ...]


class Filled(msgspec.Struct, frozen=True, kw_only=True):
    """What lies there now. `kiosks` are ids by number; tokens are of generation 0."""

    kiosks: list[str]
    operations: int
    unknown: list[str]  # operations whose outcome nobody knows
    now: float
    seconds: float


async def fill(
    url: str, *, kiosks: int = 1000, operations: int = 100_000, seed: int = 8, now: float | None = None
) -> Filled:
    """Make the tables if need be, and put rows in. Raises whatever a database says that has them already."""
    began = time.monotonic()
    now = time.time() if now is None else now
    engine = open_engine(url)
    await migrate(engine)
    await engine.dispose()
    fleet = _Fleet(kiosks, operations, random.Random(seed), now)
    copy = _into_postgresql if make_url(url).get_backend_name() == "postgresql" else _into_sqlite
    await copy(url, fleet.tables())
    return Filled(
        kiosks=fleet.ids, operations=operations, unknown=fleet.unknown, now=now, seconds=time.monotonic() - began
    )


class _Fleet:
    """Its rows, table by table."""

    def __init__(self, kiosks: int, operations: int, chance: random.Random, now: float) -> None:
        self._count = operations
        self._chance = chance
        self._now = now
        self.ids = [f"kiosk_{number:04d}" for number in range(1, kiosks + 1)]
        self.unknown: list[str] = []

    def tables(self) -> Iterator[tuple[str, str, Iterable[Row]]]:
        """Name, columns, rows; in an order that foreign keys allow."""
        yield "kiosks", "id name enabled generation removed created_at revision", self._kiosks()
        yield "api_keys", "id name hash revoked callback_url callback_secret created_at revision", self._keys()
        yield (
            "operations",
            "request_id kiosk_id operation method delivery body api_key_id idempotency_key state final executed status"
            " answer problem detail elapsed journal created_at start_by sent_at accepted_at finished_at",
            self._operations(),
        )
        yield (
            "callbacks",
            "request_id api_key_id attempts next_at delivered_at last_error created_at",
            list(self._callbacks),
        )
        yield "events", "kiosk_id journal seq at received_at kind device data", self._events()
        yield "standing", "kiosk_id kind subject open at received_at data", self._standing()
        yield (
            "alerts",
            (
                "number kind kiosk_id subject severity since raised_at gone_at cleared_at acknowledged_at"
                " acknowledged_by data"
            ),
            self._alerts(),
        )
        yield "connections", "number kiosk_id refused began_at ended_at why code address version", self._connections()
        yield "audit", "at who door address act subject data", self._audit()
        yield "fleet_figures", "width at here enabled unknown alerts", self._fleet_figures()

    def _fleet_figures(self) -> Iterator[Row]:
        """How the fleet stood: nearly all of it, but for an hour of a provider's trouble each day."""
        enabled = len(self.ids) - len(self.ids) // 33
        usual = max(1, enabled // 40)  # away at any time
        for width, days in ((60, 2), (3600, 8)):
            last = int(self._now) // width * width - width
            for at in range(last - days * int(DAY), last + 1, width):
                is_bad = at // 3600 * 3600 % int(DAY) == 9 * 3600
                away = usual + self._chance.randrange(usual + 1) + (enabled // 5 if is_bad else 0)
                alerts = usual + away // 3 + self._chance.randrange(3)
                yield width, at, enabled - away, enabled, self._chance.randrange(3), alerts

    def _kiosks(self) -> Iterator[Row]:
        for number, id in enumerate(self.ids):
            name = f"{self._chance.choice(_CITIES)}, {self._chance.choice(_PLACES)} {number % 40 + 1}"
            yield id, name, number % 33 != 32, 0, False, self._now - 60 * DAY + number, number + 1

    def _keys(self) -> Iterator[Row]:
        made = self._now - 59 * DAY
        yield KEY, "shop backend", "0" * 64, False, "https://backend.example/callbacks", "whsec_AAAA", made, 1
        yield "f1ee7001", "loyalty", "1" * 64, False, None, None, made, 2
        yield "f1ee7002", "old backend", "2" * 64, True, None, None, made, 3

    def _operations(self) -> Iterator[Row]:
        chance, now = self._chance, self._now
        self._callbacks: list[Row] = []
        kinds = chance.choices([name for name, _ in _TYPES], [weight for _, weight in _TYPES], k=self._count)
        for number, at in enumerate(self._times()):
            id, kind = _request_id(at, chance), kinds[number]
            kiosk = self.ids[int(len(self.ids) * chance.random() ** 1.6)]
            took = _TOOK[kind] * math.exp(0.6 * chance.gauss(0, 1))
            body = {"order_id": f"A-{number}", "sum": chance.randrange(500, 2_000_000), "phone": "+77010000000"}
            state, executed, status, answer, problem, detail = self._end(chance.random(), number)
            finished = None if state == "unknown" else at + took
            if finished is not None and finished > now:
                state, executed, status, answer, problem, finished = "accepted", None, None, None, None, None
            if state == "unknown":
                self.unknown.append(id)
            key = KEY if number % 4 else "f1ee7001"
            idempotency = f"order-{number}" if kind in {"payment", "cash"} else None
            sent = None if state == "expired" else at + 0.004
            final = state not in {"unknown", "accepted"}
            elapsed = took * 0.95 if finished is not None and executed == "yes" else None
            yield (
                id, kiosk, kind, "GET" if kind == "status" else "POST", "queue" if state == "expired" else "now",
                json.dumps(body).encode(), key, idempotency, state, final, executed, status, answer, problem, detail,
                elapsed, f"journal-{kiosk}", at, at + 60 if state == "expired" else None, sent,
                None if sent is None else at + 0.03, finished,
            )  # fmt: skip
            if final and key == KEY and number % 8 == 1:
                waits = now - at < 600 and number % 5 == 0
                self._callbacks.append((
                    id, key, 4 if waits else 1, now + 60 if waits else None, None if waits else finished,
                    "the backend answered 502" if waits else None, finished,
                ))  # fmt: skip

    def _end(self, drawn: float, number: int) -> Row:
        """State, executed, status, answer, problem, detail."""
        if drawn < 0.962:
            return "succeeded", "yes", 200, b'{"status":"success","transaction_id":"T-%d"}' % number, None, None
        if drawn < 0.982:
            return "failed", "yes", 402, b'{"status":"declined","reason":"not enough money"}', None, None
        if drawn < 0.992:
            return "failed", "no", None, None, "gateway-unreachable", "connection refused"
        if drawn < 0.9995:
            return "expired", "no", None, None, "expired", "the kiosk did not come in time"
        return "unknown", None, None, None, "kiosk-lost", "the connection broke while it ran"

    def _times(self) -> list[float]:
        """In order; as dense by day as a shop is busy, and denser in the last hour."""
        chance, most = self._chance, max(_HOURS)
        found = [self._now - 3600 * chance.random() for _ in range(self._count // 50)]
        while len(found) < self._count:
            at = self._now - DAYS * DAY * chance.random()
            if chance.random() * most < _HOURS[int(at // 3600 + 5) % 24]:
                found.append(at)
        return sorted(found)

    def _events(self) -> Iterator[Row]:
        for number in range(max(200, self._count // 10)):
            kind, device, data = self._chance.choice(_EVENTS)
            kiosk = self._chance.choice(self.ids)
            at = self._now - 7 * DAY * self._chance.random() ** 2
            yield kiosk, f"journal-{kiosk}", number + 1, at, at + 0.2, kind, device, json.dumps(data).encode()

    def _standing(self) -> Iterator[Row]:
        for number in range(min(24, len(self.ids))):
            kind, subject, data = _STANDING[number % len(_STANDING)]
            at = self._now - self._chance.random() * 6 * 3600 - 600
            yield self.ids[number * 7 % len(self.ids)], kind, subject, True, at, at, json.dumps(data)

    def _alerts(self) -> Iterator[Row]:
        since = self._now - 6 * DAY
        for number in range(1, 301):
            kind = self._chance.choice(_CLEARED)
            since += 6 * DAY / 320
            over = since + 120 + 3000 * self._chance.random()
            by = ("telegram:7", since + 60) if number % 3 == 0 else ("", None)
            severity = "critical" if kind in _CRITICAL else "warning"
            kiosk = self._chance.choice(self.ids)
            yield (
                number, kind, kiosk, "" if kind == "kiosk-offline" else "bills", severity, since, since + 20, over,
                over + 30, by[1], by[0], "{}",
            )  # fmt: skip

    def _connections(self) -> Iterator[Row]:
        ends = (("lost", None), ("1012", 1012), ("silent", None), ("1001", 1001))
        for number in range(1, 3 * len(self.ids) + 1):
            why, code = self._chance.choice(ends)
            began = self._now - DAYS * DAY * (1 - number / (3 * len(self.ids) + 2))
            ended = min(self._now - 1, began + 3 * DAY * self._chance.random())
            kiosk = self.ids[number % len(self.ids)]
            yield number, kiosk, False, began, ended, why, code, f"10.8.{number % 200}.{number % 250 + 1}", "2.7.0"

    def _audit(self) -> Iterator[Row]:
        acts = (("kiosk.disable", "kiosk"), ("kiosk.enable", "kiosk"), ("alert.acknowledge", "alert"))
        for number in range(200):
            act, of = self._chance.choice(acts)
            subject = self._chance.choice(self.ids) if of == "kiosk" else str(number + 1)
            at = self._now - 6 * DAY + number * 6 * DAY / 201
            yield at, "operator", "dashboard", "10.0.0.7", act, subject, "{}"


def _request_id(at: float, chance: random.Random) -> str:
    bits = f"{chance.getrandbits(80):020x}"
    head = f"{int(at * 1000):012x}"
    return f"{head[:8]}-{head[8:]}-7{bits[:3]}-a{bits[3:6]}-{bits[6:18]}"


async def _into_sqlite(url: str, tables: Iterable[tuple[str, str, Iterable[Row]]]) -> None:
    def work() -> None:
        with sqlite3.connect(make_url(url).database or "") as connection:
            connection.execute("PRAGMA synchronous=OFF")
            for name, columns, rows in tables:
                names = columns.split()
                marks = ", ".join("?" * len(names))
                connection.executemany(f"INSERT INTO {name} ({', '.join(names)}) VALUES ({marks})", rows)
            connection.execute("ANALYZE")
        connection.close()

    await asyncio.to_thread(work)


async def _into_postgresql(url: str, tables: Iterable[tuple[str, str, Iterable[Row]]]) -> None:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        for name, columns, rows in tables:
            await connection.copy_records_to_table(name, columns=columns.split(), records=rows)
        await connection.execute("ANALYZE")
    finally:
        await connection.close()


def main(arguments: Sequence[str]) -> int:
    """`<url or file> [operations] [kiosks]`."""
    if not arguments:
        print(__doc__)
        return 2
    url = arguments[0] if "://" in arguments[0] else f"sqlite+aiosqlite:///{Path(arguments[0]).absolute()}"
    numbers = [int(text.replace("_", "")) for text in arguments[1:]]
    given = dict(zip(("operations", "kiosks"), numbers, strict=False))
    filled = asyncio.run(fill(url, **given))
    print(f"{len(filled.kiosks)} kiosks, {filled.operations} operations, in {filled.seconds:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
