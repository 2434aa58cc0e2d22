"""A person settles an operation whose outcome nobody else can tell: once, with a reason, for good.

What is kept of it is written in one transaction with the operation's state and its callback. The kiosk may tell at the
same moment: either its word is being stored, and the person is told to look again, or it waits for what the person
says to be on disk, and is kept beside that.
"""

import asyncio
import math
import time
from collections.abc import Callable, Iterable
from typing import Any

from cloud.errors import Refused, StorageError
from cloud.operations.answers import record
from cloud.operations.by_hand import Resolution, check_words, person, settle
from cloud.operations.everywhere import Everywhere
from cloud.operations.operation import Operation, State
from cloud.operations.resolutions import Contradiction, Resolutions
from cloud.operations.settling import AGAINST, Settling
from cloud.operations.store import Page, Store

BY_HAND_STATES = (State.SUCCEEDED, State.FAILED)


class Resolving:
    """The service. `clock` gives Unix seconds."""

    def __init__(
        self,
        *,
        store: Store,
        resolutions: Resolutions,
        settling: Settling,
        everywhere: Everywhere | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._resolutions = resolutions
        self._settling = settling
        self._everywhere = everywhere
        self._clock = clock
        self._tasks: set[asyncio.Task[Operation]] = set()

    async def resolve(self, request_id: str, state: str, by: str, why: str) -> Operation:
        """Make it `succeeded` (it was executed) or `failed` (it was not, and never will be). Returns it as it is now.

        The same word of the same person again changes nothing. Raises `Refused`: bad-request, not-found, conflict
        with what stands against it; `StorageError`, and then it is to be asked for again.
        """
        if state not in BY_HAND_STATES:
            raise Refused("bad-request", "state: right would be succeeded or failed", request_id=request_id)
        why = check_words(by, why)
        # Whoever asked may go away; the kiosk's word waits until this one is on disk, or is not.
        task = asyncio.create_task(self._resolve(request_id, State(state), by, why), name=f"resolve-{request_id}")
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    async def _resolve(self, request_id: str, state: State, by: str, why: str) -> Operation:
        with self._settling.hold(request_id):
            # At the other hubs it is not held: what is written there meanwhile, the row decides.
            if self._everywhere is not None and (fact := await self._everywhere.against(request_id)):
                raise Refused("conflict", AGAINST[fact], request_id=request_id, fact=fact)
            operation = await self._store.find(request_id)
            if operation is None:
                detail = f"there is no operation {request_id}"
                raise Refused("not-found", detail, request_id=request_id, fact="no-operation", id=request_id)
            if operation.is_final:
                kept = await self._resolutions.of(request_id)
                if kept is not None and (person(kept.by), kept.state, kept.why) == (person(by), state, why):
                    return operation
            self._check(operation)
            kept = settle(operation, state, by, why, self._clock())
            if not await self._resolutions.settle(operation, kept, *self._store.callback_of(operation)):
                self._check(await self._store.find(request_id) or operation)
                raise StorageError("an operation settled by hand is not as it was written")
        self._settling.settled_by_hand(operation, kept)
        return operation

    def _check(self, operation: Operation) -> None:
        """Raises `Refused` where it is not to be settled by hand now."""
        request_id = operation.request_id
        if operation.is_final:
            detail = f"it is known what became of it: {operation.state}"
            raise Refused("conflict", detail, request_id=request_id, fact="has-ended", state=operation.state)
        if operation.state is not State.UNKNOWN:
            detail = f"it is {operation.state}: its outcome is not unknown"
            raise Refused("conflict", detail, request_id=request_id, fact="not-unknown", state=operation.state)
        left = self.may_begin_for(operation)
        if left > 0:
            detail = f"its kiosk may still begin it, for {math.ceil(left)} s from now; settle it after that"
            seconds = math.ceil(left)
            raise Refused(
                "conflict", detail, request_id=request_id, retry_after=seconds, fact="may-begin", seconds=seconds
            )

    def _done(self, task: "asyncio.Task[Operation]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # told to who asked, if they are still there

    def may_begin_for(self, operation: Operation) -> float:
        """Seconds for which its kiosk may still begin it; it cannot be settled by hand before. 0: it never will."""
        return self._settling.may_begin_for(operation)

    async def unknown(self, limit: int = 50, cursor: str | None = None) -> Page:
        """Operations nobody knows the outcome of, oldest first. Raises `ValueError` for a cursor that is none."""
        return await self._store.unknown(limit, cursor)

    async def count_unknown(self) -> int:
        """How many there are."""
        return await self._resolutions.count_unknown()

    async def of(self, request_id: str) -> Resolution | None:
        """Who settled this one, and how; None where nobody did."""
        return await self._resolutions.of(request_id)

    async def of_all(self, found: Iterable[Operation]) -> dict[str, Resolution]:
        """The same of those among these that a person settled, by id."""
        return await self._resolutions.of_all(found)

    async def contradictions(self, since: float) -> list[Contradiction]:
        """Those whose kiosk told something else than a person since then (Unix seconds), newest first, 100 at most."""
        return await self._resolutions.contradictions(since)

    async def record(self, operation: Operation) -> dict[str, Any]:
        """The operation as the API tells it, with who settled it."""
        return (await self.records([operation]))[0]

    async def records(self, operations: Iterable[Operation]) -> list[dict[str, Any]]:
        """The same of several."""
        found = list(operations)
        kept = await self._resolutions.of_all(found)
        return [record(operation, kept.get(operation.request_id)) for operation in found]
