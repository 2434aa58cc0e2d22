"""A Kaspi Smart POS as it stands beside a kiosk: asynchronous, GET only, one customer at a time, with a ledger.

Everything that clients of it agree on, and in two places the worst that fits: `deviceinfo` says 107 while a customer
is served, and a start whose answer is lost has begun all the same. A charge stands in the ledger at the moment the
customer's bank agrees, whether anybody asks for it or not.

| address | answer | effect |
| --- | --- | --- |
| `GET /v2/payment?amount=&owncheque=` | `{"processId", "status": "wait"}` | `charge` some seconds later, or `refused` |
| `GET /v2/refund?amount=&method=&transactionId=` | the same | `refund`, or `refused` |
| `GET /v2/status?processId=`, `/v2/actualize?processId=` | how it stands | |
| `GET /v2/deviceinfo` | `posNum`, `serialNum`, `terminalId` | |
| `GET /v2/register?name=`, `/v2/revoke?name=&refreshToken=` | tokens, where it is protected | |
| `GET /sim/ledger` | `{"lines": […]}`, `?process_id=` chooses | |
| `GET`, `POST`, `DELETE /sim/faults` | the faults in force; adds one; clears them | |
"""

import asyncio
import secrets
import time
from collections.abc import Callable
from typing import Any, ClassVar

import msgspec
from tornado.web import Application

from appliance.gateways.faults import Fault
from appliance.gateways.kaspi_faults import KaspiFault, parse_kaspi_fault
from appliance.gateways.ledger import Ledger
from appliance.gateways.simulator import (
    FaultsHandler,
    FaultyHandler,
    JsonHandler,
    LedgerHandler,
    Simulated,
    log_request,
)

