"""A disk with a cache that forgets: which files a power cut may leave behind.

What was synced is there. Of what was not, each write, truncation and change of a name may have reached the disk or not,
in any combination; a write may have arrived by sectors, or only as a longer file full of zeros. A sync that failed
proves nothing, and the kernel will not write again what it failed to write (https://lwn.net/Articles/752063/): those
changes stay in doubt whatever is synced later, until they are written again. Names are made durable by syncing their
directory only.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

SECTORS = (512, 4096)
ROOT = 0


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes at an offset of a file."""

    file: int
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Truncate:
    """A file gets this size; longer is filled with zeros."""

    file: int
    size: int


@dataclass(frozen=True, slots=True)
class Link:
    """A name for a new file, or directory, in a directory."""

    directory: int
    name: str
    file: int
    is_directory: bool = False


@dataclass(frozen=True, slots=True)
class Unlink:
    """A name is gone."""

    directory: int
    name: str


@dataclass(frozen=True, slots=True)
class Rename:
    """A name is replaced by another in the same directory; both or nothing."""

    directory: int
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Sync:
    """A file's content, or a directory's names, are forced to the disk; `failed`: an error was told instead."""

    file: int
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """Something was promised, or is about to be tried. See `facts.py`."""

    kind: str
    about: str = ""
    value: Any = None


Content = Write | Truncate
Naming = Link | Unlink | Rename
Op = Content | Naming | Sync | Mark
Image = dict[str, bytes | None]  # path under the root → content; None is a directory


@dataclass(slots=True)
class _Change:
    op: Any
    is_sure: bool = False
    is_given_up: bool = False  # by the kernel, after a failed sync


@dataclass(slots=True)
class _Node:
    """A file or a directory: what is surely there, then changes in their order, the first of them unsure."""

    is_directory: bool
    content: bytearray = field(default_factory=bytearray)
    names: dict[str, int] = field(default_factory=dict)
    changes: list[_Change] = field(default_factory=list)


# What becomes of one unsure change: it is there, not there, there in some sectors (size, seed), or there as zeros.
_KEPT, _DROPPED, _ZEROS = "kept", "dropped", "zeros"
Fate = str | tuple[int, int]


class Disk:
    """The disk at one moment; `apply` moves it on."""

    def __init__(self) -> None:
        self._nodes: dict[int, _Node] = {ROOT: _Node(is_directory=True)}

    @classmethod
    def holding(cls, image: Image) -> "Disk":
        """A disk on which exactly this is durable."""
        disk = cls()
        numbers = {"": ROOT}
        for number, path in enumerate(sorted(image), start=ROOT + 1):  # parents come first
            content = image[path]
            numbers[path] = number
            disk._nodes[number] = _Node(content is None, bytearray(content or b""))
            parent, _, name = path.rpartition("/")
            disk._nodes[numbers[parent]].names[name] = number
        return disk

    def apply(self, op: Op) -> None:
        """One thing happens."""
        match op:
            case Write() | Truncate():
                self._nodes[op.file].changes.append(_Change(op))
            case Link():
                self._nodes.setdefault(op.file, _Node(op.is_directory))
                self._nodes[op.directory].changes.append(_Change(op))
            case Unlink() | Rename():
                self._nodes[op.directory].changes.append(_Change(op))
            case Sync():
                self._sync(self._nodes[op.file], op.failed)
            case Mark():
                pass

    def _sync(self, node: _Node, failed: bool) -> None:
        for change in node.changes:
            if failed:
                change.is_given_up = change.is_given_up or not change.is_sure
            elif not change.is_given_up:
                change.is_sure = True
        while node.changes and node.changes[0].is_sure:
            _change(node, node.changes.pop(0).op, _KEPT)

    def unsure(self) -> int:
        """How many changes a cut might lose."""
        return len(self._unsure())

    def _unsure(self) -> list[_Change]:
        return [change for node in self._nodes.values() for change in node.changes if not change.is_sure]

    def kept(self) -> Image:
        """What a program reads now, or after it alone was killed."""
        return self._image({})

    def states(self, rng: random.Random, *, singles: int, randoms: int) -> Iterator[Image]:
        """What a cut may leave: nothing of the unsure, all of it, and so on.

        Of the states with one change kept, and with one dropped, at most `singles` each; `randoms` with a fate drawn
        for each change.
        """
        unsure = self._unsure()
        dropped: dict[int, Fate] = {id(change): _DROPPED for change in unsure}
        yield self._image(dropped)
        if not unsure:
            return
        yield self._image({})
        if len(unsure) > 1:
            for change in _some(unsure, singles, rng):
                yield self._image({**dropped, id(change): _KEPT})
            for change in _some(unsure, singles, rng):
                yield self._image({id(change): _DROPPED})
        for _ in range(randoms):
            yield self._image({id(change): _fate(change.op, rng) for change in unsure})

    def numbers(self) -> dict[str, int]:
        """The files a program sees now, by path, with their numbers."""
        found: dict[str, int] = {}
        self._render(ROOT, "", {}, {}, found)
        return found

    def next_number(self) -> int:
        """One no file ever had."""
        return max(self._nodes) + 1

    def _image(self, fates: dict[int, Fate]) -> Image:
        image: Image = {}
        self._render(ROOT, "", fates, image, {})
        return image

    def _render(self, number: int, path: str, fates: dict[int, Fate], image: Image, found: dict[str, int]) -> None:
        node = self._nodes[number]
        shown = _Node(node.is_directory, bytearray(node.content), dict(node.names))
        for change in node.changes:
            _change(shown, change.op, fates.get(id(change), _KEPT))
        found[path] = number
        if path:
            image[path] = None if node.is_directory else bytes(shown.content)
        for name, child in sorted(shown.names.items()):
            self._render(child, f"{path}/{name}" if path else name, fates, image, found)


def _some(changes: Sequence[_Change], most: int, rng: random.Random) -> Sequence[_Change]:
    return changes if len(changes) <= most else rng.sample(changes, most)


def _fate(op: Content | Naming, rng: random.Random) -> Fate:
    if not isinstance(op, Write):
        return rng.choice((_KEPT, _DROPPED))
    fates: tuple[Fate, ...] = (_KEPT, _DROPPED, _ZEROS, *((sector, rng.getrandbits(30)) for sector in SECTORS))
    return rng.choice(fates)


def _change(node: _Node, op: Content | Naming, fate: Fate) -> None:
    if fate == _DROPPED:
        return
    match op:
        case Write():
            _write(node.content, op, fate)
        case Truncate():
            _resize(node.content, op.size)
        case Link():
            node.names[op.name] = op.file
        case Unlink():
            node.names.pop(op.name, None)
        case Rename():
            if op.old in node.names:
                node.names[op.new] = node.names.pop(op.old)


def _write(content: bytearray, op: Write, fate: Fate) -> None:
    end = op.offset + len(op.data)
    if len(content) < end:
        _resize(content, end)
    if fate == _KEPT:
        content[op.offset : end] = op.data
    elif isinstance(fate, tuple):
        sector, seed = fate
        rng = random.Random(seed)
        at = op.offset
        while at < end:
            upto = min(end, (at // sector + 1) * sector)
            if rng.random() < 0.5:
                content[at:upto] = op.data[at - op.offset : upto - op.offset]
            at = upto


def _resize(content: bytearray, size: int) -> None:
    if size < len(content):
        del content[size:]
    else:
        content.extend(bytes(size - len(content)))
