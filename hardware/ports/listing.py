"""What serial ports there are, by all their names."""

from pathlib import Path

import msgspec

from hardware.ports.serial_port import comports

_NAMES = Path("/dev/serial")


class FoundPort(msgspec.Struct, frozen=True, kw_only=True):
    """One port. Configure a device by `by_id`, or by `by_path` where several adapters have no number of their own."""

    path: str  # /dev/ttyUSB0: may be another port's tomorrow
    description: str = ""
    vid: int | None = None  # USB vendor and product, where it is one
    pid: int | None = None
    serial: str = ""
    by_id: str = ""  # /dev/serial/by-id/…: the adapter, wherever it is plugged in
    by_path: str = ""  # /dev/serial/by-path/…: the socket, whatever is plugged into it

    @property
    def usb(self) -> str:
        """`0403:6001`, or nothing for a port on the board."""
        return "" if self.vid is None or self.pid is None else f"{self.vid:04x}:{self.pid:04x}"

    @property
    def url(self) -> str:
        """The name that lasts."""
        return self.by_id or self.by_path or self.path


def list_ports(names: Path = _NAMES) -> list[FoundPort]:
    """All of them, by name. Touches none."""
    by_id, by_path = _links(names / "by-id"), _links(names / "by-path")
    return [
        FoundPort(
            path=path, description=description, vid=vid, pid=pid, serial=serial,
            by_id=by_id.get(path, ""), by_path=by_path.get(path, ""),
        )
        for path, description, vid, pid, serial in sorted(comports())
    ]  # fmt: skip


def _links(directory: Path) -> dict[str, str]:
    """What each link leads to. Where several lead to one port the first counts."""
    found: dict[str, str] = {}
    try:
        links = sorted(directory.iterdir())
    except OSError:
        return found
    for link in links:
        found.setdefault(str(link.resolve()), str(link))
    return found
