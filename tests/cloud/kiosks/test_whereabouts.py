"""Kiosks at other hubs, as whoever asks one hub is told of them: API, health, pages, bot, alerts."""

import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, cast

from sqlalchemy import insert

from cloud.accounts.account import Role
from cloud.bot import acts_dangerous, acts_status
from cloud.bot.asks import Asks
from cloud.bot.hands import Hands
from cloud.bot.html import plain
from cloud.bot.reply import Caller, Target
from cloud.bot.texts import Texts
from cloud.dashboard import cookies, kiosk_seen
from cloud.dashboard.kiosk_rows import State
from cloud.dashboard.texts import LANGUAGES, say
from cloud.db.tables import hubs
from cloud.kiosks.absence import Came, Ended
from cloud.kiosks.doubles import Double, DoublesTold
from cloud.kiosks.registry import Kiosk
from tests.cloud.dashboard.site import signed_in
from tests.cloud.fleet import fleet
from tests.cloud.hub import Running, until
from tests.cloud.local_bus import LocalNet

CALLER = Caller(user_id=1, shown="a person", language="en", target=Target(1))
DEVICES = [{"name": "bills", "role": "bill validator", "driver": "ccnet", "state": "fault"}]


async def test_each_face_of_a_hub_tells_the_truth_of_a_kiosk_at_another(tmp_path: Path) -> None:
    ids = ("kiosk_001", "kiosk_002", "kiosk_003")
    async with fleet(tmp_path, net=LocalNet(), kiosks=ids) as (one, two), AsyncExitStack() as stack:
        await stack.enter_async_context(one.kiosk("kiosk_001"))
        there = await stack.enter_async_context(two.kiosk("kiosk_002", version="7.7.7", devices=DEVICES))
        where = one.services.where
        await until(lambda: where.of("kiosk_002"))
        await _api(one, two)
        await _pages(one)
        await _bot(one)
        await there.socket.close()
        await until(lambda: where.of("kiosk_002") is None)
        await until(lambda: (left := where.left("kiosk_002")) is not None and left.why == "1000")
        assert (
            kiosk_seen.line_of(one.hub.rooms, _kiosk(one, "kiosk_002"), 0, one.hub.rooms.history.now()).state == "away"
        )
        assert "🔴" in plain((await acts_status._kiosk(_hands(one), CALLER, _kiosk(one, "kiosk_002"))).html)


async def test_a_hub_that_died_is_an_alert_at_those_that_live(tmp_path: Path) -> None:
    async with fleet(tmp_path, net=LocalNet(), kiosks=()) as (one, two):
        dead = insert(hubs).values(
            life="d" * 32, slot=77, name="dead/1", version="1", began_at=time.time() - 999, seen_at=time.time() - 20,
            ended_at=time.time() - 5,
        )  # fmt: skip
        async with one.hub.rooms.engine.begin() as connection:
            await connection.execute(dead)

        def gone(hub: Running) -> list[str]:
            return [each.subject for each in hub.services.alerts.standing() if each.kind == "hub-gone"]

        await until(lambda: gone(one) == gone(two) == ["dead/1"])
        seen = await one.hub.rooms.glances.look()
        assert [(each.name, each.state) for each in seen.hubs if each.state == "gone"] == [("dead/1", "gone")]
        assert [each.is_this for each in seen.hubs] == [True, False, False]
        assert all(each.since for each in seen.hubs if each.state == "works")
        assert not [each for each in one.services.alerts.standing() if each.kind == "hub-redis"]


async def test_what_is_wrong_with_another_hub_is_told_here_with_its_name(tmp_path: Path) -> None:
    async with fleet(tmp_path) as (one, two):
        words = "the database does not work: no answer"
        two.services.health.troubles = lambda: {"database": words}

        async def told() -> bool:
            hubs = (await _health(one))["hubs"]
            assert hubs[1]["troubles"] in ({}, {"database": words})  # a hub that has just come says nothing of Redis
            return [each["status"] for each in hubs] == ["healthy", "degraded"]

        await until(told)  # with its next heartbeat
        here, there = (await _health(one))["hubs"]
        assert (here["is_this"], there["troubles"]) == (True, {"database": words})
        # They are one process here, so that one name would be said of both.
        assert (here["id"], there["id"]) == (one.hub.bus.me[:8], two.hub.bus.me[:8])
        assert here["name"] != there["name"]
        seen = await one.hub.rooms.glances._look()
        assert [(each.name, each.state) for each in seen.hubs if not each.is_this] == [(there["name"], "ails")]
        found = [each for each in one.services.alerts._seen().conditions if each.kind == "hub-database"]
        assert [(each.subject, each.data) for each in found] == [(there["name"], {"error": words})]
        cookie = await signed_in(one.hub.rooms, "a-viewer", Role.VIEWER)
        name = cookies.cookie_name(cookies.SESSION, cookies.is_secure(one.hub.rooms.settings, "http"))
        one.hub.rooms.glances._found = None
        for language in LANGUAGES:
            headers = {"Cookie": f"{name}={cookie}", "Accept-Language": language}
            page = (await one.http.get("/dashboard", headers=headers)).text
            card = page[page.index('id="hubs"') :]
            assert card.index(here["name"]) < card.index(there["name"]) < card.index(words)
            assert say(language, "overview.why-hubs-ail", count=1, names=there["name"]) in page
        status = plain(await acts_status._status(_hands(one), CALLER))
        assert f"{there['name']} · 0 kiosks" in status
        assert "no answer" in status


