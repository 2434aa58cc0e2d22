"""A payment and fiscal gateway such as stands beside a kiosk, with a memory of what it really did and with bad days.

Like real ones it does not notice repetitions: a second `POST` with the same `order_id` is a second charge, and both
stand in the ledger. What the system under test claims can so be held against what happened.

| address | answer | effect |
| --- | --- | --- |
| `POST /api/v1/payment` `{"order_id", "sum", …}` | `{"status", "transaction_id", "order_id", "sum"}` | `payment` |
| `GET /api/v1/payment/status?order_id=` | the latest answer for that order, or 404 `{"status": "not_found"}` | |
| `POST /api/v1/fiscal` `{"check_id", …}` | a fiscal document | `fiscal` |
| `GET /api/v1/fiscal?check_id=&…` | a fiscal document, with the `query` as it was received | |
| `GET /sim/ledger` | `{"lines": […]}`, `?order_id=` or `?check_id=` chooses | |
| `GET`, `POST`, `DELETE /sim/faults` | the faults in force; adds one; clears them | |
"""

import asyncio
import logging
import socket
import struct
import zlib
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Generic, TypeVar

import msgspec
from tornado.web import Application, RequestHandler

from appliance.gateways.faults import BEFORE, SECONDS_MAX, Fault, parse_fault
from appliance.gateways.ledger import IDENTITIES, Ledger

BODY_MAX_BYTES = 1024 * 1024
FAULTS_MAX = 100

_log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode
_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


F = TypeVar("F", bound=Fault)


class Simulated(Generic[F]):
    """What addresses act on: the ledger and the faults in force."""

    def __init__(self, ledger: Ledger, faults: list[F] | None = None) -> None:
        self.ledger = ledger
        self.faults: list[F] = list(faults or [])

    def next_fault(self, route: str) -> F | None:
        """The first fault in force for a route; uses one of its count up."""
        for fault in self.faults:
            if fault.is_for(route):
                if fault.count:
                    fault.count -= 1
                    if not fault.count:
                        self.faults.remove(fault)
                return fault
        return None


class Gateway(Simulated[Fault]):
    """A gateway, with the documents made from the ledger."""

    def pay(self, order_id: str, sum_: Any, *, decline: bool) -> dict[str, Any]:
        """Charge, or decline, which the ledger tells as well although it is no effect on money."""
        if decline:
            return _payment(self.ledger.append("declined", order_id, sum=sum_))
        transaction = f"TXN{len(self.ledger.lines) + 1:08d}"
        return _payment(self.ledger.append("payment", order_id, sum=sum_, transaction_id=transaction))

    def find_payment(self, order_id: str) -> dict[str, Any] | None:
        """The latest answer for an order."""
        for line in reversed(self.ledger.lines):
            if line.get("order_id") == order_id:
                return _payment(line)
        return None

    def register(self, check_id: str) -> dict[str, Any]:
        """Register a fiscal document."""
        self.ledger.append("fiscal", check_id)
        return fiscal_document(check_id)


def _payment(line: Mapping[str, Any]) -> dict[str, Any]:
    answer = {"order_id": line["order_id"], "sum": line["sum"]}
    if line["effect"] == "declined":
        return {"status": "declined", "reason": "insufficient_funds", **answer}
    return {"status": "success", "transaction_id": line["transaction_id"], **answer}


def fiscal_document(check_id: str) -> dict[str, Any]:
    """The same document for the same check, as a register prints a copy."""
    sign = zlib.crc32(check_id.encode())
    return {
        "status": "success",
        "check_id": check_id,
        "fiscal_sign": f"{sign:010d}",
        "fiscal_document": sign % 100_000,
        "register": "SIM-0001",
    }


def make_app(gateway: Gateway) -> Application:
    """The addresses of a gateway."""
    return Application(
        [
            (r"/api/v1/payment", PaymentHandler),
            (r"/api/v1/payment/status", StatusHandler),
            (r"/api/v1/fiscal", FiscalHandler),
            (r"/sim/ledger", LedgerHandler),
            (r"/sim/faults", FaultsHandler),
        ],
        default_handler_class=NowhereHandler,
        gateway=gateway,
        log_function=log_request,
    )


