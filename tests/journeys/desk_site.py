"""A kiosk with devices: simulated ones, each a process of its own on a pseudo-terminal, and what their ledgers tell.

with DeskKiosk.standing(site, "exact") as kiosk:
    asked = kiosk.pay(150000)
    kiosk.note(100000)
    ...
    kiosk.agrees()
"""

import contextlib
import json
import os
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Self

import httpx
import msgspec
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from bench.program import clean_environment, die_with, program
from hardware.simulation.control import NotThere, ask
from tests.chaos.desk_agree import Books, Entry, Hardware, Outcome, Work, agree, read_book
from tests.journeys.site import PATIENCE_S, Json, Kiosk, Site, unique, until

KZT = "KZT"
# name: family and options. Two hoppers cannot have one bus here: a simulated bus has one at most.
RACK: dict[str, tuple[str, tuple[str, ...]]] = {
    "bills": ("ccnet", ("pace=8",)),
    "bus": ("cctalk", ("devices=coins,hopper",)),
    "second": ("cctalk", ("devices=hopper",)),
    "register": ("shtrih", ()),
    "printer": ("escpos", ("boot_s=0",)),
}
HARDWARE = {
    "bills": Hardware("bills", "bills"),
    "coins": Hardware("bus", "coins"),
    "hopper": Hardware("bus", "hopper", 10000),
    "second": Hardware("second", "hopper", 5000),
    "register": Hardware("register", "register"),
    "printer": Hardware("printer", "printer"),
}


class SimulatedDevice:
    """`kioskwire-sim device`, a process."""

    def __init__(self, directory: Path, name: str) -> None:
        self.name = name
        self.family, self._options = RACK[name]
        self.directory = directory
        self.link = directory / name
        self.state = directory / f"{name}.memory"
        self.process: subprocess.Popen[bytes] | None = None
        self._socket = ""

    def start(self) -> None:
        """Power, and a place on its line; it is not waited for."""
        options = [word for option in self._options for word in ("--option", option)]
        with (self.directory / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    program("kioskwire-sim"), "device", self.family, "--link", str(self.link), "--state",
                    str(self.state), "--fast", *options,
                ],
                cwd=self.directory, env=environment(self.directory), stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True,
                preexec_fn=die_with(os.getpid()),  # noqa: PLW1509 - it calls the kernel and nothing else
            )  # fmt: skip
        self._socket = str(self.directory / "kioskwire-sim" / f"{self.family}-{self.process.pid}.sock")

    def do(self, control: str, /, **arguments: object) -> Json:
        """A hand on it. Raises `ControlError`."""
        for _ in range(1200):
            try:
                return ask(self._socket, control, {name: str(value) for name, value in arguments.items()})
            except NotThere:
                assert self.process is not None
                assert self.process.poll() is None, (self.directory / f"{self.name}.log").read_text()
                time.sleep(0.05)
        raise AssertionError(f"{self.name} does not answer")

    def lines(self) -> list[Json]:
        """Its ledger."""
        path = self.state / "ledger.jsonl"
        if not path.exists():
            return []
        return [json.loads(line) for line in path.read_bytes().split(b"\n") if line.strip()]

    def happened(self, kind: str) -> list[Json]:
        """Those of a kind."""
        return [line for line in self.lines() if line["happened"] == kind]

    def kill(self) -> None:
        """At once."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(PATIENCE_S)


def environment(directory: Path) -> dict[str, str]:
    """Of the simulators of one kiosk: their sockets lie with them."""
    return {**clean_environment(), "XDG_RUNTIME_DIR": str(directory), "XDG_STATE_HOME": str(directory)}


class Asked:
    """An operation that a backend has asked for in the background."""

    def __init__(
        self, kiosk: "DeskKiosk", operation: str, body: Json, key: str, answer: "Future[httpx.Response]"
    ) -> None:
        self.kiosk = kiosk
        self.operation = operation
        self.body = body
        self.key = key
        self.future = answer

    @property
    def id(self) -> str:
        """Its request id, once the hub has given it to the kiosk."""
        return self.kiosk.site.backend.sent(self.kiosk.id, self.key)

    def answer(self, status: int = 200) -> Json:
        """What the backend was answered, after it was."""
        answer = self.future.result(PATIENCE_S)
        assert answer.status_code == status, answer.text
        found: Json = answer.json()
        return found

    def final(self) -> Json:
        """The operation as the hub has it in the end."""
        return self.kiosk.site.backend.final(self.id)

    def told(self) -> Json:
        """The answer's body as the hub has it in the end."""
        final = self.final()
        assert final["state"] == "succeeded", final
        found: Json = final["answer"]["body"]
        return found


