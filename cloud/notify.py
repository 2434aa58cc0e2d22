"""Tells systemd, where it started the hub with Type=notify, that the hub serves, and that it ends."""

import os
import socket
from collections.abc import Mapping


def notify(state: str, environ: Mapping[str, str] | None = None) -> bool:
    """Send `READY=1` or the like to NOTIFY_SOCKET; says whether anybody was told. Never raises: a hub serves anyway."""
    address = (os.environ if environ is None else environ).get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    if address.startswith("@"):
        address = f"\0{address[1:]}"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as told:
            told.settimeout(1.0)
            told.sendto(state.encode(), address)
    except OSError:
        return False
    return True
