"""Fetching: in pieces, over lines that break and servers that know no better, and nothing but what was signed."""

import errno
import os
from pathlib import Path

import pytest

from appliance.updates import download
from appliance.updates.download import fetch
from appliance.updates.minisign import read_keys
from appliance.updates.source import SourceError, Where, load_keys, open_source
from tests.appliance.updates.releases import Server, Signer, release, server
from wire.release import Rollout

DATA = os.urandom(700_000)
RELEASE = release("1.1.0", DATA)


def whole(path: Path) -> bytes:
    """A file, beside which there is nothing that does not belong to it."""
    names = {each.name for each in path.parent.iterdir()}
    assert names <= {path.name, f"{path.name}.minisig", f"{path.name}.etag"}
    return path.read_bytes()


async def get(there: Server, directory: Path, **more: int) -> bytes:
    async with open_source(Where(url=there.url, channel="stable")) as source:
        keys = read_keys(there.signer.public)
        path = await fetch(source, RELEASE, directory, keys, min_free_bytes=more.get("min_free", 0))
        return whole(path)


async def test_what_breaks_goes_on_where_it_broke(tmp_path: Path) -> None:
    async with server(Signer()) as there:
        there.offer(v1_1_0=DATA)
        there.cut_after = 300_000
        for _ in range(2):
            with pytest.raises(SourceError):
                await get(there, tmp_path)
        there.cut_after = None
        assert await get(there, tmp_path) == DATA
        begins = [int(start or 0) for name, start in there.asked if name.endswith(".xz")]
        assert begins[0] == 0
        assert begins == sorted(begins)
        assert begins[2] > 400_000
        assert await get(there, tmp_path) == DATA
        assert len([name for name, _ in there.asked if name.endswith(".xz")]) == 3, "what is there is not fetched again"


async def test_a_line_that_always_breaks_soon_gets_there(tmp_path: Path) -> None:
    async with server(Signer()) as there:
        there.offer(v1_1_0=DATA)
        there.cut_after = 100 * 1024
        for left in range(len(DATA) - there.cut_after, 0, -there.cut_after):
            with pytest.raises(SourceError) as broken:
                await get(there, tmp_path)
            assert (broken.value.got_on, broken.value.bad) == (True, False)
            assert (tmp_path / f"{RELEASE.file}.part").stat().st_size == len(DATA) - left
        assert await get(there, tmp_path) == DATA
        there.cut_after = 0
        (tmp_path / RELEASE.file).unlink()
        with pytest.raises(SourceError) as broken:
            await get(there, tmp_path)
        assert not broken.value.got_on


@pytest.mark.parametrize(("ranges", "etags"), [(False, True), (True, False), (False, False)])
async def test_servers_that_know_no_pieces(tmp_path: Path, ranges: bool, etags: bool) -> None:
    async with server(Signer()) as there:
        there.offer(v1_1_0=DATA)
        there.ranges, there.etags, there.cut_after = ranges, etags, 100_000
        with pytest.raises(SourceError):
            await get(there, tmp_path)
        there.cut_after = None
        assert await get(there, tmp_path) == DATA


@pytest.mark.parametrize("etags", [True, False])
async def test_a_part_of_another_file_does_not_become_part_of_this(tmp_path: Path, etags: bool) -> None:
    async with server(Signer()) as there:
        there.etags = etags
        there.put(RELEASE.file, os.urandom(len(DATA)))
        there.cut_after = 100_000
        with pytest.raises(SourceError):
            await get(there, tmp_path)
        there.cut_after = None
        there.offer(v1_1_0=DATA)
        assert await get(there, tmp_path) == DATA


@pytest.mark.parametrize("part", [b"", DATA[:1000], b"x" * 1000, DATA, b"x" * len(DATA), DATA + b"x"], ids=len)
async def test_whatever_a_power_cut_left(tmp_path: Path, part: bytes) -> None:
    (tmp_path / f"{RELEASE.file}.part").write_bytes(part)
    (tmp_path / f"{RELEASE.file}.etag").write_bytes(b'"half')
    (tmp_path / "of-another.tar.xz.part").write_bytes(b"x")
    async with server(Signer()) as there:
        there.offer(v1_1_0=DATA)
        assert await get(there, tmp_path) == DATA


async def test_another_file_than_was_signed_is_not_kept(tmp_path: Path) -> None:
    async with server(Signer()) as there:
        for wrong in (DATA[:-1] + b"x", DATA[:-1], DATA + b"x"):
            there.files = {}
            there.put(RELEASE.file, wrong)
            with pytest.raises(SourceError):
                await get(there, tmp_path)
            assert not (tmp_path / RELEASE.file).exists()
        there.offer(v1_1_0=DATA)
        there.files[f"{RELEASE.file}.minisig"] = Signer().sign(DATA).encode()
        with pytest.raises(SourceError, match="signed with the key"):
            await get(there, tmp_path)


async def test_a_full_disk_and_one_that_would_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with server(Signer()) as there:
        there.offer(v1_1_0=DATA)
        with pytest.raises(SourceError, match="no room"):
            await get(there, tmp_path, min_free=1 << 60)
        assert there.asked == []

        def full(_handle: int, _data: bytes) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with monkeypatch.context() as patched:
            patched.setattr(download, "_write_all", full)
            with pytest.raises(SourceError, match="No space left"):
                await get(there, tmp_path)
        assert await get(there, tmp_path) == DATA


async def look(there: Server, after: int = 0, channel: str = "stable") -> object:
    async with open_source(Where(url=there.url, channel=channel)) as source:
        return (await source.manifest(read_keys(there.signer.public), after)).serial


async def test_manifests_are_signed_of_our_channel_and_never_older(tmp_path: Path) -> None:
    async with server(Signer()) as there:
        with pytest.raises(SourceError, match="404"):
            await look(there)
        there.offer(v1_1_0=DATA, serial=7)
        assert await look(there, 7) == 7
        with pytest.raises(SourceError, match="serial 7, and 8 was seen"):
            await look(there, 8)
        with pytest.raises(SourceError, match="of the channel stable"):
            await look(there, channel="beta")
        there.files["manifest.json"] += b" "
        with pytest.raises(SourceError, match="does not fit"):
            await look(there)
        there.put("manifest.json", b'{"channel": "stable"}')
        with pytest.raises(SourceError, match="no manifest"):
            await look(there)
        there.put("manifest.json", b" " * (1 << 21))
        with pytest.raises(SourceError, match="larger"):
            await look(there)
    with pytest.raises(SourceError, match="cannot be read"):
        load_keys(tmp_path / "none")
    with pytest.raises(SourceError):
        await look(there)


async def test_no_rollout_is_none_and_a_broken_one_is_trouble() -> None:
    async with server(Signer()) as there, open_source(Where(url=there.url, channel="stable")) as source:
        assert await source.rollout() is None
        there.offer(Rollout(version="1.1.0", percent=10), v1_1_0=DATA)
        assert await source.rollout() == Rollout(version="1.1.0", percent=10)
        there.files["rollout.json"] = b"{}"
        with pytest.raises(SourceError, match="not understood"):
            await source.rollout()


async def read(where: Where) -> bytes:
    async with open_source(where) as source:
        return await source.read("x", 1)


async def test_what_a_client_cannot_be_made_of_is_told() -> None:
    for where in (Where(url="https://h/u", channel="x", ca_file="/none"), Where(url="http://[1/", channel="x")):
        with pytest.raises(SourceError):
            await read(where)
