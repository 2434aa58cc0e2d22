"""The sockets of one port, one set for each process. The kernel spreads new connections over them."""

import errno
import socket

BACKLOG = 1024
_TRIES = 20
# Addresses of a name that this machine does not have, or not in this family.
_NOT_HERE = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}


def bind(host: str, port: int, processes: int) -> list[list[socket.socket]]:
    """Bound sockets, by process; nobody listens on them yet. Port 0 is one free port for all of them.

    Raises OSError where another program listens there: with SO_REUSEPORT alone it would get half of the connections.
    """
    for _ in range(_TRIES):
        try:
            first = _bind_all(host, port, alone=True)
        except OSError as error:
            if port or error.errno != errno.EADDRINUSE:
                raise
            continue  # the port was free in one family only
        chosen = first[0].getsockname()[1]
        for probe in first:
            probe.close()
        made: list[list[socket.socket]] = []
        try:
            for _ in range(processes):
                made.append(_bind_all(host, chosen, alone=False))
        except OSError:
            close(made)
            raise
        return made
    raise OSError(errno.EADDRINUSE, "no port is free in all of its addresses")


def close(listeners: list[list[socket.socket]]) -> None:
    """Let go of them."""
    for sockets in listeners:
        for listener in sockets:
            listener.close()


def _bind_all(host: str, port: int, *, alone: bool) -> list[socket.socket]:
    """One for each address of the host."""
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    made: list[socket.socket] = []
    missing: OSError | None = None
    try:
        for family, _, _, _, address in dict.fromkeys(found):
            chosen = made[0].getsockname()[1] if made else port
            try:
                made.append(_bind(family, (address[0], chosen, *address[2:]), alone=alone))
            except OSError as error:
                if error.errno not in _NOT_HERE:
                    raise
                missing = error
        if not made:
            raise missing or OSError(errno.EADDRNOTAVAIL, "the host has no address")
    except OSError:
        close([made])
        raise
    return made


def _bind(family: int, address: tuple[str | int, ...], *, alone: bool) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if not alone:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.setblocking(False)
        listener.bind(address)
        if alone:  # what only is bound is in nobody's way
            listener.listen(1)
    except OSError:
        listener.close()
        raise
    return listener
