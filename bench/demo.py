"""`make demo`: a hub, a kiosk, its gateway and its devices on this machine, and operations sent through them.

Everything is kept under `.state/demo`. From the environment: `ONCE=1` ends after the first answers, `CASH=0` leaves the
cash payment out, `HUBS=2` runs so many hubs on one port, with a PostgreSQL and a Redis of their own, all begun anew
each time (under `.state/demo/hubs`), `JSON=<file>` writes what was sent, answered and measured, `HUB_PORT`,
`HEALTH_PORT`, `GATEWAY_PORT` and `TELEGRAM_PORT` choose ports, `TIMEZONE` is the hub's. With `TELEGRAM_BOT_TOKEN` the
hub's bot is that one, else it is at a simulated Telegram. Exit status 0 when every answer was as it should be, 1 with
the reason when not, 2 for settings that cannot be used.
"""

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import httpx

from bench import cash
from bench.cash import CashPayment, people
from bench.many import MOST, Hubs, servers
from bench.pages import Page
from bench.program import Program, StackError, is_free, program, stop_all
from bench.rack import Rack
from bench.stack import KIOSK, Appliance, Gateway, Hub, gateway_routes, send_headers
from bench.telegram import Telegram, of_a_real_bot
from wire.version import VERSION

STATE = Path(".state/demo")
PORTS = ("HUB_PORT", "HEALTH_PORT", "GATEWAY_PORT", "TELEGRAM_PORT")
WATCH_EVERY_S = 0.5
ADMIN = "demo"  # at the dashboard
# A kiosk whose program was killed is started again after this long, as after a power cut: longer than the hub's grace,
# so that one can see the caller being told `unknown` and the outcome arriving afterwards.
POWER_BACK_AFTER_S = 12.0


class Stopped(Exception):
    """Somebody asked the demo to end."""


