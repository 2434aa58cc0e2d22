"""One question for many."""

import asyncio
from collections.abc import Sequence

import pytest

from cloud.errors import StorageError
from cloud.operations.gathering import Gathering


@pytest.fixture(autouse=True)
def _never_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks next gathers, however long this machine stood still meanwhile."""
    monkeypatch.setattr("cloud.operations.gathering._QUIET", 1e9)


async def test_a_thousand_ask_with_a_few_questions_and_each_hears_its_own() -> None:
    asked: list[Sequence[str]] = []

    async def ask(names: Sequence[str]) -> set[str]:
        asked.append(names)
        await asyncio.sleep(0)
        return {name for name in names if name.endswith("7")}

    gathering = Gathering(ask)
    names = [f"k{number}" for number in range(1000)]
    found = await asyncio.gather(*(gathering.is_true_of(name) for name in names))
    assert found == [name.endswith("7") for name in names]
    assert [len(some) for some in asked] == [1, 512, 512]  # the first did not wait for anybody
    assert await gathering.is_true_of("k7")
    assert asked[3:] == [["k7"]]


async def test_who_asks_while_a_question_is_under_way_hears_what_is_true_after_it() -> None:
    truth: set[str] = set()
    under_way, go_on = asyncio.Event(), asyncio.Event()

    async def ask(_names: Sequence[str]) -> set[str]:
        seen = set(truth)
        under_way.set()
        await go_on.wait()
        return seen

    gathering = Gathering(ask)
    first = asyncio.create_task(gathering.is_true_of("k1"))
    await under_way.wait()
    truth.add("k1")
    second = asyncio.create_task(gathering.is_true_of("k1"))
    await asyncio.sleep(0)
    go_on.set()
    assert (await first, await second) == (False, True)


async def test_a_database_that_fails_is_told_to_all_and_asked_anew_by_the_next() -> None:
    fails = [True]

    async def ask(names: Sequence[str]) -> set[str]:
        if fails.pop():
            raise StorageError("it does not answer")
        return set(names)

    gathering = Gathering(ask)
    fails.append(False)
    assert await gathering.is_true_of("k0")
    answers = await asyncio.gather(*(gathering.is_true_of(f"k{n}") for n in range(3)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [StorageError] * 3
    fails.append(False)
    assert await gathering.is_true_of("k1")


async def test_who_leaves_while_others_wait_with_it_leaves_them_no_riddle() -> None:
    async def ask(names: Sequence[str]) -> set[str]:
        if "k0" not in names:
            await asyncio.sleep(60)
        return set(names)

    gathering = Gathering(ask)
    assert await gathering.is_true_of("k0")
    first = asyncio.create_task(gathering.is_true_of("k1"))
    await asyncio.sleep(0)
    second = asyncio.create_task(gathering.is_true_of("k2"))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(StorageError):
        await second
