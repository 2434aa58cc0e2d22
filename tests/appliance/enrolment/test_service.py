"""Enrolment while the appliance runs: where codes come from, what is tried again, when an identity comes into force."""

import asyncio
import contextlib
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from appliance import identity as module_identity
from appliance.box import Marks
from appliance.enrolment import service as module
from appliance.enrolment.given import Given
from appliance.enrolment.papers import BusyError, Papers, Served
from appliance.enrolment.service import Enrolment
from appliance.identity import FILE, Identity, new_key, read, save
from tests.appliance.worlds import Call, Gateway, gateway, reply, until
from wire.enrolment import EnrolAnswer, EnrolRequest
from wire.environment import Secret

CODE = "ABCD2345"


class Hub:
    """Trades codes as a hub does: once, and again for the same key."""

    def __init__(self, door: Gateway) -> None:
        self.door = door
        door.answer = self.say
        self.codes = {CODE: "kiosk_001"}
        self.used: dict[str, str] = {}
        self.asked: list[EnrolRequest] = []
        self.lose = 0  # answers
        self.busy = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.door.port}"

    @property
    def ws(self) -> str:
        return f"ws://127.0.0.1:{self.door.port}/ws"

    async def say(self, call: Call) -> bytes | None:
        request = msgspec.json.decode(call.body, type=EnrolRequest)
        self.asked.append(request)
        if self.busy:
            self.busy -= 1
            return reply(503)
        if (
            request.code not in self.codes
            or self.used.setdefault(request.code, request.public_key) != request.public_key
        ):
            return reply(403, b'{"detail":"no such code"}', "application/problem+json")
        if self.lose:
            self.lose -= 1
            return None
        kiosk = self.codes[request.code]
        return reply(200, msgspec.json.encode(EnrolAnswer(kiosk_id=kiosk, token=f"token-{request.code}", name="Desk")))


class World:
    """A kiosk's directory and what its appliance would tell of itself."""

    def __init__(self, directory: Path, hub: Hub) -> None:
        self.directory, self.hub = directory, hub
        self.untold = False
        self.changes: list[str] = []
        self.notes: list[str] = []
        self.forgotten = 0

    @contextlib.asynccontextmanager
    async def life(self, marks: Marks | None = None, **settings: Any) -> AsyncIterator[Enrolment]:
        """One run of the program."""

        async def changed() -> None:
            self.changes.append(enrolment.identity.kiosk_id if enrolment.identity else "")

        async def note(kind: str, _data: dict[str, Any]) -> None:
            self.notes.append(kind)

        async def forget() -> None:
            self.forgotten += 1

        enrolment = Enrolment(
            Given(directory=self.directory, marks=marks or {}, **settings),
            untold=lambda: self.untold, forget=forget, changed=changed, note=note, chance=lambda: 0.0,
        )  # fmt: skip
        await enrolment.start()
        try:
            yield enrolment
        finally:
            await enrolment.stop()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_S", 0.03)
    monkeypatch.setattr(module, "RETRY_FIRST_S", 0.02)


@contextlib.asynccontextmanager
async def world(directory: Path) -> AsyncIterator[World]:
    async with gateway() as door:
        yield World(directory, Hub(door))


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()} - {"identity.lock", "identity.served.json"}


async def test_a_code_of_the_page_makes_the_kiosk_one(tmp_path: Path) -> None:
    async with world(tmp_path) as here, here.life() as enrolment:
        assert enrolment.standing().state == "not-enrolled"
        await enrolment.submit(here.hub.address, "abcd-2345")
        await until(lambda: enrolment.identity)
        standing = enrolment.standing()
        assert (standing.state, standing.kiosk_id, standing.hub) == ("enrolled", "kiosk_001", here.hub.ws)
        assert (names(tmp_path), here.changes) == ({FILE}, ["kiosk_001"])
        with pytest.raises(ValueError, match="enrolled already"):
            await enrolment.submit(here.hub.address, CODE)


