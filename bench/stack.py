"""The real programs, started as a stranger would, told everything by the environment.

    with Stack(Path(".state/try")) as stack:
        answer = stack.send("payment", {"order_id": "A1", "sum": 100}, idempotency="A1")
        assert stack.gateway.effects("A1") == 1

Everything is synchronous; see `bench.program` for what can be done to each of them.
"""

import json
import secrets
import sqlite3
import subprocess
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from bench.program import Program, StackError, clean_environment, program, stop_all

KIOSK = "kiosk_001"


class Gateway(Program):
    """The simulated gateway beside the kiosk."""

    name = "gateway"
    command = ("kioskwire-sim", "gateway")

    @property
    def ledger(self) -> Path:
        """What it really did, one JSON object a line."""
        return self.directory / "ledger.jsonl"

    def arguments(self) -> list[str]:
        return ["gateway", "--port", str(self.port), "--ledger", str(self.ledger)]

    def is_ready(self) -> bool:
        return self.http.get("/sim/faults").status_code == 200

    def lines(self) -> list[dict[str, Any]]:
        """The ledger, read from the file: true also while the gateway is dead."""
        if not self.ledger.exists():
            return []
        return [json.loads(line) for line in self.ledger.read_bytes().splitlines()]  # texts are split at U+2028, too

    def effects(self, identity: str, effect: str = "payment") -> int:
        """How often it acted on an order (or a check, for `fiscal`)."""
        key = "check_id" if effect == "fiscal" else "order_id"
        return sum(1 for line in self.lines() if line["effect"] == effect and line[key] == identity)

    def fault(self, fault: str, route: str = "payment", count: int = 1, **amounts: float) -> None:
        """Misbehave at the next `count` requests (0: at all) of a route."""
        body = {"fault": fault, "route": route, "count": count, **amounts}
        self.http.post("/sim/faults", json=body).raise_for_status()