class Options:
    """What the environment asks for. `mistakes` is everything wrong with it, in words."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.mistakes: list[str] = []
        self.once = environ.get("ONCE", "") not in {"", "0"}
        self.cash = environ.get("CASH", "") != "0"
        self.hubs = self._hubs(environ.get("HUBS", ""))
        self.json = Path(environ["JSON"]) if environ.get("JSON") else None
        self.real_bot = of_a_real_bot(environ)
        self.zone = {"TIMEZONE": environ["TIMEZONE"]} if environ.get("TIMEZONE") else {}
        self.ports = {name: self._port(name, environ.get(name, "")) for name in PORTS}
        chosen = [port for port in self.ports.values() if port]
        if len(set(chosen)) < len(chosen):
            self.mistakes.append(f"{', '.join(PORTS)}: the same port twice")
        if self.json is not None and not self.json.absolute().parent.is_dir():
            self.mistakes.append(f"JSON={self.json}: there is no directory {self.json.absolute().parent}")

    def _hubs(self, text: str) -> int:
        if text and not (text.isascii() and text.isdigit() and 1 <= int(text) <= MOST):
            self.mistakes.append(f"HUBS={text}: right would be a number of hubs, 1 to {MOST}, or nothing for one")
            return 1
        return int(text or 1)

    def _port(self, name: str, text: str) -> int:
        if not text:
            return 0
        if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
            self.mistakes.append(f"{name}={text}: right would be a port, 1 to 65535, or nothing for a free one")
            return 0
        if not is_free(int(text)):
            self.mistakes.append(
                f"{name}={text}: another program listens there; choose another, or nothing for a free one"
            )
        return int(text)


class Demo:
    """One run: the programs, a few operations, and the record of them."""

    def __init__(self, options: Options, directory: Path, page: Page, shared: Mapping[str, str] | None = None) -> None:
        """`shared` are the settings by which several hubs meet."""
        self.options = options
        self.page = page
        self.began = time.monotonic()
        self._first_answer = 0.0
        self.kept = Secrets(directory / "secrets.json")
        self.gateway = Gateway(directory / "gateway", port=options.ports["GATEWAY_PORT"])
        self.rack = Rack(directory / "devices")
        self.telegram = (
            None if options.real_bot else Telegram(directory / "telegram", port=options.ports["TELEGRAM_PORT"])
        )
        of_bot = self.telegram.hub_settings() if self.telegram else options.real_bot
        of_hub: dict[str, Any] = {
            "port": options.ports["HUB_PORT"],
            "settings": options.zone | of_bot | dict(shared or {}),
            "jwt_secret": self.kept.get("jwt_secret", secrets.token_hex(32)),
            "admin_key": self.kept.get("admin_key", secrets.token_hex(32)),
        }
        self.hub = Hubs(directory / "hub", options.hubs, **of_hub) if shared else Hub(directory / "hub", **of_hub)
        self.appliance = Appliance(
            directory / "appliance",
            self.hub.ws_url,
            "",
            _routing(self.gateway, self.rack),
            port=options.ports["HEALTH_PORT"],
            settings={"ENGINEER_PIN": self.kept.get("engineer_pin", f"{secrets.randbelow(9 * 10**7) + 10**7}")},
        )
        self.record: dict[str, Any] = {
            "version": VERSION,
            "started_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "ok": False,
            "steps": [],
        }

    @property
    def programs(self) -> list[Program]:
        """All of them."""
        beside = [] if self.telegram is None else [self.telegram]
        return [self.appliance, self.hub, self.gateway, *beside, *self.rack.devices]

    def start(self) -> None:
        """Start the programs and register the kiosk. Raises `StackError`."""
        for running in self.programs:
            running.log.unlink(missing_ok=True)
        self.gateway.start(wait=False)
        self.rack.start(wait=False)
        if self.telegram:
            self.telegram.start(wait=False)
        self.hub.start()
        self.gateway.wait_ready()
        self.rack.wait_ready()
        if self.telegram:
            self.telegram.wait_ready()
        self._register()
        self.appliance.start()
        if self.appliance.code:
            self.page.words(f"{KIOSK} traded the one-time code {self.appliance.code} for its own key and token.")
        took = time.monotonic() - self.began
        self.record["startup_s"] = {
            "hub": round(self.hub.started_in, 3),
            "kiosk": round(self.appliance.started_in, 3),
            "all": round(took, 3),
        }
        self.record["addresses"] = self.addresses()
        hub = f"{self.options.hubs} hubs on one port" if isinstance(self.hub, Hubs) else "Hub"
        self.page.words(
            f"{hub}, kiosk {KIOSK}, its gateway and its simulated devices are running ({took:.1f} s): a bill validator,"
            " a coin acceptor and a hopper, a fiscal register, a receipt printer."
        )

    def addresses(self) -> dict[str, str]:
        """Where to look."""
        return {
            "hub": self.hub.url,
            "dashboard": f"{self.hub.url}/dashboard",
            "kiosk's page": f"{self.appliance.url}/",
            "API docs": f"{self.hub.url}/docs",
            "kiosk health": f"{self.appliance.url}/health",
            "gateway's ledger": f"{self.gateway.url}/sim/ledger",
            **({"Telegram, simulated": self.telegram.url} if self.telegram else {}),
            "logs": f"{_short(self.hub.directory.parent)}/{{hub,appliance,gateway,telegram,devices/*}}/*.log",
        }

    def operate(self) -> None:
        """Send the operations, show them, and hold the answers against the gateway's ledger. Raises `StackError`."""
        order = f"order-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        payment = {"order_id": order, "sum": 150000, "currency": "KZT"}
        paid = self._step("A payment: POST to the kiosk's terminal", "payment", payment, "POST", order)
        self._expect(paid, "status", "success")
        fiscal = {"check_id": order, "status": "paid"}
        checked = self._step("A fiscal query: GET with the body as its query", "fiscal", fiscal, "GET", None)
        self._expect(checked, "query", fiscal)
        again = self._step("The same payment again, as after a lost answer", "payment", payment, "POST", order)
        self._expect(again, "transaction_id", paid.get("transaction_id"))
        if not self.record["steps"][-1]["answer"]["headers"].get("Idempotent-Replayed"):
            raise StackError("the repeated payment was not answered as a repetition")
        charges = self.gateway.effects(order)
        self.record["charges_in_ledger"] = charges
        if charges != 1:
            raise StackError(f"the gateway's ledger shows {charges} charges for {order} instead of one")
        self.page.line()
        self.page.line(f"The gateway's own ledger shows {charges} charge for {order}.")
        self.record["first_answer_ms"] = self.record["steps"][0]["ms"]
        self.record["first_answer_after_s"] = round(self._first_answer - self.began, 3)
        if isinstance(self.hub, Hubs):
            self._pay_from_afar(self.hub, f"{order}-afar")
        if self.options.cash:
            self._take_cash(f"cash-{order}")
        if self.telegram:
            self._ask_the_bot(self.telegram, order)
        self.record["ok"] = True

    def _ask_the_bot(self, telegram: Telegram, order: str) -> None:
        """What an operator sees of all this in Telegram. Raises `StackError`."""
        command = f"/kiosk {KIOSK}"
        told = {"command": command, "answer": telegram.ask(command), "log": telegram.logged(order, "POST", "200")}
        self.record["telegram"] = told
        self.page.title("What an operator sees in Telegram (simulated)")
        self.page.line(f"   the admin writes {command}")
        self.page.message(told["answer"])
        self.page.line("   in the group of the operation log")
        self.page.message(told["log"])

    def _pay_from_afar(self, hubs: Hubs, order: str) -> None:
        """A payment asked of a hub that does not hold the kiosk. Raises `StackError`."""
        with hubs.away_from_the_kiosk() as (client, asked, holder):
            body = {"order_id": order, "sum": 150000, "currency": "KZT"}
            title = f"A payment asked of {asked}, while {holder} holds the kiosk"
            paid = self._step(title, "payment", body, "POST", order, client=client)
            self._expect(paid, "status", "success")
            told = client.get("/health").json()["hubs"]
        charges = self.gateway.effects(order)
        self.record |= {"afar": {"asked": asked, "holder": holder, "charges": charges}, "hubs": told}
        if charges != 1:
            raise StackError(f"the gateway's ledger shows {charges} charges for {order} instead of one")
        self.page.title(f"The hubs, by /health of {asked}")
        here = {True: ", which was asked", False: ""}
        self.page.pairs(
            {
                each["name"]: ("holds the kiosk" if each["kiosks"] else "no kiosk") + here[each["is_this"]]
                for each in told
            }
        )

    def _take_cash(self, idempotency: str) -> None:
        """One customer with two notes, from the amount on the screen to the receipt. Raises `StackError`."""
        payment = CashPayment(
            rack=self.rack, hub=self.hub, appliance=self.appliance, key=self.kept["api_key"], page=self.page,
            send=self._ask,
        )  # fmt: skip
        payment.prepare()
        headers = send_headers(KIOSK, "cash", key="…", idempotency=idempotency)
        headers["Header-Timeout"] = f"{cash.PAYMENT_S:g}"
        request = {"method": "POST", "url": f"{self.hub.url}/send", "headers": headers, "body": cash.BODY}
        title = f"Cash: {people(cash.AMOUNT)} {cash.CURRENCY}, with change and a fiscal receipt"
        self.page.sent(len(self.record["steps"]) + 1, title, request)
        began = time.monotonic()
        answer = self._answered(title, request, lambda: payment.take(idempotency), began)
        for name, value in (("status", "paid"), ("collected", sum(cash.NOTES)), ("change_owed", 0)):
            self._expect(answer, name, value)
        self._expect(answer["receipt"], "status", "registered")
        paper, levels = payment.paper(), payment.levels()
        self.page.title("The receipt, as it came out of the register")
        self.page.paper(paper)
        self.page.title("What lies where now")
        self.page.pairs(levels)
        differences = payment.differences(answer)
        self.record |= {"progress": payment.told, "paper": paper, "levels": levels, "differences": differences}
        if differences:
            raise StackError(f"the devices' own ledgers say something else: {'; '.join(differences)}")
        self.page.line()
        self.page.line("The devices' own ledgers agree with the answer: notes, coins and the receipt.")

    def _ask(self, operation: str, body: dict[str, Any]) -> dict[str, Any]:
        """An operation that is not shown. Raises `StackError`."""
        answer = self.hub.send(KIOSK, operation, body, key=self.kept["api_key"])
        if answer.status_code != 200:
            raise StackError(f"{operation} {body}: answered {answer.status_code}: {answer.text[:400]}")
        found: dict[str, Any] = answer.json()
        return found

    def show_how_to_go_on(self) -> None:
        """A line to paste, and the addresses."""
        headers = send_headers(KIOSK, "payment", key=self.kept["api_key"], idempotency="mine-1")
        body = json.dumps({"order_id": "mine-1", "sum": 25000, "currency": "KZT"})
        words = [f"-H '{name}: {value}'" for name, value in headers.items() if name != "Header-Http-Method"]
        self.page.title("Try it (the second time it is not charged again)")
        self.page.line(f"curl -isS {self.hub.url}/send {' '.join(words)} -d '{body}'")
        self.page.title("Take cash (300.00: put a note in from another terminal; the second line does it)")
        body = json.dumps({"amount": 30000, "currency": "KZT"})
        headers = send_headers(KIOSK, "cash", key=self.kept["api_key"]) | {"Header-Timeout": "200"}
        words = [f"-H '{name}: {value}'" for name, value in headers.items() if name != "Header-Http-Method"]
        self.page.line(f"curl -sS {self.hub.url}/send {' '.join(words)} -d '{body}'")
        self.page.line(f"{_short(Path(program('kioskwire-sim')))} insert 500")
        self.page.title("What lies where, who is owed what")
        state = _short(self.appliance.directory / "state")
        self.page.line(f"STATE_DIR={state} {_short(Path(program('kioskwire-appliance')))} report")
        self.page.title("For the tour in the README")
        self.page.line(f"export HUB={self.hub.url} KEY={self.kept['api_key']}")
        self.page.title("Addresses")
        self.page.pairs(self.addresses())
        self.page.title("For the dashboard, and for the engineer's part of the kiosk's page")
        self.page.pairs(
            {
                "sign in as": f"{ADMIN}, {self.kept['dashboard_password']}",
                "engineer's PIN": self.kept["engineer_pin"],
            }
        )

    def watch(self) -> NoReturn:
        """Keep running, and the kiosk with it. Raises `StackError` when a program ends, `Stopped` when told to.

        Only a kiosk that was killed outright is started again, a while later.
        """
        power_back_at: float | None = None
        while True:
            self.hub.check()
            self.gateway.check()
            if self.telegram:
                self.telegram.check()
            for device in self.rack.devices:
                if not device.alive:
                    device.start(wait=False)
                    self.page.line(f"\n{device.name} was ended; it is started again, with its memory.")
            if power_back_at is not None and time.monotonic() >= power_back_at:
                power_back_at = None
                self.appliance.start()
                self.page.line(f"{KIOSK} is back.")
            elif power_back_at is None and not self.appliance.alive:
                if self.appliance.process is None or self.appliance.process.returncode != -signal.SIGKILL:
                    self.appliance.check()
                power_back_at = time.monotonic() + POWER_BACK_AFTER_S
                self.page.line(f"\n{KIOSK} lost its power; it comes back in {POWER_BACK_AFTER_S:g} s.")
            time.sleep(WATCH_EVERY_S)

    def stop(self) -> None:
        """End the programs."""
        stop_all(self.programs)

    def _register(self) -> None:
        """The kiosk and a key for its backend, made once and kept; what a hub no longer knows is made again."""
        is_new = self.hub.admin("GET", f"/admin/kiosks/{KIOSK}").status_code == 404
        if is_new:
            self.hub.add_kiosk(KIOSK, "The demo's kiosk")
            self.kept.drop("token")  # a hub begun anew knows none of it, and no key
            self.appliance.forget()
        # A demo that an earlier version began has a token, and goes on with it.
        self.appliance.token = dict.get(self.kept, "token", "")
        if not self.appliance.token and (is_new or not self.appliance.is_enrolled):
            self.appliance.code = self.hub.new_code(KIOSK)
        headers = {"Authorization": f"Bearer {self.kept.get('api_key', 'none')}"}
        if self.hub.http.get("/operations", headers=headers).status_code in {401, 403}:
            self.kept["api_key"] = self.hub.add_api_key("demo")["key"]
        self.hub.sign_up(ADMIN, self.kept.get("dashboard_password", secrets.token_urlsafe(9)))

    def _step(
        self,
        title: str,
        operation: str,
        body: dict[str, Any],
        method: str,
        idempotency: str | None,
        *,
        client: httpx.Client | None = None,
    ) -> dict[str, Any]:
        """Send one operation, over a connection of one's own or any, and show both sides; returns the answer's body.

        Raises `StackError`.
        """
        http = client or self.hub.http
        headers = send_headers(KIOSK, operation, key=self.kept["api_key"], method=method, idempotency=idempotency)
        request = {
            "method": "POST",
            "url": f"{self.hub.url}/send",
            "headers": {**headers, "Authorization": "Bearer …"},
            "body": body,
        }
        self.page.sent(len(self.record["steps"]) + 1, title, request)
        began = time.monotonic()
        return self._answered(title, request, lambda: http.post("/send", json=body, headers=headers), began)

    def _answered(
        self, title: str, request: dict[str, Any], send: Callable[[], httpx.Response], began: float
    ) -> dict[str, Any]:
        """Send, show and record the answer; returns its body. Raises `StackError`."""
        try:
            answer = send()
        except httpx.HTTPError as error:
            for running in self.programs:
                running.check()
            raise StackError(f"{title}: the hub did not answer: {error!r}\n{self.hub.tail()}") from error
        now = time.monotonic()
        if not self.record["steps"]:
            self._first_answer = now
        told = ("Content-Type", "X-Request-Id", "Idempotent-Replayed", "Retry-After")
        shown = {
            "status": answer.status_code,
            "headers": {name: answer.headers[name] for name in told if name in answer.headers},
            "body": _json_or_text(answer),
        }
        ms = round((now - began) * 1000, 2)
        self.record["steps"].append({"title": title, "request": request, "answer": shown, "ms": ms})
        self.page.answered(shown, ms)
        if answer.status_code != 200:
            tails = "\n".join(running.tail() for running in (self.hub, self.appliance))
            raise StackError(f"{title}: answered {answer.status_code} instead of 200: {answer.text[:400]}\n{tails}")
        found = shown["body"]
        return found if isinstance(found, dict) else {}

    def _expect(self, body: dict[str, Any], name: str, value: Any) -> None:
        if body.get(name) != value:
            raise StackError(f"the answer's {name} is {body.get(name)!r} instead of {value!r}")


