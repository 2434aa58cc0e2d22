"""Signatures: those of the real minisign, ours, and all that are none."""

import shutil
import subprocess
from pathlib import Path

import pytest

from appliance.updates.minisign import SignatureError, digest, read_keys, shown_id, verify
from tests.appliance.updates.releases import Signer

DATA = b"a release" * 1000


def refused(keys: str, text: str, data: bytes = DATA) -> str:
    with pytest.raises(SignatureError) as caught:
        verify(read_keys(keys), text, digest([data]))
    return str(caught.value)


def test_a_good_one_tells_its_comment_whichever_of_the_keys_it_is() -> None:
    signer, other = Signer(), Signer()
    keys = read_keys(f"# ours\n\n{other.public}{signer.public}")
    assert verify(keys, signer.sign(DATA, "kioskwire 1.2.3"), digest([DATA[:7], DATA[7:]])) == "kioskwire 1.2.3"
    assert verify(keys, other.sign(DATA), digest([DATA])) == "a test"


def test_whatever_is_changed_it_is_refused() -> None:
    signer = Signer()
    text = signer.sign(DATA)
    assert "does not fit" in refused(signer.public, text, DATA + b"x")
    assert "does not fit" in refused(signer.public, text.replace("a test", "A test"))
    assert shown_id(signer.id) in refused(Signer().public, text)
    assert "older kind" in refused(signer.public, signer.sign(DATA, kind=b"Ed"))
    lines = text.splitlines(keepends=True)
    for at in range(1, len(text), 7):
        changed = text[:at] + chr(ord(text[at]) ^ 1) + text[at + 1 :]
        if changed.splitlines()[0] == lines[0].strip() or len(changed.splitlines()) != 4:
            refused(signer.public, changed)
    for none in ("", "x", text[:-2], "".join(lines[:3]), text + text, "".join(lines[1:]), text.replace("RU", "é")):
        refused(signer.public, none)


def test_a_file_of_keys_has_keys() -> None:
    for none in ("", "# nothing\n", "untrusted comment: x\n", "RWQ=", Signer().public.replace("\nR", "\nX"), "é"):
        with pytest.raises(SignatureError):
            read_keys(none)


@pytest.mark.skipif(shutil.which("minisign") is None, reason="minisign is not installed here")
def test_what_the_real_minisign_signs_is_taken_and_what_it_would_not_take_is_not(tmp_path: Path) -> None:
    def minisign(*arguments: str) -> int:
        command = ["minisign", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=60, check=False).returncode

    (tmp_path / "file").write_bytes(DATA)
    assert minisign("-G", "-W", "-p", "key.pub", "-s", "key.sec") == 0
    assert minisign("-S", "-W", "-s", "key.sec", "-m", "file", "-t", "kioskwire 1.2.3") == 0
    keys, text = (tmp_path / "key.pub").read_text(), (tmp_path / "file.minisig").read_text()
    assert verify(read_keys(keys), text, digest([DATA])) == "kioskwire 1.2.3"
    assert minisign("-S", "-W", "-l", "-s", "key.sec", "-m", "file") == 0
    assert "older kind" in refused(keys, (tmp_path / "file.minisig").read_text())
    # And the other way round: what the tests sign is what minisign takes.
    signer = Signer()
    (tmp_path / "ours.pub").write_text(signer.public)
    (tmp_path / "file.minisig").write_text(signer.sign(DATA))
    assert minisign("-V", "-p", "ours.pub", "-m", "file") == 0
