"""What holds in a real hub, as its alerts see it."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from cloud.alerts.alert import Condition
from cloud.alerts.config import RulesFile
from cloud.alerts.facts import UNKNOWN_MAX, Facts
from cloud.alerts.presence import Presence
from cloud.alerts.standing import Standing
from cloud.db.engine import open_engine
from cloud.updates.standings import Rollouts
from tests.cloud.hub import PATIENCE, Running, broken, change, database_of, execute, rows, running, until
from wire.problems import CloseCode


class Looking:
    """Facts of a hub, read when the test says so."""

    def __init__(self, hub: Running, facts: Facts, presence: Presence, troubles: dict[str, str]) -> None:
        self.hub = hub
        self.facts = facts
        self.presence = presence
        self.troubles = troubles
        self.telegram = "disabled"
        self.ahead = 0.0

    async def look(self, kind: str) -> list[Condition]:
        """Read all anew; what holds of this kind."""
        await self.read()
        return [condition for condition in self.facts.look().conditions if condition.kind == kind]

    async def read(self) -> None:
        for source in self.facts._sources:
            await self.facts._read(source)


@asynccontextmanager
async def looking(state_dir: Path, config: str = "", **changes: Any) -> AsyncIterator[Looking]:
    async with running(state_dir, **changes) as hub:
        engine = open_engine(database_of(state_dir))
        troubles: dict[str, str] = {}
        services = hub.services
        # The hub's own eyes note the same in the same tables, and are as good as these.
        presence = Presence(engine, time.time())
        found: list[Looking] = []
        facts = Facts(
            engine=engine,
            registry=services.registry,
            links=services.links,
            rollouts=Rollouts(engine),
            presence=presence,
            standing=Standing(engine).rows,
            troubles=lambda: troubles,
            telegram=lambda: found[0].telegram,
            rules=RulesFile(config),
            clock=lambda: time.time() + found[0].ahead,
        )
        found.append(Looking(hub, facts, presence, troubles))
        yield found[0]
        await engine.dispose()


def unknown(number: int, age: float = 1000.0, state: str = "unknown") -> str:
    return (
        "INSERT INTO operations (request_id, kiosk_id, operation, method, body, created_at, state, final, delivery, "
        f"detail) VALUES ('r{number:04}', 'kiosk_001', 'payment', 'POST', '', {time.time() - age + number / 1000}, "
        f"'{state}', {'true' if state == 'succeeded' else 'false'}, 'now', 'card 4111 1111 1111 1111')"
    )


async def test_a_kiosk_that_never_came_is_not_missed_and_one_that_went_is_since_it_went(tmp_path: Path) -> None:
    async with looking(tmp_path, kiosks=("kiosk_001", "kiosk_002")) as see:
        assert await see.look("kiosk-offline") == []
        async with see.hub.kiosk():
            assert await see.look("kiosk-offline") == []
            here_until = time.time()
        await see.hub.gone()
        (condition,) = await see.look("kiosk-offline")
        assert condition.kiosk_id == "kiosk_001"
        assert here_until - 1 < condition.since < time.time() + 1
        async with see.hub.kiosk():
            assert await see.look("kiosk-offline") == []
        await see.hub.gone()
        await see.hub.services.registry.enable("kiosk_001", False)
        assert await see.look("kiosk-offline") == []


async def test_a_kiosk_is_missed_by_the_hubs_next_life_too_and_not_once_it_is_registered_anew(tmp_path: Path) -> None:
    async with looking(tmp_path) as see:
        async with see.hub.kiosk():
            await see.read()
        await see.hub.gone()
        await see.read()
    execute(tmp_path, "UPDATE presences SET at = 1000000")
    ended = time.time()
    async with looking(tmp_path) as see:
        assert "kiosk-offline" in see.facts.look().blind
        (condition,) = await see.look("kiosk-offline")
        assert condition.since == 1000000
        assert "kiosk-offline" not in see.facts.look().blind
        await change(tmp_path, "UPDATE presences SET here = true")
        see.presence._known = None
        (condition,) = await see.look("kiosk-offline")  # that life crashed: nobody saw it go
        assert ended - 1 < condition.since < time.time() + 1
        await see.hub.services.registry.remove("kiosk_001")
        await see.read()
        await see.hub.services.registry.add("kiosk_001")
        assert await see.look("kiosk-offline") == []


async def test_who_is_here_when_the_hub_stops_was_seen_until_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud.alerts.room._LEAVE_WITHIN", 30.0)
    async with running(tmp_path) as hub, hub.kiosk():
        await until(lambda: rows(tmp_path, "SELECT kiosk_id FROM presences") == [("kiosk_001",)])
        here_until = time.time()
    ((here, at),) = rows(tmp_path, "SELECT here, at FROM presences")
    assert not here
    assert here_until - 1 < at < time.time() + 1


async def test_two_boxes_with_one_identity(tmp_path: Path) -> None:
    async with looking(tmp_path) as see, see.hub.kiosk():
        async with see.hub.socket() as other:
            await other.say("hello", version="1", boot_id="boot-2", journal="journal-2", routes=[])
            assert await other.close_code() == CloseCode.DUPLICATE
        (condition,) = await see.look("kiosk-duplicate")
        assert condition.kiosk_id == "kiosk_001"
        assert set(condition.data) == {"address", "other_address"}


async def test_what_kiosks_tell_stands_unless_they_are_disabled(tmp_path: Path) -> None:
    fault = json.dumps({"words": "card 4111 1111 1111 1111"})
    now = time.time()
    execute(
        tmp_path,
        *(
            "INSERT INTO standing (kiosk_id, kind, subject, open, at, received_at, data) "
            f"VALUES ('{kiosk}', '{kind}', '{subject}', true, {now - age}, {now - age}, '{data}')"
            for kiosk, kind, subject, age, data in (
                ("kiosk_001", "fault", "bills", 60, fault),
                ("kiosk_002", "fault", "bills", 60, fault),
                ("nobody", "fault", "bills", 60, fault),
                ("kiosk_001", "shift", "kkt", 22.5 * 3600, "{}"),
                ("kiosk_001", "clock", "", 60, '{"offset": 90}'),
            )
        ),
    )
    config = tmp_path / "alerts.yaml"
    async with looking(tmp_path, str(config), kiosks=("kiosk_001", "kiosk_002")) as see:
        await see.hub.services.registry.enable("kiosk_002", False)
        (condition,) = await see.look("device-fault")
        assert (condition.kiosk_id, condition.subject, condition.data) == (
            *("kiosk_001", "bills"),
            {"words": "card …1111"},
        )
        assert await see.look("shift-old") == []
        assert len(await see.look("kiosk-clock")) == 1
        config.write_text("kinds: {shift-old: {hours: 22}, kiosk-clock: {seconds: 120}}")
        assert len(await see.look("shift-old")) == 1
        assert await see.look("kiosk-clock") == []


async def test_a_kiosk_that_tells_of_too_much_does_not_take_the_room_of_others(tmp_path: Path) -> None:
    now = time.time()
    told = [("kiosk_001", f"d{number:03}", now - 600 + number) for number in range(150)]
    values = [f"('{k}', 'fault', '{d}', true, {at}, {at}, '{{}}')" for k, d, at in [*told, ("kiosk_002", "bills", now)]]
    columns = "kiosk_id, kind, subject, open, at, received_at, data"
    execute(tmp_path, f"INSERT INTO standing ({columns}) VALUES {', '.join(values)}")
    async with looking(tmp_path, kiosks=("kiosk_001", "kiosk_002")) as see:
        found = await see.look("device-fault")
        assert [one.subject for one in found if one.kiosk_id == "kiosk_002"] == ["bills"]
        mine = [one for one in found if one.kiosk_id == "kiosk_001"]
        assert len(mine) == 21
        assert [one.data for one in mine if not one.subject] == [{"more": 130}]


async def test_operations_nobody_knows_the_end_of_and_those_beyond_what_is_told_one_by_one(tmp_path: Path) -> None:
    async with looking(tmp_path) as see:
        await change(tmp_path, unknown(1), unknown(2, state="succeeded"))
        (condition,) = await see.look("operation-unknown")
        assert (condition.kiosk_id, condition.subject) == ("kiosk_001", "r0001")
        assert condition.data == {"operation": "payment", "detail": "card …1111"}
        await change(tmp_path, *(unknown(number) for number in range(3, 260)))
        found = await see.look("operation-unknown")
        assert len(found) == UNKNOWN_MAX + 1
        assert (found[-1].key, found[-1].data) == (("operation-unknown", "", ""), {"count": 58})
        async with broken(tmp_path, "operations"):
            assert len(await see.look("operation-unknown")) == UNKNOWN_MAX + 1
        await change(tmp_path, "UPDATE operations SET final = true, state = 'failed'")
        assert await see.look("operation-unknown") == []


async def test_outcomes_that_are_not_known_become_more_and_more(tmp_path: Path) -> None:
    async with looking(tmp_path) as see:
        await change(tmp_path, *(unknown(number) for number in range(15)))
        assert await see.look("unsettled-growing") == []
        await change(tmp_path, *(unknown(number, age=0, state="sent") for number in range(100, 150)))
        assert await see.look("unsettled-growing") == []  # they are under way
        await change(tmp_path, *(unknown(number) for number in range(15, 26)))
        (condition,) = await see.look("unsettled-growing")
        assert condition.data == {"count": 26}
        assert await see.look("unsettled-growing") == [condition]
    async with looking(tmp_path) as see:  # they may have grown before: what stands is left as it is
        assert await see.look("unsettled-growing") == []
        assert see.facts.look().blind == {"unsettled-growing"}
        see.facts._started -= 901
        assert await see.look("unsettled-growing") == []
        assert see.facts.look().blind == set()
        await change(tmp_path, "DELETE FROM operations WHERE request_id < 'r0010'")
        assert await see.look("unsettled-growing") == []


async def test_versions_kiosks_went_back_from_and_rollouts_held(tmp_path: Path) -> None:
    now = time.time()
    execute(
        tmp_path,
        "INSERT INTO rollouts (channel, version, percent, paused, reason, changed_at, changed_by) "
        f"VALUES ('stable', '1.4.0', 10, true, '3 kiosks failed', {now}, 'the hub')",
        "INSERT INTO rollouts (channel, version, percent, paused, changed_at, changed_by) "
        f"VALUES ('beta', '1.5.0', 10, true, {now}, 'somebody')",
        "INSERT INTO kiosk_versions (kiosk_id, tried, result, reason, result_at) "
        f"VALUES ('kiosk_001', '1.4.0', 'failed', 'no line', {now - 60})",
    )
    async with looking(tmp_path) as see:
        (held,) = await see.look("rollout-held")
        assert (held.subject, held.data) == ("stable", {"version": "1.4.0", "reason": "3 kiosks failed"})
        (failed,) = await see.look("update-failed")
        assert (failed.kiosk_id, failed.subject, failed.data) == ("kiosk_001", "1.4.0", {"reason": "no line"})
        await change(tmp_path, "UPDATE rollouts SET version = '1.4.1', paused = false, reason = ''")
        assert await see.look("rollout-held") == []
        assert await see.look("update-failed") == []


async def test_callbacks_that_wait_for_too_long_or_fail_too_often(tmp_path: Path) -> None:
    async with looking(tmp_path) as see:

        def callback(number: int, age: float, attempts: int) -> tuple[str, str]:
            return unknown(number, state="succeeded"), (
                "INSERT INTO callbacks (request_id, api_key_id, attempts, next_at, created_at) "
                f"VALUES ('r{number:04}', 'k', {attempts}, {time.time() + 1000}, {time.time() - age})"
            )

        await change(tmp_path, *callback(1, 600, 3))
        assert await see.look("hub-callbacks") == []
        await change(tmp_path, *callback(2, 1000, 3))
        (condition,) = await see.look("hub-callbacks")
        assert condition.data == {"count": 2}
        await change(tmp_path, "UPDATE callbacks SET next_at = NULL")
        assert await see.look("hub-callbacks") == []
        await change(tmp_path, *(text for number in range(10, 111) for text in callback(number, 1, 1)))
        (condition,) = await see.look("hub-callbacks")
        assert condition.data == {"count": 101}


async def test_the_hubs_own_troubles(tmp_path: Path) -> None:
    config = tmp_path / "alerts.yaml"
    config.write_text("kinds: {}")
    async with looking(tmp_path, str(config)) as see:
        await see.read()
        assert [condition for condition in see.facts.look().conditions if not condition.kiosk_id] == []
        see.troubles["database"] = "it is away"
        (condition,) = await see.look("hub-database")
        assert condition.data == {"error": "it is away"}
        see.ahead = 100.0
        assert await see.look("hub-database") == [condition]
        for state in ("unreachable", "conflict", "unauthorized"):
            see.telegram = state
            assert [one.data for one in await see.look("hub-telegram")] == [{"words": state}]
        for state in ("connected", "standby", "connecting"):
            see.telegram = state
            assert await see.look("hub-telegram") == []
        config.write_text("kinds: {x: {}}")
        (condition,) = await see.look("hub-alerts-config")
        assert "is no kind of alerts" in str(condition.data["words"])


async def test_a_hub_raises_tells_and_clears_by_itself(tmp_path: Path) -> None:
    config = tmp_path / "alerts.yaml"
    config.write_text("kinds: {kiosk-offline: {after: 0, clear_after: 0, gather: 0}}")
    async with running(tmp_path, alerts_config=str(config)) as hub:
        async with hub.kiosk():
            await until(lambda: rows(tmp_path, "SELECT here FROM presences"))
        await hub.gone()
        alerts = hub.services.alerts
        await alerts.look()  # as it does every three seconds
        (notice,) = await alerts.next("telegram", PATIENCE)
        assert (notice.kind, notice.alerts[0].kiosk_id) == ("kiosk-offline", "kiosk_001")
        await alerts.told("telegram", [notice])
        async with hub.kiosk():
            await alerts.look()
            (notice,) = await alerts.next("telegram", PATIENCE)
            assert notice.what == "cleared"
            await alerts.told("telegram", [notice])
            assert alerts.standing() == []
