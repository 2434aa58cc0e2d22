"""The scripts of the image, run on directories of this machine: what they write and what they refuse."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

TREE = Path(__file__).resolve().parents[2]
LIB = TREE / "packaging" / "image" / "system" / "usr" / "lib" / "kioskwire-image"
HEAD = "# GRUB Environment Block\n"

pytestmark = pytest.mark.skipif(
    any(shutil.which(name) is None for name in ("dpkg", "flock", "mountpoint", "awk")),
    reason="needs Debian's own tools",
)


class Box:
    """A kiosk's partitions as directories."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        for name in ("esp/grub", "data/image", "state", "run", "bin"):
            (directory / name).mkdir(parents=True)
        self.esp, self.data, self.state = directory / "esp", directory / "data", directory / "state"
        self.memory = self.data / "image"
        self.checker = directory / "bin" / "kioskwire-appliance"
        self.running("1.4.0")
        self.booted("A")
        variables = f"{HEAD}ORDER=A B\nA_OK=1\nA_GOOD=1\nA_TRY=x\nB_OK=1\nB_GOOD=1\nB_TRY=\n"
        for name in ("grubenv", "grubenv.2"):
            (self.esp / "grub" / name).write_text(variables.ljust(1024, "#"))

    def running(self, version: str) -> None:
        (self.directory / "os-release").write_text(f"ID=debian\nIMAGE_VERSION={version}\n")

    def booted(self, slot: str) -> None:
        (self.directory / "cmdline").write_text(f"root=PARTUUID=0 rauc.slot={slot} quiet\n")

    def answers(self, status: int, words: str = "") -> None:
        """What `kioskwire-appliance check-config` says."""
        self.checker.write_text(f"#!/bin/sh\necho '{words}'\nexit {status}\n")
        self.checker.chmod(0o755)

    def run(self, script: str, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        places: Mapping[str, str] = {
            "PATH": os.environ["PATH"], "KIOSKWIRE_IMAGE_LIB": str(LIB),
            "KIOSKWIRE_ESP": str(self.esp), "KIOSKWIRE_DATA": str(self.data),
            "STATE_DIR": str(self.state), "KIOSKWIRE_RUN": str(self.directory / "run"),
            "KIOSKWIRE_OS_RELEASE": str(self.directory / "os-release"),
            "KIOSKWIRE_CMDLINE": str(self.directory / "cmdline"), "KIOSKWIRE_APPLIANCE": str(self.checker),
        }  # fmt: skip
        return subprocess.run(
            [LIB / script, *arguments], env={**places, **environment}, capture_output=True, text=True, timeout=60,
            check=False,
        )  # fmt: skip

    def lay(self, **files: str) -> str:
        """Files in the boot partition, taken over; returns the report."""
        for name, text in files.items():
            (self.esp / name.replace("__", ".")).write_bytes(text.encode())
        done = self.run("import", str(self.esp))
        assert done.returncode == 0, done.stderr
        report = self.esp / "kioskwire-report.txt"
        return report.read_text() if report.exists() else ""


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    return Box(tmp_path)


def variables(box: Box) -> dict[str, str]:
    said = box.run("bootenv", "show").stdout
    return dict(line.split("=", 1) for line in said.splitlines())


def test_boot_variables_are_written_over_in_place(box: Box) -> None:
    file = box.esp / "grub" / "grubenv"
    inode = file.stat().st_ino
    assert box.run("bootenv", "set", "B_TRY=xx", "machine_id=0123").returncode == 0
    assert file.stat().st_ino == inode
    text = file.read_text()
    assert len(text) == 1024
    assert text.startswith(HEAD)
    assert (variables(box)["B_TRY"], variables(box)["machine_id"], variables(box)["ORDER"]) == ("xx", "0123", "A B")
    assert (box.esp / "grub" / "grubenv.2").read_text() == text


@pytest.mark.parametrize("damage", [b"", b"\0" * 1024, b"#" * 1000])
def test_the_copy_serves_where_the_variables_are_damaged(box: Box, damage: bytes) -> None:
    (box.esp / "grub" / "grubenv").write_bytes(damage)
    assert variables(box)["A_GOOD"] == "1"
    assert box.run("bootenv", "set", "A_TRY=").returncode == 0
    assert (box.esp / "grub" / "grubenv").read_text().startswith(HEAD)


def test_too_many_variables_change_nothing(box: Box) -> None:
    before = (box.esp / "grub" / "grubenv").read_bytes()
    assert box.run("bootenv", "set", f"extra={'y' * 1100}").returncode == 1
    assert (box.esp / "grub" / "grubenv").read_bytes() == before


def test_what_rauc_asks_of_a_boot_loader(box: Box) -> None:
    assert box.run("bootchooser", "get-primary").stdout == "A\n"
    box.run("bootchooser", "set-state", "B", "bad")
    assert box.run("bootchooser", "get-state", "B").stdout == "bad\n"
    box.run("bootchooser", "set-primary", "B")
    assert box.run("bootchooser", "get-primary").stdout == "B\n"
    assert (variables(box)["ORDER"], variables(box)["B_GOOD"], variables(box)["B_TRY"]) == ("B A", "0", "")
    box.run("bootchooser", "set-state", "B", "good")
    assert variables(box)["B_GOOD"] == "1"
    assert box.run("bootchooser", "set-state", "C", "good").returncode == 2


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("1.3.9", "older"), ("1.4.0rc2", "older"), ("1.4.0", "runs already"), ("1.5.0", "did not prove"),
        ("1.4", "version"),
    ],
)  # fmt: skip
def test_what_is_not_installed(box: Box, version: str, words: str) -> None:
    (box.memory / "bad").write_text("1.5.0 it fell over\n")
    bundle = box.directory / "bundle"
    bundle.mkdir()
    (bundle / "version").write_text(f"{version}\n")
    done = box.run("pre-install", RAUC_BUNDLE_MOUNT_POINT=str(bundle))
    assert done.returncode == 1
    assert words in done.stderr
    assert not (box.memory / "trial").exists()


