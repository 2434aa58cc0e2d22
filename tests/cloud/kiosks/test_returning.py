"""What a hub tells its kiosks of their return."""

from pathlib import Path

from cloud.bus.bus import Alone, Peer
from cloud.kiosks.elsewhere import Nowhere
from cloud.kiosks.returning import Returning
from tests.cloud.hub import change, running, until
from tests.cloud.web.test_socket import no_time_passes

KIOSKS = tuple(f"kiosk_{number:03d}" for number in range(1, 7))


class Many(Alone):
    """A bus with others on it."""

    def __init__(self, others: int) -> None:
        super().__init__("me")
        self.others = others

    def peers(self) -> list[Peer]:
        """See `Bus`."""
        return [Peer(life=str(number), name="", version="", since=0.0) for number in range(self.others)]


async def test_the_welcome_tells_how_long_the_fleet_takes_and_the_goodbye_too(tmp_path: Path) -> None:
    async with running(tmp_path, kiosks=KIOSKS, accept_rate=2.0) as hub, hub.socket() as client:
        assert (await client.hello())["spread"] == 6.0  # one a second: half of what the hub lets in
        await hub.hub.__aexit__(None, None, None)
        assert await client.close_code() == 1012
        assert client.socket.close_reason == "the hub restarts; come back within 6 s"


async def test_a_small_fleet_is_told_nothing(tmp_path: Path) -> None:
    async with running(tmp_path, kiosks=KIOSKS, accept_rate=500.0) as hub, hub.socket() as client:
        assert (await client.hello())["spread"] == 0.0


async def test_who_will_not_come_does_not_count_and_others_that_live_take_a_share(tmp_path: Path) -> None:
    async with running(tmp_path, kiosks=KIOSKS) as hub:
        registry, links, history = hub.services.registry, hub.services.links, hub.hub._history
        now = [0.0]
        bus = Many(0)

        def spread() -> float:
            now[0] += 100.0  # it counts now and then
            return returning.spread()

        returning = Returning(
            registry=registry, links=links, elsewhere=Nowhere(), history=history, bus=bus, rate=2.0,
            clock=lambda: now[0],
        )  # fmt: skip
        assert spread() == 6.0
        await registry.enable("kiosk_001", False)
        assert returning.spread() == 6.0
        assert spread() == 5.0
        await change(tmp_path, "UPDATE kiosks SET created_at = 0, revision = revision + 100 WHERE id <> 'kiosk_002'")
        await registry.refresh()
        await until(lambda: spread() == 1.0)
        async with hub.kiosk("kiosk_005"):
            assert spread() == 2.0
        await hub.gone("kiosk_005")
        assert spread() == 2.0  # it was here a moment ago
        assert returning.goodbye("the hub restarts") == "the hub restarts; come back within 2 s"
        bus.others = 3
        assert spread() == 0.0
        assert returning.goodbye("the hub restarts") == "the hub restarts; come back within 1 s"


async def test_those_turned_away_are_told_different_times(tmp_path: Path) -> None:
    async with running(tmp_path, accept_rate=1.0) as hub:
        no_time_passes(hub)
        async with hub.kiosk():
            pass
        told = set()
        for _ in range(3):
            headers = {
                "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==", "Authorization": f"Bearer {hub.token()}",
            }  # fmt: skip
            answer = await hub.http.get("/ws", headers=headers)
            assert answer.status_code == 503
            told.add(int(answer.headers["Retry-After"]))
        assert all(1 <= seconds <= 5 for seconds in told)
