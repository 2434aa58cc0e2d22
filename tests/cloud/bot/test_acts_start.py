"""/start, /help, /language, said by people."""

from pathlib import Path

from cloud.bot.commands import COMMANDS
from cloud.bot.html import escape
from cloud.emulator.server import Emulator
from tests.cloud.bot.site import ADMIN, bot_site

OTHER, GROUP = 7002, -1001


async def test_the_beginning_says_who_is_obeyed_and_where_to_go_on(tmp_path: Path) -> None:
    async with bot_site(tmp_path, public_url="https://hub.example.com") as site:
        said = await site.say("/start from-a-link")
        assert said["text"].startswith("Kioskwire hub https://hub.example.com\n")
        assert "(7001)" in said["text"]
        assert sum(line.startswith("/") for line in said["text"].splitlines()) == 5
        refused = await site.say("/start", user=site.stranger)
        assert "8001" in refused["text"]
        assert "hub.example.com" not in refused["text"]


async def test_help_has_every_command_and_more_about_one(tmp_path: Path) -> None:
    async with bot_site(tmp_path) as site:
        whole = await site.say("/help")
        for command in COMMANDS:
            assert f"/{command.name} {escape(command.usage)}".strip() in whole["html"], command.name
        assert "Other" not in whole["text"]  # a command that is new there belongs to a group
        assert "1d12h, 7 days at most" in (await site.say("/help mute"))["text"]
        one = (await site.say("/help add_kiosk"))["text"]
        assert one.startswith("/add_kiosk <id> [name]\nregister a kiosk")
        assert "case matters" in one
        assert (await site.say("/help /Kiosk"))["text"].startswith("/kiosk <id>\n")
        assert "perhaps /status" in (await site.say("/help statsu"))["text"]
        assert "no command /<b>" in (await site.say("/help <b>"))["text"]


async def test_each_person_has_a_language(tmp_path: Path) -> None:
    async with bot_site(tmp_path, telegram_admin_ids=f"{ADMIN},{OTHER}") as site:
        site.tg.user(OTHER)
        site.tg.group(GROUP)
        assert (await site.say("/language русский"))["text"] == "Отвечаю по-русски."
        assert (await site.say("/help"))["text"].startswith("Команды")
        assert (await site.say("/help", user=OTHER))["text"].startswith("Commands")
        wrong = (await site.say("/language deutsch bitte"))["text"]
        assert "«deutsch bitte» не знаю" in wrong
        assert "/language [en|ru]" in wrong
        asked = await site.say("/language")
        assert site.buttons(asked) == ["English", "Русский"]
        assert (await site.press(asked, "English"))["text"] == "I answer you in English."
        # In a group each chooses for himself, and the question stays for the others.
        asked = await site.say("/language", chat_id=GROUP)
        assert await site.press(asked, "Русский", user=OTHER, toast=True) == "Отвечаю по-русски."
        assert (await site.say("/help", user=OTHER))["text"].startswith("Команды")
        assert (await site.say("/help"))["text"].startswith("Commands")
        assert site.tg.messages(GROUP)[-1]["edits"] == 0


async def test_the_language_outlives_the_hub(tmp_path: Path) -> None:
    async with Emulator(port=0) as tg:
        async with bot_site(tmp_path, tg=tg) as site:
            await site.say("/language ru")
            await site.done()
        async with bot_site(tmp_path, tg=tg) as site:
            assert (await site.say("/help"))["text"].startswith("Команды")
