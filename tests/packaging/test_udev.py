"""Names for sockets, and the rules as far as they can be read without udev; the manual names every command."""

import re
import subprocess
from pathlib import Path

import pytest

from appliance.__main__ import _parser

TREE = Path(__file__).resolve().parents[2]
RULES = sorted((TREE / "packaging/udev").glob("*.rules"))
KEYS = re.compile(
    r"(?:ACTION|SUBSYSTEMS?|KERNEL|DRIVER|GOTO|LABEL|GROUP|MODE|SYMLINK|PROGRAM|TEST"
    r"|ENV\{[\w.]+\}|ATTRS?\{[\w/]+\}|IMPORT\{builtin\})(?:==|!=|\+=|=)\"[^\"]*\""
)


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.name)
def test_rules_are_written_as_udev_reads_them(path: Path) -> None:
    text = path.read_text().replace("\\\n", "")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    for line in lines:
        for word in re.split(r",\s*(?=[A-Z])", line.strip()):
            assert KEYS.fullmatch(word), word
    labels = re.findall(r'LABEL="(\w+)"', text)
    assert set(re.findall(r'GOTO="(\w+)"', text)) <= set(labels)
    assert len(labels) == len(set(labels))


def test_rules_come_when_what_they_look_at_is_known() -> None:
    """Paths and numbers are found out by 60-serial.rules; ModemManager chooses its candidates in its rules 77 to 80."""
    assert [path.name for path in RULES] == ["61-kioskwire.rules", "77-kioskwire-mm.rules"]
    assert RULES[0].name > "60-serial.rules"
    assert RULES[1].name < "80-mm-candidate.rules"


@pytest.mark.parametrize("vendor", ["12d1", "19d2", "2c7c", "1e0e", "1199", "1bc7", "05c6", "2cb7"])
def test_modems_are_left_to_modem_manager(vendor: str) -> None:
    """Huawei, ZTE, Quectel, SIMCom, Sierra, Telit, Qualcomm, Fibocom."""
    assert vendor not in RULES[1].read_text()


class Sockets:
    """The command, with a file of its own."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def call(self, *arguments: str) -> tuple[int, str]:
        """Status and words."""
        done = subprocess.run(
            [TREE / "packaging/udev/kioskwire-sockets", *arguments], check=False, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=60,
            env={"PATH": "/usr/bin:/bin", "KIOSKWIRE_SOCKETS": str(self.file)},
        )  # fmt: skip
        return done.returncode, done.stdout.strip()


def test_a_socket_has_the_name_that_stands_in_the_file(tmp_path: Path) -> None:
    sockets = Sockets(tmp_path / "kioskwire" / "sockets")
    assert sockets.call("of", "pci-1")[0] == 1
    sockets.file.parent.mkdir()
    sockets.file.write_text("# wired 2026\nbills pci-1\nBad pci-2\ncoins pci-3 and more\n\nhopper pci-4\n")
    assert sockets.call("of", "pci-1") == (0, "bills")
    assert sockets.call("of", "pci-4") == (0, "hopper")
    assert [sockets.call("of", path)[0] for path in ("pci-2", "pci-3", "pci-5")] == [1, 1, 1]
    status, words = sockets.call()
    assert status == 0
    assert "bills: nothing is plugged in (pci-1)" in words
    assert "not understood: coins pci-3 and more" in words
    assert sockets.call("forget", "bills") == (0, "")
    assert sockets.file.read_text() == "# wired 2026\nBad pci-2\ncoins pci-3 and more\n\nhopper pci-4\n"


@pytest.mark.parametrize("name", ["Bills", "a b", "", "-x", "com1", "serial-1", "../x", "ящик"])
def test_a_name_is_one_word_that_no_other_name_can_be(tmp_path: Path, name: str) -> None:
    status, words = Sockets(tmp_path / "sockets").call("name", name, "/dev/null")
    assert (status, "right would be" in words) == (1, True)
    assert not (tmp_path / "sockets").exists()


def test_the_manual_names_every_command() -> None:
    """But `run` what a person types."""
    (commands,) = (action.choices for action in _parser()._actions if action.dest == "command")  # type: ignore[union-attr]
    told = re.findall(r"(?m)^\.TP\n\.B ([a-z-]+)$", (TREE / "packaging/deb/kioskwire-appliance.8").read_text())
    assert sorted(told) == sorted(commands)
