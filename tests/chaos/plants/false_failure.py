"""Bug: a kiosk that takes a lost answer for a request that never arrived."""

from typing import Any

from appliance.gateways.http import Gateways
from appliance.gateways.results import NeverGot, NoAnswer, Result

_call = Gateways.call


async def _call_and_guess(self: Gateways, *arguments: Any, **named: Any) -> Result:
    result = await _call(self, *arguments, **named)
    return NeverGot(result.detail) if isinstance(result, NoAnswer) else result


Gateways.call = _call_and_guess  # type: ignore[method-assign]
