"""What people read of alerts: every kind, in both languages, as Telegram takes it."""

from typing import Any

import pytest

from cloud.alerts.alert import Alert, Notice, Severity, What
from cloud.alerts.kinds import KINDS
from cloud.bot.alert_words import NAMED_MAX, Words, buttons, title
from cloud.bot.html import plain
from cloud.bot.reply import DATA_MAX, Language
from cloud.bot.texts import LANGUAGES, Texts
from cloud.emulator.rules import text_of

NOW = 1_800_000_000.0
SAY = Texts()
# As much as facts and kiosks put into the data of an alert, some of it nasty.
FULL: dict[str, str | int | float | None] = {
    "count": 1180, "capacity": 1200, "owed": 135000, "amount": 50000, "unclear": 1, "currency": "KZT", "offset": -734.5,
    "free": 123_456_789, "differences": 2, "shift": 17, "register": "<kkt&>", "version": "1.4.0", "operation": "pay<b>",
    "device": "bills", "document": "sale", "code": "0x47", "words": "jammed </blockquote> & <i>" * 40, "reason": "why",
    "remedy": None, "error": "boom", "detail": "d" * 5000, "address": "10.0.0.1", "other_address": "10.0.0.2",
}  # fmt: skip


def alert(kind: str = "kiosk-offline", number: int = 1, **more: Any) -> Alert:
    """One of a kiosk, for 12 minutes."""
    rule = KINDS.get(kind)
    given = {
        "kiosk_id": "kiosk_001",
        "severity": rule.severity if rule else Severity.WARNING,
        "since": NOW - 720,
        "raised_at": NOW - 600,
        **more,
    }
    return Alert(number=number, kind=kind, **given)


def text(what: What, *alerts: Alert, language: Language = "en", kind: str | None = None, name: str = "Abay 12") -> str:
    """The message, once Telegram would take it; as HTML."""
    first = alerts[0]
    notice = Notice(
        what=what, kind=first.kind if kind is None else kind, severity=first.severity, alerts=list(alerts), at=NOW
    )
    html = Words(SAY, language, lambda _: name, NOW).message(notice)
    text_of(html, "HTML")
    for row in buttons(SAY, language, notice, "a" * 16):
        for button in row:
            assert button.text
            assert len(button.data.encode()) <= DATA_MAX
    return html


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", [*KINDS, "of-a-newer-hub"])
def test_every_kind_reads_as_telegram_takes_it(kind: str, language: Language) -> None:
    over: dict[str, Any] = {"gone_at": NOW - 60, "cleared_at": NOW - 30}
    for what in What:
        ended = over if what in (What.CLEARED, What.MISSED) else {}
        said = text(what, alert(kind, subject="bills<&>", data=FULL, **ended), language=language)
        assert "kiosk_001" in said
        assert "bills&lt;&amp;&gt;" in said
    assert SAY(language, "alerts.hub") in text(What.RAISED, alert(kind, kiosk_id=""), language=language)
    two = [alert(kind, n, kiosk_id=f"k{n}") for n in (1, 2)]
    assert "• <code>k2</code>" in text(What.RAISED, *two, language=language)


@pytest.mark.parametrize("kind", ["cassette-full", "cash-owed", "receipt-unclear", "of-a-newer-hub"])
def test_a_message_of_many_has_room(kind: str) -> None:
    for what in (What.RAISED, What.CLEARED, What.MISSED):
        many = [
            alert(kind, n, kiosk_id=f"{n}{'k' * 60}", subject="s" * 64, data=FULL, cleared_at=NOW) for n in range(1, 38)
        ]
        said = text(what, *many, kind="" if what is What.MISSED else None, name="<N>" * 100)
        named = said.count("\n• ")
        assert 5 <= named <= NAMED_MAX
        assert f"… and {37 - named} more" in said


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_kind_has_words_of_its_own(language: Language) -> None:
    for part in ("one", "many"):
        seen = [title(SAY, language, kind, part, **({"count": 3} if part == "many" else {})) for kind in KINDS]
        assert len(set(seen)) == len(KINDS)
        assert not any("of-a-newer-hub" in each for each in seen)
    assert all(title(SAY, language, kind, part) for kind in KINDS for part in ("over", "says", "hint"))
    assert "of-a-newer-hub" in title(SAY, language, "of-a-newer-hub")


def test_an_operator_sees_which_what_since_when_and_what_to_do() -> None:
    said = plain(text(What.RAISED, alert("cassette-full", subject="bills", data={"count": 1180, "capacity": 1200})))
    lines = said.splitlines()
    assert lines[0] == "🔴 Cassette full"
    assert lines[1] == "kiosk_001 Abay 12 · bills"
    assert lines[3] == "1180 of 1200 (98 %)"
    assert lines[4].startswith("Since ")
    assert lines[4].endswith("(12 min)")
    assert lines[5] == "→ Send the collection."


def test_money_is_said_with_its_currency() -> None:
    said = text(What.RAISED, alert("cash-owed", subject="K7F-2", data={"owed": 135000, "currency": "KZT"}))
    assert "Owed: 1 350.00 KZT" in said
    said = text(What.RAISED, alert("cash-owed", data={"owed": 500, "currency": "JPY"}), language="ru")
    assert "Долг: 500 JPY" in said
    for wrong in ({"owed": "x", "currency": "KZT"}, {"owed": 1.5, "currency": "KZT"}, {"owed": 1, "currency": "tenge"}):
        assert "Owed" not in text(What.RAISED, alert("cash-owed", data=wrong))


