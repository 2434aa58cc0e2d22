"""When the way to the hub is walked: while there is no link, once a minute, and when a person asks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from appliance.network import service
from appliance.network.probe import Aim, Machine
from appliance.network.service import Network, token_state
from appliance.network.steps import Seen
from tests.appliance.worlds import until


class Kiosk:
    def __init__(self) -> None:
        self.connected = False
        self.aim: Aim | None = Aim(url="ws://127.0.0.1:1/ws")
        self.walks = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.network = Network(
            aim=lambda: self.aim, connected=lambda: self.connected, token=lambda: "untried", look=self._look
        )

    async def _look(self, _aim: Aim, _here: Machine | None) -> Seen:
        self.walks += 1
        await self.gate.wait()
        return Seen(local=True, host="hub", connected="refused")


@asynccontextmanager
async def kiosk(monkeypatch: pytest.MonkeyPatch, first_s: float = 0.02, every_s: float = 60.0) -> AsyncIterator[Kiosk]:
    monkeypatch.setattr(service, "_TURN_S", 0.005)
    monkeypatch.setattr(service, "FIRST_S", first_s)
    monkeypatch.setattr(service, "EVERY_S", every_s)
    there = Kiosk()
    there.network.start()
    try:
        yield there
    finally:
        await there.network.stop()


async def test_it_walks_once_while_the_link_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    async with kiosk(monkeypatch) as there:
        await until(lambda: there.network.last)
        await asyncio.sleep(0.1)
        assert there.walks == 1
        failed = there.network.last.first_failed if there.network.last else None
        assert failed is not None
        assert failed.finding == "reach.refused"


async def test_it_walks_again_after_a_while_and_not_with_a_link(monkeypatch: pytest.MonkeyPatch) -> None:
    async with kiosk(monkeypatch, every_s=0.02) as there:
        await until(lambda: there.walks >= 3)
        there.connected = True
        await asyncio.sleep(0.03)
        before = there.walks
        await asyncio.sleep(0.1)
        assert there.walks == before


async def test_another_drop_is_looked_at_though_the_one_before_was_just_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "ASKED_S", 0.05)
    async with kiosk(monkeypatch) as there:
        await until(lambda: there.walks == 1)
        there.connected = True
        await asyncio.sleep(0.03)
        there.connected = False
        await until(lambda: there.walks == 2)


async def test_a_person_is_heard_at_once_but_not_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async with kiosk(monkeypatch) as there:
        there.connected = True
        there.gate.clear()
        assert there.network.ask()
        await until(lambda: there.network.running)
        assert not there.network.ask()
        there.gate.set()
        await until(lambda: there.network.last)
        assert not there.network.ask()
        assert there.walks == 1
        monkeypatch.setattr(service, "ASKED_S", 0.0)
        assert there.network.ask()
        there.aim = None
        await asyncio.sleep(0.05)
        assert not there.network.ask()


@pytest.mark.parametrize(
    ("trouble", "expected"),
    [
        ("the hub answered HTTP 401: the token is wrong or the kiosk is disabled", "refused"),
        ("the hub answered HTTP 403: the token is wrong or the kiosk is disabled", "disabled"),
        ("closed by the hub: 4401 the token was changed", "refused"),
        ("closed by the hub: 4403 removed", "disabled"),
        ("closed by the hub: 4410 another machine", "duplicate"),
        ("cannot connect: refused", "untried"),
    ],
)
def test_how_the_hub_takes_the_token(trouble: str, expected: str) -> None:
    assert token_state(trouble, has_token=True) == expected
    assert token_state(trouble, has_token=False) == "missing"
