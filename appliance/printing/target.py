"""Operations of a route to a printer, or to a register that is to print what is no fiscal document.

    {"lines": ["…"]}  {"template": "…", "values": {…}}  {"elements": [{…}]}    and "columns", "cut", "copy"
    {"copy_of": "<request id>"}                                               once more, marked as a copy

Answers {"status": "printed" | "unclear", "reference", "device", …}. docs/printing.md is for those who ask. A register
takes `lines` for those of a receipt: what it is to print for us says `"action": "print"`.
"""

from typing import TYPE_CHECKING

from appliance.journal import StorageError
from appliance.kinds import DeviceRoute
from appliance.printing.jobs import NOT_PRINTED, Order, Result
from appliance.printing.reading import Misread, read_request
from appliance.routes import Route
from appliance.supervisor import NoSuchDevice
from appliance.targets import Answered, Ask, NeverGot, NotUnderstood, Target, answer

ACTIONS = ("print",)

if TYPE_CHECKING:
    from appliance.printing.service import PrintDesk


class PrintTarget(Target):
    """One route's; None: of a route that is no more, to find out what was begun by it."""

    def __init__(self, desk: "PrintDesk", route: Route | None) -> None:
        self._desk = desk
        self._within_s = 0.0 if route is None else route.timeout
        self._device = route.kind.device if route is not None and isinstance(route.kind, DeviceRoute) else ""

    def check(self, ask: Ask) -> None:
        """A body that is a slip, and a device that prints."""
        try:
            read_request(ask.body, self._desk.paper_of(self._device))
        except (Misread, NoSuchDevice) as error:
            raise NotUnderstood(str(error)) from error

    async def run(self, ask: Ask) -> Answered | NeverGot:
        """Print it."""
        try:
            wanted = read_request(ask.body, self._desk.paper_of(self._device))
            if wanted.slip is None:
                order = await self._copy(wanted.copy_of)
            else:
                order = Order(device=self._device, slip=wanted.slip, copy=wanted.copy)
        except (Misread, NoSuchDevice) as error:  # another routing file since it was looked at
            return NeverGot(f"{error}; nothing was printed", "device-fault")
        except StorageError as error:
            return NeverGot(f"{error}; nothing was printed", "kiosk-storage")
        if isinstance(order, NeverGot):
            return order
        return _as_answer(await self._desk.print(ask.request_id, order, self._within_s, ask.tell))

    def can_tell(self, ask: Ask) -> bool:
        """The journal and the device can."""
        return True

    async def find_out(self, ask: Ask) -> Answered | NeverGot | None:
        """What became of it."""
        result = await self._desk.outcome(ask.request_id)
        if result is None:
            return NeverGot("the kiosk was cut off before it was begun; nothing was printed", "device-fault")
        return _as_answer(result)

    def cancel(self, request_id: str, reason: str) -> bool:
        """While it waits."""
        return self._desk.cancel(request_id, reason)

    async def _copy(self, copy_of: str) -> Order | NeverGot:
        found = await self._desk.known(copy_of)
        if found is None:
            return NeverGot(f"no slip of {copy_of} is known here (any more)", "bad-request")
        order, result = found
        if result is None:
            return NeverGot(f"the slip of {copy_of} is still on its way", "conflict")
        return Order(device=self._device, slip=order.slip, copy=True)


def _as_answer(result: Result) -> Answered | NeverGot:
    if result.status == NOT_PRINTED:
        return NeverGot(result.words, result.problem)
    return answer(result.shown())
