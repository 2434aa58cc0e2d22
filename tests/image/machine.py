"""A kiosk's machine in QEMU: software emulation, so that it runs anywhere; its power is pulled by killing the process.

What hangs on it is real: serial devices are simulators on this host behind sockets, the network is QEMU's own, in which
this host is 10.0.2.2.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from bench.program import die_with, free_port

Json = dict[str, Any]
HOST = "10.0.2.2"
ESP_AT = 1 << 20  # bytes: where disk.sh puts the boot partition
_ENV_HEAD = b"# GRUB Environment Block\n"
_FIRMWARE = Path("/usr/share/OVMF")
_SSH = (
    "ssh", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
    "-o", "ConnectTimeout=30", "-o", "ServerAliveInterval=20", "-o", "BatchMode=yes",
)  # fmt: skip


class MachineError(Exception):
    """The machine did not do what was waited for; the text ends with what its console said."""


class Machine:
    """One disk and what is plugged in beside it. `serial` are ports of simulators: ttyS1, then USB adapters."""

    def __init__(
        self, directory: Path, disk: Path, key: Path, serial: Sequence[int] = (), usb: Sequence[int] = ()
    ) -> None:
        self.directory = directory
        self.disk = disk
        self.console = directory / "console.log"
        self.ssh_port = free_port()
        self.health_port = free_port()
        self._key = key
        self._serial = tuple(serial)
        self._usb = tuple(usb)
        self._process: subprocess.Popen[bytes] | None = None
        self._http = httpx.Client(timeout=15, trust_env=False)
        self.boots = 0

    def start(self) -> None:
        """Power."""
        assert self._process is None or self._process.poll() is not None
        with self.console.open("ab") as log:
            log.write(f"\n===== power on, {time.strftime('%H:%M:%S')} =====\n".encode())
        arguments = [
            "nice", "-n", "1", "qemu-system-x86_64", "-machine", "q35", "-accel", "tcg,thread=multi",
            "-cpu", "max", "-smp", "2",
            "-m", "1024", "-display", "none", "-no-reboot", "-nodefaults",
            "-drive", f"if=pflash,format=raw,readonly=on,file={_FIRMWARE}/OVMF_CODE_4M.fd",
            "-drive", f"if=pflash,format=raw,snapshot=on,file={_FIRMWARE}/OVMF_VARS_4M.fd",
            "-drive", f"file={self.disk},format=raw,if=virtio,cache=writeback",
            "-device", "i6300esb", "-qmp", f"unix:{self.directory}/qmp.sock,server=on,wait=off",
            "-netdev", f"user,id=n0,hostfwd=tcp:127.0.0.1:{self.ssh_port}-:22,"
            f"hostfwd=tcp:127.0.0.1:{self.health_port}-:9091",
            "-device", "virtio-net-pci,netdev=n0,romfile=", "-chardev",
            f"file,id=console,path={self.console},append=on", "-device", "isa-serial,chardev=console",
            "-device", "qemu-xhci", "-device", "VGA",
        ]  # fmt: skip
        for number, port in enumerate(self._serial, 1):
            arguments += [
                "-chardev", f"socket,id=s{number},host=127.0.0.1,port={port},reconnect=1",
                "-device", f"isa-serial,chardev=s{number}",
            ]  # fmt: skip
        for number, port in enumerate(self._usb, 1):
            arguments += [
                "-chardev", f"socket,id=u{number},host=127.0.0.1,port={port},reconnect=1",
                "-device", f"usb-serial,chardev=u{number},always-plugged=on,id=usb{number}",
            ]  # fmt: skip
        with (self.directory / "qemu.log").open("ab") as log:
            self._process = subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                preexec_fn=die_with(os.getpid()),  # noqa: PLW1509 - it calls the kernel and nothing else
            )  # fmt: skip
        self.boots += 1

    @property
    def on(self) -> bool:
        """Whether it has power; a machine that starts anew by itself has ended (`-no-reboot`)."""
        return self._process is not None and self._process.poll() is None

    def pull_power(self) -> None:
        """At once, in the middle of anything. What the guest did not sync is gone as far as QEMU had it in memory."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(30)

    def wait_off(self, timeout: float) -> None:
        """Wait until the machine starts itself anew, which ends QEMU."""
        end = time.monotonic() + timeout
        while self.on:
            if time.monotonic() > end:
                raise MachineError(f"the machine did not start anew within {timeout:g} s\n{self.tail()}")
            time.sleep(0.3)

    def follow(self) -> bool:
        """Give power again where the machine has ended to start anew; says whether it had."""
        if self.on:
            return False
        self.start()
        return True

    def qmp(self, command: str, **arguments: Any) -> Json:
        """A command to QEMU, such as unplugging."""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(30)
            line.connect(str(self.directory / "qmp.sock"))
            answers = line.makefile("rb")
            answers.readline()
            for asked in ({"execute": "qmp_capabilities"}, {"execute": command, "arguments": arguments}):
                line.sendall(json.dumps(asked).encode() + b"\n")
                while "event" in (answer := json.loads(answers.readline())):
                    pass
            found: Json = answer
            return found

    def ssh(self, command: str, timeout: float = 120, check: bool = True) -> str:
        """Run something as root, by the key that was laid into the boot partition. Raises `MachineError`."""
        done = subprocess.run(
            [*_SSH, "-i", str(self._key), "-p", str(self.ssh_port), "root@127.0.0.1", command],
            capture_output=True, text=True, timeout=timeout, check=False,
        )  # fmt: skip
        if check and done.returncode:
            raise MachineError(f"{command!r} ended with {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout + ("" if check else done.stderr)

    def health(self) -> Json | None:
        """The page, or None while nobody answers."""
        with contextlib.suppress(httpx.HTTPError, ValueError):
            found: Json = self._http.get(f"http://127.0.0.1:{self.health_port}/health").json()
            return found
        return None

    def tail(self, lines: int = 25) -> str:
        """The last that its console said."""
        if not self.console.exists():
            return ""
        return "\n".join(self.console.read_text(errors="replace").splitlines()[-lines:])

    # The boot partition, while there is no power.

    def lay(self, name: str, content: bytes) -> None:
        """Put a file into the boot partition, as an engineer does."""
        assert not self.on
        source = self.directory / "laid"
        source.write_bytes(content)
        self._mtools("mcopy", "-o", str(source), f"::{name}")

    def take(self, name: str) -> bytes | None:
        """A file of the boot partition, or None."""
        target = self.directory / "taken"
        target.unlink(missing_ok=True)
        with contextlib.suppress(subprocess.CalledProcessError):
            self._mtools("mcopy", "-n", f"::{name}", str(target))
            return target.read_bytes()
        return None

    def boot_variables(self) -> dict[str, str]:
        """GRUB's."""
        text = (self.take("grub/grubenv") or b"").decode(errors="replace")
        pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))
        return dict(pairs)

    def set_boot_variables(self, **changes: str) -> None:
        """GRUB's, as another computer would write them."""
        lines = [f"{name}={value}\n" for name, value in (self.boot_variables() | changes).items()]
        self.lay("grub/grubenv", (_ENV_HEAD + "".join(lines).encode()).ljust(1024, b"#"))

    def _mtools(self, command: str, *arguments: str) -> None:
        subprocess.run(
            [command, "-i", f"{self.disk}@@{ESP_AT}", *arguments], check=True, capture_output=True, timeout=60,
            env=os.environ | {"MTOOLS_SKIP_CHECK": "1"},
        )  # fmt: skip


def flash(image: Path, disk: Path, size: int) -> None:
    """As `dd` does it: the image at the beginning of a disk of `size` bytes."""
    with contextlib.suppress(FileNotFoundError):
        disk.unlink()
    if image.suffix == ".zst":
        subprocess.run(["zstd", "-q", "-d", "--sparse", str(image), "-o", str(disk)], check=True, timeout=300)
    else:
        subprocess.run(["cp", "--sparse=always", str(image), str(disk)], check=True, timeout=300)
    os.truncate(disk, size)


def make_key(directory: Path) -> Path:
    """A key pair for SSH; returns the private one's path."""
    key = directory / "key"
    if not key.exists():
        ssh_keygen = shutil.which("ssh-keygen") or "ssh-keygen"
        subprocess.run([ssh_keygen, "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True, timeout=60)
    return key
