"""What this machine says of its own network: interfaces, addresses, routes, name servers. Reads files, asks nobody."""

import contextlib
import fcntl
import ipaddress
import socket
import struct
from pathlib import Path

from appliance.network.steps import Interface

NET, PROC, RESOLV = Path("/sys/class/net"), Path("/proc/net"), Path("/etc/resolv.conf")
_SIOCGIFADDR = 0x8915
_MOBILE = ("ww", "ppp", "rmnet", "usb")
_INSIDE = ("lo", "docker", "veth", "br-", "virbr")  # lead to other programs of this machine
_RTF_UP, _RTF_REJECT = 0x1, 0x200
_SERVERS_MAX = 3


def interfaces(net: Path = NET, proc: Path = PROC) -> tuple[Interface, ...]:
    """All that could lead out."""
    try:
        names = sorted(path.name for path in net.iterdir())
    except OSError:
        return ()
    sixes = _ipv6(proc / "if_inet6")
    return tuple(
        Interface(
            name=name, kind=_kind(net / name), up=_is_up(net / name),
            addresses=tuple(filter(_leads_anywhere, [*_ipv4(name), *sixes.get(name, ())])),
        )
        for name in names if not name.startswith(_INSIDE) and (net / name).is_dir()
    )  # fmt: skip


def has_default_route(proc: Path = PROC) -> bool | None:
    """Whether there is a way to everywhere, by either protocol; None: it cannot be told."""
    known = False
    with contextlib.suppress(OSError):
        for line in (proc / "route").read_text().splitlines()[1:]:
            words = line.split()
            flags = int(words[3], 16)
            if int(words[1], 16) == 0 and flags & _RTF_UP and not flags & _RTF_REJECT:
                return True
        known = True
    with contextlib.suppress(OSError):
        for line in (proc / "ipv6_route").read_text().splitlines():
            words = line.split()
            flags = int(words[8], 16)
            to_all = words[:2] == ["0" * 32, "00"]
            if to_all and flags & _RTF_UP and not flags & _RTF_REJECT and words[9] != "lo":
                return True
        known = True
    return False if known else None


def name_servers(path: Path = RESOLV) -> tuple[str, ...]:
    """Whom the system asks for names."""
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return ()
    found = [words[1] for line in lines if len(words := line.split()) >= 2 and words[0] == "nameserver"]
    return tuple(found[:_SERVERS_MAX])


def _is_up(path: Path) -> bool:
    # Of an interface that is switched off the kernel gives no carrier at all: the file cannot be read.
    with contextlib.suppress(OSError):
        return (path / "carrier").read_text().strip() == "1"
    return False


def _kind(path: Path) -> str:
    if (path / "wireless").exists() or (path / "phy80211").exists():
        return "wifi"
    return "mobile" if path.name.startswith(_MOBILE) else "cable"


def _ipv4(name: str) -> list[str]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking, contextlib.suppress(OSError):
        answer = fcntl.ioctl(asking, _SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
        return [socket.inet_ntoa(answer[20:24])]
    return []


def _ipv6(path: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    with contextlib.suppress(OSError):
        for line in path.read_text().splitlines():
            digits, *_, name = line.split()
            found.setdefault(name, []).append(str(ipaddress.IPv6Address(int(digits, 16))))
    return found


def _leads_anywhere(address: str) -> bool:
    parsed = ipaddress.ip_address(address)
    return not (parsed.is_link_local or parsed.is_loopback or parsed.is_unspecified)
