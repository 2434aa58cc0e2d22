"""The fiscal register's role on ATOL's web server."""

import asyncio
import contextlib
import logging
import time
import uuid
from collections import deque
from collections.abc import Callable
from typing import Protocol as Shape
from urllib.parse import urlsplit

import httpx

from hardware.atol.orders import (
    AwaitReady,
    ChangeShift,
    Find,
    MoveCash,
    Print,
    PrintSlip,
    ReadStatus,
    Register,
)
from hardware.atol.protocol import AtolProtocol
from hardware.atol.steps import NoAnswer, Request, Response, Timing
from hardware.atol.wire import PortTransport
from hardware.errors import DeviceError, DeviceFault, OutcomeUnknown, TransportError
from hardware.events import DeviceState
from hardware.journal import DeviceJournal
from hardware.ports import Port
from hardware.protocol import Action, Actions, Finish, Record, Say
from hardware.roles import FiscalRegister, RegisterStatus, Status
from hardware.slip import Slip
from wire.money import Money
from wire.receipt import FiscalDocument, Operator, Receipt

DEFAULT_PORT = 16732
DEFAULT_URL = f"http://127.0.0.1:{DEFAULT_PORT}"
CALL_S = 200.0  # above a command's wait for its turn and its own limits (`Timing.answer_s` twice)
CLOSE_S = 30.0
RECORD_AGAIN_S = (0.05, 5.0)

_log = logging.getLogger(__name__)
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class Wrapping(Shape):
    """Such as a trace."""

    def wrap(self, port: Port) -> Port:
        """The same port, watched."""


