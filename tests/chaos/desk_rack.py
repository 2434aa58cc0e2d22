"""Simulated devices that outlive the appliance: each at the end of a line in memory, with a ledger outside of it.

    rack://7/bills?life=2     the line of that device of rack 7, as the appliance opens it in its second life

The life stands in the URL only so that nothing that one life left in memory (a bus) is found by the next.
"""

import asyncio
from collections.abc import Mapping
from urllib.parse import urlsplit

from hardware import ports
from hardware.errors import TransportError
from hardware.ports import LineSettings, Port
from hardware.simulation.families import build, find_simulator
from hardware.simulation.host import DeviceHost
from hardware.simulation.store import Line, Store
from hardware.simulation.wires import Wire

SCHEME = "rack"
_racks: dict[str, "Rack"] = {}


class Rack:
    """The devices of one kiosk. Open it within the loop.

    Args:
        number: names it in URLs.
        devices: by name, the family and its options.
        seed: of the faults of the lines.
    """

    def __init__(self, number: str, devices: Mapping[str, tuple[str, Mapping[str, str]]], seed: int) -> None:
        self.number = number
        self.lines: dict[str, _Line] = {}
        self.hosts: dict[str, DeviceHost] = {}
        for index, (name, (family, options)) in enumerate(devices.items()):
            store = Store(None, family)
            simulator = build(find_simulator(family), store.memory, store.note, options)
            line = self.lines[name] = _Line(f"{SCHEME}://{number}/{name}")
            self.hosts[name] = DeviceHost(simulator, store, line, paced=False, seed=seed * 100 + index)

    async def open(self) -> None:
        """Power for all."""
        ports._ROOMS[SCHEME] = __name__
        _racks[self.number] = self
        for host in self.hosts.values():
            await host.open()

    async def close(self) -> None:
        """The end of all. Raises what a simulator failed with."""
        _racks.pop(self.number, None)
        for host in self.hosts.values():
            await host.close()

    def url(self, name: str, life: int) -> str:
        """How the appliance opens a device in that life."""
        return f"{SCHEME}://{self.number}/{name}?life={life}"

    def ledger(self, name: str) -> list[Line]:
        """What physically happened at one."""
        store = self.hosts[name].store
        assert store is not None
        return store.lines

    def abandon(self) -> None:
        """The appliance has died: whatever it still has open is deaf and dumb from now on."""
        for line in self.lines.values():
            line.abandon()


def check(url: str) -> None:
    """Raises `ValueError`."""
    if not urlsplit(url).path.strip("/"):
        raise ValueError(f"{url!r}: right would be {SCHEME}://number/device")


async def open_port(url: str, _line: LineSettings) -> Port:
    """Raises `TransportError`: it is unplugged, or taken."""
    parts = urlsplit(url)
    try:
        line = _racks[parts.netloc].lines[parts.path.strip("/")]
    except KeyError:
        raise TransportError(f"{url}: there is no such line") from None
    return line.take()


class _Line(Wire):
    """One device's end, and the port that the appliance has of it."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self._plugged = False
        self._port: _LinePort | None = None

    @property
    def url(self) -> str:
        return self._url

    def plug(self) -> None:
        self._plugged = True

    def unplug(self) -> None:
        self._plugged = False
        port, self._port = self._port, None
        if port is not None:
            port.fail("the port is gone (unplugged?)")

    def put(self, data: bytes) -> None:
        if self._port is not None:
            self._port.arrive(data)

    def take(self) -> Port:
        if not self._plugged:
            raise TransportError(f"{self._url}: there is no port")
        if self._port is not None:
            raise TransportError(f"{self._url} is taken")
        self._port = _LinePort(self)
        return self._port

    def drop(self, port: "_LinePort") -> None:
        """Closed by the appliance. A serial line does not tell."""
        if self._port is port:
            self._port = None

    def abandon(self) -> None:
        port, self._port = self._port, None
        if port is not None:
            port.dead = True


class _LinePort(Port):
    def __init__(self, line: _Line) -> None:
        self.words = line.url
        self.dead = False
        self._line = line
        self._came = bytearray()
        self._reader: asyncio.Future[None] | None = None
        self._end: TransportError | None = None

    async def read(self) -> bytes:
        while not self._came:
            if self._end is not None:
                raise self._end
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        data = bytes(self._came)
        self._came.clear()
        return data

    async def write(self, data: bytes) -> None:
        if self._end is not None:
            raise self._end
        if not self.dead:
            self._line.came(data)

    def set_baud(self, baud: int) -> None:
        self._came.clear()

    def close(self) -> None:
        self.fail("closed")
        self._line.drop(self)

    def arrive(self, data: bytes) -> None:
        """From the device."""
        if self._end is None and not self.dead:
            self._came += data
            self._wake()

    def fail(self, words: str) -> None:
        """It is gone."""
        if self._end is None:
            self._end = TransportError(f"{self.words}: {words}")
            self._wake()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)
