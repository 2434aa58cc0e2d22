"""A hello is proved by the key's holder, for one connection and one kiosk."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from cloud.kiosks.proof import fingerprint, parse_public_key, proves
from tests.cloud.box import Box, encoded
from wire.messages import Hello

CHALLENGE = encoded(bytes(range(24)))
BOX = Box("kiosk_001", journal="journal-1", boot_id="boot-1")


def hello(proof: str, journal: str = "journal-1", boot_id: str = "boot-1") -> Hello:
    """What a kiosk says."""
    return Hello(version="1", boot_id=boot_id, journal=journal, proof=proof)


def test_who_has_the_key_proves_it() -> None:
    assert proves(BOX.public_key, hello(BOX.proof(CHALLENGE)), CHALLENGE, "kiosk_001")


def test_a_proof_is_for_one_connection_one_kiosk_one_run_and_one_journal() -> None:
    proof = BOX.proof(CHALLENGE)
    assert not proves(BOX.public_key, hello(proof), encoded(bytes(24)), "kiosk_001")
    assert not proves(BOX.public_key, hello(proof), CHALLENGE, "kiosk_002")
    assert not proves(BOX.public_key, hello(proof, journal="journal-2"), CHALLENGE, "kiosk_001")
    assert not proves(BOX.public_key, hello(proof, boot_id="boot-2"), CHALLENGE, "kiosk_001")
    assert not proves(Box().public_key, hello(proof), CHALLENGE, "kiosk_001")


@pytest.mark.parametrize("proof", ["", "A", "A" * 86, "=" * 86, "ü" * 86, "A" * 85 + "\0", " " * 86, "A" * 255])
def test_rubbish_proves_nothing(proof: str) -> None:
    assert not proves(BOX.public_key, hello(proof), CHALLENGE, "kiosk_001")


@given(st.text(max_size=255))
def test_no_text_makes_it_fail(text: str) -> None:
    assert not proves(BOX.public_key, hello(text), CHALLENGE, "kiosk_001")
    assert not proves(text, hello(BOX.proof(CHALLENGE)), CHALLENGE, "kiosk_001")


def test_one_spelling_of_a_signature_counts() -> None:
    """The last character holds four bits that nobody reads: other texts for the same bytes are refused."""
    proof = BOX.proof(CHALLENGE)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    alike = [proof[:-1] + letter for letter in letters]
    assert [text for text in alike if proves(BOX.public_key, hello(text), CHALLENGE, "kiosk_001")] == [proof]


def test_keys_are_points_under_which_not_everything_is_signed() -> None:
    good = encoded(bytes(SigningKey.generate().verify_key))
    assert good == parse_public_key(good)
    for bad in (
        "",
        good[:-1],
        good + "A",
        "=" * 43,
        "ü" * 43,
        encoded(bytes(32)),
        encoded(b"\x01" + bytes(31)),
        "_" * 43,
    ):
        with pytest.raises(ValueError, match="43 characters"):
            parse_public_key(bad)


def test_a_fingerprint_is_for_people_and_tells_keys_apart() -> None:
    prints = {fingerprint(Box().public_key) for _ in range(50)}
    assert len(prints) == 50
    assert {len(text) for text in prints} == {19}
