"""The kiosk's rooms in one place: who carries an operation out, by its route, or by what stands in the book of it."""

import asyncio
import logging
from collections.abc import Callable, Collection

import msgspec

from appliance.cash.result import WORK_KIND as CASH
from appliance.cash.service import CashDesk
from appliance.desk import payments
from appliance.desk.actions import ACTIONS, DeviceActions
from appliance.desk.device import DeviceTarget
from appliance.desk.payments import Payment
from appliance.desk.saga import WORK_KIND, PaymentTarget, Saga, read_saga, resume, work_id
from appliance.desk.slips import OwedSlips
from appliance.fiscal.reading import ACTIONS as FISCAL_ACTIONS
from appliance.fiscal.records import WORK as FISCAL
from appliance.fiscal.service import FiscalDesk
from appliance.gateways import Gateways, HttpTarget
from appliance.gateways.atol_web import KIND as ATOL_WEB
from appliance.gateways.atol_web import AtolWeb
from appliance.gateways.kaspi_pos import KIND as KASPI
from appliance.gateways.kaspi_pos import KaspiPos
from appliance.journal import Journal, StorageError, Work
from appliance.kinds import AtolWebRoute, CashRoute, DeviceRoute, KaspiPosRoute
from appliance.printing.jobs import KIND as PRINT
from appliance.printing.service import PrintDesk
from appliance.routes import Route
from appliance.supervisor import NoSuchDevice, Supervisor
from appliance.targets import Answered, Ask, NeverGot, NotUnderstood, Result, Target, Targets
from wire.messages import Executed

_READ_AGAIN_S = 1.0
_GONE_CASH = Route(name="gone", url="", kind=CashRoute(devices=()))  # whose sessions end by what stands in the book

_log = logging.getLogger(__name__)


