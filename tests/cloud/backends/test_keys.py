"""API keys: only the holder of the text is let in, and only a hash is kept."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from cloud.backends.keys import ApiKeys
from cloud.db.engine import open_engine
from cloud.db.migrate import migrate
from cloud.errors import Refused
from tests.cloud.hub import database_of, rows


@asynccontextmanager
async def keys(tmp_path: Path) -> AsyncIterator[ApiKeys]:
    """The keys of a new database."""
    engine = open_engine(database_of(tmp_path))
    await migrate(engine)
    made = ApiKeys(engine)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()
        await engine.dispose()


async def test_only_the_text_of_a_key_proves_it(tmp_path: Path) -> None:
    async with keys(tmp_path) as found:
        key, text = await found.add("shop")
        assert found.check(text) == key
        other, other_text = await found.add("other")
        crossed = f"kw_{key.id}_{other_text.split('_', 2)[2]}"
        for wrong in ("", "kw", "kw__", text[:-1], text + "x", text.upper(), crossed, f"kx_{text[3:]}", key.hash):
            assert found.check(wrong) is None, wrong
        assert found.check(other_text) == other


async def test_the_secret_is_nowhere_in_the_database_nor_in_a_repr(tmp_path: Path) -> None:
    async with keys(tmp_path) as found:
        key, text = await found.add("shop")
        secret = await found.set_callback(key.id, "http://shop.example/")
        assert text.split("_", 2)[2] not in str(rows(tmp_path, "SELECT * FROM api_keys"))
        kept = found.get(key.id)
        assert kept is not None
        assert (secret, False) == (kept.callback_secret, secret in repr(kept))


async def test_a_revoked_key_is_dead_and_gone_from_the_list(tmp_path: Path) -> None:
    async with keys(tmp_path) as found:
        key, text = await found.add("shop")
        await found.revoke(key.id)
        assert (found.check(text), found.get(key.id), await found.read_all()) == (None, None, [])
        for act in (found.revoke(key.id), found.set_callback(key.id, ""), found.revoke("none")):
            with pytest.raises(Refused) as refused:
                await act
            assert refused.value.problem == "not-found"


async def test_keys_do_not_repeat(tmp_path: Path) -> None:
    async with keys(tmp_path) as found:
        texts = [(await found.add("shop"))[1] for _ in range(20)]
        assert len(set(texts)) == 20
        assert all(len(text.split("_", 2)[2]) >= 32 for text in texts)
