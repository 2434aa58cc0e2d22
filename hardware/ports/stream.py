"""A port on a file descriptor that does not block: what serial ports and sockets have in common.

It is watched by the event loop for as long as it is open, without a thread. Whatever ends it (an unplugged adapter, a
peer that hung up, a write that got stuck) ends it once: the descriptor is no longer watched, so that a line that is
gone costs nothing, the reader is told after what had come before, and so is a writer that waits.
"""

import asyncio
import contextlib
import errno
import os

from hardware.errors import TransportError
from hardware.ports import Port

CHUNK_BYTES = 4096
BUFFER_MAX_BYTES = 64 * 1024  # read and not yet taken; then the line is left to wait


class StreamPort(Port):
    """Owns `fd` until it is closed.

    Args:
        fd: an open descriptor, not blocking.
        words: see `Port.words`.
    """

    def __init__(self, fd: int, words: str) -> None:
        self.words = words
        self._fd = fd
        self._loop = asyncio.get_running_loop()
        self._came = bytearray()
        self._watching = False
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None
        self._end: TransportError | None = None
        self._closed = False
        self._watch()

    async def read(self) -> bytes:
        """See `Port.read`."""
        while not self._came:
            if self._end is not None:
                raise self._end
            self._watch()
            self._reader = self._loop.create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        data = bytes(self._came)
        self._came.clear()
        return data

    async def write(self, data: bytes) -> None:
        """See `Port.write`."""
        limit_s = self._write_limit_s(len(data))
        rest = memoryview(data)
        try:
            async with asyncio.timeout(limit_s):
                while rest:
                    rest = rest[await self._write_some(rest) :]
        except TimeoutError:
            left = f"{len(rest)} of {len(data)} bytes were not taken within {limit_s:.1f} s"
            raise self._fail(f"stuck: {left}{self._stuck_hint()}") from None

    def set_baud(self, baud: int) -> None:
        """Nothing here has a speed; what had come is dropped all the same."""
        self._came.clear()

    def close(self) -> None:
        """See `Port.close`."""
        if self._closed:
            return
        self._fail("closed")
        self._closed = True
        self._release()

    # For the kinds of ports

    def _write_limit_s(self, size: int) -> float:
        """How long a line that works takes at most for so many bytes."""
        return 5.0 + size / 10_000

    def _stuck_hint(self) -> str:
        return ""

    def _release(self) -> None:
        """Give the descriptor back, whatever state it is in."""
        os.close(self._fd)

    # The loop's side

    async def _write_some(self, data: memoryview) -> int:
        while True:
            if self._end is not None:
                raise self._end
            try:
                return os.write(self._fd, data)
            except BlockingIOError:
                pass
            except OSError as error:
                raise self._fail(_words(error)) from error
            self._writer = self._loop.create_future()
            self._loop.add_writer(self._fd, self._writable)
            try:
                await self._writer
            finally:
                self._writable()
                self._writer = None

    def _writable(self) -> None:
        """There is room, or nobody needs it any more."""
        if self._writer is not None and not self._writer.done():
            self._writer.set_result(None)
        if self._writer is not None and not self._closed:
            self._loop.remove_writer(self._fd)

    def _readable(self) -> None:
        try:
            data = os.read(self._fd, CHUNK_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._fail(_words(error))
            return
        if not data:
            self._fail("the other end hung up")
            return
        self._came += data
        if len(self._came) >= BUFFER_MAX_BYTES:
            self._unwatch()
        self._wake_reader()

    def _fail(self, words: str) -> TransportError:
        """Ended, unless it had already; why it did."""
        if self._end is None:
            self._end = TransportError(f"{self.words}: {words}")
            with contextlib.suppress(RuntimeError):  # the loop is closed, and watches nothing any more
                self._unwatch()
                self._writable()
            self._wake_reader()
        return self._end

    def _wake_reader(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def _watch(self) -> None:
        if not self._watching:
            self._watching = True
            self._loop.add_reader(self._fd, self._readable)

    def _unwatch(self) -> None:
        if self._watching:
            self._watching = False
            self._loop.remove_reader(self._fd)


def _words(error: OSError) -> str:
    if error.errno in {errno.EIO, errno.ENXIO, errno.ENODEV, errno.EBADF}:
        return "the port is gone (unplugged?)"
    return error.strerror or str(error)
