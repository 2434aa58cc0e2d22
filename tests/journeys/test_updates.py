"""A release's way: made and signed as make does it, put into a channel, served by a hub, fetched by a kiosk's own code.

Over a line that breaks again and again, and no further than the operator says.
"""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from appliance.updates.choose import Choice, choose
from appliance.updates.download import fetch
from appliance.updates.source import Source, SourceError, Where, load_keys, open_source
from tests.cloud.hub import Running, running
from tests.dialling import dialled
from tests.listening import listening
from wire.release import Manifest

RELEASE = Path(__file__).parents[2] / "packaging" / "release"
TARGET = "linux-x86_64"


def script(name: str, *arguments: object, key: Path) -> None:
    """A script of packaging/release, with this key."""
    environ = {"PATH": os.environ["PATH"], "MINISIGN_KEY": str(key), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, str(RELEASE / f"{name}.py"), *map(str, arguments)]
    subprocess.run(command, env=environ, timeout=120, check=True, capture_output=True)


def publish(updates: Path, key: Path, version: str, content: bytes) -> None:
    """Release a version into channel stable."""
    file = updates.parent / f"kioskwire-appliance-{version}-{TARGET}.tar.xz"
    file.write_bytes(content)
    script("manifest", updates / "stable", "--channel", "stable", "--add", file, key=key)


class Line:
    """Lets so many bytes of answers through on each connection, then breaks it."""

    def __init__(self, port: int, most: int) -> None:
        self._port = port
        self._most = most
        self.asked: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        async with dialled("127.0.0.1", self._port) as (there, back):
            tasks = [asyncio.create_task(self._ask(reader, back)), asyncio.create_task(self._answer(there, writer))]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                ended = await asyncio.gather(*tasks, return_exceptions=True)
                writer.transport.abort()
        for error in ended:
            if isinstance(error, Exception):
                raise error

    async def _ask(self, reader: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            self.asked += [line for line in data.decode().splitlines() if line.lower().startswith("range:")]
            back.write(data)
            await back.drain()

    async def _answer(self, there: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        left = self._most
        while left > 0 and (data := await there.read(min(left, 65536))):
            left -= len(data)
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def breaking(hub: Running, most: int) -> AsyncIterator[tuple[str, Line]]:
    """The hub behind a line that breaks; its address."""
    line = Line(hub.hub.port, most)
    async with listening(line.serve) as server:
        yield f"http://127.0.0.1:{server.port}/updates", line


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A release key; its public half lies beside it."""
    script("sign", "--make", tmp_path / "release.key", key=tmp_path)
    return tmp_path / "release.key"


async def wanted(source: Source, manifest: Manifest, running: str, kiosk: str = "kiosk_001") -> Choice:
    """What a kiosk takes."""
    told = await source.rollout()
    return choose(manifest, told, running=running, target=TARGET, kiosk_id=kiosk, bad=frozenset())


async def test_a_version_comes_over_a_bad_line_once_the_operator_has_said_so(tmp_path: Path, key: Path) -> None:
    content = os.urandom(2_000_000)
    publish(tmp_path / "updates", key, "1.0.1", content)
    keys, room = load_keys(tmp_path / "release.pub"), tmp_path / "download"
    room.mkdir()
    async with (
        running(tmp_path / "hub", updates_dir=str(tmp_path / "updates")) as hub,
        breaking(hub, 700_000) as (url, line),
        open_source(Where(url=url, channel="stable")) as source,
    ):
        manifest = await source.manifest(keys, after=0)
        assert (await wanted(source, manifest, "1.0.0")).release is None
        change: dict[str, object] = {"version": "1.0.1", "percent": 100}
        assert (await hub.http.put("/admin/rollouts/stable", json=change, headers=hub.admin)).status_code == 200
        release = (await wanted(source, manifest, "1.0.0")).release
        assert release is not None
        got = None
        for _ in range(9):
            with contextlib.suppress(SourceError):
                got = await fetch(source, release, room, keys, min_free_bytes=0)
                break
        assert got is not None
        assert got.read_bytes() == content
        # It went on where it stopped each time, a little further on.
        starts = [int(asked.partition("=")[2].rstrip("-")) for asked in line.asked]
        assert starts == sorted(set(starts))
        assert len(starts) >= 2
        # What is held back does not come, whoever asks.
        change = {"paused": True}
        assert (await hub.http.put("/admin/rollouts/stable", json=change, headers=hub.admin)).status_code == 200
        assert (await wanted(source, manifest, "1.0.0")).release is None


async def test_what_is_not_signed_by_us_is_not_taken_from_any_hub(tmp_path: Path, key: Path) -> None:
    publish(tmp_path / "updates", key, "1.0.1", b"content")
    script("sign", "--make", tmp_path / "other.key", key=key)
    async with (
        running(tmp_path / "hub", updates_dir=str(tmp_path / "updates")) as hub,
        open_source(Where(url=f"{hub.url}/updates", channel="stable")) as source,
    ):
        with pytest.raises(SourceError) as refused:
            await source.manifest(load_keys(tmp_path / "other.pub"), after=0)
        assert refused.value.bad
        publish(tmp_path / "updates", key, "1.0.2", b"more")
        assert (await source.manifest(load_keys(tmp_path / "release.pub"), after=1)).serial == 2
        with pytest.raises(SourceError):
            await source.manifest(load_keys(tmp_path / "release.pub"), after=3)
