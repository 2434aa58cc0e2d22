"""Whom the bot obeys, and the language each person has chosen."""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.bot.reply import Language
from cloud.db.dialect import insert_into
from cloud.db.tables import bot_users
from wire.crashpoint import crash_point

log = logging.getLogger(__name__)


class Users:
    """Admins by the settings, languages by what they chose. The languages are read once and kept: few people."""

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        admins: Iterable[int],
        language: Language,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._engine = engine
        self.admins = frozenset(admins)
        self.default = language
        self._clock = clock
        self._chosen: dict[int, Language] | None = None
        self._chosen_here: dict[int, Language] = {}  # since the start: what is being read just now may be of before
        self.changed: Callable[[int], None] = lambda _user_id: None  # this person's menu is to be set anew

    def is_admin(self, user_id: int) -> bool:
        """Whether the bot obeys."""
        return user_id in self.admins

    async def language(self, user_id: int) -> Language:
        """What the person chose, else the setting's. A database that does not answer is no reason to be silent."""
        if self._chosen is None:
            try:
                async with self._engine.connect() as connection:
                    found = await connection.execute(select(bot_users.c.user_id, bot_users.c.language))
                    self._chosen = {row.user_id: row.language for row in found} | self._chosen_here
            except (SQLAlchemyError, OSError):
                return self.default
        return self._chosen.get(user_id, self.default)

    def language_of_stranger(self, code: str) -> Language:
        """By the language of their Telegram, where it is one of ours."""
        known: dict[str, Language] = {"ru": "ru", "en": "en"}
        return known.get(code[:2].lower(), self.default)

    def chosen(self, user_id: int) -> Language | None:
        """What the person chose, as far as it was read; None: nothing."""
        return (self._chosen or {}).get(user_id)

    async def set_language(self, user_id: int, language: Language) -> None:
        """Answer this person in that language from now on."""
        values = {"language": language, "changed_at": self._clock()}
        statement = insert_into(self._engine, bot_users).values(user_id=user_id, **values)
        async with self._engine.begin() as connection:
            await connection.execute(statement.on_conflict_do_update(index_elements=["user_id"], set_=values))
            crash_point("hub.bot.language.before")
        crash_point("hub.bot.language.after")
        self._chosen_here[user_id] = language
        if self._chosen is not None:
            self._chosen[user_id] = language
        self.changed(user_id)


class Refusals:
    """How many strangers are answered: a few a minute each, and in all; the others meet silence."""

    def __init__(self, each: int = 3, all_: int = 20, seconds: float = 60.0) -> None:
        self._each, self._all, self._seconds = each, all_, seconds
        self._given: deque[tuple[float, int]] = deque()

    def may(self, user_id: int, now: float) -> bool:
        """Whether this one may be answered now (monotonic seconds); counts it if so."""
        while self._given and self._given[0][0] <= now - self._seconds:
            self._given.popleft()
        if len(self._given) >= self._all or sum(who == user_id for _, who in self._given) >= self._each:
            return False
        self._given.append((now, user_id))
        return True
