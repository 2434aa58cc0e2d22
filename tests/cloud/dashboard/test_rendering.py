"""Times, numbers and addresses as people read them; and what is escaped."""

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from cloud.dashboard import rendering
from cloud.dashboard.rendering import ago, changed, escape, moment, number, span, when

ALMATY = ZoneInfo("Asia/Almaty")
AT = 1_790_000_000.0  # 2026-09-21 13:33:20 UTC


def test_a_moment_is_told_in_the_zone_and_in_the_order_of_the_language() -> None:
    assert when(AT, UTC, "en") == "2026-09-21 14:13:20"
    assert when(AT, ALMATY, "ru") == "21.09.2026 19:13:20"
    assert when(None, UTC, "kk") == "—"


def test_a_moment_is_an_element_that_programs_read() -> None:
    assert moment(AT, ALMATY, "en") == (b'<time datetime="2026-09-21T19:13:20+05:00">2026-09-21 19:13:20</time>')


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "just now"), (5.2, "5.2 s ago"), (42, "42 s ago"), (61, "1 min ago"), (3600, "1 h ago"),
        (3 * 3600 + 20 * 60 + 5, "3 h 20 min ago"), (30 * 3600, "30 h ago"), (5 * 86400, "5 d ago"), (-90, "in 1 min"),
    ],
)  # fmt: skip
def test_how_long_ago(seconds: float, words: str) -> None:
    told = ago(AT - seconds, AT, UTC, "en").decode()
    assert told.endswith(f">{words}</time>")
    assert f'title="{when(AT - seconds, UTC, "en")}"' in told


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "—"), (0.0, "0 мс"), (0.0341, "34 мс"), (1.24, "1,2 с"), (9.96, "10 с"), (59.7, "1 мин"), (7200, "2 ч")],
)
def test_a_span_of_time(seconds: float | None, words: str) -> None:
    assert span(seconds, "ru") == words


def test_numbers_have_groups_and_the_sign_of_their_language() -> None:
    assert number(1_234_567, "en") == "1,234,567"
    assert number(1234.5, "ru") == "1\u202f234,5"
    assert number(None, "kk") == "—"


def test_an_address_with_its_query_changed() -> None:
    assert changed("/p", "a=1&b=x%20y&b=z", {"a": None, "c": 3}) == "/p?b=x+y&b=z&c=3"
    assert changed("/p", "a=1", {"a": ""}) == "/p"
    assert changed("/p", "", {"q": 'a"&<b'}) == "/p?q=a%22%26%3Cb"


def test_all_is_escaped_but_what_was_made_here() -> None:
    assert escape("<b>&\"'") == "&lt;b&gt;&amp;&quot;&#x27;"
    assert escape(b"<b>") == "&lt;b&gt;"
    assert escape(rendering.Html(b"<time>1</time>")) == b"<time>1</time>"


def test_a_page_escapes_what_it_is_given() -> None:
    page = rendering.fill(
        "error.html", language="kk", zone=UTC, zone_name="UTC", now=AT, path="/dashboard/x", query="",
        facts={
            "words": "<script>alert(1)</script>", "status": 404, "session": None, "languages": {"en": "English"},
            "active": "", "menu": [], "back": '"><script>', "crumbs": [("<i>", '/dashboard"')],
        },
    ).decode()  # fmt: skip
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert page.count("<script") == page.count('<script src="/dashboard/assets/')
    assert 'href="/dashboard&quot;"' in page
