"""/regenerate_token, /disable_kiosk, /remove_kiosk: asked, confirmed, and not by others, twice or too late."""

import asyncio
import logging
import re
from pathlib import Path

import pytest

from tests.cloud.bot.site import ADMIN, bot_site
from tests.cloud.bot.test_acts_kiosks import token_of
from tests.cloud.hub import rows
from wire.problems import CloseCode

GROUP, OTHER = -1001, 7002


async def test_disabling_says_what_will_happen_and_does_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with bot_site(tmp_path, kiosk_reconnect_grace=0.01) as site:
        await site.hub.services.registry.rename("kiosk_001", "Till <2>")
        async with site.hub.kiosk() as kiosk:
            running = site.hub.sending()
            await kiosk.request()
            asked = await site.say("/disable_kiosk kiosk_001")
            assert asked["text"] == (
                "Disable kiosk kiosk_001 (Till <2>)?\nIt is kept out until /enable_kiosk.\n"
                "It is connected from 127.0.0.1: its connection is closed at once.\n"
                "1 operation runs there just now: callers are told that the outcome is unknown, until the kiosk is "
                "back and tells it.\nYou alone may answer, within 60 s."
            )
            assert site.buttons(asked) == ["Disable", "No, leave it"]
            done = await site.press(asked, "Disable")
            assert await kiosk.close_code() == CloseCode.FORBIDDEN
            assert (await running).json()["outcome"] == "unknown"
        assert (done["message_id"], site.buttons(done)) == (asked["message_id"], [])
        assert done["text"] == "🚫 Kiosk kiosk_001 is disabled. To let it in again: /enable_kiosk kiosk_001"
        acts = [(r.act, r.kiosk, r.by) for r in caplog.records if r.getMessage() == "admin act"]
        assert acts == [("kiosk disabled", "kiosk_001", f"telegram {ADMIN}")]
        assert "is disabled already" in (await site.say("/disable_kiosk kiosk_001"))["text"]
        # Pressed once more, it says so, and what came of it stays to be read.
        assert await site.press(asked, "Disable", toast=True) == "This was answered already."
        assert site.tg.messages(ADMIN)[-2]["text"] == done["text"]


async def test_no_leaves_it(tmp_path: Path) -> None:
    async with bot_site(tmp_path) as site:
        asked = await site.say("/remove_kiosk kiosk_001")
        left = await site.press(asked, "No, leave it")
        assert left["text"] == "Nothing was done: kiosk kiosk_001 stays as it is."
        assert await site.press(asked, "Remove", toast=True) == "This was answered already."
        assert site.hub.services.registry.get("kiosk_001") is not None


async def test_a_question_is_good_for_a_minute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloud.bot.acts_dangerous.ASK_FOR", 0.001)
    async with bot_site(tmp_path) as site:
        asked = await site.say("/remove_kiosk kiosk_001")
        late = await site.press(asked, "Remove")
        assert late["message_id"] == asked["message_id"]
        assert late["text"].startswith("⌛ Too late")
        assert site.buttons(late) == []
        assert "Too late" in await site.press(asked, "Remove", toast=True)
        assert site.hub.services.registry.get("kiosk_001") is not None


async def test_only_who_asked_may_answer(tmp_path: Path) -> None:
    async with bot_site(tmp_path, telegram_admin_ids=f"{ADMIN},{OTHER}") as site:
        site.tg.group(GROUP)
        asked = await site.say("/remove_kiosk kiosk_001", chat_id=GROUP)
        for user, words in ((OTHER, "Only who asked"), (site.stranger, "I obey only")):
            assert words in await site.press(asked, "Remove", user=user, toast=True)
        assert site.hub.services.registry.get("kiosk_001") is not None
        assert site.tg.messages(GROUP)[-1]["edits"] == 0
        done = await site.press(asked, "Remove")
        assert done["text"] == "🗑 Kiosk kiosk_001 is removed."
        assert site.hub.services.registry.get("kiosk_001") is None


async def test_pressed_twice_at_once_it_is_done_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with bot_site(tmp_path) as site:
        asked = await site.say("/regenerate_token kiosk_001")
        told = await asyncio.gather(*(site.press(asked, "New token", toast=True) for _ in range(3)))
        assert sorted(told) == ["", "This was answered already.", "This was answered already."]
        kiosk = site.hub.services.registry.get("kiosk_001")
        assert kiosk is not None
        assert kiosk.generation == 1
        assert [r.act for r in caplog.records if r.getMessage() == "admin act"] == ["kiosk token renewed"]
        assert "has a new token" in site.tg.messages(ADMIN)[-1]["text"]


