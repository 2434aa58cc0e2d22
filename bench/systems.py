"""The systems that are measured, and how each is started."""

from __future__ import annotations

import http.client
import json
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench.stage import (
    DEVICE,
    HUB_CORE,
    MANY,
    OPERATION,
    OTHER_CORE,
    OURS,
    PEERS,
    ROOT,
    WAMP_BODY,
    NotRun,
    Stage,
    Target,
    answers,
    environment,
    free_port,
    numbered,
)


def start_gateway(stage: Stage, *, core: int = OTHER_CORE, name: str = "gateway") -> tuple[int, str]:
    """The kiosk's local HTTP service; its pid and URL."""
    port = free_port()
    process = stage.start(name, [sys.executable, "-m", "bench.gateway", "--port", str(port)], core=core)
    stage.wait_for(name, lambda: answers(port, "/"))
    return process.pid, f"http://127.0.0.1:{port}/payment"


def start_direct(stage: Stage) -> list[Target]:
    pid, url = start_gateway(stage, core=HUB_CORE, name="direct")
    return [Target("direct", url, pid, ("k0",), headers=OPERATION)]


class FastApi:
    """The FastAPI hub and its devices."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        python = peer_python("fastapi")
        self._port = free_port()
        argv: list[str | Path] = [python, "-m", "bench.peers.fastapi_hub", "--port", str(self._port)]
        self.pid = stage.start("fastapi", argv, core=HUB_CORE).pid
        stage.wait_for("fastapi", lambda: answers(self._port, "/health"))

    def connect(self, kiosks: Sequence[str], *, gateway: str | None = None) -> float:
        """Connect devices for the kiosks; the seconds until all were there."""
        argv = [*DEVICE, *(["--gateway", gateway] if gateway else [])]
        return connect_devices(self._stage, argv, port=self._port, kiosks=dict.fromkeys(kiosks))

    def target(self, name: str, kiosks: Sequence[str], beside: str = "fastapi") -> Target:
        url = f"http://127.0.0.1:{self._port}/send"
        return Target(name, url, self.pid, tuple(kiosks), headers=OPERATION, beside=beside)


def start_fastapi(stage: Stage) -> list[Target]:
    hub = FastApi(stage)
    kiosks = numbered("k", MANY)
    hub.connect(kiosks)
    _, gateway = start_gateway(stage, name="fastapi-gateway")
    hub.connect(["forward"], gateway=gateway)
    return [hub.target("fastapi", kiosks), hub.target("fastapi-forward", ["forward"], "fastapi-forward")]


class Crossbar:
    """A Crossbar node and its WAMP components."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._python = peer_python("crossbar")
        self._port = free_port()
        node = stage.directory / "crossbar-node"
        (node / "web").mkdir(parents=True)
        shutil.copy(ROOT / "bench" / "peers" / "crossbar" / "node.json", node / "config.json")
        process = stage.start(
            "crossbar",
            [self._python.with_name("crossbar"), "start", "--cbdir", node, "--loglevel", "warn"],
            core=HUB_CORE,
            env={"CROSSBAR_PORT": str(self._port)},
        )
        self.pid = process.pid
        stage.wait_for("crossbar", lambda: answers(self._port, "/"), timeout=90)

    def connect(self, kiosks: Sequence[str]) -> float:
        """Connect devices for the kiosks; the seconds until all were there."""
        argv: list[str | Path] = [self._python, "-m", "bench.peers.crossbar.device"]
        return connect_devices(self._stage, argv, port=self._port, kiosks=dict.fromkeys(kiosks))

    def target(self, name: str, kiosks: Sequence[str]) -> Target:
        return Target(name, f"http://127.0.0.1:{self._port}/call", self.pid, tuple(kiosks), body=WAMP_BODY)


def start_crossbar(stage: Stage) -> list[Target]:
    hub = Crossbar(stage)
    kiosks = numbered("k", MANY)
    hub.connect(kiosks)
    return [hub.target("crossbar", kiosks)]


