"""A receiver that does as a test says, before a real Prometheus or instead of it; it asks for a login first."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import cramjam
import httpx

from cloud.telemetry.message import message_class
from tests.listening import listening

LOGIN = ("12345", "glc_canary-of-the-password")
# Status, headers, body; None: whatever stands behind it answers.
Reply = tuple[int, dict[str, str], bytes] | bytes | None


class Receiver:
    """`reply` is asked for each push; bytes are sent as they are, and none hang up. `pushes` are bodies let in."""

    def __init__(self, behind: str = "") -> None:
        self.behind = behind
        self.port = 0
        self.reply: Callable[[], Reply] = lambda: (200, {}, b"") if not self.behind else None
        self.pushes: list[bytes] = []
        self.heads: list[dict[str, str]] = []
        self.came_at: list[float] = []  # each of them
        self.delay = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v1/write"

    def values(self, name: str) -> list[float]:
        """What was pushed of one series without labels of its own, in order."""
        found = []
        for body in self.pushes:
            request = message_class().FromString(bytes(cramjam.snappy.decompress_raw(body)))
            for series in request.timeseries:
                if any(label.name == "__name__" and label.value == name for label in series.labels):
                    found.append(series.samples[0].value)
        return found

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                first, *rest = (await reader.readuntil(b"\r\n\r\n"))[:-4].decode().split("\r\n")
                head = {name.lower(): value for name, _, value in (line.partition(": ") for line in rest)}
                body = await reader.readexactly(int(head["content-length"]))
                self.heads.append({**head, "": first})
                self.came_at.append(asyncio.get_running_loop().time())
                await asyncio.sleep(self.delay)
                answer = await self._answer(head, body)
                if not answer:
                    return
                writer.write(answer)
                await writer.drain()
        finally:
            writer.close()

    async def _answer(self, head: dict[str, str], body: bytes) -> bytes:
        wanted = "Basic " + base64.b64encode(":".join(LOGIN).encode()).decode()
        if head.get("authorization") != wanted:
            return _http(401, {}, f"no such login: {head.get('authorization')}".encode())
        reply = self.reply()
        if isinstance(reply, bytes):
            return reply
        if reply is None:
            kept = {name: value for name, value in head.items() if name.startswith(("content-", "x-"))}
            try:
                async with httpx.AsyncClient(trust_env=False, timeout=60.0) as client:
                    told = await client.post(f"{self.behind}/api/v1/write", content=body, headers=kept)
            except httpx.HTTPError:  # it went away meanwhile
                return b""
            reply = told.status_code, {}, told.content
        if 200 <= reply[0] < 300:
            self.pushes.append(body)
        return _http(*reply)


def _http(status: int, headers: dict[str, str], body: bytes) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *(f"{n}: {v}" for n, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


@asynccontextmanager
async def receiver(behind: str = "") -> AsyncIterator[Receiver]:
    """One that listens."""
    there = Receiver(behind)
    async with listening(there.serve) as server:
        there.port = server.port
        yield there
