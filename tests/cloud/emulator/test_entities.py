"""HTML is parsed and refused as Telegram does it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.emulator.entities import Formatted, Unparsable, parse_html, units


def _only(html: str) -> dict[str, object]:
    (entity,) = parse_html(html).entities
    return entity


def test_text_without_markup_is_itself() -> None:
    assert parse_html("a > b\nc") == Formatted("a > b\nc", [])


@pytest.mark.parametrize(
    ("tag", "kind"),
    [
        ("b", "bold"), ("strong", "bold"), ("i", "italic"), ("em", "italic"), ("u", "underline"),
        ("ins", "underline"), ("s", "strikethrough"), ("strike", "strikethrough"), ("del", "strikethrough"),
        ("tg-spoiler", "spoiler"), ("code", "code"), ("pre", "pre"), ("blockquote", "blockquote"), ("B", "bold"),
    ],
)  # fmt: skip
def test_every_tag_gives_its_entity(tag: str, kind: str) -> None:
    assert parse_html(f"a<{tag}>bc</{tag}>") == Formatted("abc", [{"offset": 1, "length": 2, "type": kind}])


def test_offsets_count_utf_16_units() -> None:
    parsed = parse_html("😀é<b>😀x</b>")
    assert parsed == Formatted("😀é😀x", [{"offset": 3, "length": 3, "type": "bold"}])


def test_a_spoiler_may_be_a_span() -> None:
    assert _only('<span class="tg-spoiler">x</span>')["type"] == "spoiler"


def test_a_quote_may_be_expandable() -> None:
    assert _only("<blockquote expandable>x</blockquote>")["type"] == "expandable_blockquote"
    assert _only("<blockquote expandable=''>x</blockquote>")["type"] == "expandable_blockquote"


@pytest.mark.parametrize(
    "html",
    [
        '<pre><code class="language-json">{}</code></pre>',
        '<code class="language-json"><pre>{}</pre></code>',
    ],
)
def test_a_language_is_told_by_code_right_within_pre(html: str) -> None:
    assert _only(html) == {"offset": 0, "length": 2, "type": "pre", "language": "json"}


def test_code_alone_has_no_language() -> None:
    assert _only('<code class="language-json">{}</code>') == {"offset": 0, "length": 2, "type": "code"}


def test_a_link_has_its_address_or_its_text() -> None:
    assert _only("<a href='https://E.com/A?b=1&amp;c=2'>x</a>")["url"] == "https://e.com/A?b=1&c=2"
    assert _only("<a>e.com</a>")["url"] == "http://e.com/"
    assert parse_html("<a href='nowhere'>x</a>").entities == []


def test_a_person_may_be_mentioned_by_number() -> None:
    entity = _only("<a href='tg://user?id=42'>x</a>")
    assert entity["type"] == "text_mention"
    assert entity["user"] == {"id": 42, "is_bot": False, "first_name": "Person"}


def test_a_moment_may_be_formatted() -> None:
    entity = _only("<tg-time unix='1700000000' format='r'>then</tg-time>")
    assert entity["type"] == "date_time"
    assert entity["unix_time"] == 1700000000


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("&lt;&gt;&amp;&quot;", '<>&"'),
        ("&#60;&#x3c;&#128512;", "<<😀"),
        ("&lt &amp", "< &"),
        ("&nbsp; &apos; & &; &#; &#xg;", "&nbsp; &apos; & &; &#; &#xg;"),
        ("&#0;&#1114111;&#X41;", "&#0;&#1114111;&#X41;"),
    ],
)
def test_only_four_names_and_numbers_are_references(html: str, text: str) -> None:
    assert parse_html(html).text == text


@pytest.mark.parametrize(
    ("html", "words"),
    [
        ("<x>", 'Unsupported start tag "x" at byte offset 0'),
        ("é<b><Kiosk id>", 'Unsupported start tag "kiosk" at byte offset 5'),
        ("<br/>", 'Unsupported start tag "br/" at byte offset 0'),
        ("1 < 2", 'Unsupported start tag "" at byte offset 2'),
        ("a <", "Unclosed start tag at byte offset 2"),
        ("<b", "Unclosed start tag at byte offset 0"),
        ("<b x", 'Unclosed start tag "b" at byte offset 0'),
        ("<b x=", 'Unclosed start tag "b" at byte offset 0'),
        ("<b x='", "Unclosed start tag at byte offset 0"),
        ("<b x='1'", "Unclosed start tag at byte offset 0"),
        ("<b =1>", 'Empty attribute name in the tag "b" at byte offset 0'),
        ("<a href=http://e.com>x</a>", "Unexpected end of name token at byte offset 8"),
        ("<span>x</span>", 'Tag "span" must have class "tg-spoiler" at byte offset 0'),
        ("x</b>", "Unexpected end tag at byte offset 1"),
        ("<b>x</i>", 'Unmatched end tag at byte offset 4, expected "</b>", found "</i>"'),
        ("<b>x</b", "Unclosed end tag at byte offset 4"),
        ("<b><i>x</i>", 'Can\'t find end tag corresponding to start tag "b"'),
        ("<tg-emoji emoji-id='x'>x</tg-emoji>", "Invalid custom emoji identifier specified"),
        ("\0", "Text must not contain null bytes"),
        (
            "&#xd83d;",
            "Text contains invalid Unicode characters after decoding HTML entities, check for unmatched surrogate "
            "code units",
        ),
    ],
)
def test_what_telegram_refuses_is_refused_in_its_words(html: str, words: str) -> None:
    with pytest.raises(Unparsable) as refused:
        parse_html(html)
    assert str(refused.value) == words


def test_an_end_tag_may_be_without_a_name() -> None:
    assert _only("<b>x</>")["type"] == "bold"


@given(st.text(alphabet="<>/b ='\"&#x;aé😀expandlockquotcder", max_size=60))
def test_no_text_breaks_the_parser(html: str) -> None:
    try:
        parsed = parse_html(html)
    except Unparsable:
        return
    assert all(0 <= one["offset"] < one["offset"] + one["length"] <= units(parsed.text) for one in parsed.entities)


@given(st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60))
def test_escaped_text_comes_back(text: str) -> None:
    html = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert parse_html(f"<b>{html}</b>").text == text
