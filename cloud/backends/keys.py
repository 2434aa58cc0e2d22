"""API keys: `kw_<id>_<secret>`, of which only the id and a hash of the secret are kept.

The secret has 192 random bits, so one SHA-256 is enough to keep it safe and quick enough for every request.
"""

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable

import msgspec
from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.db.changes import Changes
from cloud.db.dialect import one_after_another
from cloud.db.tables import api_keys
from cloud.errors import Refused
from wire.crashpoint import crash_point

_next_revision = select(func.coalesce(func.max(api_keys.c.revision), 0) + 1).scalar_subquery()


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key as kept. `callback_secret` signs callbacks by Standard Webhooks (`whsec_…`)."""

    id: str
    name: str
    hash: str
    created_at: float
    callback_url: str = ""
    callback_secret: str = ""

    def __repr__(self) -> str:
        return f"ApiKey({self.id})"


class ApiKeys:
    """All keys. Like the registry of kiosks: in memory, and up to date within half a second."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._keys: dict[str, ApiKey] = {}
        self._used: dict[str, float] = {}  # Unix seconds, since this hub began
        self._revision = 0
        self._changes = Changes("API keys", self._read_changes)
        self.told: Callable[[], None] = lambda: None  # called when a key was changed by this program

    async def start(self) -> None:
        """Read all keys, then keep up."""
        await self._changes.start()

    async def stop(self) -> None:
        """Stop keeping up."""
        await self._changes.stop()

    async def refresh(self) -> None:
        """Read at once what changed."""
        await self._changes.now()

    def check(self, text: str) -> ApiKey | None:
        """The key this text proves to hold."""
        parts = text.split("_", 2)
        if len(parts) != 3 or parts[0] != "kw":
            return None
        key = self._keys.get(parts[1])
        if key is None or not hmac.compare_digest(key.hash, _hash(parts[2])):
            return None
        self._used[key.id] = time.time()
        return key

    def used_at(self, key_id: str) -> float | None:
        """When somebody last proved to hold it, Unix seconds; None: not since this hub began."""
        return self._used.get(key_id)

    def __len__(self) -> int:
        return len(self._keys)

    def get(self, key_id: str) -> ApiKey | None:
        """A key that is in force."""
        return self._keys.get(key_id)

    async def add(self, name: str) -> tuple[ApiKey, str]:
        """A new key and its text, which cannot be had again."""
        key_id, secret = secrets.token_hex(4), secrets.token_urlsafe(24)
        key = ApiKey(id=key_id, name=name, hash=_hash(secret), created_at=time.time())
        async with self._engine.begin() as connection:
            await one_after_another(connection)
            values = {"id": key_id, "name": name, "hash": key.hash, "created_at": key.created_at}
            await connection.execute(insert(api_keys).values(revision=_next_revision, **values))
            crash_point("hub.keys.add.before")
        crash_point("hub.keys.add.after")
        self.told()
        await self._changes.now()
        return key, f"kw_{key_id}_{secret}"

    async def read_all(self) -> list[ApiKey]:
        """The keys in force as they stand in the database, oldest first."""
        async with self._engine.connect() as connection:
            statement = select(api_keys).where(api_keys.c.revoked.is_(False)).order_by(api_keys.c.created_at)
            return [_key(row) for row in await connection.execute(statement)]

    async def revoke(self, key_id: str) -> None:
        """End a key. Its operations stay; callbacks not yet delivered are given up."""
        await self._update(key_id, revoked=True)

    async def set_callback(self, key_id: str, url: str) -> str:
        """Have final states sent to `url`; returns the new signing secret. An empty url ends it and returns ""."""
        secret = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode() if url else ""
        await self._update(key_id, callback_url=url or None, callback_secret=secret or None)
        return secret

    async def _update(self, key_id: str, **values: object) -> None:
        async with self._engine.begin() as connection:
            await one_after_another(connection)
            statement = update(api_keys).where(api_keys.c.id == key_id, api_keys.c.revoked.is_(False))
            result = await connection.execute(statement.values(revision=_next_revision, **values))
            if result.rowcount == 0:
                raise Refused("not-found", f"there is no API key {key_id}")
            crash_point("hub.keys.change.before")
        crash_point("hub.keys.change.after")
        self.told()
        await self._changes.now()

    async def _read_changes(self) -> None:
        async with self._engine.connect() as connection:
            rows = list(await connection.execute(select(api_keys).where(api_keys.c.revision >= self._revision)))
        for row in rows:
            self._revision = max(self._revision, row.revision)
            if row.revoked:
                self._keys.pop(row.id, None)
            else:
                self._keys[row.id] = _key(row)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _key(row: Row[tuple[object, ...]]) -> ApiKey:
    return ApiKey(
        id=row.id,
        name=row.name,
        hash=row.hash,
        created_at=row.created_at,
        callback_url=row.callback_url or "",
        callback_secret=row.callback_secret or "",
    )
