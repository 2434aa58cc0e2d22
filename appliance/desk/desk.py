"""The kiosk's rooms in one place: who carries an operation out, by its route, or by what stands in the book of it."""

import asyncio
import logging
from collections.abc import Callable

import msgspec

from appliance.desk import payments
from appliance.desk.device import DeviceTarget
from appliance.desk.payments import Payment
from appliance.desk.saga import WORK_KIND, Afterwards, PaymentTarget, Saga, read_saga, resume, work_id
from appliance.fiscal.reading import ACTIONS as FISCAL_ACTIONS
from appliance.fiscal.records import WORK as FISCAL
from appliance.fiscal.service import FiscalDesk
from appliance.gateways import Gateways, HttpTarget
from appliance.gateways.kaspi_pos import KIND as KASPI
from appliance.gateways.kaspi_pos import KaspiPos
from appliance.journal import Journal, StorageError, Work
from appliance.kinds import CashRoute, DeviceRoute, KaspiPosRoute
from appliance.routes import Route
from appliance.supervisor import NoSuchDevice, Supervisor
from appliance.targets import Answered, Ask, NeverGot, NotUnderstood, Result, Target, Targets

_READ_AGAIN_S = 1.0

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
        self.fiscal = FiscalDesk(journal=journal, supervisor=supervisor, clock=clock)
        self.kaspi = KaspiPos(journal=journal, gateways=gateways, clock=clock)
        self._resuming: asyncio.Task[None] | None = None

    async def recover(self) -> None:
        """Find what the run before left open, and say whose money is on its way; before any device is opened."""
        for recover in (self.fiscal.recover, self.kaspi.recover):
            try:
                await recover()
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
        for close in (self.fiscal.close, self.kaspi.close):
            await close()

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
            case KaspiPosRoute():
                return self.kaspi.target(route)
            case DeviceRoute(device=device):
                return self._device(device, route)
        return Missing(f"{route.path}: this version cannot carry out operations of {route.kind.describe()}")

    def _device(self, device: str, route: Route) -> Target:
        common = Missing(f"{route.path}: no such action")
        try:
            role = self._supervisor.find(device).entry.role
        except NoSuchDevice as error:
            return Missing(str(error))
        if role == "fiscal register":
            return DeviceTarget(common, (), self.fiscal.target(route), FISCAL_ACTIONS)
        return DeviceTarget(common, ())

    def _of_work(self, work: Work | None, route: Route | None) -> Target | None:
        if work is None:
            return None
        match work.kind:
            case kind if kind == FISCAL:
                return self.fiscal.target(route)
            case kind if kind == KASPI:
                return self.kaspi.target_of(work)
        return None

    def _joined(self, inner: Target, route: Route | None, saga: Saga | None) -> Target:
        """With its receipt, and with what else follows a payment."""
        payment, afterwards = self._payment(route)
        register = "" if route is None else route.register
        if payment is None and saga is None:
            return inner
        return PaymentTarget(
            inner, payment=payment or payments.gateway(None), register=register, receipts=self.fiscal,
            journal=self._journal, clock=self._clock, afterwards=afterwards, begun=saga,
        )  # fmt: skip

    def _payment(self, route: Route | None) -> tuple[Payment | None, Afterwards | None]:
        match None if route is None else route.kind:
            case CashRoute():
                return payments.cash(), None
            case KaspiPosRoute():
                return payments.terminal(), None
            case None if route is not None and route.receipt:
                return payments.gateway(route.paid), None
        return None, None

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
                    await resume(self.fiscal, self._journal, request_id, saga)
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


def _saga(work: Work | None) -> Saga | None:
    try:
        return None if work is None else read_saga(work)
    except msgspec.ValidationError:
        _log.error("a payment of the run before cannot be read", extra={"work": work.id if work else ""})
        return None
