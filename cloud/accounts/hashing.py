"""Argon2 beside the event loop: two at a time, so that people who sign in leave a core to kiosks and money."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from cloud.accounts import passwords

_AT_ONCE = 2
_WAITING_MAX = 16  # further ones are sent away: at 50 ms each nobody waits for longer than half a second


class TooBusy(Exception):
    """More people sign in at once than this hub looks at."""


class Hashing:
    """Owns the threads; `stop` waits for what runs in them."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="argon2")
        self._waiting = 0
        # What the password of nobody is compared with: a name that there is not takes as long as one that there is.
        self._nobody: str | None = None

    def stop(self) -> None:
        """End the threads."""
        self._threads.shutdown(cancel_futures=True)

    async def hash(self, password: str) -> str:
        """Raises `TooBusy`."""
        return await self._run(password, None)

    async def check(self, hashed: str | None, password: str) -> bool:
        """Whether this is the password; never, and in the same time, where there is none. Raises `TooBusy`."""
        if self._nobody is None:
            self._nobody = await self._run("nobody has this password", None)
        right = await self._run(password, hashed or self._nobody)
        return bool(right) and hashed is not None

    async def _run(self, password: str, hashed: str | None) -> str:
        """The hash where there is none to compare with; else something where it is right, and nothing where not."""
        if self._waiting >= _AT_ONCE + _WAITING_MAX:
            raise TooBusy
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, _work, password, hashed)
        finally:
            self._waiting -= 1


def _work(password: str, hashed: str | None) -> str:
    if hashed is None:
        return passwords.hash_password(password)
    return "right" if passwords.is_password(hashed, password) else ""