class Desk(Targets):
    """All rooms of the kiosk. `recover` before devices are opened, `start` behind that, `close` before they close."""

    def __init__(
        self, *, journal: Journal, supervisor: Supervisor, gateways: Gateways, clock: Callable[[], float]
    ) -> None:  # fmt: skip
        self._journal = journal
        self._supervisor = supervisor
        self._gateways = gateways
        self._clock = clock
        self.cash = CashDesk(journal=journal, supervisor=supervisor, clock=clock)
        self.fiscal = FiscalDesk(journal=journal, supervisor=supervisor, clock=clock)
        self.printing = PrintDesk(journal=journal, supervisor=supervisor, clock=clock)
        self.actions = DeviceActions(journal=journal, supervisor=supervisor, clock=clock)
        self.kaspi = KaspiPos(journal=journal, gateways=gateways, clock=clock)
        self.atol_web = AtolWeb(journal=journal, gateways=gateways, clock=clock)
        self._rooms = (self.cash, self.fiscal, self.printing, self.kaspi, self.atol_web)
        self._resuming: asyncio.Task[None] | None = None

    async def recover(self) -> None:
        """Find what the run before left open, and say whose money is on its way; before any device is opened."""
        for room in self._rooms:
            try:
                await room.recover()
            except StorageError as error:
                _log.error("what the run before left open cannot be read", extra={"reason": str(error)})

    def start(self) -> None:
        """Go on with it, now that devices are there."""
        self.fiscal.start()
        self._resuming = asyncio.create_task(self._resume(), name="desk-resume")

    async def close(self) -> None:
        """End what runs beside operations."""
        if self._resuming is not None:
            self._resuming.cancel()
            await asyncio.gather(self._resuming, return_exceptions=True)
        for room in self._rooms:
            await room.close()

    def of(self, route: Route) -> Target:
        """By the route's kind."""
        return self._joined(self._plain(route), route, None)

    async def of_cut_off(self, request_id: str, route: Route | None) -> Target | None:
        """By what was begun, whatever the route is now; where nothing was, by the route."""
        work, saga = await self._begun(request_id)
        inner = self._of_work(work, route)
        if inner is None:
            if route is None:
                return None if saga is None else self._joined(Gone(), route, saga)
            inner = self._plain(route)
        return self._joined(inner, route, saga)

    def forget(self) -> None:
        """Connections are made anew."""
        self._gateways.forget()

    def _plain(self, route: Route) -> Target:
        match route.kind:
            case None:
                return HttpTarget(self._gateways, route)
            case CashRoute():
                return self.cash.target(route)
            case KaspiPosRoute():
                return self.kaspi.target(route)
            case AtolWebRoute():
                return self.atol_web.target(route)
            case DeviceRoute(device=device):
                return self._device(device, route)

    def _device(self, device: str, route: Route) -> Target:
        try:
            role = self._supervisor.find(device).role
        except NoSuchDevice as error:
            return Missing(str(error))
        rooms: list[tuple[Target, Collection[str]]] = []
        if role == "fiscal register":
            rooms = [(self.fiscal.target(route), FISCAL_ACTIONS), (self.printing.target(route), ("print",))]
        elif role == "receipt printer":
            rooms = [(self.printing.target(route), ("print",))]
        return DeviceTarget([*rooms, (self.actions.target(route), ACTIONS)])

    def _of_work(self, work: Work | None, route: Route | None) -> Target | None:
        if work is None:
            return None
        if work.kind == CASH:
            is_cash = route is not None and isinstance(route.kind, CashRoute)
            return self.cash.target(route if route is not None and is_cash else _GONE_CASH)
        if work.kind == FISCAL:
            return self.fiscal.target(route)
        if work.kind == PRINT:
            return self.printing.target(route)
        if work.kind == KASPI:
            return self.kaspi.target_of(work)
        if work.kind == ATOL_WEB:  # its work has no password: the route's is needed while there is one
            is_same = route is not None and isinstance(route.kind, AtolWebRoute)
            return self.atol_web.target(route) if route is not None and is_same else self.atol_web.target_of(work)
        return None

    def _joined(self, inner: Target, route: Route | None, saga: Saga | None) -> Target:
        """With its receipt, and with the slip about money that is owed."""
        payment = None if route is None else _payment(route)
        if payment is None and saga is None:
            return inner
        register = "" if route is None else route.register
        printer = route.kind.printer if route is not None and isinstance(route.kind, CashRoute) else ""
        afterwards = OwedSlips(self.printing, printer, self._clock) if printer else None
        return PaymentTarget(
            inner, payment=payment or payments.gateway(None), register=register, receipts=self.fiscal,
            journal=self._journal, clock=self._clock, afterwards=afterwards, begun=saga,
        )  # fmt: skip

    async def _begun(self, request_id: str) -> tuple[Work | None, Saga | None]:
        """What stands in the book of a request. Waits for a disk that does not say: a guess could be taken twice."""
        while True:
            try:
                work, begun = await self._journal.read(
                    lambda book: (book.find_work(request_id), book.find_work(work_id(request_id)))
                )
            except StorageError:
                await asyncio.sleep(_READ_AGAIN_S)
                continue
            return work, _saga(begun)

    async def _resume(self) -> None:
        """Receipts of payments whose operation has an outcome already, or is nowhere to be found."""
        try:
            for work in await self._journal.read(lambda book: book.open_works(WORK_KIND)):
                request_id = work.id.rpartition("/")[0]
                row = await self._journal.find(request_id)
                saga = _saga(work)
                if saga is not None and (row is None or row.response is not None):
                    refused = row is not None and row.response is not None and row.response.executed is Executed.NO
                    await resume(self.fiscal, self._journal, request_id, saga, not_executed=refused)
        except StorageError as error:
            _log.error("payments of the run before cannot be read", extra={"reason": str(error)})


class Gone(Target):
    """Who made a payment and is not there any more."""

    def check(self, ask: Ask) -> None:
        """Nothing new is begun here."""
        raise NotUnderstood("there is no such route")

    async def run(self, ask: Ask) -> Result:
        """Nothing is."""
        return NeverGot("there is no such route")


class Missing(Target):
    """What cannot be done here, for the reason given."""

    def __init__(self, words: str) -> None:
        self._words = words

    def check(self, ask: Ask) -> None:
        """Raises `NotUnderstood`."""
        raise NotUnderstood(self._words)

    async def run(self, ask: Ask) -> Result:
        """Nothing is done."""
        return NeverGot(self._words, "bad-request")

    def can_tell(self, ask: Ask) -> bool:
        """Never was anything begun here."""
        return True

    async def find_out(self, ask: Ask) -> Answered | NeverGot | None:
        """Nothing happened."""
        return NeverGot(self._words, "bad-request")


def _payment(route: Route) -> Payment | None:
    """What kind of payment a route's operations are; None: none that could have a receipt."""
    match route.kind:
        case CashRoute():
            return payments.cash()
        case KaspiPosRoute():
            return payments.terminal()
        case None if route.receipt:
            return payments.gateway(route.paid)
    return None


def _saga(work: Work | None) -> Saga | None:
    try:
        return None if work is None else read_saga(work)
    except msgspec.ValidationError:
        _log.error("a payment of the run before cannot be read", extra={"work": work.id if work else ""})
        return None
