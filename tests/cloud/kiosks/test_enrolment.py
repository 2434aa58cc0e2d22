"""Codes on a real database: traded once, whoever asks, whenever, and whatever the clocks do."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import SQLAlchemyError

from cloud.db.engine import open_engine
from cloud.db.migrate import migrate
from cloud.errors import Refused, StorageError
from cloud.kiosks.enrolment import Enrolment
from cloud.kiosks.identity import Box as SeenBox
from cloud.kiosks.identity import Conflict
from cloud.kiosks.registry import Registry
from cloud.kiosks.tokens import Tokens
from tests.cloud.box import Box
from tests.cloud.hub import JWT_SECRET, broken_table, database_of, rows
from wire.enrolment import CODE_GOOD_FOR, parse_code

MINE, OTHER = Box().public_key, Box().public_key
DAY = CODE_GOOD_FOR


class Process:
    """What a hub, or a command, has: an engine of its own on the shared database."""

    def __init__(self, path: Path) -> None:
        self.engine = open_engine(database_of(path))
        self.registry = Registry(self.engine)
        self.tokens = Tokens(JWT_SECRET)
        self.enrolment = Enrolment(engine=self.engine, secret=JWT_SECRET, registry=self.registry, tokens=self.tokens)

    async def trade(self, code: str, key: str = MINE, address: str = "192.0.2.1") -> tuple[str, int]:
        """Kiosk and generation of the token that was given."""
        answer = await self.enrolment.trade(parse_code(code), key, address, "1.0")
        return self.tokens.read(answer.token)

    async def refused(self, code: str, key: str = MINE, address: str = "192.0.2.1") -> str:
        """Why a code is refused, as the audit has it; the caller hears one wording."""
        with pytest.raises(Refused) as error:
            await self.trade(code, key, address)
        assert error.value.problem == "code-refused"
        assert error.value.detail == "the code is not known, was used or is too old: have a new one made"
        return (await self.enrolment.audit(None, 1))[0].reason

    async def results(self, kiosk_id: str = "kiosk_001") -> list[str]:
        """What the audit says of a kiosk, oldest first."""
        return [line.result for line in reversed(await self.enrolment.audit(kiosk_id, 100))]


@asynccontextmanager
async def process(path: Path) -> AsyncIterator[Process]:
    """A process on the database in `path`."""
    made = Process(path)
    await migrate(made.engine)
    try:
        yield made
    finally:
        await made.enrolment.stop()
        await made.engine.dispose()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A wall clock that anybody sets."""

    class Clock:
        now = 1_800_000_000.0

        def time(self) -> float:
            return self.now

        def monotonic(self) -> float:
            return 0.0

    clock = Clock()
    monkeypatch.setattr("cloud.kiosks.enrolment.time", clock)
    monkeypatch.setattr("cloud.kiosks.registry.time", clock)
    return clock


async def test_a_code_gives_a_token_of_the_next_generation_and_binds_the_key(tmp_path: Path) -> None:
    async with process(tmp_path) as hub:
        kiosk, code = await hub.enrolment.add_kiosk("kiosk_001", "Entrance", "cli")
        assert (kiosk.generation, kiosk.public_key, code.text in repr(code)) == (0, "", False)
        answer = await hub.enrolment.trade(parse_code(code.text), MINE, "192.0.2.1")
        assert (answer.kiosk_id, answer.name, hub.tokens.read(answer.token)) == (
            "kiosk_001",
            "Entrance",
            ("kiosk_001", 1),
        )
        found = await hub.registry.find("kiosk_001")
        assert found is not None
        assert (found.generation, found.public_key, found.enrolled_from) == (1, MINE, "192.0.2.1")
        assert await hub.results() == ["made", "enrolled"]
        assert await hub.enrolment.open_until("kiosk_001") is None


async def test_the_same_box_hears_the_same_answer_again_and_no_other_box_does(tmp_path: Path) -> None:
    async with process(tmp_path) as hub:
        _, code = await hub.enrolment.add_kiosk("kiosk_001", "", "cli")
        text = parse_code(code.text)
        first = await hub.enrolment.trade(text, MINE, "192.0.2.1")
        assert [first] * 3 == [await hub.enrolment.trade(text, MINE, f"192.0.2.{n}") for n in range(3)]
        assert await hub.refused(code.text, OTHER) == "used"
        assert await hub.trade(code.text) == ("kiosk_001", 1)
        assert sorted(await hub.results()) == ["enrolled", "made", "refused", *["repeated"] * 3]


