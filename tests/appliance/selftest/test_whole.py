"""What is missing is noticed, named, and told with everything else that is missing."""

import hashlib
import sys
from pathlib import Path

import msgspec
import pytest

from appliance import trust
from appliance.selftest import whole
from appliance.selftest.command import checks, examine
from appliance.selftest.whole import Broken, Contents
from hardware import catalogue
from hardware.simulation import families


def test_this_tree_is_whole_as_far_as_loading_goes(tmp_path: Path) -> None:
    findings = [examine(name, check) for name, check in checks(whole.root(), frozen=False) if name != "operations"]
    assert [finding for finding in findings if not finding.ok] == []
    assert {"modules", "drivers", "authorities", "journal"} <= {finding.check for finding in findings}


def test_every_module_of_ours_is_listed() -> None:
    listed = whole.read_contents(whole.root(), frozen=False).modules
    assert {"hardware.ccnet.driver", "appliance.app", "appliance.gateways", "wire.session"} <= set(listed)
    assert not any(name.startswith(("cloud", "tests")) for name in listed)


def test_missing_modules_are_named_together() -> None:
    with pytest.raises(Broken, match=r"hardware\.none: ModuleNotFoundError.*; appliance\.none"):
        whole.load_modules(["wire.money", "hardware.none", "appliance.none"])


def test_a_module_whose_library_was_left_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "termios", None)
    monkeypatch.delitem(sys.modules, "hardware.simulation.wires", raising=False)
    with pytest.raises(Broken, match=r"hardware\.simulation\.wires: .*termios"):
        whole.load_modules(["hardware.simulation.wires"])


def test_a_data_file_must_be_there_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<p>")
    digest = hashlib.sha256(b"<p>").hexdigest()
    assert whole.read_data(tmp_path, {"page.html": digest}) == "1 files"
    (tmp_path / "page.html").write_text("<q>")
    with pytest.raises(Broken, match=r"page\.html: is not what it was.*; gone\.html: No such file"):
        whole.read_data(tmp_path, {"page.html": digest, "gone.html": digest})


@pytest.mark.parametrize("content", [None, b"{", b"[]", b'{"modules": 1}'])
def test_a_frozen_program_without_its_list_is_broken(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "appliance" / "selftest").mkdir(parents=True)
        (tmp_path / "appliance" / "selftest" / "contents.json").write_bytes(content)
    with pytest.raises(Broken, match="list of contents"):
        whole.read_contents(tmp_path, frozen=True)


def test_an_empty_list_is_no_proof(tmp_path: Path) -> None:
    listing = tmp_path / "appliance" / "selftest" / "contents.json"
    listing.parent.mkdir(parents=True)
    listing.write_bytes(msgspec.json.encode(Contents([])))
    name, check = next(checks(tmp_path, frozen=True))
    assert (name, examine(name, check).ok) == ("contents", False)


def test_a_driver_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = catalogue.DriverEntry("new", "none", catalogue.ReceiptPrinter, "", "a driver of tomorrow")
    monkeypatch.setattr(catalogue, "DRIVERS", {**catalogue.DRIVERS, "new": entry})
    with pytest.raises(Broken, match="driver new: ModuleNotFoundError"):
        whole.load_drivers()


def test_a_simulator_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "SIMULATORS", ("ccnet", "none"))
    monkeypatch.setattr(families, "FAMILIES", ("ccnet", "none"))
    with pytest.raises(Broken, match="simulator none"):
        whole.load_drivers()


def test_a_code_page_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole, "_CODECS", ("cp866", "cp8666"))
    with pytest.raises(Broken, match="cp8666"):
        whole.look_up_codecs()


def test_a_program_without_authorities_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust, "bundled", lambda: str(tmp_path / "none.pem"))
    assert not examine("authorities", whole.load_authorities).ok


def test_what_a_check_raises_is_a_finding() -> None:
    def burst() -> str:
        raise LookupError("half a program")

    finding = examine("burst", burst)
    assert (finding.ok, finding.words) == (False, "LookupError: half a program")
