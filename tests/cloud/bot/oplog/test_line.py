"""One operation as a message."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.bot.oplog.line import Drawn, draw, is_open, seconds_words, word_of
from cloud.bot.texts import TEXTS, Texts
from cloud.emulator.entities import parse_html, units
from cloud.operations.feed import Told
from tests.cloud.bot.oplog.telling import REQUEST_ID, done, refused, told
from wire.problems import PROBLEMS


def drawn(what: Told, **more: Any) -> Drawn:
    return draw(Texts(), more.pop("language", "en"), what, **more)


def read(what: Told, **more: Any) -> str:
    return parse_html(drawn(what, **more).html).text


def test_a_request_before_its_answer() -> None:
    assert read(told()).splitlines() == [
        "⏳ POST payment · kiosk_001",
        "sum: 1000 · order_id: 12345",
        "{",
        '  "order_id": 12345,',
        '  "sum": 1000',
        "}",
        "Sent, waiting for the answer",
        REQUEST_ID,
    ]


def test_a_request_with_its_answer() -> None:
    assert read(done(method="GET")).splitlines() == [
        "✅ GET payment · kiosk_001",
        "sum: 1000 · order_id: 12345",
        "{",
        '  "order_id": 12345,',
        '  "sum": 1000',
        "}",
        "Done · HTTP 200 · 0.84 s, at the kiosk 0.79 s",
        "status: success · transaction_id: TXN123",
        "{",
        '  "status": "success",',
        '  "transaction_id": "TXN123"',
        "}",
        REQUEST_ID,
    ]


def test_in_russian() -> None:
    lines = read(done(), language="ru").splitlines()
    assert "Выполнена · HTTP 200 · 0,84 с, на киоске 0,79 с" in lines


def test_what_is_what_in_the_message() -> None:
    entities = {(e["type"], e.get("language")) for e in parse_html(drawn(done()).html).entities}
    assert entities == {("bold", None), ("code", None), ("pre", "json")}


def test_why_nothing_was_executed() -> None:
    lines = read(refused()).splitlines()
    assert lines[0] == "🚫 POST payment · kiosk_001"
    assert lines[-3:] == [
        "Refused, nothing was executed",
        "the kiosk is not connected",
        REQUEST_ID,
    ]


@pytest.mark.parametrize(
    ("what", "icon", "words"),
    [
        (told(state="queued"), "🕒", "In the queue: it waits for its kiosk"),
        (done(status=500), "✅", "HTTP 500"),
        (done(state="failed", status=500), "❌", "Failed · HTTP 500 · 0.84 s"),
        (done(state="failed", executed="no", status=None, problem="device-fault"), "🚫", "Not executed"),
        (done(state="expired", status=None, problem="expired", detail="late"), "⌛", "and never will: late"),
        (done(state="unknown", status=None, problem="timeout"), "❓", "Outcome unknown: it may have been executed"),
        (refused(problem="key-unchecked"), "❓", "may have been executed"),
        (refused(problem="idempotency-conflict"), "🚫", "was used for another request"),
        (refused(problem="of-a-later-version", detail=None), "🚫", "of-a-later-version"),
        (done(seconds=None), "✅", "Done · HTTP 200 · at the kiosk 0.79 s"),
    ],
)
def test_outcomes(what: Told, icon: str, words: str) -> None:
    text = read(what)
    assert text.startswith(icon)
    assert words in text


def test_what_was_unknown_and_is_known() -> None:
    assert "Known now: done" in read(done(seconds=None), was_unknown=True)
    assert "Known now: failed" in read(done(state="failed", status=500), was_unknown=True)


def test_all_problems_have_words() -> None:
    for texts in TEXTS.values():
        assert {key.removeprefix("oplog.problem.") for key in texts if key.startswith("oplog.problem.")} == set(
            PROBLEMS
        )


def test_open_and_closed() -> None:
    assert [is_open(each) for each in (told(), told(state="queued"), done(state="unknown"))] == [True] * 3
    assert [is_open(each) for each in (done(), done(state="failed"), done(state="expired"), refused())] == [False] * 4
    assert word_of(told(state="accepted")) == "sent"


def test_nothing_secret_is_shown() -> None:
    body = {"card": "4111111111111111", "phone": "+77011234567", "token": "hunter2", "sum": 10}
    text = read(done(body=body, answer=body, state="failed", problem="device-fault", detail="card 4111111111111111"))
    assert not [secret for secret in ("4111111111111111", "77011234567", "hunter2") if secret in text]
    long = {"rows": [body] * 200}
    shown = drawn(done(body=long, answer=long))
    assert [file.part for file in shown.files] == ["request", "answer"]
    for file in shown.files:
        assert not [secret for secret in (b"4111111111111111", b"77011234567", b"hunter2") if secret in file.data]


def test_html_in_bodies_is_text() -> None:
    text = read(done(body={"a": "<b>&amp;</b>"}, operation="a<b", answer={"error": "</code><i>"}))
    assert '"a": "<b>&amp;</b>"' in text
    assert "error: </code><i>" in text


def test_a_longer_body_is_folded() -> None:
    body = {f"field_{i}": i for i in range(40)}
    entities = parse_html(drawn(told(body=body)).html).entities
    assert [e["type"] for e in entities] == ["bold", "code", "expandable_blockquote", "code", "bold", "code"]


def test_what_fits_no_message_is_a_file() -> None:
    body = {f"field_{i}": "Кофе 😀 <&>" * 5 for i in range(100)}
    shown = drawn(done(body=body, answer=body))
    assert [json.loads(file.data) for file in shown.files] == [body, body]
    assert [file.name for file in shown.files] == [
        "kiosk_001-payment-0123456789ab-request.json",
        "kiosk_001-payment-0123456789ab-answer.json",
    ]
    assert "characters, all of them in the file" in parse_html(shown.html).text
    assert drawn(told(body=body)).files == shown.files[:1]  # the same, whether or not there is an answer


def test_a_long_answer_has_the_room_that_a_short_request_leaves() -> None:
    answer = {"slip": "x" * 3300}
    assert drawn(done(answer=answer)).files == ()
    assert len(drawn(done(answer={"slip": "x" * 4100})).files) == 1


def test_without_bodies() -> None:
    text = read(done(body=b"", answer=b""), bodies=False)
    assert "not kept any more" in text
    assert "{" not in text


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.0041, "0.00 s"), (0.84, "0.84 s"), (12.34, "12.3 s"), (125, "2 min 5 s")]
)
def test_times(seconds: float, words: str) -> None:
    assert seconds_words("en", seconds) == words


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=50),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=20), inner, max_size=5),
    max_leaves=30,
)
_BODIES = st.binary(max_size=200) | st.builds(
    lambda body, times: json.dumps([body] * times).encode(), _JSON, st.sampled_from([1, 50])
)
_STATES = st.sampled_from(["queued", "sent", "accepted", "succeeded", "failed", "expired", "unknown", "strange"])


@given(
    st.tuples(_BODIES, _BODIES),
    _STATES,
    st.text(max_size=400),
    st.sampled_from(["en", "ru"]),
    st.sampled_from(["timeout", "x<", None]),
)
def test_telegram_takes_every_message(
    bodies: tuple[bytes, bytes], state: str, text: str, language: str, problem: str | None
) -> None:
    body, answer = bodies
    what = done(body=body, answer=answer, state=state, detail=text, problem=problem, operation=text[:64] or "a")
    shown = drawn(what, language=language)
    parsed = parse_html(shown.html)
    assert 0 < units(parsed.text) <= 4096
    assert len(parsed.entities) < 100
    assert len(shown.html.encode()) < 35_000
    for file in shown.files:
        assert units(parse_html(file.caption).text) <= 1024
        assert file.data
