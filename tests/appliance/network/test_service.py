"""When the way to the hub is walked: while there is no link, once a minute, and when a person asks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from appliance.network.probe import Aim, Machine
from appliance.network.service import _TURN_S as TURN_S
from appliance.network.service import ASKED_S, EVERY_S, FIRST_S, Network, token_state
from appliance.network.steps import Seen
from tests.appliance.supervisor.yard import until, virtual


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
async def kiosk() -> AsyncIterator[Kiosk]:
    there = Kiosk()
    there.network.start()
    try:
        yield there
    finally:
        await there.network.stop()


@virtual
async def test_it_walks_once_while_the_link_is_down() -> None:
    async with kiosk() as there:
        await asyncio.sleep(FIRST_S)  # and a turn more, in which it is noticed
        assert there.walks == 0
        await until(lambda: there.network.last)
        await asyncio.sleep(EVERY_S - 2 * TURN_S)
        assert there.walks == 1
        failed = there.network.last.first_failed if there.network.last else None
        assert failed is not None
        assert failed.finding == "reach.refused"


@virtual
async def test_it_walks_again_after_a_while_and_not_with_a_link() -> None:
    async with kiosk() as there:
        await until(lambda: there.walks >= 3, FIRST_S + 2 * EVERY_S + 4 * TURN_S)
        there.connected = True
        await asyncio.sleep(3 * EVERY_S)
        assert there.walks == 3


@virtual
async def test_another_drop_is_looked_at_though_the_one_before_was_just_now() -> None:
    async with kiosk() as there:
        await until(lambda: there.walks == 1)
        there.connected = True
        await asyncio.sleep(2 * TURN_S)
        there.connected = False
        await until(lambda: there.walks == 2, ASKED_S + TURN_S)


@virtual
async def test_a_person_is_heard_at_once_but_not_again_and_again() -> None:
    async with kiosk() as there:
        there.connected = True
        there.gate.clear()
        assert there.network.ask()
        await until(lambda: there.network.running, 2 * TURN_S)
        assert not there.network.ask()
        there.gate.set()
        await until(lambda: there.network.last)
        assert not there.network.ask()
        assert there.walks == 1
        await asyncio.sleep(ASKED_S)
        assert there.network.ask()
        there.aim = None
        await asyncio.sleep(2 * TURN_S)
        assert not there.network.ask()
        assert there.walks == 1


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