def test_what_is_installed_is_on_trial_until_it_has_proved_itself(box: Box) -> None:
    bundle = box.directory / "bundle"
    bundle.mkdir()
    (bundle / "version").write_text("1.10.0\n")
    (box.memory / "good").write_text("1.4.0\n")
    assert box.run("pre-install", RAUC_BUNDLE_MOUNT_POINT=str(bundle)).returncode == 0
    assert (box.memory / "trial").read_text() == "1.10.0 B\n"
    box.running("1.10.0")
    assert box.run("judge").returncode == 0
    (bundle / "version").write_text("1.11.0\n")
    refused = box.run("pre-install", RAUC_BUNDLE_MOUNT_POINT=str(bundle))
    assert (refused.returncode, "has yet to prove itself" in refused.stderr) == (1, True)


def test_a_system_that_was_given_up_is_remembered(box: Box) -> None:
    (box.memory / "good").write_text("1.4.0\n")
    (box.memory / "trial").write_text("1.5.0 B\n")
    box.run("bootenv", "set", "B_TRY=xxx", "B_GOOD=0")
    box.run("judge")
    assert (box.memory / "bad").read_text() == "1.5.0 did not start\n"
    assert not (box.memory / "trial").exists()
    assert variables(box)["B_OK"] == "0"


def test_an_installation_cut_short_is_no_failure(box: Box) -> None:
    (box.memory / "good").write_text("1.4.0\n")
    (box.memory / "trial").write_text("1.5.0 B\n")
    box.run("bootenv", "set", "B_OK=0", "B_TRY=", "B_GOOD=0")
    box.run("judge")
    assert not (box.memory / "bad").exists()
    assert not (box.memory / "trial").exists()


def test_settings_are_taken_over_without_leaving_secrets_behind(box: Box) -> None:
    box.answers(0)
    report = box.lay(
        kioskwire__env="\ufeffWS_SERVER_URL=wss://hub.example.com/ws\r\nENROLL_CODE=ABCD-2345\r\nLOG_LEVEL=DEBUG\r\n",
        authorized_keys="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ7Q0bL0Gq2n3E2Jm1l5r3y8v0oQ8xkq8m7gq0s1m2n3 someone\n",
    )
    assert "kioskwire.env: was taken over" in report
    assert (box.data / "settings" / "appliance.env").read_text() == "LOG_LEVEL=DEBUG\n"
    enrol = box.state / "enroll.env"
    assert enrol.read_text() == "WS_SERVER_URL=wss://hub.example.com/ws\nENROLL_CODE=ABCD-2345\n"
    assert enrol.stat().st_mode & 0o777 == 0o600
    assert not (box.esp / "kioskwire.env").exists()
    assert "ABCD" not in (box.esp / "kioskwire.env.taken").read_text()


