"""A real hub with its bot, at an emulated Telegram, and people who write to it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from cloud.emulator.server import Emulator
from tests.cloud.hub import Running, rows, running, until
from wire.environment import Secret

ADMIN, STRANGER = 7001, 8001

Json = dict[str, Any]


class Site:
    """`hub` is a running hub, `tg` the emulator; `admin` the user whom the bot obeys."""

    admin = ADMIN
    stranger = STRANGER

    def __init__(self, state_dir: Path, hub: Running, tg: Emulator) -> None:
        self.state_dir = state_dir
        self.hub = hub
        self.tg = tg

    async def say(
        self, text: str, *, user: int = ADMIN, chat_id: int | None = None, reply_to: int = 0, count: int = 1
    ) -> Any:
        """Say something to the bot; returns what it says next in that chat, `count` messages of it: one as a dict,
        several as a list. A message that it changes instead counts as well."""
        chat = user if chat_id is None else chat_id
        before = self._seen(chat)
        self.tg.say(user, text, chat_id, reply_to)
        return await self._next(chat, before, count)

    async def press(self, message: Json, text: str, *, user: int = ADMIN, count: int = 1, toast: bool = False) -> Any:
        """Press the button that says so under a message; returns what the bot says then, or the message as it is
        changed; with `toast` the words that are shown at the button."""
        data = next(
            button["callback_data"]
            for row in message["reply_markup"]["inline_keyboard"]
            for button in row
            if button["text"] == text
        )
        chat = message["chat"]["id"]
        before = self._seen(chat)
        press = self.tg.press(user, message["message_id"], data, chat)
        if toast:
            return (await until(lambda: self.tg.answered(press))).get("text", "")
        return await self._next(chat, before, count)

    async def silent(self, text: str, *, user: int, chat_id: int | None = None) -> None:
        """Say something to which the bot says nothing, as is known once it has answered what an admin said later."""
        chat = user if chat_id is None else chat_id
        self.tg.say(user, text, chat_id)
        before = self._seen(chat)
        await self.say("hello")
        assert chat == ADMIN or self._seen(chat) == before

    async def done(self) -> None:
        """Wait until all that it was told is noted as done: what is not, the next life of the hub tells of again."""
        await until(lambda: not rows(self.state_dir, "SELECT 1 FROM bot_updates WHERE done_at IS NULL"))

    def buttons(self, message: Json) -> list[str]:
        """What the buttons under a message say."""
        return [b["text"] for row in message.get("reply_markup", {}).get("inline_keyboard", []) for b in row]

    def _seen(self, chat: int) -> dict[int, int]:
        return {message["message_id"]: message["edits"] for message in self._messages(chat)}

    def _messages(self, chat: int) -> list[Json]:
        return self.tg.messages(chat) if chat in self.tg.world.chats else []

    async def _next(self, chat: int, before: dict[int, int], count: int) -> Any:
        def news() -> list[Json]:
            found = [m for m in self._messages(chat) if before.get(m["message_id"]) != m["edits"]]
            return found if len(found) >= count else []

        found = await until(news)
        return found[0] if count == 1 else found


@asynccontextmanager
async def bot_site(
    tmp_path: Path, *, tg: Emulator | None = None, ready: bool = True, **settings: Any
) -> AsyncIterator[Site]:
    """A hub with its bot. `tg` is an emulator that runs already; `ready` waits until the bot hears Telegram."""
    if tg is None:
        async with Emulator(port=0) as own, bot_site(tmp_path, tg=own, ready=ready, **settings) as site:
            yield site
        return
    for user_id in (ADMIN, STRANGER):
        tg.user(user_id)
    given = {
        "telegram_bot_token": Secret(tg.token),
        "telegram_api_url": tg.url,
        "telegram_admin_ids": str(ADMIN),
        **settings,
    }
    async with running(tmp_path, **given) as hub:
        if ready:
            await until(lambda: hub.services.health.telegram() == "connected")
        yield Site(tmp_path, hub, tg)
