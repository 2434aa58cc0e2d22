"""What browsers load of other people's is pinned, by hash, and comes from wherever npm is told to ask."""

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pytest

TREE = Path(__file__).parents[2]
HERE = TREE / "packaging" / "assets"
PACKAGE = json.loads((HERE / "package.json").read_text())
LOCK = json.loads((HERE / "package-lock.json").read_text())


def got() -> ModuleType:
    """packaging/assets/get.py, which is a script."""
    spec = importlib.util.spec_from_file_location("assets_get", HERE / "get.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_library_is_one_exact_release_with_its_hash() -> None:
    wanted = {**PACKAGE["dependencies"], **PACKAGE["devDependencies"]}
    locked = {path.removeprefix("node_modules/"): each for path, each in LOCK["packages"].items() if path}
    assert {name: each["version"] for name, each in locked.items()} == wanted
    assert all(each["integrity"].startswith("sha512-") for each in locked.values())
    assert [name for name, each in locked.items() if each.get("dev")] == list(PACKAGE["devDependencies"])


def test_no_registry_is_named() -> None:
    for name in ("package.json", "package-lock.json", ".npmrc", "requirements.txt", "get.py"):
        assert (
            re.search(r"https?://|\bresolved\b(?!=)", (HERE / name).read_text().replace("-resolved=", "=")) is None
        ), name


def test_what_pages_load_is_all_that_is_handed_on() -> None:
    assert set(got().TAKEN) == set(PACKAGE["dependencies"])
    for files in got().TAKEN.values():
        assert any(name.endswith(".LICENSE") for name in files.values())


def test_nothing_is_got_again_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = got()
    monkeypatch.setattr(module, "VENDOR", tmp_path)
    monkeypatch.setattr(module, "LIST", tmp_path / "vendor.json")
    assert not module.is_there(with_dev=False)
    listed = {"of": module.of_what(), "all": [{"name": "a", "files": ["a.js"]}]}
    (tmp_path / "vendor.json").write_text(json.dumps(listed))
    assert not module.is_there(with_dev=False)
    (tmp_path / "a.js").write_text("")
    assert module.is_there(with_dev=False)
    (tmp_path / "vendor.json").write_text(json.dumps({**listed, "of": "another lock file"}))
    assert not module.is_there(with_dev=False)


def test_a_registry_that_cannot_be_reached_is_told_and_ends_an_image_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = got()

    def fail(with_dev: bool) -> None:
        raise module.NotGot("    nobody answers")

    monkeypatch.setattr(module, "get", fail)
    assert module.attempt(with_dev=False, must=False) == 0
    assert module.attempt(with_dev=False, must=True) == 1
    told = capsys.readouterr().out
    assert "nobody answers" in told
    assert "The hub runs without them" in told
