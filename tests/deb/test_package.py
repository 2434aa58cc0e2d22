"""What people do to a package, in a Debian that is not booted; and that two builds of it are alike."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.deb.conftest import NEW, OLD, TREE, call, pack
from tests.deb.machine import Machine, Refused

SETTINGS = "/etc/kioskwire/appliance.env"
WHICH = ("/usr/lib/kioskwire/kioskwire-launch", "which")


def test_two_builds_are_byte_identical(
    packages: dict[str, Path], archives: dict[str, Path], programs: dict[str, Path], tmp_path: Path
) -> None:
    pack("build.py", programs[NEW], tmp_path)
    pack("archive.py", programs[NEW], tmp_path)
    for one in (packages[NEW], archives[NEW]):
        assert one.read_bytes() == (tmp_path / one.name).read_bytes(), one.name


def test_lintian_finds_no_error(packages: dict[str, Path]) -> None:
    call(["lintian", "--allow-root", "--fail-on", "error", packages[NEW]])


def test_installed_upgraded_removed_and_purged(machine: Machine, packages: dict[str, Path]) -> None:
    machine.install(packages[OLD])
    assert machine.run("kioskwire-appliance", "--version").strip() == f"kioskwire-appliance {OLD}"
    assert machine.run("systemctl", "is-enabled", "kioskwire-appliance.service").strip() == "enabled"
    assert "dialout" in machine.run("id", "--groups", "--name", "kioskwire").split()
    stat = machine.run("stat", "--format=%U:%G %a %n", SETTINGS, "/etc/kioskwire", "/var/lib/kioskwire")
    assert stat.splitlines() == [
        f"root:kioskwire 640 {SETTINGS}",
        "root:kioskwire 750 /etc/kioskwire",
        "kioskwire:kioskwire 700 /var/lib/kioskwire",
    ]
    owned = machine.run("find", "/usr/lib/kioskwire", "!", "-user", "root", "-o", "-perm", "/022", "!", "-type", "l")
    assert owned == ""

    machine.shell(f"echo LOG_LEVEL=DEBUG >> {SETTINGS}; echo journal > /var/lib/kioskwire/journal.db")
    machine.install(packages[NEW])
    assert machine.run(*WHICH).split() == [NEW, f"/usr/lib/kioskwire/appliance/{NEW}"]
    assert (machine.root / SETTINGS[1:]).read_text().endswith("LOG_LEVEL=DEBUG\n")
    assert "LOG_LEVEL=DEBUG" in machine.run("kioskwire-appliance", "check-config")

    machine.run("dpkg", "--remove", "kioskwire-appliance")
    assert not (machine.root / "usr/lib/kioskwire").exists()
    assert (machine.root / SETTINGS[1:]).read_text().endswith("LOG_LEVEL=DEBUG\n")
    assert (machine.root / "var/lib/kioskwire/journal.db").exists()

    machine.install(packages[NEW])  # again, with the settings of before
    assert machine.run(*WHICH).split()[0] == NEW
    assert (machine.root / SETTINGS[1:]).read_text().endswith("LOG_LEVEL=DEBUG\n")

    machine.shell("echo bills pci-1 > /etc/kioskwire/sockets; echo {} > /var/lib/kioskwire/identity.json")
    said = machine.run("dpkg", "--purge", "kioskwire-appliance")
    assert "kept: the journal in /var/lib/kioskwire" in said
    assert [path.name for path in (machine.root / "var/lib/kioskwire").iterdir()] == ["journal.db"]
    left = machine.shell(
        "find / -xdev -name '*kioskwire*' -not -path '/proc/*' -not -path '/srv/*' -not -path '/sys/*'"
    )
    assert [line for line in left.splitlines() if not line.startswith("/var/lib/kioskwire")] == []


def test_a_purge_leaves_nothing_where_nothing_was_done(machine: Machine, packages: dict[str, Path]) -> None:
    machine.install(packages[OLD])
    said = machine.run("dpkg", "--purge", "kioskwire-appliance")
    assert "kept" not in said
    assert not (machine.root / "var/lib/kioskwire").exists()
    assert not (machine.root / "etc/kioskwire").exists()


def test_a_conffile_that_both_sides_changed_stays_the_administrators(
    machine: Machine, packages: dict[str, Path], tmp_path: Path
) -> None:
    """A package of another day brings another example."""
    changed = tmp_path / "changed"
    call(["dpkg-deb", "--raw-extract", packages[NEW], changed])
    example = changed / SETTINGS[1:]
    example.write_text(example.read_text() + "# a new sentence\n")
    call(["dpkg-deb", "--build", "-Zgzip", "-z1", changed, tmp_path / "changed.deb"])
    machine.install(packages[OLD])
    machine.shell(f"echo LOG_LEVEL=DEBUG >> {SETTINGS}")
    machine.install(tmp_path / "changed.deb")
    assert (machine.root / SETTINGS[1:]).read_text().endswith("LOG_LEVEL=DEBUG\n")
    assert (machine.root / f"{SETTINGS[1:]}.dpkg-dist").read_text().endswith("# a new sentence\n")


def test_a_downgrade_is_taken_unless_the_journal_forbids_it(machine: Machine, packages: dict[str, Path]) -> None:
    machine.install(packages[NEW])
    machine.install(packages[OLD])
    assert machine.run(*WHICH).split()[0] == OLD
    machine.install(packages[NEW])
    machine.shell(f"mkdir -p /var/lib/kioskwire/updates; echo {NEW} > /var/lib/kioskwire/updates/floor")
    with pytest.raises(Refused, match=rf"can be read from version {re.escape(NEW)} on"):
        machine.install(packages[OLD])
    assert machine.run(*WHICH).split()[0] == NEW
    machine.run("dpkg", "--configure", "--pending")
    assert machine.run("dpkg-query", "--show", "--showformat", "${Status} ${Version}", "kioskwire-appliance") == (
        f"install ok installed {NEW}"
    )


def test_power_that_fails_between_unpacking_and_configuring(machine: Machine, packages: dict[str, Path]) -> None:
    """The old version can still be started; and the upgrade is ended later."""
    machine.install(packages[OLD])
    machine.run("dpkg", "--unpack", machine.bring(packages[NEW]))
    assert machine.run(*WHICH).split()[0] == OLD
    assert machine.run("kioskwire-appliance", "--version").strip() == f"kioskwire-appliance {OLD}"
    machine.run("dpkg", "--configure", "--pending")
    assert machine.run(*WHICH).split()[0] == NEW


def test_every_script_passes_shellcheck() -> None:
    scripts = [
        TREE / "packaging/install.sh", TREE / "packaging/deb/kioskwire-versions", TREE / "packaging/deb/prepare.sh",
        TREE / "packaging/udev/kioskwire-sockets", TREE / "systemd/kioskwire-backoff",
        *(TREE / "packaging/deb/debian").glob("*inst"), *(TREE / "packaging/deb/debian").glob("*rm"),
    ]  # fmt: skip
    subprocess.run(["shellcheck", *scripts], check=True, timeout=120)
