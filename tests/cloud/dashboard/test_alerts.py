"""The alerts' page: who may take note and mute, what is written down of it, and what is over."""

import time
from pathlib import Path

from cloud.alerts.alert import Alert, Severity
from cloud.dashboard.alert_words import measures, remedy, said, title
from tests.cloud.dashboard.site import dashboard
from tests.cloud.hub import change

EVIL = "<b onload=x>"


async def left_standing(tmp_path: Path) -> None:
    """An earlier life of the hub has raised one: a cassette is full."""
    at = time.time() - 60
    data = '{"count": 600, "capacity": 600}'
    await change(
        tmp_path,
        "INSERT INTO alerts (number, kind, kiosk_id, subject, severity, since, raised_at, data) VALUES"
        f" (7, 'cassette-full', 'kiosk_001', '{EVIL}', 'critical', {at}, {at}, '{data}')",
    )


async def test_an_operator_takes_note_and_mutes_and_a_viewer_may_not(tmp_path: Path) -> None:
    await left_standing(tmp_path)
    async with dashboard(tmp_path, role="operator") as site:
        alert = site.rooms.alerts.standing()[0]
        viewer = site.as_role("viewer")
        page = (await viewer.get("/dashboard/alerts")).text
        assert EVIL not in page
        assert "600" in page
        assert "/dashboard/alerts/acknowledge" not in page
        for path, fields in (
            ("acknowledge", {"numbers": str(alert.number)}),
            ("mute", {"scope": "paper-low", "for": "1h"}),
            ("unmute", {"scope": "paper-low"}),
        ):
            assert (await viewer.post(f"/dashboard/alerts/{path}", **fields)).status_code == 403
            assert (await site.post(f"/dashboard/alerts/{path}", csrf="wrong", **fields)).status_code == 403
        assert site.rooms.alerts.standing()[0].acknowledged_at is None

        answer = await site.post("/dashboard/alerts/acknowledge", numbers=f"{alert.number} 999 x")
        assert answer.status_code == 200
        assert site.rooms.alerts.standing()[0].acknowledged_by == "a-operator"
        await site.post("/dashboard/alerts/acknowledge", numbers=str(alert.number))
        assert (await site.post("/dashboard/alerts/mute", scope="kiosk_001", **{"for": "8h"})).status_code == 200
        assert [mute.scope for mute in site.rooms.alerts.mutes()] == ["kiosk_001"]
        assert (await site.post("/dashboard/alerts/mute", scope=EVIL, **{"for": "8h"})).status_code == 422
        wrong = await site.post("/dashboard/alerts/mute", scope="kiosk_001", **{"for": "9y"})
        assert wrong.status_code == 422
        await site.post("/dashboard/alerts/unmute", scope="kiosk_001")
        assert site.rooms.alerts.mutes() == []
        acts = [(act.act, act.subject) for act in await site.rooms.audit.page(limit=10)]
        assert [act for act in acts if act[0].startswith("alert.")] == [
            ("alert.unmute", "kiosk_001"),
            ("alert.mute", "kiosk_001"),
            ("alert.acknowledge", str(alert.number)),
        ]


async def test_what_is_over_is_paged(tmp_path: Path) -> None:
    async with dashboard(tmp_path, role="viewer") as site:
        await change(
            tmp_path,
            *(
                "INSERT INTO alerts (number, kind, kiosk_id, severity, since, raised_at, gone_at, cleared_at, data)"
                f" VALUES ({n}, 'paper-out', 'kiosk_001', 'critical', {n}, {n}, {n}, {n}, '{{}}')"
                for n in range(1, 61)
            ),
        )
        first = (await site.get("/dashboard/alerts")).text
        assert "before=11" in first
        second = (await site.get("/dashboard/alerts?before=11")).text
        assert second.count("<tr><td>") == 10
        assert (await site.get("/dashboard/alerts?before=nonsense")).status_code == 200


async def test_a_kiosk_s_page_leads_to_what_is_wrong_there(tmp_path: Path) -> None:
    await left_standing(tmp_path)
    at = time.time() - 60
    await change(
        tmp_path,
        "INSERT INTO alerts (number, kind, kiosk_id, severity, since, raised_at, gone_at, cleared_at, data)"
        f" VALUES (3, 'paper-out', 'kiosk_002', 'critical', {at}, {at}, {at}, {at}, '{{}}')",
    )
    async with dashboard(tmp_path, role="operator", kiosks=("kiosk_001", "kiosk_002")) as site:
        assert "/dashboard/alerts?kiosk=kiosk_001" in (await site.get("/dashboard/kiosks/kiosk_001")).text
        page = (await site.get("/dashboard/alerts", kiosk="kiosk_001")).text
        assert 'id="alert-7"' in page
        assert "Out of paper" not in page
        assert 'hx-get="/dashboard/alerts?kiosk=kiosk_001"' in page
        assert "/dashboard/alerts?kiosk=kiosk_001&amp;severity=critical" in page
        page = (await site.get("/dashboard/alerts", kiosk="kiosk_002")).text
        assert 'id="alert-7"' not in page
        assert "None of these stands." in page
        assert "Out of paper" in page
        page = (await site.get("/dashboard/alerts", kiosk=f"../{EVIL}")).text
        assert EVIL not in page
        assert 'id="alert-7"' in page  # no kiosk is called so


def alert(kind: str, **data: str | float) -> Alert:
    return Alert(number=1, kind=kind, severity=Severity.CRITICAL, since=0.0, raised_at=0.0, data=data)


async def test_words_are_for_people_and_what_others_say_is_masked() -> None:
    assert title("en", "paper-out") == "Out of paper"
    assert (title("ru", "not-known"), remedy("ru", "not-known")) == ("not-known", "")
    assert measures("en", alert("cassette-full", count=540, capacity=600)) == ["540 of 600"]
    assert measures("en", alert("cash-owed", owed=35000, currency="KZT")) == ["owed: 350.00\N{NO-BREAK SPACE}KZT"]
    assert measures("kk", alert("kiosk-clock", offset=-7200)) == ["айырма 2 сағ"]
    assert "4111111111111111" not in said(alert("device-fault", words="card 4111111111111111"))