class Kioskwire:
    """Our hub as it is installed, with journal, accounts and metrics on, and only its rate limits off."""

    def __init__(
        self,
        stage: Stage,
        dialect: str = "v2",
        *,
        name: str = "kioskwire",
        more: Mapping[str, str] | None = None,
    ) -> None:
        """`more` are settings of this hub; `name` tells it from others on the same stage."""
        self._stage = stage
        self._dialect = dialect
        self._program = OURS / "kioskwire-hub"
        if not self._program.exists():
            raise RuntimeError("kioskwire-hub is not installed in .venv (make install)")
        self.port = free_port()
        self._admin_key = secrets.token_hex(32)
        state = stage.directory / name
        state.mkdir()
        self._env = {
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "JWT_SECRET": secrets.token_hex(32),
            "ADMIN_KEY": self._admin_key,
            "DATABASE_URL": f"sqlite+aiosqlite:///{state / 'hub.db'}",
            "STATE_DIR": str(state),
            "LOG_LEVEL": "WARNING",
            "RATE_LIMIT_PER_KEY": "0",
            "RATE_LIMIT_PER_KIOSK": "0",
            "ACCEPT_RATE": "0",
            **(more or {}),
        }
        self.pid = stage.start(name, [self._program, "serve"], core=HUB_CORE, env=self._env).pid
        stage.wait_for(name, lambda: answers(self.port, "/health"))
        self._key = json.loads(self.command("apikey", "add", "bench", "--json"))["key"]

    def register(self, kiosks: Sequence[str]) -> dict[str, str | None]:
        """Make the kiosks known; their tokens."""
        tokens: dict[str, str | None] = {}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"Authorization": f"Bearer {self._admin_key}", "Content-Type": "application/json"}
        for kiosk in kiosks:
            connection.request("POST", "/admin/kiosks", json.dumps({"id": kiosk}), headers)
            answer = connection.getresponse()
            content = answer.read()
            if answer.status != 201:
                raise RuntimeError(f"the hub did not take kiosk {kiosk}: {answer.status} {content[:300]!r}")
            tokens[kiosk] = json.loads(content)["token"]
        connection.close()
        return tokens

    def connect(self, kiosks: Sequence[str], *, dialect: str | None = None) -> float:
        """Register kiosks and connect devices for them; the seconds until all were connected."""
        dialect = dialect or self._dialect
        tokens = self.register(kiosks)
        argv = [*DEVICE, "--dialect", dialect]
        if dialect == "v2":
            argv.append("--accepted")  # as the appliance does
        return connect_devices(self._stage, argv, port=self.port, kiosks=tokens)

    def start_appliance(self, kiosk: str, gateway: str) -> int:
        """The real appliance, its own state and journal, one route to the gateway."""
        token = self.register([kiosk])[kiosk]
        state = self._stage.directory / "appliance"
        state.mkdir()
        routes = state / "routing.yaml"
        routes.write_text(f"routes:\n  payment:\n    url: {gateway}\n    timeout: 10\n    concurrency: {MANY}\n")
        port = free_port()
        env = {
            "WS_SERVER_URL": f"ws://127.0.0.1:{self.port}/ws",
            "WS_TOKEN": token or "",
            "HEALTH_CHECK_PORT": str(port),
            "STATE_DIR": str(state),
            "ROUTING_CONFIG": str(routes),
            "LOG_LEVEL": "WARNING",
        }
        process = self._stage.start("appliance", [OURS / "kioskwire-appliance", "run"], core=OTHER_CORE, env=env)
        self._stage.wait_for("appliance", lambda: answers(port, "/health"))
        return process.pid

    def target(self, name: str, kiosks: Sequence[str], appliance: int | None = None) -> Target:
        return Target(
            name,
            f"http://127.0.0.1:{self.port}/send",
            self.pid,
            tuple(kiosks),
            headers=(*OPERATION, f"Authorization: Bearer {self._key}"),
            beside="fastapi-forward" if appliance else "fastapi",
            appliance=appliance,
        )

    def command(self, *arguments: str) -> str:
        """What a command on this hub's settings prints."""
        done = subprocess.run(
            [str(self._program), *arguments],
            cwd=ROOT,
            env=environment(self._env),
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            raise RuntimeError(f"kioskwire-hub {' '.join(arguments)}: {done.stderr.strip()[-300:]}")
        return done.stdout


def start_kioskwire(stage: Stage) -> list[Target]:
    hub = Kioskwire(stage)
    old, new = numbered("old", MANY), numbered("new", MANY)
    hub.connect(old, dialect="v1")
    hub.connect(new, dialect="v2")
    _, gateway = start_gateway(stage, name="kioskwire-gateway")
    appliance = hub.start_appliance("full", gateway)
    return [
        hub.target("kioskwire-v1", old),
        hub.target("kioskwire-v2", new),
        hub.target("kioskwire-full", ["full"], appliance),
    ]


SYSTEMS: dict[str, Callable[[Stage], list[Target]]] = {
    "direct": start_direct,
    "fastapi": start_fastapi,
    "crossbar": start_crossbar,
    "kioskwire": start_kioskwire,
}
HUBS: dict[str, Callable[[Stage], FastApi | Crossbar | Kioskwire]] = {
    "fastapi": FastApi,
    "crossbar": Crossbar,
    "kioskwire-v1": lambda stage: Kioskwire(stage, "v1"),
    "kioskwire-v2": lambda stage: Kioskwire(stage, "v2"),
}


def connect_devices(
    stage: Stage,
    argv: Sequence[str | Path],
    *,
    port: int,
    kiosks: Mapping[str, str | None],
    url: str = "",
) -> float:
    """Start one device process (`argv`) for the kiosks (id -> token) and wait until all are there; the seconds.

    They dial `url`; not given: the WebSocket at `port`.
    """
    label = f"device-{port}-{len(stage.pids())}"
    path = stage.directory / f"{label}.json"
    path.write_text(json.dumps(kiosks))
    stage.start(label, [*argv, "--url", url or f"ws://127.0.0.1:{port}/ws", "--kiosks", path], core=OTHER_CORE)
    return stage.wait_devices(label, len(kiosks))


def peer_python(name: str) -> Path:
    """The interpreter of a peer's own environment. Raises `NotRun` with why there is none."""
    python = PEERS / name / "bin" / "python"
    if python.exists() and (PEERS / f"{name}.stamp").exists():
        return python
    failed = PEERS / f"{name}.failed"
    reason = failed.read_text().strip() if failed.exists() else ""
    raise NotRun(reason or f"its environment .venv-bench/{name} is not there (make bench makes it)")
