"""The commands as Telegram's menu has them: all of them for admins, in their private chats; for strangers /start alone.

Who has chosen a language has the menu in it; for all others it is in that of their Telegram, if it is one of ours.
"""

import asyncio
import logging
from collections.abc import Sequence

from cloud.bot.command import Command
from cloud.bot.line import Line
from cloud.bot.reply import Language
from cloud.bot.talk import Limited, Rejected, TalkError
from cloud.bot.texts import LANGUAGES, Texts
from cloud.bot.users import Users
from cloud.cancelled import cancelled

log = logging.getLogger(__name__)

_LONGEST_WAIT = 60.0
_OPEN = "start"  # what everybody sees


class Menu:
    """Sets it, for all when the bot begins, and for one person when that changes."""

    def __init__(self, *, line: Line, users: Users, say: Texts, commands: Sequence[Command]) -> None:
        self._line = line
        self._users = users
        self._say = say
        self._commands = commands
        self._missing: set[int] = set()  # admins that have no chat with the bot yet
        self._tasks: set[asyncio.Task[None]] = set()

    async def set_all(self) -> None:
        """For everybody. Raises `TalkError`."""
        await self._set([command for command in self._commands if command.name == _OPEN], 0, None)
        for user_id in sorted(self._users.admins):
            await self.set_for(user_id)

    async def set_for(self, user_id: int) -> None:
        """For one admin; one who has no chat with the bot gets it with the first message. Raises `TalkError`."""
        self._missing.discard(user_id)
        await self._users.language(user_id)
        try:
            await self._set(self._commands, user_id, self._users.chosen(user_id))
        except Rejected as error:
            self._missing.add(user_id)
            log.debug("no menu for an admin yet", extra={"user_id": user_id, "error": str(error)})

    def changed(self, user_id: int) -> None:
        """This admin has chosen a language."""
        if user_id in self._users.admins:
            task = asyncio.create_task(self._quietly(user_id), name="bot: menu")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def spoken(self, user_id: int) -> None:
        """This admin has a chat with the bot."""
        if user_id in self._missing:
            self._missing.discard(user_id)
            self.changed(user_id)

    async def stop(self) -> None:
        """Stop what is under way."""
        await cancelled(*self._tasks)

    async def _quietly(self, user_id: int) -> None:
        try:
            await self.set_for(user_id)
        except TalkError as error:
            self._missing.add(user_id)  # the next word of theirs tries again
            log.warning("an admin's menu is not set", extra={"user_id": user_id, "error": str(error)})
        except Exception:
            log.exception("an admin's menu is not set", extra={"user_id": user_id})

    async def _set(self, commands: Sequence[Command], chat_id: int, chosen: Language | None) -> None:
        await self._put(commands, chosen or self._users.default, "", chat_id)
        for language in LANGUAGES:
            await self._put(commands, chosen or language, language, chat_id)

    async def _put(self, commands: Sequence[Command], language: Language, code: str, chat_id: int) -> None:
        lines = [(command.name, self._say.plain(language, command.help)) for command in commands]
        for left in (2, 1, 0):
            try:
                await self._line.set_commands(lines, language_code=code, chat_id=chat_id)
            except Limited as limited:
                if not left:
                    raise
                await asyncio.sleep(min(limited.after, _LONGEST_WAIT))
            else:
                return
