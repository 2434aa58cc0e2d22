"""What we sign the real minisign accepts, and what it makes we read; a channel's manifest only ever grows."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from nacl.exceptions import BadSignatureError

from wire.release import read_manifest

RELEASE = Path(__file__).parents[2] / "packaging" / "release"
MINISIGN = shutil.which("minisign")

needs_minisign = pytest.mark.skipif(MINISIGN is None, reason="minisign is not installed: apt-get install minisign")


def load(name: str) -> ModuleType:
    """A script of packaging/release, which is no package."""
    sys.path.insert(0, str(RELEASE))
    try:
        found = importlib.util.spec_from_file_location(name, RELEASE / f"{name}.py")
        assert found is not None
        assert found.loader is not None
        module = sys.modules[name] = importlib.util.module_from_spec(found)
        found.loader.exec_module(module)
    finally:
        sys.path.remove(str(RELEASE))
    return module


keys, sign, manifest = load("keys"), load("sign"), load("manifest")


def run(script: str, *arguments: object, **environ: str) -> subprocess.CompletedProcess[str]:
    """A script as one types it."""
    given = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **environ}
    command = [sys.executable, str(RELEASE / f"{script}.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=given, check=False)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A release key's file."""
    path = tmp_path / "keys" / "release.key"
    path.parent.mkdir()
    path.write_text(keys.make().secret_file())
    return path


@needs_minisign
def test_minisign_accepts_what_we_sign_and_nothing_that_was_changed(tmp_path: Path) -> None:
    made = run("sign", "--make", tmp_path / "our.key")
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "our.key").stat().st_mode & 0o777 == 0o600
    secret = (tmp_path / "our.key").read_text().split()[-1]
    assert secret not in made.stdout + made.stderr
    path = tmp_path / "release.tar.xz"
    path.write_bytes(os.urandom(3_000_000))
    signed = run("sign", path, MINISIGN_KEY=str(tmp_path / "our.key"), SOURCE_DATE_EPOCH="1767225600")
    assert (signed.returncode, signed.stderr) == (0, "")
    check = [str(MINISIGN), "-V", "-H", "-p", tmp_path / "our.pub", "-m", path]
    good = subprocess.run(check, capture_output=True, text=True, timeout=120, check=True)
    assert "timestamp:1767225600\tfile:release.tar.xz\thashed" in good.stdout
    signature = (tmp_path / "release.tar.xz.minisig").read_text()
    (tmp_path / "release.tar.xz.minisig").write_text(signature.replace("release.tar.xz", "another.tar.xz"))
    assert subprocess.run(check, capture_output=True, timeout=120, check=False).returncode != 0
    (tmp_path / "release.tar.xz.minisig").write_text(signature)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert subprocess.run(check, capture_output=True, timeout=120, check=False).returncode != 0


@needs_minisign
def test_a_key_that_minisign_made_is_read(tmp_path: Path) -> None:
    make = [str(MINISIGN), "-G", "-W", "-p", tmp_path / "m.pub", "-s", tmp_path / "m.key"]
    subprocess.run(make, capture_output=True, timeout=120, check=True)
    text = (tmp_path / "m.key").read_text()
    key = keys.read(text)
    assert (tmp_path / "m.pub").read_text().split()[-1] == key.public_text()
    assert key.shown() in (tmp_path / "m.pub").read_text()
    assert keys.read(text.splitlines()[1]) == key  # a secret of a build has one line, perhaps
    # And minisign signs with one of ours.
    (tmp_path / "our.key").write_text(key.secret_file())
    subprocess.run(
        [str(MINISIGN), "-S", "-s", tmp_path / "our.key", "-m", tmp_path / "m.pub"],
        capture_output=True, timeout=120, check=True,
    )  # fmt: skip
    check = [str(MINISIGN), "-V", "-p", tmp_path / "m.pub", "-m", tmp_path / "m.pub"]
    subprocess.run(check, capture_output=True, timeout=120, check=True)


def test_a_key_with_a_password_is_read_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = keys.make()
    plain = keys.base64.b64decode(key.secret_file().split()[-1])
    salt, limits = b"s" * 32, {"opslimit": 2**15, "memlimit": 2**24}  # the least; minisign's own takes a GiB
    stream = keys.scrypt.kdf(104, b"open sesame", salt, **limits)
    head = b"EdScB2" + salt + b"".join(limits[name].to_bytes(8, "little") for name in ("opslimit", "memlimit"))
    body = bytes(a ^ b for a, b in zip(plain[54:], stream, strict=True))
    text = keys.base64.b64encode(head + body).decode()
    assert keys.read(text, "open sesame") == key
    for password, words in ((None, "MINISIGN_PASSWORD"), ("sesame", "the password is wrong")):
        with pytest.raises(keys.KeyRefused, match=words):
            keys.read(text, password)
    (tmp_path / "k").write_text(text)
    monkeypatch.setenv("MINISIGN_PASSWORD", "open sesame")
    assert keys.find(str(tmp_path / "k")) == (key, False)


