"""/add_kiosk, /code, /enable_kiosk, said by people."""

import logging
import re
from pathlib import Path
from typing import Any

import pytest

from tests.cloud.bot.site import ADMIN, Site, bot_site

GROUP = -1001
LONG = "K" + "9" * 63


def secrets_of(message: dict[str, Any]) -> str:
    """What a message hides until somebody taps on it."""
    raw = message["text"].encode("utf-16-le")
    hidden = [e for e in message["entities"] if e["type"] == "spoiler"]
    return "\n".join(raw[2 * e["offset"] : 2 * (e["offset"] + e["length"])].decode("utf-16-le") for e in hidden)


def token_of(message: dict[str, Any]) -> str:
    """The token that a message hides."""
    found = re.search(r"^WS_TOKEN=(\S+)$", secrets_of(message), re.M)
    assert found is not None, message["text"]
    assert found[1] not in message["text"].replace(secrets_of(message).split("WS_TOKEN=")[1], "")
    return found[1]


async def lines_of(site: Site, kiosk_id: str) -> list[tuple[str, str]]:
    """The audit of its enrolment, the newest first."""
    return [(line.result, line.reason) for line in await site.hub.services.enrolment.audit(kiosk_id, 10)]


async def test_a_kiosk_is_added_and_connects_with_what_was_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with bot_site(tmp_path, public_url="https://hub.example.com") as site:
        said = await site.say("/add_kiosk kiosk_017  Station,   till <2> & 😀")
        assert said["text"].startswith("✅ Kiosk kiosk_017 is added: Station, till <2> & 😀.\n")
        kiosk = site.hub.services.registry.get("kiosk_017")
        assert kiosk is not None
        assert kiosk.name == "Station, till <2> & 😀"
        hidden = secrets_of(said)
        assert "WS_SERVER_URL=wss://hub.example.com/ws\n" in hidden
        code = re.search(r"^[A-Z2-9]{4}-[A-Z2-9]{4}$", hidden, re.M)
        assert code is not None
        assert f"kioskwire-appliance enroll --hub hub.example.com --code {code[0]}" in hidden
        assert said["text"].count(code[0]) == hidden.count(code[0])
        async with site.hub.socket(token_of(said)) as socket:
            await socket.hello()
        assert await site.hub.services.enrolment.open_until("kiosk_017") is not None
        assert await lines_of(site, "kiosk_017") == [("made", f"tg:{ADMIN}")]
        acts = [r for r in caplog.records if r.getMessage() == "admin act"]
        assert [(r.act, r.kiosk, r.by) for r in acts] == [("kiosk added", "kiosk_017", f"telegram {ADMIN}")]
        for record in caplog.records:
            told = f"{record.getMessage()} {vars(record)}"
            assert token_of(said) not in told
            assert code[0] not in told
        # What is secret leaves the chat, for good.
        hidden_now = await site.press(said, "✓ I have it: hide it")
        assert hidden_now["message_id"] == said["message_id"]
        assert hidden_now["text"] == "🔒 What was secret about kiosk kiosk_017 stood here."
        assert site.buttons(hidden_now) == []


async def test_wrong_uses_say_what_would_be_right(tmp_path: Path) -> None:
    async with bot_site(tmp_path) as site:
        for text, why in (
            ("/add_kiosk", "Which id shall the kiosk have?"),
            ("/add_kiosk <b>", "“<b>” cannot be a kiosk's id"),
            ("/add_kiosk киоск", "“киоск” cannot be a kiosk's id"),
            (f"/add_kiosk {'k' * 65}", "cannot be a kiosk's id: 1 to 64 letters"),
            (f"/add_kiosk k1 {'n' * 201}", "The name is too long: 201 letters"),
        ):
            said = (await site.say(text))["text"]
            assert why in said
            assert said.endswith("Right would be: /add_kiosk <id> [name]")
        assert (await site.say("/add_kiosk kiosk_001"))["text"].startswith("There is a kiosk kiosk_001 already.")
        like = await site.say("/add_kiosk KIOSK_001")
        assert "there is also kiosk_001: case matters" in like["text"]
        assert "PUBLIC_URL is not set: put this hub's address in the place of THIS-HUB" in like["text"]
        assert "WS_SERVER_URL=wss://THIS-HUB/ws" in secrets_of(like)
        assert await lines_of(site, "kiosk_001") == []
        stranger = await site.say("/add_kiosk mine", user=site.stranger)
        assert "I obey only the operators" in stranger["text"]
        assert site.hub.services.registry.get("mine") is None