async def test_who_was_refused_at_another_hub_is_told_by_the_bot_here_and_where_a_connection_was(
    tmp_path: Path,
) -> None:
    async with fleet(tmp_path, net=LocalNet()) as (one, two):
        history = two.hub._history
        history.refused("kiosk_001", Ended(at=time.time() - 60.0, why="4401", code=4401, address="192.0.2.77"))
        history.began("kiosk_001", Came(at=time.time() - 50.0, address="192.0.2.1", dialect="kiosk.v2"))
        history.ended("kiosk_001", Ended(at=time.time() - 40.0, why="lost"))
        history.refused("kiosk_001", Ended(at=time.time() - 30.0, why="4401", code=4401, address="192.0.2.88"))
        await history.written()
        card = plain((await acts_status._kiosk(_hands(one), CALLER, _kiosk(one, "kiosk_001"))).html)
        assert "192.0.2.88" in card
        assert "192.0.2.77" not in card
        page = await kiosk_seen.look(one.hub.rooms, _kiosk(one, "kiosk_001"))
        assert list(page.hubs) == [two.hub.bus.me]
        assert "/" in page.hubs[two.hub.bus.me]  # host and process, as it has written them
        assert page.refused is not None


async def test_two_boxes_that_another_hub_has_seen_are_told_here(tmp_path: Path) -> None:
    async with fleet(tmp_path, net=LocalNet()) as (one, two):
        seen = Double(
            address="10.0.0.1", other="10.0.0.2", is_same_journal=True, count=3, first_at=1000.0, last_at=2000.0
        )
        two.hub.bus.tell_all(DoublesTold({"kiosk_001": seen}))
        await until(lambda: one.services.where.double("kiosk_001") == seen)
        assert (await _admin(one, "/kiosk_001"))["duplicate"]["other_address"] == "10.0.0.2"
        assert (await _health(one))["duplicated_kiosks"] == 1
        assert kiosk_seen.line_of(one.hub.rooms, _kiosk(one, "kiosk_001"), 0, time.time()).double
        two.hub.bus.tell_all(DoublesTold({}))
        await until(lambda: one.services.where.double("kiosk_001") is None)


async def _api(one: Running, two: Running) -> None:
    shown = await _admin(one, "/kiosk_002")
    assert (shown["connected"], shown["version"], shown["address"]) == (True, "7.7.7", "127.0.0.1")
    assert (shown["devices"], shown["dialect"], shown["unsettled"]) == (DEVICES, "kiosk.v2", None)
    assert shown["hub"]
    assert (await _admin(two, "/kiosk_002"))["hub"]
    kiosks = (await _admin(one, ""))["kiosks"]
    assert {each["id"] for each in kiosks if each["connected"]} == {"kiosk_001", "kiosk_002"}
    for hub in (one, two):
        report = await _health(hub)
        assert (report["active_kiosks"], report["total_kiosks"], len(report["hubs"])) == (2, 3, 2)


async def _admin(hub: Running, path: str) -> Any:
    return (await hub.http.get(f"/admin/kiosks{path}", headers=hub.admin)).json()


def _kiosk(hub: Running, kiosk_id: str) -> Kiosk:
    kiosk = hub.services.registry.get(kiosk_id)
    assert kiosk is not None
    return kiosk


def _hands(hub: Running) -> Hands:
    """What the hub's bot would have."""
    given, rooms, nobody = hub.services, hub.hub.rooms, cast(Any, None)
    return Hands(
        registry=given.registry,
        tokens=given.tokens,
        enrolment=given.enrolment,
        links=given.links,
        where=given.where,
        operations=given.operations,
        store=given.store,
        resolving=given.resolving,
        alerts=given.alerts,
        updates=given.rollouts,
        standing=hub.hub._standing,
        asks=Asks(rooms.engine),
        users=nobody,
        health=lambda: given.health.report()[1],
        public_url="",
        clock=time.time,
        say=Texts(),
        facts=rooms.facts,
        talk=nobody,
    )


async def _health(hub: Running) -> dict[str, Any]:
    report: dict[str, Any] = (await hub.http.get("/health")).json()
    return report


async def _pages(one: Running) -> None:
    rooms = one.hub.rooms
    seen = await rooms.glances.look()
    assert (seen.here, seen.never, seen.enabled) == (2, 1, 3)
    lines = {line.id: line for line in await kiosk_seen.lines_of(rooms)}
    assert {line.state for line in lines.values()} == {State.CONNECTED, State.NEVER}
    assert (lines["kiosk_002"].version, lines["kiosk_002"].ailing) == ("7.7.7", 1)
    page = await kiosk_seen.look(rooms, _kiosk(one, "kiosk_002"))
    assert (page.line.state, page.line.address, page.parts[0].name) == (State.CONNECTED, "127.0.0.1", "bills")
    assert page.hub


async def _bot(one: Running) -> None:
    hands = _hands(one)
    assert "2 connected of 3 enabled" in plain(await acts_status._status(hands, CALLER))
    listed = plain((await acts_status.list_kiosks(hands, CALLER, ["online"])).html)
    assert [each for each in ("kiosk_001", "kiosk_002", "kiosk_003") if each in listed] == ["kiosk_001", "kiosk_002"]
    card = plain((await acts_status._kiosk(hands, CALLER, _kiosk(one, "kiosk_002"))).html)
    assert [each for each in ("🟢", "7.7.7", "bills", "at hub ") if each not in card] == []
    asked = await acts_dangerous._question(acts_dangerous.DISABLE, hands, CALLER, _kiosk(one, "kiosk_002"))
    assert "127.0.0.1" in plain(asked.html)
