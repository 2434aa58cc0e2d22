"""`tcp://host:port`: a serial device server, or a device with a network socket. Bytes as they are, no negotiation.

The line settings are the server's own. A peer that died without a word is noticed by keepalive while the line is
silent, and by the user timeout while something is on its way: within half a minute both.
"""

import asyncio
import socket
from urllib.parse import urlsplit

from hardware.errors import TransportError
from hardware.ports import LineSettings, Port
from hardware.ports.stream import StreamPort

CONNECT_S = 5.0
SILENT_S, EVERY_S, TIMES = 10, 5, 3  # keepalive: asked after this silence, this often, this many times
UNACKNOWLEDGED_MS = 20_000

_KEEP_ALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, SILENT_S),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, EVERY_S),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, TIMES),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS),
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
)


def check(url: str) -> None:
    """Raises `ValueError` in words."""
    _address(url)


async def open_port(url: str, line: LineSettings) -> Port:
    """Connect. Raises `TransportError`."""
    host, number = _address(url)
    try:
        async with asyncio.timeout(CONNECT_S):
            end = await _connect(host, number)
    except TimeoutError:
        raise TransportError(
            f"{url}: no answer within {CONNECT_S:g} s; is it switched on, is the address right?"
        ) from None
    except socket.gaierror as error:
        raise TransportError(f"{url}: the name {host!r} is not known ({error.strerror})") from error
    except ConnectionRefusedError as error:
        raise TransportError(f"{url}: refused; nothing listens there, or it serves somebody else") from error
    except OSError as error:
        raise TransportError(f"{url}: {error.strerror or error}") from error
    for level, option, value in _KEEP_ALIVE:
        end.setsockopt(level, option, value)
    return StreamPort(end.detach(), url)


async def _connect(host: str, number: int) -> socket.socket:
    loop = asyncio.get_running_loop()
    failed: OSError = OSError("there is no address")
    found = await loop.getaddrinfo(host, number, type=socket.SOCK_STREAM)
    for index, (family, kind, protocol, _, address) in enumerate(found):
        end = socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, protocol)
        try:
            # Each address its share, or one that swallows packets would hide those behind it.
            async with asyncio.timeout(CONNECT_S / len(found) if index < len(found) - 1 else None):
                await loop.sock_connect(end, address)
        except TimeoutError:
            end.close()
        except OSError as error:
            end.close()
            failed = error
        except BaseException:
            end.close()
            raise
        else:
            return end
    raise failed


def _address(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        host, number = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"{url!r}: {error}; right would be tcp://192.168.1.20:4001") from None
    rest = parts.path.strip("/") or parts.query or parts.fragment or parts.username
    if not host or not number or rest:
        raise ValueError(f"{url!r} is no address; right would be tcp://192.168.1.20:4001 or tcp://[fd00::20]:4001")
    return host, number
