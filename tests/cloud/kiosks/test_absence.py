"""Why a kiosk is not here: how its last connection ended, and who was not let in since."""

import time
from pathlib import Path

import pytest

from cloud.kiosks import absence
from cloud.kiosks.absence import Ended, Refusals
from cloud.kiosks.links import Links
from tests.cloud.hub import Running, running, until
from wire.problems import CloseCode


def left(links: Links, kiosk_id: str = "kiosk_001") -> Ended | None:
    """How its last connection ended."""
    link = links.get(kiosk_id)
    return link.left if link else None


async def refused(hub: Running, token: str | None = None) -> int | None:
    """The code with which a socket is closed at once."""
    async with hub.socket(token) as kiosk:
        return await kiosk.close_code()


def test_of_many_refusals_the_latest_are_kept() -> None:
    refusals = Refusals()
    for number in range(absence._REFUSALS_MAX + 2):
        refusals.note(f"kiosk_{number}", Ended(at=float(number), why="4401"))
        refusals.note("kiosk_0", Ended(at=float(number), why="4403"))
    assert refusals.get("kiosk_1") is refusals.get("kiosk_2") is None
    assert (last := refusals.get("kiosk_0")) is not None
    assert (last.at, last.why) == (float(absence._REFUSALS_MAX + 1), "4403")
    assert len(refusals._last) == absence._REFUSALS_MAX


async def test_how_a_connection_ended_is_known(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        links, before = hub.services.links, time.time()
        async with hub.kiosk() as kiosk:
            assert left(links) is None
            await kiosk.socket.close(1001)
        await hub.gone()
        assert (found := left(links)) is not None
        assert (found.why, found.code, found.address) == ("1001", 1001, "127.0.0.1")
        assert before <= found.at <= time.time()
        async with hub.kiosk() as kiosk:
            await kiosk.cut()
        await until(lambda: (found := left(links)) is not None and found.why in {"lost", "1006"})
        async with hub.kiosk() as kiosk:
            links.close("kiosk_001", CloseCode.FORBIDDEN, "the kiosk is disabled")
            assert await kiosk.close_code() == 4403
        assert (found := left(links)) is not None
        assert (found.why, found.code) == ("4403", 4403)
        assert links.last_refusal("kiosk_001") is None


async def test_who_is_not_let_in_is_known_by_the_kiosk_that_the_token_names(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        links, old = hub.services.links, hub.token()
        await hub.services.registry.renew_token("kiosk_001")
        assert await refused(hub, old) == 4401
        assert (found := links.last_refusal("kiosk_001")) is not None
        assert (found.why, found.address) == ("4401", "127.0.0.1")
        await hub.services.registry.enable("kiosk_001", False)
        assert await refused(hub) == 4403
        assert (found := links.last_refusal("kiosk_001")) is not None
        assert found.why == "4403"
        await hub.services.registry.remove("kiosk_001")
        nobody = hub.services.tokens.issue("never-there", 0)
        assert await refused(hub, nobody) == 4403
        assert links.last_refusal("never-there") is None
        assert links.get("kiosk_001") is None


async def test_a_socket_without_a_hello_is_an_attempt_and_no_presence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wire.session.HELLO_TIMEOUT", 0.05)
    monkeypatch.setattr("cloud.kiosks.links._TICK", 0.02)
    async with running(tmp_path) as hub, hub.socket() as kiosk:
        assert await kiosk.close_code() == 4400
        assert (found := hub.services.links.last_refusal("kiosk_001")) is not None
        assert (found.why, left(hub.services.links)) == ("4400", None)
