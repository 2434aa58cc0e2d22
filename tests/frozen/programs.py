"""Where frozen programs are run: on a machine without Python, and told nothing that a test did not tell them."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bench.stack import Appliance

DIST = Path(os.environ.get("KIOSKWIRE_FROZEN", "dist")).absolute()


class Bare:
    """This machine, with an empty environment and an empty directory: all that can be done without being root."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Nothing is left."""

    def wrapper(self, environ: Mapping[str, str], inside: Path) -> tuple[str, ...]:
        """A command that becomes the one behind it, there, in that directory, with that environment and no other."""
        return ("/usr/bin/env", "--ignore-environment", f"--chdir={inside}", *(f"{k}={v}" for k, v in environ.items()))

    def place(self, path: Path) -> Path:
        """Make a file or a folder of this machine be there; returns its path there."""
        return path

    def outside(self, path: Path) -> Path:
        """Where a path of there lies here."""
        return path

    def new_directory(self, name: str) -> Path:
        """An empty one; its path there."""
        path = self.directory / name
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        return path

    def run(
        self, program: Path, *arguments: str, environ: Mapping[str, str] | None = None, where: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run it to its end, within a minute."""
        inside = where or self.new_directory("empty")
        return subprocess.run(
            [*self.wrapper(environ or {}, inside), str(self.place(program)), *arguments],
            capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip


LIBRARIES = (
    "/lib64/ld-linux-x86-64.so.2", *(f"/lib/x86_64-linux-gnu/lib{name}" for name in (
        "c.so.6", "m.so.6", "dl.so.2", "pthread.so.0", "rt.so.1", "util.so.1", "resolv.so.2", "z.so.1",
    )),
)  # fmt: skip


class Root(Bare):
    """A root directory with the C library and zlib, and nothing else: no shell, no Python, no certificates."""

    def __enter__(self) -> Self:
        for name in LIBRARIES:
            target = self.directory / name.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(os.path.realpath(name), target)
        (self.directory / "tmp").mkdir(exist_ok=True)
        return self

    def wrapper(self, environ: Mapping[str, str], inside: Path) -> tuple[str, ...]:
        """As of any machine, but that the directory is always its topmost: no command is there to change it."""
        return (*super().wrapper(environ, Path("/")), "/usr/sbin/chroot", str(self.directory))

    def place(self, path: Path) -> Path:
        """Under the same name as here."""
        source = path.parent if path.parent.name == path.name else path  # its folder comes along
        target = self.outside(source)
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(source, target, symlinks=True) if source.is_dir() else shutil.copy2(source, target)
        return path

    def outside(self, path: Path) -> Path:
        return self.directory / str(path).lstrip("/")

    def new_directory(self, name: str) -> Path:
        path = Path("/") / name
        shutil.rmtree(self.outside(path), ignore_errors=True)
        self.outside(path).mkdir(parents=True)
        return path


class FrozenAppliance(Appliance):
    """A kiosk's frozen program on a bare machine; its directory lies there."""

    def __init__(
        self, bare: Bare, name: str, *, program: Path, hub_url: str, token: str, routes: Mapping[str, Any]
    ) -> None:
        self.bare = bare
        self.inside = bare.new_directory(name)
        self.command = (str(bare.place(program)), "run")
        super().__init__(bare.outside(self.inside), hub_url, token, routes)

    @property
    def wrapper(self) -> tuple[str, ...]:  # type: ignore[override]
        """Nothing of ours comes with it."""
        return self.bare.wrapper({**self.environment(), **self.settings}, self.inside)

    def environment(self) -> dict[str, str]:
        told = super().environment()
        return {name: value.replace(str(self.directory), str(self.inside)) for name, value in told.items()}


def processes(session: int) -> list[int]:
    """Who still runs of a session, by process id."""
    found = []
    for entry in os.listdir("/proc"):
        with contextlib.suppress(OSError, ValueError):
            fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == session and fields[0] != "Z":
                found.append(int(entry))
    return found
