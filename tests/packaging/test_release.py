"""What is published is whole, named, described, and the same each time."""

import json
from pathlib import Path

import pytest

from tests.packaging.test_signing import load, run

sbom, collect, join, sign = load("sbom"), load("collect"), load("join"), load("sign")


def test_debian_packages_are_read_from_either_list() -> None:
    status = (
        "Package: base-files\nStatus: install ok installed\nVersion: 12.4+deb12u1\nDescription: a: b\n more: text\n\n"
        "Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\nPackage: tzdata\n"
        "Status: install ok installed\nVersion: 1:2024a-0~x\n"
    )
    for text in (status, "base-files 12.4+deb12u1\ntzdata:all 1:2024a-0~x\n\n"):
        found = {one["name"]: one["purl"] for one in sbom.packages(text)}
        assert found == {
            "base-files": "pkg:deb/debian/base-files@12.4%2Bdeb12u1?arch=amd64",
            "tzdata": "pkg:deb/debian/tzdata@1%3A2024a-0~x?arch=amd64",
        }


def test_the_list_of_what_is_inside_is_the_same_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    parts = [sbom.debian("b", "2"), sbom.debian("a", "1"), sbom.debian("b", "2")]
    first = sbom.document("kioskwire-appliance", "1.0.0", parts, "abc")
    assert first == sbom.document("kioskwire-appliance", "1.0.0", reversed(parts), "abc")
    assert [one["name"] for one in first["components"]] == ["a", "b"]
    assert first["dependencies"][0]["dependsOn"] == [one["bom-ref"] for one in first["components"]]
    other = sbom.document("kioskwire-appliance", "1.0.1", parts, "abc")
    assert other["serialNumber"] != first["serialNumber"]


def test_libraries_are_found_by_the_modules_in_the_program(tmp_path: Path) -> None:
    (tmp_path / "_cffi_backend.cpython-311-x86_64-linux-gnu.so").touch()
    (tmp_path / "libnobodys.so.1").write_bytes(b"x")
    found = {one["name"] for one in sbom.libraries({"msgspec", "wire", "json", "appliance"}, tmp_path)}
    assert found == {"msgspec", "cffi"}
    assert [one["type"] for one in sbom.shared_libraries(tmp_path)] == ["file"]


def test_a_release_without_what_it_must_have_is_none(tmp_path: Path) -> None:
    with pytest.raises(collect.NotReady) as refused:
        collect.choose(tmp_path)
    assert [line.rpartition(": ")[2] for line in str(refused.value).splitlines()] == [
        "make wheel",
        "make pack",
        "make binary",
    ]
    for name in collect._NEEDED:
        (tmp_path / collect._MADE_AS.get(name, name)).write_text("#!/bin/sh\necho kioskwire-appliance 0.0.9\n")
    program = tmp_path / "kioskwire-appliance"
    program.chmod(0o755)
    with pytest.raises(collect.NotReady, match=r"says .* 0.0.9"):
        collect.choose(tmp_path)
    program.write_text(f"#!/bin/sh\necho {collect.VERSION}\n")
    assert set(collect.choose(tmp_path)) == set(collect._NEEDED)


def release(directory: Path) -> Path:
    """A folder to be published."""
    directory.mkdir()
    (directory / "program").write_bytes(b"program")
    bom = sbom.document("kioskwire-appliance", "1.0.0", [sbom.debian("a", "1")])
    (directory / "kioskwire-1.0.0.cdx.json").write_text(json.dumps(bom))
    (directory / "SHA256SUMS").write_text(collect.checksums(directory))
    return directory


def test_only_what_the_checksums_name_is_signed(tmp_path: Path) -> None:
    folder = release(tmp_path / "release")
    key = tmp_path / "k"
    key.write_text(load("keys").make().secret_file())
    signed = run("sign", "--release", folder, MINISIGN_KEY=str(key))
    assert signed.returncode == 0, signed.stderr
    names = {path.name for path in folder.iterdir()}
    assert {"program.minisig", "SHA256SUMS.minisig", "kioskwire-1.0.0.cdx.json.minisig", "release.pub"} <= names
    (folder / "stowaway").touch()
    assert "does not name stowaway" in run("sign", "--release", folder, MINISIGN_KEY=str(key)).stderr
    (folder / "stowaway").unlink()
    (folder / "program").write_bytes(b"another")
    assert "program is not what SHA256SUMS says" in run("sign", "--release", folder, MINISIGN_KEY=str(key)).stderr


def test_an_image_joins_what_was_built_before(tmp_path: Path) -> None:
    folder, image = release(tmp_path / "release"), tmp_path / "image"
    image.mkdir()
    (image / "kioskwire-1.0.0.raucb").write_bytes(b"bundle")
    (image / "kioskwire-appliance-1.0.0.packages.txt").write_text("bash 5.2\n")
    join.join(folder, image)
    assert {path.name for path in sign.summed(folder)} == {
        "program",
        "kioskwire-1.0.0.cdx.json",
        "kioskwire-1.0.0.raucb",
        "kioskwire-appliance-1.0.0.packages.txt",
    }
    bom = json.loads((folder / "kioskwire-1.0.0.cdx.json").read_text())
    assert [one["name"] for one in bom["components"]] == ["a", "bash"]
    with pytest.raises(ValueError, match="already"):
        join.join(folder, image)