class AtolRegister(FiscalRegister):
    """One register behind a web server.

    Args:
        url: the server, `http://host:port` (https too), or `sim://atol` for a simulated one.
        login, password: of HTTP Basic; never in a log, a trace apart.
        api: "v2", or "v1" for drivers that only know `/requests`.
        device: which of the server's registers (`deviceID`), "" for its default one.
        operator: the cashier on documents for which the caller names nobody, and his tax number.
        measure: every line's unit, such as "piece", where the register wants one.

    Raises:
        ValueError: a setting is wrong.
    """

    def __init__(
        self,
        name: str,
        url: str,
        journal: DeviceJournal,
        *,
        login: str = "",
        password: str = "",
        api: str = "v2",
        device: str = "",
        operator: str = "",
        operator_tax_number: str = "",
        measure: str = "",
        timing: Timing | None = None,
        trace: Wrapping | None = None,
    ) -> None:
        if api not in ("v2", "v1"):
            raise ValueError(f"{name}: api: {api!r} is neither v2 nor v1")
        self._base, self._line = _address(name, url)
        self._name = name
        self._journal = journal
        self._timing = timing or Timing()
        self._auth = httpx.BasicAuth(login, password) if login else None
        self._wrap: Callable[[Port], Port] | None = None if trace is None else trace.wrap
        self._settings = {"api": api, "device": device, "measure": measure}
        self._cashier = Operator(operator, operator_tax_number) if operator else None
        self._protocol: AtolProtocol | None = None
        self._client: httpx.AsyncClient | None = None
        self._pump: asyncio.Task[None] | None = None
        self._request: asyncio.Task[Response | NoAnswer] | None = None
        self._news = asyncio.Event()
        self._commands: deque[tuple[int, object]] = deque()
        self._abandoned: deque[int] = deque()
        self._tickets: dict[int, asyncio.Future[object]] = {}
        self._last_ticket = 0
        self._closing = False

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._name} {self._base}>"

    # The role

    @property
    def name(self) -> str:
        return self._name

    @property
    def status(self) -> Status:
        if self._protocol is None:
            return Status(state=DeviceState.ABSENT, words="not opened")
        return self._protocol.status

    async def open(self) -> None:
        memory = await self._journal.recall()
        self._protocol = AtolProtocol(
            self._name, memory, nonce=uuid.uuid4().hex, cashier=self._cashier, timing=self._timing, **self._settings
        )
        transport: httpx.AsyncBaseTransport | None = None
        if self._line:
            transport = PortTransport(self._line, keep=self._line.startswith("sim:"), wrap=self._wrap)
        self._client = httpx.AsyncClient(
            base_url=self._base, auth=self._auth, timeout=CALL_S, transport=transport, trust_env=False
        )
        self._pump = asyncio.create_task(self._run(self._protocol), name=f"{self._name} pump")

    async def close(self) -> None:
        if self._pump is None:
            return
        self._closing = True
        self._news.set()
        try:
            async with asyncio.timeout(CLOSE_S):
                await asyncio.shield(self._pump)
        except TimeoutError:
            _log.warning("%s: closed while a document was on its way", self._name)
        finally:
            for task in (self._pump, self._request):
                if task is not None:
                    task.cancel()
                    with contextlib.suppress(asyncio.CancelledError, Exception):
                        await task
            self._pump = None
            if self._client is not None:
                await self._client.aclose()
            for future in self._tickets.values():
                if not future.done():
                    future.set_exception(OutcomeUnknown(f"a command to {self._name}", "it was closed meanwhile"))

    async def ready(self, timeout_s: float) -> None:
        try:
            await self._call(AwaitReady(), "wait", timeout_s)
        except DeviceError:
            status = self.status
            if status.state is DeviceState.FAULT:
                raise DeviceFault(status.code, status.words) from None
            raise TransportError(f"{self._name}: {status.words or 'no answer'} ({status.state})") from None

    async def read_status(self) -> RegisterStatus:
        status = await self._call(ReadStatus(), "tell how it stands")
        assert isinstance(status, RegisterStatus)
        return status

    async def open_shift(self, reference: str, operator: Operator | None = None) -> FiscalDocument:
        return _document(await self._call(ChangeShift("openShift", reference, operator), f"open shift {reference!r}"))

    async def close_shift(self, reference: str, operator: Operator | None = None) -> FiscalDocument:
        return _document(await self._call(ChangeShift("closeShift", reference, operator), f"close shift {reference!r}"))

    async def register(self, receipt: Receipt, reference: str) -> FiscalDocument:
        return _document(await self._call(Register(receipt, reference), f"register {reference!r}"))

    async def cash_in(self, amount: Money, reference: str) -> None:
        await self._call(MoveCash("cashIn", amount, reference), f"put in {amount} {reference!r}")

    async def cash_out(self, amount: Money, reference: str) -> None:
        await self._call(MoveCash("cashOut", amount, reference), f"take out {amount} {reference!r}")

    async def x_report(self) -> None:
        await self._call(Print("reportX"), "print the X report")

    async def find(self, number: int) -> FiscalDocument | None:
        found = await self._call(Find(number), f"find document {number}")
        return None if found is None else _document(found)

    async def print_copy(self) -> None:
        await self._call(Print("printLastReceiptCopy"), "print a copy of the last receipt")

    async def print_slip(self, slip: Slip, reference: str) -> None:
        await self._call(PrintSlip(slip, reference), f"print the slip {reference!r}")

    async def _call(self, command: object, what: str, timeout_s: float = CALL_S) -> object:
        if self._closing or self._pump is None:
            raise TransportError(f"{self._name} is closed")
        self._last_ticket += 1
        ticket = self._last_ticket
        future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._tickets[ticket] = future
        self._commands.append((ticket, command))
        self._news.set()
        try:
            async with asyncio.timeout(timeout_s):
                return await future
        except TimeoutError:
            raise OutcomeUnknown(what, f"{self._name} did not answer within {timeout_s:g} s") from None
        finally:
            if self._tickets.pop(ticket, None) is not None:
                self._abandoned.append(ticket)
                self._news.set()

    # The pump

    async def _run(self, protocol: AtolProtocol) -> None:
        try:
            await self._carry_out(protocol.opened(time.monotonic()))
            said_goodbye = False
            while True:
                await self._carry_out(self._next_actions(protocol))
                if self._closing and not said_goodbye:
                    said_goodbye = True
                    await self._carry_out(protocol.closing(time.monotonic()))
                if self._closing and protocol.settled:
                    return
                if not (self._commands or self._abandoned or (self._request is not None and self._request.done())):
                    self._news.clear()
                    await self._wait(protocol.wake_at)
        except Exception:
            _log.exception("%s: the driver failed; it is out of use until it is opened anew", self._name)
            for future in self._tickets.values():
                if not future.done():
                    future.set_exception(OutcomeUnknown(f"a command to {self._name}", "its driver failed; see the log"))
            raise

    def _next_actions(self, protocol: AtolProtocol) -> Actions:
        now = time.monotonic()
        if self._request is not None and self._request.done():
            answer, self._request = self._request.result(), None
            return protocol.answered(answer, now)
        if protocol.wake_at is not None and protocol.wake_at <= now:
            return protocol.wake(now)
        if self._abandoned:
            return protocol.abandoned(self._abandoned.popleft(), now)
        if self._commands:
            ticket, command = self._commands.popleft()
            if ticket not in self._tickets:
                return ()
            try:
                return protocol.command(command, ticket, now)
            except DeviceError as error:
                return (Finish(ticket, error=error),)
        return ()

    async def _wait(self, until: float | None) -> None:
        if until is None:
            await self._news.wait()
            return
        timer = asyncio.get_running_loop().call_later(max(0.0, until - time.monotonic()), self._news.set)
        try:
            await self._news.wait()
        finally:
            timer.cancel()

    async def _carry_out(self, actions: Actions) -> None:
        for action in actions:
            await self._do(action)

    async def _do(self, action: Action) -> None:
        match action:
            case Request():
                self._request = asyncio.create_task(self._send(action), name=f"{self._name} request")
                self._request.add_done_callback(lambda _: self._news.set())
            case Record():
                await self._record(action)
            case Finish(ticket, result, error):
                future = self._tickets.pop(ticket, None)
                if future is None or future.done():
                    return
                if error is None:
                    future.set_result(result)
                else:
                    future.set_exception(error)
            case Say(words, level):
                _log.log(_LEVELS[level], "%s: %s", self._name, words)
            case _:
                raise TypeError(f"{self._name}: {action!r} is not for HTTP")

    async def _send(self, request: Request) -> Response | NoAnswer:
        assert self._client is not None
        headers = {"Content-Type": "application/json; charset=utf-8"} if request.data else {}
        try:
            async with asyncio.timeout(request.timeout_s):
                response = await self._client.request(
                    request.method, request.path, content=request.data or None, headers=headers
                )
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            return NoAnswer(False, f"{self._base} cannot be reached: {error}")
        except httpx.HTTPError as error:
            return NoAnswer(True, f"{self._base} went away: {error or type(error).__name__}")
        except TimeoutError:
            return NoAnswer(True, f"{self._base} did not answer within {request.timeout_s:g} s")
        return Response(response.status_code, response.content)

    async def _record(self, record: Record) -> None:
        again_s, longest_s = RECORD_AGAIN_S
        while True:
            try:
                await self._journal.record(record.event, record.memory)
                return
            except Exception as error:
                # Whatever the owner's journal raises; until it is written nothing is sent.
                _log.error("%s: cannot write to the journal, the register waits: %s", self._name, error)
            await asyncio.sleep(again_s)
            again_s = min(again_s * 2, longest_s)


def _address(name: str, url: str) -> tuple[str, str]:
    """The URL for httpx, and that of a port ("" for a connection of httpx's own)."""
    parts = urlsplit(url or DEFAULT_URL)
    if parts.username or parts.password:
        raise ValueError(f"{name}: url: login and password are settings of their own")
    if parts.scheme == "sim":
        return "http://simulated", url
    try:
        port = parts.port
    except ValueError:
        port = 0
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise ValueError(f"{name}: url: {url!r} is no http://host:port, such as {DEFAULT_URL}")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = port or (443 if parts.scheme == "https" else DEFAULT_PORT)
    line = "" if parts.scheme == "https" else f"tcp://{host}:{port}"
    return f"{parts.scheme}://{host}:{port}{parts.path.rstrip('/')}", line


def _document(result: object) -> FiscalDocument:
    if not isinstance(result, FiscalDocument):
        raise TypeError(f"a fiscal document came back as {result!r}")
    return result
