"""Only what a channel's manifest names is given away, and only as the manifest says it is."""

import os
from pathlib import Path

import pytest

from cloud.errors import Refused
from cloud.updates import channels as module
from cloud.updates.channels import Channels
from tests.cloud.updates.channel import put

FILE = "kioskwire-appliance-1.0.1-linux-x86_64.tar.xz"


def read(channels: Channels, name: str, channel: str = "stable") -> bytes:
    file = channels.open(channel, name)
    try:
        return os.pread(file.handle, file.size, 0)
    finally:
        os.close(file.handle)


def why(channels: Channels, name: str, channel: str = "stable") -> str:
    before = set(os.listdir("/proc/self/fd"))
    with pytest.raises(Refused) as refused:
        channels.open(channel, name)
    assert set(os.listdir("/proc/self/fd")) == before  # nothing stays open
    return refused.value.detail


def test_what_the_manifest_names_is_given_and_nothing_else(tmp_path: Path) -> None:
    put(tmp_path / "updates", v1_0_1=b"one")
    (tmp_path / "updates" / "stable" / "notes.txt").write_text("not named")
    (tmp_path / "secret").write_text("outside")
    channels = Channels(str(tmp_path / "updates"))
    assert read(channels, FILE) == b"one"
    assert read(channels, f"{FILE}.minisig") == b"signature of " + FILE.encode()
    assert b'"serial":1' in read(channels, "manifest.json")
    assert read(channels, "manifest.json.minisig") == b"signature of the manifest"
    for name in ("notes.txt", "../../secret", "..", ".", "", "/etc/passwd", f"{FILE}/", f"./{FILE}", f"{FILE}\0"):
        assert why(channels, name) == "the manifest of channel stable names no such file"
    for channel in ("..", ".", "", "stable/", "../updates/stable", "Stable", "a" * 33):
        assert "a channel is 1 to 32" in why(channels, FILE, channel)
    assert why(channels, FILE, "beta") == "there is no channel beta"


def test_a_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    put(tmp_path / "updates", v1_0_1=b"one")
    put(tmp_path / "elsewhere", "beta", v1_0_1=b"one")
    (tmp_path / "updates" / "beta").symlink_to(tmp_path / "elsewhere" / "beta")
    channels = Channels(str(tmp_path / "updates"))
    assert why(channels, "manifest.json", "beta") == "there is no channel beta"
    (tmp_path / "outside").write_bytes(b"one")
    (tmp_path / "updates" / "stable" / FILE).unlink()
    (tmp_path / "updates" / "stable" / FILE).symlink_to(tmp_path / "outside")
    assert why(channels, FILE) == f"{FILE} cannot be read: it is a symbolic link"
    assert channels.names() == ["stable"]


def test_a_file_that_is_not_what_the_manifest_says_is_not_given(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(tmp_path, v1_0_1=b"whole content")
    channels = Channels(str(tmp_path))
    file = tmp_path / "stable" / FILE
    assert read(channels, FILE) == b"whole content"
    file.write_bytes(b"whole")
    assert "still be copied" in why(channels, FILE)
    file.write_bytes(b"other content")
    for _kiosk in range(3):
        assert "still be copied" in why(channels, FILE)
    assert [record.__dict__["file"] for record in caplog.records] == [FILE], "whoever put it there is told once"
    file.unlink()
    assert "No such file" in why(channels, FILE)
    os.mkfifo(file)
    assert why(channels, FILE).endswith("is no file")
    file.unlink()
    file.write_bytes(b"whole content")
    assert read(channels, FILE) == b"whole content"


def test_a_file_is_read_through_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, v1_0_1=b"one")
    channels = Channels(str(tmp_path))
    first = channels.open("stable", FILE)
    monkeypatch.setattr(module.hashlib, "sha256", None)
    second = channels.open("stable", FILE)
    assert (first.sha256, first.size, first.lasts) == (second.sha256, second.size, True)
    os.close(first.handle)
    os.close(second.handle)


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b"[" * 100_000, b'{"channel":"stable","serial":0}'])
def test_a_manifest_that_is_none_offers_nothing(tmp_path: Path, content: bytes) -> None:
    put(tmp_path, v1_0_1=b"one")
    (tmp_path / "stable" / "manifest.json").write_bytes(content)
    channels = Channels(str(tmp_path))
    assert "is none" in why(channels, FILE)
    assert channels.offered("stable") == []
    assert read(channels, "manifest.json") == content  # the signature tells kiosks, too


def test_a_manifest_of_another_channel_is_none_of_this(tmp_path: Path) -> None:
    put(tmp_path, "beta", v1_0_1=b"one")
    (tmp_path / "beta").rename(tmp_path / "stable")
    assert why(Channels(str(tmp_path)), FILE) == "the manifest in channel stable is of channel beta"


def test_a_manifest_that_was_replaced_is_read_anew(tmp_path: Path) -> None:
    put(tmp_path, v1_0_1=b"one")
    channels = Channels(str(tmp_path))
    assert channels.offered("stable") == ["1.0.1"]
    put(tmp_path, v1_0_1=b"one", v1_0_10=b"ten", v1_0_10rc1=b"nine")
    assert channels.offered("stable") == ["1.0.1", "1.0.10rc1", "1.0.10"]


def test_a_directory_that_is_not_set_or_not_there_is_told(tmp_path: Path) -> None:
    assert why(Channels(""), "manifest.json") == "this hub serves no updates: UPDATES_DIR is not set"
    away = Channels(str(tmp_path / "away"))
    assert why(away, "manifest.json") == "UPDATES_DIR cannot be read: No such file or directory"
    assert (away.names(), Channels("").names(), away.offered("stable")) == ([], [], [])
