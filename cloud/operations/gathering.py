"""One question for many kiosks: thousands that come back at one moment must not ask the database one by one."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence

from cloud.errors import StorageError

_GATHER, _GATHER_MANY = 0.02, 0.1  # seconds; while one question is asked, the next gathers as long
_QUIET = 1.0  # seconds without a question, after which the next one is asked at once: nobody else comes
_AT_ONCE = 512
_SIZES = (1, 8, 64, _AT_ONCE)  # so that a database knows the statement: each number of names is another one


class _Batch:
    """Names, and which of them it is true of: a future for all who ask together."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.names: set[str] = set()
        self.found: asyncio.Future[set[str]] = loop.create_future()


class Gathering:
    """`ask` is given some names and gives those of them that it is true of."""

    def __init__(self, ask: Callable[[Sequence[str]], Awaitable[set[str]]]) -> None:
        self._ask = ask
        self._open: _Batch | None = None
        self._turn = asyncio.Lock()
        self._gather = _GATHER
        self._asked_at = float("-inf")

    async def is_true_of(self, name: str) -> bool:
        """What stands in the database after this was called. Raises `StorageError`."""
        batch = self._open
        if batch is not None:
            batch.names.add(name)
            return name in await asyncio.shield(batch.found)
        loop = asyncio.get_running_loop()
        batch = self._open = _Batch(loop)
        batch.names.add(name)
        try:
            if loop.time() - self._asked_at < _QUIET:
                await asyncio.sleep(self._gather)
            async with self._turn:
                self._asked_at = loop.time()
                self._open = None  # whoever comes from here on may mean what is not yet there
                self._gather = _GATHER if len(batch.names) == 1 else _GATHER_MANY
                found: set[str] = set()
                for names in _parts(sorted(batch.names)):
                    found |= await self._ask(names)
        except BaseException as error:
            if self._open is batch:
                self._open = None
            batch.found.set_exception(StorageError(f"it could not be asked for many: {type(error).__name__}"))
            batch.found.exception()  # heard, also where nobody else asked
            raise
        batch.found.set_result(found)
        return name in found


def _parts(names: list[str]) -> Iterator[list[str]]:
    """Some at a time, filled up with one of them to a size of `_SIZES`."""
    for at in range(0, len(names), _AT_ONCE):
        some = names[at : at + _AT_ONCE]
        size = next(size for size in _SIZES if size >= len(some))
        yield some + some[:1] * (size - len(some))
