"""Whole updates with real processes: launcher, appliance, root's part and commands, under a service manager's stand-in.

    python -m tests.appliance.updates.street [--frozen DIR] [--only WORDS]

Without `--frozen` the versions are copies of this tree, run by this Python: crash points work in them, and every one of
updates is visited, by SIGKILL. With it they are frozen ones, packed in DIR/<version>/: see packaging/updates.mk.
"""

import argparse
import contextlib
import functools
import http.server
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from appliance.updates.files import READY, RUNNING, Running, UpdateFiles
from appliance.updates.places import PROGRAM, Places, this_target
from tests.appliance.updates.releases import Signer, archive, release
from tests.appliance.updates.spoilt import WRONG, spoil
from tests.chaos.points import names
from wire.release import MANIFEST, SIGNATURE_SUFFIX, Manifest

ROOT = Path(__file__).resolve().parents[3]
LAUNCH = ROOT / "packaging/launch/kioskwire-launch"
_AT_ONCE = 4
_LIMIT_S = 240.0


class Failed(Exception):
    """A promise broke; in words."""


def copy_tree(target: Path, version: str) -> None:
    """The packages that a kiosk has, as another version, with what is wrong with that one."""
    for name in ("appliance", "hardware", "wire"):
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    (target / "tests/chaos").mkdir(parents=True)
    (target / "tests/chaos/points.py").touch()  # a test build: its crash points work
    (target / "wire/version.py").write_text(f'"""A test\'s."""\n\nVERSION = "{version}"\n')
    spoil(target, version)


def of_tree(version: str, scratch: Path) -> dict[str, bytes | str]:
    """A release's files: a script, and the tree that it runs."""
    tree = scratch / version
    copy_tree(tree, version)
    here = sys.executable
    script = (
        "#!/bin/sh\nhere=$(dirname \"$(readlink -f \"$0\")\")\n"
        # The self-test of a tree says nothing of what was packed.
        "[ \"$1\" != selftest ] || exit 0\n"
        f"PYTHONPATH=$here/tree PYTHONDONTWRITEBYTECODE=1 exec {here} -P -m appliance \"$@\"\n"
    )  # fmt: skip
    files: dict[str, bytes | str] = {f"{PROGRAM}/{PROGRAM}": script}
    for path in sorted(tree.rglob("*")):
        if path.is_file():
            files[f"{PROGRAM}/tree/{path.relative_to(tree)}"] = path.read_bytes()
    return files


class Releases:
    """All versions, packed once, and a web server that shows what a kiosk's channel holds."""

    def __init__(self, directory: Path, frozen: Path | None) -> None:
        self.signer = Signer()
        self.directory = directory
        self.packed: dict[str, bytes] = {}
        self.frozen = frozen
        for version in ("1.0.0", "1.0.1", *WRONG):
            if frozen is not None:
                for path in (frozen / version).glob(
                    "*.tar.xz"
                ):  # 1.0.4 is for crash points, which frozen ones have not
                    self.packed[version] = path.read_bytes()
            else:
                self.packed[version] = archive(of_tree(version, directory / "trees"))
        handler = functools.partial(_Quiet, directory=str(directory / "channels"))
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def offer(self, kiosk: str, serial: int, *versions: str) -> None:
        """Put versions into a kiosk's channel."""
        place = self.directory / "channels" / kiosk / "stable"
        place.mkdir(parents=True, exist_ok=True)
        made = [release(version, self.packed[version]) for version in versions]
        for each in made:
            self._put(place, each.file, self.packed[each.version])
        self._put(place, MANIFEST, msgspec.json.encode(Manifest(channel="stable", serial=serial, releases=made)))

    def url(self, kiosk: str) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/{kiosk}"

    def _put(self, place: Path, name: str, data: bytes) -> None:
        for file, content in ((name, data), (name + SIGNATURE_SUFFIX, self.signer.sign(data).encode())):
            (place / f".{file}").write_bytes(content)
            (place / f".{file}").rename(place / file)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def copyfile(self, source: Any, outputfile: Any) -> None:
        """To its end, or as far as whoever asked lives."""
        with contextlib.suppress(OSError):
            super().copyfile(source, outputfile)

    def log_message(self, *_: object) -> None:
        """Nothing."""


