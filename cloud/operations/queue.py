"""What waits for absent kiosks, as ids and deadlines; the operations themselves stand in the store. No I/O.

Deadlines are seconds of the loop's clock, so that a step of the wall clock expires nothing.
"""


class Queue:
    """Kiosk by kiosk, oldest first."""

    def __init__(self) -> None:
        self._waiting: dict[str, dict[str, float]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, kiosk_id: str, request_id: str, start_by: float) -> None:
        """Append one."""
        self._waiting.setdefault(kiosk_id, {})[request_id] = start_by
        self._count += 1

    def remove(self, kiosk_id: str, request_id: str) -> bool:
        """Take one out; says whether it was there."""
        queue = self._waiting.get(kiosk_id, {})
        found = queue.pop(request_id, None) is not None
        if found:
            self._count -= 1
        if not queue:
            self._waiting.pop(kiosk_id, None)
        return found

    def of(self, kiosk_id: str) -> list[tuple[str, float]]:
        """Ids and deadlines of one kiosk's."""
        return list(self._waiting.get(kiosk_id, {}).items())

    def count_of(self, kiosk_id: str) -> int:
        """How many wait for one kiosk."""
        return len(self._waiting.get(kiosk_id, ()))

    def overdue(self, now: float) -> list[tuple[str, str]]:
        """Kiosk and id of what may not be started any more."""
        return [
            (kiosk_id, request_id)
            for kiosk_id, queue in self._waiting.items()
            for request_id, start_by in queue.items()
            if start_by <= now
        ]
