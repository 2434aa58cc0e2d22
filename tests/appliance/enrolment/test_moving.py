"""A hub that moves is followed without a visit; a journal of which nobody noted whom it served."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from appliance.__main__ import main
from appliance.enrolment import service as module
from appliance.enrolment.given import Given
from appliance.enrolment.moving import follow, in_force, may_tell
from appliance.enrolment.papers import Papers, Served
from appliance.enrolment.service import Enrolment
from appliance.identity import FILE, Identity, new_key, read, save
from tests.appliance.worlds import until
from wire.enrolment import EnrolAnswer
from wire.environment import Secret

OLD, NEW, THIRD = "wss://old/ws", "wss://new:8443/ws", "wss://third/ws"


def identity(**fields: Any) -> Identity:
    values = {"hub": OLD, "kiosk_id": "kiosk_001", "token": Secret("t"), "private_key": Secret(new_key()), **fields}
    return Identity(**values)


@pytest.mark.parametrize(
    ("then", "now", "hub"),
    [
        (None, NEW, OLD),  # kept by an earlier version: as it stands now
        ("", "", OLD), ("", OLD, OLD), (OLD, OLD, OLD), (THIRD, THIRD, OLD),  # an old line undoes nothing
        (OLD, "", OLD),  # a line that is gone names nothing
        (OLD, NEW, NEW), ("", NEW, NEW), (THIRD, NEW, NEW),
    ],
)  # fmt: skip
def test_a_setting_that_was_changed_since_is_followed(then: str | None, now: str, hub: str) -> None:
    before = identity(setting=then)
    found = follow(before, now)
    assert found.hub == hub
    assert (found.token, found.private_key) == (before.token, before.private_key)
    assert (found.moved, found.enrolled_at) == ((True, OLD) if hub == NEW else (False, ""))


def test_what_is_kept_of_the_setting() -> None:
    assert in_force(identity(new=True), THIRD).setting == THIRD
    assert in_force(identity(setting=THIRD), NEW).setting == THIRD  # it is followed, and kept once it was reached
    assert in_force(identity(setting=THIRD), OLD).setting == OLD
    assert not in_force(identity(new=True), "").new


@pytest.mark.parametrize(
    ("fields", "served", "setting", "untold", "may"),
    [
        ({"new": True}, None, "", True, False),
        ({"new": True}, None, THIRD, True, False),
        ({"new": True}, None, OLD, True, True),
        ({"new": True}, None, "", False, True),
        ({"new": True, "moved": True}, None, "", True, True),
        ({}, None, "", True, True),
        ({"new": True}, Served("kiosk_001", OLD), "", True, True),
        ({"moved": True}, Served("kiosk_002", OLD), OLD, False, False),
        ({}, Served("kiosk_001", THIRD), THIRD, True, False),
        ({"moved": True}, Served("kiosk_001", THIRD), THIRD, True, True),
    ],
)
def test_whose_outcomes_may_be_told(
    fields: dict[str, Any], served: Served | None, setting: str, untold: bool, may: bool
) -> None:
    assert may_tell(identity(**fields), served, setting, untold=untold) is may


class World:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.untold = True
        self.hubs: list[str] = []

    @contextlib.asynccontextmanager
    async def life(self, hub: str = "", **settings: Any) -> AsyncIterator[Enrolment]:
        async def changed() -> None:
            self.hubs.append(enrolment.identity.hub if enrolment.identity else "")

        async def nothing(*_: object) -> None:
            return

        enrolment = Enrolment(
            Given(directory=self.directory, hub=hub, **settings),
            untold=lambda: self.untold, forget=nothing, changed=changed, note=nothing,
        )  # fmt: skip
        await enrolment.start()
        try:
            yield enrolment
        finally:
            await enrolment.stop()

    @property
    def kept(self) -> Identity:
        found = read(self.directory)
        assert found is not None
        return found


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(module, "LOOK_S", 0.03)
    return World(tmp_path)


async def test_a_hub_that_moves_is_followed_with_the_same_token_and_outcomes(
    here: World, caplog: pytest.LogCaptureFixture
) -> None:
    save(here.directory / FILE, identity())
    papers = Papers(here.directory)
    async with here.life("old"):
        assert (here.kept.setting, here.hubs) == (OLD, [OLD])
    async with here.life("new:8443") as enrolment:
        standing = enrolment.standing()
        assert (standing.state, standing.hub, standing.told()["enrolled_at"]) == ("enrolled", NEW, OLD)
        assert (papers.read_served(), here.kept.hub) == (Served("kiosk_001", OLD), OLD)  # nobody has answered there yet
        enrolment.token_is_bad(False)
        await until(lambda: here.kept.hub == NEW and not here.kept.moved)
        assert papers.read_served() == Served("kiosk_001", NEW)
        assert here.hubs == [OLD, NEW]
    assert caplog.text.count("is followed") == 1
    async with here.life("new:8443") as enrolment:
        assert enrolment.standing().told()["enrolled_at"] == OLD
    async with here.life() as enrolment:  # the line is gone: it is where it was reached
        assert enrolment.standing().hub == NEW
    async with here.life("third") as enrolment:
        assert enrolment.standing().hub == THIRD
        enrolment.token_is_bad(True)
        (reason,) = enrolment.standing().reasons
        assert f"{THIRD} does not accept this kiosk's token" in reason
        assert OLD in reason
    async with here.life("old") as enrolment:
        enrolment.token_is_bad(False)
        await until(lambda: here.kept.hub == OLD and not here.kept.moved)
        assert enrolment.standing().told()["enrolled_at"] is None
    assert caplog.text.count("is followed") == 3


async def test_an_address_that_was_a_mistake_leaves_nothing_behind(here: World) -> None:
    save(here.directory / FILE, identity())
    for setting, hub in (("old", OLD), ("third", THIRD), ("", OLD), ("old", OLD)):
        async with here.life(setting) as enrolment:
            assert enrolment.standing().hub == hub


async def test_the_power_may_fail_while_a_move_is_kept(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    save(here.directory / FILE, identity(setting=OLD))
    Papers(here.directory).write_served(Served("kiosk_001", OLD))
    real, writes = Papers.write_served, 0

    def fails(papers: Papers, served: Served) -> None:
        nonlocal writes
        writes += 1
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Papers, "write_served", fails)
    async with here.life("new:8443") as enrolment:
        enrolment.token_is_bad(False)
        await until(lambda: writes)
    monkeypatch.setattr(Papers, "write_served", real)
    async with here.life() as enrolment:
        assert (enrolment.standing().state, enrolment.standing().hub) == ("enrolled", NEW)


async def test_an_enrolment_elsewhere_is_not_undone_by_an_old_line(here: World) -> None:
    here.untold = False
    save(here.directory / FILE, identity(setting=OLD))
    async with here.life("old") as enrolment:
        papers = Papers(here.directory)
        with papers.lock():
            pending = papers.begin(THIRD, "ABCD2345", "command", forced=True)
            papers.finish(pending, EnrolAnswer(kiosk_id="kiosk_002", token="t"), {})
        await until(lambda: enrolment.identity and enrolment.identity.hub == THIRD)
    async with here.life("old") as enrolment:
        assert (enrolment.standing().hub, here.kept.setting) == (THIRD, OLD)


async def test_a_full_disk_keeps_no_kiosk_from_its_hub(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    save(here.directory / FILE, identity())
    Papers(here.directory).write_served(Served("kiosk_001", OLD))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("appliance.enrolment.papers.identities.save", full)
    async with here.life("old") as enrolment:
        assert enrolment.standing().state == "enrolled"


async def test_nobody_knows_whom_the_journal_served_and_the_kiosk_says_what_to_do(here: World) -> None:
    papers = Papers(here.directory)
    with papers.lock():
        papers.finish(papers.begin(THIRD, "ABCD2345", "page"), EnrolAnswer(kiosk_id="kiosk_001", token="t"), {})
    async with here.life() as enrolment:
        standing = enrolment.standing()
        assert (standing.state, standing.is_stuck, enrolment.identity) == ("waiting", True, None)
        assert "put its WS_TOKEN and WS_SERVER_URL back until nothing is unsettled" in standing.reasons[0]
    async with here.life("wss://old/ws", has_token=True, served=Served("kiosk_001", OLD)):
        pass  # it is put back, and tells
    here.untold = False
    async with here.life() as enrolment:
        await until(lambda: enrolment.identity and enrolment.identity.hub == THIRD)


async def test_a_token_swapped_for_a_code_at_the_same_hub_is_no_reason_to_wait(here: World) -> None:
    papers = Papers(here.directory)
    with papers.lock():
        papers.finish(papers.begin(OLD, "ABCD2345", "settings"), EnrolAnswer(kiosk_id="kiosk_001", token="t"), {})
    async with here.life("old") as enrolment:
        assert enrolment.standing().state == "enrolled"


def test_check_config_says_that_the_hub_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("WS_SERVER_URL", "new:8443")
    (tmp_path / "routing_config.yaml").write_text("default: {url: 'http://127.0.0.1:8080'}\n")
    (tmp_path / "state").mkdir()
    save(tmp_path / "state" / FILE, identity(setting=OLD))
    assert main(["check-config"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert f"kiosk_001 at {NEW}, where WS_SERVER_URL says" in last
    assert OLD in last
