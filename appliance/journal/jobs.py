"""What the journal's thread is given and says: jobs, limits, facts."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import msgspec

from appliance.journal.store import Store


class Limits(msgspec.Struct, frozen=True):
    """How large the journal may grow."""

    max_bytes: int = 64 * 1024 * 1024
    keep_s: float = 30 * 86400.0
    min_free_bytes: int = 16 * 1024 * 1024
    queue_jobs: int = 4000
    answer_within_s: float = 30.0  # after that a caller is told that the disk does not answer


class Facts(msgspec.Struct, frozen=True):
    """The journal at a moment, for health, metrics and hello."""

    id: str = ""
    unsettled: int = 0
    events: int = 0
    used_bytes: int = 0
    trouble: str = ""  # why nothing new can be written; empty while all is well
    notices: tuple[str, ...] = ()  # what a person should know though the journal works
    previous: str = ""  # how the run before ended: first, clean or cut


class Job:
    """One piece of work on the store and where its result goes."""

    __slots__ = ("apart", "call", "future", "journal", "needs_room", "point", "writes")

    def __init__(
        self, call: Callable[[Store], Any], *, writes: bool = True, needs_room: bool = False,
        journal: str | None = None, point: str = "", apart: bool = False,
    ) -> None:  # fmt: skip
        self.call = call
        self.apart = apart  # in a commit of its own: what others begin stands before it, or is refused behind it
        self.point = point  # names its commit among the crash points
        self.journal = journal  # of no other may it be asked; None: of any
        self.writes = writes
        self.needs_room = needs_room
        self.future: Future[Any] = Future()
