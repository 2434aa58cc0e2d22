"""The operation log of a real hub, at a Telegram that works and at one that does not."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cloud.bot.line import Line
from cloud.bot.oplog import log
from cloud.bot.oplog.log import OpLog
from cloud.bot.oplog.plan import Digest
from cloud.bot.oplog.tally import Tally
from cloud.bot.reply import Target
from cloud.bot.texts import Texts
from cloud.emulator.server import Emulator
from cloud.operations.feed import Feed
from tests.cloud.bot.oplog.telling import done, refused, told
from tests.cloud.bot.site import Site, bot_site
from tests.cloud.fleet import fleet
from tests.cloud.hub import PATIENCE, until
from tests.cloud.local_bus import LocalNet
from tests.listening import listening
from wire.environment import Secret

CHAT = -1001234567890


@asynccontextmanager
async def log_site(tmp_path: Path, **settings: Any) -> AsyncIterator[Site]:
    """A hub that writes its operations to a group."""
    async with Emulator(port=0) as tg:
        tg.group(CHAT)
        given = {"telegram_log_chat_id": str(CHAT), **settings}
        async with bot_site(tmp_path, tg=tg, **given) as site:
            yield site


class Logging:
    """A log alone, with a clock that can be put forward."""

    def __init__(self, tg: Emulator, rate: float) -> None:
        self.tg = tg
        self.feed = Feed()
        self._later = 0.0
        self.line = Line(token=Secret(tg.token), api_url=tg.url, monotonic=self.now)
        self.log = OpLog(
            feed=self.feed,
            talk=self.line,
            target=Target(CHAT),
            rate=rate,
            say=Texts(),
            language="en",
            clock=self.now,
        )

    def now(self) -> float:
        return time.monotonic() + self._later

    def later(self, seconds: float) -> None:
        self._later += seconds
        for reader in self.feed._readers:
            reader.wake()

    def tell(self, *what: Any) -> None:
        for each in what:
            self.feed._put(each)

    def texts(self) -> list[str]:
        return [message.get("text", "") for message in self.tg.messages(CHAT)]

    async def said(self, count: int, words: str = "") -> list[str]:
        """What the chat shows, once it has `count` messages and `words` in the last."""

        def look() -> list[str]:
            texts = self.texts()
            return texts if len(texts) == count and words in texts[-1] else []

        found: list[str] = await self.tg.until(look)
        return found


@asynccontextmanager
async def logging(rate: float = 20, tg: Emulator | None = None) -> AsyncIterator[Logging]:
    async with contextlib.AsyncExitStack() as stack:
        if tg is None:
            tg = await stack.enter_async_context(Emulator(port=0))
        tg.group(CHAT)
        alone = Logging(tg, rate)
        stack.push_async_callback(alone.line.close)
        await stack.enter_async_context(alone.log)
        yield alone


async def test_a_request_and_its_answer_are_one_message(tmp_path: Path) -> None:
    async with log_site(tmp_path) as site, site.hub.kiosk() as kiosk:
        sending = site.hub.sending({"order_id": 12345, "sum": 1000, "token": "hunter2"})
        request = await kiosk.request()
        [message] = await site.tg.until(lambda: site.tg.messages(CHAT))
        assert "Sent, waiting for the answer" in message["text"]
        assert message["silent"]
        await kiosk.answer(request, {"transaction_id": "TXN123"}, elapsed=0.5)
        response = await sending
        await site.tg.until(lambda: site.tg.messages(CHAT)[0]["edits"])
        [message] = site.tg.messages(CHAT)
        assert "✅ POST payment · kiosk_001\nsum: 1000 · order_id: 12345" in message["text"]
        assert "TXN123" in message["text"]
        assert "at the kiosk 0.50 s" in message["text"]
        assert response.headers["x-request-id"] in message["text"]
        assert "hunter2" not in message["text"]
        assert not site.tg.refused


async def test_an_absent_kiosk_and_a_topic(tmp_path: Path) -> None:
    async with Emulator(port=0) as tg:
        tg.group(CHAT, forum=True)
        topic = tg.topic(CHAT)
        settings = {"telegram_log_chat_id": str(CHAT), "telegram_log_topic_id": topic, "telegram_language": "ru"}
        async with bot_site(tmp_path, tg=tg, **settings) as site:
            await site.hub.send({"sum": 1}, Header_Http_Method="GET")
            [message] = await tg.until(lambda: tg.messages(CHAT, topic))
            assert message["text"].startswith("🚫 GET payment · kiosk_001")
            assert "киоск не на связи" in message["text"]


async def test_operations_are_answered_while_telegram_hangs(tmp_path: Path) -> None:
    async def swallow(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        while await reader.read(65536):
            pass

    async with Emulator(port=0) as tg, listening(swallow) as server:
        settings = {"telegram_api_url": f"http://127.0.0.1:{server.port}", "telegram_log_chat_id": str(CHAT)}
        async with bot_site(tmp_path, tg=tg, ready=False, **settings) as site, site.hub.kiosk() as kiosk:
            async with kiosk.serving():
                answers = await asyncio.gather(*(site.hub.send({"sum": number}) for number in range(50)))
            assert {answer.status_code for answer in answers} == {200}
        assert not tg.sent


async def test_what_ends_while_the_hub_stops_is_shown(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("cloud.app._FINISH_WITHIN", 0.2)
    monkeypatch.setattr(log, "_AT_STOP", 60.0)
    async with Emulator(port=0) as tg:
        tg.group(CHAT)
        async with bot_site(tmp_path, tg=tg, telegram_log_chat_id=str(CHAT)) as site, site.hub.kiosk() as kiosk:
            sending = site.hub.sending({"sum": 1000})
            await kiosk.request()
            await tg.until(lambda: tg.messages(CHAT))
        assert (await sending).status_code == 504
        assert "Outcome unknown" in tg.messages(CHAT)[0]["text"]


async def test_what_is_too_long_comes_as_a_file() -> None:
    async with logging() as alone:
        alone.tell(done(answer={"slip": "Кофе " * 2000}))
        texts = await alone.said(2)
        assert "all of them in the file" in texts[0]
        [_, file] = alone.tg.messages(CHAT)
        assert file["document"]["file_name"].endswith("-answer.json")
        assert file["reply_to_message"]["message_id"] == alone.tg.messages(CHAT)[0]["message_id"]


async def test_a_message_that_somebody_deleted_is_sent_anew() -> None:
    async with logging() as alone:
        alone.tell(told())
        await alone.said(1, "waiting")
        alone.tg.delete(CHAT, alone.tg.messages(CHAT)[0]["message_id"])
        alone.tell(done())
        await alone.said(1, "TXN123")


async def test_a_pause_that_telegram_asks_for_is_kept_and_told() -> None:
    async with logging() as alone:
        alone.tg.limit(CHAT, 30, 1)
        alone.tell(told())
        await alone.tg.until(lambda: alone.log.is_digest)
        calls = len(alone.tg.refused)
        alone.tell(*(done(f"{number}") for number in range(5)))
        alone.later(20)
        alone.tell(refused("late"))
        assert (len(alone.tg.refused), alone.texts()) == (calls, [])
        alone.later(11)
        [text] = await alone.said(1)
        assert "Telegram asked for a pause of" in text
        assert "✅ 5 done" in text
        assert "🚫 1 refused" in text
        assert "single operations are shown again" in text
        alone.tell(done("next"))
        await alone.said(2, "next")


async def test_an_outage_and_the_return() -> None:
    async with logging() as alone:
        alone.tell(told("begun", "shown"))
        await alone.said(1)
        with alone.tg.down():
            alone.tell(*(done(f"{number}") for number in range(30)))
            await alone.tg.until(lambda: alone.log.is_digest)
            alone.later(100)
            alone.tell(done("meanwhile"), done("shown"))
            await alone.tg.until(lambda: alone.log._failing)
        alone.later(100)
        texts = await alone.said(2)
        assert "took no messages" in texts[1]
        assert "✅ 31 done" in texts[1].replace("\u202f", " ")
        await alone.tg.until(lambda: "TXN123" in alone.texts()[0])


@pytest.mark.parametrize(("away", "paused"), [(60.0, 0.0), (0.0, 40.0), (60.0, 40.0)])
async def test_what_kept_it_silent_is_told_and_once_that_the_rest_was_meanwhile(away: float, paused: float) -> None:
    async with logging() as alone:
        digest = alone.log._digest(Digest(Tally(), 60.0, away, paused, calm=True))
    assert digest.count("This is what happened meanwhile.") == 1
    assert ("took no messages." in digest, "asked for a pause of" in digest) == (away > 0, paused > 0)


async def test_two_hundred_a_second_are_a_few_messages() -> None:
    async with logging() as alone:
        for second in range(20):
            for number in range(20):
                alone.tell(told("begun", f"{second}-{number}"), done(f"{second}-{number}"))
            await asyncio.sleep(0.1)
        await alone.tg.until(lambda: any("Operations come faster" in text for text in alone.texts()))
        lines = sum("POST payment" in text for text in alone.texts())
        alone.later(61)
        texts = await alone.said(lines + 2, "Operations in")
        assert f"✅ {400 - lines} done" in texts[-1].replace("\u202f", " ")
        assert len(alone.tg.sent) <= 20


async def test_what_is_under_way_is_shown_before_it_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "_AT_STOP", 60.0)
    async with logging() as alone:
        alone.tell(done())
    assert len(alone.texts()) == 1


async def test_a_chat_that_is_gone_is_said_once_in_the_log(caplog: Any) -> None:
    async with logging() as alone:
        alone.tg.kick(CHAT)
        alone.tell(done())
        await alone.tg.until(lambda: alone.tg.refused)
        for _ in range(3):
            calls = len(alone.tg.refused)
            alone.tell(done("more"))
            async with asyncio.timeout(PATIENCE):
                while len(alone.tg.refused) == calls:
                    alone.later(61)
                    await asyncio.sleep(0.05)
        await alone.tg.until(lambda: alone.log._failing)
        said = [record for record in caplog.records if "not taken" in record.message]
        assert len(said) == 1
        assert alone.tg.token not in caplog.text


async def test_a_mistake_does_not_end_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "_AFTER_MISTAKE", 0.01)
    async with logging() as alone:
        alone.tell(msgspec.structs.replace(done(), request_id=["none"]))  # type: ignore[arg-type]
        await alone.tg.until(lambda: not alone.feed._readers[0].waiting)
        alone.tell(done())
        [text] = await alone.said(1)
        assert "TXN123" in text


async def test_of_two_hubs_each_writes_what_it_refused_whichever_polls(tmp_path: Path) -> None:
    async with Emulator(port=0) as tg:
        tg.group(CHAT)
        given = {
            "telegram_bot_token": Secret(tg.token), "telegram_api_url": tg.url, "telegram_log_chat_id": str(CHAT)
        }  # fmt: skip
        async with fleet(tmp_path, net=LocalNet(), **given) as hubs:
            for number, hub in enumerate(hubs):
                answer = await hub.send({"sum": number}, kiosk=f"nobody_{number}")
                assert answer.status_code == 404

            def told() -> bool:
                texts = [message["text"] for message in tg.messages(CHAT)]
                return [sum(f"nobody_{number}" in text for text in texts) for number in range(2)] == [1, 1]

            await until(told)