class DeskKiosk(Kiosk):
    """A kiosk, its devices and its appliance. Devices not named in `has` are not there, nor in the routing file."""

    def __init__(
        self, site: Site, word: str, has: tuple[str, ...] = tuple(HARDWARE), settings: Mapping[str, str] | None = None,
        cash: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        identity = unique(word)
        self.rack_directory = site.directory / f"{identity}.d"
        self.rack_directory.mkdir()
        self.has = has
        self.rack = {
            name: SimulatedDevice(self.rack_directory, name)
            for name in dict.fromkeys(HARDWARE[each].ledger for each in has)
        }
        self.asked: list[Asked] = []
        self._cash = dict(cash or {})
        super().__init__(site, identity, self.desk_routes(), settings)
        self.screen = Screen(f"ws://127.0.0.1:{self.appliance.port}/events")

    @classmethod
    @contextlib.contextmanager
    def standing(cls, site: Site, word: str, *has: str, start: bool = True, **options: Any) -> Iterator[Self]:
        """Everything started, connected, and every device ready; the hoppers filled and counted."""
        kiosk = cls(site, word, *((has,) if has else ()), **options)
        try:
            kiosk.start_devices()
            if start:
                kiosk.start()
                kiosk.wait_devices()
                kiosk.fill_hoppers()
            yield kiosk
        finally:
            kiosk.close()

    def desk_routes(self) -> Json:
        """Its routing file."""
        port = {name: str(self.rack_directory / HARDWARE[name].ledger) for name in self.has}
        known: Json = {
            "bills": {"driver": "ccnet", "currency": KZT},
            "coins": {"driver": "cctalk", "address": 2, "currency": KZT},
            "hopper": {"driver": "cctalk-hopper", "address": 3, "denomination": 10000, "currency": KZT},
            "second": {"driver": "cctalk-hopper", "address": 3, "denomination": 5000, "currency": KZT},
            "register": {"driver": "shtrih", "currency": KZT},
            "printer": {"driver": "escpos"},
        }
        devices = {name: {**known[name], "port": port[name]} for name in self.has}
        routes: Json = {
            name: {"device": name, "timeout": {"printer": 6, "register": 8}.get(name, 30)} for name in self.has
        }
        takers = [name for name in self.has if HARDWARE[name].role in {"bills", "coins", "hopper"}]
        if takers:
            routes["cash"] = {"desk": "cash", "devices": takers, "timeout": 60, "idle_timeout": 30, **self._cash}
        for name, key in (("register", "receipt"), ("printer", "printer")):
            if name in self.has and takers:
                routes["cash"][key] = name
        return {"devices": devices, "routes": routes}

    # Devices

    def start_devices(self) -> None:
        """All of them, and their hoppers filled."""
        for device in self.rack.values():
            device.start()
        for device in self.rack.values():
            device.do("describe")

    def wait_devices(self, *names: str, state: tuple[str, ...] = ("ready", "disabled", "busy")) -> None:
        """Wait until they stand so, by what the screen is told."""

        def stand() -> bool:
            states = self.screen.states()
            return all(states.get(name) in state for name in names or self.has)

        until(f"{self.id}: {names or self.has} being {state}", stand)

    def fill_hoppers(self, coins: int = 100) -> None:
        """Put coins in, and tell the kiosk how many there are."""
        for name in ("hopper", "second"):
            if name in self.has:
                self.set_hopper(name, coins)

    def set_hopper(self, name: str, coins: int, said: int | None = None) -> None:
        """So many are in it, and so many (the same, unless `said`) the kiosk is told."""
        self.rack[HARDWARE[name].ledger].do("empty_hopper")
        self.rack[HARDWARE[name].ledger].do("fill_hopper", coins=coins)
        body = {"action": "set-level", "denomination": HARDWARE[name].coin, "count": coins if said is None else said}
        answer = self.site.backend.send(self.id, name, body, key=unique("level"))
        assert answer.status_code == 200, answer.text

    def note(self, minor: int) -> None:
        """A customer pushes a note in, as soon as the validator takes one."""
        until(f"a note of {minor} being drawn in", lambda: self.rack["bills"].do("insert", minor=minor)["taken"])

    def coin(self, minor: int) -> None:
        """A customer puts a coin in, once the acceptor takes any."""
        until("the coin acceptor taking coins", lambda: self.rack["bus"].do("describe")["coins"]["taking"])
        self.rack["bus"].do("insert_coin", minor=minor)

    def start(self, settings: Mapping[str, str] | None = None, *, wait: bool = True) -> None:
        """Its appliance, maybe again; wait until the screen has found it."""
        before = self.screen.connections
        self.appliance.settings = dict(settings or {})
        self.appliance.start(wait=wait)
        if wait:
            until(f"the screen finding {self.id}", lambda: self.screen.connections > before)

    def restart(self) -> None:
        """Kill it as a power cut would, and start it again."""
        self.appliance.kill()
        self.start()

    # Operations

    def ask(self, operation: str, body: Json, *, timeout: float = 60.0, key: str = "", queued: bool = False) -> Asked:
        """A backend asks in the background."""
        key = key or unique(operation)
        if queued:
            answer = self.site.backend.in_background(self.site.backend.queue, self.id, operation, body, key=key)
        else:
            answer = self.site.backend.later(self.id, operation, body, key=key, timeout=timeout)
        asked = Asked(self, operation, body, key, answer)
        self.asked.append(asked)
        return asked

    def pay(self, amount: int, **more: Any) -> Asked:
        """A cash payment is asked for."""
        options = {name: more.pop(name) for name in ("key", "queued") if name in more}
        return self.ask("cash", {"amount": amount, "currency": KZT, **more}, **options)

    def collecting(self, asked: Asked, collected: int = 0) -> Json:
        """Wait until the session takes money and has so much; the last it said."""
        return self.at(asked, "collecting", collected)

    def at(self, asked: Asked, stage: str, collected: int | None = None) -> Json:
        """Wait until the screen has shown that the session was at that stage (and had so much): it may be over."""
        identity = asked.id

        def found() -> Json | None:
            said = [each for each in self.screen.said("operation", identity) if each.get("stage") == stage]
            return next((each for each in reversed(said) if collected in {None, each["collected"]}), None)

        last: Json = until(f"{asked.key} being at {stage} with {collected}", found)
        return last

    def stream(self, asked: Asked) -> "tuple[list[tuple[str, Json]], Future[None]]":
        """What the hub tells of it by server-sent events, as it comes, and its end; it has begun."""
        told: list[tuple[str, Json]] = []
        ended = self.site.backend.in_background(self._stream, f"/operations/{asked.id}/events", told)
        until("the first event", lambda: told or ended.done())
        return told, ended

    def _stream(self, path: str, told: list[tuple[str, Json]]) -> None:
        headers = {"Authorization": f"Bearer {self.site.backend.key}"}
        kind = ""
        with httpx.stream("GET", f"{self.site.hub.url}{path}", headers=headers, timeout=60, trust_env=False) as answer:
            for line in answer.iter_lines():
                if line.startswith("event: "):
                    kind = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    told.append((kind, json.loads(line.removeprefix("data: "))))

    def cancel_here(self) -> httpx.Response:
        """The customer presses the screen's button."""
        return self.appliance.http.post("/local/cancel", json={})

    # In the end

    def books(self) -> Books:
        """All there is to know of this kiosk."""
        entries, works = self.book()
        operations = self.site.backend.operations(self.id)
        bodies = {asked.key: asked.body for asked in self.asked}
        return Books(
            hardware={name: HARDWARE[name] for name in self.has},
            ledgers={name: device.lines() for name, device in self.rack.items()},
            entries=entries,
            works=works,
            asked={
                each["request_id"]: (each["operation"], bodies.get(each["idempotency_key"], {})) for each in operations
            },
            told={
                each["request_id"]: [_outcome(each)] for each in operations if each["state"] in {"succeeded", "failed"}
            },
            events=self.events(),
        )

    def result(self, asked: Asked) -> Json | None:
        """What ended it, by the journal; None while it has not."""
        return next((work.result for work in self.book()[1] if work.id == asked.id), None)

    def book(self) -> tuple[list[Entry], list[Work]]:
        """Of its journal, beside the appliance."""
        return read_book(self.appliance.directory / "state" / "journal.db")

    def untold(self) -> int:
        """Outcomes and events that the hub has not. What it acknowledged leaves the journal up to a second later."""
        events = _rows(self.appliance.directory / "state" / "journal.db", "SELECT seq FROM events")
        stored = self.site.hub.rows(f"SELECT seq FROM events WHERE kiosk_id = '{self.id}'")
        return len(set(events) - set(stored)) + int(self.health()["unsettled"])

    def events(self) -> list[tuple[str, str, Json]]:
        """What the hub has of it."""
        query = f"SELECT kind, device, data FROM events WHERE kiosk_id = '{self.id}' ORDER BY received_at, seq"
        rows = self.site.hub.rows(query)
        return [(kind, device or "", msgspec.json.decode(data)) for kind, device, data in rows]

    def wait_no_work(self) -> None:
        """Wait until all that was begun has ended."""
        until(f"{self.id} having no open work", lambda: all(work.result is not None for work in self.book()[1]))

    def agrees(self) -> Books:
        """Wait until all is told; then devices, journal and hub agree to the tiyn."""

        until(f"{self.id} having told everything", lambda: self.untold() == 0)
        books = self.books()
        breaches = agree(books)
        money = [entry for entry in books.entries if entry.kind not in {"state-changed", "identified"}]
        assert breaches == [], "\n".join([*breaches, *map(str, money[-30:])])
        return books

    def close(self) -> None:
        """End everything."""
        self.screen.close()
        super().close()
        for device in self.rack.values():
            device.kill()


def _rows(database: Path, query: str) -> list[Any]:
    """Beside the program whose it is."""
    with contextlib.closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=60)) as connection:
        return connection.execute(query).fetchall()


