"""Alerts of a real hub: what holds in it is raised, told, written, and known to the next one."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cloud.alerts import memory
from cloud.alerts.alert import Condition
from cloud.alerts.book import Seen
from cloud.alerts.kinds import KINDS
from cloud.alerts.memory import Memory
from cloud.alerts.rules import Rules
from cloud.alerts.service import Alerts
from cloud.alerts.shared import SharedRows
from cloud.db.engine import open_engine
from cloud.errors import Refused
from cloud.metrics import Metrics
from tests.cloud.alerts.play import shown
from tests.cloud.hub import PATIENCE, broken, change, database_of, execute, rows, until

QUICK = Rules(
    kinds={
        kind: msgspec.structs.replace(rule, after=0.0, clear_after=0.0, gather=0.0, escalate=0.0)
        for kind, rule in KINDS.items()
    }
)


class Room:
    """The service on a database, with what holds set by the test, and looked at when it says so."""

    def __init__(self, state_dir: Path, channels: tuple[str, ...] = ("telegram",)) -> None:
        self.holding: list[Condition] = []
        self.metrics = Metrics()
        self.engine = open_engine(database_of(state_dir))
        self.memory = Memory(self.engine)
        self.alerts = Alerts(
            memory=self.memory,
            look=lambda: Seen(self.holding),
            rules=lambda: QUICK,
            is_kiosk=lambda kiosk_id: kiosk_id == "a",
            channels=channels,
            metrics=self.metrics,
            every=3600.0,
        )

    async def __aenter__(self) -> "Room":
        await self.alerts.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.memory.saved(PATIENCE)  # a hub that stops has less patience with a disk
        await self.alerts.__aexit__()
        await self.engine.dispose()

    def begin(self, kind: str, kiosk: str = "", **data: Any) -> None:
        self.holding.append(Condition(kind=kind, kiosk_id=kiosk, since=time.time() - 60, data=data))

    async def tell(self, channel: str = "telegram") -> list[str]:
        """Look, and tell what is to be told."""
        await self.alerts.look()
        found = await self.alerts.next(channel, 0.0)
        await self.alerts.told(channel, found)
        return [shown(notice) for notice in found]


async def test_what_was_raised_told_acknowledged_and_muted_is_known_after_a_restart(tmp_path: Path) -> None:
    execute(tmp_path)
    began = time.time()
    async with Room(tmp_path) as room:
        room.begin("device-fault", "a", words="jammed \0 by a note", code=47)
        room.begin("paper-low", "b")
        assert await room.tell() == ["raised device-fault a", "raised paper-low b"]
        assert await room.alerts.acknowledge([1, 7], "somebody 42") == 1
        await room.alerts.mute("a", 600, "somebody 42")
        holding = room.holding
    assert rows(tmp_path, "SELECT number, kind, acknowledged_by FROM alerts ORDER BY number") == [
        (1, "device-fault", "somebody 42"),
        (2, "paper-low", ""),
    ]
    async with Room(tmp_path) as room:
        room.holding = holding
        assert await room.tell() == []
        first, second = room.alerts.standing()
        assert (first.acknowledged_by, first.data["code"], second.acknowledged_at) == ("somebody 42", 47, None)
        (mute,) = room.alerts.mutes()
        assert (mute.scope, mute.by) == ("a", "somebody 42")
        assert began - 1 < mute.until - 600 < time.time() + 1
        room.holding = []
        room.begin("hub-redis")
        assert await room.tell() == ["raised hub-redis", "cleared paper-low b"]
        assert await room.alerts.unmute("a", "somebody")
        assert not await room.alerts.unmute("a", "somebody")
        assert await room.tell() == ["cleared device-fault a"]
    assert rows(tmp_path, "SELECT count(*) FROM mutes") == [(0,)]
    async with Room(tmp_path) as room:
        room.begin("hub-redis")
        assert await room.tell() == []
        assert [alert.number for alert in room.alerts.standing()] == [3]


async def test_a_database_that_is_away_keeps_nobody_from_hearing_of_it(tmp_path: Path) -> None:
    execute(tmp_path)
    async with Room(tmp_path) as room:
        async with broken(tmp_path, "alerts"):
            room.begin("hub-database", error="away")
            room.begin("device-fault", "a")
            assert await room.tell() == ["raised device-fault a", "raised hub-database"]
            room.holding = room.holding[1:]
            assert await room.tell() == ["cleared hub-database"]
        await until(lambda: rows(tmp_path, "SELECT number FROM alerts WHERE cleared_at IS NULL") == [(2,)])
        told = "SELECT number FROM alert_tellings WHERE raised_at IS NOT NULL ORDER BY number"
        await until(lambda: rows(tmp_path, told) == [(1,), (2,)])
        holding = room.holding
    async with Room(tmp_path) as room:
        room.holding = holding
        assert await room.tell() == []


async def test_a_table_that_cannot_be_read_at_the_start_is_read_later(tmp_path: Path) -> None:
    execute(tmp_path)
    async with Room(tmp_path) as room:
        room.begin("device-fault", "a")
        await room.tell()
        holding = room.holding
    async with broken(tmp_path, "alerts"):
        room = Room(tmp_path)
        await room.__aenter__()
        room.holding = holding
        assert await room.tell() == []
        assert room.alerts.standing() == []
    assert await room.tell() == []
    assert [alert.number for alert in room.alerts.standing()] == [1]
    await room.__aexit__()


@pytest.mark.parametrize(
    "damage", ["data = '{'", "data = '[]'", "data = ''", "severity = 'grave'", "acknowledged_at = 1e300, severity = ''"]
)
async def test_a_row_that_cannot_be_read_keeps_no_hub_from_starting(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    execute(tmp_path)
    async with Room(tmp_path) as room:
        room.begin("device-fault", "a")
        room.begin("paper-low", "b")
        await room.tell()
        holding = room.holding
    execute(tmp_path, f"UPDATE alerts SET {damage} WHERE number = 1")
    async with Room(tmp_path) as room:
        assert [alert.number for alert in room.alerts.standing()] == [2]
        assert "a row of alerts cannot be read" in caplog.text
        room.holding = holding
        assert await room.tell() == ["raised device-fault a"]


async def test_who_waits_hears_at_once(tmp_path: Path) -> None:
    execute(tmp_path)
    async with Room(tmp_path) as room:
        assert await room.alerts.next("telegram", 0.01) == []
        waiting = asyncio.create_task(room.alerts.next("telegram", 60.0))
        await asyncio.sleep(0)
        room.begin("device-fault", "a")
        await room.alerts.look()
        assert [shown(notice) for notice in await waiting] == ["raised device-fault a"]


async def test_what_may_be_muted_and_for_how_long(tmp_path: Path) -> None:
    execute(tmp_path)
    async with Room(tmp_path) as room:
        for scope, seconds, words in (
            ("nobody", 60.0, "neither a kiosk nor a kind"),
            ("a", 0.0, "from 1 second to 30 days"),
            ("a", float("nan"), "from 1 second to 30 days"),
            ("a", 31 * 86400.0, "from 1 second to 30 days"),
        ):
            with pytest.raises(Refused, match=words):
                await room.alerts.mute(scope, seconds, "a test")
        await room.alerts.mute("a", 600, "a test")
        await room.alerts.mute("paper-out", 60, "a test")
        assert [mute.scope for mute in room.alerts.mutes()] == ["paper-out", "a"]
        assert room.alerts.kinds() == list(KINDS)


async def test_metrics(tmp_path: Path) -> None:
    execute(tmp_path)
    async with Room(tmp_path) as room:
        room.begin("device-fault", "a")
        await room.alerts.look()
        await room.alerts.next("telegram", 0.0)
        await room.tell()
        text = room.metrics.text().decode()
        assert 'kioskwire_alerts_standing{kind="device-fault",severity="critical"} 1.0' in text
        assert 'kioskwire_alert_notices_total{channel="telegram",result="told"} 1.0' in text
        assert 'kioskwire_alert_notices_total{channel="telegram",result="failed"} 1.0' in text
        room.holding = []
        await room.tell()
        assert "kioskwire_alerts_standing{" not in room.metrics.text().decode()


async def test_a_fleet_that_is_gone_at_once_is_one_notice_and_cheap(tmp_path: Path) -> None:
    """5,000 kiosks: a look takes milliseconds, all is on the disk, and gone from memory after."""
    execute(tmp_path)
    async with Room(tmp_path, ("telegram", "webhook")) as room:
        for number in range(5000):
            room.begin("kiosk-offline", f"k{number:04}")

        async def timed(act: Callable[[], Any]) -> float:
            before = time.thread_time()  # of the processor: how long the machine has no time for it is another matter
            await act()
            return time.thread_time() - before

        await timed(room.alerts.look)
        for channel in ("telegram", "webhook"):
            (notice,) = await room.alerts.next(channel, 0.0)
            assert len(notice.alerts) == 5000
            await room.alerts.told(channel, [notice])
        usual = min([await timed(room.alerts.look) for _ in range(5)])
        asked = min([await timed(lambda: room.alerts.next("telegram", 0.0)) for _ in range(5)])
        print(f"a look {1000 * usual:.1f} ms, a question {1000 * asked:.1f} ms")
        assert usual + asked < 0.25  # some 20 ms on an idle machine
        await until(lambda: rows(tmp_path, "SELECT count(*) FROM alert_tellings") == [(10_000,)], 180)
    async with Room(tmp_path, ("telegram", "webhook")) as room:
        assert await room.tell() == ["cleared kiosk-offline " + " ".join(f"k{number:04}" for number in range(5000))]
        assert await room.tell("webhook") != []
        assert not room.alerts._book._ended


async def test_old_alerts_are_forgotten_by_the_same_proof_as_operations(tmp_path: Path) -> None:
    execute(tmp_path)
    execute(
        tmp_path,
        *(
            "INSERT INTO alerts (number, kind, severity, since, raised_at, cleared_at) "
            f"VALUES ({number}, 'paper-out', 'critical', 1, 1, {cleared})"
            for number, cleared in ((1, 999), (2, 1001), (3, "NULL"))
        ),
        "INSERT INTO alert_tellings (number, channel) VALUES (1, 'telegram')",
        *(f"INSERT INTO lived_days (day, seconds, boundary) VALUES ({day}, 86400, {1000 + day})" for day in range(7)),
    )
    engine = open_engine(database_of(tmp_path))
    kept = Memory(engine)
    await kept.forget()
    assert rows(tmp_path, "SELECT count(*) FROM alerts") == [(3,)]
    execute(tmp_path, "INSERT INTO lived_days (day, seconds, boundary) VALUES (7, 1, 2000)")
    await kept.forget()
    assert rows(tmp_path, "SELECT number FROM alerts ORDER BY number") == [(2,), (3,)]
    assert rows(tmp_path, "SELECT count(*) FROM alert_tellings") == [(0,)]
    await engine.dispose()


async def test_a_row_that_is_gone_holds_up_no_other(tmp_path: Path) -> None:
    execute(tmp_path)
    async with Room(tmp_path) as room:
        room.begin("device-fault", "a")
        room.begin("paper-low", "b")
        await room.alerts.look()
        found = await room.alerts.next("telegram", 0.0)
        room.holding = []
        await room.alerts.look()
        await until(lambda: rows(tmp_path, "SELECT count(*) FROM alerts WHERE cleared_at IS NOT NULL") == [(2,)])
        await change(tmp_path, "DELETE FROM alerts WHERE number = 1")
        await room.alerts.told("telegram", found)
        await until(lambda: rows(tmp_path, "SELECT number FROM alert_tellings WHERE raised_at IS NOT NULL") == [(2,)])
        await room.alerts.mute("a", 60, "a test")
        await until(lambda: rows(tmp_path, "SELECT scope FROM mutes") == [("a",)])


async def test_a_row_that_cannot_be_written_holds_up_no_other(tmp_path: Path) -> None:
    execute(tmp_path)
    async with Room(tmp_path) as room:
        room.begin("device-fault", "a", odd=object())
        room.begin("paper-low", "b")
        await room.alerts.look()
        await until(lambda: rows(tmp_path, "SELECT kiosk_id FROM alerts") == [("b",)])
        await room.alerts.mute("a", 60, "a test")
        await until(lambda: rows(tmp_path, "SELECT scope FROM mutes") == [("a",)])


async def test_a_mistake_does_not_end_the_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    execute(tmp_path)
    monkeypatch.setattr(memory, "_PAUSE", 0.02)
    async with Room(tmp_path) as room:
        write, failures = room.alerts._memory._write, iter([KeyError("a mistake")])

        async def mistaken(*given: Any) -> None:
            for failure in failures:
                raise failure
            await write(*given)

        monkeypatch.setattr(room.alerts._memory, "_write", mistaken)
        room.begin("paper-low", "b")
        await room.alerts.look()
        await until(lambda: rows(tmp_path, "SELECT kiosk_id FROM alerts") == [("b",)])


class Given:
    """A lease that is held when the test says so."""

    is_shared = True

    def __init__(self) -> None:
        self.is_held = False

    def start(self) -> None: ...

    async def stop(self) -> None: ...

    def doubt(self) -> None: ...

    async def wait_until(self, *, held: bool) -> None:
        await until(lambda: self.is_held is held)


@pytest.mark.parametrize("slow", ["noting", "reading"])
async def test_a_book_that_comes_to_a_hub_where_somebody_just_takes_note_is_that_hubs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slow: str
) -> None:
    execute(tmp_path)
    async with Room(tmp_path) as room:
        room.begin("device-fault", "a")
        await room.tell()
        holding = room.holding
    engine, jobs = open_engine(database_of(tmp_path)), Given()
    kept, shared = Memory(engine, jobs), SharedRows(engine)
    alerts = Alerts(
        memory=kept,
        look=lambda: Seen(holding),
        rules=lambda: QUICK,
        is_kiosk=lambda _: True,
        channels=["telegram"],
        every=3600.0,
        jobs=jobs,
        shared=shared,
    )
    begun, go_on = asyncio.Event(), asyncio.Event()
    acknowledge, load = shared.acknowledge, kept.load

    async def slow_acknowledge(*given: Any) -> Any:
        found = await acknowledge(*given)
        begun.set()
        await go_on.wait()
        return found

    async def slow_load(channels: Any) -> Any:
        found = await load(channels)
        if not channels:
            begun.set()
            await go_on.wait()
        return found

    async with alerts:
        await alerts.look()
        assert [alert.number for alert in alerts.standing()] == [1]
        if slow == "noting":
            monkeypatch.setattr(shared, "acknowledge", slow_acknowledge)
        else:
            monkeypatch.setattr(kept, "load", slow_load)
        noting = asyncio.create_task(alerts.acknowledge([1], "anna"))
        await begun.wait()
        jobs.is_held = True  # the one that had it is gone
        await alerts.look()
        assert alerts.tells
        go_on.set()
        assert await noting == 1
        assert alerts.tells
        holding.append(Condition(kind="paper-low", kiosk_id="b", since=time.time() - 60))
        await alerts.look()
        found = await alerts.next("telegram", 0.0)
        assert [shown(notice) for notice in found] == ["raised paper-low b"]
        await alerts.told("telegram", found)
        await until(lambda: rows(tmp_path, "SELECT number FROM alerts ORDER BY 1") == [(1,), (2,)])
        assert [alert.acknowledged_by for alert in alerts.standing()] == ["anna", ""]
    await engine.dispose()
