"""`sim://family`: a simulated device in this process, for as long as its port is open.

    sim://ccnet
    sim://ccnet?table=kzt&state=/var/lib/kioskwire/sim/bills     the family's options, and where its memory lies

It runs in real time, at the end of a pair of sockets. Opening the port gives it power, closing takes it away; what such
a device keeps without power it keeps under the same URL: in this process, or in the directory that `state` names. A
person's hand is put on it through `running`:

    running("sim://ccnet").do("insert", minor="50000")
"""

import asyncio
import contextlib
import socket
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from hardware.errors import TransportError
from hardware.ports import LineSettings, Port
from hardware.ports.stream import StreamPort
from hardware.simulation.families import build, find_simulator, read_options
from hardware.simulation.host import DeviceHost
from hardware.simulation.simulator import Simulator
from hardware.simulation.store import Store, StoreError
from hardware.simulation.wires import Wire

_CHUNK = 4096
_running: dict[str, DeviceHost] = {}
_stores: dict[str, Store] = {}  # of devices without a directory


def check(url: str) -> None:
    """Raises `ValueError` in words: no such family, no such option."""
    kind, options, _state = _parts(url)
    read_options(kind, options)


async def open_port(url: str, line: LineSettings) -> Port:
    """Give it power. Raises `TransportError` while another port has it open."""
    if url in _running:
        raise TransportError(f"{url} is taken: it is open in this process already")
    kind, options, state = _parts(url)
    try:
        store = Store(Path(state), kind.family) if state else _stores.setdefault(url, Store(None, kind.family))
    except StoreError as error:
        raise TransportError(f"{url}: {error}") from error
    ours, its = socket.socketpair()
    ours.setblocking(False)
    its.setblocking(False)
    simulator = build(kind, store.memory, store.note, options)
    host = DeviceHost(simulator, store, _SocketWire(url, its))
    await host.open()
    _running[url] = host
    return _SimulatedPort(ours.detach(), url, host, store if state else None)


def running(url: str) -> DeviceHost:
    """The device behind a port that is open. Raises `LookupError` when none is."""
    try:
        return _running[url]
    except KeyError:
        raise LookupError(f"{url} is not open in this process") from None


class _SimulatedPort(StreamPort):
    def __init__(self, fd: int, url: str, host: DeviceHost, store: Store | None) -> None:
        self._url, self._host, self._store = url, host, store
        super().__init__(fd, url)

    def _release(self) -> None:
        super()._release()
        _running.pop(self._url, None)
        with contextlib.suppress(OSError):  # its directory takes no more: as if killed
            self._host.stop()
        if self._store is not None:
            self._store.close()


class _SocketWire(Wire):
    """The device's end of the pair."""

    def __init__(self, url: str, end: socket.socket) -> None:
        super().__init__()
        self._url = url
        self._end = end

    @property
    def url(self) -> str:
        return self._url

    def plug(self) -> None:
        asyncio.get_running_loop().add_reader(self._end.fileno(), self._read)

    def unplug(self) -> None:
        if self._end.fileno() >= 0:
            self._unwatch()
            self._end.close()

    def put(self, data: bytes) -> None:
        with contextlib.suppress(OSError):  # nobody reads, or nobody is there
            self._end.send(data)

    def _read(self) -> None:
        try:
            data = self._end.recv(_CHUNK)
        except OSError:
            data = b""
        if data:
            self.came(data)
        else:
            self._unwatch()
            self.hung_up()

    def _unwatch(self) -> None:
        with contextlib.suppress(RuntimeError):  # no loop any more
            asyncio.get_running_loop().remove_reader(self._end.fileno())


def _parts(url: str) -> tuple[type[Simulator], dict[str, str], str]:
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    state = options.pop("state", "")
    if parts.path.strip("/") or parts.fragment:
        raise ValueError(f"{url!r}: right would be sim://{parts.netloc or 'ccnet'}?option=value")
    return find_simulator(parts.netloc), options, state
