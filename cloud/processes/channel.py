"""What a supervisor and its children say to each other, and the socket pair it goes through.

Either end may be of another version: a message that is not understood is passed over.
"""

import asyncio
import logging
import socket
from collections.abc import Callable

import msgspec

from cloud.cancelled import cancelled

log = logging.getLogger(__name__)

BEAT_EVERY = 2.0
_MOST_BYTES = 32 * 1024 * 1024  # of one message, and of what waits to be read at the other end


class Role(msgspec.Struct, frozen=True, kw_only=True):
    """What a child is told at its start. `listeners` are the descriptors of every process's sockets, by process."""

    process: int  # 1 to `of`
    of: int
    control: int
    listeners: tuple[tuple[int, ...], ...]


class Ready(msgspec.Struct, frozen=True, tag=True):
    """A child serves."""

    life: str


class Beat(msgspec.Struct, frozen=True, tag=True):
    """Its loop turns."""


class Going(msgspec.Struct, frozen=True, tag=True):
    """It was told to end by somebody else: another one must take its place."""


class Wanted(msgspec.Struct, frozen=True, tag=True):
    """To the supervisor: figures of all others are wanted. To a child: its figures are."""

    number: int


class Given(msgspec.Struct, frozen=True, tag=True):
    """A child's figures."""

    number: int
    figures: bytes


class Gathered(msgspec.Struct, frozen=True, tag=True):
    """Those of all others, by the name of the process; None of one that did not answer in time."""

    number: int
    figures: dict[str, bytes | None]


class Leave(msgspec.Struct, frozen=True, tag=True):
    """End. `handed_over`: another process accepts on this one's sockets from now on; else accept on for a while.

    `drain` seconds to send kiosks away in; 0: at once, also where an earlier one was told to take its time. `others`
    are the lives of this machine's hubs that end as well, so that nobody counts on them.
    """

    drain: float
    handed_over: bool
    others: tuple[str, ...] = ()


class Adopt(msgspec.Struct, frozen=True, tag=True):
    """Accept on the sockets of a process that is not there, or leave them to it again."""

    process: int
    accept: bool


FromChild = Ready | Beat | Going | Wanted | Given
FromSupervisor = Wanted | Gathered | Leave | Adopt


class Channel:
    """One end. `heard` is called with each message, `lost` once the other end is gone."""

    def __init__(self, kinds: object, heard: Callable[[msgspec.Struct], None], lost: Callable[[], None]) -> None:
        self._decoder = msgspec.msgpack.Decoder(kinds)
        self._heard = heard
        self._lost = lost
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None

    async def open(self, end: socket.socket) -> None:
        """Begin to speak and to listen."""
        reader, self._writer = await asyncio.open_unix_connection(sock=end)
        self._task = asyncio.create_task(self._listen(reader), name="process-channel")

    def say(self, message: msgspec.Struct) -> None:
        """Send; nothing happens where nobody listens any more, or not for long."""
        writer = self._writer
        if writer is None or writer.is_closing():
            return
        data = msgspec.msgpack.encode(message)
        if writer.transport.get_write_buffer_size() + len(data) > _MOST_BYTES:
            return
        writer.write(len(data).to_bytes(4, "big") + data)

    async def close(self) -> None:
        """Say no more."""
        if self._task is not None:
            await cancelled(self._task)
        if self._writer is not None:
            self._writer.close()

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                size = int.from_bytes(await reader.readexactly(4), "big")
                if size > _MOST_BYTES:
                    break
                data = await reader.readexactly(size)
                try:
                    message = self._decoder.decode(data)
                except msgspec.MsgspecError as error:
                    log.info("a message between processes is not understood", extra={"error": str(error)})
                    continue
                self._heard(message)
        except (OSError, asyncio.IncompleteReadError):
            pass
        self._lost()
