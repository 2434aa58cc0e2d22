"""Answers of gateways as JSON objects."""

import msgspec
import pytest

from appliance.gateways.answer import BODY_MAX_BYTES, CUT_BYTES, _as_text, cut, wrap
from wire.messages import MESSAGE_MAX_BYTES


@pytest.mark.parametrize("content", [b'{"a": 1.10, "b": 1e999}', b' {"a":1}\r\n', b'\xef\xbb\xbf{"a":1}'])
def test_an_object_passes_byte_for_byte(content: bytes) -> None:
    assert bytes(wrap(content, "text/html")) == content.removeprefix(b"\xef\xbb\xbf").strip()


def test_an_empty_answer_is_an_empty_object() -> None:
    assert bytes(wrap(b" \n", "")) == b"{}"


@pytest.mark.parametrize("content", [b"[1]", b"OK", b'{"a":tru}', b"{} {}", b'"x"'])
def test_other_text_is_wrapped(content: bytes) -> None:
    assert msgspec.json.decode(wrap(content, "text/plain")) == {"raw": content.decode(), "content_type": "text/plain"}


def test_text_is_read_in_its_charset() -> None:
    wrapped = wrap("чек".encode("cp1251"), "text/plain; charset=windows-1251")
    assert msgspec.json.decode(wrapped)["raw"] == "чек"
    assert msgspec.json.decode(wrap("чек".encode(), "text/plain; charset=no-such"))["raw"] == "чек"


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b'{"a":"\xff"}', b"a\x00b"])
def test_bytes_that_are_no_text_are_base64(content: bytes) -> None:
    assert set(msgspec.json.decode(wrap(content, ""))) == {"raw_base64", "content_type"}


@pytest.mark.parametrize(
    ("content", "charset"), [(b"+2AA-", "utf-7"), (rb"\ud800", "unicode_escape"), (b"eA==", "base64_codec")]
)
def test_a_charset_that_gives_no_text_does_not_lose_the_answer(content: bytes, charset: str) -> None:
    assert msgspec.json.decode(wrap(content, f"text/plain; charset={charset}"))["raw"] == content.decode()


@pytest.mark.parametrize(
    "content", [b"\x01" * BODY_MAX_BYTES, b"\xff\x00" * (BODY_MAX_BYTES // 2), b'"' * BODY_MAX_BYTES]
)
def test_nothing_grows_past_a_message(content: bytes) -> None:
    assert len(bytes(wrap(content, "x" * 200))) < MESSAGE_MAX_BYTES - 10_000


def test_a_cut_answer_says_so() -> None:
    fields = msgspec.json.decode(cut(b"x" * CUT_BYTES * 2, "text/plain", 10**9))
    assert (fields["truncated"], fields["size"], len(fields["raw"])) == (True, 10**9, CUT_BYTES)


@pytest.mark.parametrize("charset", ["punycode", "idna", "unicode_escape", "zip", "x" * 100, "utf-8-sig\0"])
def test_a_charset_that_is_none_of_texts_is_not_tried(charset: str) -> None:
    tried: list[str] = []

    class Noticing(bytes):
        def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
            tried.append(encoding)
            return super().decode(encoding, errors)

    assert _as_text(Noticing(b"a-9"), f"text/plain; charset={charset}") == "a-9"
    assert set(tried) == {"utf-8"}