_READY_S, _PRESENT_S, _CONFIRM_S, _REFUND_S = 0.5, 1.5, 2.0, 2.0
_TOKEN_S = 24 * 3600.0
_KEPT = 1000  # processes
_METHODS = ("qr", "card", "alaqan")
_ERRORS = {
    101: "Process not found",
    103: "Actualization is impossible",
    105: "Token refresh error",
    107: "Could not register transaction. Last operation was not completed.",
    401: "Authorization failed",
    404: "Invalid Url",
}


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What kind of terminal it is."""

    protected: bool = False
    unit: str = "tenge"  # what `amount` is counted in: tenge or tiyn
    method: str = "qr"  # how customers pay
    speed: float = 1.0  # how many times faster than a real one its customers are


class KaspiError(Exception):
    """It says no: the number, and its text."""

    def __init__(self, code: int, text: str = "") -> None:
        self.code = code
        self.text = text or _ERRORS.get(code, "Error")
        super().__init__(self.text)


class _Process:
    """One customer."""

    def __init__(self, id: str, action: str, minor: int, method: str, of: str = "") -> None:
        self.id, self.action, self.minor, self.method, self.of = id, action, minor, method, of
        self.status, self.sub_status, self.message = "wait", "Initialize", ""
        self.transaction_id = ""
        self.left_to_ask = 0  # actualizations until the bank says
        self.at = ""

    @property
    def is_over(self) -> bool:
        return self.status != "wait"


class Terminal(Simulated[KaspiFault]):
    """The terminal: who is at it, and what became of those before. Belongs to one event loop."""

    def __init__(self, ledger: Ledger, faults: list[KaspiFault] | None = None, options: Options | None = None) -> None:
        super().__init__(ledger, faults)
        self.options = options or Options()
        self._processes: dict[str, _Process] = {}
        self._count = int(time.time()) * 1000
        self._now: _Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._tokens: dict[str, float] = {}  # access tokens, until when
        self._refresh: dict[str, str] = {}  # refresh tokens, and for whom

    # Customers

    def start(self, action: str, minor: int, method: str, of: str, fault: Fault | None) -> _Process:
        """A customer is asked. Raises `KaspiError`."""
        if self.busy:
            raise KaspiError(107)
        self._count += 1
        process = self._now = self._processes[str(self._count)] = _Process(str(self._count), action, minor, method, of)
        while len(self._processes) > _KEPT:
            del self._processes[next(iter(self._processes))]
        self._task = asyncio.create_task(self._serve(process, fault), name=f"kaspi-{process.id}")
        return process

    @property
    def busy(self) -> bool:
        """Whether a customer is at it."""
        return self._now is not None and not self._now.is_over

    def find(self, id: str) -> _Process:
        """A process. Raises `KaspiError`."""
        try:
            return self._processes[id]
        except KeyError:
            raise KaspiError(101) from None

    def actualize(self, process: _Process) -> None:
        """Ask the bank. Raises `KaspiError`."""
        if process.status != "unknown":
            raise KaspiError(103)
        process.left_to_ask -= 1
        if process.left_to_ask <= 0:
            self._tell_end(process, bool(process.transaction_id))

    def forget(self) -> None:
        """It was switched off and on."""
        self._processes.clear()

    async def close(self) -> None:
        """The customer goes away unserved."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _serve(self, process: _Process, fault: Fault | None) -> None:
        name = fault.fault if fault else ""
        await self._wait(_READY_S)
        if process.action == "refund":
            process.sub_status = "ProcessRefund"
            await self._wait(_REFUND_S)
        else:
            process.sub_status = "WaitUser"
            await self._wait(_PRESENT_S)
            if name == "slow" and fault is not None:
                await asyncio.sleep(fault.seconds)
            if name == "cancelled":
                self._refuse(process, "ProcessCancelled", "Отмена покупки; Покупатель отменил покупку")
                return
            process.sub_status = "ProcessingCard" if process.method == "card" else "WaitForQrConfirmation"
            await self._wait(_CONFIRM_S)
        refusable = name in {"decline", "cancelled", "unknown-declined"}
        if process.action == "refund" and process.minor > self._left_of(process.of):
            refusable = True
            process.message = "Сумма возврата больше суммы покупки"
        if not refusable:
            effect = "charge" if process.action == "payment" else "refund"
            process.transaction_id = str(600_000_000_000 + len(self.ledger.lines) + 1)
            figures = {"of": process.of} if process.of else {}
            self.ledger.append(
                effect, process.id, minor=process.minor, currency="KZT", method=process.method,
                transaction_id=process.transaction_id, **figures,
            )  # fmt: skip
        if isinstance(fault, KaspiFault) and name in {"unknown", "unknown-declined"}:
            process.left_to_ask = fault.times
            process.status, process.message = "unknown", "Нет связи"
            if not refusable:
                return
            self.ledger.append("refused", process.id, minor=process.minor, currency="KZT")
        elif refusable:
            self._refuse(process, self._failure(process), process.message or "Отказано банком")
        else:
            self._tell_end(process, True)

    def _left_of(self, transaction: str) -> int:
        """What may still be given back of a charge, in minor units."""
        lines = self.ledger.lines
        paid = sum(
            line["minor"] for line in lines if line["effect"] == "charge" and line["transaction_id"] == transaction
        )
        back = sum(line["minor"] for line in lines if line["effect"] == "refund" and line["of"] == transaction)
        return int(paid) - int(back)

    def _refuse(self, process: _Process, sub_status: str, words: str) -> None:
        self.ledger.append("refused", process.id, minor=process.minor, currency="KZT")
        process.status, process.sub_status, process.message = "fail", sub_status, words

    def _tell_end(self, process: _Process, paid: bool) -> None:
        process.at = time.strftime("%d.%m.%y %H:%M:%S")
        process.status = "success" if paid else "fail"
        process.sub_status = self._failure(process).replace("Failure", "Success" if paid else "Failure")
        process.message = "" if paid else "Отказано банком"

    @staticmethod
    def _failure(process: _Process) -> str:
        return "CardTransactionFailure" if process.method == "card" else "QrTransactionFailure"

    async def _wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self.options.speed)

    # Who may ask

    def grant(self, name: str) -> dict[str, str]:
        """Tokens; the ones of before are worth nothing any more."""
        for refresh in [token for token, whose in self._refresh.items() if whose == name]:
            del self._refresh[refresh]
        access, refresh = secrets.token_hex(16), secrets.token_hex(16)
        self._tokens = {access: time.monotonic() + _TOKEN_S}
        self._refresh[refresh] = name
        until = time.localtime(time.time() + _TOKEN_S)
        date = time.strftime("%b ", until) + f"{until.tm_mday}" + time.strftime(", %Y %I:%M:%S %p", until)
        return {"accessToken": access, "refreshToken": refresh, "expirationDate": date}

    def renew(self, name: str, refresh: str) -> dict[str, str]:
        """Others. Raises `KaspiError`."""
        if self._refresh.get(refresh) != name:
            raise KaspiError(105)
        return self.grant(name)

    def expire(self) -> None:
        """The access token's day is over."""
        self._tokens.clear()

    def may(self, access: str) -> bool:
        """Whether somebody with this token may ask."""
        return not self.options.protected or self._tokens.get(access, 0.0) > time.monotonic()


def make_app(terminal: Terminal) -> Application:
    """The addresses of a terminal."""
    return Application(
        [
            (r"/v2/(payment|refund)", StartHandler),
            (r"/v2/(status|actualize)", ProcessHandler),
            (r"/v2/(deviceinfo)", DeviceHandler),
            (r"/v2/(register|revoke)", TokenHandler),
            (r"/sim/ledger", LedgerHandler),
            (r"/sim/faults", KaspiFaultsHandler),
        ],
        default_handler_class=NowhereHandler,
        gateway=terminal,
        log_function=log_request,
    )