class Refused(Exception):
    """The request cannot be understood; its text is the answer's message."""


class JsonHandler(RequestHandler):
    """JSON in, JSON out."""

    @property
    def there(self) -> Simulated[Any]:
        """What the address acts on."""
        found: Simulated[Any] = self.settings["gateway"]
        return found

    @property
    def gateway(self) -> Gateway:
        """The same, where it is a gateway."""
        found: Gateway = self.settings["gateway"]
        return found

    def initialize(self) -> None:
        self._gone = asyncio.Event()

    def on_connection_close(self) -> None:
        self._gone.set()

    def compute_etag(self) -> None:
        """None: no caller of a gateway asks with one."""

    def read_object(self) -> dict[str, msgspec.Raw]:
        """The body's fields, as they were written. Raises `Refused`."""
        try:
            return _decode_object(self.request.body or b"{}")
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise Refused(f"the body is not a JSON object: {error}") from error

    def read_query(self) -> dict[str, Any]:
        """The query as it was received: a name given once is a text, given more often a list."""
        query = {name: self.get_query_arguments(name, strip=False) for name in self.request.query_arguments}
        return {name: values[0] if len(values) == 1 else values for name, values in query.items()}

    def answer(self, status: int, body: Any) -> None:
        """End with a JSON answer."""
        self.set_status(status)
        self.set_header("Content-Type", "application/json; charset=UTF-8")
        self.finish(_encode(body))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs.get("exc_info", (None, None, None))[1]
        if isinstance(error, Refused):
            self.answer(400, {"status": "error", "message": str(error)})
        else:
            self.answer(status_code, {"status": "error", "message": self._reason})

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        if not isinstance(value, Refused):
            super().log_exception(typ, value, tb)


class FaultyHandler(JsonHandler):
    """A route that can have bad days."""

    route = ""

    def choose_fault(self, simulate: str | None) -> Fault | None:
        """The fault this request asked for, else the next one scripted for the route."""
        if simulate:
            try:
                return parse_fault(simulate)
            except ValueError as error:
                raise Refused(f"simulate: {error}") from error
        fault: Fault | None = self.there.next_fault(self.route)
        return fault

    async def before(self, fault: Fault | None) -> bool:
        """What goes wrong before acting. True when that was all."""
        if fault is None:
            return False
        _log.info("simulating a fault", extra={"route": self.route, "fault": fault.fault})
        if fault.fault == "slow":
            await asyncio.sleep(fault.seconds)
        elif fault.fault == "reset":
            self._cut(reset=True)
        elif fault.fault == "error-500":
            self.answer(500, {"status": "error", "message": "simulated failure before acting"})
        elif fault.fault == "hang":
            await self._hang()
        return fault.fault in BEFORE

    async def after(self, fault: Fault | None, status: int, body: dict[str, Any]) -> None:
        """Answer, or what goes wrong with that."""
        match fault.fault if fault else "":
            case "lost":
                self._cut(reset=False)
            case "error-500-after":
                self.answer(500, {"status": "error", "message": "simulated failure after acting"})
            case "not-json":
                self.set_header("Content-Type", "text/html; charset=UTF-8")
                self.finish("<html><body><h1>Terminal service</h1><p>Operation complete</p></body></html>\n")
            case "huge":
                assert fault is not None
                self.answer(status, {**body, "padding": "x" * fault.bytes})
            case "hang-after":
                await self._hang()
            case "slow-after":
                assert fault is not None
                await asyncio.sleep(fault.seconds)
                self._answer_if_there(status, body)
            case _:
                self._answer_if_there(status, body)

    def _answer_if_there(self, status: int, body: dict[str, Any]) -> None:
        if not self._gone.is_set():
            self.answer(status, body)

    def _cut(self, *, reset: bool) -> None:
        stream = self.detach()
        if reset and stream.socket is not None:
            # Lingering for no time turns the close into a reset.
            stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        stream.close()

    async def _hang(self) -> None:
        try:
            async with asyncio.timeout(SECONDS_MAX):
                await self._gone.wait()
        except TimeoutError:
            self._cut(reset=False)


