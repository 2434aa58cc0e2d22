"""The bot as a part of a running hub: its webhook, its lease, its death, and a hub that runs whatever becomes of it."""

import asyncio
import logging
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cloud.bot import room
from cloud.bot.notices import Notices
from cloud.bot.reply import Target
from cloud.bot.room import target, webhook_secret
from cloud.bus import lease
from cloud.emulator.server import Emulator
from cloud.logs import set_up
from cloud.metrics import Metrics
from tests.cloud.bot.parts import Parts, yard
from tests.cloud.bot.site import ADMIN, STRANGER, Site, bot_site
from tests.cloud.hub import ADMIN_KEY, JWT_SECRET, POSTGRESQL, broken, database_of, rows, running, until
from tests.redis_server import MissingError, Server, running_redis
from wire.environment import Secret

TREE = Path(room.__file__).parents[2]


async def test_a_word_is_answered(tmp_path: Path) -> None:
    async with bot_site(tmp_path) as site:
        answer = await site.say("hello")
        assert "/help" in answer["text"]
        await site.silent("/status@another_bot", user=ADMIN)
        refusal = await site.say("/start", user=STRANGER)
        assert str(STRANGER) in refusal["text"]
        assert (await site.hub.http.get("/health")).json()["telegram"] == "connected"
        assert await site.hub.metric("kioskwire_telegram_connected") == 1
        assert await site.hub.metric('kioskwire_telegram_calls_total{result="ok"}') >= 3
        assert (await site.hub.http.post("/telegram", content=b"{}")).status_code == 404  # it polls
        assert not site.tg.unknown


async def test_the_menu_is_for_admins(tmp_path: Path) -> None:
    async with bot_site(tmp_path) as site:

        def menus() -> list[dict[str, Any]]:
            return [call["given"] for call in site.tg.sent if call["method"] == "setMyCommands"]

        await until(lambda: len(menus()) == 6)
        for given in menus():
            names = [command["command"] for command in msgspec.json.decode(given["commands"])]
            assert names == ["start"] if not given.get("scope") else {"start", "status", "help"} <= set(names)
        await site.say("/language ru")
        await until(lambda: len(menus()) == 9)
        lines = [msgspec.json.decode(given["commands"]) for given in menus()[6:]]
        assert lines[0] == lines[1] == lines[2]  # in every language of clients that which was chosen


def test_a_hub_without_a_token_knows_no_telegram() -> None:
    code = (
        "import sys, cloud.app\n"
        "assert not {name for name in sys.modules if name.startswith(('telegram', 'cloud.bot', 'redis'))}"
    )
    subprocess.run([sys.executable, "-c", code], cwd=TREE, check=True)


async def test_a_hub_runs_with_telegram_away_and_with_a_wrong_token(tmp_path: Path) -> None:
    async with Emulator(port=0) as tg:
        with tg.down():
            async with bot_site(tmp_path, tg=tg, ready=False) as site:
                await until(lambda: site.hub.services.health.telegram() == "unreachable")
                status = await site.hub.http.get("/health")
                assert (status.status_code, status.json()["status"]) == (200, "healthy")
        wrong = Secret(f"{tg.token}x")
        async with bot_site(tmp_path, tg=tg, ready=False, telegram_bot_token=wrong) as site:
            await until(lambda: site.hub.services.health.telegram() == "unauthorized")
            assert (await site.hub.http.get("/health")).status_code == 200


async def test_a_start_that_fails_midway_leaves_nothing_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: Any) -> None:
        raise RuntimeError("no such thing")

    monkeypatch.setattr(Notices, "__aenter__", fail)
    before = asyncio.all_tasks()
    with pytest.raises(RuntimeError, match="no such thing"):
        async with bot_site(tmp_path, ready=False):
            pass
    assert not [task for task in asyncio.all_tasks() - before if task.get_name().startswith(("bot", "alerts"))]


async def test_the_token_is_told_nowhere(tmp_path: Path) -> None:
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    set_up("DEBUG")
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(f"{record.getMessage()} {vars(record)}")  # as it is before our own masks

    logging.getLogger().addHandler(Keep())
    try:
        async with bot_site(tmp_path) as site:
            await site.say("/status")
            with site.tg.down():
                await until(lambda: site.hub.services.health.telegram() == "unreachable")
            site.tg.fail(500, 1, "sendMessage")
            site.tg.say(ADMIN, "/help")
            await until(lambda: any(call["method"] == "sendMessage" for call in site.tg.refused))
            pages = [(await site.hub.http.get(path)).text for path in ("/health", "/metrics", "/docs")]
            secret = site.tg.token.partition(":")[2]
            assert len(lines) >= 4
            for text in (*lines, *pages):
                assert secret not in text, text
    finally:
        logging.getLogger().handlers[:] = handlers
        logging.getLogger().setLevel(level)