class KaspiHandler(FaultyHandler):
    """GET, with the terminal's envelope around what it says."""

    open_to_all = False

    @property
    def terminal(self) -> Terminal:
        """The terminal."""
        found: Terminal = self.settings["gateway"]
        return found

    async def get(self, what: str) -> None:
        self.route = what
        fault = self.choose_fault(None)
        try:
            if fault is not None and fault.fault == "expired":
                self.terminal.expire()
            if not self.open_to_all and not self.terminal.may(self.request.headers.get("accesstoken", "")):
                raise KaspiError(401)
            if fault is not None and fault.fault == "busy":
                raise KaspiError(107)
            if isinstance(fault, KaspiFault) and fault.fault == "error":
                raise KaspiError(fault.code, "Simulated error")
            if await self.before(fault if fault and fault.fault in {"reset", "hang"} else None):
                return
            data = self.act(what, fault)
        except KaspiError as error:
            self._say_no(error)
            return
        if fault is not None and fault.fault == "no-id":
            data.pop("processId", None)
        late = fault if fault and fault.fault in {"lost", "hang-after", "not-json"} else None
        await self.after(late, 200, {"data": data, "statusCode": 0})

    def act(self, what: str, fault: Fault | None) -> dict[str, Any]:
        """What it does and says. Raises `KaspiError`."""
        raise NotImplementedError

    def given(self, name: str) -> str:
        """A parameter. Raises `KaspiError`."""
        value = self.get_query_argument(name, "")
        if not value:
            raise KaspiError(999, f"Missing param: {name}")
        return value

    def _say_no(self, error: KaspiError) -> None:
        # Where HTTP has such a number it stands there too; 107 and 999 are none that an answer can have.
        status = error.code if error.code in {400, 401, 403, 404, 500} else 200
        self.answer(status, {"errorText": error.text, "statusCode": error.code})


class StartHandler(KaspiHandler):
    """Asks a customer to pay, or gives back."""

    def act(self, what: str, fault: Fault | None) -> dict[str, Any]:
        terminal = self.terminal
        amount = self.given("amount")
        if not (amount.isascii() and amount.isdigit() and 0 < int(amount) < 10**12):
            raise KaspiError(999, "Invalid param: amount")
        method, of = terminal.options.method, ""
        if what == "refund":
            method, of = self.given("method"), self.given("transactionId")
            if method not in _METHODS:
                raise KaspiError(999, "Invalid param: method")
        minor = int(amount) * (100 if terminal.options.unit == "tenge" else 1)
        process = terminal.start(what, minor, method, of, fault)
        return {"processId": process.id, "status": "wait"}


class ProcessHandler(KaspiHandler):
    """How a customer does."""

    def act(self, what: str, fault: Fault | None) -> dict[str, Any]:
        if fault is not None and fault.fault == "forget":
            self.terminal.forget()
        process = self.terminal.find(self.given("processId"))
        if what == "actualize":
            self.terminal.actualize(process)
        return _told(process)


class DeviceHandler(KaspiHandler):
    """The terminal's numbers."""

    def act(self, what: str, fault: Fault | None) -> dict[str, Any]:
        if self.terminal.busy:
            raise KaspiError(107)
        return {"posNum": "0", "serialNum": "00000000001", "terminalId": "30000001"}


class TokenHandler(KaspiHandler):
    """Lets programs in; whoever stands at this terminal accepts at once."""

    open_to_all = True

    def act(self, what: str, fault: Fault | None) -> dict[str, Any]:
        name = self.given("name")
        data: dict[str, Any] = (
            self.terminal.grant(name) if what == "register" else self.terminal.renew(name, self.given("refreshToken"))
        )
        return data


class KaspiFaultsHandler(FaultsHandler):
    """The bad days, from outside."""

    kind: ClassVar[type[Fault]] = KaspiFault
    parse: ClassVar[Callable[[str], Fault]] = staticmethod(parse_kaspi_fault)


class NowhereHandler(JsonHandler):
    """Every other address."""

    def prepare(self) -> None:
        self.answer(404, {"errorText": _ERRORS[404], "statusCode": 404})


def _told(process: _Process) -> dict[str, Any]:
    told: dict[str, Any] = {
        "processId": process.id, "status": process.status, "subStatus": process.sub_status,
    }  # fmt: skip
    if process.message:
        told["message"] = process.message
    if process.status != "success":
        return told
    whole, part = divmod(process.minor, 100)
    amount = f"{whole}" + (f".{part:02}" if part else "") + " ₸"
    refund = process.action == "refund"
    cheque: dict[str, Any] = {
        "storeName": "Кофейня", "city": "г. Алматы", "address": "Абая 10", "bin": "000000000011",
        "terminalId": "30000001", "date": process.at, "method": process.method, "type": process.action,
        "amount": f"- {amount}" if refund else amount,
    }  # fmt: skip
    if process.method == "card":
        cheque |= {
            "cardMask": "440043******0001", "rrn": process.transaction_id, "authorizationCode": "700001",
            "hostResponseCode": "000", "icc": "Visa Debit", "status": "Одобрено",
        }  # fmt: skip
    else:
        cheque |= {"orderNumber": process.transaction_id, "status": "Покупка с Kaspi Gold. Одобрено"}
    product = "" if process.method == "card" else "Gold"
    return told | {
        "transactionId": process.transaction_id,
        "addInfo": {"IsOffer": False, "LoanTerm": 0, "ProductType": product},
        "chequeInfo": cheque,
    }
