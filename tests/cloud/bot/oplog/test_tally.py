"""Many operations as a digest."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cloud.bot.html import Html
from cloud.bot.oplog.tally import Tally
from cloud.bot.texts import Texts
from cloud.emulator.entities import parse_html, units
from tests.cloud.bot.oplog.telling import done, refused, told


def read(tally: Tally, language: Any = "en", **more: Any) -> list[str]:
    html = tally.draw(Texts(), language, **{"seconds": 60.0, "until": "14:04:00 UTC", **more})
    parsed = parse_html(html)
    assert 0 < units(parsed.text) <= 4096
    return [line.replace("\u202f", " ") for line in parsed.text.splitlines()]


def filled() -> Tally:
    tally = Tally()
    for number in range(1200):
        tally.add(told())
        tally.add(done(kiosk_id=f"kiosk_{number % 3:03}", seconds=0.1 + number / 10_000))
    tally.add(done("u-1", state="unknown", problem="timeout", status=None, seconds=45.0))
    tally.add(done("f-1", state="failed", status=500, operation="fiscal"))
    tally.add(refused("r-1"))
    tally.add(told(state="queued"))
    return tally


def test_a_digest() -> None:
    assert read(filled(), foot="<i>foot</i>", notes=[Html("note")]) == [
        "note",
        "📊 Operations in 1 min, until 14:04:00 UTC",
        "✅ 1 200 done",
        "❌ 1 failed",
        "❓ 1 with an unknown outcome",
        "🚫 1 refused",
        "📤 1200 operations sent to kiosks",
        "🕒 1 in the queue",
        "Answers took 0.16 s at the median, 45.0 s at the most",
        "",
        "Worth a look",
        "❓ payment · kiosk_001: no answer in time",
        "u-1",
        "❌ fiscal · kiosk_001: HTTP 500",
        "f-1",
        "🚫 payment · kiosk_001: the kiosk is not connected",
        "r-1",
        "",
        "By type",
        "payment 1 202: ✅ 1 200 ❓ 1 🚫 1",
        "fiscal ❌ 1",
        "",
        "By kiosk",
        "kiosk_001 403: ✅ 400 ❌ 1 ❓ 1 🚫 1",
        "kiosk_000 ✅ 400",
        "kiosk_002 ✅ 400",
        "",
        "foot",
    ]


def test_what_has_one_sign_is_one_number_where_no_word_stands_beside_it() -> None:
    tally = Tally()
    tally.add(done("n-1", state="failed", executed="no", status=None, problem="gateway-unreachable"))
    tally.add(refused("r-1"))
    digest = read(tally)
    assert "🚫 1 not executed" in digest
    assert "🚫 1 refused" in digest
    assert "payment 🚫 2" in digest


def test_in_russian() -> None:
    lines = read(filled(), "ru")
    assert "📊 Операции за 1 мин, до 14:04:00 UTC" in lines
    assert "📤 1200 операций отправлено на киоски" in lines
    assert "❓ payment · kiosk_001: нет ответа за отведённое время" in lines


def test_nothing_happened() -> None:
    tally = Tally()
    assert not tally
    assert read(tally)[1:] == ["None."]


def test_what_was_lost() -> None:
    tally = Tally()
    tally.lost, tally.files_lost = 312, 1
    assert read(tally)[-2:] == [
        "312 events were lost before they could be counted: they came too fast.",
        "1 file was not sent.",
    ]


def test_what_two_counted_is_what_one_would_have() -> None:
    one, two, both = filled(), filled(), filled()
    for other in (two,):
        one.merge(other)
    for _ in range(1):
        for number in range(1200):
            both.add(told())
            both.add(done(kiosk_id=f"kiosk_{number % 3:03}", seconds=0.1 + number / 10_000))
        both.add(done("u-1", state="unknown", problem="timeout", status=None, seconds=45.0))
        both.add(done("f-1", state="failed", status=500, operation="fiscal"))
        both.add(refused("r-1"))
        both.add(told(state="queued"))
    assert sorted(read(one)) == sorted(read(both))


def test_it_is_bounded_whatever_there_is() -> None:
    tally = Tally()
    for number in range(5000):
        name = f"{number:05}" + "x" * 59
        tally.add(done(name, kiosk_id=name, operation=name, state="failed", status=None, problem="device-fault"))
        tally.add(done(name, kiosk_id=name, operation=name, state="unknown", status=None, problem="interrupted"))
    lines = read(tally, "ru", foot="foot")
    assert lines[-1] == "foot"
    assert "и ещё 9988" in lines
    assert len(tally._kiosks) <= 1001


@given(st.lists(st.floats(0, 1e6, allow_nan=False), min_size=1, max_size=50))
def test_the_median_is_within_five_percent(times: list[float]) -> None:
    tally = Tally()
    for seconds in times:
        tally.add(done(seconds=seconds))
    exact = sorted(times)[(len(times) - 1) // 2]
    assert abs(tally._median() - exact) <= 0.05 * exact + 1e-4