async def test_the_bot_says_that_the_database_is_away(tmp_path: Path) -> None:
    async with bot_site(tmp_path) as site:
        async with broken(tmp_path, "bot_updates", "kiosks", "bot_users"):
            await until(lambda: site.hub.services.health.report()[0] == 503)
            assert re.search("does not work: .*(no such table|UndefinedTable)", (await site.say("/status"))["text"])
            assert "/status" in (await site.say("/help"))["text"]
            assert "have changed nothing" in (await site.say("/enable_kiosk kiosk_001"))["text"]
        assert "kiosk_001" in (await site.say("/kiosk kiosk_001"))["text"]


# The webhook


@asynccontextmanager
async def hooked(tmp_path: Path, **more: Any) -> AsyncIterator[Site]:
    """A hub with a webhook, at an address nobody reaches: the test brings what Telegram would."""
    url = "https://127.0.0.1:9/telegram"
    async with bot_site(tmp_path, telegram_webhook_url=url, **more) as site:
        yield site


def update(number: int, text: str) -> bytes:
    who = {"id": ADMIN, "first_name": "Ann", "is_bot": False}
    message = {"message_id": number, "date": 2_000_000_000, "chat": {"id": ADMIN, "type": "private"}, "from": who}
    return msgspec.json.encode({"update_id": number, "message": {**message, "text": text}})


async def test_the_webhook_takes_what_telegram_brings_once(tmp_path: Path) -> None:
    async with hooked(tmp_path) as site:
        call = next(call for call in site.tg.sent if call["method"] == "setWebhook")
        secret = call["given"]["secret_token"]
        assert secret == webhook_secret(JWT_SECRET)
        site.tg.user(ADMIN)

        async def bring(body: bytes, given: str | bytes | None = secret) -> int:
            headers = {} if given is None else {"X-Telegram-Bot-Api-Secret-Token": given}
            return (await site.hub.http.post("/telegram", content=body, headers=headers)).status_code

        assert [await bring(update(7, "hello")) for _ in range(3)] == [200, 200, 200]
        await until(lambda: site.tg.messages(ADMIN))
        assert await bring(update(8, "hello"), "wrong") == 403
        assert await bring(update(8, "hello"), "") == 403
        assert await bring(update(8, "hello"), None) == 403
        assert await bring(update(8, "hello"), b"\xff\xc3") == 403
        assert await bring(b"nonsense") == 200  # it would come for ever
        assert await bring(b"x" * 1_100_000) == 413
        await bring(update(9, "hello"))
        await until(lambda: len(site.tg.messages(ADMIN)) == 2)
        assert rows(tmp_path, "SELECT update_id FROM bot_updates ORDER BY 1") == [(7,), (9,)]
        assert (await site.hub.http.get("/telegram")).status_code == 405


