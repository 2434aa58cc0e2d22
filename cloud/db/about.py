"""What the database is, for who looks after the hub."""

import msgspec
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.errors import StorageError

_SIZE = {
    "sqlite": "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
    "postgresql": "SELECT pg_database_size(current_database())",
}
_VERSION = {"sqlite": "SELECT sqlite_version()", "postgresql": "SHOW server_version"}


class About(msgspec.Struct, frozen=True, kw_only=True):
    """`place` is a file, or a host and a database; no user and no password."""

    kind: str  # sqlite, postgresql
    version: str
    size_bytes: int
    schema: str  # the last migration
    place: str


async def about(engine: AsyncEngine) -> About:
    """Look. Raises `StorageError`."""
    kind, url = engine.dialect.name, make_url(str(engine.url))
    try:
        async with engine.connect() as connection:
            size = (await connection.execute(text(_SIZE[kind]))).scalar() or 0
            version = (await connection.execute(text(_VERSION[kind]))).scalar() or ""
            schema = (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar() or ""
    except (SQLAlchemyError, OSError) as error:
        raise StorageError(f"the database does not answer: {type(error).__name__}") from error
    place = url.database or ""
    if kind != "sqlite":
        several = url.query.get("host", ()) if url.host is None else ()
        hosts = ",".join(several) if isinstance(several, tuple) else several
        place = f"{url.host or hosts}{f':{url.port}' if url.port else ''}/{place}"
    return About(kind=kind, version=str(version), size_bytes=int(size), schema=str(schema), place=place)
