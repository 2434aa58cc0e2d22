"""/status, /list_kiosks, /kiosk, said by people."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy import insert

from cloud.bot.html import plain
from cloud.db.engine import open_engine
from cloud.db.tables import kiosks
from cloud.emulator.server import Emulator
from tests.cloud.bot.site import bot_site
from tests.cloud.hub import broken_table, database_of, execute
from wire.problems import CloseCode

LONG = "k" * 64
LATELY = r"(just now|\d+ s ago)"  # whichever, on a machine that stands still now and then
DEVICES = [{"name": "bills", "role": "bills", "driver": "ccnet", "state": "ready"}]


async def register(tmp_path: Path, names: dict[str, str]) -> None:
    """Put kiosks into the database before the hub starts."""
    execute(tmp_path)
    engine = open_engine(database_of(tmp_path))
    rows = [
        {"id": each, "name": name, "enabled": True, "generation": 0, "created_at": time.time(), "revision": 1}
        for each, name in names.items()
    ]
    async with engine.begin() as connection:
        await connection.execute(insert(kiosks), rows)
    await engine.dispose()


@asynccontextmanager
async def away(tmp_path: Path, table: str) -> AsyncIterator[None]:
    """Without this table. In a thread: the hub may be writing, and ends that only while the loop runs."""
    broken = broken_table(tmp_path, table)
    await asyncio.to_thread(broken.__enter__)
    try:
        yield
    finally:
        await asyncio.to_thread(broken.__exit__, None, None, None)


async def test_how_everything_is(tmp_path: Path) -> None:
    async with bot_site(tmp_path, public_url="https://hub.example.com") as site, site.hub.kiosk() as kiosk:
        async with kiosk.serving():
            assert (await site.hub.send()).is_success
        await site.hub.idle()
        await site.hub.services.registry.add("second", "")
        await site.hub.services.registry.enable("second", False)
        said = await site.say("/status")
        assert said["text"].startswith("✅ The hub is well\nversion ")
        assert "https://hub.example.com\nDatabase: works · Redis: not used · bot: works" in said["text"]
        assert "Kiosks: 1 connected of 1 enabled (100 %), 1 disabled" in said["text"]
        assert "Operations of the last hour: 1\n✅ succeeded: 1" in said["text"]
        assert "Alerts: none" in said["text"]
        await site.hub.services.registry.enable("second", True)
        again = await site.press(said, "⟳ Look again")
        assert (again["message_id"], again["edits"]) == (said["message_id"], 1)
        assert "1 connected of 2 enabled (50 %)" in again["text"]
        assert "admin" not in (await site.say("/status", user=site.stranger))["text"].lower()


async def test_what_the_hub_has_is_told_while_tables_are_away(tmp_path: Path) -> None:
    async with bot_site(tmp_path) as site, site.hub.kiosk(), away(tmp_path, "operations"):
        said = (await site.say("/status"))["text"]
        assert "Kiosks: 1 connected of 1 enabled" in said
        assert "not known, the database does not answer" in said
        one = (await site.say("/kiosk kiosk_001"))["text"]
        assert "connected for" in one
        assert "The database does not answer: its operations" in one
        assert "🟢 kiosk_001" in (await site.say("/list_kiosks"))["text"]


async def test_pages_of_a_fleet(tmp_path: Path) -> None:
    names = {f"k{n:02}": "" for n in range(23)} | {LONG: "<b>&amp;😀", "z": "x" * 300}
    await register(tmp_path, names)
    async with bot_site(tmp_path) as site, site.hub.kiosk("k05"):
        first = await site.say("/list_kiosks")
        assert first["text"].startswith("26 kiosks: 🟢 1 connected · ⚪️ 25 never connected\n")
        assert site.buttons(first) == ["‹", "1 / 3", "›"]
        assert re.findall(r"^\S+ (k\d\d)$", first["text"], re.M) == [f"k{n:02}" for n in range(10)]
        assert "🟢 k05\nconnected for" in first["text"]
        second = await site.press(first, "›")
        assert (second["message_id"], site.buttons(second)[1]) == (first["message_id"], "2 / 3")
        last = await site.press(await site.press(second, "‹"), "‹")
        assert site.buttons(last)[1] == "3 / 3"
        assert f"⚪️ {LONG} <b>&amp;😀\n" in last["text"]
        assert f"⚪️ z {'x' * 59}…\n" in last["text"]
        # The kiosks of the last page are gone when it is looked at again.
        for name in names:
            if name not in {"k05", LONG}:
                await site.hub.services.registry.remove(name)
        assert "k05" in (await site.press(last, "3 / 3"))["text"]


async def test_some_of_a_fleet(tmp_path: Path) -> None:
    await register(tmp_path, {f"k{n:02}": f"Вокзал, касса {n}" for n in range(12)} | {"other": "Рынок"})
    async with bot_site(tmp_path) as site, site.hub.kiosk("other") as kiosk:
        assert "1 matches “online”\n\n🟢 other Рынок" in (await site.say("/list_kiosks online"))["text"]
        assert "None matches “offline вокзал”" in (await site.say("/list_kiosks offline вокзал"))["text"]
        await kiosk.cut()
        await site.hub.gone("other")
        offline = (await site.say("/list_kiosks офлайн"))["text"]
        assert "🔴 other Рынок\noffline for" in offline
        some = await site.say("/list_kiosks ВОКЗАЛ")
        assert "12 match “ВОКЗАЛ”" in some["text"]
        assert "12 match “ВОКЗАЛ”" in (await site.press(some, "›"))["text"]
        # What does not fit into a button is kept beside it.
        long = await site.say("/list_kiosks  вокзал,   касса " + " " * 300)
        assert "2 / 2" in site.buttons(await site.press(long, "›"))
        wide = await site.say("/list_kiosks never вокзал, касса вокзал, касса вокзал, касса")
        assert "None matches" in wide["text"]
        await site.hub.services.registry.rename("other", "и" * 60)
        for name in [f"k{n:02}" for n in range(12)]:
            await site.hub.services.registry.rename(name, "и" * 60)
        kept = await site.say("/list_kiosks " + "и" * 50)
        assert "13 match" in kept["text"]
        turned = await site.press(kept, "›")
        assert "13 match" in turned["text"]
        await asyncio.to_thread(execute, tmp_path, "DELETE FROM bot_asks")
        assert "ask again" in await site.press(turned, "‹", toast=True)


async def test_all_about_one(tmp_path: Path) -> None:
    async with bot_site(tmp_path, timezone="Asia/Almaty") as site:
        await site.hub.services.registry.rename("kiosk_001", "Till <b>2</b> & 😀")
        async with site.hub.kiosk(devices=DEVICES, unsettled=2) as kiosk:
            async with kiosk.serving():
                request_id = (await site.hub.send()).headers["X-Request-Id"]
            await site.hub.idle()
            level = {"device": "bills", "state": "near-full", "count": 480, "capacity": 500}
            await kiosk.say("event", seq=1, at=time.time() - 60, kind="level-near-full", device="bills", data=level)
            while (await kiosk.hear())["type"] != "event_ack":
                pass
            said = await site.say("/kiosk kiosk_001")
            assert said["text"].startswith("🟢 kiosk_001 Till <b>2</b> & 😀\nconnected for ")
            assert re.search(r"connected for .*, since \d{4}-\d\d-\d\d \d\d:\d\d \+05\n", said["text"])
            assert (
                "from 127.0.0.1, kiosk.v2, version 1.2.3\n2 outcomes not yet told to the hub when it connected"
                in said["text"]
            )
            assert "Devices\n✅ bills (bills, ccnet): ready" in said["text"]
            assert re.search(r"Levels\nbills: nearly full, 480 of 500, 1 min( \d+ s)? ago", said["text"])
            assert re.search(rf"✅ payment, succeeded, {LATELY}\n{request_id}", said["text"])
        await site.hub.gone()
        gone = await site.press(said, "⟳ Look again")
        assert gone["text"].startswith("🔴 kiosk_001 Till <b>2</b> & 😀\noffline for ")
        assert "Why: it said goodbye (code 1000)" in gone["text"]
        assert re.search(rf"Devices, as last told, {LATELY}\n✅ bills \(bills, ccnet\): ready", gone["text"])
        assert (await site.say("/kiosk KIOSK"))["text"].startswith("🔴 kiosk_001")


async def test_devices_stand_as_they_were_told_of_last(tmp_path: Path) -> None:
    async with Emulator(port=0) as tg:
        async with bot_site(tmp_path, tg=tg) as site:
            seq = 0
            for state in ("fault", "disabled"):
                async with site.hub.kiosk(devices=[*DEVICES, {"name": "printer", "state": "starting"}]) as kiosk:
                    # What was told on another connection is older than what the kiosk says when it connects; but the
                    # fault that was told of stands until the kiosk tells that it is over.
                    known = {
                        "fault": "✅ bills (bills, ccnet): ready",
                        "disabled": "⚠️ bills (bills, ccnet): ready, yet",
                    }
                    said = (await site.say("/kiosk kiosk_001"))["text"]
                    assert known[state] in said
                    assert "⏳ printer: starting" in said
                    seq += 1
                    data = {"state": state, "was": "ready"}
                    await kiosk.say("event", seq=seq, at=1.0, kind="state-changed", device="bills", data=data)
                    while (await kiosk.hear())["type"] != "event_ack":
                        pass
                    words = {
                        "fault": "❌ bills (bills, ccnet): out of service",
                        "disabled": "✅ bills (bills, ccnet): well,",
                    }
                    said = (await site.say("/kiosk kiosk_001"))["text"]
                    assert words[state] in said
                    assert "⏳ printer: starting" in said
                    async with away(tmp_path, "events"):  # what comes live needs no database
                        assert words[state] in (await site.say("/kiosk kiosk_001"))["text"]
            await site.hub.gone()
            gone = (await site.say("/kiosk kiosk_001"))["text"]
            await site.done()
            assert re.search(r"Devices, as last told, .*\n✅ bills \(bills, ccnet\): well,", gone)
        async with bot_site(tmp_path, tg=tg) as site:  # it has not come back since the hub started
            told = (await site.say("/kiosk kiosk_001"))["text"]
            assert re.search(r"Devices, as last told, .*\n✅ bills: well,", told)


async def test_why_one_stays_offline(tmp_path: Path) -> None:
    async with bot_site(tmp_path) as site:
        old = site.hub.token()
        async with site.hub.kiosk():
            await site.hub.services.registry.renew_token("kiosk_001")
            await site.hub.gone()
        async with site.hub.socket(old) as kiosk:
            assert await kiosk.close_code() == CloseCode.BAD_TOKEN
        said = (await site.say("/kiosk kiosk_001"))["text"]
        assert "Why: its token was renewed, or its key is another one now (code 4401)" in said
        assert "⚠️ It tries to come in and is not let in: its token or key is not the one in force" in said
        async with site.hub.kiosk():
            assert "not let in" not in (await site.say("/kiosk kiosk_001"))["text"]


async def test_one_that_was_here_before_the_hub_started_is_offline(tmp_path: Path) -> None:
    await register(tmp_path, dict.fromkeys(("kiosk_001", "second", "third"), ""))
    execute(tmp_path, f"INSERT INTO presences (kiosk_id, here, at) VALUES ('kiosk_001', false, {time.time() - 7200})")
    execute(tmp_path, "INSERT INTO presences (kiosk_id, here, at) VALUES ('second', true, 5)")
    async with bot_site(tmp_path) as site:
        said = (await site.say("/list_kiosks"))["text"]
        assert said.startswith("3 kiosks: 🔴 2 offline · ⚪️ 1 never connected\n\n🔴 kiosk_001\noffline for 2 h, since ")
        assert "🔴 second\noffline, not seen since the hub started, " in said
        assert "🔴 kiosk_001\noffline for 2 h" in (await site.say("/kiosk kiosk_001"))["text"]


async def test_whom_is_meant(tmp_path: Path) -> None:
    async with bot_site(tmp_path, public_url="") as site:
        assert "Which kiosk?\nRight would be: /kiosk <id>" in (await site.say("/kiosk"))["text"]
        assert "One kiosk at a time." in (await site.say("/kiosk a b"))["text"]
        near = await site.say("/kiosk kisok_001")
        assert near["text"] == "There is no kiosk kisok_001. Perhaps: kiosk_001"
        assert "cannot be a kiosk's id" in (await site.say("/kiosk <b>"))["text"]
        assert (await site.say("/kiosk nobody"))["text"] == "There is no kiosk nobody."
        await site.hub.services.registry.remove("kiosk_001")
        assert "nor any other yet" in (await site.say("/kiosk kiosk_001"))["text"]
        assert (await site.say("/list_kiosks"))["text"].startswith("There is no kiosk yet.")
        assert "none yet" in (await site.say("/status"))["text"]
        await site.hub.services.registry.add(LONG, "")
        said = await site.say(f"/kiosk {LONG[:60]}")
        assert said["text"].startswith(f"⚪️ {LONG}\nnever connected")
        assert site.buttons(said) == []  # its id does not fit into one


async def test_two_boxes_are_shown(tmp_path: Path) -> None:
    async with bot_site(tmp_path) as site, site.hub.kiosk() as first, site.hub.socket() as second:
        hello = {"version": "1", "boot_id": "boot-2", "journal": "journal-2", "routes": ["default"]}
        await second.say("hello", **hello)
        await first.heard()  # it answers the ping that proves it alive
        assert await second.close_code() == CloseCode.DUPLICATE
        said = (await site.say("/list_kiosks double"))["text"]
        assert "🟢 kiosk_001\nconnected for" in said
        assert "⚠️ two boxes with its identity" in said
        assert (
            "Two boxes go by its identity: 127.0.0.1 and 127.0.0.1, 1 time, last"
            in (await site.say("/kiosk kiosk_001"))["text"]
        )
        assert "• Two boxes were seen with one identity: 1 kiosk" in (await site.say("/status"))["text"]
        assert plain(site.tg.messages(site.admin)[-1]["html"]) == site.tg.messages(site.admin)[-1]["text"]
