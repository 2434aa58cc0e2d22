"""The fleets that are measured, and their peers, each with a port for each process and kiosks known to be at one."""

import secrets
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from bench.stage import HUB_CORE, OPERATION, NotRun, Stage, Target, answers, free_port, numbered
from bench.systems import Crossbar, Kioskwire, connect_devices, peer_python

KIOSKS = 24  # of a fleet; of each of its processes so many, divided


class Fleet(msgspec.Struct, kw_only=True):
    """Something to be loaded: a target for each process, whose kiosks are there."""

    name: str
    targets: list[Target]
    hubs: list[int]
    redis: list[int] = []
    database: list[int] = []
    has_keys: bool = False

    def aimed(self, where: str) -> list[Target]:
        """The same, each asked for kiosks that are there (`same`) or all elsewhere (`cross`)."""
        if where == "same":
            return self.targets
        moved = [*self.targets[1:], self.targets[0]]
        return [Target(**{**vars(at), "kiosks": other.kiosks}) for at, other in zip(self.targets, moved, strict=True)]


def start_alone(stage: Stage) -> Fleet:
    """One hub on SQLite, without Redis."""
    hub = Kioskwire(stage, name="alone")
    kiosks = numbered("alone", KIOSKS)
    hub.connect(kiosks)
    return Fleet(name="kioskwire-alone", targets=[hub.target("alone", kiosks)], hubs=[hub.pid], has_keys=True)


def start_fleet(stage: Stage, processes: int, database: Any, redis: Any) -> Fleet:
    """So many hubs on one PostgreSQL and one Redis (tests' servers)."""
    name = f"fleet{processes}"
    database.execute(f"CREATE DATABASE {name}")
    given = {
        "DATABASE_URL": database.url(name),
        "REDIS_URL": f"redis://127.0.0.1:{redis.port}/{processes}",
        "JWT_SECRET": secrets.token_hex(32),
        "DRAIN_FOR": "0",
    }
    hubs = [Kioskwire(stage, name=f"{name}-{number}", more=given) for number in range(processes)]
    targets = []
    for number, hub in enumerate(hubs):
        kiosks = numbered(f"{name}at{number}-", KIOSKS // processes)
        hub.connect(kiosks)
        targets.append(hub.target(name, kiosks))
    return Fleet(
        name="kioskwire", targets=targets, hubs=[hub.pid for hub in hubs], redis=[redis.pid], database=[database.pid],
        has_keys=True,
    )  # fmt: skip


def start_nats(stage: Stage, processes: int) -> Fleet:
    """A nats-server and so many HTTP fronts; kiosks are at the server, for every front alike."""
    if (program := shutil.which("nats-server", path="/usr/sbin:/usr/bin:/usr/local/bin")) is None:
        raise NotRun("nats-server is not installed: apt-get install nats-server")
    python = peer_python("nats")
    port, name = free_port(), f"nats{processes}"
    server = stage.start(name, [program, "-a", "127.0.0.1", "-p", str(port)], core=HUB_CORE)
    url = f"nats://127.0.0.1:{port}"
    kiosks = numbered(name, KIOSKS)
    connect_devices(stage, [python, "-m", "bench.peers.nats.device"], port=port, kiosks=dict.fromkeys(kiosks), url=url)
    hubs, targets = [server.pid], []
    share = KIOSKS // processes
    for number in range(processes):
        at, front = free_port(), f"{name}-front-{number}"
        argv: list[str | Path] = [python, "-m", "bench.peers.nats.front", "--url", url, "--port", str(at)]
        hubs.append(stage.start(front, argv, core=HUB_CORE).pid)
        stage.wait_for(front, partial(answers, at, "/"))
        part = tuple(kiosks[number * share : (number + 1) * share])
        targets.append(Target(name, f"http://127.0.0.1:{at}/send", hubs[-1], part, headers=OPERATION))
    return Fleet(name="nats", targets=targets, hubs=hubs)


def start_crossbar(stage: Stage) -> Fleet:
    """A Crossbar node with its HTTP bridge."""
    node = Crossbar(stage)
    kiosks = numbered("k", KIOSKS)
    node.connect(kiosks)
    return Fleet(name="crossbar", targets=[node.target("crossbar", kiosks)], hubs=[node.pid])


def with_keys(targets: Sequence[Target]) -> list[Target]:
    """The same, with an Idempotency-Key of its own for each operation."""
    return [Target(**{**vars(each), "headers": (*each.headers, "Idempotency-Key: @ORDER@")}) for each in targets]
