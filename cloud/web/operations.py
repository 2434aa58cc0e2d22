"""Handlers of `/send` and `/operations`."""

import re
from datetime import UTC, datetime

import msgspec
from tornado.http1connection import HTTP1Connection
from tornado.iostream import StreamClosedError
from tornado.web import stream_request_body

from cloud.errors import Refused
from cloud.operations.operation import State
from cloud.web.handler import Handler
from cloud.web.send import BODY_MAX_BYTES
from wire.crashpoint import crash_point
from wire.ids import parse_kiosk_id, parse_request_id
from wire.problems import Outcome

_PAGE_MAX = 500
_PAUSE = 15.0  # between comments that keep an idle event stream open
_STREAM_MAX = 3600.0


@stream_request_body
class SendHandler(Handler):
    """POST /send: ask one kiosk to do one thing and wait for its answer."""

    def prepare(self) -> None:
        """Gather the body, up to the limit."""
        self._parts: list[bytes] = []
        length = self.request.headers.get("Content-Length", "")
        # What is no length, or several of them, Tornado refuses when it comes to read the body.
        self._size = int(length) if length.isascii() and length.isdigit() and len(length) < 16 else 0
        # Above ours, so that a body in chunks is refused here, with a problem, and not by the parser with bare words.
        if isinstance(self.request.connection, HTTP1Connection):
            self.request.connection.set_max_body_size(2 * BODY_MAX_BYTES)
        if self._size > BODY_MAX_BYTES:
            self._refuse()

    def data_received(self, chunk: bytes) -> None:
        """More of the body."""
        self._parts.append(chunk)
        self._size = sum(map(len, self._parts))
        if self._size > BODY_MAX_BYTES and not self._finished:
            self._parts.clear()
            self._refuse()

    async def post(self) -> None:
        """Answer it."""
        # Repeated ones joined, as the other door does it: a request means the same through both.
        headers = {name.lower(): value for name, value in self.request.headers.items()}
        answer = await self.services.send.answer(headers, b"".join(self._parts))
        crash_point("hub.web.send.before")
        self.give(answer)
        crash_point("hub.web.send.after")

    def _refuse(self) -> None:
        self.set_header("Connection", "close")
        self.give(self.services.send.too_large())


class _AboutOperations(Handler):
    """A caller may come here to learn whether an operation was executed: that it is refused says nothing of that."""

    refused_outcome = Outcome.UNKNOWN


class OperationHandler(_AboutOperations):
    """GET /operations/{request_id}: what became of it."""

    async def get(self, request_id: str) -> None:
        """Answer with the operation."""
        self.authorize_backend()
        operation = await self.services.operations.find(read_request_id(request_id))
        self.answer(await self.services.resolving.record(operation))


class CancelHandler(_AboutOperations):
    """POST /operations/{request_id}/cancel: do not execute it, if that is still possible."""

    async def post(self, request_id: str) -> None:
        """Answer with the operation as it stands; its final state tells whether it was cancelled."""
        self.authorize_backend()
        operation = await self.services.operations.cancel(read_request_id(request_id))
        crash_point("hub.web.cancel.before")
        self.answer(await self.services.resolving.record(operation), 200 if operation.is_final else 202)
        crash_point("hub.web.cancel.after")


class OperationsHandler(_AboutOperations):
    """GET /operations: newest first, in pages."""

    async def get(self) -> None:
        """Answer with a page."""
        self.authorize_backend()
        kiosk_id = self.get_query_argument("kiosk", None)
        state = self.get_query_argument("state", None)
        since = self.get_query_argument("since", None)
        limit = self.get_query_argument("limit", "50")
        try:
            page = await self.services.store.page(
                kiosk_id=None if kiosk_id is None else parse_kiosk_id(kiosk_id),
                state=None if state is None else _state(state),
                since=None if since is None else _time(since),
                cursor=self.get_query_argument("cursor", None),
                limit=_limit(limit),
            )
        except ValueError as error:
            raise Refused("bad-request", str(error)) from error
        latest = await self.services.operations.latest(page.operations)
        self.answer({"operations": await self.services.resolving.records(latest), "cursor": page.cursor})


class EventsHandler(_AboutOperations):
    """GET /operations/{request_id}/events: its progress as server-sent events, until its final state."""

    async def get(self, request_id: str) -> None:
        """Stream: the present state first, then what happens."""
        self.authorize_backend()
        operations = self.services.operations
        with self.services.news.subscribe(read_request_id(request_id)) as news:
            operation, progress = await operations.look(request_id)  # what comes from now on is news
            self.set_header("Content-Type", "text/event-stream")
            self.set_header("X-Accel-Buffering", "no")
            try:
                await self._event(operation.state, await self.services.resolving.record(operation))
                waited = 0.0
                last = operation.is_final
                if progress is not None and not last:
                    await self._event("progress", progress)
                while not last and waited < _STREAM_MAX:
                    item = await news.next(_PAUSE)
                    if item is None:
                        waited += _PAUSE
                        self.write(b": still open\n\n")
                        await self.flush()
                    else:
                        last = item.last
                        await self._event(item.kind, item.data)
            except StreamClosedError:
                return

    async def _event(self, kind: str, data: object) -> None:
        # A gateway's body may hold line breaks between members: data lines must not.
        line = msgspec.json.encode(data)
        if b"\n" in line or b"\r" in line:
            line = msgspec.json.format(line, indent=-1)
        self.write(b"event: %b\ndata: %b\n\n" % (kind.encode(), line))
        await self.flush()


def read_request_id(text: str) -> str:
    """An id out of an address. Raises `Refused` (not-found)."""
    try:
        return parse_request_id(text)
    except ValueError as error:
        raise Refused("not-found", str(error)) from error


def _state(text: str) -> State:
    try:
        return State(text)
    except ValueError:
        raise ValueError(f"state: one of {', '.join(State)}") from None


def _limit(text: str) -> int:
    if not re.fullmatch(r"\d{1,4}", text) or not 1 <= int(text) <= _PAGE_MAX:
        raise ValueError(f"limit: a number from 1 to {_PAGE_MAX}")
    return int(text)


def _time(text: str) -> float:
    """Unix seconds or RFC 3339."""
    try:
        return float(text) if re.fullmatch(r"\d+(\.\d+)?", text) else _aware(datetime.fromisoformat(text)).timestamp()
    except (ValueError, OverflowError):
        raise ValueError("since: Unix seconds or a time like 2026-01-31T12:00:00Z") from None


def _aware(at: datetime) -> datetime:
    return at if at.tzinfo else at.replace(tzinfo=UTC)