def test_wrong_settings_stay_where_they_are_and_are_told(box: Box) -> None:
    box.answers(2, "LOG_LEVEL: is LOUD; right would be INFO")
    report = box.lay(kioskwire__env="LOG_LEVEL=LOUD\n")
    assert "LOG_LEVEL: is LOUD; right would be INFO" in report
    assert (box.esp / "kioskwire.env").read_text() == "LOG_LEVEL=LOUD\n"
    assert not (box.data / "settings" / "appliance.env").exists()


def test_a_code_needs_a_hub(box: Box) -> None:
    assert "WS_SERVER_URL" in box.lay(kioskwire__env="ENROLL_CODE=ABCD-2345\n")
    assert not (box.state / "enroll.env").exists()


def test_wifi_and_lte(box: Box) -> None:
    report = box.lay(
        wifi__txt='SSID=Кафе "Юг"; 2\nPASSWORD=\\ back slash \n', lte__txt="APN=internet\nPIN=0000\nUSER=kiosk\n"
    )
    assert "wifi.txt: was taken over." in report
    wifi = (box.data / "network" / "wifi.nmconnection").read_text().splitlines()
    octets = ";".join(str(octet) for octet in 'Кафе "Юг"; 2'.encode()) + ";"
    assert f"ssid={octets}" in wifi
    assert r"psk=\\ back slash" in wifi
    assert (box.data / "network" / "wifi.nmconnection").stat().st_mode & 0o777 == 0o600
    lte = (box.data / "network" / "lte.nmconnection").read_text().splitlines()
    assert {"apn=internet", "pin=0000", "username=kiosk"} <= set(lte)
    assert "slash" not in (box.esp / "wifi.txt.taken").read_text()


def test_where_newer_systems_are_looked_for(box: Box) -> None:
    assert "WINDOW is '2-5'" in box.lay(image__txt="URL=https://hub.example.com/images/latest.txt\nWINDOW=2-5\n")
    assert not (box.data / "settings" / "image.env").exists()
    box.lay(image__txt="URL=https://hub.example.com/images/latest.txt\nWINDOW=22:00-05:00\n")
    settings = (box.data / "settings" / "image.env").read_text()
    assert settings == "URL=https://hub.example.com/images/latest.txt\nWINDOW=22:00-05:00\n"


def test_every_mistake_of_wifi_and_lte_at_once(box: Box) -> None:
    report = box.lay(wifi__txt="SSID=\nPASSWORD=short\nSECRET=x\nnonsense\n", lte__txt="APN=a b\nPIN=12\n")
    for words in ("line 3: SECRET is not known", "line 4 cannot be understood", "APN is 'a b'", "PIN is not 4 to 8"):
        assert words in report
    assert not list((box.data / "network").iterdir())
    assert (box.esp / "wifi.txt").exists()


def test_a_stick_is_read_only_while_the_kiosk_is_nobodys(box: Box) -> None:
    box.answers(0)
    stick = box.directory / "stick"
    stick.mkdir()
    (stick / "kioskwire.env").write_text("WS_SERVER_URL=wss://hub.example.com/ws\nENROLL_CODE=ABCD-2345\n")
    (stick / "authorized_keys").write_text("ssh-ed25519 AAAA\n")
    (box.state / "identity.json").write_text("{}")
    box.run("import", str(stick), "--stick")
    assert not (box.state / "enroll.env").exists()
    (box.state / "identity.json").unlink()
    box.run("import", str(stick), "--stick", PATH=f"{box.directory / 'bin'}:/usr/bin:/bin")
    assert (box.state / "enroll.env").exists()
    assert (stick / "kioskwire.env").exists(), "a stick is only read"
    assert not (box.data / "ssh" / "authorized_keys").exists(), "a stick opens no door"


def test_huge_files_and_links_are_not_read(box: Box) -> None:
    box.answers(0)
    (box.esp / "lte.txt").symlink_to("/etc/passwd")
    assert "larger than" in box.lay(wifi__txt="SSID=x\n" * 60000)
    assert not list((box.data / "network").iterdir())


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_the_scripts_are_clean() -> None:
    image = TREE / "packaging" / "image"
    scripts = [path for path in LIB.iterdir() if path.read_bytes().startswith(b"#")]
    scripts += [image / "system/usr/bin/kioskwire-image", image / "initramfs-hook", *image.glob("*.sh")]
    done = subprocess.run(
        ["shellcheck", "-x", "-P", LIB, *scripts], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout
