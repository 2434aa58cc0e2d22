"""`/admin/alerts`: what stands, what is muted, and who has taken note."""

from pathlib import Path

from tests.cloud.hub import running, until
from tests.cloud.web.test_send import problem_of


async def test_what_stands_is_shown_and_acknowledged(tmp_path: Path) -> None:
    config = tmp_path / "alerts.yaml"
    config.write_text("kinds: {hub-alerts-config: {gather: 0}, oops: {}}")
    async with running(tmp_path, alerts_config=str(config)) as hub:
        alerts = hub.services.alerts
        await until(alerts.standing)
        await alerts.mute("kiosk_001", 60, "a test")
        shown = (await hub.http.get("/admin/alerts", headers=hub.admin)).json()
        (alert,) = shown["alerts"]
        assert (alert["kind"], alert["kiosk"], alert["severity"]) == ("hub-alerts-config", None, "warning")
        assert "kinds.oops: is no kind of alerts" in alert["words"]
        assert alert["acknowledged_at"] is None
        assert [(mute["scope"], mute["by"]) for mute in shown["mutes"]] == [("kiosk_001", "a test")]
        address = f"/admin/alerts/{alert['number']}/acknowledge"
        done = (await hub.http.post(address, headers=hub.admin)).json()
        assert done["acknowledged_by"] == "admin 127.0.0.1"
        assert (await hub.http.post(address, headers=hub.admin)).json() == done
        for wrong in ("99", "x", "9" * 30, "%00"):
            answer = await hub.http.post(f"/admin/alerts/{wrong}/acknowledge", headers=hub.admin)
            assert (answer.status_code, problem_of(answer)) == (404, "not-found")
        assert (await hub.http.get("/admin/alerts")).status_code == 401
