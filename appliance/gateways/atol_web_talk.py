"""Talking to ATOL's web server: the driver's questions and answers (`hardware.atol`), carried over our HTTP client."""

import asyncio
import base64
import secrets
import time
from collections.abc import Sequence
from typing import TypeVar

from appliance.gateways.answer import is_own
from appliance.gateways.http import Gateways
from appliance.gateways.results import Answered, NeverGot
from appliance.kinds import AtolWebRoute
from hardware.atol.asking import Asking, Look
from hardware.atol.frames import Answer, Found, Task
from hardware.atol.orders import Done, Never, Order, Unclear, pick
from hardware.atol.receipts import OPERATIONS
from hardware.atol.steps import Clock, NoAnswer, Pause, Reply, Request, Response, Talk, Timing

DOCUMENTS_MAX = 20  # looked through in the storage for one of ours
_NAME = "kioskwire"  # part of every uuid

T = TypeVar("T")


class Server:
    """One web server, as its route says it."""

    def __init__(self, gateways: Gateways, kind: AtolWebRoute, timing: Timing) -> None:
        self._gateways = gateways
        self._url = kind.url
        self._headers: dict[str, str] = {}
        if kind.user:
            secret = base64.b64encode(f"{kind.user}:{kind.password}".encode()).decode()
            self._headers = {"Authorization": f"Basic {secret}"}
        self._clock = Clock(time.monotonic())
        self._asking = Asking(
            name=_NAME, api=kind.api, device=kind.device, nonce=secrets.token_hex(8), clock=self._clock, timing=timing
        )

    def uuid(self, request_id: str) -> str:
        """Of an operation's tasks, for ever."""
        return self._asking.task_uuid(request_id, 0)

    async def post(self, uuid: str, tasks: Sequence[Task]) -> Answer | NoAnswer:
        """Put tasks into the queue."""
        return await self._carry(self._asking.post(uuid, tasks))

    async def get(self, uuid: str) -> Answer | NoAnswer:
        """How they stand."""
        return await self._carry(self._asking.get(uuid))

    async def look(self) -> Look:
        """Shift, last document, paper. Raises `DeviceError`."""
        return await self._carry(self._asking.look())

    async def nudge(self) -> None:
        """Have the register go on printing."""
        await self._carry(self._asking.post(self._asking.fresh(), [{"type": "continuePrint"}]))

    async def compare(self, order: Order) -> Done | Unclear | Never:
        """What the fiscal storage says of an order. Raises `DeviceError`."""
        look = await self.look()
        if look.number is None or order.before is None:
            return Unclear("this register does not tell its last document's number: compare its journal by hand")
        if order.storage and look.storage and order.storage != look.storage:
            return Unclear(f"the fiscal storage was replaced: look for the document in the old one, {order.storage}")
        if not 0 <= look.number - order.before <= DOCUMENTS_MAX:
            return Unclear(
                f"the last document was {order.before} and is {look.number} now: compare the journal by hand"
            )
        if look.number == order.before:
            return Never()
        found: list[Found] = []
        for number in range(order.before + 1, look.number + 1):
            document = await self._carry(self._asking.find(number))
            if document is None:
                return Unclear(f"document {number} of the fiscal storage cannot be read: compare it by hand")
            found.append(document)
        verdict = pick(order, found)
        if isinstance(verdict, Never) and order.type in OPERATIONS and order.total is None:
            return Unclear(f"documents were registered meanwhile, and this one's total is not known: {order.what}")
        return verdict

    async def _carry(self, talk: Talk[T]) -> T:
        reply: Reply = None
        while True:
            self._clock.now = time.monotonic()
            try:
                step = talk.send(reply)
            except StopIteration as end:
                found: T = end.value
                return found
            reply = None
            if isinstance(step, Request):
                reply = await self._request(step)
            elif isinstance(step, Pause):
                await asyncio.sleep(step.seconds)

    async def _request(self, step: Request) -> Response | NoAnswer:
        result = await self._gateways.fetch(
            f"{self._url}{step.path}", method=step.method, body=step.data or None, timeout=step.timeout_s,
            headers=self._headers,
        )  # fmt: skip
        if isinstance(result, Answered):
            body = bytes(result.body)
            return Response(result.status, body if body == b"{}" or is_own(body) else b"not JSON")
        return NoAnswer(not isinstance(result, NeverGot), result.detail)
