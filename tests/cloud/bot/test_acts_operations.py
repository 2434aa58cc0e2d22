"""/operation and /unknown, as an admin meets them in Telegram."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.cloud.bot.site import ADMIN, STRANGER, Site, bot_site
from tests.cloud.hub import Json, Kiosk, change, rows
from tests.cloud.operations.test_resolving import later, left_unknown, unheard

WHY = "the bank's list has it"
NAME = f"Person {ADMIN}"


@asynccontextmanager
async def site(tmp_path: Path, **settings: Any) -> AsyncIterator[tuple[Site, Kiosk]]:
    async with bot_site(tmp_path, **settings) as found, found.hub.kiosk() as kiosk:
        yield found, kiosk


async def settled(found: Site, request_id: str, button: str, user: int = ADMIN) -> Json:
    """Go up to the question why; returns it."""
    question = await found.press(await found.say(f"/operation {request_id}", user=user), "Settle…", user=user)
    _, why = await found.press(question, button, user=user, count=2)
    assert '"force_reply": true' in json.dumps(found.tg.sent[-1], default=str).replace("\\", "").casefold()
    return why


async def test_an_operation_is_shown_with_all_that_is_known(tmp_path: Path) -> None:
    async with site(tmp_path) as (found, kiosk):
        await found.hub.services.registry.rename("kiosk_001", "Entrance <1>")
        asked = found.hub.sending({"pan": "4276380012345674", "sum": 150}, key="shop-1", operation="pay.card")
        await kiosk.answer(await kiosk.request(), {"status": "declined", "token": "secret-of-the-gateway"}, 402)
        request_id = (await asked).headers["x-request-id"]
        await found.hub.idle()
        for text in (request_id, request_id[:20]):
            shown = await found.say(f"/operation {text}")
            for part in (
                "❌ pay.card POST: failed", request_id, "kiosk_001", "“Entrance <1>”, connected", "“tests” (API key ",
                "Idempotency-Key: shop-1", "Gateway: HTTP 402", '"sum": 150', '"status": "declined"',
                "/kiosk kiosk_001",
            ):  # fmt: skip
                assert part in shown["text"]
            assert "4276380012345674" not in shown["text"]
            assert "secret-of-the-gateway" not in shown["text"]
            assert "reply_markup" not in shown


async def test_long_bodies_come_as_a_file(tmp_path: Path) -> None:
    async with site(tmp_path) as (found, kiosk):
        asked = found.hub.sending({"lines": ["<tea>"] * 2000, "phone": "+77011234567"}, key="shop-1")
        await kiosk.answer(await kiosk.request(), {"paid": True})
        request_id = (await asked).headers["x-request-id"]
        await found.hub.idle()
        shown, file = await found.say(f"/operation {request_id}", count=2)
        assert "in the file below" in shown["text"]
        assert (file["document"]["file_name"], file["caption"]) == (f"operation-{request_id}.txt", f"✅ {request_id}")
        assert file["document"]["file_size"] > 10_000


async def test_what_cannot_be_found_is_told_with_the_right_use(tmp_path: Path) -> None:
    async with site(tmp_path) as (found, kiosk):
        one, two = [await left_unknown(found.hub, kiosk, f"pay-{n}") for n in range(2)]
        await change(tmp_path, f"UPDATE operations SET request_id = 'same-beginning-1' WHERE request_id = '{one}'")
        await change(tmp_path, f"UPDATE operations SET request_id = 'same-beginning-2' WHERE request_id = '{two}'")
        for text, part in (
            ("", "Which operation?"),
            ("short", "short is no request id"),
            ("'; DROP TABLE operations'", "is no request id"),
            ("a b", "One operation at a time"),
            ("12345678-no-such", "There is no operation 12345678-no-such"),
            ("same-beg", "same-beginning-1"),
            ("SAME-BEG", "There is no operation"),
        ):
            told = (await found.say(f"/operation {text}"))["text"]
            assert part in told
            assert "/operation <request id>" in told
        assert "same-beginning-2" in (await found.say("/operation same-beginning-2"))["text"]


async def test_it_is_settled_in_three_steps_and_told(tmp_path: Path) -> None:
    async with site(tmp_path) as (found, kiosk):
        request_id = await left_unknown(found.hub, kiosk)
        listed = await found.say("/unknown")
        assert "1 operation without a known outcome" in listed["text"]
        assert request_id in listed["text"]
        assert "nobody can be asked" in listed["text"]
        question = await found.press(listed, "Settle 1…")
        assert "may charge the customer again" in question["text"]
        assert "⚠️" not in question["text"], "its kiosk has told that it cannot tell"
        assert found.buttons(question) == ["It was executed", "It was not", "Leave it"]
        chosen, why = await found.press(question, "It was executed", count=2)
        assert (chosen["message_id"], found.buttons(chosen)) == (question["message_id"], [])
        assert "it was executed" in chosen["text"]
        assert "Reply to this message within 10 min" in why["text"]
        done = await found.say(WHY, reply_to=why["message_id"])
        assert f"Written: {request_id} was executed" in done["text"]
        assert "no callback address" in done["text"]
        by = f"telegram:{ADMIN} ({NAME})"
        assert f"By {by}: {WHY}" in done["text"]
        assert rows(tmp_path, 'SELECT state, "by", why FROM resolutions') == [("succeeded", by, WHY)]
        told = await found.hub.operation(request_id)
        assert (told["state"], told["resolution"]["by"]) == ("succeeded", f"telegram:{ADMIN}"), "names stay here"
        shown = await found.say(f"/operation {request_id}")
        for part in (
            f"By {by}, ",
            "✅ payment POST: succeeded",
            "👤 Settled by hand: it was executed",
            WHY,
            "Known until then: interr",
        ):
            assert part in shown["text"]
        assert "known" in (await found.say("/unknown"))["text"]
        again = await found.say(WHY, reply_to=why["message_id"])
        assert "no longer open" in again["text"]
        assert "succeeded" in (await found.press(listed, "Settle 1…"))["text"], "an old list"


async def test_a_contradiction_is_shown(tmp_path: Path) -> None:
    async with site(tmp_path) as (found, kiosk):
        request = await unheard(found.hub, kiosk)
        later(found.hub, 200)
        why = await settled(found, request["request_id"], "It was not")
        assert "was not executed" in (await found.say(WHY, reply_to=why["message_id"]))["text"]
        await kiosk.answer(request, {"paid": True, "rrn": 17})
        await kiosk.hear("settled")
        shown = (await found.say(f"/operation {request['request_id']}"))["text"]
        for part in ("Settled by hand: it was not executed", "Its kiosk told later", "yes (HTTP 200)", '"rrn": 17'):
            assert part in shown
        assert "🚨 Its kiosk contradicts: a person said that it was not executed" in shown


async def test_a_kiosk_that_may_still_begin_it_is_waited_for_and_one_that_began_is_warned_of(tmp_path: Path) -> None:
    async with site(tmp_path) as (found, kiosk):
        asked = found.hub.sending(key="pay-1")
        request = await kiosk.request()
        await kiosk.say("accepted", request_id=request["request_id"])
        await found.hub.operation_in(request["request_id"], "accepted")
        early = await found.say(f"/operation {request['request_id']}")
        assert "reply_markup" not in early
        operations = found.hub.services.operations
        operations._ending.deadline(operations._books.get(request["request_id"]))
        await asked
        await found.hub.idle()
        card = await found.say(f"/operation {request['request_id']}")
        question = await found.press(card, "Settle…")
        assert "Its kiosk may still begin it, or be at work on it, for 1 min" in question["text"]
        assert "reply_markup" not in question
        later(found.hub, 200)
        question = await found.press(card, "Settle…")
        assert "The kiosk had begun it" in question["text"]
        assert "The kiosk is connected" in question["text"]
        left = await found.press(question, "Leave it")
        assert left["message_id"] == question["message_id"]
        assert "Left as it is" in left["text"]
        assert rows(tmp_path, "SELECT 1 FROM resolutions") == []


async def test_a_question_is_for_one_person_once_and_for_ten_minutes(tmp_path: Path) -> None:
    other = 7002
    admins = f"{ADMIN},{other}"
    async with site(tmp_path, telegram_admin_ids=admins) as (found, kiosk):
        group = -1001
        found.tg.group(group, [ADMIN, other, STRANGER])
        request_id = await left_unknown(found.hub, kiosk)
        card = await found.say(f"/operation {request_id}", chat_id=group)
        question = await found.press(card, "Settle…")
        assert "somebody else's" in await found.press(question, "It was not", user=other, toast=True)
        _, why = await found.press(question, "It was not", count=2)
        assert "over" in await found.press(question, "It was executed", toast=True)
        told = await found.say("it was me", user=other, chat_id=group, reply_to=why["message_id"])
        assert "no longer open" in told["text"]
        assert rows(tmp_path, "SELECT 1 FROM resolutions") == []
        await change(tmp_path, "UPDATE bot_asks SET until = until - 601")
        told = await found.say(WHY, chat_id=group, reply_to=why["message_id"])
        assert "no longer open" in told["text"]
        assert (await found.hub.operation(request_id))["state"] == "unknown"


async def test_a_reason_that_is_none_is_asked_for_again(tmp_path: Path) -> None:
    async with site(tmp_path) as (found, kiosk):
        request_id = await left_unknown(found.hub, kiosk)
        why = await settled(found, request_id, "It was not")
        again = await found.say("x" * 501, reply_to=why["message_id"])
        assert "1 to 500 letters" in again["text"]
        assert "was not executed" in (await found.say("x" * 500, reply_to=again["message_id"]))["text"]


async def test_whoever_came_first_is_told_to_who_came_second(tmp_path: Path) -> None:
    async with site(tmp_path) as (found, kiosk):
        request = await unheard(found.hub, kiosk)
        later(found.hub, 200)
        why = await settled(found, request["request_id"], "It was not")
        await kiosk.answer(request, {"paid": True})
        await kiosk.hear("settled")
        told = await found.say(WHY, reply_to=why["message_id"])
        assert "It is known what became of it: succeeded" in told["text"]
        assert rows(tmp_path, "SELECT 1 FROM resolutions") == []


async def test_the_dialog_goes_on_after_a_restart(tmp_path: Path) -> None:
    from cloud.emulator.server import Emulator

    async with Emulator(port=0) as tg:
        async with bot_site(tmp_path, tg=tg) as found, found.hub.kiosk() as kiosk:
            request_id = await left_unknown(found.hub, kiosk)
            question = await found.press(await found.say(f"/operation {request_id}"), "Settle…")
            await found.done()
        async with bot_site(tmp_path, tg=tg) as found:
            _, why = await found.press(question, "It was executed", count=2)
            await found.done()
        async with bot_site(tmp_path, tg=tg) as found:
            assert "was executed" in (await found.say(WHY, reply_to=why["message_id"]))["text"]
            assert (await found.hub.operation(request_id))["state"] == "succeeded"


async def test_the_list_has_pages(tmp_path: Path) -> None:
    async with site(tmp_path) as (found, kiosk):
        ids = [await left_unknown(found.hub, kiosk, f"pay-{n}") for n in range(11)]
        long = "x" * 64
        await change(tmp_path, f"UPDATE operations SET request_id = '{long}' WHERE request_id = '{ids[4]}'")
        ids[4] = long
        listed = await found.say("/unknown")
        seen = []
        while True:
            seen += re.findall(r"[0-9a-f-]{36}|x{64}", listed["text"])
            if "Next ›" not in found.buttons(listed):
                break
            listed = await found.press(listed, "Next ›")
        assert seen == ids
        assert "11. " in listed["text"]
        assert found.buttons(listed) == ["Settle 11…", "‹ First"]
        listed = await found.press(listed, "‹ First")
        assert "Settle 5…" in found.buttons(listed)
        assert long in (await found.press(listed, "Settle 5…"))["text"]


async def test_russian_is_spoken_as_well(tmp_path: Path) -> None:
    async with site(tmp_path, telegram_language="ru") as (found, kiosk):
        request_id = await left_unknown(found.hub, kiosk)
        listed = await found.say("/unknown")
        assert "1 операция с неизвестным исходом" in listed["text"]
        question = await found.press(listed, "Закрыть 1…")
        _, why = await found.press(question, "Не выполнена", count=2)
        assert "в течение 10 мин" in why["text"]
        assert "не выполнена" in (await found.say("в выписке нет", reply_to=why["message_id"]))["text"]
        assert "👤 Закрыта вручную: не выполнена" in (await found.say(f"/operation {request_id}"))["text"]


async def test_a_stranger_settles_nothing(tmp_path: Path) -> None:
    group = -1001
    async with site(tmp_path) as (found, kiosk):
        found.tg.group(group, [ADMIN, STRANGER])
        request_id = await left_unknown(found.hub, kiosk)
        assert request_id not in (await found.say(f"/operation {request_id}", user=STRANGER))["text"]
        card = await found.say(f"/operation {request_id}", chat_id=group)
        question = await found.press(card, "Settle…")
        assert "only the operators" in await found.press(question, "It was not", user=STRANGER, toast=True)
        _, why = await found.press(question, "It was not", count=2)
        found.tg.say(STRANGER, WHY, group, why["message_id"])
        assert "was not executed" in (await found.say("mine", chat_id=group, reply_to=why["message_id"]))["text"]
        assert rows(tmp_path, 'SELECT "by", why FROM resolutions') == [(f"telegram:{ADMIN} ({NAME})", "mine")]