class Secrets(dict[str, str]):
    """Names and secrets kept in a file that only its owner can read; written at every change."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            super().__init__(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            super().__init__()
        except ValueError as error:
            raise StackError(f"{path} is damaged ({error}); make clean removes it") from error

    def get(self, name: str, default: str = "") -> str:  # type: ignore[override]
        """The value kept, or `default`, which is then kept."""
        if name not in self:
            self[name] = default
        return self[name]

    def __setitem__(self, name: str, value: str) -> None:
        super().__setitem__(name, value)
        self._write()

    def drop(self, name: str) -> None:
        """Keep it no longer."""
        if self.pop(name, None) is not None:
            self._write()

    def _write(self) -> None:
        new = self._path.with_suffix(".new")
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            json.dump(self, file, indent=2)
        new.replace(self._path)


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the directory for this run alone. Raises `StackError`."""
    with (directory / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StackError(f"another demo is running in this tree (it holds {directory}); stop it first") from None
        yield


def run(options: Options, page: Page) -> int:
    """The demo from beginning to end. Returns the exit status."""
    record: dict[str, Any] = {"ok": False}
    try:
        STATE.mkdir(parents=True, exist_ok=True, mode=0o700)
        with locked(STATE), contextlib.ExitStack() as made:
            demo = made.enter_context(_made(options, page))
            record = demo.record
            try:
                demo.start()
                demo.operate()
                _write_record(options, record)
                if options.once:
                    return 0
                demo.show_how_to_go_on()
                page.line("\nCtrl-C ends everything.")
                demo.watch()
            finally:
                with _undisturbed():
                    demo.stop()
    except Stopped:
        page.line("\nStopped.")
        return 0 if record["ok"] else 1
    except (StackError, OSError) as error:
        page.failure(str(error))
        record["ok"] = False
        record["reason"] = str(error).splitlines()[0]
        with contextlib.suppress(OSError):
            _write_record(options, record)
        return 1


@contextlib.contextmanager
def _made(options: Options, page: Page) -> Iterator[Demo]:
    """One hub goes on with what it has kept; several begin anew, as their database does."""
    if options.hubs == 1:
        yield Demo(options, STATE, page)
        return
    page.line("Starting PostgreSQL and Redis, which several hubs need …")
    directory = STATE / "hubs"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(mode=0o700)
    with servers() as shared:
        yield Demo(options, directory, page, shared)


def main() -> int:
    """Read the environment, run, and end every child whatever happens."""
    options = Options(os.environ)
    page = Page(sys.stdout, os.environ)
    if options.mistakes:
        page.failure("\n".join(options.mistakes))
        return 2
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _stop)
    return run(options, page)


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stopped


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """A second Ctrl-C does not keep the children from being ended."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _write_record(options: Options, record: dict[str, Any]) -> None:
    if options.json is not None:
        options.json.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _json_or_text(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return answer.text


def _routing(gateway: Gateway, rack: Rack) -> dict[str, Any]:
    """The kiosk's routing file."""
    of_devices = rack.routing(cash.COIN, cash.CURRENCY)
    return {**of_devices, "routes": {**gateway_routes(gateway.url)["routes"], **of_devices["routes"]}}


def _short(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


if __name__ == "__main__":
    sys.exit(main())