class Kiosk:
    """One kiosk with its service manager: what ends is started again, and root's part runs when it is asked for."""

    def __init__(self, root: Path, releases: Releases) -> None:
        self.root, self.releases = root, releases
        self.places = Places(lib=root / "lib", app=root / "app")
        self.state = root / "state"
        self.files = UpdateFiles(self.state)
        self.files.make()
        root.mkdir(exist_ok=True)
        (root / "release.pub").write_text(releases.signer.public)
        (root / "routing.yaml").write_text("default: {url: 'http://127.0.0.1:1'}\n")
        package = self.places.packaged
        package.mkdir(parents=True)
        (root / "p.tar.xz").write_bytes(releases.packed["1.0.0"])
        subprocess.run(["tar", "-xf", root / "p.tar.xz", "-C", package], check=True, timeout=60)
        (package / PROGRAM).rename(package / "1.0.0")
        self.environ = {
            "PATH": "/usr/bin:/bin", "HOME": str(root), "KIOSKWIRE_LIB": str(self.places.lib),
            "KIOSKWIRE_APP": str(self.places.app), "STATE_DIR": str(self.state), "UPDATE_TRIAL": "30",
            "ROUTING_CONFIG": str(root / "routing.yaml"), "UPDATE_KEYS_FILE": str(root / "release.pub"),
            "UPDATE_URL": releases.url(root.name), "HEALTH_CHECK_PORT": "0", "DISK_MIN_FREE_MB": "0",
        }  # fmt: skip
        self.crash_at = ""  # what is to die at once, and where
        self.died: list[str] = []
        self._stop = threading.Event()
        self._service: subprocess.Popen[bytes] | None = None
        self._threads = [threading.Thread(target=each, daemon=True) for each in (self._serve, self._watch)]

    def __enter__(self) -> "Kiosk":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._service is not None and self._service.poll() is None:
            self._service.terminate()
        for thread in self._threads:
            thread.join(60)

    def _taken(self) -> dict[str, str]:
        return self.environ | ({"KIOSKWIRE_CRASH_AT": self.crash_at} if self.crash_at else {})

    def _serve(self) -> None:
        while not self._stop.is_set():
            with (self.root / "log").open("ab") as log:
                self._service = subprocess.Popen(
                    [LAUNCH, "run"], env=self._taken(), cwd=self.root, stdout=log, stderr=log
                )
                status = self._service.wait()
            self._note(status, "service")
            self._stop.wait(0.3)

    def _watch(self) -> None:
        """The path unit: anew whenever the file was written anew; and at a boot, that is never for its being there."""
        seen = 0
        while not self._stop.wait(0.1):
            with contextlib.suppress(OSError):
                number = (self.files.directory / READY).stat().st_ino
                if number != seen:
                    seen = number
                    with (self.root / "log").open("ab") as log:
                        done = subprocess.run(
                            [LAUNCH, "tool", "update", "apply"], env=self._taken(), cwd=self.root, stdout=log,
                            stderr=log, timeout=_LIMIT_S, check=False,
                        )  # fmt: skip
                    if self._note(done.returncode, "root"):
                        seen = 0  # a boot follows: the appliance asks again as it starts, which is seen then

    def _note(self, status: int, who: str) -> bool:
        if status == -signal.SIGKILL:
            self.died.append(who)
            self.crash_at = ""
            return True
        return False

    def command(self, *words: str, limit_s: float = _LIMIT_S) -> tuple[int, str]:
        """A command as a technician types it."""
        done = subprocess.run(
            [LAUNCH, "tool", *words], env=self.environ, cwd=self.root, capture_output=True, text=True, timeout=limit_s,
            check=False,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    def running(self) -> str:
        """The version that runs."""
        found = self.files.load(RUNNING, Running)
        return found.version if found else ""

    def until(self, what: str, fact: Callable[[], object], limit_s: float = _LIMIT_S) -> None:
        """Wait for a fact."""
        deadline = time.monotonic() + limit_s
        while not fact():
            if time.monotonic() > deadline:
                log = (self.root / "log").read_text(errors="replace")[-1500:]
                raise Failed(f"{what} did not come about; {self.running()} runs; {log}")
            time.sleep(0.1)

    def expect(self, told: tuple[int, str], status: int, words: str) -> None:
        if told[0] != status or words not in told[1]:
            raise Failed(f"expected {status} and {words!r}, got {told[0]}: {told[1][-1500:]}")


def good_and_bad(kiosk: Kiosk) -> None:
    """1.0.1 comes and stays; 1.0.2 crashes, 1.0.3 is not well: both go, and are not tried again."""
    offer = functools.partial(kiosk.releases.offer, kiosk.root.name)
    kiosk.until("1.0.0", lambda: kiosk.running() == "1.0.0")
    kiosk.expect(kiosk.command("restart", "--when-idle"), 0, "1.0.0 runs anew")
    offer(1, "1.0.1")
    kiosk.expect(kiosk.command("update", "check"), 0, "1.0.1 is to be installed here")
    kiosk.expect(kiosk.command("update", "now"), 0, "1.0.1 has proved itself")
    offer(2, "1.0.1", "1.0.2")
    kiosk.expect(kiosk.command("update", "now"), 1, "1.0.2 is not tried again")
    kiosk.until("the way back", lambda: kiosk.running() == "1.0.1")
    offer(3, "1.0.1", "1.0.2", "1.0.3")
    kiosk.expect(kiosk.command("update", "now"), 1, "1.0.3 is not tried again")
    kiosk.until("the way back", lambda: kiosk.running() == "1.0.1")
    kiosk.expect(kiosk.command("update", "now"), 0, "not tried again")
    offer(2, "1.0.1")
    kiosk.expect(kiosk.command("update", "now"), 1, "serial 2, and 3 was seen")
    kiosk.expect(kiosk.command("update"), 0, "1.0.3")
    if kiosk.running() != "1.0.1" or set(kiosk.files.bad()) != {"1.0.2", "1.0.3"}:
        raise Failed(f"{kiosk.running()} runs, bad are {kiosk.files.bad()}")


def killed_at(point: str, kiosk: Kiosk) -> None:
    """Somebody dies there, once; in the end the good version runs and has proved itself, or the bad one is left."""
    bad = point.startswith(("appliance.updates.bad.", "appliance.updates.back."))
    version = "1.0.4" if bad else "1.0.1"
    kiosk.until("1.0.0", lambda: kiosk.running() == "1.0.0")
    kiosk.releases.offer(kiosk.root.name, 1, version)
    kiosk.crash_at = point
    service = kiosk._service
    if service is not None:
        service.terminate()  # the next is to die
    kiosk.until("a new run", lambda: kiosk._service is not service)
    deadline = time.monotonic() + _LIMIT_S
    while time.monotonic() < deadline:
        kiosk.command("update", "now", "--within", "60", limit_s=200)
        if (version in kiosk.files.bad()) if bad else (kiosk.files.word("good") == version):
            break
        time.sleep(0.5)
    expected = "1.0.0" if bad else "1.0.1"
    kiosk.until(f"{expected} at last", lambda: kiosk.running() == expected, 60)
    kiosk.until("a death there", lambda: kiosk.died, 20)
    kiosk.until("an end of the trial", lambda: not kiosk.files.exists("trial") or bad, 60)
    if leftovers := [path.name for path in kiosk.places.versions.glob(".*")]:
        raise Failed(f"left behind: {leftovers}")


def cases(*, frozen: bool) -> Iterator[tuple[str, Callable[[Kiosk], None]]]:
    """All of them, by name."""
    yield "good and bad", good_and_bad
    if not frozen:
        for point in names("appliance.updates."):
            yield point, functools.partial(killed_at, point)


def main() -> int:
    """Run them, and say what became of each. The exit status is 1 if any promise broke."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frozen", type=Path, metavar="DIR", help="with frozen programs out of this directory")
    parser.add_argument("--only", default="", metavar="WORDS", help="cases whose name has these words")
    options = parser.parse_args()
    broken = 0
    os.environ.pop("KIOSKWIRE_CRASH_AT", None)
    with tempfile.TemporaryDirectory(prefix="kioskwire-street-") as directory, ThreadPoolExecutor(_AT_ONCE) as pool:
        root = Path(directory)
        root.chmod(0o755)
        releases = Releases(root, options.frozen)
        chosen = [case for case in cases(frozen=options.frozen is not None) if options.only in case[0]]

        def play(number: int, case: tuple[str, Callable[[Kiosk], None]]) -> tuple[str, str, float]:
            began = time.monotonic()
            try:
                with Kiosk(root / f"kiosk-{number}", releases) as kiosk:
                    case[1](kiosk)
            except (Failed, subprocess.TimeoutExpired) as error:
                return case[0], str(error), time.monotonic() - began
            return case[0], "", time.monotonic() - began

        for name, words, took_s in pool.map(play, range(len(chosen)), chosen):
            broken += bool(words)
            print(f"  {name:<44} {took_s:>5.0f} s  {f'BROKEN: {words}' if words else 'ok'}", flush=True)
        releases.server.shutdown()
    print(f"{broken} of {len(chosen)} broken" if broken else f"{len(chosen)} cases: all is well on {this_target()}")
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main())
