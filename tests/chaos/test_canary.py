"""Secrets stay where they belong, and the search for them is not blind."""

import base64
import json
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.chaos import canary
from tests.chaos.doors.search import Search

_SECRET = "4f1c9b2e7d80aa31c55e66f7b9d0e2468ace1357"
_ODD = 'pä$$ w/rd+"quoted"=and/long&enough?'


@pytest.mark.parametrize("secret", [_SECRET, _ODD])
@pytest.mark.parametrize("before", [b"", b"a", b"ab", b"abc"])
def test_a_secret_is_found_in_any_disguise(secret: str, before: bytes) -> None:
    raw = secret.encode()
    disguised = [
        raw, raw.hex().encode(), raw.hex().upper().encode(), quote(secret, safe="").encode(),
        json.dumps(secret).encode(),
        base64.b64encode(before + raw + b"x"), base64.urlsafe_b64encode(before + raw),
        b"".join(b"%%%02X" % byte for byte in raw),
        base64.b64encode(b"user:" + before + raw), raw[5:30], raw[-17:],
    ]  # fmt: skip
    for content in disguised:
        search = Search({"it": secret})
        search.look("here", b"nothing " + content + b" nothing")
        assert len(search.found) == 1, content
        search.look("there", content, allowed=("it",))
        assert len(search.found) == 1
        assert ("it", "there") in search.seen


def test_what_is_no_secret_is_not_found() -> None:
    search = Search({"it": _SECRET, "odd": _ODD})
    search.look(
        "here",
        json.dumps({"time": 1795256295, "id": "01997f3a-5f10-7c3e-9d1b-6a2f4c8e0b11"}).encode() + _SECRET[:9].encode(),
    )
    assert search.found == []


def test_no_secret_stands_where_it_does_not_belong(tmp_path: Path) -> None:
    result = canary.run(tmp_path, seed=7, scale=0.05)
    assert result.breaches == []
    assert result.operations > 15
    assert result.figures["places_searched"] > 80
    assert result.figures["log_lines"] > 50