async def test_no_code_stands_in_the_database(tmp_path: Path) -> None:
    async with process(tmp_path) as hub:
        _, code = await hub.enrolment.add_kiosk("kiosk_001", "", "cli")
        await hub.trade(code.text)
        await hub.refused(code.text, OTHER)
        found = [rows(tmp_path, f"SELECT * FROM {table}") for table in ("enrolment_codes", "enrolments", "kiosks")]
    stored = b"".join((tmp_path / name).read_bytes() for name in os.listdir(tmp_path))
    for text in (code.text, parse_code(code.text)):
        assert text.encode() not in stored
        assert text not in str(found)


async def test_a_newer_code_kills_the_older_and_the_kiosk_goes_on_until_it_is_used(tmp_path: Path) -> None:
    async with process(tmp_path) as hub:
        _, first = await hub.enrolment.add_kiosk("kiosk_001", "", "cli")
        second = await hub.enrolment.new_code("kiosk_001", "admin")
        assert await hub.refused(first.text) == "replaced"
        assert await hub.trade(second.text) == ("kiosk_001", 1)
        third = await hub.enrolment.new_code("kiosk_001", "admin")
        found = await hub.registry.find("kiosk_001")
        assert (found.generation, found.public_key) == (1, MINE)  # type: ignore[union-attr]
        assert await hub.refused(second.text) == "replaced"
        assert await hub.trade(third.text, OTHER) == ("kiosk_001", 2)
        assert (await hub.registry.find("kiosk_001")).public_key == OTHER  # type: ignore[union-attr]


async def test_codes_made_at_the_same_time_are_one_after_the_other(tmp_path: Path) -> None:
    async with process(tmp_path) as hub, process(tmp_path) as command:
        await hub.enrolment.add_kiosk("kiosk_001", "", "cli")
        asked = [process.enrolment.new_code("kiosk_001", "cli") for process in (hub, command) * 6]
        made = await asyncio.gather(*asked)
        good = [code.text for code in made if await _is_good(hub, code.text)]
        assert len(good) == 1


async def _is_good(hub: Process, code: str) -> bool:
    """Whether a code is taken, from an address that tried none before."""
    try:
        await hub.trade(code, OTHER, address=f"192.0.2.{code}")
    except Refused:
        return False
    return True


async def test_a_code_against_a_removal_at_the_same_time(tmp_path: Path) -> None:
    async with process(tmp_path) as hub, process(tmp_path) as command:
        for number in range(10):
            kiosk = f"kiosk_{number}"
            _, code = await hub.enrolment.add_kiosk(kiosk, "", "cli")
            traded, _ = await asyncio.gather(
                hub.trade(code.text, address=f"192.0.2.{number}"),
                command.registry.remove(kiosk),
                return_exceptions=True,
            )
            assert isinstance(traded, tuple | Refused)
            assert rows(tmp_path, f"SELECT removed, public_key FROM kiosks WHERE id = '{kiosk}'")[0][1] is None


async def test_codes_of_one_kiosk_do_not_pile_up(tmp_path: Path) -> None:
    async with process(tmp_path) as hub:
        await hub.enrolment.add_kiosk("kiosk_001", "", "cli")
        for _ in range(20):
            last = await hub.enrolment.new_code("kiosk_001", "admin")
        assert len(rows(tmp_path, "SELECT id FROM enrolment_codes")) == 5
        assert len(await hub.enrolment.audit("kiosk_001", 100)) == 2  # one by cli, and all by admin
        assert await hub.trade(last.text) == ("kiosk_001", 1)


@pytest.mark.parametrize("act", ["remove", "renew_token"])
async def test_a_token_by_hand_and_a_removal_take_code_and_key_away(tmp_path: Path, act: str) -> None:
    async with process(tmp_path) as hub:
        _, code = await hub.enrolment.add_kiosk("kiosk_001", "", "cli")
        await hub.trade(code.text)
        newer = await hub.enrolment.new_code("kiosk_001", "cli")
        await getattr(hub.registry, act)("kiosk_001")
        assert await hub.refused(newer.text) == "withdrawn"
        assert await hub.refused(newer.text, OTHER) == "withdrawn"
        assert rows(tmp_path, "SELECT public_key, enrolled_at, enrolled_from FROM kiosks") == [(None, None, None)]
        assert "withdrawn" in await hub.results()
        if act == "remove":
            with pytest.raises(Refused, match="there is no kiosk"):
                await hub.enrolment.new_code("kiosk_001", "cli")
            kiosk, again = await hub.enrolment.add_kiosk("kiosk_001", "", "cli")
            assert (kiosk.public_key, await hub.trade(again.text, OTHER)) == ("", ("kiosk_001", kiosk.generation + 1))


