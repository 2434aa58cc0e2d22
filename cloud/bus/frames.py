"""What goes over the bus as bytes: frames of messages, and the outbox that gathers them. No I/O here.

A frame is MessagePack, `[protocol, life of the sender, items]`, an item `[kind, message, question, answer]`: the
message's class, the message as its class encodes it, the number of the question where it is one, and that of the
question it answers. What a hub of another version adds is read over: kinds nobody knows here, fields nobody knows.
"""

from collections import deque

import msgspec

PROTOCOL = 1  # a hub that gives these messages another meaning counts on
ALL = ""  # in the place of a life: every hub
_FRAME_BYTES = 256 * 1024  # a frame that has this much is not added to
_FRAME_ITEMS = 1000

_encode = msgspec.msgpack.Encoder().encode


class Item(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One message of a frame."""

    kind: str
    message: msgspec.Raw
    question: int = 0
    answer: int = 0


class Frame(msgspec.Struct, frozen=True, array_like=True):
    """Messages of one hub."""

    protocol: int
    sender: str
    items: list[Item]


class Strange(msgspec.Struct, frozen=True, array_like=True):
    """As much of a frame as is the same in every protocol."""

    protocol: int
    sender: str


_frames = msgspec.msgpack.Decoder(Frame)
_strange = msgspec.msgpack.Decoder(Strange)


def item(message: msgspec.Struct, *, question: int = 0, answer: int = 0) -> Item:
    """The message as it is now."""
    return Item(type(message).__name__, msgspec.Raw(_encode(message)), question, answer)


def nothing(answer: int) -> Item:
    """Instead of an answer: there is none."""
    return Item("", msgspec.Raw(b"\xc0"), 0, answer)


def start_of(sender: str) -> bytes:
    """How each frame of this sender begins."""
    return _encode((PROTOCOL, sender, []))[:-1]


def read(data: bytes) -> Frame | Strange:
    """A frame; of another protocol only who sent it. Raises `msgspec.MsgspecError`."""
    try:
        found = _frames.decode(data)
    except msgspec.ValidationError:
        stranger = _strange.decode(data)
        if stranger.protocol == PROTOCOL:
            raise
        return stranger
    return found if found.protocol == PROTOCOL else Strange(found.protocol, found.sender)


class _Batch:
    __slots__ = ("items", "questions", "size", "target")

    def __init__(self, target: str) -> None:
        self.target = target
        self.items: list[Item] = []
        self.questions: list[int] = []
        self.size = 0


class Outbox:
    """What was said and is not sent yet, in frames for one hub or for all; and what of it was sent and is not
    acknowledged. At most `messages` and `size` bytes of both together.

    What one hub hears is in the order it was said in, be it to it alone or to all: both share a frame with what was
    said before only where nothing came between that must stay between.
    """

    def __init__(self, sender: str, *, messages: int = 50_000, size: int = 32 * 1024 * 1024) -> None:
        self._sender = sender
        self._most, self._most_bytes = messages, size
        self.messages = 0
        self.size = 0
        self._batches: list[_Batch] = []
        self._open: dict[str, _Batch] = {}
        self._last_for_all = False
        self._sent: deque[_Batch] = deque()  # not acknowledged

    def add(self, target: str, item: Item, *, always: bool = False) -> bool:
        """Take a message in, unless there are too many; `always` is for what tells how the bus does."""
        size = len(item.message) + 32
        if not always and (self.messages >= self._most or self.size + size > self._most_bytes):
            return False
        if (for_all := target == ALL) is not self._last_for_all:
            self._open.clear()
            self._last_for_all = for_all
        batch = self._open.get(target)
        if batch is None or batch.size >= _FRAME_BYTES or len(batch.items) >= _FRAME_ITEMS:
            batch = self._open[target] = _Batch(target)
            self._batches.append(batch)
        batch.items.append(item)
        if item.question:
            batch.questions.append(item.question)
        batch.size += size
        self.messages += 1
        self.size += size
        return True

    def take(self) -> list[tuple[str, bytes]]:
        """All frames that are to go out now, each with its target. Each is to be acknowledged, in this order."""
        batches, self._batches = self._batches, []
        self._open.clear()
        self._sent.extend(batches)
        return [(batch.target, _encode(Frame(PROTOCOL, self._sender, batch.items))) for batch in batches]

    def acknowledge(self) -> tuple[str, int, list[int]]:
        """The oldest frame that was taken is through; returns its target, how many messages it had, and the numbers of
        the questions among them."""
        batch = self._sent.popleft()
        self.messages -= len(batch.items)
        self.size -= batch.size
        return batch.target, len(batch.items), batch.questions

    def clear(self) -> int:
        """Forget all of it; returns how many messages may be lost by that."""
        lost, self.messages, self.size = self.messages, 0, 0
        self._batches.clear()
        self._open.clear()
        self._sent.clear()
        return lost

    def __bool__(self) -> bool:
        return bool(self._batches)
