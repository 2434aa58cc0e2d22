"""Bug: a kiosk that takes every request for a new one, and executes repetitions."""

from typing import Any

from appliance.journal.journal import Journal

_begin = Journal.begin


async def _begin_anew(self: Journal, *arguments: Any, **named: Any) -> None:
    await _begin(self, *arguments, **named)


Journal.begin = _begin_anew  # type: ignore[method-assign]
