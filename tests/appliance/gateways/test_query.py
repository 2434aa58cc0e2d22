"""Bodies as queries."""

import pytest

from appliance.gateways.query import find_field, query_pairs, with_query


def test_every_kind_of_value_has_its_form() -> None:
    body = b'{"n": 1.10, "big": 12345678901234567890123, "t": true, "f": false, "z": null, "s": "a b&\\u0451"}'
    assert query_pairs(body) == [
        ("n", "1.10"), ("big", "12345678901234567890123"), ("t", "true"), ("f", "false"), ("s", "a b&ё")
    ]  # fmt: skip


def test_lists_repeat_their_key_and_objects_are_json_text() -> None:
    body = b'{"a": [1, null, "x", {"y": [1]}], "o": {"p": 1.0}, "e": []}'
    assert query_pairs(body) == [("a", "1"), ("a", "x"), ("a", '{"y": [1]}'), ("o", '{"p": 1.0}')]


@pytest.mark.parametrize("body", [b"[]", b"1", b"", b"{", b'{"a":"\xff"}', b'{"a":"\\ud800x"}'])
def test_what_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"JSON object|surrogates"):
        with_query("http://h", query_pairs(body))


def test_the_query_of_the_url_is_kept() -> None:
    assert with_query("http://h/p?x=1", [("a b", "c&d")]) == "http://h/p?x=1&a+b=c%26d"
    assert with_query("http://h/p?x=1", []) == "http://h/p?x=1"


def test_more_pairs_than_a_url_holds_are_not_even_counted() -> None:
    with pytest.raises(ValueError, match="longer than"):
        query_pairs(b'{"a":[' + b"1," * 400_000 + b"1]}")


def test_a_query_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="longer"):
        with_query("http://h", [("a", "x" * 40_000)])


def test_a_field_is_found_by_its_path() -> None:
    body = b'{"order": {"id": 10.0, "name": "x"}, "list": [1], "none": null}'
    paths = ("order.id", "order.name", "order", "list", "none", "order.id.x", "gone")
    assert [find_field(body, path) for path in paths] == ["10.0", "x", None, None, None, None, None]
