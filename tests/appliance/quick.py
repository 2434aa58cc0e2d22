"""A whole appliance in virtual time: what devices, people and schedules take hours for passes at once.

As `tests.appliance.supervisor.yard.virtual`; here no time passes either while a thread of the program's is at work,
whichever: the journal's disk, a PIN's hash, a name that is looked up.
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
        loop = asyncio.get_running_loop()
        clock: Clock = loop._selector  # type: ignore[attr-defined]
        begin, ask = loop.run_in_executor, Journal._ask

        def run_held(*args: Any) -> Any:
            hold = clock.held()
            hold.__enter__()
            work = begin(*args)
            work.add_done_callback(lambda _: hold.__exit__(None, None, None))
            return work

        async def ask_held(journal: Journal, job: Any) -> Any:
            with clock.held():
                return await ask(journal, job)

        with patch.object(loop, "run_in_executor", run_held), patch.object(Journal, "_ask", ask_held):
            await test(*arguments, **fixtures)

    return virtual(played)
