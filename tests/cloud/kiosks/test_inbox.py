"""The inbox under pressure; what kiosks see of it is tried in tests/cloud/web/test_socket.py."""

from pathlib import Path

from tests.cloud.hub import rows, running


async def test_hundreds_of_events_at_once_are_all_stored_in_order_and_acknowledged(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        for seq in range(1, 301):
            await kiosk.say("event", seq=seq, at=1.5, kind="coin", data={"n": seq})
        acknowledged = [0]
        while acknowledged[-1] < 300:
            acknowledged.append((await kiosk.hear("event_ack"))["seq"])
        assert acknowledged == sorted(acknowledged)
        assert len(acknowledged) < 100  # in groups
    assert [(n,) for n in range(1, 301)] == rows(tmp_path, "SELECT seq FROM events ORDER BY rowid")


async def test_two_kiosks_count_for_themselves(tmp_path: Path) -> None:
    async with running(tmp_path, kiosks=("kiosk_001", "kiosk_002")) as hub:
        for name in ("kiosk_001", "kiosk_002"):
            async with hub.kiosk(name) as kiosk:
                await kiosk.say("event", seq=1, at=1.5, kind="door", device="x" * 100, data={})
                assert (await kiosk.hear("event_ack"))["seq"] == 1
    assert rows(tmp_path, "SELECT kiosk_id, seq FROM events ORDER BY 1") == [("kiosk_001", 1), ("kiosk_002", 1)]
