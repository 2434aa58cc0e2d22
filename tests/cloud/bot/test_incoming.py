"""Updates are kept before Telegram forgets them, worked off in order, once, and over restarts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from cloud.bot import incoming
from cloud.bot.hearing import Heard
from cloud.db.tables import bot_updates
from cloud.emulator.server import Emulator
from tests.cloud.bot.acts import Acts, acts
from tests.cloud.bot.parts import ADMIN, GROUP, OTHER_ADMIN, STRANGER, Parts, parts, yard
from tests.cloud.hub import broken, change, rows, until


def message(number: int, text: str, *, user: int = ADMIN, date: float, chat: int | None = None) -> bytes:
    """An update as Telegram delivers it."""
    kind = {"id": chat or user, "type": "private" if chat is None else "supergroup"}
    said = {"message_id": number, "date": date, "chat": kind, "from": {"id": user, "first_name": "Ann"}, "text": text}
    return msgspec.json.encode({"update_id": number, "message": said})


async def store(
    tmp_path: Path, bot: Parts, number: int, update: bytes, *, at: float = 0, done: float | None = None
) -> None:
    """A row as an earlier life of the bot left it."""
    payload = f"decode('{update.hex()}', 'hex')" if bot.engine.dialect.name == "postgresql" else f"X'{update.hex()}'"
    values = f"{number}, {at or bot.clock()}, {payload}, NULL, {done or 'NULL'}"
    await change(tmp_path, f"INSERT INTO bot_updates VALUES ({values})")


async def open_rows(bot: Parts) -> int:
    async with bot.engine.connect() as connection:
        return len(list(await connection.execute(select(bot_updates).where(bot_updates.c.done_at.is_(None)))))


async def all_done(bot: Parts) -> None:
    async def none() -> bool:
        return await open_rows(bot) == 0

    await until(none)


@asynccontextmanager
async def deaf(tmp_path: Path, **given: Any) -> AsyncIterator[tuple[Parts, Acts]]:
    """A bot that is told by the test alone."""
    doing = acts()
    async with parts(tmp_path, started=False, **doing.given, **given) as bot:
        bot.incoming.username = "kiosk_bot"
        bot.incoming.start()
        yield bot, doing


async def test_one_chat_in_order_and_chats_beside_each_other(tmp_path: Path) -> None:
    async with deaf(tmp_path) as (bot, doing):
        now = bot.clock()
        doing.gate.clear()
        await bot.incoming.take([message(number, f"/change {number}", date=now) for number in (3, 1, 2)])
        await doing.begun.wait()
        doing.begun.clear()
        await bot.incoming.take([message(9, "/change 9", date=now, user=OTHER_ADMIN)])
        await doing.begun.wait()  # though the first chat's is under way
        doing.gate.set()
        await bot.said(3)
        await bot.said(1, OTHER_ADMIN)
        assert [name for name in doing.done if name != "9"] == ["1", "2", "3"]
        assert bot.messages() == ["did 1", "did 2", "did 3"]
        await all_done(bot)


async def test_what_comes_twice_is_taken_once(tmp_path: Path) -> None:
    async with deaf(tmp_path) as (bot, doing):
        update = message(5, "/change a", date=bot.clock())
        await bot.incoming.take([update, update])
        await bot.incoming.take([update])
        await bot.said(1)
        await all_done(bot)
        await bot.incoming.take([update])
        await bot.incoming.take([message(6, "/look b", date=bot.clock())])
        await bot.said(2)
        assert doing.done == ["a", "b"]


async def test_what_was_not_begun_is_done_after_a_restart(tmp_path: Path) -> None:
    async with yard(tmp_path) as (tg, engine, stack):
        first = Parts(engine, tg)
        name = (await first.line.me()).username
        first.incoming.username = name
        updates = [message(1, "/change a", date=first.clock()), message(2, f"/look@{name} b", date=first.clock())]
        await first.incoming.take(updates)  # it dies before it begins
        await first.line.close()
        doing = acts()
        second = Parts(engine, tg, **doing.given)
        stack.push_async_callback(second.stop)
        second.incoming.start()
        second.polling.start()  # who the bot is, and so which commands name it, Telegram says
        assert await second.said(2) == ["did a", "did b"]
        assert doing.done == ["a", "b"]


@asynccontextmanager
async def killed_in_the_middle(tmp_path: Path, *texts: str) -> AsyncIterator[tuple[Emulator, Parts, Acts]]:
    """A second life of a bot that was killed while it carried out these commands, each in a chat of its own."""
    async with yard(tmp_path) as (tg, engine, stack):
        doing = acts()
        doing.gate.clear()
        first = Parts(engine, tg, **doing.given)
        first.incoming.username = "kiosk_bot"
        first.incoming.start()
        users = [ADMIN, OTHER_ADMIN][: len(texts)]
        for number, (text, user) in enumerate(zip(texts, users, strict=True), 1):
            doing.begun.clear()
            await first.incoming.take([message(number, text, user=user, date=first.clock())])
            await doing.begun.wait()
        await first.die()
        doing.gate.set()
        second = Parts(engine, tg, **doing.given)
        stack.push_async_callback(second.stop)
        second.incoming.username = "kiosk_bot"
        second.incoming.start()
        yield tg, second, doing


async def test_after_a_kill_what_reads_is_done_again_and_what_changes_is_told(tmp_path: Path) -> None:
    async with killed_in_the_middle(tmp_path, "/change kiosk_001", "/look b") as (_, bot, doing):
        assert await bot.said(1, OTHER_ADMIN) == ["did b"]
        (told,) = await bot.said(1)
        assert "restarted" in told
        assert "/change kiosk_001" in told
        assert "/kiosk kiosk_001" in told
        await all_done(bot)
        assert doing.done == ["b"]


async def test_what_ends_the_hub_is_not_begun_a_third_time(tmp_path: Path) -> None:
    async with killed_in_the_middle(tmp_path, "/look poison") as (_, bot, doing):
        doing.gate.clear()
        doing.begun.clear()
        await doing.begun.wait()
        assert await open_rows(bot) == 0
        doing.gate.set()


async def test_what_is_too_old_is_not_changed_any_more(tmp_path: Path) -> None:
    async with deaf(tmp_path) as (bot, doing):
        hour_ago = bot.clock() - 3600
        await bot.incoming.take([message(1, "/change a", date=hour_ago), message(2, "/look b", date=hour_ago)])
        told, looked = await bot.said(2)
        assert "1 h ago" in told
        assert "/change a" in told
        assert looked == "did b"
        assert doing.done == ["b"]


async def test_a_wrong_clock_makes_nothing_old(tmp_path: Path) -> None:
    async with deaf(tmp_path) as (bot, doing):
        bot.ahead = 3600.0
        await bot.incoming.take([message(1, "/change a", date=bot.clock() - 3600)], fresh_within=20.0)
        assert await bot.said(1) == ["did a"]
        await bot.incoming.take([message(2, "/change b", date=bot.clock() - 3600)], fresh_within=1200.0)
        assert "ago" in (await bot.said(2))[1]
        assert doing.done == ["a"]


async def test_without_the_database_reading_goes_on_and_changing_is_refused(tmp_path: Path) -> None:
    async with deaf(tmp_path) as (bot, doing):
        async with broken(tmp_path, "bot_updates"):
            updates = [message(1, "/look a", date=bot.clock()), message(2, "/change b", date=bot.clock())]
            await bot.incoming.take(updates)
            await bot.incoming.take(updates)  # it may come again
            looked, refused = await bot.said(2)
            assert looked == "did a"
            assert "have changed nothing" in refused
        await bot.incoming.take([message(3, "/look c", date=bot.clock())])
        assert (await bot.said(3))[2] == "did c"
        assert doing.done == ["a", "c"]


async def test_what_was_refused_as_not_stored_is_not_done_later(tmp_path: Path) -> None:
    async with deaf(tmp_path) as (bot, doing):
        update = message(1, "/change a", date=bot.clock())
        async with broken(tmp_path, "bot_updates"):
            await bot.incoming.take([update])
            await bot.said(1)
        await store(tmp_path, bot, 1, update)  # as where the answer to the commit was lost
        await bot.incoming.take([message(2, "/look b", date=bot.clock())])
        assert (await bot.said(2))[1] == "did b"
        await all_done(bot)
        assert doing.done == ["b"]


async def test_what_is_stored_waits_for_the_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incoming, "_LOOK_EVERY", 0.05)
    async with deaf(tmp_path) as (bot, doing):
        doing.gate.clear()
        await bot.incoming.take([message(1, "/look a", date=bot.clock()), message(2, "/change b", date=bot.clock())])
        await doing.begun.wait()
        await until(lambda: len(bot.incoming._known) == 2)
        async with broken(tmp_path, "bot_updates"):
            doing.gate.set()
            assert "Once it does" in (await bot.said(2))[1]
            assert doing.done == ["a"]
        assert (await bot.said(3))[2] == "did b"
        await all_done(bot)
        assert doing.done == ["a", "b"]


@asynccontextmanager
async def begun_by_nobody(tmp_path: Path, bot: Parts) -> AsyncIterator[None]:
    """A database that can be read, and in which no update can be noted as begun: as where a disk is full."""
    begin, end = "ADD CONSTRAINT full_disk CHECK (begun_at IS NULL) NOT VALID", "DROP CONSTRAINT full_disk"
    begin, end = f"ALTER TABLE bot_updates {begin}", f"ALTER TABLE bot_updates {end}"
    if bot.engine.dialect.name == "sqlite":
        abort = "BEFORE UPDATE ON bot_updates BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
        begin, end = f"CREATE TRIGGER full_disk {abort}", "DROP TRIGGER full_disk"
    await change(tmp_path, begin)
    try:
        yield
    finally:
        await change(tmp_path, end)


async def test_that_it_waits_for_the_database_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incoming, "_LOOK_EVERY", 0.02)
    async with deaf(tmp_path) as (bot, doing):
        async with begun_by_nobody(tmp_path, bot):
            await bot.incoming.take([message(1, "/change a", date=bot.clock())])
            assert "Once it does" in (await bot.said(1))[0]
            tries = 0
            load = bot.incoming._load

            async def counted() -> None:
                nonlocal tries
                tries += 1
                await load()

            monkeypatch.setattr(bot.incoming, "_load", counted)
            await until(lambda: tries > 5)
            assert len(bot.messages()) == 1
        assert (await bot.said(2))[1] == "did a"
        await all_done(bot)
        assert doing.done == ["a"]


async def test_what_another_hub_has_begun_meanwhile_is_left_to_it(tmp_path: Path) -> None:
    async with deaf(tmp_path) as (bot, doing):
        doing.gate.clear()
        await bot.incoming.take([message(number, f"/change {number}", date=bot.clock()) for number in (1, 2, 3)])
        await doing.begun.wait()
        await until(lambda: len(bot.incoming._known) == 3)
        bot.incoming.is_working = False  # it has lost the lease
        await change(tmp_path, "UPDATE bot_updates SET begun_at = 1 WHERE update_id = 2")
        doing.gate.set()
        assert await bot.said(2) == ["did 1", "did 3"]
        assert doing.done == ["1", "3"]


async def test_who_is_no_admin_any_more_is_not_obeyed(tmp_path: Path) -> None:
    async with yard(tmp_path) as (tg, engine, stack):
        first = Parts(engine, tg)
        await first.incoming.take([message(1, "/change a", date=first.clock())])
        await first.line.close()
        doing = acts()
        second = Parts(engine, tg, **doing.given)
        stack.push_async_callback(second.stop)
        second.users.admins = frozenset({OTHER_ADMIN})
        second.incoming.username = "kiosk_bot"
        second.incoming.start()
        await all_done(second)
        assert not doing.done
        assert not second.messages()


async def test_strangers_leave_nothing_in_the_database(tmp_path: Path) -> None:
    async with deaf(tmp_path) as (bot, _):
        await bot.incoming.take([message(1, "/look secret", user=STRANGER, date=bot.clock())])
        (refusal,) = await bot.said(1, STRANGER)
        assert str(STRANGER) in refusal
        assert not rows(tmp_path, "SELECT 1 FROM bot_updates")


async def test_what_is_done_is_forgotten_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incoming, "_KEPT_MAX", 3)
    async with yard(tmp_path) as (tg, engine, stack):
        bot = Parts(engine, tg)
        stack.push_async_callback(bot.stop)
        now = bot.clock()
        old = now - 8 * 86400
        values = [(1, old, old), (2, old, None), *((number, now, now) for number in range(10, 16))]
        for number, at, done in values:
            await store(tmp_path, bot, number, message(number, "hello", date=at), at=at, done=done)
        bot.incoming.username = "kiosk_bot"
        bot.incoming.start()

        async def few() -> bool:
            return len(rows(tmp_path, "SELECT 1 FROM bot_updates WHERE done_at IS NOT NULL")) <= 4

        await until(few)
        numbers = {number for (number,) in rows(tmp_path, "SELECT update_id FROM bot_updates")}
        assert 1 not in numbers
        assert 2 in numbers


async def test_a_flood_is_bounded(tmp_path: Path) -> None:
    async with deaf(tmp_path) as (bot, _):
        bot.doing._refusals = type("None", (), {"may": lambda *_: False})()  # type: ignore[assignment]
        many = [message(number, "x", user=STRANGER, date=bot.clock()) for number in range(1000)]
        await bot.incoming.take(many)
        assert sum(len(queue) for queue in bot.incoming._queues.values()) <= 100
        assert bot.metrics.telegram_updates.labels("dropped")._value.get() == 900
        await bot.incoming.take([message(5000, "/look a", date=bot.clock())])
        assert await bot.said(1) == ["did a"]


async def test_strangers_delay_no_admin(tmp_path: Path) -> None:
    """Neither by the number of their chats nor by what they say before him in his."""
    async with deaf(tmp_path) as (bot, _):
        gate, at_once, most = asyncio.Event(), 0, 0
        refuse = bot.doing._refuse

        async def slowly(heard: Heard) -> None:
            nonlocal at_once, most
            at_once += 1
            most = max(most, at_once)
            await gate.wait()
            at_once -= 1
            await refuse(heard)

        bot.doing._refuse = slowly  # type: ignore[method-assign]
        now = bot.clock()
        await bot.incoming.take(
            [message(1, "/look@kiosk_bot x", user=STRANGER, date=now, chat=GROUP)]
            + [message(number, "x", user=STRANGER + number, date=now) for number in range(2, 30)]
        )
        await bot.incoming.take(
            [
                message(100, "/look a", date=now),
                message(101, "/look@kiosk_bot b", date=now, chat=GROUP, user=OTHER_ADMIN),
            ]
        )
        assert await bot.said(1) == ["did a"]
        assert await bot.said(1, GROUP) == ["did b"]
        assert most == 2
        gate.set()
        await until(lambda: not bot.incoming._queues)
        assert most == 2


async def test_a_group_is_one_chat(tmp_path: Path) -> None:
    async with deaf(tmp_path) as (bot, _):
        updates = [
            message(1, "/look a", date=bot.clock(), chat=GROUP),
            message(2, "/look@kiosk_bot b", date=bot.clock(), chat=GROUP, user=OTHER_ADMIN),
            message(3, "/look c", date=bot.clock(), chat=GROUP, user=STRANGER),
            message(4, "/weather", date=bot.clock(), chat=GROUP),
            message(5, "/look@weather_bot d", date=bot.clock(), chat=GROUP),
        ]
        await bot.incoming.take(updates)
        await bot.said(2, GROUP)
        await all_done(bot)
        assert bot.messages(GROUP) == ["did a", "did b"]


async def test_what_another_hub_on_this_database_is_doing_is_not_told_to_be_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incoming, "_LOOK_EVERY", 0.02)
    async with deaf(tmp_path) as (bot, doing):
        await until(lambda: bot.incoming._has_looked_back)
        doing.gate.clear()
        await bot.incoming.take([message(number, f"/change {number}", date=bot.clock()) for number in (1, 2)])
        await doing.begun.wait()
        await until(lambda: len(bot.incoming._known) == 2)
        await store(tmp_path, bot, 3, message(3, "/change 3", date=bot.clock(), user=OTHER_ADMIN), at=bot.clock())
        await change(tmp_path, "UPDATE bot_updates SET begun_at = 1 WHERE update_id IN (2, 3)")
        doing.gate.set()
        assert await bot.said(1) == ["did 1"]
        await until(lambda: bot.incoming._known == set())
        looks, load = 0, bot.incoming._load

        async def counted() -> None:
            nonlocal looks
            looks += 1
            await load()

        monkeypatch.setattr(bot.incoming, "_load", counted)
        await until(lambda: looks > 3)
        assert bot.messages() == ["did 1"]
        assert not bot.messages(OTHER_ADMIN)
        # The other one has died, and this one has the lease again: now it is told.
        bot.incoming.is_working = False
        await until(lambda: not bot.incoming._has_looked_back)
        bot.incoming.is_working = True
        assert "may have happened" in (await bot.said(2))[1]
        assert "may have happened" in (await bot.said(1, OTHER_ADMIN))[0]
        assert doing.done == ["1"]
