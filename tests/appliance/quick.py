"""A whole appliance in virtual time: what devices, people and schedules take hours for passes at once.

As `tests.appliance.supervisor.yard.virtual`, with its own journal: no time passes while the disk of that is at work.
"""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any
from unittest.mock import patch

from appliance.journal import Journal
from tests.appliance.supervisor.yard import virtual
from tests.chaos.desk_clock import Clock


def quick(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A test in virtual time."""

    @functools.wraps(test)
    async def played(*arguments: Any, **fixtures: Any) -> None:
        clock: Clock = asyncio.get_running_loop()._selector  # type: ignore[attr-defined]
        ask = Journal._ask

        async def ask_held(journal: Journal, job: Any) -> Any:
            with clock.held():
                return await ask(journal, job)

        with patch.object(Journal, "_ask", ask_held):
            await test(*arguments, **fixtures)

    return virtual(played)
