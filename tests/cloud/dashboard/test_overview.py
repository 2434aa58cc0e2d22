"""The first page: its verdict, its words in three languages, its figures, and names that are no markup."""

import json
from pathlib import Path

import pytest

from cloud.alerts.kinds import KINDS
from cloud.dashboard.charts import CHARTS, chart, picture, table
from cloud.dashboard.glance import Glance
from cloud.dashboard.texts import LANGUAGES, TEXTS, say
from cloud.dashboard.verdict import judge
from cloud.operations.figures import SPANS, Count, Fleet, bars
from tests.cloud.dashboard.site import dashboard
from tests.cloud.hub import POSTGRESQL, broken, change

NOW = 1_700_000_040.0
NOTHING = "'{}'" if POSTGRESQL else "x'7b7d'"  # the bytes {}
EVIL = "<script>alert(1)</script>\"'"


def seen(**changes: object) -> Glance:
    """A hub that is well, but for what is said."""
    given: dict[str, object] = {
        "at": NOW, "here": 3, "enabled": 3, "disabled": 0, "never": 0, "away": [], "running": 0, "queued": 0,
        "alerts": {"critical": 0, "warning": 0, "info": 0}, "unseen": 0, "worst": [], "keys": 1, "lately": Count(),
        "health": {"database": "connected", "redis": "disabled", "uptime": 5000.0}, "unknown": 0, "callbacks": 0,
    }  # fmt: skip
    return Glance(**{**given, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "level", "why"),
    [
        ({}, "good", "overview.all-here"),
        ({"enabled": 0, "here": 0}, "idle", None),
        ({"here": 2}, "warn", "overview.why-missing"),
        ({"here": 2, "never": 1}, "good", "overview.all-here"),
        ({"here": 0}, "bad", "overview.why-none-here"),
        ({"here": 0, "health": {"database": "connected", "uptime": 5.0}}, "warn", "overview.why-coming"),
        ({"unknown": None}, "bad", "overview.why-database"),
        ({"health": {"database": "unreachable", "uptime": 500.0}}, "bad", "overview.why-database"),
        ({"alerts": {"critical": 2, "warning": 0, "info": 0}, "unseen": 1}, "bad", "overview.why-critical"),
        ({"alerts": {"critical": 2, "warning": 0, "info": 0}}, "warn", "overview.why-acknowledged"),
        ({"alerts": {"critical": 0, "warning": 0, "info": 4}}, "good", "overview.all-here"),
        ({"unknown": 1}, "warn", "overview.why-unknown"),
        ({"lately": Count(succeeded=5, failed=4, not_executed=1)}, "warn", "overview.why-failing"),
        ({"lately": Count(refused=20)}, "warn", "overview.why-refused"),
    ],
)
async def test_one_glance_tells_whether_all_is_well(changes: dict[str, object], level: str, why: str | None) -> None:
    keys: list[str] = []

    def note(key: str, **_fields: object) -> str:
        keys.append(key)
        return key

    verdict = judge(seen(**changes), note)
    assert verdict.level == level
    assert [reason.words for reason in verdict.reasons][:1] == ([why] if why else [])


@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_kind_of_alert_has_words(language: str) -> None:
    texts = TEXTS[language]  # type: ignore[index]
    assert {kind for kind in KINDS if f"alerts.kind-{kind}" not in texts or f"alerts.do-{kind}" not in texts} == set()
    assert say(language, "overview.why-missing", count=21)  # type: ignore[arg-type]


async def test_charts_have_gaps_and_a_picture_and_a_table() -> None:
    last = 1_700_000_040
    made = bars(
        SPANS["hour"],
        {last - 120: Count(succeeded=3, failed=1, took=(0, 4))},
        {last: Fleet(here=1, enabled=2, unknown=0, alerts=0)},
        NOW,
    )
    for name in CHARTS:
        drawn = chart(name, made, str.upper)
        assert all(len(series.values) == len(drawn.at) == 60 for series in drawn.series)
        assert picture(name, drawn, EVIL).startswith(b"<svg")
        assert b"<script" not in picture(name, drawn, EVIL)
        assert len(table(drawn)) <= 24
    operations = chart("operations", made, str)
    assert [series.values[-3:] for series in operations.series][:2] == [[3, None, 0], [1, None, 0]]
    assert chart("fleet", made, str).series[0].values[-3:] == [None, None, 1]
    assert chart("latency", made, str).series[0].values[-2:] == [None, None]


async def test_a_new_hub_says_what_to_do_first(tmp_path: Path) -> None:
    async with dashboard(tmp_path, kiosks=()) as site:
        page = (await site.get("/dashboard")).text
        assert 'href="/dashboard/kiosks/add"' in page
        assert "data-src" not in page
        assert 'href="/dashboard/kiosks/add"' not in (await site.as_role("viewer").get("/dashboard")).text


async def test_names_and_events_are_no_markup_in_any_language_and_figures_are_json(tmp_path: Path) -> None:
    async with dashboard(tmp_path, role="viewer") as site:
        await site.rooms.registry.rename("kiosk_001", EVIL)
        evil = EVIL.replace("'", "''")
        await change(
            tmp_path,
            "INSERT INTO events (kiosk_id, journal, seq, at, received_at, kind, device, data) VALUES"
            f" ('kiosk_001', 'j', 1, 1, 1, 'cassette-full', '{evil}', {NOTHING})",
            "INSERT INTO alerts (number, kind, kiosk_id, subject, severity, since, raised_at, gone_at, cleared_at,"
            f" acknowledged_by, data) VALUES (1, 'paper-out', 'kiosk_001', '{evil}', 'critical', 1, 2, 3, 4, '{evil}',"
            " '{}')",
        )
        for path in ("/dashboard?range=week", "/dashboard/alerts"):
            for language in LANGUAGES:
                answer = await site.get(path, headers={"Accept-Language": language})
                assert answer.status_code == 200
                assert "<script>alert" not in answer.text
                assert "&lt;script&gt;alert" in answer.text
                assert f'lang="{language}"' in answer.text
        for name in CHARTS:
            found = json.loads((await site.get("/dashboard/figures.json", range="day", chart=name)).content)
            assert set(found) == {"from", "step", "at", "series", "unit"}
            assert len(found["at"]) == 96
        assert (await site.get("/dashboard/figures.json", range="year")).status_code == 404
        assert (await site.anonymous.get("/dashboard/figures.json")).status_code == 303
        part = await site.get("/dashboard", headers={"HX-Request": "true"})
        assert part.text.startswith("<div") and "<html" not in part.text  # noqa: PT018
        async with broken(tmp_path, "callbacks"):
            site.rooms.glances._found = None
            told = (await site.get("/dashboard", headers={"HX-Request": "true"})).text
            assert "verdict-bad" in told
