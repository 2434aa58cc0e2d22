"""What tells a machine from another with a copy of its disk."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.box import Marks, is_other, read_marks


def machine(
    root: Path, *, uuid: str = "", serial: str = "", system: str = "", cards: dict[str, str] | None = None
) -> Path:
    """Files as Linux shows them; a card is `<bus> <address> <addr_assign_type>`."""
    for path, text in (
        ("sys/class/dmi/id/product_uuid", uuid),
        ("sys/firmware/devicetree/base/serial-number", serial),
        ("etc/machine-id", system),
    ):
        if text:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
    for name, words in (cards or {}).items():
        bus, address, kind = words.split()
        card = root / "sys/class/net" / name
        device = root / "sys/devices" / bus / name
        device.mkdir(parents=True)
        card.mkdir(parents=True)
        (card / "device").symlink_to(device)
        (card / "address").write_text(address + "\n")
        (card / "addr_assign_type").write_text(kind + "\n")
    return root


@pytest.fixture
def roots(tmp_path: Path) -> Iterator[Path]:
    """Directories for as many machines as wanted."""
    return iter(tmp_path / str(n) for n in range(100))  # type: ignore[return-value]


def marks(root: Path, given: str = "", **files: object) -> Marks:
    return read_marks(given, machine(root, **files))  # type: ignore[arg-type]


def test_a_machine_without_anything_has_no_marks_and_is_no_other(tmp_path: Path) -> None:
    assert read_marks(root=tmp_path) == {}
    assert not is_other({}, {})
    assert not is_other({}, {"cards": ["x"]})
    assert not is_other({"board": ["x"]}, {"cards": ["x"]})


def test_marks_are_hashes(roots: Iterator[Path]) -> None:
    found = marks(next(roots), "till-7", uuid="4C4C-44", serial="1000\0", system="abc", cards={"eth0": "pci 02:11 0"})
    assert list(found) == ["given", "serial", "board", "cards", "system"]
    assert all(len(word) == 16 and word.isalnum() for words in found.values() for word in words)
    assert not {"till-7", "1000", "abc"} & {word for words in found.values() for word in words}


def test_a_copy_of_the_disk_in_another_machine_is_seen_by_its_hardware(roots: Iterator[Path]) -> None:
    same = {"system": "abc"}
    for one, two in (
        ({"uuid": "u1"}, {"uuid": "u2"}),
        ({"serial": "1"}, {"serial": "2"}),
        ({"cards": {"eth0": "pci 02:11 0"}}, {"cards": {"eth0": "pci 02:22 0"}}),
        # A board whose maker gave all the same number.
        ({"uuid": "u", "cards": {"eth0": "pci 02:11 0"}}, {"uuid": "u", "cards": {"eth0": "pci 02:22 0"}}),
    ):
        before, now = marks(next(roots), **one, **same), marks(next(roots), **two, **same)
        assert (is_other(before, now), is_other(before, before)) == (True, False)


def test_cards_that_come_and_go_make_no_other_machine(roots: Iterator[Path]) -> None:
    here = marks(next(roots), cards={"eth0": "pci 02:11 0", "wlan0": "pci 02:12 0"})
    assert not is_other(here, marks(next(roots), cards={"eth0": "pci 02:11 0", "eth1": "pci 02:13 0"}))
    assert not is_other(here, marks(next(roots), cards={}))


@pytest.mark.parametrize("card", ["pci/usb1 02:99 0", "virtual 02:99 0", "pci 02:99 1", "pci 02:99 3"])
def test_sticks_bridges_and_addresses_made_up_are_no_marks(roots: Iterator[Path], card: str) -> None:
    assert marks(next(roots), cards={"eth9": card}) == {}


def test_the_systems_name_counts_where_no_hardware_does(roots: Iterator[Path]) -> None:
    one, two = marks(next(roots), system="abc"), marks(next(roots), system="def")
    assert is_other(one, two)
    board = {"uuid": "u"}
    assert not is_other(marks(next(roots), system="abc", **board), marks(next(roots), system="def", **board))


def test_a_name_that_was_given_decides(roots: Iterator[Path]) -> None:
    one, two = marks(next(roots), "a", uuid="u1"), marks(next(roots), "a", uuid="u2")
    assert not is_other(one, two)
    assert is_other(one, marks(next(roots), "b", uuid="u1"))
    assert not is_other(one, marks(next(roots), uuid="u1"))
