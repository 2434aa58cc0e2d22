"""What Telegram makes of a text after parsing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.emulator.entities import Formatted, parse_html, units
from cloud.emulator.tidy import tidy


def _kinds(html: str) -> list[tuple[str, int, int]]:
    return [(one["type"], one["offset"], one["length"]) for one in tidy(parse_html(html)).entities]


def test_spaces_at_both_ends_go_and_entities_shrink() -> None:
    assert tidy(parse_html(" \n<b> a b </b>\n ")) == Formatted("a b", [{"offset": 0, "length": 3, "type": "bold"}])


def test_entities_of_spaces_alone_go() -> None:
    assert _kinds("x<b> </b>y") == []


def test_control_characters_become_spaces_and_some_signs_go() -> None:
    assert tidy(Formatted("a\tb\x01c\r\nd\u202ee", [])).text == "a b c\nde"


def test_entities_stay_in_their_place_when_signs_go() -> None:
    assert _kinds("\r😀\r<b>x\ry</b>") == [("bold", 2, 2)]


def test_styles_that_touch_become_one() -> None:
    assert _kinds("<b>a</b><strong>b</strong><i>c</i>") == [("bold", 0, 2), ("italic", 2, 1)]


def test_code_is_never_bold() -> None:
    assert _kinds("<b>a<code>b</code>c</b>") == [("bold", 0, 1), ("code", 1, 1), ("bold", 2, 1)]
    assert _kinds("<code>a<b>b</b></code>") == [("code", 0, 2)]


def test_a_link_holds_no_code() -> None:
    assert _kinds("<a href='https://e.com'>a<code>b</code></a>") == [("text_link", 0, 2)]


def test_a_quote_holds_code_and_no_quote() -> None:
    html = "<blockquote expandable><pre>a</pre>b<blockquote>c</blockquote></blockquote>"
    assert _kinds(html) == [("expandable_blockquote", 0, 3), ("pre", 0, 1)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("/start", [("bot_command", 0, 6)]),
        ("do /kiosk@kioskwire_bot now", [("bot_command", 3, 20)]),
        ("a/b 1/2 http/x /", []),
        ("see https://e.com/a?b=c.", [("url", 4, 19)]),
        ("ask @some_body, a@b.c", [("mention", 4, 10)]),
        ("<code>/start</code> <b>/help</b>", [("code", 0, 6), ("bot_command", 7, 5), ("bold", 7, 5)]),
    ],
)
def test_commands_addresses_and_mentions_are_found(text: str, found: list[tuple[str, int, int]]) -> None:
    assert sorted(_kinds(text)) == sorted(found)


@given(st.text(alphabet=" \n\t\r\u202eab😀/", max_size=30), st.integers(0, 30), st.integers(1, 30))
def test_entities_stay_within_the_text(text: str, offset: int, length: int) -> None:
    offset = min(offset, units(text))
    length = min(length, units(text) - offset)
    done = tidy(Formatted(text, [{"offset": offset, "length": length, "type": "bold"}]))
    assert all(0 <= one["offset"] < one["offset"] + one["length"] <= units(done.text) for one in done.entities)