async def test_the_settings_code_is_taken_at_the_start_and_again_by_nobody(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        for _ in range(2):
            async with here.life(hub=here.hub.address, code=CODE) as enrolment:
                await until(lambda: enrolment.identity)
        assert len(here.hub.asked) == 1


async def test_a_refused_code_of_the_settings_is_not_sent_again_at_each_start(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        for _ in range(3):
            async with here.life(hub=here.hub.address, code="XXXX2222") as enrolment:
                await until(lambda: enrolment.standing().state == "refused")
                assert "refused" in enrolment.standing().reasons[0]
        assert len(here.hub.asked) == 1
        async with here.life(hub=here.hub.address, code=CODE) as enrolment:  # another one is
            await until(lambda: enrolment.identity)


async def test_a_file_that_is_dropped_while_it_runs_is_taken_and_removed(tmp_path: Path) -> None:
    async with world(tmp_path) as here, here.life() as enrolment:
        (tmp_path / "enroll.env").write_text(f'WS_SERVER_URL="{here.hub.address}"\r\nENROLL_CODE=abcd 2345\r\n')
        await until(lambda: enrolment.identity)
        assert names(tmp_path) == {FILE}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("WS_SERVER_URL={hub}\nENROLL_CODE=XXXX2222\n", "no such code"),
        ("WS_SERVER_URL=ftp://x\n", "ENROLL_CODE: a code is 8"),
        ("\0\xff", "WS_SERVER_URL: "),
        ("x" * 20_000, "too long"),
    ],
)
async def test_a_file_that_is_refused_is_put_aside_and_the_reason_told(tmp_path: Path, text: str, words: str) -> None:
    async with world(tmp_path) as here, here.life() as enrolment:
        (tmp_path / "enroll.env").write_text(text.replace("{hub}", here.hub.address))
        await until(lambda: enrolment.standing().state == "refused")
        assert words in enrolment.standing().reasons[0]
        await until(lambda: "enroll.env" not in names(tmp_path))
        assert "enroll.env.refused" in names(tmp_path)
        async with asyncio.timeout(30):  # a person may type another, once the file's papers are put away
            while True:
                try:
                    await enrolment.submit(here.hub.address, CODE)
                    break
                except BusyError:
                    await asyncio.sleep(0.01)
        await until(lambda: enrolment.identity)


@pytest.mark.parametrize("what", ["link", "fifo", "directory", "device", "huge", "cannot be put aside"])
async def test_what_is_no_file_is_put_aside_and_keeps_nobody_from_enrolling(tmp_path: Path, what: str) -> None:
    path, aside = tmp_path / "enroll.env", tmp_path / "enroll.env.refused"
    async with world(tmp_path) as here, here.life() as enrolment:
        (tmp_path / "secret").write_text(f"WS_SERVER_URL={here.hub.address}\nENROLL_CODE={CODE}\n")
        if what == "link":
            path.symlink_to(tmp_path / "secret")
        elif what == "fifo":
            os.mkfifo(path)
        elif what == "device":
            if os.geteuid() != 0:
                pytest.skip("takes root")
            os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 5))  # /dev/zero
        elif what == "huge":
            with path.open("wb") as file:
                file.truncate(10 * 1024**3)
        else:
            path.mkdir()
            if what == "cannot be put aside":
                (aside / "full").mkdir(parents=True)
        await until(lambda: enrolment.standing().state == "refused")
        handles = len(os.listdir("/proc/self/fd"))
        await asyncio.sleep(0.15)
        assert len(os.listdir("/proc/self/fd")) <= handles + 1
        assert here.hub.asked == []
        assert path.exists() is (what == "cannot be put aside")
        await enrolment.submit(here.hub.address, CODE)
        await until(lambda: enrolment.identity)


