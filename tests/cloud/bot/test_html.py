"""HTML as Telegram takes it: escaped, measured, cut."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.bot.html import Html, bold, code, cut, cut_plain, escape, length, plain, pre, quote, spoiler, units
from cloud.emulator.entities import parse_html


def test_what_is_not_html_is_escaped_and_what_is_stays() -> None:
    assert escape('<b>"1 & 2"</b>') == "&lt;b&gt;&quot;1 &amp; 2&quot;&lt;/b&gt;"
    assert escape(Html("<b>1</b>")) == "<b>1</b>"
    assert bold("<") == "<b>&lt;</b>"
    assert code("a&b") == "<code>a&amp;b</code>"
    assert spoiler("x") == "<tg-spoiler>x</tg-spoiler>"
    assert pre("{}", "json") == '<pre><code class="language-json">{}</code></pre>'
    assert quote("x", expandable=True) == "<blockquote expandable>x</blockquote>"


def test_what_telegram_does_not_show_is_left_out() -> None:
    assert escape("a\0b\x1b[31m\ud800c\nd") == "ab[31mc\nd"


def test_length_is_in_utf_16_without_tags() -> None:
    assert length("<b>a&amp;b</b>") == 3
    assert length("&#128512;") == units("😀") == 2
    assert plain("<pre>&lt;x&gt;</pre>") == "<x>"


def test_a_cut_closes_what_is_open() -> None:
    assert cut("<b>abc<i>defg</i></b>", 6) == "<b>abc<i>de…</i></b>"
    assert cut("<b>abc</b>", 3) == "<b>abc</b>"
    assert cut("&amp;&amp;&amp;", 2) == "&amp;…"
    assert cut("😀😀", 3) == "😀…"
    assert cut_plain("😀😀", 3) == "😀…"
    assert cut_plain("ab", 2) == "ab"


_TEXT = st.text(st.sampled_from("ab<>&\"'😀\n é;#x2"), max_size=30)
_PART = st.one_of(
    _TEXT.map(escape), _TEXT.map(bold), _TEXT.map(code), _TEXT.map(pre), _TEXT.map(lambda text: quote(bold(text)))
)


@given(st.lists(_PART, max_size=6).map("".join), st.integers(1, 60))
def test_any_cut_is_html_that_telegram_takes(html: str, most: int) -> None:
    found = cut(html, most)
    assert length(found) <= max(most, 1)
    text = parse_html(found).text
    assert units(text) <= max(most, 1)
    kept = plain(found)
    assert plain(html).startswith(kept.removesuffix("…"))
    assert not re.search(r"&[a-z]*…", found)


@pytest.mark.parametrize("text", ["&lt", "&nbsp;", "a & b", "<3"])
def test_what_only_looks_like_html_survives_being_escaped(text: str) -> None:
    assert plain(escape(text)) == text
