"""The uplink of a kiosk that has a key, has no identity yet, or gets another one."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from appliance.identity import Identity, new_key, public_key
from appliance.uplink import uplink as uplink_module
from appliance.uplink.dial import Address, Connection, dial
from cloud.kiosks.proof import proves
from tests.appliance.quick import quick
from tests.appliance.worlds import TOKEN, Hub, hub, kiosk, refusal, route, table, until, uplinked
from wire.environment import Secret
from wire.messages import Hello

ROUTES = table(route("http://127.0.0.1:1"))


def address_at(there: Hub, kiosk_id: str = "kiosk_001", token: str = TOKEN) -> Address:
    identity = Identity(hub=there.url, kiosk_id=kiosk_id, token=Secret(token), private_key=Secret(new_key()))
    return Address(there.url, token, identity=identity)


def hellos(there: Hub) -> list[Hello]:
    return [message for message in there.heard if isinstance(message, Hello)]


@quick
async def test_each_connections_hello_carries_a_proof_of_its_own(tmp_path: Path) -> None:
    async with hub() as there, kiosk(tmp_path, ROUTES) as here:
        there.challenges = ["first", "second"]
        async with uplinked(here, there.url) as up:
            address = up.address = address_at(there)
            await up.uplink.readdress()
            there.challenges = ["first", "second"]
            there.heard.clear()
            await up.uplink.readdress()
            await until(lambda: hellos(there))
            up.uplink.routes_changed()  # says hello again on the same connection
            await until(lambda: len(hellos(there)) == 2)
            await until(lambda: up.link.connected)
            there.sockets[-1].transport.abort()
            await until(lambda: len(hellos(there)) == 3)
            assert address.identity is not None
            key = public_key(address.identity.private_key.reveal())
            for hello, challenge in zip(hellos(there), ["first", "first", "second"], strict=True):
                assert proves(key, hello, challenge, "kiosk_001")


@quick
async def test_without_a_key_or_a_challenge_there_is_no_proof(tmp_path: Path) -> None:
    async with hub() as there, kiosk(tmp_path, ROUTES) as here:
        there.challenges = ["one"]
        async with uplinked(here, there.url) as up:  # a token alone
            await until(lambda: up.link.connected)
            up.address = address_at(there)  # and a hub of before there were keys
            await up.uplink.readdress()
            await until(lambda: len(hellos(there)) == 2)
            assert [hello.proof for hello in hellos(there)] == ["", ""]


@quick
async def test_who_is_nobody_dials_nobody_until_it_is_somebody(tmp_path: Path) -> None:
    async with hub() as there, kiosk(tmp_path, ROUTES) as here, uplinked(here, there.url) as up:
        await until(lambda: up.link.connected)
        up.address = None
        await up.uplink.readdress()
        assert not up.link.connected
        await asyncio.sleep(0.2)
        assert len(there.sockets) == 1
        up.address = address_at(there)
        await up.uplink.readdress()
        await until(lambda: up.link.connected)
        assert len(there.sockets) == 2


@quick
async def test_the_old_hub_hears_nothing_after_the_leaving_and_the_new_one_no_old_token(tmp_path: Path) -> None:
    async with hub() as old, hub() as new, kiosk(tmp_path, ROUTES) as here, uplinked(here, old.url) as up:
        await until(lambda: up.link.connected)
        up.address = address_at(new, "kiosk_002", "another-token")
        await up.uplink.readdress()
        heard = len(old.heard)
        await until(lambda: hellos(new))
        assert len(old.heard) == heard
        assert [upgrade.headers["Authorization"] for upgrade in new.upgrades] == ["Bearer another-token"]
        assert len(old.sockets) == 1


@quick
async def test_a_connection_that_comes_about_too_late_is_not_spoken_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dialled, release = asyncio.Event(), asyncio.Event()

    async def slow(address: Address) -> Connection:
        connection = await dial(address)
        dialled.set()
        await release.wait()
        return connection

    monkeypatch.setattr(uplink_module, "dial", slow)
    async with (
        hub() as old, hub() as new, kiosk(tmp_path, ROUTES) as here, uplinked(here, old.url) as up,
    ):  # fmt: skip
        await dialled.wait()
        up.address = address_at(new)
        await up.uplink.readdress()
        release.set()
        await until(lambda: hellos(new))
        assert hellos(old) == []


@quick
async def test_a_new_address_ends_the_waiting_for_the_old_one(tmp_path: Path) -> None:
    async with hub() as there, kiosk(tmp_path, ROUTES) as here:
        there.refuse = refusal(503, Retry_After="600")
        async with uplinked(here, there.url) as up:
            await until(lambda: up.link.last_error)
            there.refuse = None
            up.address = address_at(there, token="another-token")
            await up.uplink.readdress()  # ends the ten minutes as well
            await until(lambda: up.link.connected)
            assert there.upgrades[-1].headers["Authorization"] == "Bearer another-token"


@quick
async def test_a_token_that_is_refused_is_told_and_so_is_one_that_is_taken(tmp_path: Path) -> None:
    async with hub() as there, kiosk(tmp_path, ROUTES) as here:
        there.refuse = refusal(401)
        async with uplinked(here, there.url) as up:
            await until(lambda: up.bad_token)
            there.refuse = refusal(403)  # disabled, which a new code does not help
            await up.uplink.readdress()
            await until(lambda: len(there.upgrades) == 2)
            there.refuse = None
            await up.uplink.readdress()
            await until(lambda: up.link.connected)
            await there.sockets[-1].close(4401, "token replaced")
            await until(lambda: len(up.bad_token) == 3)
            assert up.bad_token == [True, False, True]


def test_a_proof_is_of_the_hello_it_stands_in() -> None:
    identity = Identity(hub="wss://h/ws", kiosk_id="k", token=Secret("t"), private_key=Secret(new_key()))
    hello = Hello(version="1", boot_id="b", journal="j", proof=identity.prove("c", "b", "j"))
    key = public_key(identity.private_key.reveal())
    assert proves(key, hello, "c", "k")
    assert not proves(key, msgspec.structs.replace(hello, journal="other"), "c", "k")