async def test_a_lost_answer_is_asked_for_again_with_the_same_key_also_after_a_restart(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        here.hub.lose = 3
        async with here.life() as enrolment:
            await enrolment.submit(here.hub.address, CODE)
            await until(lambda: len(here.hub.asked) >= 2)
        here.hub.lose = 1
        async with here.life() as enrolment:
            await until(lambda: enrolment.identity)
        assert len({request.public_key for request in here.hub.asked}) == 1


@pytest.mark.parametrize("forced", [False, True])
async def test_the_same_code_given_again_goes_with_the_key_it_went_with(tmp_path: Path, forced: bool) -> None:
    async with world(tmp_path) as here:
        here.hub.lose = 1
        async with here.life() as enrolment:
            await enrolment.submit(here.hub.address, CODE)
            await until(lambda: here.hub.asked)
        papers = Papers(tmp_path)
        before = papers.read_pending()
        with papers.lock():
            again = papers.begin(here.hub.ws, CODE, "command", forced=forced)
            other = papers.begin(here.hub.ws, "XXXX2222", "command")
        assert before is not None
        assert again.private_key == before.private_key
        assert again.forced is forced
        assert other.private_key != before.private_key


async def test_a_hub_that_is_away_or_busy_is_tried_until_it_is_there(tmp_path: Path) -> None:
    async with world(tmp_path) as here, here.life() as enrolment:
        here.hub.busy = 2
        await enrolment.submit(here.hub.address, CODE)
        await until(lambda: enrolment.standing().trouble)
        assert (enrolment.standing().state, enrolment.standing().takes_codes) == ("asking", True)
        assert "later" in enrolment.standing().reasons[0]
        await until(lambda: enrolment.identity)


async def test_another_code_takes_the_place_of_one_that_hangs(tmp_path: Path) -> None:
    async with world(tmp_path) as here, gateway() as hanging, here.life() as enrolment:
        forever = asyncio.Event()

        async def hang(_call: Call) -> bytes:
            await forever.wait()
            return reply()

        hanging.answer = hang
        await enrolment.submit(f"http://127.0.0.1:{hanging.port}", "XXXX2222")
        await until(lambda: hanging.calls)
        await enrolment.submit(here.hub.address, CODE)
        await until(lambda: enrolment.identity)
        assert names(tmp_path) == {FILE}


async def test_while_the_command_is_at_it_nothing_is_sent_and_what_it_wrote_is_taken_over(tmp_path: Path) -> None:
    async with world(tmp_path) as here, here.life() as enrolment:
        papers = Papers(tmp_path)
        with papers.lock():
            with pytest.raises(BusyError):
                await enrolment.submit(here.hub.address, CODE)
            pending = papers.begin(here.hub.ws, CODE, "command")
            await asyncio.sleep(0.2)
            assert here.hub.asked == []
            papers.finish(pending, EnrolAnswer(kiosk_id="kiosk_002", token="t"), {})
        await until(lambda: enrolment.identity)
        assert here.changes == ["kiosk_002"]


async def test_a_damaged_identity_is_told_and_the_kiosk_can_be_enrolled_again(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("{")
    (tmp_path / FILE).chmod(0o600)
    async with world(tmp_path) as here, here.life() as enrolment:
        assert "identity.json is damaged" in enrolment.standing().reasons[0]
        await enrolment.submit(here.hub.address, CODE)
        await until(lambda: enrolment.identity)


async def test_a_token_the_hub_takes_no_more_is_told_and_another_code_is_taken(tmp_path: Path) -> None:
    async with world(tmp_path) as here, here.life() as enrolment:
        await enrolment.submit(here.hub.address, CODE)
        await until(lambda: enrolment.identity)
        enrolment.token_is_bad(True)
        assert enrolment.standing().state == "locked-out"
        assert "no longer accepts this kiosk's token: enrol again" in enrolment.standing().reasons[0]
        here.hub.codes["NEWC2222"] = "kiosk_001"
        await enrolment.submit(here.hub.address, "NEWC2222")
        await until(lambda: enrolment.standing().state == "enrolled")
        assert enrolment.identity is not None
        assert enrolment.identity.token == Secret("token-NEWC2222")


def kept(hub: str, kiosk: str = "kiosk_000", **fields: Any) -> Identity:
    return Identity(hub=hub, kiosk_id=kiosk, token=Secret("old"), private_key=Secret(new_key()), **fields)


async def test_what_was_done_as_one_kiosk_is_never_told_as_another(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        save(tmp_path / FILE, kept(here.hub.ws))
        here.untold = True
        async with here.life() as enrolment:
            papers = Papers(tmp_path)
            with papers.lock():  # what `enroll --force` does
                pending = papers.begin(here.hub.ws, CODE, "command", forced=True)
                papers.finish(pending, EnrolAnswer(kiosk_id="kiosk_001", token="t"), {})
            await until(lambda: enrolment.standing().state == "waiting")
            assert "to be kiosk_001" in enrolment.standing().reasons[0]
            assert enrolment.identity is not None
            assert enrolment.identity.kiosk_id == "kiosk_000"
        async with here.life() as enrolment:
            await asyncio.sleep(0.1)
            assert enrolment.identity is not None
            assert enrolment.identity.kiosk_id == "kiosk_000"
            here.untold = False
            await until(lambda: enrolment.standing().state == "enrolled")
            assert (enrolment.identity.kiosk_id, here.forgotten) == ("kiosk_001", 1)
            assert here.changes[-2:] == ["", "kiosk_001"]  # in between nobody is spoken to
            assert names(tmp_path) == {FILE}


async def test_the_same_kiosk_of_the_same_hub_goes_on_at_once(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        save(tmp_path / FILE, kept(here.hub.ws, "kiosk_001"))
        here.untold = True
        async with here.life():
            pass
        (tmp_path / FILE).unlink()
        async with here.life(hub=here.hub.address, code=CODE) as enrolment:
            await until(lambda: enrolment.identity)
            assert here.forgotten == 0


@pytest.mark.parametrize("served", [Served("kiosk_009", "same"), Served("kiosk_001", "wss://other/ws")])
async def test_an_identity_put_there_for_a_journal_of_another_waits(tmp_path: Path, served: Served) -> None:
    async with world(tmp_path) as here:
        hub = here.hub.ws if served.hub == "same" else served.hub
        Papers(tmp_path).write_served(Served(served.kiosk_id, hub))
        save(tmp_path / FILE, kept(here.hub.ws, "kiosk_001"))
        here.untold = True
        async with here.life() as enrolment:
            assert (enrolment.standing().state, enrolment.identity) == ("waiting", None)
            here.untold = False
            await until(lambda: enrolment.identity)


async def test_a_token_of_the_settings_beats_all_and_is_remembered_as_whom_it_served(tmp_path: Path) -> None:
    save(tmp_path / FILE, kept("wss://hub/ws"))
    (tmp_path / "enroll.env").write_text("WS_SERVER_URL=hub\nENROLL_CODE=ABCD2345\n")
    async with world(tmp_path) as here:
        async with here.life(has_token=True, hub="wss://a/ws", served=Served("kiosk_001", "wss://a/ws")) as enrolment:
            assert (enrolment.standing().state, enrolment.identity, enrolment.standing().reasons) == ("token", None, [])
        assert Papers(tmp_path).read_served() == Served("kiosk_001", "wss://a/ws")
        assert "enroll.env" in names(tmp_path)


async def test_a_disk_in_another_machine_is_noticed_told_and_not_locked_out(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        async with here.life({"serial": ["a"], "cards": ["1"]}, hub=here.hub.address, code=CODE) as enrolment:
            await until(lambda: enrolment.identity)
        async with here.life({"serial": ["a"], "cards": ["1"], "board": ["b"]}):  # root may see more
            pass
        assert here.notes == []
        async with here.life({"serial": ["a"], "cards": ["2"]}) as enrolment:
            assert enrolment.identity is not None
            assert here.notes == ["disk-moved"]
            assert "another machine" in enrolment.standing().reasons[0]
        async with here.life({"serial": ["a"], "cards": ["2"]}) as enrolment:
            assert (here.notes, enrolment.standing().reasons) == (["disk-moved"], [])
        found = read(tmp_path)
        assert found is not None
        assert found.marks["cards"] == ["2"]


@pytest.mark.parametrize("at", range(1, 6))
async def test_a_disk_that_is_full_at_any_write_delays_and_spoils_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    real, left = module_identity.save, at

    def fills(path: Path, value: msgspec.Struct) -> None:
        nonlocal left
        left -= 1
        if -3 < left <= 0:  # from that write on, for three of them
            raise OSError(28, "No space left on device")
        real(path, value)

    monkeypatch.setattr(module_identity, "save", fills)
    async with world(tmp_path) as here:
        (tmp_path / "enroll.env").write_text(f"WS_SERVER_URL={here.hub.address}\nENROLL_CODE={CODE}\n")
        async with here.life() as enrolment:
            await until(lambda: enrolment.identity)
        async with here.life() as enrolment:
            assert enrolment.identity is not None
            assert (enrolment.identity.kiosk_id, names(tmp_path)) == ("kiosk_001", {FILE})
        assert len({request.public_key for request in here.hub.asked if here.hub.used[CODE] == request.public_key}) == 1


async def test_a_disk_that_refuses_is_no_reason_to_die(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with world(tmp_path) as here, here.life() as enrolment:

        def fail(*_: object) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr("appliance.enrolment.papers.identities.save", fail)
            with pytest.raises(OSError, match="No space"):
                await enrolment.submit(here.hub.address, CODE)
        await enrolment.submit(here.hub.address, CODE)
        await until(lambda: enrolment.identity)
