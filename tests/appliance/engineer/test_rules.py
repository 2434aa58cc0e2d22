"""What is pure: PINs, tries, sessions, and the file the PIN stands in."""

import asyncio
import stat
from pathlib import Path

import pytest

from appliance.engineer import pin, tries
from appliance.engineer.pin import BusyError, Lock
from appliance.engineer.sessions import IDLE_S, SESSIONS_MAX, Sessions
from appliance.engineer.tries import Tries
from wire.environment import Secret
from wire.pin import parse_pin


@pytest.mark.parametrize(
    "text",
    ["", "12345", "1234567890123", "123456", "654321", "890123", "111111", "121212", "123123", "19841984", "111112",
     "12345a", "１２３４５７", "-", "\x00" * 6],
)  # fmt: skip
def test_what_is_no_pin(text: str) -> None:
    with pytest.raises(ValueError, match="right would be") as refused:
        parse_pin(text)
    assert not text.strip() or text not in str(refused.value)


@pytest.mark.parametrize(("text", "found"), [("907351", "907351"), (" 9073 5180 ", "90735180"), ("907-351", "907351")])
def test_what_is_one(text: str, found: str) -> None:
    assert parse_pin(text) == found


def test_it_is_kept_as_what_cannot_be_read_back(tmp_path: Path) -> None:
    pin.save(tmp_path, "907351", 1.0)
    path = tmp_path / pin.FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "907351" not in path.read_text()
    kept = pin.load(tmp_path)
    assert kept is not None
    assert (kept.matches("907351"), kept.matches("907352"), kept.matches("")) == (True, False, False)
    other = pin.make("907351", 1.0)
    assert other.key != kept.key
    assert [each.name for each in tmp_path.iterdir()] == [pin.FILE]


async def test_a_file_that_cannot_be_believed_lets_nobody_in(tmp_path: Path) -> None:
    lock = Lock(tmp_path)
    assert not lock.is_set
    with pytest.raises(ValueError, match="no PIN"):
        await lock.check("907351")
    path = tmp_path / pin.FILE
    for text in (
        "{",
        '{"n":1,"r":8,"p":1,"salt":"","key":""}',
        '{"n":1073741824,"r":8,"p":1,"salt":"AA==","key":"AA=="}',
    ):
        path.write_text(text)
        path.chmod(0o600)
        assert lock.is_set
        with pytest.raises(ValueError, match="damaged"):
            await lock.check("907351")
    pin.save(tmp_path, "907351", 1.0)
    path.chmod(0o644)
    with pytest.raises(ValueError, match="others may read"):
        await lock.check("907351")


async def test_the_settings_beat_the_file(tmp_path: Path) -> None:
    pin.save(tmp_path, "907351", 1.0)
    lock = Lock(tmp_path, Secret("482913"))
    assert (await lock.check("482913"), await lock.check("907351")) == (True, False)
    (tmp_path / "pin").write_text("604 283\n")
    lock = Lock(tmp_path, given_file=str(tmp_path / "pin"))
    assert (await lock.check("604283"), await lock.check("907351")) == (True, False)
    with pytest.raises(ValueError, match="cannot be read"):
        await Lock(tmp_path, given_file=str(tmp_path / "none")).check("604283")


async def test_few_wait_for_the_thread(tmp_path: Path) -> None:
    pin.save(tmp_path, "907351", 1.0)
    lock = Lock(tmp_path)
    found = await asyncio.gather(*(lock.check("111222") for _ in range(20)), return_exceptions=True)
    assert [each for each in found if each is not False] == [each for each in found if isinstance(each, BusyError)]
    assert len([each for each in found if each is False]) == 4
    assert await lock.check("907351")


def test_waits_grow_up_to_a_bound_and_pass() -> None:
    every, now = Tries(), 0.0
    waits = []
    for _ in range(30):
        every.failed("", now, here=True)
        waits.append(every.wait("", now, here=True))
        now += waits[-1]
        assert every.wait("", now, here=True) == 0
    assert waits[:5] == [0, 0, 5, 10, 20]
    assert max(waits) == tries.HERE_MOST_S
    every.succeeded("", here=True)
    every.failed("", now, here=True)
    assert every.wait("", now, here=True) == 0


def test_many_addresses_guess_no_quicker_than_one_and_keep_nobody_at_the_screen() -> None:
    every, now, tried = Tries(), 0.0, 0
    while now < 24 * 3600:
        address = f"10.0.{tried // 250}.{tried % 250}"
        wait = every.wait(address, now, here=False)
        now += wait
        every.failed(address, now, here=False)
        tried += 1
        assert every.wait("", now, here=True) == 0
    assert tried < 80
    assert len(every._each) <= 64


def test_sessions_are_few_and_end() -> None:
    every = Sessions()
    tokens = [every.begin("a", float(n))[0] for n in range(SESSIONS_MAX + 1)]
    assert every.find(tokens[0], "a", 9.0) is None
    assert every.find(tokens[1], "b", 9.0) is None
    assert every.find(tokens[1], "a", 9.0) is not None
    assert every.find(tokens[1], "a", 9.0 + IDLE_S) is None
    assert every.find("", "a", 9.0) is None
