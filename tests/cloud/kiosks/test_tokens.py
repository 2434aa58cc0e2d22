"""Tokens: what is issued is read, and nothing else."""

import time

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.kiosks.tokens import BadToken, Tokens

_SECRET = "a-signing-secret-of-more-than-32-characters"
_TOKENS = Tokens(_SECRET)


@settings(max_examples=30)
@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}", fullmatch=True), st.integers(0, 10**9))
def test_what_is_issued_is_read(kiosk_id: str, generation: int) -> None:
    assert (kiosk_id, generation) == _TOKENS.read(_TOKENS.issue(kiosk_id, generation))


@settings(max_examples=30)
@given(st.text(max_size=300))
def test_no_text_is_taken_for_a_token(text: str) -> None:
    with pytest.raises(BadToken):
        _TOKENS.read(text)


@settings(max_examples=30)
@given(st.data())
def test_a_changed_character_makes_it_worthless(data: st.DataObject) -> None:
    token = _TOKENS.issue("kiosk_001", 0)
    # The last character of a signature has bits that stand for nothing.
    at = data.draw(st.integers(0, len(token) - 2).filter(lambda at: token[at] != "."))
    other = data.draw(st.sampled_from("ABCdef012-_").filter(lambda char: char != token[at]))
    with pytest.raises(BadToken):
        _TOKENS.read(token[:at] + other + token[at + 1 :])


def test_a_token_carries_what_the_contract_names_and_no_expiry() -> None:
    claims = jwt.decode(_TOKENS.issue("kiosk_001", 3), _SECRET, algorithms=["HS256"], audience="kiosk")
    assert ("kiosk_001", "kiosk", 3, {"sub", "aud", "iat", "gen"}) == (
        claims["sub"],
        claims["aud"],
        claims["gen"],
        set(claims),
    )
    assert abs(claims["iat"] - time.time()) < 60


@pytest.mark.parametrize("algorithm", ["HS384", "HS512", "none"])
def test_another_algorithm_is_refused(algorithm: str) -> None:
    claims = {"sub": "kiosk_001", "aud": "kiosk", "gen": 0}
    token = jwt.encode(claims, None if algorithm == "none" else _SECRET * 2, algorithm=algorithm)
    with pytest.raises(BadToken):
        Tokens(_SECRET * 2).read(token)


def test_a_refusal_quotes_nothing_of_the_token() -> None:
    token = jwt.encode({"sub": "canary kiosk", "aud": "kiosk", "gen": 0}, _SECRET, algorithm="HS256")
    with pytest.raises(BadToken) as refused:
        _TOKENS.read(token)
    assert "canary" not in str(refused.value)
    with pytest.raises(BadToken) as refused:
        _TOKENS.read("canary.canary.canary")
    assert "canary" not in str(refused.value)


def test_legacy_tokens_count_as_generation_0_only_while_their_claim_is_named() -> None:
    theirs = jwt.encode({"terminal": "kiosk_001", "gen": 9}, _SECRET, algorithm="HS256")
    assert Tokens(_SECRET, "terminal").read(theirs) == ("kiosk_001", 0)
    for tokens in (Tokens(_SECRET), Tokens(_SECRET, "kiosk")):
        with pytest.raises(BadToken):
            tokens.read(theirs)
