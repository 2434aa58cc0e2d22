"""A real Prometheus for tests, from the system's packages: private, its data where the test says, on loopback."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from bench.program import free_port

_PATIENT = ("-o", "DPkg::Lock::Timeout=300")  # other rows of tests install something, too


class MissingError(Exception):
    """There is no Prometheus here; the text says what to do."""


def program(name: str) -> str:
    """The path of `prometheus` or `promtool`. As root on Debian they are installed when missing."""
    if (found := shutil.which(name)) is None and os.geteuid() == 0 and shutil.which("apt-get"):
        # The package's own service is not to begin.
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        for command in (["update", "-qq"], ["install", "-qq", "-y", "--no-install-recommends", "prometheus"]):
            subprocess.run(
                ["apt-get", *_PATIENT, *command], env=environment, capture_output=True, check=False, timeout=600
            )
        found = shutil.which(name)
    if found is None:
        raise MissingError(f"{name} is not installed: apt-get install prometheus")
    return found


class Server:
    """One server. `start` has it on the same port again, with the data it had."""

    def __init__(self, directory: Path, config: str = "{}", *options: str, port: int = 0) -> None:
        """`config` is its configuration, in YAML; what it names by relative path is looked for in `directory`."""
        self._program = program("prometheus")
        self._directory = directory
        self._options = options
        self._config = directory / "prometheus.yaml"
        self._config.write_text(config)
        self.port = port or free_port()
        self._process: subprocess.Popen[bytes] | None = None
        # Made once: each would read all root certificates.
        self._client = httpx.Client(trust_env=False, timeout=60, verify=False)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with (self._directory / "log").open("ab") as log:
            options = [
                f"--config.file={self._config}",
                f"--storage.tsdb.path={self._directory / 'data'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
                *self._options,
            ]
            self._process = subprocess.Popen([self._program, *options], stdout=log, stderr=log, cwd=self._directory)
        until = time.monotonic() + 60
        while True:
            try:
                ready = self._client.get(f"{self.url}/-/ready", timeout=2).is_success
            except httpx.HTTPError:
                ready = False
            if ready:
                return
            if time.monotonic() > until or self._process.poll() is not None:
                raise AssertionError((self._directory / "log").read_text()[-2000:])
            time.sleep(0.02)

    def stop(self) -> None:
        """As when its machine loses power."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(60)
            self._process = None

    def close(self) -> None:
        """Ask nothing more."""
        self._client.close()

    def ask(self, expression: str, at: float | None = None) -> list[dict[str, Any]]:
        """What an expression gives: its series, each with `metric` and `value`. AssertionError where it is an error."""
        parameters = {"query": expression, **({} if at is None else {"time": str(at)})}
        answer = self._client.post(f"{self.url}/api/v1/query", data=parameters)
        told = answer.json()
        assert told["status"] == "success", (expression, told)
        result: list[dict[str, Any]] = told["data"]["result"]
        return result

    def get(self, path: str) -> Any:
        """What an address of its API gives as `data`."""
        answer = self._client.get(f"{self.url}{path}")
        assert answer.is_success, answer.text
        return answer.json()["data"]


@contextmanager
def running_prometheus(directory: Path, config: str = "{}", *options: str, port: int = 0) -> Iterator[Server]:
    """A new server that runs. Raises `MissingError`."""
    server = Server(directory, config, *options, port=port)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        server.close()