async def test_a_new_token_ends_the_old_one(tmp_path: Path) -> None:
    async with bot_site(tmp_path, public_url="https://hub.example.com") as site:
        async with site.hub.kiosk() as kiosk:
            asked = await site.say("/regenerate_token kiosk_001")
            assert "The old token and the kiosk's key die at once." in asked["text"]
            done = await site.press(asked, "New token")
            assert await kiosk.close_code() == CloseCode.BAD_TOKEN
        async with site.hub.socket(token_of(done)) as socket:
            await socket.hello()
        assert rows(tmp_path, "SELECT result, reason FROM enrolments") == [("withdrawn", "token")]
        assert site.buttons(await site.press(done, "✓ I have it: hide it")) == []


async def test_a_token_asked_for_in_a_group_is_asked_about_in_private(tmp_path: Path) -> None:
    async with bot_site(tmp_path) as site:
        site.tg.group(GROUP)
        assert (await site.say("/regenerate_token kiosk_001", chat_id=GROUP))["text"] == (
            "I have asked you in our private chat."
        )
        asked = site.tg.messages(ADMIN)[-1]
        assert asked["text"].startswith("A new token for kiosk kiosk_001?")
        token_of(await site.press(asked, "New token"))
        assert len(site.tg.messages(GROUP)) == 1


async def test_what_has_become_worse_meanwhile_is_asked_anew(tmp_path: Path) -> None:
    async with bot_site(tmp_path) as site, site.hub.kiosk() as kiosk:
        asked = await site.say("/remove_kiosk kiosk_001")
        assert "No operation runs there, none is queued." in asked["text"]
        running = site.hub.sending()
        request = await kiosk.request()
        anew = await site.press(asked, "Remove")
        assert anew["text"].startswith("Things have changed since I asked: look again.\n\nRemove kiosk")
        assert "1 operation runs there just now: their outcome will stay unknown, and a person" in anew["text"]
        assert site.hub.services.registry.get("kiosk_001") is not None
        await kiosk.answer(request)
        await running
        await site.hub.idle()
        assert (await site.press(anew, "Remove"))["text"] == "🗑 Kiosk kiosk_001 is removed."


async def test_another_one_was_quicker(tmp_path: Path) -> None:
    async with bot_site(tmp_path) as site:
        registry = site.hub.services.registry
        token, disable, remove = [
            await site.say(f"/{name} kiosk_001") for name in ("regenerate_token", "disable_kiosk", "remove_kiosk")
        ]
        await registry.renew_token("kiosk_001")
        assert "Things have changed" in (await site.press(token, "New token"))["text"]
        await registry.enable("kiosk_001", False)
        assert "is disabled already" in (await site.press(disable, "Disable"))["text"]
        await registry.remove("kiosk_001")
        assert "was removed meanwhile" in (await site.press(remove, "Remove"))["text"]


async def test_what_waits_for_it_is_counted(tmp_path: Path) -> None:
    async with bot_site(tmp_path) as site:
        for _ in range(2):
            assert (await site.hub.send(Header_Delivery="queue")).status_code == 202
        assert await site.hub.services.operations.load_of("kiosk_001") == (0, 2)
        assert "2 queued operations will wait, and expire" in (await site.say("/disable_kiosk kiosk_001"))["text"]
        said = (await site.say("/remove_kiosk kiosk_001"))["text"]
        assert "It is not connected.\n2 queued operations will expire, not executed." in said
        await site.say("/language ru")
        assert "В очереди 2 операции: истекут невыполненными." in (await site.say("/remove_kiosk kiosk_001"))["text"]


async def test_whom_it_means_must_be_said_exactly(tmp_path: Path) -> None:
    async with bot_site(tmp_path) as site:
        for name in ("regenerate_token", "disable_kiosk", "remove_kiosk"):
            for meant in ("KIOSK_001", "kiosk"):
                said = await site.say(f"/{name} {meant}")
                assert said["text"] == f"There is no kiosk {meant}. Perhaps: kiosk_001"
                assert site.buttons(said) == []
            assert (await site.say(f"/{name}"))["text"] == f"Which kiosk?\nRight would be: /{name} <id>"
        assert await site.press(
            {**(await site.say("/remove_kiosk kiosk_001")), "reply_markup": _button("kremove:forged:y:0:1:1")}, "x"
        )
        assert site.hub.services.registry.get("kiosk_001") is not None
        assert re.search("Too late", site.tg.messages(ADMIN)[-1]["text"])


def _button(data: str) -> dict[str, object]:
    return {"inline_keyboard": [[{"text": "x", "callback_data": data}]]}
