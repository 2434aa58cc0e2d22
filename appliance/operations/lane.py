"""Whose turn it is on one route: so many at a time, so many waiting, first come first served."""

import asyncio
from collections import deque


class Lane:
    """The slots of one route. Belongs to one event loop."""

    def __init__(self, concurrency: int, waiting: int) -> None:
        self._concurrency = concurrency
        self._waiting_max = waiting
        self._queue: deque[asyncio.Future[bool]] = deque()
        self.running = 0

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._queue)

    @property
    def free(self) -> bool:
        """Whether who comes now need not wait."""
        return self.running < self._concurrency and not self._queue

    def enter(self) -> asyncio.Future[bool] | None:
        """Take a slot or a place in the queue: the future becomes True with the slot. None: the queue is full."""
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        if self.free:
            self.running += 1
            turn.set_result(True)
        elif len(self._queue) >= self._waiting_max:
            return None
        else:
            self._queue.append(turn)
        return turn

    def leave(self, turn: asyncio.Future[bool]) -> None:
        """Give up a place, or the slot if it was given just now."""
        if turn in self._queue:
            self._queue.remove(turn)
        elif turn.done() and not turn.cancelled() and turn.result():
            self.release()

    def occupy(self) -> None:
        """Take a slot without waiting, for an operation of the run before that may still be at work."""
        self.running += 1

    def release(self) -> None:
        """Give a slot back."""
        self.running -= 1
        self._grant()

    def resize(self, concurrency: int, waiting: int) -> None:
        """Take over new limits; who waits already may stay."""
        self._concurrency = concurrency
        self._waiting_max = waiting
        self._grant()

    def _grant(self) -> None:
        while self._queue and self.running < self._concurrency:
            turn = self._queue.popleft()
            if not turn.done():
                self.running += 1
                turn.set_result(True)
