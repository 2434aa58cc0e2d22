"""`/updates`: new versions for kiosks, fetched in parts, without a key, and never at the cost of anything else."""

import asyncio
import os
from pathlib import Path

import httpx
import pytest

from tests.cloud.hub import Running, running, until
from tests.cloud.updates.channel import put

FILE = "kioskwire-appliance-1.0.1-linux-x86_64.tar.xz"
ADDRESS = f"/updates/stable/{FILE}"


async def resume(hub: Running, start: int, etag: str) -> httpx.Response:
    """Fetch the rest."""
    return await hub.http.get(ADDRESS, headers={"Range": f"bytes={start}-", "If-Range": etag})


async def test_a_version_is_fetched_whole_in_parts_and_not_again(tmp_path: Path) -> None:
    content = os.urandom(300_000)
    put(tmp_path / "updates", v1_0_1=content)
    async with running(tmp_path, updates_dir=str(tmp_path / "updates")) as hub:
        whole = await hub.http.get(ADDRESS)
        assert (whole.status_code, whole.content) == (200, content)
        assert whole.headers["accept-ranges"] == "bytes"
        assert "max-age" in whole.headers["cache-control"]
        etag = whole.headers["etag"]
        assert etag.startswith('"')
        head = await hub.http.head(ADDRESS)
        assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "300000")
        assert head.headers["etag"] == etag
        rest = await resume(hub, 100_000, etag)
        assert (rest.status_code, rest.content) == (206, content[100_000:])
        assert rest.headers["content-range"] == "bytes 100000-299999/300000"
        again = await hub.http.get(ADDRESS, headers={"If-None-Match": etag})
        assert (again.status_code, again.content) == (304, b"")
        beyond = await resume(hub, 300_000, etag)
        assert (beyond.status_code, beyond.headers["content-range"]) == (416, "bytes */300000")
        manifest = await hub.http.get("/updates/stable/manifest.json")
        assert (manifest.headers["cache-control"], manifest.json()["serial"]) == ("no-cache", 1)


async def test_a_part_is_not_joined_to_the_beginning_of_another_file(tmp_path: Path) -> None:
    put(tmp_path / "updates", v1_0_1=b"first content")
    async with running(tmp_path, updates_dir=str(tmp_path / "updates")) as hub:
        etag = (await hub.http.get(ADDRESS)).headers["etag"]
        put(tmp_path / "updates", v1_0_1=b"other content")
        rest = await resume(hub, 5, etag)
        assert (rest.status_code, rest.content) == (200, b"other content")


async def test_what_is_not_there_is_refused_in_words(tmp_path: Path) -> None:
    put(tmp_path / "updates", v1_0_1=b"one")
    async with running(tmp_path, updates_dir=str(tmp_path / "updates")) as hub:
        for path in (
            "stable/x",
            "beta/manifest.json",
            "stable/%2e%2e%2fhub.db",
            "%2e%2e/hub.db",
            "stable/%00",
            "%ff/x",
        ):
            answer = await hub.http.get(f"/updates/{path}")
            assert answer.status_code in {400, 404}, path
            assert answer.json()["type"] in {"not-found", "bad-request"}, path
        for path in ("/updates", "/updates/", "/updates/stable", "/updates/stable/"):
            assert (await hub.http.get(path)).status_code == 404, path
        refused = await hub.http.post(ADDRESS)
        assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")
    async with running(tmp_path / "other") as hub:
        for name in ("manifest.json", "rollout.json"):
            answer = await hub.http.get(f"/updates/stable/{name}")
            assert (answer.status_code, "UPDATES_DIR is not set" in answer.json()["detail"]) == (404, True)


async def test_nobody_gets_anything_before_an_operator_says_so(tmp_path: Path) -> None:
    put(tmp_path / "updates", v1_0_1=b"one", v1_1_0=b"two")
    async with running(tmp_path, updates_dir=str(tmp_path / "updates")) as hub:
        told = (await hub.http.get("/updates/stable/rollout.json")).json()
        assert told == {"version": "1.1.0", "percent": 0, "window": "", "paused": True}
        # A kiosk takes the absence of this for leave to install: it is never absent.
        (tmp_path / "updates" / "stable" / "manifest.json").unlink()
        told = (await hub.http.get("/updates/stable/rollout.json")).json()
        assert told == {"version": "0.0.0", "percent": 0, "window": "", "paused": True}


async def test_downloads_are_bounded_and_those_over_it_told_when_to_come_again(tmp_path: Path) -> None:
    content = os.urandom(20_000_000)
    put(tmp_path / "updates", v1_0_1=content)
    async with running(tmp_path, updates_dir=str(tmp_path / "updates"), updates_max=1, updates_rate=0.0) as hub:
        async with hub.http.stream("GET", ADDRESS) as slow:
            body = slow.aiter_bytes(1000)
            first = await anext(body)
            assert first == content[:1000]
            full = await hub.http.get(ADDRESS)
            assert full.status_code == 503
            assert 20 <= int(full.headers["retry-after"]) <= 60
            assert (
                await hub.metric("kioskwire_updates_running"),
                await hub.metric("kioskwire_updates_refused_total"),
            ) == (1, 1)
            # What takes no turn is answered meanwhile: how much there is, what is new, and payments.
            assert (await hub.http.head(ADDRESS)).status_code == 200
            assert (await hub.http.get("/updates/stable/rollout.json")).status_code == 200
            async with hub.kiosk() as kiosk, kiosk.serving():
                assert (await hub.send()).status_code == 200
        # The caller hung up: its turn is free.
        await until(lambda: hub.services.downloads.running == 0)
        assert (await hub.http.get(ADDRESS)).content == content


async def test_all_downloads_together_keep_to_a_rate(tmp_path: Path) -> None:
    put(tmp_path / "updates", v1_0_1=os.urandom(200_000))
    async with running(tmp_path, updates_dir=str(tmp_path / "updates"), updates_rate=1.0) as hub:
        loop = asyncio.get_running_loop()
        began = loop.time()
        answers = await asyncio.gather(*(hub.http.get(ADDRESS) for _ in range(3)))
        assert [len(answer.content) for answer in answers] == [200_000] * 3
        assert loop.time() - began > 0.5


async def test_a_hub_that_stops_breaks_downloads_off_so_that_nobody_takes_them_for_whole(tmp_path: Path) -> None:
    put(tmp_path / "updates", v1_0_1=os.urandom(2_000_000))
    async with running(tmp_path, updates_dir=str(tmp_path / "updates"), updates_rate=0.1) as hub:

        async def fetch() -> None:
            await hub.http.get(ADDRESS)

        fetching = asyncio.create_task(fetch())
        await until(lambda: hub.services.downloads.running == 1)
        await hub.services.downloads.stop()
        with pytest.raises(httpx.RemoteProtocolError):
            await fetching
