"""Secrets that are easy to recognise go through everything both programs do, and are then searched for everywhere.

Each is one that a person gave the programs or that a caller brought along. After good payments, refusals, failures,
broken settings and a broken database, at the most talkative level of the log, nothing may stand anywhere but where the
contract puts it; that the search is not blind is shown by what it must find there.
"""

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from bench.program import Program, clean_environment, free_port, program, wait_for
from bench.stack import Appliance, Gateway, Hub, gateway_routes, send_headers
from tests.chaos.doors import transcripts
from tests.chaos.doors.raw import exchange
from tests.chaos.doors.search import Search
from tests.chaos.results import Result, timed

_CARD_PREFIX = "427655"
# What may stand where: callers' own words in the two memories, what a kiosk needs to reach its gateway in its file.
_MEMORIES = ("card", "body", "idempotency key", "callback secret", "callback query")
_KEPT = {
    "hub.db": _MEMORIES, "hub.db-wal": _MEMORIES, "journal.db": ("card", "body"), "journal.db-wal": ("card", "body"),
    "routing_config.yaml": ("gateway password", "gateway query"),
}  # fmt: skip
_MUST_BE_SEEN = {"callback secret", "card", "gateway password"}


def run(directory: Path, seed: int, scale: float) -> Result:
    """See the module. It is done once; a small scale leaves out some of the wrong settings."""
    result = Result(scenario="canary", seed=seed)
    with timed(result), contextlib.ExitStack() as stack:
        cage = Cage(directory, random.Random(f"{seed} canary"), result, scale)
        stack.callback(cage.stop)
        cage.start()
        for act in (
            cage.pay, cage.be_refused, cage.break_gateways, cage.lie_on_sockets, cage.break_database,
            cage.break_settings, cage.break_callbacks, cage.look_at_pages, cage.stop_and_look,
        ):  # fmt: skip
            began = time.monotonic()
            act()
            result.figures[f"{act.__name__}_s"] = round(time.monotonic() - began, 2)
        cage.judge()
    return result


