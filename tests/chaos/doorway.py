"""A relay that dials from an address of its own, as a second machine would."""

import asyncio
import contextlib
from types import TracebackType
from typing import Self

from tests.dialling import dialled, pass_on, served_aside


class Doorway:
    """Listens at 127.0.0.1 and passes connections on to `target`, where they come from `source`. In a thread."""

    def __init__(self, target: int, source: str) -> None:
        self._target = target
        self._source = source
        self._stack = contextlib.ExitStack()
        self.port = 0

    def __enter__(self) -> Self:
        self.port = self._stack.enter_context(served_aside(self._serve, name="doorway"))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with dialled("127.0.0.1", self._target, source=self._source) as there:
                await pass_on((reader, writer), there)
        finally:
            writer.close()
