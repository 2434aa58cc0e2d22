"""A pseudo-terminal in the place of a serial port: the test holds the device's end."""

import asyncio
import contextlib
import os
import pty
import select
from pathlib import Path


class Pty:
    """Plugged in when made. `link` names it, as udev's links do, and follows it to another number."""

    def __init__(self, link: Path | None = None) -> None:
        self.link = link
        self.fd = -1
        self.plug()

    def plug(self) -> None:
        """Also again, under whatever number comes."""
        self.fd, slave = pty.openpty()
        os.set_blocking(self.fd, False)
        self.name = os.ttyname(slave)
        # Held like a real device: between two hosts the pair stays what it is.
        self._slave = slave
        if self.link is not None:
            self.link.symlink_to(self.name)

    def unplug(self) -> None:
        if self.fd >= 0:
            if self.link is not None:
                self.link.unlink()
            os.close(self.fd)
            os.close(self._slave)
            self.fd = -1

    @property
    def url(self) -> str:
        return str(self.link or self.name)

    def send(self, data: bytes) -> None:
        assert os.write(self.fd, data) == len(data)
        # A worker of the kernel hands it over, in its own time. Asking whether there is something does it at once.
        asked = select.poll()
        asked.register(self._slave, select.POLLIN)
        asked.poll(0)

    async def heard(self, count: int) -> bytes:
        """The next so many bytes from the host."""
        data = b""
        async with asyncio.timeout(20):
            while len(data) < count:
                with contextlib.suppress(BlockingIOError):
                    data += os.read(self.fd, count - len(data))
                await asyncio.sleep(0)
        return data
