"""An HTTP transport that reads only so much of an answer, in small pieces.

A receiver of callbacks, or of alerts, is somebody else's program. One that answers without an end, be it with interim
answers (1xx) or a body in chunks of a byte, would keep the hub parsing for as long as it is given to answer, and all
kiosks waiting.
"""

import asyncio
from typing import Any

import httpx

_PIECE = 16 * 1024  # parsing that takes some 20 ms at worst; then everybody else has a turn


class BoundedTransport(httpx.AsyncHTTPTransport):
    """As httpx's own; an answer of more than `most` bytes, head and all, ends in an OSError."""

    def __init__(self, most: int, **options: Any) -> None:
        super().__init__(**options)
        # The pool takes a backend when it is made, and httpx makes it itself.
        self._pool._network_backend = _Backend(self._pool._network_backend, most)  # type: ignore[assignment]


class _Backend:
    """Opens connections that are bounded."""

    def __init__(self, backend: Any, most: int) -> None:
        self._backend = backend
        self._most = most

    async def connect_tcp(self, *arguments: Any, **options: Any) -> "_Stream":
        return _Stream(await self._backend.connect_tcp(*arguments, **options), self._most)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)


class _Stream:
    """One connection: each request written on it lets `most` bytes in."""

    def __init__(self, stream: Any, most: int) -> None:
        self._stream = stream
        self._most = self._left = most

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data: bytes = await self._stream.read(min(max_bytes, _PIECE), timeout)
        self._left -= len(data)
        if self._left < 0:
            raise OSError(f"the answer is longer than {self._most} bytes")
        await asyncio.sleep(0)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._left = self._most
        await self._stream.write(buffer, timeout)

    async def start_tls(self, *arguments: Any, **options: Any) -> "_Stream":
        return _Stream(await self._stream.start_tls(*arguments, **options), self._most)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
