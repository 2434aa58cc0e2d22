"""The hubs of a fleet as rows of a card: who works, who ails, who is silent, who died; and what the verdict says."""

from typing import Any

import pytest

from cloud.dashboard.glance import Glance
from cloud.dashboard.hubs import AILS, HubRow, hub_rows
from cloud.dashboard.texts import LANGUAGES, TEXTS, say
from cloud.dashboard.verdict import judge
from cloud.db.hubs_seen import HubSeen

NOW = 1_700_000_000.0
HERE, THERE = "a" * 32, "b" * 32


def told(life: str, name: str, **changes: Any) -> dict[str, Any]:
    """As `/health` has a hub."""
    return {
        "id": life[:8], "name": name, "version": "2", "kiosks": 5, "operations_running": 1, "troubles": {},
        "is_this": life == HERE, **changes,
    }  # fmt: skip


def seen(life: str, name: str, ago: float = 1.0, ended: float | None = None) -> HubSeen:
    """As the database has one, written so long ago."""
    ended_at = None if ended is None else NOW - ended
    return HubSeen(life=life, name=name, version="2", began_at=NOW - 900, seen_at=NOW - ago, ended_at=ended_at)


def states(rows: list[HubRow]) -> list[tuple[str, str]]:
    return [(row.name, row.state) for row in rows]


async def test_this_one_is_first_and_each_says_how_it_is() -> None:
    troubles = {"database": "the database does not work: no answer"}
    health = {
        "redis": "connected",
        "hubs": [
            told(HERE, "z/1"),
            told(THERE, "a/1", troubles=troubles),
            told("c" * 32, "b/1", troubles={"stopping": "it stops"}),
        ],
    }
    rows = hub_rows(health, [seen(HERE, "z/1"), seen(THERE, "a/1")], NOW)
    assert states(rows) == [("z/1", "works"), ("a/1", "ails"), ("b/1", "stopping")]
    assert [row.level for row in rows] == ["good", "bad", "idle"]
    assert (rows[0].kiosks, rows[0].since, rows[2].since) == (5, NOW - 900, None)
    assert rows[1].ails == troubles


async def test_one_that_is_killed_is_silent_and_then_gone_and_is_not_shown_twice() -> None:
    health = {"redis": "connected", "hubs": [told(HERE, "a/1")]}
    rows = hub_rows(health, [seen(HERE, "a/1"), seen(THERE, "b/1", 2.0)], NOW)
    assert states(rows) == [("a/1", "works"), ("b/1", "unheard")]
    assert not rows[1].is_silent  # it may just begin, or end
    rows = hub_rows(health, [seen(HERE, "a/1"), seen(THERE, "b/1", 9.0)], NOW)
    assert rows[1].is_silent
    assert rows[1].kiosks is None
    rows = hub_rows(health, [seen(HERE, "a/1"), seen(THERE, "b/1", 30.0, ended=18.0)], NOW)
    assert states(rows) == [("a/1", "works"), ("b/1", "gone")]


async def test_while_redis_is_away_nobody_is_said_to_work_who_is_not_heard() -> None:
    health = {"redis": "unreachable", "hubs": [told(HERE, "a/1"), told(THERE, "b/1")]}
    assert states(hub_rows(health, [seen(HERE, "a/1"), seen(THERE, "b/1")], NOW)) == [
        ("a/1", "works"),
        ("b/1", "unheard"),
    ]
    # It ended meanwhile, in order; and with the database away as well nobody knows.
    ended = [seen(HERE, "a/1"), seen(THERE, "b/1", 30.0, ended=29.9)]
    assert states(hub_rows(health, ended, NOW)) == [("a/1", "works")]
    assert states(hub_rows(health, [], NOW)) == [("a/1", "works"), ("b/1", "unheard")]


async def test_a_hub_that_is_alone_has_no_card() -> None:
    assert hub_rows({"redis": "connected"}, [], NOW) == []


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_verdict_names_the_hub_in_each_language(language: Any) -> None:
    rows = [
        HubRow(name="a/1", state="works", is_this=True),
        HubRow(name="b/1", state="gone"),
        *(HubRow(name=f"c/{number}", state="unheard", is_silent=True) for number in range(5)),
        HubRow(name="d/1", state="ails", ails={"redis": "slow"}),
    ]
    glance = Glance(
        at=NOW, here=1, enabled=1, disabled=0, never=0, away=[], running=0, queued=0, hubs=rows, unseen=0, worst=[],
        alerts={"critical": 0, "warning": 0, "info": 0}, keys=1, unknown=0,
        health={"database": "connected", "redis": "unreachable"},
    )  # fmt: skip
    verdict = judge(glance, lambda key, **fields: say(language, key, **fields))
    words = " ".join(reason.words for reason in verdict.reasons)
    assert verdict.level == "warn"
    assert "b/1" in words
    assert "c/0, c/1, c/2 …" in words
    assert "d/1" in words
    assert say(language, "overview.why-redis-shared") in words
    assert all(f"overview.hubs-ail-{name}" in TEXTS[language] for name in AILS)
