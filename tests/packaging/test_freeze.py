"""What decides what goes into a frozen program, without freezing one."""

import ast
import re
import runpy
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

TREE = Path(__file__).parents[2]
contents = runpy.run_path(str(TREE / "packaging" / "freeze" / "contents.py"))
pack = runpy.run_path(str(TREE / "packaging" / "freeze" / "pack.py"))["pack"]


def told_by_spec(call: str) -> tuple[list[str], dict[str, str]]:
    """EXCLUDED and the excuses of `build.spec`."""
    spec = ast.parse((TREE / "build.spec").read_text())
    (excluded,) = (
        node.value for node in spec.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "EXCLUDED"
    )  # fmt: skip
    (excused,) = (
        node.args[2] for node in ast.walk(spec)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == call
    )  # fmt: skip
    return ast.literal_eval(excluded), ast.literal_eval(excused)


def test_nothing_of_ours_imports_what_is_left_out() -> None:
    contents["check_imports"](TREE, *told_by_spec("check_imports"))


def test_an_import_of_what_is_left_out_stops_the_build(tmp_path: Path) -> None:
    for package in ("appliance", "hardware", "wire"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / "appliance" / "new.py").write_text("def f():\n    from ctypes.util import find_library\n")
    (tmp_path / "wire" / "fine.py").write_text("import ctypeslike\n")
    with pytest.raises(SystemExit, match=r"appliance\.new imports ctypes\.util, which build\.spec leaves out"):
        contents["check_imports"](tmp_path, ["ctypes"], {})
    contents["check_imports"](tmp_path, ["ctypes"], {"appliance.new": "ctypes"})


def test_every_module_is_named() -> None:
    named = contents["modules"](TREE, *contents["OURS"])
    assert {"appliance", "appliance.app", "hardware.ccnet.simulator", "wire.session"} <= set(named)
    assert named == sorted(named)


def test_asserts_stay_and_docstrings_go() -> None:
    tree = ast.parse('"""M."""\ndef f(x):\n    """D."""\n    assert x, "why"\n    return x\nclass C:\n    """D."""\n')
    contents["drop_docstrings"](tree)
    made: dict[str, object] = {}
    exec(compile(tree, "made", "exec", optimize=0), made)
    function = made["f"]
    assert callable(function)
    assert (function.__doc__, made["C"].__doc__) == (None, None)
    with pytest.raises(AssertionError, match="why"):
        function(0)


def test_a_packed_folder_is_the_same_whenever_it_was_made(tmp_path: Path) -> None:
    archives = []
    for place, mode in (("one", 0o700), ("two", 0o755)):
        folder = tmp_path / place / "program"
        (folder / "_internal").mkdir(parents=True)
        for name in ("z", "a") if place == "one" else ("a", "z"):
            (folder / "_internal" / name).write_text(name)
        (folder / "program").write_text("#!/bin/sh\n")
        (folder / "program").chmod(mode)
        pack(folder, tmp_path / f"{place}.tar.xz")
        archives.append((tmp_path / f"{place}.tar.xz").read_bytes())
    assert archives[0] == archives[1]
    with tarfile.open(tmp_path / "one.tar.xz") as archive:
        assert archive.getnames() == ["program", "program/_internal", "program/_internal/a", "program/_internal/z",
                                      "program/program"]  # fmt: skip
        assert (archive.getmember("program/program").mode, archive.getmember("program/_internal/a").mode) == (
            0o755, 0o644,
        )  # fmt: skip


def test_a_link_out_of_the_folder_is_not_packed(tmp_path: Path) -> None:
    (tmp_path / "program").mkdir()
    (tmp_path / "program" / "out").symlink_to("/etc/passwd")
    with pytest.raises(ValueError, match="leads out of the folder"):
        pack(tmp_path / "program", tmp_path / "made.tar.xz")


def test_what_freezes_is_pinned() -> None:
    told = subprocess.run(
        [sys.executable, "packaging/freeze/requirements.py"], cwd=TREE, check=True, capture_output=True, text=True,
        timeout=60,
    ).stdout.split("\n")  # fmt: skip
    pins = (TREE / "packaging" / "constraints.txt").read_text().splitlines()
    pinned = {plain(line) for line in pins if "==" in line}
    wanted = {plain(line) for line in told if line}
    assert "pyinstaller" in wanted
    assert wanted - pinned == set()


def plain(requirement: str) -> str:
    """A requirement's name as all write it the same."""
    return re.split(r"[ \[<>=]", requirement)[0].lower().replace("_", "-")
