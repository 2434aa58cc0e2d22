"""What systemd is told."""

import socket
import uuid
from pathlib import Path

from cloud.notify import notify


def test_systemd_is_told_at_its_socket(tmp_path: Path) -> None:
    name = f"kioskwire-{uuid.uuid4().hex}"  # which the whole machine shares
    for address, bound in ((str(tmp_path / "notify"), str(tmp_path / "notify")), (f"@{name}", f"\0{name}")):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            systemd.bind(bound)
            systemd.settimeout(5)
            assert notify("READY=1", {"NOTIFY_SOCKET": address})
            assert systemd.recv(100) == b"READY=1"


def test_a_hub_serves_though_nobody_can_be_told(tmp_path: Path) -> None:
    for environ in ({}, {"NOTIFY_SOCKET": "vsock:2:1"}, {"NOTIFY_SOCKET": str(tmp_path / "none")}):
        assert not notify("READY=1", environ)
