"""Nothing new is begun during a standstill, which can be had only while nothing is under way."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from appliance.journal import Book, Journal, StandstillError, Work
from tests.appliance.journal.test_journal import response
from tests.appliance.worlds import RESERVE, SMALL, journal, request

WORK = Work(id="request-9", kind="cash", begun_at=1.0, data=msgspec.Raw(b"{}"))


def begin(book: Book) -> Work:
    return book.begin_work(WORK)


async def test_what_is_begun_before_holds_it_off_and_what_comes_behind_is_refused(tmp_path: Path) -> None:
    async with journal(tmp_path) as here:
        assert await here.begin(request("request-1")) is None
        assert await here.stand_still(60) == ["1 operations are under way or in doubt"]
        assert await here.begin(request("request-2")) is None
        for request_id in ("request-1", "request-2"):
            assert await here.finish(response(request_id))
        await here.write(begin, needs_room=True)
        assert await here.stand_still(60) == ["1 of the works called cash have not ended"]
        await here.write(lambda book: book.end_work("request-9", {}))
        assert await here.stand_still(60) == []
        with pytest.raises(StandstillError) as refused:
            await here.begin(request("request-3"))
        assert refused.value.certain
        with pytest.raises(StandstillError):
            await here.write(lambda book: book.begin_work(msgspec.structs.replace(WORK, id="x")), needs_room=True)
        # What is no beginning goes on: repetitions, refusals, what devices tell.
        known = await here.begin(request("request-1"))
        assert known is not None
        assert known.response == response("request-1")
        assert await here.refuse(request("request-4"), response("request-4")) is None
        assert await here.add_event("jam", {})
        assert here.facts.trouble == ""
        await here.go_on()
        assert await here.begin(request("request-3")) is None


async def test_of_two_at_once_one_sees_the_other(tmp_path: Path) -> None:
    """Whichever comes first: both together never."""
    async with journal(tmp_path) as here:
        for turn in range(40):
            name = f"request-{turn}"
            asked = [here.begin(request(name)), here.stand_still(60)]
            ended = await asyncio.gather(*(asked if turn % 2 else asked[::-1]), return_exceptions=True)
            begun, still = ended if turn % 2 else ended[::-1]
            assert isinstance(begun, StandstillError) is (still == []), (turn, ended)
            if still == []:
                await here.go_on()
            else:
                await here.finish(response(name))


async def test_it_ends_by_itself_and_with_the_run(tmp_path: Path) -> None:
    async with journal(tmp_path) as here:
        assert await here.stand_still(0.05) == []
        await asyncio.sleep(0.06)
        assert await here.begin(request("request-1")) is None
        await here.finish(response("request-1"))
        assert await here.stand_still(60) == []
    another = Journal(tmp_path, limits=SMALL, clock=lambda: 1.0, boot_id="another", reserve_bytes=RESERVE)
    await another.open()
    try:
        assert await another.begin(request("request-2")) is None
    finally:
        await another.close()
