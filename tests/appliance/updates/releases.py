"""Releases to test with: keys, signatures, archives of tiny programs, and a web server that gives them badly."""

import asyncio
import base64
import hashlib
import io
import os
import re
import tarfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from nacl.signing import SigningKey

from appliance.updates.places import PROGRAM, archive_name, this_target
from tests.listening import listening
from wire.release import MANIFEST, ROLLOUT, SIGNATURE_SUFFIX, Manifest, Release, Rollout

GOOD_PROGRAM = """#!/bin/sh
case $1 in
    version) echo "kioskwire-appliance {version}" ;;
    selftest) exit 0 ;;
    *) echo "{version} $KIOSKWIRE_ORIGIN $*" ;;
esac
"""


class Signer:
    """Who makes releases."""

    def __init__(self) -> None:
        self.id = os.urandom(8)
        self.key = SigningKey.generate()

    @property
    def public(self) -> str:
        text = base64.b64encode(b"Ed" + self.id + bytes(self.key.verify_key)).decode()
        return f"untrusted comment: minisign public key\n{text}\n"

    def sign(self, data: bytes, comment: str = "a test", *, kind: bytes = b"ED") -> str:
        signed = hashlib.blake2b(data, digest_size=64).digest() if kind == b"ED" else data
        signature = self.key.sign(signed).signature
        whole = self.key.sign(signature + comment.encode()).signature
        lines = [base64.b64encode(kind + self.id + signature).decode(), base64.b64encode(whole).decode()]
        return f"untrusted comment: x\n{lines[0]}\ntrusted comment: {comment}\n{lines[1]}\n"


def archive(files: dict[str, bytes | str], *, more: Callable[[tarfile.TarFile], None] = lambda tar: None) -> bytes:
    """A tar.xz: names to contents of programs; texts beginning with -> are links."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:xz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            if isinstance(content, str) and content.startswith("->"):
                member.type, member.linkname = tarfile.SYMTYPE, content[2:]
                tar.addfile(member)
                continue
            data = content.encode() if isinstance(content, str) else content
            member.size, member.mode = len(data), 0o755
            tar.addfile(member, io.BytesIO(data))
        more(tar)
    return made.getvalue()


def program(version: str, text: str = GOOD_PROGRAM, **more: bytes) -> bytes:
    """A release whose program is a shell script."""
    files = {f"{PROGRAM}/{PROGRAM}": text.replace("{version}", version), f"{PROGRAM}/_internal/base": b"x" * 1000}
    return archive({**files, **{f"{PROGRAM}/{name}": data for name, data in more.items()}})


def lay(directory: Path, version: str, text: str = GOOD_PROGRAM) -> Path:
    """A version as it lies unpacked."""
    place = directory / version
    place.mkdir(parents=True)
    (place / PROGRAM).write_text(text.replace("{version}", version))
    (place / PROGRAM).chmod(0o755)
    return place


def release(version: str, data: bytes, target: str = "") -> Release:
    target = target or this_target()
    return Release(
        version=version, target=target, file=archive_name(version, target), size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
    )  # fmt: skip


class Server:
    """A channel's files over HTTP, and what is wrong with the line."""

    def __init__(self, signer: Signer) -> None:
        self.signer = signer
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, str]] = []  # file, Range
        self.cut_after: int | None = None  # bytes of a file's body, once each
        self.ranges = True
        self.etags = True
        self.url = ""
        self.serial = 0

    def offer(
        self, rollout: Rollout | None = None, *, serial: int = 0, channel: str = "stable", **versions: bytes
    ) -> None:
        """Put versions (v1_2_3=archive) into the channel, with a manifest."""
        releases = []
        for name, data in versions.items():
            made = release(name.removeprefix("v").replace("_", "."), data)
            releases.append(made)
            self.put(made.file, data)
        self.serial = serial or self.serial + 1
        self.put(MANIFEST, msgspec.json.encode(Manifest(channel=channel, serial=self.serial, releases=releases)))
        if rollout is not None:
            self.files[ROLLOUT] = msgspec.json.encode(rollout)

    def put(self, name: str, data: bytes) -> None:
        self.files[name] = data
        self.files[name + SIGNATURE_SUFFIX] = self.signer.sign(data).encode()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                path = head.split(" ")[1]
                name = path.rpartition("/")[2]
                given = re.search(r"(?im)^range: bytes=(\d+)-\r$", head)
                unless = re.search(r"(?im)^if-range: (.*)\r$", head)
                self.asked.append((path, given[1] if given else ""))
                data = self.files.get(name)
                if data is None:
                    writer.write(b"HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n")
                    continue
                etag = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
                start, status = 0, "200 OK"
                extra = f"ETag: {etag}\r\n" if self.etags else ""
                if given and self.ranges and (unless is None or unless[1] == etag):
                    start, status = int(given[1]), "206 Partial Content"
                    if start >= len(data):
                        writer.write(b"HTTP/1.1 416 X\r\nContent-Length: 0\r\n\r\n")
                        continue
                    extra += f"Content-Range: bytes {start}-{len(data) - 1}/{len(data)}\r\n"
                body = data[start:]
                writer.write(f"HTTP/1.1 {status}\r\n{extra}Content-Length: {len(body)}\r\n\r\n".encode())
                if self.cut_after is not None and name.endswith(".xz") and len(body) > self.cut_after:
                    writer.write(body[: self.cut_after])
                    await writer.drain()
                    return
                writer.write(body)
                await writer.drain()
        finally:
            writer.close()


@asynccontextmanager
async def server(signer: Signer) -> AsyncIterator[Server]:
    """One on a free port."""
    there = Server(signer)
    async with listening(there.serve) as listener:
        there.url = f"http://127.0.0.1:{listener.port}/updates"
        yield there
