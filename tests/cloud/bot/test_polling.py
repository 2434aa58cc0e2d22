"""The ear at Telegram: its states, each trouble said once, and nothing lost of what was said meanwhile."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from cloud.bot import polling
from cloud.bot.line import Line
from cloud.bus.lease import Lease
from cloud.db.engine import open_engine
from cloud.emulator.server import Emulator
from tests.cloud.bot.acts import Acts, acts
from tests.cloud.bot.parts import ADMIN, Parts, parts, yard
from tests.cloud.hub import _provide_database, database_of, until
from wire.environment import Secret


class Given(Lease):
    """Held when the test says so."""

    def give(self, held: bool) -> None:
        self._set(held=held)


@asynccontextmanager
async def two_hubs(tmp_path: Path) -> AsyncIterator[tuple[Emulator, list[Parts], list[Acts]]]:
    """Each with a database of its own, the first with the lease. What they do and hear is slow where a test says so."""
    async with AsyncExitStack() as stack:
        tg, engine, inner = await stack.enter_async_context(yard(tmp_path / "a"))
        _provide_database(tmp_path / "b")
        other = open_engine(database_of(tmp_path / "b"))
        inner.push_async_callback(other.dispose)
        doing = [acts(), acts()]
        hubs = [
            Parts(engine, tg, lease=Given("redis://not.used", "x"), **doing[0].given),
            Parts(other, tg, lease=Given("redis://not.used", "x"), **doing[1].given),
        ]
        for hub, is_first in zip(hubs, (True, False), strict=True):
            inner.push_async_callback(hub.line.close)
            inner.push_async_callback(hub.incoming.stop)
            inner.push_async_callback(hub.polling.stop)
            give(hub, is_first)
            hub.incoming.is_working = is_first
            hub.incoming.start()
            hub.polling.start()
        await hubs[0].connected()
        yield tg, hubs, doing


def give(hub: Parts, held: bool) -> None:
    assert isinstance(hub.lease, Given)
    hub.lease.give(held)


def told(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.name == "cloud.bot.polling" and r.levelno >= level]


async def test_it_hears_what_waited_and_what_comes(tmp_path: Path) -> None:
    async with parts(tmp_path, started=False) as bot:
        bot.tg.say(ADMIN, "waited")
        bot.start()
        await bot.said(1)
        bot.tg.say(ADMIN, "comes")
        await bot.said(2)
        assert bot.polling.is_ready
        # What was taken is confirmed, and an offset is not told again: Telegram may begin to count anew.
        await until(lambda: not bot.tg.updates.waiting())
        offsets = [call["given"].get("offset") for call in bot.tg.sent if call["method"] == "getUpdates"]
        assert {str(offset) for offset in offsets} >= {"2", "None"}
        assert not bot.tg.refused
        assert not bot.tg.unknown


async def test_updates_that_are_counted_anew_are_not_lost(tmp_path: Path) -> None:
    async with parts(tmp_path) as bot:
        for number, text in ((900_000_000, "before"), (17, "after a quiet week")):
            bot.tg.updates._numbers = iter(range(number, number + 10))  # type: ignore[assignment]
            bot.tg.say(ADMIN, text)
            await until(lambda: not bot.tg.updates.waiting())
        assert len(await bot.said(2)) == 2


async def test_an_outage_is_said_once_and_nothing_is_lost(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with parts(tmp_path) as bot:
        with bot.tg.down():
            await until(lambda: bot.polling.state == "unreachable")
            bot.tg.say(ADMIN, "during the outage")
            await until(lambda: bot.polling._pause >= 0.1)  # several attempts
        await bot.said(1)
        await bot.connected()
        assert told(caplog, logging.WARNING) == ["Telegram is not reached; trying again"]
        assert told(caplog, logging.INFO)[-1] == "Telegram is reached again"
        bot.tg.fail(502, 2, "getUpdates")
        bot.tg.say(ADMIN, "more")
        await bot.said(2)


async def test_a_conflict_is_said_once_until_it_has_healed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with parts(tmp_path) as bot:
        for _ in range(2):  # comes and goes: one trouble
            with bot.tg.steal():
                await until(lambda: bot.polling.state == "conflict")
                bot.tg.refused.clear()
                await until(lambda: len(bot.tg.refused) >= 2)
            await bot.connected()
        assert len(told(caplog, logging.WARNING)) == 1
        bot.tg.say(ADMIN, "hello")
        await bot.said(1)
        assert bot.polling._conflict_at is not None
        bot.polling._conflict_at -= 100  # long ago
        with bot.tg.steal():
            await until(lambda: len(told(caplog, logging.WARNING)) == 2)


async def test_a_webhook_of_another_program_is_taken_away(tmp_path: Path) -> None:
    async with parts(tmp_path) as bot, httpx.AsyncClient(trust_env=False) as http:
        url = f"{bot.tg.url}/bot{bot.tg.token}/setWebhook"
        (await http.post(url, json={"url": "https://127.0.0.1:9/telegram"})).raise_for_status()
        bot.tg.say(ADMIN, "hello")
        await bot.said(1)
        assert bot.polling.state == "connected"


async def test_a_wrong_token_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with yard(tmp_path) as (tg, engine, stack):
        bot = Parts(engine, tg, token=f"{tg.token}x")
        stack.push_async_callback(bot.stop)
        bot.start()
        await until(lambda: bot.polling.state == "unauthorized")
        count = bot.metrics.telegram_calls.labels("unauthorized")
        await until(lambda: count._value.get() >= 3)
        assert told(caplog, logging.WARNING) == ["Telegram does not know TELEGRAM_BOT_TOKEN: no bot until it does"]
        tg.calls.token = f"{tg.token}x"  # it does now
        await bot.connected()


async def test_who_has_not_the_lease_does_nothing(tmp_path: Path) -> None:
    async with yard(tmp_path) as (tg, engine, stack):
        lease = Given("redis://not.used", "x")
        bot = Parts(engine, tg, lease=lease)
        stack.push_async_callback(bot.polling.stop)
        stack.push_async_callback(bot.incoming.stop)
        stack.push_async_callback(bot.line.close)
        bot.incoming.is_working = False
        bot.incoming.start()
        bot.polling.start()
        await until(lambda: bot.polling.state == "standby")
        tg.say(ADMIN, "hello")
        await bot.incoming.take([b'{"update_id": 99, "message": {"message_id": 1, "date": 1, "text": "/x", '
                                 b'"chat": {"id": 7001, "type": "private"}, "from": {"id": 7001}}}'])  # fmt: skip
        assert not tg.sent
        lease.give(True)
        await bot.said(2)
        assert bot.polling.state == "connected"
        await until(tg.updates.is_polled)
        lease.give(False)
        await until(lambda: bot.polling.state == "standby")
        assert not bot.polling.is_ready


async def test_an_update_that_nobody_can_read_stops_none(tmp_path: Path) -> None:
    async with parts(tmp_path) as bot:
        bot.tg.updates.push("message", {"message_id": "odd"})
        bot.tg.updates.push("callback_query", {"id": 1})
        bot.tg.say(ADMIN, "hello")
        await bot.said(1)


async def test_the_webhook_is_set_and_looked_after(tmp_path: Path) -> None:
    async with yard(tmp_path) as (tg, engine, stack):
        bot = Parts(engine, tg, webhook=("https://127.0.0.1:9/telegram", "s3cret"))
        stack.push_async_callback(bot.stop)
        bot.start()
        await bot.connected()
        call = next(call for call in tg.sent if call["method"] == "setWebhook")
        assert call["given"]["secret_token"] == "s3cret"
        assert not any(call["method"] == "getUpdates" for call in tg.sent)
        with tg.down():
            await until(lambda: bot.polling.state == "unreachable")
        await bot.connected()


async def test_a_line_is_closed_once() -> None:
    async with Emulator(port=0) as tg:
        talk = Line(token=Secret(tg.token), api_url=tg.url)
        await talk.me()
        await talk.close()
        await talk.close()


async def test_the_menu_is_set_though_telegram_is_away_a_moment_after_it_was_greeted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with parts(tmp_path, started=False) as bot:
        bot.tg.fail(502, 3, "setMyCommands")
        bot.polling._introduced = lambda _: bot.line.set_commands([("start", "Begin")])
        bot.start()
        await until(lambda: any(call["method"] == "setMyCommands" for call in bot.tg.sent))
        assert told(caplog, logging.WARNING) == ["the bot's menu is not set yet"]


async def test_a_command_that_a_hub_ran_before_it_stopped_is_not_run_by_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "_CONFIRM_WITHIN", 30.0)
    async with two_hubs(tmp_path) as (tg, (first, second), (doing, other)):
        # As soon as it is taken the hub is stopped: it stores it, and has told Telegram nothing yet.
        take, taken = first.incoming.take, asyncio.Event()

        async def told_of(*given: Any, **more: Any) -> None:
            await take(*given, **more)
            taken.set()

        first.incoming.take = told_of  # type: ignore[method-assign]
        tg.say(ADMIN, "/change a")
        await taken.wait()
        await first.polling.stop()
        assert not tg.updates.waiting()
        give(first, False)
        give(second, True)
        await second.connected()
        tg.say(ADMIN, "/change b")
        await until(lambda: other.done)
        assert other.done == ["b"]
        assert doing.done in ([], ["a"])


async def test_where_there_are_other_hubs_nothing_is_done_that_telegram_may_tell_them(tmp_path: Path) -> None:
    async with two_hubs(tmp_path) as (tg, (first, second), (doing, other)):
        tg.say(ADMIN, "/change a")
        await first.said(1)  # the way it is without trouble
        take = first.incoming.take

        async def stored_and_cut_off(*given: Any, **more: Any) -> None:
            await take(*given, **more)
            tg.fail(502, 1_000, "getUpdates")

        first.incoming.take = stored_and_cut_off  # type: ignore[method-assign]
        tg.say(ADMIN, "/change b")
        await until(lambda: first.polling.state == "unreachable")
        await until(lambda: first.polling._pause >= 0.1)  # several attempts
        assert doing.done == ["a"]
        give(first, False)
        await until(lambda: first.polling.state == "standby")
        tg.calls._faults.clear()
        give(second, True)
        await until(lambda: other.done == ["b"])
        await until(lambda: not tg.updates.waiting())
        # Back at the first one, which has it in its database: it was the other's.
        first.incoming.take = take  # type: ignore[method-assign]
        give(second, False)
        await until(lambda: second.polling.state == "standby")
        give(first, True)
        tg.say(ADMIN, "/change c")
        await until(lambda: doing.done == ["a", "c"])
        assert other.done == ["b"]


async def test_what_no_other_hub_took_is_done_by_the_first_when_it_has_the_lease_again(tmp_path: Path) -> None:
    async with two_hubs(tmp_path) as (tg, (first, _second), (doing, _other)):
        take = first.incoming.take

        async def stored_and_cut_off(*given: Any, **more: Any) -> None:
            await take(*given, **more)
            tg.fail(502, 1_000, "getUpdates")

        first.incoming.take = stored_and_cut_off  # type: ignore[method-assign]
        tg.say(ADMIN, "/change a")
        await until(lambda: first.polling.state == "unreachable")
        give(first, False)
        await until(lambda: first.polling.state == "standby")
        first.incoming.take = take  # type: ignore[method-assign]
        tg.calls._faults.clear()
        give(first, True)
        await until(lambda: doing.done == ["a"])
        await until(lambda: not tg.updates.waiting())
