"""Asking a gateway what became of an operation whose answer was lost."""

import asyncio
import logging
import time
from collections.abc import Callable

import msgspec

from appliance.gateways.answer import is_own
from appliance.gateways.http import Gateways
from appliance.gateways.query import find_field
from appliance.gateways.results import Answered, NeverGot
from appliance.routes import Route, StatusQuery

_PAUSE_FIRST_S = 1.0
_PAUSE_MOST_S = 30.0

_log = logging.getLogger(__name__)


class Verdict(msgspec.Struct, frozen=True):
    """What one answer to a status query means: the outcome, or why there is none yet."""

    outcome: Answered | NeverGot | None = None
    not_yet: str = ""


def read_answer(query: StatusQuery, answer: Answered, lost_ago: float, *, absent_before: bool) -> Verdict:
    """Judge the answer to a status query that was sent `lost_ago` seconds after the operation's own was lost. Pure.

    Absence is believed when the answer before said it too: a gateway that starts up answers 404 to everything for a
    moment, and the payment that it made before would be called not executed.
    """
    if answer.status in query.absent:
        if lost_ago >= query.absent_after and absent_before:
            return Verdict(NeverGot(f"the gateway says it never got it (HTTP {answer.status})"))
        return Verdict(not_yet=f"HTTP {answer.status}, which is not believed yet")
    if not 200 <= answer.status < 300:
        return Verdict(not_yet=f"HTTP {answer.status}")
    if query.pending_field:
        value = find_field(bytes(answer.body), query.pending_field)
        if value in query.pending_values:
            return Verdict(not_yet=f"{query.pending_field} is {value}")
        if value is None and not is_own(bytes(answer.body)):  # a page of some server before it, or half an answer
            return Verdict(not_yet=f"HTTP {answer.status} without an object that could have {query.pending_field}")
    return Verdict(answer)


async def inquire(
    gateways: Gateways, find_route: Callable[[], Route | None], body: bytes, *, request_id: str
) -> Answered | NeverGot | None:
    """Ask, now that the answer is lost, until it is known; None when nobody can be asked or knows within `status.for`.

    The route is looked up anew each time, so that a corrected routing file helps.
    """
    began = time.monotonic()
    pause = _PAUSE_FIRST_S
    told = ""
    absent_before = False
    while True:
        route = find_route()
        if route is None or route.status is None:
            return None
        query = route.status
        pairs = [(name, value) for name, path in query.params.items() if (value := find_field(body, path)) is not None]
        if len(pairs) < len(query.params):
            _log.warning("the request lacks a field that the status query needs", extra={"request_id": request_id})
            return None
        # The question's time counts: its answer may have lain here for long, and says nothing of what came after it.
        lost_ago = time.monotonic() - began
        try:
            result = await gateways.ask(query.url, pairs, route.tls, query.timeout)
        except ValueError as error:
            _log.warning("the status query cannot be made", extra={"request_id": request_id, "reason": str(error)})
            return None
        if isinstance(result, Answered):
            verdict = read_answer(query, result, lost_ago, absent_before=absent_before)
            if verdict.outcome is not None:
                return verdict.outcome
            reason = verdict.not_yet
        else:
            reason = result.detail
        absent_before = isinstance(result, Answered) and result.status in query.absent
        if reason != told:
            told = reason
            _log.info("the gateway cannot tell yet what became of an operation", extra={
                "request_id": request_id, "reason": reason,
            })  # fmt: skip
        left = began + query.for_s - time.monotonic()
        if left <= 0:
            return None
        await asyncio.sleep(min(pause, left))
        pause = min(pause * 2, _PAUSE_MOST_S)
