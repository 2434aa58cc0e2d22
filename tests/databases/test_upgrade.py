"""`kioskwire-hub migrate` beside a hub of the version before, which serves meanwhile and knows nothing of it.

That version is the last one before the newest migration came into the tree, out of a worktree of its own.
"""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

from bench.program import free_port
from cloud.db.migrate import HEAD
from tests.cloud.hub import ADMIN_KEY, JWT_SECRET, Kiosk, until
from tests.postgresql import running_server

_ROOT = Path(__file__).parents[2]
_SENDERS = 8


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The tree as it was."""
    (newest,) = (_ROOT / "cloud" / "db" / "migrations" / "versions").glob(f"{HEAD}_*.py")
    words = ["git", "log", "--format=%H", "--diff-filter=A", "--", str(newest.relative_to(_ROOT))]
    commit = subprocess.run(words, cwd=_ROOT, capture_output=True, text=True, check=True).stdout.split()
    if not commit:
        pytest.skip(f"migration {HEAD} is not committed, or this is no git tree: there is no version before it")
    tree = tmp_path_factory.mktemp("before") / "tree"
    subprocess.run(["git", "worktree", "add", "--detach", tree, f"{commit[-1]}^"], cwd=_ROOT, check=True)
    try:
        yield tree
    finally:
        subprocess.run(["git", "worktree", "remove", "--force", tree], cwd=_ROOT, check=True)


class Version:
    """The hub of one tree, on one database."""

    def __init__(self, tree: Path, database: str, directory: Path) -> None:
        self._tree, self._directory = tree, directory
        self.port = free_port()
        self._environment = {
            "PATH": os.environ["PATH"], "PYTHONPATH": str(tree), "JWT_SECRET": JWT_SECRET, "ADMIN_KEY": ADMIN_KEY,
            "DATABASE_URL": database, "PORT": str(self.port), "STATE_DIR": str(directory), "RATE_LIMIT_PER_KEY": "0",
            "RATE_LIMIT_PER_KIOSK": "0",
        }  # fmt: skip

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """A command of it."""
        return subprocess.run(
            [sys.executable, "-m", "cloud", *words], cwd=self._tree, env=self._environment,
            capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip

    @contextmanager
    def serving(self, log: str) -> Iterator[Path]:
        """It runs; gives its log."""
        path = self._directory / log
        with path.open("wb") as file:
            words = [sys.executable, "-m", "cloud", "serve"]
            program = subprocess.Popen(words, cwd=self._tree, env=self._environment, stdout=file, stderr=file)
        try:
            yield path
        finally:
            program.terminate()
            program.wait(90)

    async def is_well(self) -> bool:
        """Whether it answers so."""
        async with httpx.AsyncClient(trust_env=False) as http:
            with contextlib.suppress(httpx.HTTPError):
                return (await http.get(f"http://127.0.0.1:{self.port}/health")).status_code == 200
        return False

    @asynccontextmanager
    async def kiosk(self, token: str) -> AsyncIterator[tuple[Kiosk, list[Any]]]:
        """One that answers; with what it executed."""
        url, headers = f"ws://127.0.0.1:{self.port}/ws", {"Authorization": f"Bearer {token}"}
        async with connect(url, additional_headers=headers, proxy=None, subprotocols=["kiosk.v2"]) as socket:  # type: ignore[list-item]
            kiosk = Kiosk(socket)
            await kiosk.hello()
            async with kiosk.serving() as executed:
                yield kiosk, executed

    async def send(self, http: httpx.AsyncClient, key: str, order: str) -> httpx.Response:
        """One operation."""
        headers = {"Authorization": f"Bearer {key}", "Header-Kiosk-Id": "kiosk_001", "Idempotency-Key": order}
        url = f"http://127.0.0.1:{self.port}/send"
        return await http.post(url, headers={**headers, "Header-Operation-Type": "payment"}, json={"order": order})


async def test_the_version_before_serves_while_the_schema_is_changed(before: Path, tmp_path: Path) -> None:
    with running_server(max_connections="60") as server:
        (tmp_path / "old").mkdir()
        (tmp_path / "new").mkdir()
        old = Version(before, server.url("postgres"), tmp_path / "old")
        new = Version(_ROOT, server.url("postgres"), tmp_path / "new")
        token = json.loads((await asyncio.to_thread(old.run, "kiosk", "add", "kiosk_001", "--json")).stdout)["token"]
        key = json.loads((await asyncio.to_thread(old.run, "apikey", "add", "tests", "--json")).stdout)["key"]
        schema = "SELECT version_num FROM alembic_version"
        assert server.run(lambda c: c.fetchval(schema)) < HEAD
        answers: list[httpx.Response] = []
        async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
            with old.serving("log") as log:
                await until(old.is_well)
                async with old.kiosk(token) as (_, executed):
                    stop = asyncio.Event()

                    async def sending(number: int) -> None:
                        while not stop.is_set():
                            answers.append(await old.send(http, key, f"{number}-{len(answers)}"))

                    tasks = [asyncio.create_task(sending(number)) for number in range(_SENDERS)]
                    await until(lambda: len(answers) > 100, 60)
                    migrated = await asyncio.to_thread(new.run, "migrate")
                    assert migrated.returncode == 0, migrated.stderr
                    assert server.run(lambda c: c.fetchval(schema)) == HEAD
                    count = len(answers)
                    await until(lambda: len(answers) > count + 300, 60)
                    stop.set()
                    await asyncio.gather(*tasks)
                wrong = [answer.text for answer in answers if answer.status_code != 200]
                assert wrong == []
                assert len(executed) == len(answers)
            lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
            assert [
                line
                for line in lines
                if line.get("level") in {"ERROR", "WARNING"} and "libraries" not in line["message"]
            ] == []
            # Started again, the version before says what is the matter, and touches nothing.
            again = await asyncio.to_thread(old.run, "serve")
            assert (again.returncode, "a later version has been here" in again.stderr) == (1, True)
            with new.serving("log"):
                await until(new.is_well)
                async with new.kiosk(token) as (_, executed):
                    repeated = await new.send(http, key, json.loads(answers[0].request.content)["order"])
                    assert (repeated.json(), executed) == (answers[0].json(), [])
                    assert (await new.send(http, key, "new")).status_code == 200
