"""The units say what systemd understands, and confine what they run. Looked at without running any."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

TREE = Path(__file__).resolve().parents[2]
UNITS = sorted(path.name for path in (TREE / "systemd").iterdir() if path.suffix in {".service", ".path", ".timer"})
SERVICES = [name for name in UNITS if name.endswith(".service")]
EXPOSURE_MAX = 2.0  # of ten, as `systemd-analyze security` counts; a plain unit has 9.6

needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd-analyze here")


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    """What systemd says of a unit."""
    return subprocess.run(
        ["systemd-analyze", *arguments], check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=60, cwd=TREE / "systemd",
    )  # fmt: skip


@needs_systemd
def test_systemd_understands_every_line(tmp_path: Path) -> None:
    """In a root that has what the units name, and nothing else."""
    staged = subprocess.run(
        [TREE / "packaging/install.sh", "--stage", tmp_path], check=False, stderr=subprocess.PIPE, timeout=60
    )
    assert staged.returncode == 0, staged.stderr
    units = tmp_path / "lib/systemd/system"
    named = {"sysinit.target", "basic.target", "shutdown.target", "-.mount", "system.slice", "-.slice"}
    for name in UNITS:
        text = (TREE / "systemd" / name).read_text()
        (units / name).write_text(text)
        named |= set(re.findall(r"[\w@.-]+\.(?:target|service|path|socket|mount)\b", text)) - set(UNITS)
        for program in re.findall(r"(?m)^Exec\w+=[-+!:@]*(/\S+)", text):
            (tmp_path / program[1:]).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / program[1:]).touch()
            (tmp_path / program[1:]).chmod(0o755)
    for name in named - {"-.mount", "system.slice", "-.slice"}:
        section = "[Service]\nExecStart=/bin/true\n" if name.endswith(".service") else ""
        (units / name).write_text(f"[Unit]\nDescription={name}\nDefaultDependencies=no\n{section}")
    (tmp_path / "bin").mkdir(exist_ok=True)
    (tmp_path / "bin/true").touch()
    (tmp_path / "bin/true").chmod(0o755)
    said = analyze("verify", "--man=no", f"--root={tmp_path}", *UNITS)
    assert (said.returncode, said.stdout) == (0, "")


@needs_systemd
@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_confined(name: str) -> None:
    """Those that have to be root have what root needs, and are left out here."""
    text = (TREE / "systemd" / name).read_text()
    said = analyze("security", "--offline=true", str(TREE / "systemd" / name)).stdout
    found = re.search(r"exposure level .*: ([0-9.]+)", said)
    assert found, said
    assert float(found.group(1)) <= (EXPOSURE_MAX if "\nUser=" in text else 5.0), said


@pytest.mark.parametrize(
    "name", [name for name in SERVICES if "Restart=always" in (TREE / "systemd" / name).read_text()]
)
def test_a_service_never_gives_up(name: str) -> None:
    assert "\nStartLimitIntervalSec=0\n" in (TREE / "systemd" / name).read_text()


def test_the_appliance_gets_its_places_from_the_unit() -> None:
    text = (TREE / "systemd" / "kioskwire-appliance.service").read_text()
    told = dict(re.findall(r"(?m)^Environment=(\w+)=(\S+)$", text))
    assert told == {
        "KIOSKWIRE_ENV_FILE": "/etc/kioskwire/appliance.env", "STATE_DIR": "/var/lib/kioskwire",
        "ROUTING_CONFIG": "/etc/kioskwire/routing_config.yaml", "LC_ALL": "C.UTF-8",
    }  # fmt: skip


class Backoff:
    """The script, with a folder of its own, that does not really wait."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "sleep").write_text('#!/bin/sh\necho "$1" > "$RUNTIME_DIRECTORY/slept"\n')
        (directory / "sleep").chmod(0o755)

    def call(self, word: str, result: str = "success") -> None:
        environ = {
            "PATH": f"{self.directory}:/usr/bin:/bin",
            "RUNTIME_DIRECTORY": str(self.directory),
            "SERVICE_RESULT": result,
        }
        script = TREE / "systemd" / "kioskwire-backoff"
        subprocess.run([script, word], check=True, env=environ, timeout=60, stdout=subprocess.DEVNULL)

    def start(self) -> int:
        """Seconds that it waited."""
        (self.directory / "slept").write_text("0")
        self.call("starting")
        return int((self.directory / "slept").read_text())


def test_who_fails_again_waits_longer_up_to_a_minute(tmp_path: Path) -> None:
    backoff = Backoff(tmp_path)
    waited = []
    for _ in range(9):
        waited.append(backoff.start())
        backoff.call("stopped", "exit-code")
    assert waited == [0, 0, 2, 4, 8, 16, 32, 60, 60]


def test_an_end_that_was_wanted_and_a_long_life_begin_anew(tmp_path: Path) -> None:
    backoff = Backoff(tmp_path)
    for _ in range(5):
        backoff.start()
        backoff.call("stopped", "watchdog")
    backoff.call("stopped", "success")
    assert backoff.start() == 0
    for _ in range(5):
        backoff.call("stopped", "signal")
    assert backoff.start() > 0
    (tmp_path / "started").write_text("1000\n")
    backoff.call("stopped", "signal")
    assert backoff.start() == 0


@pytest.mark.parametrize("text", ["", "\n", "many\n", "-3\n", "99999999999\n", "08\n"])
def test_what_is_not_understood_counts_as_no_failure(tmp_path: Path, text: str) -> None:
    backoff = Backoff(tmp_path)
    (tmp_path / "failures").write_text(text)
    (tmp_path / "started").write_text("what\n")
    assert backoff.start() == 0
    backoff.call("stopped", "exit-code")
    assert (tmp_path / "failures").read_text().strip().isdigit()