class PaymentHandler(FaultyHandler):
    """A card terminal's service."""

    route = "payment"

    async def post(self) -> None:
        fields = self.read_object()
        order_id, fault = _identity(fields, "order_id"), self.choose_fault(_text(fields.get("simulate")))
        if await self.before(fault):
            return
        sum_ = fields.get("sum", msgspec.Raw(b"null"))
        answer = self.gateway.pay(order_id, sum_, decline=fault is not None and fault.fault == "decline")
        await self.after(fault, 200, answer)


class StatusHandler(FaultyHandler):
    """What became of an order."""

    route = "status"

    async def get(self) -> None:
        fault = self.choose_fault(self.get_query_argument("simulate", None))
        if await self.before(fault):
            return
        found = self.gateway.find_payment(self.get_query_argument("order_id", ""))
        await self.after(fault, 200 if found else 404, found or {"status": "not_found"})


class FiscalHandler(FaultyHandler):
    """A fiscal register's service."""

    route = "fiscal"

    async def get(self) -> None:
        query = self.read_query()
        fault = self.choose_fault(self.get_query_argument("simulate", None))
        if await self.before(fault):
            return
        check_id = self.get_query_argument("check_id", "")
        await self.after(fault, 200, {**fiscal_document(check_id), "query": query})

    async def post(self) -> None:
        fields = self.read_object()
        check_id, fault = _identity(fields, "check_id"), self.choose_fault(_text(fields.get("simulate")))
        if await self.before(fault):
            return
        await self.after(fault, 200, self.gateway.register(check_id))


class LedgerHandler(JsonHandler):
    """What really happened, for whoever checks."""

    def get(self) -> None:
        lines = self.there.ledger.lines
        for key in dict.fromkeys(IDENTITIES.values()):
            wanted = self.get_query_argument(key, None)
            if wanted is not None:
                lines = [line for line in lines if line.get(key) == wanted]
        self.answer(200, {"lines": lines})


class FaultsHandler(JsonHandler):
    """The bad days, from outside."""

    kind: ClassVar[type[Fault]] = Fault
    parse: ClassVar[Callable[[str], Fault]] = staticmethod(parse_fault)

    def get(self) -> None:
        self.answer(200, {"faults": self.there.faults})

    def post(self) -> None:
        try:
            fault = self._read()
        except (ValueError, msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise Refused(str(error)) from error
        if len(self.there.faults) >= FAULTS_MAX:
            raise Refused(f"there are {FAULTS_MAX} faults already; DELETE clears them")
        self.there.faults.append(fault)
        self.answer(201, fault)

    def _read(self) -> Fault:
        """`{"fault": "slow", "seconds": 40}`, or as the command line has it: `{"fault": "slow:40"}`."""
        given = msgspec.json.decode(self.request.body)
        if isinstance(given, dict) and isinstance(given.get("fault"), str):
            written = type(self).parse(given["fault"])
            given = {**msgspec.to_builtins(written), **given, "fault": written.fault}
        return msgspec.convert(given, type=self.kind)

    def delete(self) -> None:
        self.there.faults.clear()
        self.answer(200, {"faults": []})


class NowhereHandler(JsonHandler):
    """Every other address."""

    def prepare(self) -> None:
        self.answer(
            404, {"status": "error", "message": "no such address; see /api/v1/payment, /api/v1/fiscal, /sim/ledger"}
        )


def _identity(fields: Mapping[str, msgspec.Raw], name: str) -> str:
    """An order's or a check's id, a text or a number. Raises `Refused`."""
    if name not in fields:
        raise Refused(f"{name} is missing")
    value = msgspec.json.decode(fields[name])
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise Refused(f"{name} is not a text or a whole number")
    return str(value)


def _text(raw: msgspec.Raw | None) -> str | None:
    if raw is None:
        return None
    value = msgspec.json.decode(raw)
    if not isinstance(value, str):
        raise Refused("simulate is not a text such as slow:3")
    return value


def log_request(handler: RequestHandler) -> None:
    request = handler.request
    _log.info(
        "answered",
        extra={
            "method": request.method,
            "path": request.path,
            "status": handler.get_status(),
            "took_s": round(request.request_time(), 4),
        },
    )
