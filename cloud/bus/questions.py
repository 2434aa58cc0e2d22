"""Questions of one hub to another, and their answers."""

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec

from cloud.bus import frames
from cloud.bus.bus import NoAnswerError
from cloud.bus.frames import Item
from cloud.cancelled import cancelled

log = logging.getLogger(__name__)

A = TypeVar("A", bound=msgspec.Struct)

_ANSWERING = 2000  # at a time; who asks more hears at once that there is no answer


class Asked:
    """Questions of ours that wait for their answers."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._waiting: dict[int, tuple[str, asyncio.Future[Item]]] = {}

    async def ask(
        self, life: str, question: msgspec.Struct, answer: type[A], timeout: float, put: Callable[[Item], bool]
    ) -> A:
        """Ask, by way of `put`, and wait. Raises `NoAnswerError`."""
        number = next(self._numbers)
        future: asyncio.Future[Item] = asyncio.get_running_loop().create_future()
        self._waiting[number] = (life, future)
        try:
            if not put(frames.item(question, question=number)):
                raise NoAnswerError("the question could not be sent")
            async with asyncio.timeout(timeout):
                item = await future
        except TimeoutError:
            raise NoAnswerError(f"no answer within {timeout:g} s") from None
        finally:
            del self._waiting[number]
        if item.kind != answer.__name__:
            raise NoAnswerError("the other hub has no answer")
        try:
            return msgspec.msgpack.decode(item.message, type=answer)
        except msgspec.MsgspecError:
            raise NoAnswerError("the other hub's answer cannot be read") from None

    def answered(self, life: str, item: Item) -> None:
        """An answer came; late ones are nobody's."""
        asked, future = self._waiting.get(item.answer, ("", None))
        if future is not None and asked == life and not future.done():
            future.set_result(item)

    def fail(self, why: str, *, life: str = "", numbers: list[int] | None = None) -> None:
        """No answer will come: of this hub, to these questions, or at all."""
        chosen = list(self._waiting) if numbers is None else numbers
        for number in chosen:
            asked, future = self._waiting.get(number, ("", None))
            if future is not None and life in ("", asked) and not future.done():
                future.set_exception(NoAnswerError(why))


class Answering:
    """Questions of others; `reply` sends an answer to a hub."""

    def __init__(self, reply: Callable[[str, Item], bool]) -> None:
        self._reply = reply
        self._handlers: dict[str, tuple[Any, Callable[[str, Any], Awaitable[msgspec.Struct | None]]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, kind: type[msgspec.Struct], handler: Callable[[str, Any], Awaitable[msgspec.Struct | None]]) -> None:
        """Who answers questions of this kind."""
        self._handlers[kind.__name__] = (msgspec.msgpack.Decoder(kind), handler)

    def asked(self, life: str, item: Item) -> None:
        """A question came. Raises `msgspec.MsgspecError` where it cannot be read."""
        found = self._handlers.get(item.kind)
        if found is None or len(self._tasks) >= _ANSWERING:
            self._reply(life, frames.nothing(item.question))
            return
        decoder, handler = found
        message = decoder.decode(item.message)
        task = asyncio.create_task(self._answer(life, item, handler, message), name=f"answer {item.kind}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, life: str, item: Item, handler: Callable[[str, Any], Awaitable[Any]], message: Any) -> None:
        try:
            answer = await handler(life, message)
        except Exception:
            log.exception("a question of another hub could not be answered", extra={"kind": item.kind})
            answer = None
        said = frames.nothing(item.question) if answer is None else frames.item(answer, answer=item.question)
        self._reply(life, said)

    async def stop(self) -> None:
        """End what is being answered."""
        await cancelled(*self._tasks)