@pytest.mark.parametrize(
    "text", ["", "x", "untrusted comment: a\n!!", "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"]
)
def test_what_is_no_key_is_refused_without_quoting_it(text: str) -> None:
    with pytest.raises(keys.KeyRefused) as refused:
        keys.read(text)
    assert not text or text not in str(refused.value)


def test_a_damaged_key_signs_nothing() -> None:
    raw = bytearray(keys.base64.b64decode(keys.make().secret_file().split()[-1]))
    raw[80] ^= 1
    with pytest.raises(keys.KeyRefused, match="damaged"):
        keys.read(keys.base64.b64encode(bytes(raw)).decode())


def test_a_secret_of_the_build_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    key = keys.make()
    monkeypatch.delenv("MINISIGN_KEY", raising=False)
    monkeypatch.setenv("RELEASE_KEY", key.secret_file())
    assert keys.find() == (key, False)
    assert "SigningKey" not in repr(key)


def put(directory: Path, key: Path, *arguments: object) -> tuple[int, str]:
    """manifest.py for channel stable; exit status and words."""
    done = run("manifest", directory, "--channel", "stable", *arguments, MINISIGN_KEY=str(key))
    return done.returncode, done.stdout + done.stderr


def release(tmp_path: Path, version: str, content: bytes = b"content") -> Path:
    """A file as it is released."""
    path = tmp_path / f"kioskwire-appliance-{version}-linux-x86_64.tar.xz"
    path.write_bytes(content)
    return path


def test_a_channel_grows_and_what_was_released_stays_as_it_is(tmp_path: Path, key: Path) -> None:
    channel = tmp_path / "updates" / "stable"
    assert put(channel, key, "--add", release(tmp_path, "1.0.0")) == (0, "stable: serial 1, offers 1.0.0\n")
    assert put(channel, key, "--add", release(tmp_path, "1.0.1"))[1] == "stable: serial 2, offers 1.0.0, 1.0.1\n"
    before = {path.name: path.read_bytes() for path in channel.iterdir()}
    assert set(before) == {
        "manifest.json",
        "manifest.json.minisig",
        *(f"kioskwire-appliance-1.0.{n}-linux-x86_64.tar.xz{end}" for n in (0, 1) for end in ("", ".minisig")),
    }
    for arguments, words in (
        (["--add", release(tmp_path, "1.0.1", b"other")], "with other bytes"),
        (["--add", release(tmp_path, "0.9.9")], "older than 1.0.1"),
        (["--add", release(tmp_path, "1.0.1rc1")], "older than 1.0.1"),
        (["--add", release(tmp_path, "1.0.x")], "neither version nor target"),
        (["--add", release(tmp_path, "1.0.0.1")], "a version is MAJOR.MINOR.PATCH"),
        (["--withdraw", "3.0.0"], "3.0.0 is not there"),
        (["--add", tmp_path / "nowhere-1.0.5.tar.xz", "--version", "1.0.5", "--target", "x"], "No such file"),
    ):
        status, output = put(channel, key, *arguments)
        assert (status, words in output) == (1, True), output
    assert put(channel, key, "--add", release(tmp_path, "1.0.1"))[1].endswith("is in stable already\n")
    assert {path.name for path in channel.iterdir()} == set(before)
    assert (channel / "manifest.json").read_bytes() == before["manifest.json"]
    assert put(channel, key, "--add", release(tmp_path, "0.9.9"), "--older")[0] == 0
    assert put(channel, key, "--withdraw", "1.0.1")[1] == "stable: serial 4, offers 0.9.9, 1.0.0\n"
    found = read_manifest((channel / "manifest.json").read_bytes())
    assert (found.serial, [one.version for one in found.releases]) == (4, ["0.9.9", "1.0.0"])
    other = run("manifest", channel, "--channel", "beta", "--withdraw", "1.0.0", MINISIGN_KEY=str(key))
    assert "is of channel stable, not beta" in other.stderr


def test_the_manifest_and_its_files_are_signed(tmp_path: Path, key: Path) -> None:
    channel = tmp_path / "stable"
    assert put(channel, key, "--add", release(tmp_path, "1.0.0"))[0] == 0
    secret = keys.read(key.read_text())
    for path in channel.iterdir():
        if path.suffix == ".minisig":
            continue
        _, line, trusted, _ = (channel / f"{path.name}.minisig").read_text().splitlines()
        raw = keys.base64.b64decode(line)
        assert (raw[:2], raw[2:10]) == (b"ED", secret.number)
        digest = sign.hashlib.blake2b(path.read_bytes()).digest()
        assert secret.secret.verify_key.verify(digest, raw[10:]) == digest
        with pytest.raises(BadSignatureError):
            secret.secret.verify_key.verify(digest[::-1], raw[10:])
        assert f"file:{path.name}\t" in trusted


def test_a_manifest_has_only_the_newest() -> None:
    old: Any = None
    for n in range(60):
        release = manifest.Release(version=f"1.0.{n}", target="x", file=f"f{n}", size=1, sha256="0" * 64)
        old = manifest.added(old, "stable", release)
    assert (old.serial, len(old.releases), old.releases[0].version) == (60, 50, "1.0.10")
    assert json.loads(manifest.msgspec.json.encode(old))["serial"] == 60
