"""Alerts as operators get them in Telegram."""

import logging
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cloud.alerts.alert import Condition, Severity
from cloud.alerts.kinds import KINDS
from cloud.alerts.quiet import Quiet
from cloud.alerts.rules import Rules
from cloud.bot.reply import Target
from cloud.bot.talk import Rejected
from tests.cloud.bot.desk import ANN, BOB, DAY, GROUP, NOW, desk, quick
from tests.cloud.hub import broken


def buttons(message: dict[str, Any]) -> list[str]:
    return [b["text"] for row in message.get("reply_markup", {}).get("inline_keyboard", []) for b in row]


async def test_an_alert_comes_and_its_end_replies_to_it(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await d.begin("kiosk-offline", "kiosk_001")
        (raised,) = await d.said(1)
        assert raised["text"].startswith("🔴 Kiosk offline\nkiosk_001 Abay 12\n")
        assert buttons(raised) == ["✓ Acknowledge", "🔕 kiosk_001 1 h"]
        await d.end("kiosk-offline", "kiosk_001", after=720)
        _, over = await d.said(2)
        assert over["text"].startswith("✅ Kiosk back online\nkiosk_001 Abay 12\nIt was away for 12 min")
        assert over["reply_to_message"]["message_id"] == raised["message_id"]
        assert not buttons(over)


async def test_fifty_at_once_are_one_message(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        every = [f"k{n:02}" for n in range(50)]
        await d.begin("kiosk-offline", *every)
        (raised,) = await d.said(1)
        assert raised["text"].startswith("🔴 50 kiosks offline\n")
        assert raised["text"].count("\n• ") == 20
        assert "… and 30 more" in raised["text"]
        await d.end("kiosk-offline", *every[:30], after=60)
        _, over = await d.said(2)
        assert over["text"].startswith("✅ 30 kiosks back online\n")
        assert over["reply_to_message"]["message_id"] == raised["message_id"]


async def test_it_goes_to_the_topic_of_the_chat_in_the_settings_language(tmp_path: Path) -> None:
    async with desk(tmp_path, in_topic=True) as d:
        await d.users.set_language(ANN, "ru")
        await d.begin("paper-out", "kiosk_001", subject="printer")
        (told,) = await d.said(1, GROUP)
        assert "No paper" in told["text"]
        assert told["message_thread_id"] == d.topic
        assert not d.tg.messages(ANN)


async def test_each_admin_is_told_in_their_language_and_one_who_blocked_the_bot_holds_up_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with desk(tmp_path, admins=(ANN, BOB, 7003)) as d:
        await d.users.set_language(BOB, "ru")
        d.tg.block(7003)
        await d.begin("paper-out", "kiosk_001")
        await d.said(1)
        (told,) = await d.said(1, BOB)
        assert told["text"].startswith("🔴 Нет бумаги")
        await d.told()
        await d.begin("paper-low", "kiosk_001")
        await d.said(2)
        await d.said(2, BOB)
        await d.told()
        assert len([r for r in caplog.records if r.getMessage() == "a chat takes no alerts"]) == 1
        d.tg.block(7003, blocked=False)
        await d.begin("shift-old", "kiosk_001")
        await d.said(1, 7003)


async def test_while_nobody_takes_anything_nothing_counts_as_told(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        d.tg.block(ANN)
        await d.begin("paper-out", "kiosk_001")
        await d.tg.until(lambda: d.tg.refused)
        d.tg.block(ANN, blocked=False)
        assert "No paper" in (await d.said(1))[0]["text"]


async def test_telegram_away_during_an_alert_and_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "cloud")
    async with desk(tmp_path) as d:
        with d.tg.down():
            await d.begin("paper-out", "kiosk_001")
            await d.begin("kiosk-offline", "kiosk_002")
            await d.end("kiosk-offline", "kiosk_002", after=60)
            await d.tg.until(lambda: "alerts wait for Telegram" in caplog.text)
        first, second = await d.said(2)
        assert "No paper" in first["text"]
        assert "came and went while I could not tell you" in second["text"]
        await d.told()
        await d.tg.until(lambda: "Telegram takes alerts again" in caplog.text)
        assert caplog.text.count("alerts wait for Telegram") == 1
        assert d.tg.token.partition(":")[2] not in caplog.text


async def test_a_pause_that_telegram_wants_is_kept_for_that_chat(tmp_path: Path) -> None:
    async with desk(tmp_path, admins=(ANN, BOB)) as d:
        d.tg.limit(ANN, 1, 1)
        await d.begin("paper-out", "kiosk_001")
        await d.said(1, BOB)
        refused = await d.tg.until(lambda: [call for call in d.tg.refused if call["status"] == 429])
        await d.said(1)
        sent = next(call for call in d.tg.sent if str(call["given"].get("chat_id")) == str(ANN))
        assert sent["at"] - refused[0]["at"] >= 0.9
        await d.told()
        await d.said(1, BOB)  # and not once more
        assert len(refused) == 1


async def test_quiet_hours_let_only_what_is_critical_through(tmp_path: Path) -> None:
    since, until = (datetime.fromtimestamp(NOW + shift, UTC).time() for shift in (-3600, 3600))
    quiet = Quiet(since=since, until=until, zone=UTC)
    async with desk(tmp_path, rules=Rules(kinds=quick(escalate=0.0), quiet=quiet)) as d:
        await d.begin("paper-low", "kiosk_001")
        await d.begin("paper-out", "kiosk_002")
        (night,) = await d.said(1)
        assert "No paper" in night["text"]
        await d.look(after=2 * 3600)
        assert "Paper is running out" in (await d.said(2))[1]["text"]


async def test_what_nobody_acknowledges_is_told_on(tmp_path: Path) -> None:
    rules = Rules(kinds=quick(escalate=900.0, repeat=DAY), escalate_to=(BOB, GROUP))
    async with desk(tmp_path, rules=rules) as d:
        d.tg.user(BOB)
        d.tg.group(GROUP)
        await d.begin("hub-database", error="no room")
        await d.said(1)
        await d.told()
        assert not d.tg.messages(BOB)
        await d.look(after=900)
        for chat, count in ((ANN, 2), (BOB, 1), (GROUP, 1)):
            message = (await d.said(count, chat))[-1]
            assert message["text"].startswith("🚨 The hub's database does not work\nNobody has acknowledged this alert")
            assert "for 15 min" in message["text"]
            assert "✓ Acknowledge" in buttons(message)
        await d.told()
        await d.end("hub-database", after=60)  # who was called is told that it is over
        over = (await d.said(2, BOB))[-1]
        assert "works again" in over["text"]
        assert over["reply_to_message"]["message_id"] == d.tg.messages(BOB)[0]["message_id"]


async def test_acknowledged_in_time_it_is_not_told_on(tmp_path: Path) -> None:
    rules = Rules(kinds=quick(escalate=900.0, repeat=DAY), escalate_to=(BOB,))
    async with desk(tmp_path, rules=rules) as d:
        d.tg.user(BOB)
        await d.begin("hub-database")
        await d.said(1)
        await d.told()
        assert await d.alerts.acknowledge([1], "Ann") == 1
        await d.look(after=900)
        await d.begin("hub-redis")
        await d.said(2)
        assert not d.tg.messages(BOB)


async def test_who_has_taken_note_is_shown_to_all_the_others(tmp_path: Path) -> None:
    async with desk(tmp_path, admins=(ANN, BOB)) as d:
        await d.users.set_language(BOB, "ru")
        await d.begin("kiosk-offline", "kiosk_001", "kiosk_002")
        (raised,) = await d.said(1, BOB)
        assert buttons(raised) == ["✓ Подтвердить все", "🔕 kiosk-offline 1 ч"]
        await d.said(1)
        await d.told()
        await d.alerts.acknowledge([1], "Ann (7001)")
        half = await d.tg.until(lambda: (m := d.tg.messages(BOB)[0])["edits"] == 1 and m)
        assert half["text"].endswith("✓ Подтверждено: 1 из 2")
        assert buttons(half) == buttons(raised)
        await d.alerts.acknowledge([2], "Ann (7001)")
        whole = await d.tg.until(lambda: (m := d.tg.messages(BOB)[0])["edits"] == 2 and m)
        assert "✓ Подтверждено: Ann (7001), " in whole["text"]
        assert buttons(whole) == ["🔕 kiosk-offline 1 ч"]
        assert (await d.said(1))[0]["edits"] == 2


async def test_what_is_for_information_makes_no_sound(tmp_path: Path) -> None:
    kinds = quick()
    kinds["paper-low"] = msgspec.structs.replace(KINDS["paper-low"], severity=Severity.INFO, gather=0.0)
    async with desk(tmp_path, rules=Rules(kinds=kinds)) as d:
        await d.begin("paper-low", "kiosk_001")
        await d.said(1)
        await d.begin("paper-out", "kiosk_001")
        await d.said(2)
        silent = [call["given"].get("disable_notification") for call in d.tg.sent if call["method"] == "sendMessage"]
        assert [bool(each) for each in silent] == [True, False]


async def test_without_the_database_people_hear_of_it_all_the_same(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        async with broken(tmp_path, "bot_asks"):
            await d.begin("kiosk-offline", "kiosk_001", "kiosk_002")
            (raised,) = await d.said(1)
            await d.told()
            await d.written()  # the test's own connection waits for whoever writes
        assert buttons(raised) == ["🔕 kiosk-offline 1 h"]


async def test_a_notice_that_no_chat_takes_is_given_up_and_holds_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with desk(tmp_path) as d:
        send = d.line.send

        async def picky(to: Target, html: str, **more: Any) -> int:
            if "No paper" in html:
                raise Rejected("Bad Request: this one I do not like")
            return await send(to, html, **more)

        monkeypatch.setattr(d.line, "send", picky)
        await d.begin("paper-out", "kiosk_001")
        await d.begin("paper-low", "kiosk_001")
        assert "running out" in (await d.said(1))[0]["text"]
        await d.told()
        assert "an alert is given up" in caplog.text
        await d.begin("shift-old", "kiosk_001")
        await d.said(2)


async def test_a_notice_that_cannot_be_put_into_words_holds_up_no_other(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        one = Condition(kind="kiosk-offline", kiosk_id="kiosk_001", since=d.now, data={"count": math.inf})
        d.holding[one.key] = one
        await d.begin("paper-out", "kiosk_002")
        assert "No paper" in (await d.said(1))[0]["text"]
        for kind in ("paper-low", "shift-old"):
            await d.begin(kind, "kiosk_002")
        await d.said(3)
        await d.told()
