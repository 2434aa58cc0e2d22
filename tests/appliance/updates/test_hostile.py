"""A server that means harm: it may keep new versions back, and nothing else."""

import asyncio
import contextlib
import gzip
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from appliance.updates import source
from appliance.updates.download import fetch
from appliance.updates.minisign import read_keys
from appliance.updates.source import SourceError, Where, open_source
from tests.appliance.updates.releases import Signer, release
from tests.listening import listening

DATA = b"x" * 100_000
RELEASE = release("1.1.0", DATA)


@contextlib.asynccontextmanager
async def saying(*answers: bytes, drips: bytes = b"") -> AsyncIterator[tuple[str, list[str]]]:
    """A server that answers each request with the next of these, whatever it was; and what it was asked."""
    asked: list[str] = []
    left = list(answers)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            asked.append((await reader.readuntil(b"\r\n\r\n")).decode("latin-1"))
            writer.write(left.pop(0) if left else b"HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n")
            while drips:
                writer.write(drips)
                await writer.drain()
                await asyncio.sleep(0.02)
        finally:
            writer.close()

    async with listening(serve) as there:
        yield f"http://127.0.0.1:{there.port}", asked


def answer(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def read(url: str) -> bytes:
    async with open_source(Where(url=url, channel="stable")) as there:
        return await there.read("manifest.json", 1 << 20)


@pytest.mark.parametrize("coding", ["gzip", "gzip, gzip", "deflate", "br"])
async def test_nothing_is_unpacked_on_the_way(coding: str) -> None:
    bomb = gzip.compress(bytes(64 << 20), 9)
    tracemalloc.start()
    try:
        async with saying(answer(bomb, f"Content-Encoding: {coding}")) as (url, _):
            with pytest.raises(SourceError, match="packs it"):
                await read(url)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


async def test_a_body_without_an_end_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    async with saying(b"HTTP/1.1 200 OK\r\n\r\n", drips=b"x" * 500_000) as (url, _):
        with pytest.raises(SourceError, match="larger"):
            await read(url)
    monkeypatch.setattr(source, "_SMALL_WITHIN_S", 0.2)
    for begun in (b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: "):
        async with saying(begun, drips=b"x") as (url, _):
            with pytest.raises(SourceError, match="in time"):
                await read(url)


@pytest.mark.parametrize("to", ["http://127.0.0.2:9/pay", "http://10.0.0.1/reboot", "ftp://x/", "file:///etc/shadow"])
async def test_nobody_sends_us_to_what_stands_in_the_kiosks_network(to: str) -> None:
    async with saying(answer(b"", f"Location: {to}", status="302 Found")) as (url, asked):
        with pytest.raises(SourceError, match=r"not https|Unsupported|unsupported|protocol"):
            await read(url)
        assert len(asked) == 1


async def test_a_redirect_within_the_server_is_followed_and_a_circle_left() -> None:
    there = answer(b"", "Location: /elsewhere", status="302 Found")
    async with saying(there, answer(b"found")) as (url, asked):
        assert await read(url) == b"found"
        assert asked[1].startswith("GET /elsewhere ")
    async with saying(*[there] * 9) as (url, asked):
        with pytest.raises(SourceError, match="circle"):
            await read(url)
        assert len(asked) == 6


@pytest.mark.parametrize(
    "piece",
    [
        answer(DATA[:500], "Content-Range: bytes 0-499/100000", status="206 Partial Content"),
        answer(DATA[:500], "Content-Range: bytes 1001-1500/100000", status="206 Partial Content"),
        answer(DATA[:500], status="206 Partial Content"),
        answer(DATA * 3), answer(b"", status="204 No Content"), answer(b"", status="416 X"),
        answer(DATA[:-1] + b"y", 'ETag: "\u20ac"'),
        answer(gzip.compress(DATA), "Content-Encoding: gzip"),
    ],
    ids=lambda _: "",
)  # fmt: skip
async def test_another_piece_than_was_asked_for_becomes_no_part(tmp_path: Path, piece: bytes) -> None:
    signer = Signer()
    part = tmp_path / f"{RELEASE.file}.part"
    part.write_bytes(DATA[:1000])
    async with saying(piece) as (url, asked), open_source(Where(url=url, channel="stable")) as there:
        with pytest.raises(SourceError):
            await fetch(there, RELEASE, tmp_path, read_keys(signer.public), min_free_bytes=0)
        assert "bytes=1000-" in asked[0]
        assert not (tmp_path / RELEASE.file).exists()
        assert not part.exists() or part.read_bytes() in {b"", DATA[:1000]}
