"""cloud.garbage: what is frozen and when, and that garbage is found in spite of it."""

import gc
import weakref
from collections.abc import Iterator

import pytest

import cloud.garbage
from cloud.garbage import collect_all, tidied


class Thing:
    """Refers to itself, so that its count never gets to zero."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def _nothing_frozen() -> Iterator[None]:
    yield
    assert gc.get_freeze_count() == 0, "tidied() leaves nothing behind"


async def test_what_a_long_collection_leaves_is_not_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud.garbage, "_LONG", 0.0)
    async with tidied():
        thing = Thing()
        found = weakref.ref(thing)
        gc.collect()
        frozen = gc.get_freeze_count()
        del thing
        gc.collect()
        assert found() is not None
        assert gc.get_freeze_count() >= frozen > 0
        collect_all()
        assert found() is None


@pytest.mark.parametrize(("long_is", "generation"), [(3600.0, 2), (0.0, 1)])
async def test_a_short_one_and_one_of_the_young_freeze_nothing(
    monkeypatch: pytest.MonkeyPatch, long_is: float, generation: int
) -> None:
    monkeypatch.setattr(cloud.garbage, "_LONG", long_is)
    async with tidied():
        thing = Thing()
        found = weakref.ref(thing)
        gc.collect(generation)
        monkeypatch.setattr(cloud.garbage, "_LONG", 3600.0)
        del thing
        gc.collect()
        assert found() is None


async def test_python_has_it_back_afterwards() -> None:
    before = list(gc.callbacks)
    context = tidied()
    await context.__aenter__()
    assert len(gc.callbacks) == len(before) + 1
    assert not await context.__aexit__(None, None, None)
    assert gc.callbacks == before
