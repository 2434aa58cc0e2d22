"""What is flashed and installed: an image, and bundles that are good, sick, older, tampered with, and signed by nobody.

Made as `make image` and `make bundle` make them, of programs that `packaging/freeze/build.py` freezes; only compressed
less, which takes a quarter of the time. All lies in `.state/image-test` and is made once for each commit.
"""

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]
IMAGE = TREE / "packaging" / "image"
FIRST, GOOD, SICK, OLD = "1.0.0", "1.0.1", "1.0.2", "0.9.9"
# Seconds that a new system has to be well, in software emulation.
CONFIRM_WITHIN = "150"


class Artefacts:
    """Files by what is wrong with them; each is made when it is first asked for."""

    def __init__(self, directory: Path, say: Callable[[str], None], one_program: bool = False) -> None:
        self.directory = directory
        self.program_of = (lambda _version: FIRST) if one_program else str  # the program's version in a system
        directory.mkdir(parents=True, exist_ok=True)
        self._say = say
        self._base: Path | None = None
        self._environment = os.environ | {
            "SOURCE_DATE_EPOCH": "1767225600", "IMAGE_COMPRESSION": "gzip", "CONFIRM_WITHIN": CONFIRM_WITHIN,
        }  # fmt: skip

    def image(self) -> Path:
        """A disk with the first version."""
        disk = self.directory / f"disk-{FIRST}.img"
        if not disk.exists():
            slot = self._slot(FIRST)
            self._run("a disk", IMAGE / "disk.sh", slot, self.directory / "disk.new")
            (self.directory / "disk.new").rename(disk)
        return disk

    def good(self) -> Path:
        """The next version."""
        return self._bundle(GOOD, self._slot(GOOD))

    def sick(self) -> Path:
        """One that runs, and never reaches the hub."""
        return self._bundle(SICK, self._slot(SICK, GOOD, BREAK="appliance"))

    def old(self) -> Path:
        """A version below the first. What is in it matters to nobody: it is refused before it is read."""
        return self._bundle(OLD, self._junk())

    def tampered(self) -> Path:
        """A good one in whose middle a byte is another."""
        target = self.directory / "tampered.raucb"
        data = bytearray(self.good().read_bytes())
        data[len(data) // 2] ^= 1
        target.write_bytes(data)
        return target

    def forged(self) -> Path:
        """Signed by keys of somebody else."""
        return self._bundle("1.0.9", self._junk(), keys="keys-of-a-stranger")

    def _junk(self) -> Path:
        junk = self.directory / "junk.img"
        junk.write_bytes(bytes(range(256)) * 4096)
        return junk

    def _keys(self, name: str = "keys") -> Path:
        keys = self.directory / name
        self._run("", IMAGE / "dev-keys.sh", keys)
        return keys

    def _program(self, version: str) -> Path:
        """The package of that version."""
        debs = self.directory / f"deb-{version}"
        found = list(debs.glob("*.deb"))
        if not found:
            self._run("", "make", "--no-print-directory", "-C", TREE, "freeze-venv")
            frozen = self.directory / f"frozen-{version}"
            python = TREE / ".venv-freeze" / "bin" / "python"
            self._run(
                f"the program {version}", python, TREE / "packaging" / "freeze" / "build.py", "--version", version,
                "--out", frozen,
            )  # fmt: skip
            program = frozen / "appliance" / "kioskwire-appliance"
            self._run(
                f"the package {version}", "python3", TREE / "packaging" / "deb" / "build.py", "--program", program,
                "--out", debs,
            )  # fmt: skip
            found = list(debs.glob("*.deb"))
        return found[0]

    def _slot(self, version: str, program: str = "", **environment: str) -> Path:
        slot = self.directory / f"system-{version}.img"
        if not slot.exists():
            new = self.directory / f"system-{version}.new.img"
            self._run(
                f"the system {version}", IMAGE / "system.sh", "--base", self._debian(), "--version", version,
                "--keyring", self._keys() / "ca.pem", "--out", new, "--deb",
                self._program(self.program_of(program or version)),
                **environment,
            )  # fmt: skip
            new.rename(slot)
        return slot

    def _debian(self) -> Path:
        if self._base is None:
            self._base = Path(self._run("Debian's part", IMAGE / "make.sh", "base").strip().splitlines()[-1])
        return self._base

    def _bundle(self, version: str, slot: Path, keys: str = "keys") -> Path:
        bundle = self.directory / f"kioskwire-{version}.raucb"
        if not bundle.exists():
            made = self._keys(keys)
            self._run(
                f"the bundle {version}", IMAGE / "bundle.sh", slot, version, bundle,
                RAUC_CERT=str(made / "cert.pem"), RAUC_KEY=str(made / "key.pem"), RAUC_KEYRING=str(made / "ca.pem"),
            )  # fmt: skip
        return bundle

    def _run(self, what: str, *command: object, **environment: str) -> str:
        began = time.monotonic()
        done = subprocess.run(
            [str(word) for word in command], env=self._environment | environment, capture_output=True, text=True,
            timeout=1800, check=False, cwd=TREE,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(
                f"{command[0]} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-3000:]}"
            )
        if what:
            self._say(f"  made {what} in {time.monotonic() - began:.0f} s")
        return done.stdout
