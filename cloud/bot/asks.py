"""Questions the bot has asked: each for one person, or for any admin, once, and for a while.

A button's data has 64 bytes, a kiosk's id alone may have as many: what a question is about stands here, and its button
names it. So a button that was pressed twice, by another, or on a message of last week does nothing.
"""

import secrets
import time
from collections.abc import Callable

import msgspec
from sqlalchemy import Row, case, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.bot.reply import Caller
from cloud.db.tables import bot_asks
from wire.crashpoint import crash_point

_KEPT_MAX = 1000  # rows; beyond that those go that nobody can use any more, then the oldest
_REMEMBERED = 86400.0  # seconds after its time, so that a late press is told "expired" rather than nothing


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One question. `subject` is whatever its kind put there; `user_id` 0: any admin may answer."""

    id: str
    kind: str
    subject: str
    chat_id: int
    user_id: int
    message_id: int | None
    made_at: float
    until: float
    used_at: float | None


class Asks:
    """The questions of this bot, in the database."""

    def __init__(self, engine: AsyncEngine, clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._clock = clock

    async def keep(self, kind: str, subject: str, caller: Caller, seconds: float, *, any_admin: bool = False) -> str:
        """Keep a question for `seconds`; returns its id, of 16 characters without a colon."""
        now, ask_id = self._clock(), secrets.token_urlsafe(12)
        row = {
            "id": ask_id,
            "kind": kind,
            "subject": subject,
            "chat_id": int(caller.target.chat_id),
            "user_id": 0 if any_admin else caller.user_id,
            "made_at": now,
            "until": now + seconds,
        }
        async with self._engine.begin() as connection:
            await connection.execute(delete(bot_asks).where(bot_asks.c.until < now - _REMEMBERED))
            count = (await connection.execute(select(func.count()).select_from(bot_asks))).scalar() or 0
            if count >= _KEPT_MAX:
                is_over = or_(bot_asks.c.used_at.is_not(None), bot_asks.c.until <= now)
                first = select(bot_asks.c.id).order_by(case((is_over, 0), else_=1), bot_asks.c.made_at)
                too_many = first.limit(count - _KEPT_MAX + 1)
                await connection.execute(delete(bot_asks).where(bot_asks.c.id.in_(too_many)))
            await connection.execute(insert(bot_asks).values(row))
            crash_point("hub.bot.ask.before")
        crash_point("hub.bot.ask.after")
        return ask_id

    async def use(self, ask_id: str, caller: Caller, kind: str) -> Ask | None:
        """Take a question for good; None where it is used, expired, unknown, or another person's."""
        now = self._clock()
        mine = or_(bot_asks.c.user_id == 0, bot_asks.c.user_id == caller.user_id)
        this = (bot_asks.c.id == ask_id, bot_asks.c.kind == kind)
        taken = update(bot_asks).where(*this, mine, bot_asks.c.used_at.is_(None), bot_asks.c.until > now)
        async with self._engine.begin() as connection:
            if (await connection.execute(taken.values(used_at=now))).rowcount != 1:
                return None
            row = (await connection.execute(select(bot_asks).where(*this))).one()
            crash_point("hub.bot.use.before")
        crash_point("hub.bot.use.after")
        return _ask(row)

    async def look(self, ask_id: str, kind: str) -> Ask | None:
        """A question that may still be answered, as it is; None where there is none."""
        wanted = select(bot_asks).where(
            bot_asks.c.id == ask_id,
            bot_asks.c.kind == kind,
            bot_asks.c.used_at.is_(None),
            bot_asks.c.until > self._clock(),
        )
        async with self._engine.connect() as connection:
            row = (await connection.execute(wanted)).first()
        return _ask(row) if row is not None else None

    async def asked(self, ask_id: str, chat_id: int, message_id: int) -> None:
        """The question stands in this message: a reply to it is an answer."""
        where = update(bot_asks).where(bot_asks.c.id == ask_id)
        async with self._engine.begin() as connection:
            await connection.execute(where.values(chat_id=chat_id, message_id=message_id))
            crash_point("hub.bot.asked.before")
        crash_point("hub.bot.asked.after")

    async def of_id(self, ask_id: str) -> Ask | None:
        """A question, answered, expired or not."""
        async with self._engine.connect() as connection:
            row = (await connection.execute(select(bot_asks).where(bot_asks.c.id == ask_id))).first()
        return _ask(row) if row is not None else None

    async def of_message(self, chat_id: int, message_id: int) -> Ask | None:
        """The question that stands in a message, answered, expired or not."""
        wanted = select(bot_asks).where(bot_asks.c.chat_id == chat_id, bot_asks.c.message_id == message_id)
        async with self._engine.connect() as connection:
            row = (await connection.execute(wanted.order_by(bot_asks.c.made_at.desc()).limit(1))).first()
        return _ask(row) if row is not None else None


def _ask(row: Row[tuple[object, ...]]) -> Ask:
    return Ask(**{name: getattr(row, name) for name in Ask.__struct_fields__})
