"""The file that says who a kiosk is."""

import os
from pathlib import Path

import msgspec
import pytest
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from appliance import identity as identities
from appliance.identity import FILE, Identity, IdentityError, load, new_key, public_key, read, save
from cloud.kiosks.proof import parse_public_key, proves
from wire.environment import Secret
from wire.messages import Hello

SECRET = "canary-token"


def made(**fields: object) -> Identity:
    given = {
        "hub": "wss://hub.example.com/ws", "kiosk_id": "kiosk_001", "token": Secret(SECRET),
        "private_key": Secret(new_key()), "marks": {"serial": ["abc"]},
    }  # fmt: skip
    return Identity(**{**given, **fields})  # type: ignore[arg-type]


def test_it_comes_back_as_it_was_written_and_for_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        save(tmp_path / FILE, identity := made())
    finally:
        os.umask(before)
    assert read(tmp_path) == identity
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_where_there_is_none_there_is_nobody(tmp_path: Path) -> None:
    assert read(tmp_path) is None
    assert read(tmp_path / "nowhere") is None


def test_it_does_not_show_its_secrets() -> None:
    identity = made()
    assert SECRET not in repr(identity)
    assert identity.private_key.reveal() not in repr(identity)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    save(tmp_path / FILE, made())
    (tmp_path / FILE).chmod(mode)
    with pytest.raises(IdentityError, match=r"others may read identity.json .* chmod 600"):
        read(tmp_path)


def test_a_half_of_a_file_and_whatever_else_is_told_without_quoting_it(tmp_path: Path) -> None:
    save(tmp_path / FILE, made())
    whole = (tmp_path / FILE).read_bytes()
    others = [b"[]", b"{}", b"\xff\xfe", whole.replace(b"kiosk_001", b"no such id!"), whole[:-5] + b"", b"9" * 70_000]
    for data in [*(whole[:length] for length in range(0, len(whole) - 3, 7)), *others]:
        (tmp_path / FILE).write_bytes(data)
        with pytest.raises(IdentityError, match=r"identity.json is damaged") as caught:
            read(tmp_path)
        assert SECRET not in str(caught.value)
        assert caught.value.__cause__ is None


def test_neither_a_link_nor_a_pipe_is_followed(tmp_path: Path) -> None:
    save(tmp_path / "elsewhere", made())
    (tmp_path / FILE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(IdentityError, match="is a link"):
        read(tmp_path)
    (tmp_path / FILE).unlink()
    os.mkfifo(tmp_path / FILE, 0o600)
    with pytest.raises(IdentityError, match="is no file"):
        read(tmp_path)


def test_writing_replaces_a_link_and_not_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("precious")
    (tmp_path / FILE).symlink_to(tmp_path / "target")
    save(tmp_path / FILE, made())
    assert (tmp_path / "target").read_text() == "precious"
    assert read(tmp_path) is not None


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root")
def test_root_writes_for_the_directorys_owner(tmp_path: Path) -> None:
    os.chown(tmp_path, 1234, 1235)
    save(tmp_path / FILE, made())
    facts = (tmp_path / FILE).stat()
    assert (facts.st_uid, facts.st_gid, facts.st_mode & 0o777) == (1234, 1235, 0o600)
    os.chown(tmp_path / FILE, 4321, 1235)
    with pytest.raises(IdentityError, match="belongs to another user"):
        read(tmp_path)


def test_a_write_that_fails_leaves_the_old_one_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / FILE, before := made())

    def fail(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(identities.os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        save(tmp_path / FILE, made())
    assert read(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_the_hub_finds_its_proof_good_for_this_connection_alone() -> None:
    identity = made()
    key = parse_public_key(public_key(identity.private_key.reveal()))
    hello = Hello(version="1", boot_id="boot", journal="journal", proof=identity.prove("challenge", "boot", "journal"))
    assert proves(key, hello, "challenge", "kiosk_001")
    assert not proves(key, hello, "another", "kiosk_001")
    assert not proves(key, hello, "challenge", "kiosk_002")
    assert not proves(key, msgspec.structs.replace(hello, boot_id="other"), "challenge", "kiosk_001")


def test_keys_are_ed25519_and_never_the_same() -> None:
    keys = {new_key() for _ in range(10)}
    assert len(keys) == 10
    with pytest.raises(BadSignatureError):
        VerifyKey(bytes(32)).verify(b"x", bytes(64))
    for text in ("", "x" * 43, "!" * 43, new_key()[:-1]):
        if text != "x" * 43:
            with pytest.raises(ValueError, match="no key"):
                public_key(text)


def test_a_token_names_its_kiosk_if_it_is_one() -> None:
    assert identities.named_by("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJraW9za18wMDEifQ.canary") == "kiosk_001"
    for text in ("", "a", "a.b.c", "..", "a.e30.c", "a.eyJzdWIiOiI_In0.c", "é.é.é"):
        assert identities.named_by(text) == ""


def test_any_private_struct_is_kept_likewise(tmp_path: Path) -> None:
    class Kept(msgspec.Struct):
        number: int

    save(tmp_path / "kept.json", Kept(5))
    assert load(tmp_path / "kept.json", Kept) == Kept(5)