class Hub(Program):
    """The hub on its embedded defaults."""

    name = "hub"
    command = ("kioskwire-hub", "serve")

    def __init__(
        self,
        directory: Path,
        *,
        port: int = 0,
        settings: Mapping[str, str] | None = None,
        jwt_secret: str = "",
        admin_key: str = "",
    ) -> None:
        super().__init__(directory, port=port, settings=settings)
        self.jwt_secret = jwt_secret or secrets.token_hex(32)
        self.admin_key = admin_key or secrets.token_hex(32)

    @property
    def ws_url(self) -> str:
        """Where kiosks connect to."""
        return f"ws://127.0.0.1:{self.port}/ws"

    def environment(self) -> dict[str, str]:
        return {
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "JWT_SECRET": self.jwt_secret,
            "ADMIN_KEY": self.admin_key,
            "STATE_DIR": str(self.directory / "state"),
            "DATABASE_URL": f"sqlite+aiosqlite:///{self.directory / 'state' / 'hub.db'}",
            "PUBLIC_URL": self.url,
        }

    def is_ready(self) -> bool:
        return self.http.get("/health").status_code == 200

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """What a query finds in its database, asked from outside."""
        path = (self.directory / "state" / "hub.db").as_uri()
        with closing(sqlite3.connect(f"{path}?mode=ro", uri=True, timeout=60)) as connection:
            return connection.execute(statement).fetchall()

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a `kioskwire-hub` command on this hub's settings."""
        (self.directory / "state").mkdir(exist_ok=True)
        return subprocess.run(
            [program(self.command[0]), *arguments],
            cwd=self.directory,
            env={**clean_environment(), **self.environment(), **self.settings},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def admin(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """Call the admin API."""
        return self.http.request(method, path, json=body, headers={"Authorization": f"Bearer {self.admin_key}"})

    def add_kiosk(self, kiosk: str = KIOSK, name: str = "") -> str:
        """Register a kiosk; returns its token."""
        token: str = self._made("/admin/kiosks", {"id": kiosk, "name": name or kiosk})["token"]
        return token

    def sign_up(self, name: str, password: str) -> bool:
        """Make the dashboard's first admin, by the link that the hub leaves for that; False where there is one.

        Raises `StackError`.
        """
        try:
            address = (self.directory / "state" / "first-admin-link").read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return False
        fields = {"name": name, "password": password, "again": password}
        answer = self.http.post(urlsplit(address).path, data=fields)
        if answer.status_code != 303:
            raise StackError(f"the first admin's link answered {answer.status_code}: {answer.text[:400]}")
        return True

    def new_code(self, kiosk: str) -> str:
        """A one-time code by which a kiosk gets its identity."""
        code: str = self._made(f"/admin/kiosks/{kiosk}/code", {})["code"]
        return code

    def new_token(self, kiosk: str) -> str:
        """Give a kiosk a new token, which ends the old one."""
        token: str = self._made(f"/admin/kiosks/{kiosk}/token", {})["token"]
        return token

    def add_api_key(self, name: str = "backend", callback_url: str | None = None) -> dict[str, Any]:
        """Make an API key: `id`, `name`, `key`, and `callback_secret` with a `callback_url`."""
        return self._made("/admin/api-keys", {"name": name} | ({"callback_url": callback_url} if callback_url else {}))

    def send(
        self,
        kiosk: str,
        operation: str,
        body: Any,
        *,
        key: str,
        method: str = "POST",
        idempotency: str | None = None,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """`POST /send`. The answer is given whatever its status."""
        sent = send_headers(kiosk, operation, key=key, method=method, idempotency=idempotency)
        if timeout is not None:
            sent["Header-Timeout"] = f"{timeout:g}"
        limit = max(60.0, (timeout or 0.0) + 30.0)
        return self.http.post("/send", json=body, headers={**sent, **(headers or {})}, timeout=limit)

    def operation(self, request_id: str, key: str) -> dict[str, Any]:
        """What the hub tells of an operation."""
        answer = self.http.get(f"/operations/{request_id}", headers={"Authorization": f"Bearer {key}"})
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def _made(self, path: str, body: Any) -> dict[str, Any]:
        answer = self.admin("POST", path, body)
        if not answer.is_success:
            raise StackError(f"the hub answered POST {path} with {answer.status_code}: {answer.text[:400]}")
        made: dict[str, Any] = answer.json()
        return made


class Appliance(Program):
    """One kiosk's program. `port` is its health port; `routes` is the content of its routing_config.yaml."""

    name = "appliance"
    command = ("kioskwire-appliance", "run")

    def __init__(
        self,
        directory: Path,
        hub_url: str,
        token: str,
        routes: Mapping[str, Any],
        *,
        port: int = 0,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(directory, port=port, settings=settings)
        self.hub_url = hub_url
        self.token = token  # empty: the kiosk has an identity of its own, or gets one
        self.code = ""  # for that
        self.write_routes(routes)

    def write_routes(self, routes: Mapping[str, Any]) -> None:
        """Write the routing file. It is JSON, which is YAML too."""
        (self.directory / "routing_config.yaml").write_text(json.dumps(routes, indent=2) + "\n", encoding="utf-8")

    def environment(self) -> dict[str, str]:
        return {
            "WS_SERVER_URL": self.hub_url,
            **({"WS_TOKEN": self.token} if self.token else {}),
            **({"ENROLL_CODE": self.code} if self.code else {}),
            "HEALTH_CHECK_PORT": str(self.port),
            "ROUTING_CONFIG": str(self.directory / "routing_config.yaml"),
            "STATE_DIR": str(self.directory / "state"),
        }

    @property
    def is_enrolled(self) -> bool:
        """Whether it has traded a code for an identity."""
        return (self.directory / "state" / "identity.json").exists()

    def forget(self) -> None:
        """Let it be a kiosk that was never enrolled."""
        (self.directory / "state" / "identity.json").unlink(missing_ok=True)

    def is_ready(self) -> bool:
        return bool(self.health().get("ws_connected"))

    def health(self) -> dict[str, Any]:
        """Its health page. Raises `httpx.TransportError` when nobody answers."""
        found: dict[str, Any] = self.http.get("/health").json()
        return found


class Stack:
    """A hub, a gateway and a kiosk joined to both, with an API key for who calls."""

    def __init__(
        self,
        directory: Path,
        *,
        hub_settings: Mapping[str, str] | None = None,
        appliance_settings: Mapping[str, str] | None = None,
        kiosk: str = KIOSK,
    ) -> None:
        self.directory = directory
        self.kiosk = kiosk
        self.gateway = Gateway(directory / "gateway")
        self.hub = Hub(directory / "hub", settings=hub_settings)
        self._appliance_settings = appliance_settings
        self._appliance: Appliance | None = None
        self.api_key = ""
        self.api_key_id: Any = None

    @property
    def appliance(self) -> Appliance:
        """The kiosk; there is none before `start`."""
        if self._appliance is None:
            raise StackError("the stack was not started")
        return self._appliance

    def start(self) -> Self:
        """Start everything and wait until the kiosk has joined. Raises `StackError`."""
        try:
            self.gateway.start(wait=False)
            self.hub.start()
            self.gateway.wait_ready()
            made = self.hub.add_api_key("stack")
            self.api_key, self.api_key_id = made["key"], made["id"]
            self._appliance = self.add_appliance(self.kiosk, settings=self._appliance_settings)
            self._appliance.start()
        except BaseException:
            self.stop()
            raise
        return self

    def add_appliance(self, kiosk: str, settings: Mapping[str, str] | None = None) -> Appliance:
        """Register one more kiosk and prepare its program, in front of the same gateway. It is not started."""
        token = self.hub.add_kiosk(kiosk)
        routes = gateway_routes(self.gateway.url)
        return Appliance(self.directory / kiosk, self.hub.ws_url, token, routes, settings=settings)

    def stop(self) -> None:
        """End everything."""
        stop_all(running for running in (self._appliance, self.hub, self.gateway) if running is not None)

    def send(self, operation: str, body: Any, **options: Any) -> httpx.Response:
        """`POST /send` to the stack's kiosk with the stack's key; options as of `Hub.send`."""
        return self.hub.send(self.kiosk, operation, body, key=self.api_key, **options)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()


def gateway_routes(url: str, *, status: bool = True, timeout: float = 30.0) -> dict[str, Any]:
    """A kiosk's routes to the simulated gateway at `url`; without `status` its payments cannot be asked after."""
    payment: dict[str, Any] = {"url": f"{url}/api/v1/payment", "timeout": timeout}
    if status:
        payment["status"] = {"url": f"{url}/api/v1/payment/status", "params": ["order_id"], "absent": [404]}
    return {"routes": {"payment": payment, "fiscal": {"url": f"{url}/api/v1/fiscal", "timeout": timeout}}}


def send_headers(
    kiosk: str, operation: str, *, key: str, method: str = "POST", idempotency: str | None = None
) -> dict[str, str]:
    """The headers of `POST /send`."""
    headers = {
        "Authorization": f"Bearer {key}",
        "Header-Kiosk-Id": kiosk,
        "Header-Operation-Type": operation,
        "Header-Http-Method": method,
    }
    return headers | ({"Idempotency-Key": idempotency} if idempotency else {})
