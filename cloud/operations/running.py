"""The operations under way in this hub, findable by id, by key and by kiosk. No I/O."""

import asyncio
from collections.abc import Iterator

import msgspec

from cloud.errors import Refused
from cloud.operations.answers import Answer
from cloud.operations.attempts import Attempts
from cloud.operations.operation import Operation


class Running:
    """One operation under way. `started` and `start_by` are seconds of the loop's clock."""

    __slots__ = (
        "answer", "answered", "attempts", "deadline", "lost", "operation", "progress", "sent", "settling",
        "start_by", "started",
    )  # fmt: skip

    def __init__(self, operation: Operation, started: float, start_by: float) -> None:
        self.operation = operation
        self.started = started
        self.start_by = start_by
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.answered = False  # whoever waits was told an outcome, or that it is unknown
        self.sent = False  # it may have been put on a socket: from here on "not executed" is the kiosk's to say
        self.settling = False  # its outcome is being stored, and then the kiosk may forget it
        self.attempts: Attempts | None = None  # where it was given, once it was; None in a hub that is alone
        self.progress: msgspec.Raw | None = None  # the kiosk's last, for who begins to watch now
        self.deadline: asyncio.TimerHandle | None = None  # end of the caller's patience
        self.lost: asyncio.TimerHandle | None = None  # end of the grace, while the kiosk is away

    def end(self, ending: Answer | BaseException) -> None:
        """Tell whoever joined it how it ended without having become an operation."""
        if self.answer.done():
            return
        if isinstance(ending, Answer):
            self.answer.set_result(ending)
        else:
            refused = ending if isinstance(ending, Refused) else Refused("internal", "the first request failed")
            self.answer.set_exception(refused)
            self.answer.exception()  # nobody need have joined

    def stop_timers(self) -> None:
        """Nothing is to happen by itself any more."""
        for timer in (self.deadline, self.lost):
            if timer is not None:
                timer.cancel()
        self.deadline = self.lost = None


class Books:
    """All of them."""

    def __init__(self) -> None:
        self._by_id: dict[str, Running] = {}
        self._by_key: dict[str, Running] = {}
        self._by_kiosk: dict[str, dict[str, Running]] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Running]:
        return iter(list(self._by_id.values()))

    def get(self, request_id: str) -> Running | None:
        """By request id."""
        return self._by_id.get(request_id)

    def with_key(self, key: str) -> Running | None:
        """By Idempotency-Key."""
        return self._by_key.get(key)

    def at(self, kiosk_id: str) -> list[Running]:
        """Of one kiosk, oldest first."""
        return list(self._by_kiosk.get(kiosk_id, {}).values())

    def count_at(self, kiosk_id: str) -> int:
        """How many of one kiosk."""
        return len(self._by_kiosk.get(kiosk_id, ()))

    def add(self, running: Running) -> None:
        """Take it on the books."""
        operation = running.operation
        self._by_id[operation.request_id] = running
        self._by_kiosk.setdefault(operation.kiosk_id, {})[operation.request_id] = running
        if operation.idempotency_key is not None:
            self._by_key[operation.idempotency_key] = running

    def remove(self, running: Running) -> None:
        """Take it off, and stop its timers."""
        operation = running.operation
        running.stop_timers()
        self._by_id.pop(operation.request_id, None)
        if (siblings := self._by_kiosk.get(operation.kiosk_id)) is not None:
            siblings.pop(operation.request_id, None)
            if not siblings:
                del self._by_kiosk[operation.kiosk_id]
        if operation.idempotency_key is not None and self._by_key.get(operation.idempotency_key) is running:
            del self._by_key[operation.idempotency_key]