def _outcome(operation: Json) -> Outcome:
    answer, problem = operation["answer"] or {"status": 0, "body": {}}, operation["problem"] or {"type": ""}
    return Outcome(operation["executed"], answer["status"], answer["body"], problem["type"])


class Screen:
    """The kiosk's own: a page that listens to the appliance, and comes back whenever it went away."""

    def __init__(self, url: str) -> None:
        self.news: list[Json] = []
        self._url = url
        self._closed = False
        self._thread = threading.Thread(target=self._watch, name="screen", daemon=True)
        self._thread.start()

    @property
    def connections(self) -> int:
        """How often the appliance was found."""
        return sum(news["type"] == "hello" for news in self.news)

    def last(self, kind: str, subject: str) -> Json | None:
        """What was said last of it."""
        return next(reversed(self.said(kind, subject)), None)

    def said(self, kind: str, subject: str) -> list[Json]:
        """All that was said of it, in order."""
        return [news for news in list(self.news) if (news["type"], news.get("id")) == (kind, subject)]

    def states(self) -> dict[str, str]:
        """Of all devices, as they were told since the appliance was found last."""
        begin = max((at for at, news in enumerate(self.news) if news["type"] == "hello"), default=len(self.news))
        return {news["id"]: news["state"] for news in self.news[begin:] if news["type"] == "device"}

    def close(self) -> None:
        """End it."""
        self._closed = True
        self._thread.join(10)

    def _watch(self) -> None:
        while not self._closed:
            with contextlib.suppress(OSError, WebSocketException, TimeoutError), connect(self._url) as socket:
                while not self._closed:
                    with contextlib.suppress(TimeoutError):
                        self.news.append(json.loads(socket.recv(0.2)))
            time.sleep(0.1)