class Cage:
    """A hub and a kiosk whose secrets are all canaries."""

    def __init__(self, directory: Path, rng: random.Random, result: Result, scale: float) -> None:
        self._rng = rng
        self._all = scale >= 1
        self._result = result
        self._directory = directory
        self.secrets = {name: self._secret() for name in (
            "JWT_SECRET", "ADMIN_KEY", "Redis password", "database password", "gateway password", "gateway query",
            "proxy password", "callback query", "wrong key", "basic password", "cookie", "body", "idempotency key",
            "frame", "broken routes", "broken secret",
        )}  # fmt: skip
        self.secrets["card"] = _card(rng)
        redis = f"redis://hub:{self.secrets['Redis password']}@127.0.0.1:{free_port()}/0"
        (directory / "tmp").mkdir(parents=True)
        self._talkative = {"LOG_LEVEL": "DEBUG", "TMPDIR": str(directory / "tmp"), "PYTHONFAULTHANDLER": "1"}
        settings = {**self._talkative, "REDIS_URL": redis, "JWT_LEGACY_CLAIM": "kiosk_id"}
        self.gateway = Gateway(directory / "gateway")
        self.hub = Hub(
            directory / "hub",
            settings=settings,
            jwt_secret=self.secrets["JWT_SECRET"],
            admin_key=self.secrets["ADMIN_KEY"],
        )
        self._programs: list[Program] = [self.hub, self.gateway]
        self._told: list[tuple[str, bytes, tuple[str, ...]]] = []  # place, what was read there, what may stand there

    def _secret(self) -> str:
        return f"{self._rng.getrandbits(160):040x}"

    def start(self) -> None:
        """Start everything; what the programs make themselves is secret from then on."""
        self.gateway.start(wait=False)
        self.hub.start()
        self.gateway.wait_ready()
        self._receiver_port = free_port()
        url = f"http://127.0.0.1:{self._receiver_port}/hook?auth={self.secrets['callback query']}"
        made = self.hub.add_api_key("canary", url)
        self.secrets |= {"API key": made["key"], "callback secret": made["callback_secret"].removeprefix("whsec_")}
        self.token = self.hub.add_kiosk("kiosk_001")
        self.v1_token = self.hub.add_kiosk("kiosk_v1")
        self.secrets |= {"kiosk token": self.token.rpartition(".")[2], "v1 token": self.v1_token.rpartition(".")[2]}
        routes = gateway_routes(self.gateway.url, timeout=5.0)
        login = f"http://user:{self.secrets['gateway password']}@"
        for route in routes["routes"].values():
            route["url"] = route["url"].replace("http://", login) + f"?auth={self.secrets['gateway query']}"
        routes["routes"]["payment"]["status"]["url"] = routes["routes"]["payment"]["status"]["url"].replace(
            "http://", login
        )
        for name in ("absent", "silent"):
            url = f"{login}127.0.0.1:{free_port()}/x?token={self.secrets['gateway query']}"
            routes["routes"][name] = {"url": url, "timeout": 1}
        self.routes = routes
        kiosk = Appliance(
            self._directory / "kiosk", self.hub.ws_url, self.token, routes,
            settings={**self._talkative, "LOG_DIR": str(self._directory / "kiosk" / "logs")},
        )  # fmt: skip
        self.kiosk = kiosk
        self._programs.append(kiosk)
        kiosk.start()

    def stop(self) -> None:
        """End everything."""
        for running in self._programs:
            running.kill()
            running.__exit__(None, None, None)

    # What is done.

    def pay(self) -> None:
        """Good payments, by both dialects, with a repetition; their streams and records are read."""
        stop = threading.Event()
        v1 = threading.Thread(target=self._answer_as_v1, args=(stop,), daemon=True)
        v1.start()
        try:
            wait_for("the v1 client", lambda: self.hub.admin("GET", "/admin/kiosks/kiosk_v1").json()["connected"])
            body = self._body()
            for kiosk in ("kiosk_001", "kiosk_001", "kiosk_v1"):
                answer = self._send(kiosk, "payment", key=self.secrets["idempotency key"] + kiosk, body=body)
                if answer.status_code != 200:
                    self._result.breaches.append(f"a payment gets {answer.status_code} {answer.text[:200]}")
                request_id = answer.headers["x-request-id"]
                self._read("GET", f"/operations/{request_id}", "API key", ("idempotency key",))
                self._read("GET", f"/operations/{request_id}/events", "API key", ("idempotency key",))
            self._read("GET", "/operations", "API key", ("idempotency key",))
        finally:
            stop.set()
            v1.join(10)

    def be_refused(self) -> None:
        """Callers with wrong keys, wrong bodies, wrong headers and no HTTP."""
        secrets, body = self.secrets, self._body()
        for wrong in (secrets["wrong key"], "kw_00000000_" + secrets["wrong key"], self.token, secrets["ADMIN_KEY"]):
            self._note("refusal", self.hub.send("kiosk_001", "payment", body, key=wrong))
            self._note("refusal", self.hub.http.get("/admin/kiosks", headers={"Authorization": f"Bearer {wrong}x"}))
        headers = {
            **send_headers("kiosk_001", "payment", key=secrets["API key"]),
            "Cookie": f"session={secrets['cookie']}",
        }
        for text in (json.dumps(body)[:-1], json.dumps([body]), json.dumps(body) + "\xff"):
            answer = self.hub.http.post("/send", content=text.encode("latin-1"), headers=headers)
            self._note("refusal", answer)
        for more in ({"Header-Timeout": "0"}, {"Header-Kiosk-Id": "../x"}, {"Header-Operation-Type": "none"}):
            self._note("refusal", self.hub.http.post("/send", json=body, headers={**headers, **more}))
        for value in (
            f"Basic {secrets['basic password']}",
            f"Bearer\x01{secrets['wrong key']}",
            f"Bearer {secrets['wrong key']}\n x",
        ):
            said = f"POST /send HTTP/1.1\r\nHost: hub\r\nAuthorization: {value}\r\nContent-Length: 0\r\n\r\n".encode()
            self._told.append(("an answer to what is no HTTP", asyncio.run(exchange(self.hub.port, said)), ()))
            target = f"/ws?token={secrets['wrong key']}%ff"
            said = f"GET {target} HTTP/1.1\r\nHost: hub\r\nAuthorization: {value}\r\n\r\n".encode()
            self._told.append(("an answer to what is no HTTP", asyncio.run(exchange(self.hub.port, said)), ()))
            self._told.append(("an answer of the appliance", asyncio.run(exchange(self.kiosk.port, said)), ()))
        for path in (
            f"/ws?token={self.token}",
            f"/nowhere?key={secrets['wrong key']}",
            f"/operations?x={secrets['wrong key']}",
        ):
            self._note("refusal", self.hub.http.get(path, headers={"Cookie": f"a={secrets['cookie']}"}))
        self._note(
            "refusal",
            self.hub.admin("POST", "/admin/api-keys", {"name": "x", "callback_url": "ftp://x", "y": secrets["body"]}),
        )

    def break_gateways(self) -> None:
        """Gateways that are not there, break off, answer with failures."""
        for operation in ("absent", "silent"):
            self._note("an answer", self._send("kiosk_001", operation))
        for fault in ("reset", "error-500", "error-500-after", "not-json", "lost", "decline"):
            self.gateway.fault(fault, "fiscal")
            self._note("an answer", self._send("kiosk_001", "fiscal"))
            self._result.faults[f"gateway: {fault}"] += 1

    def break_callbacks(self) -> None:
        """A receiver that is not there, then one that answers nonsense."""
        logged = "callback not taken"
        wait_for("a callback that fails", lambda: logged in self.hub.log.read_text(encoding="utf-8"))
        with _one_answer(self._receiver_port, b"HTTP/1.1 200 \xff\x00\r\nX: " + self.secrets["body"].encode()) as asked:
            # The pauses between its tries double: the next one comes within as long as this has run by now.
            wait_for("a callback that is tried again", lambda: asked, 240)
        self._result.faults["callback"] += 2

    def lie_on_sockets(self) -> None:
        """A kiosk that sends the secret where no message is, and tokens that are none."""
        bad = self.secrets["frame"]
        headers = {"Authorization": f"Bearer {self.hub.add_kiosk('kiosk_mad')}"}
        with connect(
            self.hub.ws_url, additional_headers=headers, subprotocols=[Subprotocol("kiosk.v2")], proxy=None
        ) as kiosk:
            kiosk.send(json.dumps(transcripts.hello()))
            for message in (
                bad, f'{{"type": "{bad}"}}', f'{{"type": "response", "executed": "{bad}"}}',
                f'{{"type": "event", "seq": "{bad}"}}',
                f'{{"type": "hello", "version": ["{bad}"]}}', f'{{"type": "progress", "request_id": 7, "{bad}": 1}}',
            ):  # fmt: skip
                kiosk.send(message)
                self._result.faults["frame"] += 1
        for url in (f"{self.hub.ws_url}?token={bad}", f"{self.hub.ws_url}?token={self.token[:-3]}"):
            with contextlib.suppress(WebSocketException), connect(url, proxy=None) as stranger:
                stranger.recv(timeout=5)

    def break_database(self) -> None:
        """Statements fail below handlers: the values in them are secrets."""
        path = self._directory / "hub" / "state" / "hub.db"
        for table in ("api_keys", "operations", "kiosks", "callbacks", "events"):
            _sql(path, f"ALTER TABLE {table} RENAME TO away")
            try:
                url = f"http://127.0.0.1:9/?auth={self.secrets['callback query']}"
                key = {"name": "x", "callback_url": url}
                self._note("an act", self.hub.admin("POST", "/admin/api-keys", key), ("callback query",))
                self._note("an act", self.hub.admin("POST", "/admin/kiosks", {"id": "x", "name": "x"}))
                self._note("a failure", self._send("kiosk_001", "payment", key=self.secrets["idempotency key"] + table))
                self._note("a failure", self._send("kiosk_001", "payment"))
                self._read("GET", "/operations", "API key", ("idempotency key",))
                time.sleep(0.1)  # what goes on by itself fails as well
            finally:
                _sql(path, f"ALTER TABLE away RENAME TO {table}")
            self._result.faults[f"no table {table}"] += 1
        wait_for("the hub's recovery", lambda: self._send("kiosk_001", "payment").status_code == 200)

    def break_settings(self) -> None:
        """Command lines on settings that are wrong, and a routing file that becomes so."""
        secrets, hub, kiosk = self.secrets, self.hub, self.kiosk
        login = f"user:{secrets['database password']}@host/x"
        for more in self._some((
            {}, {"DATABASE_URL": f"postgresql://{login}"}, {"DATABASE_URL": secrets["database password"]},
            {"JWT_SECRET": secrets["broken secret"][:20]}, {"ADMIN_KEY": secrets["broken secret"][:20]}, {"PORT": "x"},
            {"REDIS_URL": f"http://{login}"}, {"REDIS_URL": f"redis://:{secrets['Redis password']}/x@h"},
            {"REDIS_URL": f"redis://:{secrets['Redis password']}@h:x"}, {"HOST": "h" * 300},
        )):  # fmt: skip
            arguments = self._rng.choice((("check-config",), ("kiosk", "list"), ("migrate",)))
            self._command("kioskwire-hub", arguments, {**hub.environment(), **hub.settings, **more}, hub.directory)
        self._command(
            "kioskwire-hub",
            ("apikey", "list"),
            {**hub.environment(), **hub.settings},
            hub.directory,
            allowed=("callback query",),
        )
        given = {**kiosk.environment(), **kiosk.settings, "STATE_DIR": str(self._directory / "elsewhere")}
        proxy = f"http://us:{secrets['proxy password']}@127.0.0.1:{free_port()}"
        host = f"//us:{secrets['proxy password']}@h"
        for more in self._some((
            {}, {"PROXY_URL": proxy}, {"PROXY_URL": proxy + "/x"}, {"PROXY_URL": f"socks:{host}"},
            {"WS_TOKEN": f"a {secrets['broken secret']}"}, {"WS_SERVER_URL": f"wss:{host}/ws"},
            {"WS_SERVER_URL": f"ws://h/ws?token={secrets['broken secret']}"}, {"LOG_LEVEL": "loud"},
        )):  # fmt: skip
            self._command("kioskwire-appliance", ("check-config",), {**given, **more}, kiosk.directory)
        self._command(
            "kioskwire-appliance",
            ("run",),
            {**given, "PROXY_URL": proxy, "HEALTH_CHECK_PORT": "0"},
            kiosk.directory,
            lasts=1.5,
        )
        good = (kiosk.directory / "routing_config.yaml").read_text(encoding="utf-8")
        bad = secrets["broken routes"]
        file = kiosk.directory / "routing_config.yaml"
        for text in self._some((
            f"routes: {{payment: {{url: 'http://u:{bad}@h:x/'}}}}", f"routes: [{bad}", f"routes: {bad}: x",
            f"routes: {{payment: {{url: 'http://h/', token: {bad}, timeout: 0}}}}", f"routes: {{payment: '{bad}'",
            f"routes: {{payment: {{url: 'ftp://h/?password={bad}'}}}}",
            f"routes: {{payment: {{url: 'http://h?{bad} '}}}}",
        )):  # fmt: skip
            file.write_text(text, encoding="utf-8")
            self._command("kioskwire-appliance", ("check-config",), given, kiosk.directory)
            os.kill(kiosk.pid, signal.SIGHUP)
            self._result.faults["settings"] += 1
            time.sleep(0.1)
        self._told.append(("the appliance's /health", kiosk.http.get("/health").content, ()))
        file.write_text(good, encoding="utf-8")

    # Where it is looked.

    def look_at_pages(self) -> None:
        """Everything that answers without being asked for a secret; and the processes as others see them."""
        for path in ("/health", "/metrics", "/docs", "/openapi.json"):
            self._told.append((f"the hub's {path}", self.hub.http.get(path).content, ()))
        for path in ("/health", "/metrics", "/"):
            self._told.append((f"the appliance's {path}", self.kiosk.http.get(path).content, ()))
        for path in ("/admin/kiosks", "/admin/kiosks/kiosk_001", "/admin/api-keys"):
            allowed = ("callback query",) if path.endswith("keys") else ()
            self._told.append((f"the hub's {path}", self.hub.admin("GET", path).content, allowed))
        for running in self._programs:
            self._told.append((f"{running.name}'s command line", Path(f"/proc/{running.pid}/cmdline").read_bytes(), ()))

    def stop_and_look(self) -> None:
        """Every file the programs leave behind, once they have ended."""
        for running in self._programs:
            running.stop()
        self._result.figures["log_lines"] = sum(
            path.read_bytes().count(b"\n") for path in self._directory.rglob("*.log") if path.is_file()
        )
        for path in sorted(self._directory.rglob("*")):
            if path.is_file():
                self._told.append((str(path.relative_to(self._directory)), path.read_bytes(), _KEPT.get(path.name, ())))

    def judge(self) -> None:
        """Search it all."""
        search = Search(self.secrets)
        for place, content, allowed in self._told:
            search.look(place, content, allowed)
        self._result.breaches += search.found[:20]
        self._result.figures |= {
            "secrets": len(self.secrets), "places_searched": search.places, "bytes_searched": search.bytes,
            "secrets_found_elsewhere": len(search.found),
        }  # fmt: skip
        if blind := _MUST_BE_SEEN - {name for name, _ in search.seen}:
            self._result.breaches.append(
                f"the search is blind: it does not find {', '.join(sorted(blind))} where they are kept"
            )

    def _answer_as_v1(self, stop: threading.Event) -> None:
        """A client in the field: its token stands in the address."""
        with connect(f"{self.hub.ws_url}?token={self.v1_token}", proxy=None) as client:
            while not stop.is_set():
                with contextlib.suppress(TimeoutError):
                    request = json.loads(client.recv(timeout=0.1))
                    client.send(json.dumps({"request_id": request["request_id"], "status": "success"}))

    def _some(self, items: tuple[Any, ...]) -> list[Any]:
        return list(items) if self._all else self._rng.sample(items, 3)

    def _body(self) -> dict[str, Any]:
        order = f"order-{self._rng.getrandbits(40)}"
        return {
            "order_id": order,
            "check_id": order,
            "sum": 100,
            "card": self.secrets["card"],
            "note": self.secrets["body"],
        }

    def _send(
        self, kiosk: str, operation: str, *, key: str | None = None, body: dict[str, Any] | None = None
    ) -> httpx.Response:
        self._result.operations += 1
        answer = self.hub.send(
            kiosk, operation, body or self._body(), key=self.secrets["API key"], idempotency=key, timeout=10
        )
        self._note("an answer", answer)
        return answer

    def _note(self, place: str, answer: httpx.Response, allowed: tuple[str, ...] = ()) -> None:
        """Remember what an answer says, head and body."""
        head = "\n".join(f"{name}: {value}" for name, value in answer.headers.items()).encode(
            "utf-8", "surrogateescape"
        )
        self._told.append(
            (f"{place} ({answer.request.method} {answer.request.url.path})", head + answer.content, allowed)
        )

    def _read(self, method: str, path: str, key: str, allowed: tuple[str, ...]) -> None:
        answer = self.hub.http.request(method, path, headers={"Authorization": f"Bearer {self.secrets[key]}"})
        self._told.append((f"{method} {path}", answer.content, allowed))

    def _command(
        self, name: str, arguments: tuple[str, ...], given: Mapping[str, str], directory: Path, *,
        allowed: tuple[str, ...] = (), lasts: float = 30.0,
    ) -> None:  # fmt: skip
        """Run a command, `lasts` seconds at most; what it prints is looked at."""
        done = subprocess.Popen(
            [program(name), *arguments], cwd=directory, env={**clean_environment(), **given},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            output, _ = done.communicate(timeout=lasts)
        except subprocess.TimeoutExpired:
            done.send_signal(signal.SIGTERM)
            output, _ = done.communicate(timeout=20)
        self._told.append((f"the output of {name} {' '.join(arguments)}", output, allowed))
        if b"Traceback" in output:
            self._result.breaches.append(f"{name} {' '.join(arguments)} ends in a traceback: {output[-600:]!r}")


def _card(rng: random.Random) -> str:
    """A number that could be a card's."""
    digits = _CARD_PREFIX + "".join(str(rng.randrange(10)) for _ in range(9))
    for check in "0123456789":
        number = [int(digit) for digit in digits + check]
        doubled = [
            digit if index % 2 == 0 else sum(divmod(2 * digit, 10)) for index, digit in enumerate(reversed(number))
        ]
        if sum(doubled) % 10 == 0:
            return digits + check
    raise AssertionError("one of ten digits fits")


def _sql(path: Path, statement: str) -> None:
    with contextlib.closing(sqlite3.connect(path, timeout=10)) as connection:
        connection.execute(statement)
        connection.commit()


@contextlib.contextmanager
def _one_answer(port: int, answer: bytes) -> Iterator[list[bytes]]:
    """A server that says `answer` to whoever asks, and hangs up; gives the requests."""
    asked: list[bytes] = []
    stop = threading.Event()

    def serve() -> None:
        with socket.create_server(("127.0.0.1", port)) as server:
            server.settimeout(0.1)
            while not stop.is_set():
                with contextlib.suppress(OSError):
                    connection, _ = server.accept()
                    with connection:
                        asked.append(connection.recv(65536))
                        connection.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield asked
    finally:
        stop.set()
        thread.join(10)