async def test_a_disabled_kiosks_code_waits_until_it_is_enabled(tmp_path: Path) -> None:
    async with process(tmp_path) as hub:
        _, code = await hub.enrolment.add_kiosk("kiosk_001", "", "cli")
        await hub.registry.enable("kiosk_001", False)
        assert await hub.refused(code.text) == "kiosk-disabled"
        await hub.registry.enable("kiosk_001", True)
        assert await hub.trade(code.text) == ("kiosk_001", 1)
        await hub.registry.enable("kiosk_001", False)
        assert await hub.refused(code.text) == "kiosk-disabled"


async def test_of_many_boxes_with_one_code_exactly_one_wins(tmp_path: Path) -> None:
    async with process(tmp_path) as one, process(tmp_path) as two:
        _, code = await one.enrolment.add_kiosk("kiosk_001", "", "cli")
        keys = [Box().public_key for _ in range(16)]
        asked = [
            process.trade(code.text, key, f"192.0.2.{number}")
            for number, (process, key) in enumerate(zip([one, two] * 8, keys, strict=True))
        ]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        given = [key for key, answer in zip(keys, answers, strict=True) if not isinstance(answer, BaseException)]
        refused = [answer for answer in answers if isinstance(answer, Refused)]
        assert (len(given), len(refused)) == (1, 15)
        found = await one.registry.find("kiosk_001")
        assert (found.public_key, found.generation) == (given[0], 1)  # type: ignore[union-attr]
        results = await one.results()
        assert (results.count("enrolled"), results.count("refused")) == (1, 15)


async def test_a_code_against_a_newer_one_made_at_the_same_time(tmp_path: Path) -> None:
    """Whichever comes first: never are both good, and never is a key bound by a code that was replaced before."""
    async with process(tmp_path) as hub, process(tmp_path) as command:
        for number in range(10):
            kiosk = f"kiosk_{number}"
            _, code = await hub.enrolment.add_kiosk(kiosk, "", "cli")
            traded, made = await asyncio.gather(
                hub.trade(code.text, address=f"192.0.2.{number}"),
                command.enrolment.new_code(kiosk, "cli"),
                return_exceptions=True,
            )
            assert not isinstance(made, BaseException)
            generation = (await hub.registry.find(kiosk)).generation  # type: ignore[union-attr]
            assert generation == (0 if isinstance(traded, Refused) else 1)
            assert await hub.trade(made.text, OTHER, f"192.0.2.{number}") == (kiosk, generation + 1)


async def test_after_a_day_it_is_too_old_and_stays_so(tmp_path: Path, clock: Any) -> None:
    async with process(tmp_path) as hub:
        _, code = await hub.enrolment.add_kiosk("kiosk_001", "", "cli")
        assert code.good_until == clock.now + DAY
        clock.now += DAY
        assert await hub.enrolment.open_until("kiosk_001") is None
        assert await hub.refused(code.text) == "expired"
        clock.now -= DAY
        assert await hub.refused(code.text) == "expired"


async def test_a_hub_that_looks_ends_old_codes_for_good(tmp_path: Path, clock: Any) -> None:
    async with process(tmp_path) as hub:
        _, code = await hub.enrolment.add_kiosk("kiosk_001", "", "cli")
        clock.now += DAY
        await hub.enrolment.look(0.0)
        clock.now -= DAY
        assert await hub.refused(code.text) == "expired"


async def test_a_clock_that_is_put_back_again_and_again_makes_no_code_last(tmp_path: Path, clock: Any) -> None:
    """Each life of the hub runs for an hour, then the clock is put back."""
    _made = None
    for hour in range(25):
        async with process(tmp_path) as hub:
            if _made is None:
                _, _made = await hub.enrolment.add_kiosk("kiosk_001", "", "cli")
            begun = clock.now
            await hub.enrolment.look(1000.0)
            clock.now = begun + 3600
            await hub.enrolment.look(1000.0 + 3600)
            clock.now = begun - 7200
            until = await hub.enrolment.open_until("kiosk_001")
            assert (until is None) == (hour >= 23), hour
    async with process(tmp_path) as hub:
        assert await hub.refused(_made.text) == "expired"  # type: ignore[union-attr]


