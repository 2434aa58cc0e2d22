"""A restart that a person asks for on the kiosk's page: the same file as `kioskwire-appliance restart` writes."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from appliance.updates.files import RESTART, UpdateFiles
from appliance.updates.plan import Status


class Restarting:
    """Asks for it, and says what it waits for."""

    def __init__(self, state_dir: Path, status: Callable[[], Status]) -> None:
        self._files = UpdateFiles(state_dir)
        self._status = status

    async def ask(self) -> None:
        """Have this run end once nothing moves. Raises OSError."""
        await asyncio.to_thread(self._files.write, RESTART, "restart")

    async def forget(self) -> None:
        """Not any more. Raises OSError."""
        await asyncio.to_thread(self._files.remove, RESTART)

    async def is_asked(self) -> bool:
        """Whether somebody wants one."""
        return await asyncio.to_thread(self._files.exists, RESTART)

    def waits(self) -> list[str]:
        """What it waits for, in words."""
        return list(self._status().waits)
