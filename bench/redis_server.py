"""A real Redis for tests, measurements and the demo, of the system's packages: private, in memory, on its own port."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from bench.program import die_with, free_port

_STARTS_WITHIN = _ENDS_WITHIN = 60.0


class MissingError(Exception):
    """There is no Redis here; the text says what to do."""


def program() -> str:
    """The path of redis-server. As root on Debian it is installed when missing."""
    if (found := shutil.which("redis-server")) is None and os.geteuid() == 0 and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        for command in (["update", "-qq"], ["install", "-qq", "-y", "--no-install-recommends", "redis-server"]):
            subprocess.run(["apt-get", *command], env=environment, capture_output=True, check=False, timeout=300)
        found = shutil.which("redis-server")
    if found is None:
        raise MissingError("Redis is not installed: apt-get install redis-server")
    return found


class Server:
    """One server that forgets all when it stops. `start` has it on the same port again.

    `options` are those of redis.conf, with _ for -: `maxmemory="2mb"`. With `tls` it speaks nothing but that, with a
    certificate of the private authority in `ca`.
    """

    def __init__(self, directory: str, *, tls: bool = False, **options: str) -> None:
        self._program = program()
        self._directory = Path(directory)
        self._options = options
        self._tls = tls
        self.port = free_port()
        self.password = options.get("requirepass", "")
        self.dies_with_us = False  # killed when the thread that starts it is gone
        self._process: subprocess.Popen[bytes] | None = None
        if tls:
            make_certificates(self._directory)

    @property
    def ca(self) -> Path:
        """Who signed its certificate."""
        return self._directory / "ca.pem"

    @property
    def url(self) -> str:
        """Its address, as a hub's setting."""
        login = f":{self.password}@" if self.password else ""
        more = f"?ssl_ca_certs={self.ca}" if self._tls else ""
        return f"redis{'s' if self._tls else ''}://{login}127.0.0.1:{self.port}/0{more}"

    @property
    def pid(self) -> int:
        """Of its process, while it runs."""
        assert self._process is not None
        return self._process.pid

    def client(self, **more: Any) -> Redis:
        """A client that blocks, to look at it and change it. It tries once: its own retries would take seconds, in
        which the loop of whoever asks stands still."""
        tls: dict[str, Any] = {"ssl": True, "ssl_ca_certs": str(self.ca)} if self._tls else {}
        once = Retry(NoBackoff(), 0)
        return Redis(port=self.port, password=self.password or None, socket_timeout=10, retry=once, **tls, **more)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._process = subprocess.Popen(
            self._command(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=die_with(os.getpid()) if self.dies_with_us else None,  # noqa: PLW1509 - it calls the kernel alone
        )
        until = time.monotonic() + _STARTS_WITHIN
        while True:
            try:
                with self.client() as client:
                    client.ping()
            except RedisError:
                if time.monotonic() > until or self._process.poll() is not None:
                    raise
                time.sleep(0.01)
            else:
                return

    def _command(self) -> list[str]:
        given = {"bind": "127.0.0.1", "save": "", "dir": str(self._directory), **self._options}
        if self._tls:
            here = self._directory
            given |= {"port": "0", "tls-port": str(self.port), "tls-auth-clients": "no"}
            given |= {"tls-cert-file": f"{here}/server.pem", "tls-key-file": f"{here}/server.key"}
        else:
            given["port"] = str(self.port)
        words = [
            [f"--{name.replace('_', '-')}", *(value.split(" ") if value else [""])] for name, value in given.items()
        ]
        return [self._program, *(word for each in words for word in each)]

    def stop(self) -> None:
        """As when its machine loses power; also while it is paused."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(_ENDS_WITHIN)
            self._process = None

    def kill(self) -> None:
        """The same, for who reads that more easily."""
        self.stop()

    def pause(self) -> None:
        """It stands still: connections stay open, and nothing is answered."""
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """It goes on."""
        os.kill(self.pid, signal.SIGCONT)

    def flush(self) -> None:
        """It forgets all."""
        with self.client() as client:
            client.flushall()


class Sentinel(Server):
    """One that watches a master alone, and makes a replica the master once that fell silent for a minute, or less."""

    def __init__(self, directory: str, master: Server, name: str) -> None:
        super().__init__(directory)
        self._master, self._name = master, name

    def set_patience(self, seconds: float) -> None:
        """How long its master may be silent. A short while is for who ends the master: a busy one is silent, too."""
        with self.client() as client:
            client.execute_command("SENTINEL", "SET", self._name, "down-after-milliseconds", round(seconds * 1000))

    def _command(self) -> list[str]:
        lines = [
            f"port {self.port}",
            "bind 127.0.0.1",
            f"dir {self._directory}",
            f"sentinel monitor {self._name} 127.0.0.1 {self._master.port} 1",
            f"sentinel down-after-milliseconds {self._name} 60000",
            f"sentinel failover-timeout {self._name} 2000",
        ]
        if self._master.password:
            lines.append(f"sentinel auth-pass {self._name} {self._master.password}")
        path = self._directory / f"sentinel-{self.port}.conf"  # it writes there itself
        path.write_text("\n".join(lines) + "\n")
        return [self._program, str(path), "--sentinel"]


@contextmanager
def running_redis(*, tls: bool = False, dies_with_us: bool = False, **options: str) -> Iterator[Server]:
    """A new server that runs; `options` as `Server` takes them. Raises `MissingError`."""
    program()
    with tempfile.TemporaryDirectory(prefix="kioskwire-redis-") as directory:
        server = Server(directory, tls=tls, **options)
        server.dies_with_us = dies_with_us
        try:
            server.start()
            yield server
        finally:
            server.stop()


@contextmanager
def running_sentinel(name: str = "kiosks", **options: Any) -> Iterator[tuple[Sentinel, Server, Server]]:
    """A Sentinel, the master it knows as `name`, and its replica, which is in step."""
    program()
    with tempfile.TemporaryDirectory(prefix="kioskwire-redis-") as directory, ExitStack() as stack:
        master = Server(directory, **options)
        stack.callback(master.stop)
        master.start()
        link: dict[str, Any] = {"masterauth": master.password} if master.password else {}
        # A replica is told to take its master's data at once, which it would otherwise wait 5 s for.
        replica = Server(directory, replicaof=f"127.0.0.1 {master.port}", **link, **options)
        stack.callback(replica.stop)
        with master.client() as client:
            client.config_set("repl-diskless-sync-delay", 0)
            replica.start()
            _wait(lambda: client.info("replication").get("slave0", {}).get("state") == "online")
        sentinel = Sentinel(directory, master, name)
        stack.callback(sentinel.stop)
        sentinel.start()
        with sentinel.client() as client:
            _wait(lambda: len(client.execute_command("SENTINEL", "REPLICAS", name)) == 1)
        yield sentinel, master, replica


@contextmanager
def running_cluster(nodes: int = 3, **options: Any) -> Iterator[list[Server]]:
    """A cluster of masters that has all slots."""
    program()
    with tempfile.TemporaryDirectory(prefix="kioskwire-redis-") as directory, ExitStack() as stack:
        servers = []
        buses = [free_port() for _ in range(nodes)]  # 10,000 above the other, as it would be, anybody may have it
        for number in range(nodes):
            config: dict[str, Any] = {
                "cluster_enabled": "yes",
                "cluster_config_file": f"nodes-{number}.conf",
                "cluster_port": str(buses[number]),
                **options,
            }
            server = Server(directory, cluster_node_timeout="2000", cluster_allow_pubsubshard_when_down="yes", **config)
            stack.callback(server.stop)
            server.start()
            servers.append(server)
        share = 16384 // nodes
        for number, server in enumerate(servers):
            last = 16383 if number == nodes - 1 else (number + 1) * share - 1
            with server.client() as client:
                client.execute_command("CLUSTER ADDSLOTSRANGE", number * share, last)
                client.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
                for other, bus in zip(servers[:number], buses, strict=False):
                    client.execute_command("CLUSTER MEET", "127.0.0.1", other.port, bus)
        for server in servers:
            with server.client() as client:
                _wait(lambda: b"cluster_state:ok" in _raw(client.execute_command("CLUSTER INFO")))
                _wait(lambda: b"cluster_known_nodes:%d" % nodes in _raw(client.execute_command("CLUSTER INFO")))
        yield servers


def _raw(answer: Any) -> bytes:
    return answer if isinstance(answer, bytes) else "\n".join(f"{k}:{v}" for k, v in answer.items()).encode()


def _wait(check: Any) -> None:
    until = time.monotonic() + _STARTS_WITHIN
    while not check():
        if time.monotonic() > until:
            raise TimeoutError("Redis did not become what it was told to be")
        time.sleep(0.02)


def make_certificates(directory: Path) -> None:
    """An authority of its own, `ca.pem`, and what it signed for 127.0.0.1 and localhost: `server.pem`, `server.key`."""
    if (openssl := shutil.which("openssl")) is None:
        raise MissingError("openssl is not installed: apt-get install openssl")

    def run(*words: str) -> None:
        subprocess.run([openssl, *words], cwd=directory, capture_output=True, check=True, timeout=60)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    run("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=private authority", "-days", "2")
    run("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=redis")
    (directory / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names")
    run("x509", "-req", "-in", "server.csr", "-out", "server.pem", *signed)