async def test_a_clock_that_was_ahead_and_is_put_right_kills_no_code(tmp_path: Path, clock: Any) -> None:
    async with process(tmp_path) as hub:
        clock.now += 365 * DAY
        _, code = await hub.enrolment.add_kiosk("kiosk_001", "", "cli")
        clock.now -= 365 * DAY
        assert await hub.trade(code.text) == ("kiosk_001", 1)
        first = await hub.enrolment.trade(parse_code(code.text), MINE, "192.0.2.1")
        assert hub.tokens.read(first.token) == ("kiosk_001", 1)


async def test_looking_writes_nothing_where_there_is_no_code(tmp_path: Path) -> None:
    async with process(tmp_path) as hub:
        await hub.registry.add("kiosk_001")
        with broken_table(tmp_path, "kiosks"):  # it does not look further
            await hub.enrolment.look(0.0)
            await hub.enrolment.look(60.0)
        assert rows(tmp_path, "SELECT * FROM enrolment_codes") == []


async def test_guessing_is_slowed_and_the_right_code_is_taken_from_elsewhere(tmp_path: Path) -> None:
    async with process(tmp_path) as hub:
        _, code = await hub.enrolment.add_kiosk("kiosk_001", "", "cli")
        for _ in range(10):
            assert await hub.refused("2222-2222") == "unknown"
        for text in ("2222-2222", code.text):
            with pytest.raises(Refused) as error:
                await hub.trade(text)
            assert error.value.problem == "rate-limited"
            assert 1 <= (error.value.retry_after or 0) <= 66
        assert await hub.trade(code.text, address="192.0.2.2") == ("kiosk_001", 1)
        assert [line.count for line in await hub.enrolment.audit("", 10)] == [10]


async def test_a_fleet_behind_one_address_comes_in_at_once(tmp_path: Path) -> None:
    async with process(tmp_path) as hub:
        codes = [(await hub.enrolment.add_kiosk(f"kiosk_{n}", "", "cli"))[1].text for n in range(40)]
        given = await asyncio.gather(*(hub.trade(code, Box().public_key) for code in codes))
        assert [f"kiosk_{n}" for n in range(40)] == [kiosk for kiosk, _ in given]


async def test_more_than_wait_at_a_time_are_told_to_come_again(tmp_path: Path) -> None:
    async with process(tmp_path) as hub:
        asked = [hub.trade("2222-2222", address=f"198.51.100.{n}") for n in range(200)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        kinds = [answer.problem for answer in answers if isinstance(answer, Refused)]
        assert (len(kinds), kinds.count("code-refused") <= 80, set(kinds)) == (
            200,
            True,
            {"code-refused", "rate-limited"},
        )


async def test_a_database_that_fails_costs_no_guess_and_gives_nothing(tmp_path: Path) -> None:
    async with process(tmp_path) as hub:
        _, code = await hub.enrolment.add_kiosk("kiosk_001", "", "cli")
        for table in ("enrolments", "kiosks", "enrolment_codes"):
            with broken_table(tmp_path, table):
                for _ in range(5):
                    with pytest.raises(StorageError):
                        await hub.trade(code.text)
        assert (await hub.registry.find("kiosk_001")).generation == 0  # type: ignore[union-attr]
        assert await hub.trade(code.text) == ("kiosk_001", 1)


async def test_a_kiosk_is_added_with_its_code_or_not_at_all(tmp_path: Path) -> None:
    async with process(tmp_path) as hub:
        with broken_table(tmp_path, "enrolment_codes"), pytest.raises(SQLAlchemyError):
            await hub.enrolment.add_kiosk("kiosk_001", "", "cli")
        assert await hub.registry.find("kiosk_001") is None
        await hub.enrolment.add_kiosk("kiosk_001", "", "cli")
        with pytest.raises(Refused, match="exists already"):
            await hub.enrolment.add_kiosk("kiosk_001", "", "cli")


async def test_two_boxes_are_noted_with_both_addresses(tmp_path: Path) -> None:
    async with process(tmp_path) as hub:
        one = SeenBox(address="192.0.2.1", since=0.0, journal="a")
        copy = SeenBox(address="192.0.2.2", since=0.0, journal="a")
        other = SeenBox(address="192.0.2.3", since=0.0, journal="b")
        for there in (copy, other):
            hub.enrolment.sighted("kiosk_001", Conflict(one, there, 1.0, 1.0))
        await hub.enrolment.stop()
        lines = await hub.enrolment.audit("kiosk_001", 10)
        assert {(line.result, line.address, line.other_address) for line in lines} == {
            ("cloned", "192.0.2.1", "192.0.2.2"),
            ("duplicated", "192.0.2.1", "192.0.2.3"),
        }
