"""Calling what stands on the kiosk: local HTTP gateways. Only `operations` and `app` enter.

A call ends as one of three values, never as an exception: `Answered`, `NeverGot` (surely no effect) or `NoAnswer`
(the gateway may have acted). The difference is whether a byte of the request was given to the connection.
"""

import sys

# Where httpx's command line is installed, importing httpx loads it with five megabytes of terminal colours.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]

from appliance.gateways.http import Gateways  # noqa: E402
from appliance.gateways.results import Answered, NeverGot, NoAnswer, Result  # noqa: E402
from appliance.gateways.target import HttpTarget, HttpTargets  # noqa: E402

__all__ = ["Answered", "Gateways", "HttpTarget", "HttpTargets", "NeverGot", "NoAnswer", "Result"]
