"""/alerts, /mute and the buttons under alerts, as admins use them."""

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cloud.alerts.room import AlertsRoom
from cloud.bot import acts_alerts as acts
from cloud.bot.command import WrongUse
from cloud.bot.html import plain
from cloud.bot.reply import DATA_MAX, Caller, Language, Reply, Target
from cloud.emulator.rules import text_of
from tests.cloud.bot.desk import ANN, BOB, DAY, NOW, Desk, desk
from tests.cloud.bot.site import ADMIN, bot_site
from tests.cloud.hub import until

SECOND = 7005


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Alerts look often."""
    monkeypatch.setitem(AlertsRoom.__init__.__kwdefaults__ or {}, "every", 0.02)
    monkeypatch.setattr("cloud.alerts.facts._TICK", 0.02)


def rules_file(tmp_path: Path, *kinds: str) -> str:
    """These kinds are raised and cleared at once, and no others."""
    path = tmp_path / "alerts.yaml"
    lines = [f"  {kind}: {{after: 0s, clear_after: 0s, gather: 0s}}" for kind in kinds]
    path.write_text("\n".join(["kinds:", *lines]))
    return str(path)


# Through the hub


@pytest.mark.usefixtures("_quick")
async def test_a_kiosk_goes_is_taken_note_of_and_comes_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "cloud")
    given = {"alerts_config": rules_file(tmp_path, "kiosk-offline"), "telegram_admin_ids": f"{ADMIN}, {SECOND}"}
    async with bot_site(tmp_path, **given) as site:
        site.tg.user(SECOND, "Bob")
        async with site.hub.kiosk():
            await until(lambda: site.hub.services.links.connected)
        (raised,) = await until(lambda: site.tg.messages(ADMIN))
        assert raised["text"].startswith("🔴 Kiosk offline\nkiosk_001\n")
        (other,) = await until(lambda: site.tg.messages(SECOND))
        changed = await site.press(raised, "✓ Acknowledge")
        assert changed["edits"] == 1
        assert f"({ADMIN})" in changed["text"].splitlines()[-1]
        assert site.buttons(changed) == ["🔕 kiosk_001 1 h"]
        said = await site.press(other, "✓ Acknowledge", user=SECOND, toast=True)
        assert f"({ADMIN}) has already acknowledged this, at " in said
        other = await until(lambda: (m := site.tg.messages(SECOND)[0])["edits"] and m)
        assert f"({ADMIN})" in other["text"].splitlines()[-1]
        admin_acts = [r for r in caplog.records if r.getMessage() == "admin act"]
        assert [getattr(record, "act", "") for record in admin_acts] == ["acknowledge"]
        async with site.hub.kiosk():
            over = (await until(lambda: len(m := site.tg.messages(ADMIN)) == 2 and m))[1]
        assert over["text"].startswith("✅ Kiosk back online\nkiosk_001\nIt was away for ")
        assert over["reply_to_message"]["message_id"] == raised["message_id"]


@pytest.mark.usefixtures("_quick")
async def test_what_is_muted_is_not_told(tmp_path: Path) -> None:
    async with bot_site(tmp_path, alerts_config=rules_file(tmp_path, "kiosk-offline")) as site:
        muted = await site.say("/mute kiosk_001 2h")
        assert muted["text"].startswith("🔕 I tell nothing of kiosk kiosk_001 for 2 h, until ")
        async with site.hub.kiosk():
            await until(lambda: site.hub.services.links.connected)
        await until(site.hub.services.alerts.standing)
        listed = await site.say("/alerts kiosk_001")
        assert "1 alert of kiosk_001" in listed["text"]
        assert "🔕 muted for " in listed["text"]
        wrong = await site.say("/mute kiosk_01 2h")
        assert "Near it: kiosk_001" in wrong["text"]
        assert "/mute <kiosk|kind> <duration>" in wrong["text"]
        told = await site.press(muted, "🔔 kiosk_001", count=2)
        assert any(m["text"].startswith("🔔 I tell of kiosk_001 again") for m in told)
        assert any(m["text"].startswith("🔴 Kiosk offline") for m in told)


# Without


def caller(user_id: int = ANN, name: str = "Ann", language: Language = "en") -> Caller:
    return Caller(user_id=user_id, shown=f"{name} ({user_id})", language=language, target=Target(user_id))


def hands(d: Desk) -> Any:
    """What these acts use."""
    return SimpleNamespace(
        registry=d.registry, alerts=d.alerts, asks=d.asks, say=d.say, clock=lambda: d.now, users=d.users
    )


def taken(reply: Reply) -> str:
    """The answer as it reads, once Telegram would take it."""
    text_of(reply.html, "HTML")
    for row in reply.buttons:
        assert all(button.text and 0 < len(button.data.encode()) <= DATA_MAX for button in row)
    return plain(reply.html)


async def wrong(d: Desk, act: Any, *words: str) -> str:
    """Why these words cannot be used."""
    with pytest.raises(WrongUse) as error:
        await act(hands(d), caller(), list(words))
    return plain(d.say("en", error.value.key, **error.value.fields))


def data(reply: Reply, text: str) -> str:
    """What comes back from a button."""
    found = next(button.data for row in reply.buttons for button in row if button.text == text)
    return found.partition(":")[2]


async def test_the_list_has_the_worst_first_and_pages(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        assert taken(await acts.alerts(hands(d), caller(), [])) == "✅ Nothing is wrong."
        await d.begin("paper-low", *(f"k{n}" for n in range(9)), subject="printer")
        await d.begin("paper-out", "kiosk_001", subject="printer")
        first = await acts.alerts(hands(d), caller(), [])
        said = taken(first).splitlines()
        assert said[0] == "10 alerts"
        assert said[2:4] == ["🔴 Critical", "#10 No paper: kiosk_001 Abay 12 — printer, 0 s"]
        assert said[5] == "🟡 Warnings"
        second = await acts.turn(hands(d), caller(), data(first, "2 ›"))
        assert second.edits
        assert taken(second).count("#") == 2
        again = await acts.turn(hands(d), caller(), data(second, "‹ 1"))
        assert taken(again) == taken(first)
        # A page that is not there any more is the last, and whatever stands in a button's data does no harm.
        assert taken(await acts.turn(hands(d), caller(), "99:")) == taken(second)
        for rest in ("x:", "-1:", ":::", "", "0:#999"):
            taken(await acts.turn(hands(d), caller(), rest))
        russian = taken(await acts.alerts(hands(d), caller(language="ru"), []))
        assert russian.startswith("10 оповещений\n")


async def test_one_of_the_list_is_taken_note_of(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await d.begin("paper-out", "kiosk_001")
        listed = await acts.alerts(hands(d), caller(), ["kiosk_001"])
        rest = data(listed, "✓ #1")
        done = await acts.acknowledge_listed(hands(d), caller(), rest)
        assert (done.toast, done.edits) == ("Acknowledged.", True)
        assert "✓ Acknowledged by Ann (7001) at " in taken(done)
        assert not done.buttons
        late = await acts.acknowledge_listed(hands(d), caller(BOB, "Bob"), rest)
        assert late.toast.startswith("Ann (7001) has already acknowledged this, at ")
        await d.end("paper-out", "kiosk_001")
        gone = await acts.acknowledge_listed(hands(d), caller(), rest)
        assert gone.toast == "That alert no longer stands."
        assert taken(gone) == "✅ Nothing is wrong with kiosk_001."
        assert (await acts.acknowledge_listed(hands(d), caller(), "x")).toast == "This button does nothing any more."


def test_taking_note_is_not_refused_while_the_database_is_away() -> None:
    assert not any(acts.PRESSES[verb].changes for verb in ("ack", "acked", "alerts"))
    assert all(acts.PRESSES[verb].changes for verb in ("hush", "unhush"))


async def test_many_are_taken_note_of_together(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await d.begin("kiosk-offline", *(f"k{n}" for n in range(5)))
        (raised,) = await d.said(1)
        (press,) = [b for b in raised["reply_markup"]["inline_keyboard"][0] if b["text"] == "✓ Acknowledge all"]
        rest = press["callback_data"].partition(":")[2]
        await d.end("kiosk-offline", "k0", "k1")
        done = await acts.acknowledge(hands(d), caller(), rest)
        assert done.toast == "Acknowledged."
        assert taken(done).startswith("🔴 3 kiosks offline\n")
        assert "✓ Acknowledged by Ann (7001) at " in taken(done)
        assert taken(done).endswith("2 over meanwhile")
        assert {alert.acknowledged_by for alert in d.alerts.standing()} == {"Ann (7001)"}
        late = await acts.acknowledge(hands(d), caller(BOB, "Bob"), rest)
        assert late.toast.startswith("Ann (7001) has already")
        assert "Ann (7001)" in taken(late)
        for stale in ("no-such-question", "", "12345678901234567890", "9999"):
            assert (await acts.acknowledge(hands(d), caller(), stale)).toast


async def test_a_kiosk_that_is_not_there_is_said_with_near_ones(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        said = await wrong(d, acts.alerts, "kiosk_01")
        assert said.startswith("There is no kiosk kiosk_01. Near it: kiosk_001")
        assert await wrong(d, acts.alerts, "<b>") == "There is no kiosk <b>."
        assert "too much" in await wrong(d, acts.alerts, "a", "b")
        await d.begin("paper-out", "kiosk_gone")  # removed, and its alert is not over yet
        assert "1 alert of kiosk_gone" in taken(await acts.alerts(hands(d), caller(), ["kiosk_gone"]))


async def test_long_ids_have_buttons_too(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        long = "k" * 64
        await d.registry.add(long, "<long>")
        for n in range(9):
            await d.begin("device-fault", long, subject=f"d{n}")
        first = await acts.alerts(hands(d), caller(), [long])
        second = await acts.turn(hands(d), caller(), data(first, "2 ›"))
        assert taken(second).startswith(f"9 alerts of {long}")
        done = await acts.acknowledge_listed(hands(d), caller(), data(second, "✓ #9"))
        assert done.toast == "Acknowledged."
        muted = await acts.hush(hands(d), caller(), "#3")
        assert "for 1 h" in taken(muted)
        assert [mute.scope for mute in d.alerts.mutes()] == [long]
        assert "🔕 muted for 1 h" in taken(await acts.alerts(hands(d), caller(), [long]))
        assert not (await acts.mutes(hands(d), caller(), [])).buttons  # its id does not fit


async def test_a_mute_is_set_shown_and_ended(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        said = taken(await acts.mute(hands(d), caller(language="ru"), ["kiosk_001", "2ч"]))
        assert said.startswith("🔕 Не сообщаю о киоске kiosk_001 2 ч, до ")
        said = taken(await acts.mute(hands(d), caller(), ["Paper-Out", "1", "d", "12h"]))
        assert said.startswith("🔕 I tell nothing of paper-out (No paper) for 1 d 12 h, until ")
        assert [(mute.scope, mute.until - NOW) for mute in d.alerts.mutes()] == [
            ("kiosk_001", 7200), ("paper-out", 1.5 * DAY)
        ]  # fmt: skip
        listed = await acts.mutes(hands(d), caller(), [])
        assert "kiosk_001 for another 2 h, until " in taken(listed)
        assert "; by Ann (7001)" in taken(listed)
        assert "again" in taken(await acts.unhush(hands(d), caller(), data(listed, "🔔 paper-out")))
        assert await wrong(d, acts.unmute) == "Of what shall I tell again? Muted: kiosk_001."
        assert "is not muted. Muted: kiosk_001" in taken(await acts.unmute(hands(d), caller(), ["paper-out"]))
        assert "🔔 I tell of kiosk_001 again" in taken(await acts.unmute(hands(d), caller(), ["KIOSK_001"]))
        assert taken(await acts.mutes(hands(d), caller(), [])) == "🔔 Nothing is muted."
        assert taken(await acts.unmute(hands(d), caller(), [])) == "🔔 Nothing is muted."
        assert taken(await acts.unmute(hands(d), caller(), ["x" * 5000])).endswith("is not muted.")


async def test_wrong_mutes_say_what_would_be_right(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        assert "kiosk-offline, " in await wrong(d, acts.mute)
        assert await wrong(d, acts.mute, "kiosk_001") == "For how long shall I tell nothing of kiosk_001?"
        assert "“soon” is no duration such as 30m, 2h or 1d" in await wrong(d, acts.mute, "kiosk_001", "soon")
        assert "7 days at most" in await wrong(d, acts.mute, "kiosk_001", "8d")
        assert "Near it: paper-low, paper-out" in await wrong(d, acts.mute, "paper", "2h")
        assert "Near it: kiosk_001" in await wrong(d, acts.mute, "kiosk_0011", "2h")
        assert "Kinds: kiosk-offline, " in await wrong(d, acts.mute, "zzzzzzzz", "2h")
        assert "too much" in await wrong(d, acts.mutes, "x")
        assert not d.alerts.mutes()
        taken(await acts.mute(hands(d), caller(), ["kiosk_001", "7d"]))


async def test_a_kiosk_named_as_a_kind_is_muted_and_so_is_the_kind(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await d.registry.add("paper-out", "")
        said = taken(await acts.mute(hands(d), caller(), ["paper-out", "1h"]))
        assert "nothing of kiosk paper-out" in said
        assert said.endswith("There is a kind of alerts of that name, too: it is muted as well.")


async def test_the_button_that_hushes(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        assert "nothing of kiosk kiosk_001 for 1 h" in taken(await acts.hush(hands(d), caller(), "kiosk_001"))
        assert "nothing of kiosk-offline" in taken(await acts.hush(hands(d), caller(), "kiosk-offline"))
        await d.begin("hub-redis")
        assert "nothing of hub-redis" in taken(await acts.hush(hands(d), caller(), "#1"))
        assert (await acts.hush(hands(d), caller(), "#77")).toast == "That alert no longer stands."
        assert (await acts.hush(hands(d), caller(), "gone")).toast == "This button does nothing any more."