async def test_telegram_itself_delivers_to_the_hub(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        # Bound and never listened on, so that no other program takes it before the hub does.
        held = stack.enter_context(socket.socket())
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        tg = await stack.enter_async_context(Emulator(port=0))
        given = {"telegram_webhook_url": f"http://127.0.0.1:{port}/telegram", "port": port}
        async with bot_site(tmp_path / "second", tg=tg, **given) as site:
            assert "/help" in (await site.say("hello"))["text"]
            assert not any(call["method"] == "getUpdates" for call in tg.sent)
        async with bot_site(tmp_path / "third", tg=tg) as site:  # and back to polling
            assert "/help" in (await site.say("hello"))["text"]


# Death


@asynccontextmanager
async def program(state_dir: Path, tg: Emulator, crash_at: str = "") -> AsyncIterator[asyncio.subprocess.Process]:
    """`kioskwire-hub serve` with a bot, which may die at a crash point."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    environment = {
        **kept,
        "PYTHONPATH": str(TREE),
        "JWT_SECRET": JWT_SECRET,
        "ADMIN_KEY": ADMIN_KEY,
        "PORT": "0",
        "STATE_DIR": str(state_dir),
        "DATABASE_URL": database_of(state_dir),
        "TELEGRAM_BOT_TOKEN": tg.token,
        "TELEGRAM_API_URL": tg.url,
        "TELEGRAM_ADMIN_IDS": str(ADMIN),
        "KIOSKWIRE_CRASH_AT": crash_at,
    }
    command = [sys.executable, "-m", "cloud", "serve"]
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, cwd=state_dir, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def test_what_was_stored_is_done_by_the_next_life(tmp_path: Path) -> None:
    """Killed with one update begun, which changes something, and one stored alone."""
    async with running(tmp_path):  # a database with a kiosk in it
        pass
    async with Emulator(port=0) as tg:
        tg.user(ADMIN)
        tg.say(ADMIN, "/enable_kiosk kiosk_001")
        tg.say(ADMIN, "/kiosk kiosk_001")
        async with program(tmp_path, tg, "hub.bot.begin.after") as process:
            assert await process.wait() == -signal.SIGKILL
        assert not tg.messages(ADMIN)
        async with bot_site(tmp_path, tg=tg) as site:
            await until(lambda: len(tg.messages(ADMIN)) == 2)
            told, shown = tg.messages(ADMIN)
            assert "restarted" in told["text"]
            assert "/kiosk kiosk_001" in told["text"]
            assert shown["text"].count("kiosk_001")
            await site.say("hello")
            assert len(tg.messages(ADMIN)) == 3


# Several hubs


@pytest.fixture(scope="module")
def redis() -> Iterator[Server]:
    try:
        with running_redis() as server:
            yield server
    except MissingError as missing:
        pytest.skip(str(missing))


def holder(*sites: Site) -> Site | None:
    """The one that polls, if it is one alone."""
    found = [site for site in sites if site.hub.services.health.telegram() == "connected"]
    return found[0] if len(found) == 1 else None


ALONE = pytest.mark.skipif(
    bool(POSTGRESQL), reason="hubs with a database each; of one for both test_polling_shared has it"
)


@ALONE
async def test_one_of_two_hubs_polls_and_the_other_takes_over(
    tmp_path: Path, redis: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "_TAKE_EVERY", 0.1)
    both: dict[str, Any] = {"ready": False, "redis_url": redis.url}
    async with (
        Emulator(port=0) as tg,
        bot_site(tmp_path / "first", tg=tg, **{**both, "ready": True}) as first,
        bot_site(tmp_path / "second", tg=tg, **both) as second,
    ):
        await until(lambda: second.hub.services.health.telegram() == "standby")
        assert holder(first, second) is first
        assert "/help" in (await first.say("hello"))["text"]
        await first.hub.hub.__aexit__(None, None, None)  # it stops, and gives the lease back
        await until(lambda: holder(second))
        assert "/help" in (await second.say("hello"))["text"]
        assert len(tg.messages(ADMIN)) == 2
        assert conflicts(first.hub.services.metrics) == conflicts(second.hub.services.metrics) == 0


async def test_when_the_one_that_polls_is_killed_the_other_waits_for_its_time(tmp_path: Path, redis: Server) -> None:
    async with yard(tmp_path) as (tg, engine, stack):
        # As long as no machine stands still: it ends when the test says so.
        lives = [Parts(engine, tg, lease=lease.Lease(redis.url, "killed", seconds=60.0)) for _ in range(2)]
        lives[0].start()
        await lives[0].connected()
        lives[1].start()
        stack.push_async_callback(lives[1].stop)
        await until(lambda: lives[1].polling.state == "standby")
        await lives[0].die()
        tg.say(ADMIN, "hello")
        with redis.client() as client:
            assert client.pttl("killed") > 0
            client.pexpire("killed", 500)
        await lives[1].said(1)
        assert conflicts(lives[0].metrics) == conflicts(lives[1].metrics) == 0
        await lives[0].lease.stop()


def conflicts(metrics: Metrics) -> float:
    """How often Telegram said 409."""
    found: float = metrics.telegram_calls.labels("conflict")._value.get()
    return found


@ALONE
async def test_a_webhook_is_taken_by_who_has_the_lease(tmp_path: Path, redis: Server) -> None:
    async with (
        hooked(tmp_path / "a", redis_url=redis.url) as first,
        hooked(tmp_path / "b", tg=first.tg, ready=False, redis_url=redis.url) as second,
    ):
        await until(lambda: second.hub.services.health.telegram() == "standby")
        headers = {"X-Telegram-Bot-Api-Secret-Token": webhook_secret(JWT_SECRET)}
        answers = [
            (await site.hub.http.post("/telegram", content=update(7, "hello"), headers=headers)).status_code
            for site in (second, first)
        ]
        assert answers == [503, 200]


def test_chats_of_the_settings() -> None:
    assert target("", 5) is None
    assert target("-1001", 5) == Target(-1001, 5)
    assert target("@log", 0) == Target("@log")
