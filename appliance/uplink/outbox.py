"""What waits to be written to a socket, bounded in number and bytes.

What does not fit is dropped and counted: outcomes and events stand in the journal and are told again, `accepted` is
asked for again by the hub, and progress may be lost.
"""

import asyncio
from collections import deque

import msgspec

MESSAGES_MAX = 512
BYTES_MAX = 8 * 1024 * 1024


class Ping:
    """Write a ping frame."""


class Text(msgspec.Struct, frozen=True):
    """Write a text message; `point` names its sending among the crash points."""

    text: bytes
    point: str = ""


class Outbox:
    """First in, first out. Belongs to one event loop."""

    def __init__(self) -> None:
        self._items: deque[Text | Ping] = deque()
        self._bytes = 0
        self._filled = asyncio.Event()
        self.dropped = 0

    def put(self, item: Text | Ping) -> bool:
        """Queue it; False when there is no room. A first message always has room."""
        size = 0 if isinstance(item, Ping) else len(item.text)
        if self._items and (len(self._items) >= MESSAGES_MAX or self._bytes + size > BYTES_MAX):
            self.dropped += 1
            return False
        self._items.append(item)
        self._bytes += size
        self._filled.set()
        return True

    async def get(self) -> Text | Ping:
        """The next one; waits for it."""
        while not self._items:
            self._filled.clear()
            await self._filled.wait()
        item = self._items.popleft()
        if not isinstance(item, Ping):
            self._bytes -= len(item.text)
        return item

    def __len__(self) -> int:
        return len(self._items)