async def test_the_longest_id(tmp_path: Path) -> None:
    async with bot_site(tmp_path, public_url="https://" + "h" * 60 + ".example.com") as site:
        said = await site.say(f"/add_kiosk {LONG} «{'<😀>' * 60}»")
        assert site.hub.services.registry.get(LONG) is not None
        assert len(token_of(said)) > 200
        hidden = await site.press(said, site.buttons(said)[0])
        assert hidden["text"] == f"🔒 What was secret about kiosk {LONG[:58]}… stood here."


async def test_a_secret_asked_for_in_a_group_is_told_in_private(tmp_path: Path) -> None:
    async with bot_site(tmp_path) as site:
        site.tg.group(GROUP)
        said = await site.say("/add_kiosk k1 Till", chat_id=GROUP)
        there = "What is secret about kiosk k1 stands in our private chat."
        assert said["text"] == f"✅ Kiosk k1 is added: Till.\n{there}"
        first, secret = site.tg.messages(ADMIN)[-2:]
        assert first["text"] == "You asked for this in a group: /add_kiosk k1"
        async with site.hub.socket(token_of(secret)) as socket:
            await socket.hello()
        again = (await site.say("/code k1", chat_id=GROUP))["text"]
        assert again.startswith("🎟 A new code for kiosk k1.")
        assert again.endswith(f"\n{there}")
        assert re.search(r"[A-Z2-9]{4}-[A-Z2-9]{4}", secrets_of(site.tg.messages(ADMIN)[-1]))
        for message in site.tg.messages(GROUP):
            assert not [e for e in message.get("entities", []) if e["type"] == "spoiler"]
            assert "eyJ" not in message["text"]


async def test_nothing_is_made_where_the_bot_may_not_write_in_private(tmp_path: Path) -> None:
    async with bot_site(tmp_path) as site:
        site.tg.group(GROUP)
        site.tg.user(ADMIN, started=False)
        for text in ("/add_kiosk k1", "/code kiosk_001", "/regenerate_token kiosk_001"):
            said = (await site.say(text, chat_id=GROUP))["text"]
            assert said.startswith("Nothing was done: this is answered with a secret")
        assert site.hub.services.registry.get("k1") is None
        assert await lines_of(site, "kiosk_001") == []
        assert "exists already" not in (await site.say("/add_kiosk kiosk_001", chat_id=GROUP))["text"]


async def test_a_secret_that_does_not_go_through_can_be_had_again(tmp_path: Path) -> None:
    async with bot_site(tmp_path) as site:
        site.tg.group(GROUP)
        sends = site.tg.calls.fail

        # The first message to the private chat goes through, the one with the secret does not.
        def fail_later() -> None:
            sends(500, 1, "sendMessage")

        registry = site.hub.services.registry
        add = registry.add

        async def add_and_fail(*args: Any) -> Any:
            fail_later()
            return await add(*args)

        registry.add = add_and_fail  # type: ignore[method-assign]
        said = await site.say("/add_kiosk k1", chat_id=GROUP)
        assert said["text"].startswith("Kiosk k1 is added, but my private message to you did not go through.")
        assert "code" in (await site.say("/code k1"))["text"]


async def test_a_new_code_ends_the_one_before(tmp_path: Path) -> None:
    async with bot_site(tmp_path) as site:
        first, second = [secrets_of(await site.say("/code kiosk_001"))[:9] for _ in range(2)]
        assert first != second
        assert (await lines_of(site, "kiosk_001"))[0] == ("made", f"tg:{ADMIN}")
        answers = []
        for code in (first, second):
            body = {"code": code, "public_key": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
            answers.append((await site.hub.http.post("/enroll", json=body)).status_code)
        assert answers == [403, 200]
        assert "Which kiosk?" in (await site.say("/code"))["text"]
        assert "Perhaps: kiosk_001" in (await site.say("/code KIOSK_001"))["text"]
        await site.hub.services.registry.enable("kiosk_001", False)
        assert "The kiosk is disabled" in (await site.say("/code kiosk_001"))["text"]


async def test_a_kiosk_is_let_in_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with bot_site(tmp_path) as site:
        assert "enabled already" in (await site.say("/enable_kiosk kiosk_001"))["text"]
        assert not [r for r in caplog.records if r.getMessage() == "admin act"]
        await site.hub.services.registry.enable("kiosk_001", False)
        assert "There is no kiosk kiosk. Perhaps: kiosk_001" in (await site.say("/enable_kiosk kiosk"))["text"]
        said = await site.say("/enable_kiosk kiosk_001")
        assert said["text"].startswith("✅ Kiosk kiosk_001 is enabled")
        async with site.hub.kiosk():
            pass
        assert [r.act for r in caplog.records if r.getMessage() == "admin act"] == ["kiosk enabled"]
