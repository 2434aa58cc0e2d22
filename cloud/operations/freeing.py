"""Operations that never were sent and must not stand in the store: until they are gone, their keys would answer.

A database that just failed to write will often fail to delete too, so this goes on until it has worked. What a hub
leaves undone when it stops is asked for at the kiosk's next hello, like everything it never answered.
"""

import asyncio
import itertools
import logging

from cloud.errors import StorageError
from cloud.operations.store import Store

log = logging.getLogger(__name__)

_RETRY = 1.0
_TOGETHER = 500
_WAITING_MAX = 50_000  # one more is left to the kiosk's next hello


class Freeing:
    """What is to be deleted, and the deleting. `run` belongs to the service, as a task, whenever `free` says so."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._ids: dict[str, None] = {}
        self._runs = False

    def __contains__(self, request_id: str) -> bool:
        return request_id in self._ids

    def free(self, request_id: str) -> bool:
        """Have this deleted. Returns whether `run` must be started for it."""
        if len(self._ids) >= _WAITING_MAX:
            log.error("too many keys wait to be freed", extra={"request_id": request_id})
            return False
        self._ids[request_id] = None
        first, self._runs = not self._runs, True
        return first

    async def run(self) -> None:
        """Delete until nothing is left to be deleted."""
        try:
            while self._ids:
                some = list(itertools.islice(self._ids, _TOGETHER))
                failed = [error for error in await asyncio.gather(*map(self._delete, some)) if error]
                if failed:
                    log.error("keys could not be freed, trying again", extra={"error": str(failed[0])[:200]})
                    await asyncio.sleep(_RETRY)
        finally:
            self._runs = False

    async def _delete(self, request_id: str) -> StorageError | None:
        try:
            await self._store.release(request_id)
        except StorageError as error:
            return error
        del self._ids[request_id]
        return None