def test_figures_are_of_what_they_count() -> None:
    said = text(What.RAISED, alert("unsettled-growing", kiosk_id="", data={"count": 21}), language="ru")
    assert "21 операция\n" in said
    assert "3 more operations" in text(What.RAISED, alert("operation-unknown", kiosk_id="", data={"count": 3}))
    assert "Off by 12 min 14 s" in text(What.RAISED, alert("kiosk-clock", data={"offset": -734}))
    assert "1.5 GB free" in text(What.RAISED, alert("kiosk-disk", data={"free": 1_500_000_000, "limit": 2e9}))
    assert "damaged" in text(What.RAISED, alert("kiosk-journal", subject="journal-damaged", data={"carried": 2}))


def test_what_is_too_much_of_one_kiosk_is_counted() -> None:
    some = [alert("device-fault", number, kiosk_id="kiosk_001", subject=f"d{number}") for number in range(1, 4)]
    rest = alert("device-fault", 9, kiosk_id="kiosk_001", data={"more": 180})
    assert "180 more of the kind" in text(What.RAISED, rest)
    assert "183 devices out of service" in text(What.RAISED, *some, rest)


def test_operations_that_are_not_named_are_counted_with_those_that_are() -> None:
    named = [alert("operation-unknown", n, subject=f"op-{n}") for n in range(1, 31)]
    rest = alert("operation-unknown", 31, kiosk_id="", data={"count": 340})
    said = text(What.RAISED, *named, rest)
    assert "370 operations with an unknown outcome" in said
    assert "… and 350 more" in said
    over = text(What.CLEARED, *[alert("operation-unknown", n, cleared_at=NOW) for n in range(1, 31)])
    assert "30 operations with a known outcome" in over


@pytest.mark.parametrize(("count", "words"), [(2, "2 киоска"), (5, "5 киосков"), (21, "21 киоск"), (37, "37 киосков")])
def test_many_are_counted_in_russian(count: int, words: str) -> None:
    many = [alert(number=n, kiosk_id=f"k{n}") for n in range(count)]
    assert text(What.RAISED, *many, language="ru").startswith(f"🔴 <b>Не на связи: {words}</b>")


def test_what_is_over_says_how_long_it_lasted() -> None:
    said = text(What.CLEARED, alert(gone_at=NOW - 120, cleared_at=NOW))
    assert "✅ <b>Kiosk back online</b>" in said
    assert "It was away for 10 min" in said
    assert "→" not in said
    said = text(What.CLEARED, alert("paper-out", cleared_at=NOW))
    assert "It lasted 12 min" in said
    two = [alert(number=n, kiosk_id=f"k{n}", gone_at=NOW - 120, cleared_at=NOW) for n in (1, 2)]
    assert "• <code>k2</code> Abay 12 — 10 min" in text(What.CLEARED, *two)


def test_what_was_missed_names_each_kind() -> None:
    over: dict[str, Any] = {"cleared_at": NOW}
    said = text(What.MISSED, alert(**over), alert("paper-out", 2, subject="printer", **over), kind="")
    assert "2 alerts over" in said
    assert "came and went" in said
    assert "Kiosk offline, 12 min" in said
    assert "No paper, <code>printer</code>, 12 min" in said


def test_what_nobody_acknowledges_says_so() -> None:
    assert "🚨" in (said := text(What.ESCALATED, alert()))
    assert "Nobody has acknowledged this alert for 10 min." in said
    assert "still standing" in text(What.REPEATED, alert())


def test_who_has_taken_note_stands_below() -> None:
    known = {"acknowledged_at": NOW - 5, "acknowledged_by": "Duty <7>"}
    assert "✓ Acknowledged by Duty &lt;7&gt; at " in text(What.REPEATED, alert(**known))
    assert "✓ 1 of 2 acknowledged" in text(What.RAISED, alert(**known), alert(number=2, kiosk_id="k2"))


def test_many_at_once_are_looked_at_together() -> None:
    assert "So many at once" in text(What.RAISED, *(alert(number=n, kiosk_id=f"k{n}") for n in range(3)))
    assert "So many at once" not in text(What.RAISED, alert())


def test_buttons_are_for_what_is_open() -> None:
    def labels(what: What, *alerts: Alert, ask_id: str = "ask") -> list[tuple[str, str]]:
        first = alerts[0]
        notice = Notice(what=what, kind=first.kind, severity=first.severity, alerts=list(alerts), at=NOW)
        return [(button.text, button.data) for row in buttons(SAY, "en", notice, ask_id) for button in row]

    mute = ("🔕 kiosk_001 1 h", "hush:kiosk_001")
    assert labels(What.RAISED, alert()) == [("✓ Acknowledge", "ack:1"), mute]
    assert labels(What.RAISED, alert(acknowledged_at=NOW)) == [mute]
    assert labels(What.CLEARED, alert()) == labels(What.MISSED, alert()) == []
    both = [("✓ Acknowledge all", "ack:ask"), ("🔕 kiosk-offline 1 h", "hush:kiosk-offline")]
    assert labels(What.RAISED, alert(), alert(number=2, kiosk_id="k2")) == both
    assert labels(What.RAISED, alert(), alert(number=2, kiosk_id="k2"), ask_id="") == both[1:]
    assert labels(What.RAISED, alert("hub-redis", kiosk_id=""))[1][1] == "hush:hub-redis"
    assert labels(What.RAISED, alert(number=12, kiosk_id="k" * 64))[1][1] == "hush:#12"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_contradiction_says_the_whole_command_to_tap(language: Language) -> None:
    one = alert("operation-contradicted", subject="6f0b8f2e-0000")
    assert "<code>/operation 6f0b8f2e-0000</code>" in text(What.RAISED, one, language=language)
    many = text(What.RAISED, one, alert("operation-contradicted", 2, subject="7a"), language=language)
    assert "/operation" in many
    assert "<code>/operation" not in many
